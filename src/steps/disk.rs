//! The step `disk`: room for the queue, the mailboxes, the log and Postfix's data.

use std::time::Duration;

use super::config::{flag, int, text};
use super::files::mount_of;
use super::{Context, Outcome, StepKind};
use crate::discover::Instance;
use crate::evidence::{Evidence, Kind, NotChecked, Observation, READ_ONLY};
use crate::host::{Host, Run, Trouble};
use crate::logs::source::LogSource;

/// The step.
pub const STEP: StepKind = StepKind {
    name: "disk",
    level: READ_ONLY,
    doc: "free space and inodes of queue, mailboxes, log, /tmp and data directory; read-only mounts; quotas",
    touches: &["df -Pk, df -Pi", "/proc/self/mounts, /etc/fstab", "quota -u mail_owner"],
    run,
    emits: &[
        Kind {
            name: "space-low",
            doc: "a file system that mail needs is full or nearly so",
            fields: &[
                text("what", "`queue`, `mailboxes`, `log`, `data`, `tmp`"),
                text("path", "the directory"),
                text("mount", "mount point of its file system"),
                int("free", "free kilobytes for ordinary users"),
                int("needed", "kilobytes that Postfix wants to be free; 0: just some"),
                int("percent", "how full it is"),
                flag("full", "less is free than Postfix needs for one message"),
                flag("refuses", "Postfix refuses mail at this level (queue_minfree, message_size_limit)"),
            ],
        },
        Kind {
            name: "inodes-low",
            doc: "a file system that mail needs has no or hardly any inodes left",
            fields: &[
                text("what", "as above"),
                text("path", "the directory"),
                text("mount", "mount point"),
                int("free", "free inodes"),
                int("percent", "how many of 100 are used"),
                flag("full", "none are left"),
            ],
        },
        Kind {
            name: "mount-read-only",
            doc: "a directory that Postfix must write is on a read-only file system",
            fields: &[
                text("what", "as above"),
                text("path", "the directory"),
                text("mount", "mount point"),
                text("device", "what is mounted"),
                flag("fstab_rw", "fstab says read-write: the kernel made it read-only; absent: not known"),
            ],
        },
        Kind {
            name: "mount-missing",
            doc: "fstab mounts a file system for a directory that mail needs, and it is not mounted",
            fields: &[
                text("what", "as above"),
                text("path", "the directory"),
                text("mount", "mount point in fstab"),
                text("device", "what should be mounted"),
                int("line", "line in fstab"),
            ],
        },
        Kind {
            name: "message-limit-over-space",
            doc: "one message of message_size_limit would not fit: Postfix wants 1.5 times as much free",
            fields: &[
                text("path", "queue_directory"),
                int("free", "free kilobytes"),
                int("limit", "message_size_limit in kilobytes"),
                int("size", "kilobytes of the whole file system"),
            ],
        },
        Kind {
            name: "quota-exceeded",
            doc: "a disk quota of the user that Postfix runs as is used up",
            fields: &[text("user", "the user"), text("mount", "file system"), text("text", "as quota prints it")],
        },
    ],
};

/// A directory that mail needs.
struct Place {
    what: &'static str,
    path: String,
    /// kilobytes that Postfix wants to be free there; 0: just some
    needed: i64,
    /// mail is written there: read-only is fatal
    written: bool,
}

/// A line of `df -P`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Usage {
    size: i64,
    free: i64,
    percent: i64,
    mount: String,
}

fn run(ctx: &Context<'_>) -> Outcome {
    let mut all = Outcome::default();
    let host = ctx.server.host;
    let mounts = host.read("/proc/self/mounts", 4 << 20).map(|b| String::from_utf8_lossy(&b).into_owned());
    let mut looked = 0;
    for instance in ctx.server.instances.iter().filter(|i| i.config_known) {
        let mut seen = Vec::new();
        for place in places(ctx, instance) {
            // A directory that does not exist is told by the step `files`.
            if matches!(host.stat(&place.path), Err(Trouble::Missing)) {
                continue;
            }
            looked += 1;
            if let Some(usage) = df(host, "-Pk", &place, &mut all.not_checked) {
                space(&place, &usage, instance, &mut seen);
            }
            if let Some(usage) = df(host, "-Pi", &place, &mut all.not_checked) {
                inodes(&place, &usage, &mut seen);
            }
            if let Ok(mounts) = &mounts {
                read_only(host, &place, mounts, &mut seen);
                not_mounted(host, &place, mounts, &mut seen);
            }
        }
        quota(ctx, instance, &mut seen);
        all.observations.extend(seen.into_iter().map(|o| o.of_instance(&instance.name)));
    }
    all.looked_at = Some(format!("{looked} directories"));
    all
}

fn places(ctx: &Context<'_>, instance: &Instance) -> Vec<Place> {
    let config = &instance.config;
    let number = |name: &str| config.text(name).trim().parse::<i64>().unwrap_or(0);
    // smtpd wants queue_minfree, and 1.5 times message_size_limit, to be free before it takes a message.
    let wanted = number("queue_minfree").max(number("message_size_limit") / 2 * 3) / 1024;
    let text = |name: &str| config.text(name).trim().trim_end_matches('/').to_owned();
    let mut all = vec![
        Place { what: "queue", path: text("queue_directory"), needed: wanted, written: true },
        Place { what: "data", path: text("data_directory"), needed: 0, written: true },
        Place { what: "tmp", path: "/tmp".to_owned(), needed: 0, written: false },
    ];
    let local = !config.text("mydestination").trim().is_empty();
    if local && config.text("home_mailbox").is_empty() {
        all.push(Place { what: "mailboxes", path: text("mail_spool_directory"), needed: 0, written: true });
    } else if local {
        all.push(Place { what: "mailboxes", path: "/home".to_owned(), needed: 0, written: true });
    }
    if !config.text("virtual_mailbox_base").is_empty() {
        all.push(Place { what: "mailboxes", path: text("virtual_mailbox_base"), needed: 0, written: true });
    }
    for log in &ctx.server.logs {
        if let LogSource::File { path, .. } = log
            && let Some((directory, _)) = path.rsplit_once('/')
            && !all.iter().any(|p| p.path == directory)
        {
            all.push(Place { what: "log", path: directory.to_owned(), needed: 0, written: true });
        }
    }
    all.retain(|p| p.path.starts_with('/'));
    all
}

/// A dead network mount makes df hang: each directory is asked by itself and with a short limit.
fn df(host: &dyn Host, option: &str, place: &Place, not_checked: &mut Vec<NotChecked>) -> Option<Usage> {
    let run = Run::new("df", &[option, &place.path]).limit(Duration::from_secs(3));
    let why = match host.run(&run) {
        Ok(ran) => match usage(&ran.out()) {
            Some(usage) => return Some(usage),
            // File systems without inodes (btrfs, some network ones) show dashes.
            None if option == "-Pi" => return None,
            None => ran.err().lines().next().unwrap_or("no answer").to_owned(),
        },
        Err(Trouble::NotCollected | Trouble::Missing) => return None,
        Err(trouble) => trouble.to_string(),
    };
    let row = NotChecked { what: format!("free space of {}", place.path), why, settle: Some(run.line()) };
    if !not_checked.contains(&row) {
        not_checked.push(row);
    }
    None
}

fn usage(out: &str) -> Option<Usage> {
    let line = out.lines().nth(1)?;
    let fields: Vec<&str> = line.split_whitespace().collect();
    // Names of devices may hold blanks; the mount point begins with a slash after the percentage.
    let at = fields.iter().position(|f| f.ends_with('%') && f.len() > 1)?;
    let number = |back: usize| fields.get(at.checked_sub(back)?)?.parse::<i64>().ok();
    Some(Usage {
        size: number(3)?,
        free: number(1)?,
        percent: fields[at].trim_end_matches('%').parse().ok()?,
        mount: fields.get(at + 1..)?.join(" "),
    })
}

fn evidence(option: &str, path: &str, usage: &Usage) -> Evidence {
    let unit = if option == "-Pi" { "inodes" } else { "KiB" };
    Evidence::new(
        format!("df {option} {path}"),
        format!("{}: {} of {} {unit} free, {} % used", usage.mount, usage.free, usage.size, usage.percent),
    )
}

/// Free space that a log, a mailbox directory or /tmp should have: 20 MiB.
const SOME: i64 = 20 << 10;

fn space(place: &Place, usage: &Usage, instance: &Instance, seen: &mut Vec<Observation>) {
    let limit = instance.config.text("message_size_limit").trim().parse::<i64>().unwrap_or(0) / 1024;
    // A read-only image such as squashfs is always full and no trouble.
    if usage.size == 0 {
        return;
    }
    if place.what == "queue" && place.needed > usage.size {
        seen.push(
            Observation::now("message-limit-over-space")
                .with("path", place.path.as_str())
                .with("free", usage.free)
                .with("limit", limit)
                .with("size", usage.size)
                .seen(evidence("-Pk", &place.path, usage)),
        );
    }
    let refuses = place.what == "queue" && usage.free < place.needed;
    let full = usage.free < 512 || (place.what == "queue" && usage.free < limit.min(SOME));
    let low = refuses || full || (usage.percent >= 97 && usage.free < SOME * 10);
    if !low {
        return;
    }
    seen.push(
        Observation::now("space-low")
            .with("what", place.what)
            .with("path", place.path.as_str())
            .with("mount", usage.mount.as_str())
            .with("free", usage.free)
            .with("needed", place.needed)
            .with("percent", usage.percent)
            .with("full", full)
            .with("refuses", refuses)
            .seen(evidence("-Pk", &place.path, usage)),
    );
}

fn inodes(place: &Place, usage: &Usage, seen: &mut Vec<Observation>) {
    // Some file systems have no fixed number of inodes and show 0 of 0.
    if usage.size == 0 || (usage.percent < 97 && usage.free >= 100) {
        return;
    }
    seen.push(
        Observation::now("inodes-low")
            .with("what", place.what)
            .with("path", place.path.as_str())
            .with("mount", usage.mount.as_str())
            .with("free", usage.free)
            .with("percent", usage.percent)
            .with("full", usage.free < 2)
            .seen(evidence("-Pi", &place.path, usage)),
    );
}

fn read_only(host: &dyn Host, place: &Place, mounts: &str, seen: &mut Vec<Observation>) {
    let Some((device, point, options)) = mount_of(mounts, &place.path) else { return };
    if !place.written || !options.iter().any(|o| o == "ro") {
        return;
    }
    let mut found = Observation::now("mount-read-only")
        .with("what", place.what)
        .with("path", place.path.as_str())
        .with("mount", point.as_str())
        .with("device", device.as_str())
        .seen(Evidence::new("/proc/self/mounts", format!("{device} {point} {}", options.join(","))));
    if let Ok(fstab) = host.read("/etc/fstab", 1 << 20) {
        let fstab = String::from_utf8_lossy(&fstab);
        let entry = fstab.lines().map(str::trim).filter(|l| !l.starts_with('#')).find_map(|l| {
            let fields: Vec<&str> = l.split_whitespace().collect();
            (fields.get(1) == Some(&point.as_str())).then(|| fields.get(3).unwrap_or(&"").to_string())
        });
        if let Some(options) = entry {
            found = found.with("fstab_rw", !options.split(',').any(|o| o == "ro"));
        }
    }
    seen.push(found);
}

/// A boot goes on without a file system that is marked `nofail`, or was taken out by hand: the directory below is
/// another, mostly empty one, and the mail in the real one is not seen.
fn not_mounted(host: &dyn Host, place: &Place, mounts: &str, seen: &mut Vec<Observation>) {
    if !place.written {
        return;
    }
    let Ok(fstab) = host.read("/etc/fstab", 1 << 20) else { return };
    for (line, number) in String::from_utf8_lossy(&fstab).lines().zip(1i64..) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [device, point, kind, options, ..] = fields[..] else { continue };
        let below = place.path == point || place.path.starts_with(&format!("{}/", point.trim_end_matches('/')));
        let by_hand = options.split(',').any(|o| matches!(o, "noauto" | "x-systemd.automount"));
        if device.starts_with('#') || point == "/" || !below || kind == "swap" || by_hand {
            continue;
        }
        if mounts.lines().any(|m| m.split_whitespace().nth(1) == Some(point)) {
            continue;
        }
        seen.push(
            Observation::now("mount-missing")
                .with("what", place.what)
                .with("path", place.path.as_str())
                .with("mount", point)
                .with("device", device)
                .with("line", number)
                .seen(Evidence::at("/etc/fstab", number.unsigned_abs(), line))
                .seen(Evidence::new("/proc/self/mounts", format!("nothing is mounted on {point}"))),
        );
    }
}

fn quota(ctx: &Context<'_>, instance: &Instance, seen: &mut Vec<Observation>) {
    let host = ctx.server.host;
    let has_quota = host
        .read("/proc/self/mounts", 4 << 20)
        .is_ok_and(|m| String::from_utf8_lossy(&m).lines().any(|l| l.contains("usrquota") || l.contains("usrjquota")));
    if !has_quota {
        return;
    }
    let owner = instance.config.text("mail_owner");
    let run = Run::new("quota", &["-u", "-w", &owner]).limit(Duration::from_secs(3));
    let Ok(ran) = host.run(&run) else { return };
    for line in ran.out().lines().filter(|l| l.trim_start().starts_with('/') && l.contains('*')) {
        let mount = line.split_whitespace().next().unwrap_or_default();
        seen.push(
            Observation::now("quota-exceeded")
                .with("user", owner.as_str())
                .with("mount", mount)
                .with("text", line.trim())
                .seen(Evidence::new(run.line(), line.trim())),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn df_output_is_read_from_the_percentage() {
        let out = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda 1 100 40 60 40% /var/sp ool\n";
        let usage = usage(out).unwrap();
        assert_eq!((usage.size, usage.free, usage.percent, usage.mount.as_str()), (100, 60, 40, "/var/sp ool"));
        assert_eq!(super::usage("Filesystem Inodes IUsed IFree IUse% Mounted on\nbtrfs - - - - /\n"), None);
        assert_eq!(super::usage(""), None);
    }
}
