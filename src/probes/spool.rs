//! Where mail for an address is written, and whether the delivering user may write there.

use super::address::{base, class};
use super::common::{arg, instance};
use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::discover::Instance;
use crate::evidence::{Field, PROBE_HOST};
use crate::host::{FileKind, Run, Trouble};
use crate::state::access;
use std::time::Duration;

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

/// Where a mailbox is and who writes there.
struct Place {
    mailbox: String,
    maildir: bool,
    user: String,
    uid: u32,
    gid: u32,
    home: Option<String>,
}

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    let (Some(address), Some(instance)) = (arg(args, "address"), instance(ctx)) else { return out };
    let address = address.trim_matches(['<', '>']).to_ascii_lowercase();
    let (local, domain) = match address.rsplit_once('@') {
        Some((local, domain)) => (local.to_owned(), domain.to_owned()),
        None => (address.clone(), String::new()),
    };
    let class = if domain.is_empty() { Some(("local", "local_transport")) } else { class(ctx, instance, &domain) };
    let place = match class {
        Some(("local", _))
            if instance.config.text("mailbox_transport").is_empty()
                && instance.config.text("mailbox_command").is_empty() =>
        {
            out.set("local", true);
            local_place(ctx, instance, &base(&local, instance))
        }
        Some(("virtual mailbox", _)) if instance.config.text("virtual_transport") == "virtual" => {
            out.set("local", true);
            virtual_place(ctx, instance, &address)
        }
        Some(_) => {
            out.set("local", false);
            None
        }
        None => None,
    };
    let Some(place) = place else { return out };
    out.set("mailbox", place.mailbox.as_str());
    out.set("style", if place.maildir { "maildir" } else { "mbox" });
    out.set("user", place.user.as_str());
    if let Some(home) = &place.home {
        out.set("home_missing", matches!(host.stat(home), Err(Trouble::Missing)));
    }
    look(ctx, &mut out, instance, &place);
    out
}

fn local_place(ctx: &Context<'_>, instance: &Instance, name: &str) -> Option<Place> {
    let user = ctx.server.host.user(name).ok()?;
    let home_mailbox = instance.config.text("home_mailbox");
    let (mailbox, maildir) = if home_mailbox.is_empty() {
        let directory = Some(instance.config.text("mail_spool_directory")).filter(|d| !d.is_empty());
        let directory = directory.unwrap_or_else(|| "/var/mail".to_owned());
        let maildir = directory.ends_with('/');
        (format!("{}/{name}", directory.trim_end_matches('/')), maildir)
    } else {
        (
            format!("{}/{}", user.home.trim_end_matches('/'), home_mailbox.trim_end_matches('/')),
            home_mailbox.ends_with('/'),
        )
    };
    Some(Place { mailbox, maildir, user: user.name, uid: user.uid, gid: user.gid, home: Some(user.home) })
}

fn virtual_place(ctx: &Context<'_>, instance: &Instance, address: &str) -> Option<Place> {
    let ask = |parameter: &str| {
        instance.config.items(parameter).into_iter().find_map(|table| {
            if let Some(value) = table.strip_prefix("static:") {
                return Some(value.to_owned());
            }
            let table = table.trim_start_matches("proxy:").to_owned();
            let run =
                Run::new("postmap", &["-c", &instance.config_dir, "-q", address, &table]).limit(Duration::from_secs(5));
            let ran = ctx.server.host.run(&run).ok().filter(crate::host::Ran::ok)?;
            Some(ran.out().trim().to_owned())
        })
    };
    let path = ask("virtual_mailbox_maps")?;
    let uid: u32 = ask("virtual_uid_maps")?.parse().ok()?;
    let gid: u32 = ask("virtual_gid_maps")?.parse().ok()?;
    let root = instance.config.text("virtual_mailbox_base");
    let maildir = path.ends_with('/');
    let mailbox = format!("{}/{}", root.trim_end_matches('/'), path.trim_matches('/'));
    let user = access::user_name(ctx.server.host, uid);
    Some(Place { mailbox, maildir, user, uid, gid, home: None })
}

fn look(ctx: &Context<'_>, out: &mut Outcome, instance: &Instance, place: &Place) {
    let host = ctx.server.host;
    let mut who = access::who(host, &place.user).unwrap_or(access::Who {
        name: place.user.clone(),
        uid: place.uid,
        gids: vec![],
    });
    who.gids.push(place.gid);
    let stat = host.stat(&place.mailbox);
    out.set_some(
        "exists",
        match &stat {
            Ok(_) => Some(true),
            Err(Trouble::Missing) => Some(false),
            Err(_) => None,
        },
    );
    match stat {
        Ok(stat) => {
            out.set("owner", access::owner(host, &stat));
            out.set("mode", access::octal(&stat));
            out.set("owned", stat.uid == place.uid);
            out.set("is_directory", (stat.kind == FileKind::Directory) != place.maildir);
            out.saw(place.mailbox.as_str(), access::words(host, &stat));
            if !place.maildir {
                out.set("size", stat.size as i64);
                let limit = instance.config.text(if place.home.is_some() {
                    "mailbox_size_limit"
                } else {
                    "virtual_mailbox_limit"
                });
                if let Ok(limit) = limit.parse::<u64>() {
                    out.set("over_limit", limit > 0 && stat.size >= limit);
                }
            }
            let wanted: Vec<String> = if place.maildir {
                ["tmp", "new", "cur"]
                    .iter()
                    .map(|d| format!("{}/{d}", place.mailbox))
                    .filter(|p| host.stat(p).is_ok())
                    .collect()
            } else {
                Vec::new()
            };
            let wanted = if wanted.is_empty() { vec![place.mailbox.clone()] } else { wanted };
            may_write(ctx, out, &who, &wanted);
        }
        Err(Trouble::Missing) => {
            // A mailbox that is not there yet is made by the delivery agent: in a spool directory as root's
            // group `mail`, elsewhere as the user.
            let parent = access::parents(&place.mailbox).into_iter().rev().find(|p| host.stat(p).is_ok());
            if place.home.is_none() || !instance.config.text("home_mailbox").is_empty() {
                may_write(ctx, out, &who, &parent.into_iter().collect::<Vec<_>>());
            }
        }
        Err(_) => {}
    }
    let lock = format!("{}.lock", place.mailbox);
    if !place.maildir
        && let Ok(stat) = host.lstat(&lock)
    {
        let old = host.now().is_ok_and(|now| now.as_second() - stat.mtime > 600);
        out.set("lock_left", old);
        if old {
            out.saw(
                lock.as_str(),
                format!("a lock that is {} minutes old", host.now().map_or(0, |n| (n.as_second() - stat.mtime) / 60)),
            );
        }
        out.set("lock", lock);
    }
}

fn may_write(ctx: &Context<'_>, out: &mut Outcome, who: &access::Who, paths: &[String]) {
    let host = ctx.server.host;
    let mut writable = None;
    for path in paths {
        match access::check(host, path, who, access::Want::Write) {
            access::Access::Blocked(by) => {
                if let Ok(stat) = host.stat(&by) {
                    out.saw(by.as_str(), format!("{}: {} may not write there", access::words(host, &stat), who.name));
                }
                out.set("blocked_by", by);
                return out.set("writable", false);
            }
            access::Access::Yes => writable = writable.or(Some(true)),
            access::Access::Missing(_) | access::Access::Unknown(_) => {}
        }
    }
    out.set_some("writable", writable);
}
