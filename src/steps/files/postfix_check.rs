//! All that `postfix check` looks at: owners, groups and modes of the queue, the data directory, configuration,
//! programs and commands.

use super::view::{View, octal};
use crate::evidence::{Evidence, Observation};
use crate::host::{FileKind, Stat};

pub(super) fn observe(view: &View<'_>) {
    queue(view);
    data(view);
    setgid_commands(view);
    configuration(view);
    programs(view);
}

/// What a directory of the queue should be.
struct Wanted {
    name: &'static str,
    /// mail_owner, not root
    of_mail_owner: bool,
    /// setgid_group
    of_setgid_group: bool,
    /// bits that must be there
    at_least: u32,
    /// bits that must not be there
    at_most: u32,
}

const fn own(name: &'static str) -> Wanted {
    Wanted { name, of_mail_owner: true, of_setgid_group: false, at_least: 0o700, at_most: 0o700 }
}

const QUEUE: &[Wanted] = &[
    own("active"),
    own("bounce"),
    own("corrupt"),
    own("defer"),
    own("deferred"),
    own("flush"),
    own("hold"),
    own("incoming"),
    own("private"),
    own("saved"),
    own("trace"),
    Wanted { name: "maildrop", of_mail_owner: true, of_setgid_group: true, at_least: 0o730, at_most: 0o1730 },
    Wanted { name: "public", of_mail_owner: true, of_setgid_group: true, at_least: 0o710, at_most: 0o2710 },
    Wanted { name: "pid", of_mail_owner: false, of_setgid_group: false, at_least: 0o700, at_most: 0o755 },
];

#[derive(PartialEq, Eq)]
struct Wrong {
    problem: &'static str,
    path: String,
    stat: Option<Stat>,
    wanted: String,
}

fn queue(view: &View<'_>) {
    let top = match view.stat(&view.queue) {
        Some(Ok(stat)) => stat,
        Some(Err(())) => {
            emit_queue(
                view,
                &[Wrong { problem: "missing", path: view.queue.clone(), stat: None, wanted: "root, 0755".into() }],
            );
            return;
        }
        None => return,
    };
    let mut problems = Vec::new();
    if top.mode & 0o005 != 0o005 {
        let (path, wanted) = (view.queue.clone(), "0755".to_owned());
        problems.push(Wrong { problem: "mode", path, stat: Some(top.clone()), wanted });
    }
    if top.uid != 0 {
        let (path, wanted) = (view.queue.clone(), "root".to_owned());
        problems.push(Wrong { problem: "owner", path, stat: Some(top), wanted });
    }
    let owner = view.host.user(&view.mail_owner).ok().map(|u| u.uid);
    let group = view.host.group(&view.setgid_group).ok();
    for wanted in QUEUE {
        let path = format!("{}/{}", view.queue, wanted.name);
        let stat = match view.stat(&path) {
            Some(Ok(stat)) => stat,
            Some(Err(())) => {
                // master makes most of them at the start; only a running Postfix without them is broken.
                if view.instance.master_pid.is_some()
                    && !matches!(wanted.name, "corrupt" | "saved" | "trace" | "flush" | "hold")
                {
                    problems.push(Wrong { problem: "missing", path, stat: None, wanted: "a directory".into() });
                }
                continue;
            }
            None => continue,
        };
        if stat.kind != FileKind::Directory {
            problems.push(Wrong { problem: "not-a-directory", path, stat: Some(stat), wanted: "a directory".into() });
            continue;
        }
        let right_owner = if wanted.of_mail_owner { owner } else { Some(0) };
        if let Some(uid) = right_owner
            && stat.uid != uid
        {
            let wanted = if wanted.of_mail_owner { view.mail_owner.clone() } else { "root".to_owned() };
            problems.push(Wrong { problem: "owner", path, stat: Some(stat), wanted });
            continue;
        }
        if wanted.of_setgid_group && group.is_some_and(|g| stat.gid != g) {
            problems.push(Wrong { problem: "group", path, stat: Some(stat), wanted: view.setgid_group.clone() });
            continue;
        }
        let lacks = stat.mode & wanted.at_least != wanted.at_least;
        let writable = stat.mode & !wanted.at_most & 0o022 != 0;
        if lacks || writable {
            let wanted = octal(if wanted.at_most & 0o7000 == 0o1000 { 0o1730 } else { wanted.at_least });
            problems.push(Wrong { problem: "mode", path, stat: Some(stat), wanted });
        }
    }
    for name in ["owner", "group", "mode", "missing", "not-a-directory"] {
        let same: Vec<Wrong> = {
            let (a, b) = problems.into_iter().partition(|p| p.problem == name);
            problems = b;
            a
        };
        if !same.is_empty() {
            emit_queue(view, &same);
        }
    }
}

fn emit_queue(view: &View<'_>, same: &[Wrong]) {
    let first = &same[0];
    let paths: Vec<String> = same.iter().map(|p| p.path.clone()).collect();
    let list = paths.join(" ");
    let command = match first.problem {
        "owner" if same.len() > 1 => "postfix set-permissions".to_owned(),
        "owner" => format!("chown {} {list}", first.wanted),
        "group" => format!("chgrp {} {list}", first.wanted),
        "mode" if same.len() == 1 => format!("chmod {} {list}", first.wanted),
        "not-a-directory" => format!("rm {list} && postfix check"),
        _ => "postfix check".to_owned(),
    };
    let mut seen = Observation::now("queue-directory")
        .with("path", first.path.as_str())
        .with("paths", paths)
        .with("problem", first.problem)
        .with("wanted", first.wanted.as_str())
        .with("command", command);
    if let Some(stat) = &first.stat {
        seen =
            seen.with("owner", view.user(stat.uid)).with("group", view.group(stat.gid)).with("mode", octal(stat.mode));
    }
    for problem in same.iter().take(6) {
        seen = seen.seen(match &problem.stat {
            Some(stat) => view.evidence(&problem.path, stat),
            None => Evidence::new(&problem.path, "No such file or directory"),
        });
    }
    view.emit(seen);
}

fn data(view: &View<'_>) {
    if view.data.is_empty() {
        return;
    }
    let Some(found) = view.stat(&view.data) else { return };
    let owner = view.host.user(&view.mail_owner).ok().map(|u| u.uid);
    let emit = |path: &str, problem: &str, stat: Option<&Stat>, wanted: &str, command: String| {
        let mut seen = Observation::now("data-directory")
            .with("path", path)
            .with("problem", problem)
            .with("wanted", wanted)
            .with("command", command);
        if let Some(stat) = stat {
            seen =
                seen.with("owner", view.user(stat.uid)).with("mode", octal(stat.mode)).seen(view.evidence(path, stat));
        } else {
            seen = seen.seen(Evidence::new(path, "No such file or directory"));
        }
        view.emit(seen);
    };
    let Ok(stat) = found else {
        let command = format!("install -d -o {0} -g {0} -m 0700 {1}", view.mail_owner, view.data);
        emit(&view.data, "missing", None, &view.mail_owner, command);
        return;
    };
    if let Some(uid) = owner
        && stat.uid != uid
    {
        let command = format!("chown -R {} {}", view.mail_owner, view.data);
        emit(&view.data, "owner", Some(&stat), &view.mail_owner, command);
        return;
    }
    if stat.mode & 0o700 != 0o700 || stat.mode & 0o022 != 0 {
        emit(&view.data, "mode", Some(&stat), "0700", format!("chmod 0700 {}", view.data));
    }
    for name in view.host.list(&view.data).unwrap_or_default() {
        let path = format!("{}/{name}", view.data);
        if let Ok(stat) = view.host.stat(&path)
            && let Some(uid) = owner
            && stat.uid != uid
            && stat.kind == FileKind::File
        {
            emit(&path, "file-owner", Some(&stat), &view.mail_owner, format!("chown {} {path}", view.mail_owner));
        }
    }
}

fn setgid_commands(view: &View<'_>) {
    if view.commands.is_empty() || view.setgid_group.is_empty() {
        return;
    }
    let group = view.host.group(&view.setgid_group).ok();
    for name in ["postdrop", "postqueue"] {
        let path = format!("{}/{name}", view.commands);
        let emit = |problem: &str, stat: Option<&Stat>, wanted: &str, command: String| {
            let mut seen = Observation::now("setgid-command")
                .with("path", path.as_str())
                .with("problem", problem)
                .with("wanted", wanted)
                .with("command", command);
            if let Some(stat) = stat {
                seen = seen
                    .with("owner", view.user(stat.uid))
                    .with("group", view.group(stat.gid))
                    .with("mode", octal(stat.mode))
                    .seen(view.evidence(&path, stat));
            } else {
                seen = seen.seen(Evidence::new(&path, "No such file or directory"));
            }
            view.emit(seen);
        };
        match view.stat(&path) {
            // Another command missing beside it tells that this directory is where commands are.
            Some(Err(())) if view.host.stat(&format!("{}/postfix", view.commands)).is_ok() => {
                emit("missing", None, "set-gid program", "apt install --reinstall postfix".to_owned());
            }
            Some(Ok(stat)) => {
                if group.is_some_and(|g| g != stat.gid) {
                    let command = format!("chgrp {} {path} && chmod g+s {path}", view.setgid_group);
                    emit("group", Some(&stat), &view.setgid_group, command);
                } else if stat.mode & 0o2000 == 0 {
                    emit("mode", Some(&stat), "2755", format!("chmod g+s {path}"));
                } else if stat.mode & 0o001 == 0 {
                    emit("not-executable", Some(&stat), "2755", format!("chmod 2755 {path}"));
                }
            }
            _ => {}
        }
    }
}

/// sendmail and postdrop run as the calling user and read main.cf; nobody but root may write there.
fn configuration(view: &View<'_>) {
    let main = format!("{}/main.cf", view.config);
    for path in [view.config.clone(), main.clone(), format!("{}/dynamicmaps.cf", view.config)] {
        let Some(Ok(stat)) = view.stat(&path) else { continue };
        let wanted = if stat.kind == FileKind::Directory { 0o005 } else { 0o004 };
        if stat.mode & wanted != wanted {
            let bits = if stat.kind == FileKind::Directory { "o+rx" } else { "o+r" };
            view.emit(
                Observation::now("config-unreadable")
                    .with("path", path.as_str())
                    .with("owner", view.user(stat.uid))
                    .with("mode", octal(stat.mode))
                    .with("command", format!("chmod {bits} {path}"))
                    .seen(view.evidence(&path, &stat)),
            );
        }
    }
    for name in ["", "/main.cf", "/master.cf", "/postfix-script", "/post-install"] {
        safe(view, &format!("{}{name}", view.config), "configuration");
    }
}

/// Root owns it, and nobody else may write it.
fn safe(view: &View<'_>, path: &str, what: &str) {
    let Some(Ok(stat)) = view.stat(path) else { return };
    if stat.uid != 0 {
        view.emit(
            Observation::now("owner-unsafe")
                .with("path", path)
                .with("owner", view.user(stat.uid))
                .with("wanted", "root")
                .with("what", what)
                .with("command", format!("chown root {path}"))
                .seen(view.evidence(path, &stat)),
        );
    }
    if stat.mode & 0o022 != 0 && stat.kind != FileKind::Symlink {
        view.emit(
            Observation::now("writable-by-others")
                .with("path", path)
                .with("mode", octal(stat.mode))
                .with("what", what)
                .with("command", format!("chmod go-w {path}"))
                .seen(view.evidence(path, &stat)),
        );
    }
}

const COMMANDS: &[&str] = &[
    "postalias",
    "postcat",
    "postconf",
    "postdrop",
    "postfix",
    "postkick",
    "postlock",
    "postlog",
    "postmap",
    "postqueue",
    "postsuper",
    "sendmail",
];

fn programs(view: &View<'_>) {
    for (directory, what) in [(&view.daemons, "daemon"), (&view.commands, "command")] {
        if directory.is_empty() {
            continue;
        }
        safe(view, directory, what);
        let names: Vec<String> = if what == "daemon" {
            view.host.list(directory).unwrap_or_default()
        } else {
            COMMANDS.iter().map(ToString::to_string).collect()
        };
        for name in names {
            let path = format!("{directory}/{name}");
            let Some(Ok(stat)) = view.stat(&path) else { continue };
            safe(view, &path, what);
            let library = name.contains(".so") || name.contains(".cf") || name.contains("-files");
            if stat.kind == FileKind::File && stat.mode & 0o111 == 0 && !library {
                view.emit(
                    Observation::now("daemon-program")
                        .with("path", path.as_str())
                        .with("problem", "not-executable")
                        .with("mode", octal(stat.mode))
                        .with("command", format!("chmod 755 {path}"))
                        .seen(view.evidence(&path, &stat)),
                );
            }
        }
    }
}
