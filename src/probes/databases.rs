//! Whether the databases behind lookup tables answer now, for complaints in the log that may be over.

use super::common::{arg, instance};
use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::evidence::PROBE_HOST;
use crate::state::databases::{self, Answer, Settings};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "databases",
    level: PROBE_HOST,
    doc: "Asks each mysql:, pgsql:, ldap: and sqlite: table (or those of one type) for a key that is not there; stops at the first that fails.",
    args: &[("type", false)],
    fields: &[
        int("asked", "how many tables of the type were asked"),
        bool("answer", "all of them answer"),
        text("error", "the words of the first that does not"),
    ],
    run,
};

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let Some(instance) = instance(ctx) else { return out };
    let kind = arg(args, "type");
    let mut asked = 0;
    for table in databases::tables(instance).into_iter().filter(|t| kind.is_none_or(|kind| t.kind == kind)) {
        let settings = Settings::read(ctx.server.host, &table.name);
        let question = databases::question(instance, &table, settings.as_ref());
        match databases::ask(ctx.server.host, &question) {
            Answer::Works => asked += 1,
            Answer::Failed(error, _) => {
                out.set("answer", false);
                out.saw(question.line(), &error);
                out.set("error", error);
                return out;
            }
            Answer::Unknown(_) => return out,
        }
        if asked == 1 {
            out.saw(question.line(), "answers");
        }
    }
    out.set("asked", asked);
    if asked > 0 {
        out.set("answer", true);
    }
    out
}
