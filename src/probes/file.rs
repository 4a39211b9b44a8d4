//! A path with the eyes of a user: permission bits of it and of all directories above.

use super::common::{arg, instance, mail_owner};
use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::evidence::{Field, READ_ONLY};
use crate::host::{FileKind, Trouble};
use crate::state::{access, jail};

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

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    let Some(path) = arg(args, "path") else { return out };
    let path = match instance(ctx) {
        Some(instance) if matches!(arg(args, "in_jail"), Some("true" | "yes")) => jail::of(instance).inside(path),
        Some(instance) => jail::of(instance).outside(path),
        None => path.to_owned(),
    };
    out.set("path", path.as_str());
    if let Ok(link) = host.lstat(&path)
        && link.kind == FileKind::Symlink
    {
        out.set_some("target", host.read_link(&path).ok());
        out.set("dangling", matches!(host.stat(&path), Err(Trouble::Missing)));
    }
    let user = arg(args, "user").map_or_else(|| mail_owner(ctx), str::to_owned);
    let who = access::who(host, &user).ok();
    out.set("user", user.as_str());
    match host.stat(&path) {
        Ok(stat) => {
            out.set("exists", true);
            out.set("kind", kind_word(stat.kind));
            out.set("owner", access::user_name(host, stat.uid));
            out.set("group", access::group_name(host, stat.gid));
            out.set("mode", access::octal(&stat));
            out.set("size", stat.size as i64);
            out.set("world_readable", stat.mode & 0o004 != 0);
            out.set("world_writable", stat.mode & 0o002 != 0);
            out.set("group_writable", stat.mode & 0o020 != 0);
            if let Ok(now) = host.now() {
                out.set("age_minutes", (now.as_second() - stat.mtime) / 60);
            }
            if let Some(other) = arg(args, "newer_than").and_then(|p| host.stat(p).ok()) {
                out.set("newer", stat.mtime > other.mtime);
            }
            out.saw(path.as_str(), access::words(host, &stat));
        }
        Err(Trouble::Missing) => {
            out.set("exists", false);
            out.saw(path.as_str(), "does not exist");
            let gone = access::parents(&path).into_iter().find(|p| matches!(host.stat(p), Err(Trouble::Missing)));
            out.set_some("parent_missing", gone);
        }
        Err(why) => out.unchecked(path.as_str(), why, Some(format!("ls -ld {}", crate::host::quote(&path)))),
    }
    if let Some(who) = &who {
        let wants = [
            ("readable", access::Want::Read),
            ("writable", access::Want::Write),
            ("executable", access::Want::Execute),
        ];
        for (name, want) in wants {
            match access::check(host, &path, who, want) {
                access::Access::Blocked(by) if by != path => {
                    if !out.fields.contains_key("parent_blocked") {
                        if let Ok(stat) = host.stat(&by) {
                            out.saw(by.as_str(), format!("{} does not let {user} pass", access::words(host, &stat)));
                        }
                        out.set("parent_blocked", by);
                    }
                    out.set(name, false);
                }
                access::Access::Missing(_) => {}
                found => out.set_some(name, found.allowed()),
            }
        }
    }
    out.set_some("read_only", read_only(host, &path));
    out
}

fn kind_word(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symlink",
        FileKind::Socket => "socket",
        FileKind::Fifo => "fifo",
        FileKind::Other => "other",
    }
}

/// Whether the file system that holds the path is mounted read only.
pub(crate) fn read_only(host: &dyn crate::host::Host, path: &str) -> Option<bool> {
    let mounts = host.read("/proc/self/mounts", 1 << 20).ok()?;
    let text = String::from_utf8_lossy(&mounts);
    let holds =
        |point: &str| path == point || point == "/" || path.strip_prefix(point).is_some_and(|r| r.starts_with('/'));
    text.lines()
        .filter_map(|line| {
            let mut columns = line.split_whitespace();
            Some((columns.nth(1)?, columns.nth(1)?))
        })
        .filter(|(point, _)| holds(point))
        .max_by_key(|(point, _)| point.len())
        .map(|(_, options)| options.split(',').any(|o| o == "ro"))
}
