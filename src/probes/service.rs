//! What master.cf says of a service.

use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::evidence::{Field, READ_ONLY};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "service",
    level: READ_ONLY,
    doc: "Looks a service up in master.cf.",
    args: &[("name", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("in_master_cf", "it is there"),
    bool("commented_out", "a line that starts with # would define it"),
    int("line", "its line, or the commented one"),
    text("name", "its name"),
    text("type", "`inet`, `unix`, …"),
    text("command", "the program"),
    bool("command_exists", "the program file exists in daemon_directory and can be executed"),
    text("command_path", "its path"),
    bool("chrooted", "it runs chrooted"),
    int("maxproc", "its process limit in force"),
    int("running", "how many processes of its program run"),
    bool("maxproc_default", "it uses default_process_limit"),
    bool("stress", "one of its processes was told `-o stress=yes`"),
    bool("wakeup", "it is woken up regularly"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
