//! A unit of systemd: state, result, first error.

use super::{Args, Context, Outcome, ProbeKind, bool, int, list, text};
use crate::evidence::{Field, READ_ONLY};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "unit",
    level: READ_ONLY,
    doc: "Asks systemd about a unit.",
    args: &[("name", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("exists", "the unit is known"),
    bool("active", "it runs"),
    bool("failed", "it failed"),
    bool("enabled", "it starts at boot"),
    bool("masked", "it is masked"),
    text("name", "its full name"),
    text("state", "`active`, `failed`, `inactive`, `activating`, `not-found`, `masked`"),
    text("sub_state", "sub state"),
    text("result", "`exit-code`, `timeout`, `start-limit-hit`, `oom-kill`, …"),
    text("error", "first error of its last run in the journal"),
    text("since", "since when"),
    int("restarts", "how often systemd restarted it"),
    list("drop_ins", "files that change it"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
