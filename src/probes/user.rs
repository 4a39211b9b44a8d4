//! A user: id, home, shell of delivery.

use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::evidence::{Field, READ_ONLY};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "user",
    level: READ_ONLY,
    doc: "Looks a user up in the host's user database.",
    args: &[("name", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("exists", "it exists"),
    int("uid", "user id"),
    int("gid", "primary group id"),
    text("home", "home directory"),
    bool("home_exists", "the home directory exists"),
    bool("home_owned", "the home directory belongs to the user"),
    bool("in_jail_passwd", "the jail's etc/passwd has it"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
