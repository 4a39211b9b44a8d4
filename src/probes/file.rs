//! A path with the eyes of a user: permission bits of it and of all directories above.

use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::evidence::{Field, READ_ONLY};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "file",
    level: READ_ONLY,
    doc: "Looks at a path: what it is, who may use it, which directory blocks the way.",
    args: &[("path", true), ("user", false), ("in_jail", false), ("newer_than", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("exists", "it exists"),
    text("kind", "`file`, `directory`, `socket`, `fifo`, `symlink`, `other`"),
    bool("dangling", "it is a symbolic link to nothing"),
    text("target", "where a symbolic link points"),
    text("path", "the path that was looked at"),
    text("owner", "owner"),
    text("group", "group"),
    text("mode", "permissions, octal"),
    bool("readable", "the user (mail_owner, if none is given) may read it by its permissions"),
    bool("writable", "the user may write it"),
    bool("executable", "the user may execute it or enter it"),
    bool("world_readable", "everybody may read it"),
    bool("world_writable", "everybody may write it"),
    bool("group_writable", "the group may write it"),
    text("parent_blocked", "the directory that does not let the user pass"),
    text("parent_missing", "the first directory above that does not exist"),
    text("user", "the user it was judged for"),
    int("size", "bytes"),
    int("age_minutes", "minutes since it was changed"),
    bool("newer", "it is newer than the file `newer_than`"),
    bool("read_only", "its file system is mounted read only"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
