//! Does a program run?

use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::evidence::{Field, READ_ONLY};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "process",
    level: READ_ONLY,
    doc: "Looks for processes by program name.",
    args: &[("name", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("running", "at least one runs"),
    int("count", "how many"),
    int("oldest_minutes", "minutes since the oldest started"),
    text("user", "who runs it"),
    bool("zombie", "one of them is a zombie"),
    bool("blocked", "one of them waits for a device (state D)"),
    bool("exe_deleted", "its program file was replaced since it started"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
