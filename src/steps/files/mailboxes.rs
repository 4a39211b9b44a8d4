//! Mailboxes as the user who delivers there sees them: local(8) acts as the recipient, virtual(8) as the
//! configured user id.

use super::users::people;
use super::view::{View, octal};
use crate::evidence::{Evidence, Observation};
use crate::host::{FileKind, Stat, Trouble, User};
use crate::steps::config::access::{self, Blocked, SEARCH, WRITE};

pub(super) fn observe(view: &View<'_>) {
    local(view);
    virtual_mailboxes(view);
}

fn local(view: &View<'_>) {
    let config = &view.instance.config;
    let by_local = config.text("local_transport").split(':').next() == Some("local")
        && config.text("mailbox_command").trim().is_empty()
        && config.text("mailbox_transport").trim().is_empty();
    if !by_local || config.text("mydestination").trim().is_empty() {
        return;
    }
    let home_mailbox = config.text("home_mailbox");
    let spool = config.text("mail_spool_directory");
    if home_mailbox.trim().is_empty() {
        spool_directory(view, &spool);
    }
    for user in people(view) {
        if home_mailbox.trim().is_empty() {
            in_spool(view, &user, &spool);
        } else {
            in_home(view, &user, home_mailbox.trim());
        }
    }
}

/// `mail_spool_directory/name` is an mbox; with a slash at the end, `…/name` is a Maildir.
fn in_spool(view: &View<'_>, user: &User, spool: &str) {
    let path = format!("{}/{}", spool.trim_end_matches('/'), user.name);
    let wants_directory = spool.ends_with('/');
    let Ok(stat) = view.host.stat(&path) else { return };
    if wants_directory {
        maildir(view, user, &path);
    } else {
        mbox(view, user, &path, &stat);
    }
}

fn in_home(view: &View<'_>, user: &User, home_mailbox: &str) {
    // local(8) does not create home directories; root without a home gets no mail there.
    match view.host.stat(&user.home) {
        Err(Trouble::Missing) => {
            if user.uid != 0 {
                view.emit(
                    Observation::now("home-missing")
                        .with("user", user.name.as_str())
                        .with("path", user.home.as_str())
                        .with(
                            "command",
                            format!("install -d -o {0} -g {1} -m 0700 {2}", user.name, user.gid, user.home),
                        )
                        .seen(Evidence::new(&user.home, "No such file or directory")),
                );
            }
            return;
        }
        Err(_) => return,
        Ok(_) => {}
    }
    let path = format!("{}/{home_mailbox}", user.home);
    let path = path.trim_end_matches('/');
    if home_mailbox.ends_with('/') {
        match view.host.stat(path) {
            Ok(_) => maildir(view, user, path),
            Err(Trouble::Missing) => creatable(view, user, path),
            Err(_) => {}
        }
    } else if let Ok(stat) = view.host.stat(path) {
        mbox(view, user, path, &stat);
    }
}

/// The mailbox does not exist yet: the user must be able to make it.
fn creatable(view: &View<'_>, user: &User, path: &str) {
    let parent = path.rsplit_once('/').map_or("/", |p| p.0);
    if let Some(blocked) = blocked(view, user, parent, WRITE | SEARCH) {
        unwritable(view, user, path, &blocked, "maildir");
    }
}

fn maildir(view: &View<'_>, user: &User, path: &str) {
    let Ok(stat) = view.host.stat(path) else { return };
    if stat.kind != FileKind::Directory {
        wrong_kind(view, user, path, &stat, "maildir");
        return;
    }
    for part in ["tmp", "new", "cur"] {
        let part_path = format!("{path}/{part}");
        match view.host.stat(&part_path) {
            Ok(stat) if stat.kind != FileKind::Directory => {
                return wrong_kind(view, user, &part_path, &stat, "maildir");
            }
            Ok(_) => {
                if let Some(blocked) = blocked(view, user, &part_path, WRITE | SEARCH) {
                    return unwritable(view, user, path, &blocked, "maildir");
                }
            }
            Err(Trouble::Missing) => {
                if let Some(blocked) = blocked(view, user, path, WRITE | SEARCH) {
                    return unwritable(view, user, path, &blocked, "maildir");
                }
            }
            Err(_) => {}
        }
    }
}

fn mbox(view: &View<'_>, user: &User, path: &str, stat: &Stat) {
    if stat.kind != FileKind::File {
        wrong_kind(view, user, path, stat, "mbox");
        return;
    }
    // Besides writing, local(8) demands that the recipient owns the mailbox (strict_mailbox_ownership).
    let strict = !view.instance.config.text("strict_mailbox_ownership").eq_ignore_ascii_case("no");
    if strict && stat.uid != user.uid {
        let found = Blocked { path: path.to_owned(), why: access::owner_and_mode(view.host, stat), stat: stat.clone() };
        unwritable(view, user, path, &found, "mbox");
    } else if let Some(blocked) = blocked(view, user, path, WRITE) {
        unwritable(view, user, path, &blocked, "mbox");
    }
}

fn blocked(view: &View<'_>, user: &User, path: &str, want: u32) -> Option<Blocked> {
    if user.uid == 0 {
        // Mail for root is delivered as nobody or default_privs, or has an alias; nothing can be said here.
        return None;
    }
    let groups = access::groups_of(view.host, &user.name, user.gid);
    access::blocked_for(view.host, path, user.uid, &groups, want)
}

fn wrong_kind(view: &View<'_>, user: &User, path: &str, stat: &Stat, form: &str) {
    view.emit(
        Observation::now("mailbox-unwritable")
            .with("user", user.name.as_str())
            .with("path", path)
            .with("blocked_by", path)
            .with("owner", view.user(stat.uid))
            .with("mode", octal(stat.mode))
            .with("problem", "wrong-kind")
            .with("form", form)
            .with("command", format!("mv {path} {path}.old"))
            .seen(view.evidence(path, stat)),
    );
}

fn unwritable(view: &View<'_>, user: &User, path: &str, blocked: &Blocked, form: &str) {
    let above = path.starts_with(&format!("{}/", blocked.path));
    let problem = if blocked.stat.uid != user.uid && !above {
        "owner"
    } else if above {
        "search"
    } else {
        "mode"
    };
    let home_or_above = user.home == blocked.path || user.home.starts_with(&format!("{}/", blocked.path));
    let command = match problem {
        "owner" if form == "maildir" => format!("chown -R {}: {path}", user.name),
        "owner" => format!("chown {} {path}", user.name),
        "search" if home_or_above && blocked.stat.uid != user.uid && user.home == blocked.path => {
            format!("chown {}: {}", user.name, blocked.path)
        }
        "search" => format!("chmod a+x {}", blocked.path),
        _ => format!("chmod -R u+rwX {}", blocked.path),
    };
    view.emit(
        Observation::now("mailbox-unwritable")
            .with("user", user.name.as_str())
            .with("path", path)
            .with("blocked_by", blocked.path.as_str())
            .with("owner", view.user(blocked.stat.uid))
            .with("mode", octal(blocked.stat.mode))
            .with("problem", problem)
            .with("form", form)
            .with("command", command)
            .seen(Evidence::new(blocked.path.as_str(), blocked.why.as_str())),
    );
}

/// Users create their mailbox and its lock there: set-gid mail with a writable group, or sticky and open to all.
fn spool_directory(view: &View<'_>, spool: &str) {
    let path = spool.trim_end_matches('/');
    if path.is_empty() || spool.contains('$') {
        return;
    }
    let Some(found) = view.stat(path) else { return };
    let emit = |problem: &str, stat: Option<&Stat>, wanted: &str, command: String| {
        let mut seen = Observation::now("spool-directory")
            .with("path", path)
            .with("problem", problem)
            .with("wanted", wanted)
            .with("command", command);
        if let Some(stat) = stat {
            seen = seen
                .with("owner", view.user(stat.uid))
                .with("group", view.group(stat.gid))
                .with("mode", octal(stat.mode))
                .seen(view.evidence(path, stat));
        } else {
            seen = seen.seen(Evidence::new(path, "No such file or directory"));
        }
        view.emit(seen);
    };
    let Ok(stat) = found else {
        emit("missing", None, "root:mail 2775", format!("install -d -o root -g mail -m 2775 {path}"));
        return;
    };
    let open = stat.mode & 0o1777 == 0o1777 || stat.mode & 0o007 == 0o007;
    let by_group = stat.mode & 0o030 == 0o030;
    // local(8) makes the file as root if the directory is not open; what fails then is the lock of the user.
    if !open && !by_group || stat.mode & 0o001 == 0 && stat.mode & 0o010 == 0 {
        emit("mode", Some(&stat), "root:mail 2775", format!("chgrp mail {path} && chmod 2775 {path}"));
    }
}

/// virtual(8): the base directory and what is below it belong to the static user id.
fn virtual_mailboxes(view: &View<'_>) {
    let config = &view.instance.config;
    let base = config.text("virtual_mailbox_base").trim_end_matches('/').to_owned();
    let by_virtual = config.text("virtual_transport").split(':').next() == Some("virtual");
    if base.is_empty() || !by_virtual || !config.is_set("virtual_mailbox_domains") {
        return;
    }
    let number = |name: &str| config.text(name).trim().strip_prefix("static:").and_then(|n| n.parse::<u32>().ok());
    let (Some(uid), Some(gid)) = (number("virtual_uid_maps"), number("virtual_gid_maps")) else { return };
    let emit = |path: &str, problem: &str, blocked: Option<&Blocked>, command: String| {
        let mut seen = Observation::now("virtual-mailbox-unwritable")
            .with("path", path)
            .with("uid", uid.to_string())
            .with("problem", problem)
            .with("command", command);
        seen = match blocked {
            Some(b) => seen
                .with("blocked_by", b.path.as_str())
                .with("owner", view.user(b.stat.uid))
                .with("mode", octal(b.stat.mode))
                .seen(Evidence::new(b.path.as_str(), b.why.as_str())),
            None => seen.with("blocked_by", path).seen(Evidence::new(path, "No such file or directory")),
        };
        view.emit(seen);
    };
    match view.host.stat(&base) {
        Err(Trouble::Missing) => {
            emit(&base, "missing", None, format!("install -d -o {uid} -g {gid} -m 0770 {base}"));
            return;
        }
        Err(_) => return,
        Ok(_) => {}
    }
    // The base itself and two levels below (domain, user); deeper is one user's own matter.
    let mut todo = vec![(base.clone(), 0)];
    let mut looked = 0;
    while let Some((path, depth)) = todo.pop() {
        looked += 1;
        if looked > 500 {
            return;
        }
        if let Some(blocked) = access::blocked_for(view.host, &path, uid, &[gid], WRITE | SEARCH) {
            let problem = if path == blocked.path { "owner" } else { "search" };
            let command = if problem == "owner" {
                format!("chown -R {uid}:{gid} {}", blocked.path)
            } else {
                format!("chmod a+x {}", blocked.path)
            };
            emit(&path, problem, Some(&blocked), command);
            if depth == 0 {
                return;
            }
            continue;
        }
        if depth < 2 {
            for name in view.host.list(&path).unwrap_or_default() {
                let below = format!("{path}/{name}");
                if view.host.stat(&below).is_ok_and(|s| s.kind == FileKind::Directory) {
                    todo.push((below, depth + 1));
                }
            }
        }
    }
}
