//! Commands on the mail queue or on Postfix itself that cron or a timer of systemd runs: they hold, delete or stop
//! at times when nobody looks, and the log shows only their effect.

use crate::discover::Instance;
use crate::evidence::{Evidence, Observation};
use crate::host::{FileKind, Host};
use crate::steps::{Context, Outcome};

/// Directories and files with crontabs or scripts of cron.
const CRON: &[&str] = &[
    "/etc/crontab",
    "/etc/cron.d",
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/cron.weekly",
    "/var/spool/cron/crontabs",
    "/var/spool/cron",
];
/// Where an administrator's units lie.
const UNITS: &[&str] = &["/etc/systemd/system", "/run/systemd/system"];
/// Files read in one directory.
const LIMIT: usize = 200;

/// Looks at what is scheduled. Nothing of it belongs to one instance.
pub(super) fn look(ctx: &Context<'_>, first: &Instance, out: &mut Outcome) {
    let host = ctx.server.host;
    for place in CRON {
        for path in files(host, place) {
            lines(host, &path, |line, _| !line.starts_with('#'), "cron", first, out);
        }
    }
    for place in UNITS {
        for path in files(host, place).into_iter().filter(|p| p.ends_with(".service")) {
            // A service without a timer runs when somebody starts it.
            let timer = format!("{}.timer", path.trim_end_matches(".service"));
            if host.stat(&timer).is_ok() {
                lines(host, &path, |line, _| line.starts_with("Exec"), &timer, first, out);
            }
        }
    }
}

fn files(host: &dyn Host, place: &str) -> Vec<String> {
    match host.stat(place).map(|s| s.kind) {
        Ok(FileKind::File) => vec![place.to_owned()],
        Ok(FileKind::Directory) => {
            let names = host.list(place).unwrap_or_default();
            let paths = names.into_iter().take(LIMIT).map(|n| format!("{place}/{n}"));
            paths.filter(|p| host.stat(p).is_ok_and(|s| s.kind == FileKind::File)).collect()
        }
        _ => Vec::new(),
    }
}

fn lines(
    host: &dyn Host,
    path: &str,
    wanted: impl Fn(&str, u64) -> bool,
    by: &str,
    instance: &Instance,
    out: &mut Outcome,
) {
    let Ok(bytes) = host.read(path, 256 << 10) else { return };
    for (line, number) in String::from_utf8_lossy(&bytes).lines().zip(1u64..) {
        let line = line.trim();
        let Some(what) = effect(line).filter(|_| wanted(line, number)) else { continue };
        let unit = by.rsplit('/').next().unwrap_or_default();
        out.observations.push(
            Observation::now("scheduled-command")
                .of_instance(&instance.name)
                .with("effect", what)
                .with("command", line)
                .with("by", if by == "cron" { "cron" } else { unit })
                .with("file", path)
                .with("line", i64::try_from(number).unwrap_or(0))
                .seen(Evidence::at(path, number, line)),
        );
    }
}

/// What a command line does to mail.
fn effect(line: &str) -> Option<&'static str> {
    let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || "=;|&'\"()".contains(c)).collect();
    let at = |name: &str| words.iter().position(|w| w.rsplit('/').next() == Some(name));
    if let Some(at) = at("postsuper") {
        let rest = &words[at..];
        return if rest.contains(&"-h") {
            Some("hold")
        } else if rest.contains(&"-d") {
            Some("delete")
        } else {
            None
        };
    }
    if let Some(at) = at("postfix")
        && words.get(at + 1) == Some(&"stop")
        && !line.contains("postfix start")
    {
        return Some("stop");
    }
    if let Some(at) = at("systemctl")
        && words[at..].contains(&"stop")
        && words[at..].iter().any(|w| w.starts_with("postfix"))
        && !line.contains("start postfix")
    {
        return Some("stop");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::effect;

    #[test]
    fn commands_that_touch_mail_are_told_apart() {
        assert_eq!(effect("0 3 * * * root /usr/sbin/postsuper -d ALL deferred"), Some("delete"));
        assert_eq!(effect("ExecStart=/usr/sbin/postsuper -h ALL"), Some("hold"));
        assert_eq!(effect("ExecStart=/bin/sh -c 'systemctl stop postfix@-'"), Some("stop"));
        assert_eq!(effect("0 3 * * * root postfix stop && postfix start"), None);
        assert_eq!(effect("0 3 * * * root postsuper -s"), None);
    }
}
