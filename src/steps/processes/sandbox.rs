//! What systemd takes away from Postfix by drop-ins, and how the unit fares.
//!
//! Only what a drop-in sets is told: the settings of the packaged unit are the packager's, and work.

use super::master::units;
use crate::discover::Instance;
use crate::evidence::{Evidence, Observation};
use crate::state::unit::{self, Unit};
use crate::steps::{Context, Outcome};

/// Looks at the units of the instance.
pub(super) fn look(ctx: &Context<'_>, instance: &Instance, out: &mut Outcome) {
    let units = units(ctx.server.host, instance);
    for unit in &units {
        drop_ins(ctx, instance, unit, out);
        restarts(ctx, instance, unit, out);
    }
    if instance.master_pid.is_some() {
        enabled(instance, &units, out);
    }
}

fn enabled(instance: &Instance, units: &[Unit], out: &mut Outcome) {
    let Some(unit) = units.iter().find(|u| u.name() == "postfix.service") else { return };
    // `static`, `generated`, `indirect` and the like are started by something else.
    if instance.name != "-" || !matches!(unit.get("UnitFileState"), "disabled" | "masked") {
        return;
    }
    let evidence = Evidence::new("systemctl is-enabled postfix", unit.get("UnitFileState"));
    out.observations.push(
        Observation::now("not-enabled")
            .of_instance(&instance.name)
            .with("unit", "postfix")
            .with("state", unit.get("UnitFileState"))
            .with("enable", "systemctl enable postfix")
            .seen(evidence),
    );
}

fn restarts(ctx: &Context<'_>, instance: &Instance, unit: &Unit, out: &mut Outcome) {
    let Some(count) = unit.get("NRestarts").parse::<i64>().ok().filter(|n| *n >= 3) else { return };
    let mut seen = Observation::now("unit-restarts")
        .of_instance(&instance.name)
        .with("unit", unit.name())
        .with("restarts", count)
        .seen(Evidence::new(format!("systemctl show {}", unit.name()), format!("NRestarts={count}")));
    if let Some(error) = unit::journal(ctx.server.host, unit.name(), 60).ok().and_then(|l| unit::first_error(&l)) {
        seen = seen.with("error", error.as_str()).seen(Evidence::new(format!("journalctl -u {}", unit.name()), error));
    }
    out.observations.push(seen);
}

fn drop_ins(ctx: &Context<'_>, instance: &Instance, unit: &Unit, out: &mut Outcome) {
    for file in unit.get("DropInPaths").split_whitespace() {
        let Ok(bytes) = ctx.server.host.read(file, 64 << 10) else { continue };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for (line, number) in text.lines().zip(1..) {
            let Some((setting, value)) = line.split_once('=') else { continue };
            let (setting, value) = (setting.trim(), value.trim());
            let Some((effect, severe)) = effect(instance, unit, setting, value) else { continue };
            out.observations.push(
                Observation::now("sandbox")
                    .of_instance(&instance.name)
                    .with("unit", unit.name())
                    .with("setting", setting)
                    .with("value", value)
                    .with("file", file)
                    .with("line", number as i64)
                    .with("effect", effect)
                    .with("severe", severe)
                    .seen(Evidence::at(file, number, line)),
            );
        }
    }
}

fn yes(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "yes" | "true" | "on" | "1")
}

/// Bytes of `8M`, `1G`; none: infinity or a percentage.
fn bytes(value: &str) -> Option<u64> {
    let number = value.trim_end_matches(['K', 'M', 'G', 'T', 'B']);
    let unit = value[number.len()..].chars().next();
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        Some('K') => number << 10,
        Some('M') => number << 20,
        Some('G') => number << 30,
        Some('T') => number << 40,
        _ => number,
    })
}

/// What a setting takes from Postfix, and whether mail fails with it for sure; none: it does no harm.
fn effect(instance: &Instance, unit: &Unit, setting: &str, value: &str) -> Option<(String, bool)> {
    let queue = instance.config.text("queue_directory");
    let writable = unit_writes(unit);
    let covered = |path: &str| writable.iter().any(|w| path == w || path.starts_with(&format!("{w}/")));
    let below = |list: &str, path: &str| {
        list.split_whitespace()
            .map(|p| p.trim_start_matches(['-', '+']))
            .any(|p| path == p || path.starts_with(&format!("{}/", p.trim_end_matches('/'))))
    };
    let number = |limit: u64| value.split(':').next().unwrap_or_default().parse::<u64>().is_ok_and(|n| n < limit);
    Some(match setting {
        "ProtectSystem" if value == "strict" => {
            let data = instance.config.text("data_directory");
            let spool = instance.config.text("mail_spool_directory");
            let lost: Vec<&str> = [queue.as_str(), data.as_str(), spool.as_str()]
                .into_iter()
                .filter(|p| !p.is_empty() && !covered(p.trim_end_matches('/')))
                .collect();
            if lost.is_empty() {
                return None;
            }
            (format!("the whole file system is read-only, also {}", lost.join(" and ")), lost.contains(&queue.as_str()))
        }
        "ProtectHome" if !value.is_empty() && !matches!(value, "no" | "false" | "off" | "0") => {
            let what = if value == "read-only" {
                "mail cannot be written to home directories"
            } else {
                "home directories with their mailboxes and .forward files are hidden"
            };
            (what.to_owned(), false)
        }
        "ReadOnlyPaths" | "ReadOnlyDirectories" | "InaccessiblePaths" | "InaccessibleDirectories" => {
            let used = [
                queue,
                instance.config.text("data_directory"),
                instance.config.text("mail_spool_directory"),
                "/home".to_owned(),
                "/var/mail".to_owned(),
            ];
            let hit = used
                .iter()
                .map(|u| u.trim_end_matches('/'))
                .find(|u| !u.is_empty() && below(value, u) && !covered(u))?;
            (format!("{hit} cannot be written"), true)
        }
        "PrivateTmp" if yes(value) => ("sockets and files of other programs in /tmp are not seen".to_owned(), false),
        "PrivateNetwork" if yes(value) => {
            ("there is no network but loopback: no mail goes out or comes in".to_owned(), true)
        }
        "PrivateUsers" if yes(value) => ("daemons cannot become the users that they deliver for".to_owned(), true),
        "NoNewPrivileges" if yes(value) => {
            ("set-gid of postdrop has no effect: commands run by Postfix cannot submit mail".to_owned(), false)
        }
        "LimitNOFILE" if number(256) => (format!("no process may have more than {value} open files"), true),
        "LimitNPROC" if number(64) => (format!("no more than {value} processes may run"), true),
        "LimitFSIZE" => {
            let limit = bytes(value)?;
            let largest = instance.config.text("message_size_limit").parse::<u64>().unwrap_or(0);
            if limit >= largest.max(1 << 20) {
                return None;
            }
            (format!("no file may be larger than {value}, less than message_size_limit"), true)
        }
        "LimitAS" | "LimitDATA" | "MemoryMax" | "MemoryLimit" if bytes(value).is_some_and(|b| b < 128 << 20) => {
            (format!("all processes together may use {value} of memory"), false)
        }
        "TasksMax" if number(40) => (format!("no more than {value} processes may run at the same time"), true),
        "RestrictAddressFamilies" if !value.starts_with('~') && !value.is_empty() => {
            let lost: Vec<&str> = ["AF_INET", "AF_UNIX", "AF_NETLINK"]
                .into_iter()
                .filter(|f| !unit.get("RestrictAddressFamilies").split_whitespace().any(|w| w == *f))
                .collect();
            let v6 = !unit.get("RestrictAddressFamilies").contains("AF_INET6")
                && instance.config.text("inet_protocols") != "ipv4";
            if lost.is_empty() && !v6 {
                return None;
            }
            let names = lost.iter().copied().chain(v6.then_some("AF_INET6")).collect::<Vec<_>>().join(", ");
            (format!("sockets of {names} are forbidden"), lost.iter().any(|f| *f != "AF_NETLINK") || v6)
        }
        "IPAddressDeny" if !value.is_empty() => {
            (format!("packets to and from {value} are dropped"), value == "any" || value.contains("0.0.0.0/0"))
        }
        "SocketBindDeny" if !value.is_empty() => (format!("ports cannot be opened: {value}"), true),
        "CapabilityBoundingSet" => {
            let set = unit.get("CapabilityBoundingSet").to_ascii_lowercase();
            let needed = [
                "cap_setuid",
                "cap_setgid",
                "cap_net_bind_service",
                "cap_dac_override",
                "cap_sys_chroot",
                "cap_chown",
                "cap_kill",
            ];
            let lost: Vec<&str> = needed.into_iter().filter(|c| !set.contains(c)).collect();
            if lost.is_empty() {
                return None;
            }
            (format!("master lacks {}", lost.join(", ")), true)
        }
        "User" if !value.is_empty() && value != "root" => {
            (format!("master runs as {value}; it must start as root"), true)
        }
        "SystemCallFilter" if !value.is_empty() => {
            ("system calls are filtered; a daemon that makes another one is killed or refused".to_owned(), false)
        }
        "PrivateDevices" if yes(value) => return None,
        "RootDirectory" if !value.is_empty() => (format!("all files are looked up below {value}"), false),
        _ => return None,
    })
}

/// Paths that stay writable by ReadWritePaths and the directories that systemd makes.
fn unit_writes(unit: &Unit) -> Vec<String> {
    unit.get("ReadWritePaths")
        .split_whitespace()
        .map(|p| p.trim_start_matches(['-', '+']).trim_end_matches('/').to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_systemd() {
        assert_eq!(bytes("8M"), Some(8 << 20));
        assert_eq!(bytes("1024"), Some(1024));
        assert_eq!(bytes("infinity"), None);
    }
}
