//! Where mail for an address is written, and whether the delivering user may write there.

use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::evidence::{Field, PROBE_HOST};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "spool",
    level: PROBE_HOST,
    doc: "Looks at the mailbox of an address as the delivering user.",
    args: &[("address", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("local", "the address is delivered by local or virtual on this host"),
    text("mailbox", "path of the mailbox file or Maildir"),
    text("style", "`mbox` or `maildir`"),
    bool("exists", "it exists"),
    text("user", "who delivers"),
    text("owner", "owner of the mailbox"),
    bool("owned", "it belongs to the delivering user"),
    bool("writable", "the delivering user may write there"),
    text("blocked_by", "the path that does not let the user write"),
    text("mode", "its permissions"),
    int("size", "bytes of an mbox"),
    bool("over_limit", "an mbox is larger than mailbox_size_limit"),
    bool("is_directory", "an mbox path is a directory, or the other way round"),
    bool("home_missing", "the home directory does not exist"),
    bool("lock_left", "a lock file is left over"),
    text("lock", "its path"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
