//! Why there is no log, or why it ended: what is wrong with logging itself.
//!
//! A silent log is the worst symptom, because every other rule then sees nothing and nothing looks fine. It is only
//! judged where the processes can be seen: an empty folder of files says nothing about a host.

use jiff::Timestamp;

use super::source::{Found, LogSource, STALE, newest_write};
use super::syslog_conf::Target;
use crate::evidence::{Evidence, Field, Kind, NotChecked, Observation, Type};
use crate::host::{self, FileKind, Host, HostKind, Run, Trouble};
use crate::postfix::config::Config;

const fn text(name: &'static str, doc: &'static str) -> Field {
    Field { name, ty: Type::Text, doc }
}

/// What the search for logs observes.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "no-log-anywhere",
        doc: "Postfix runs, and no log of it was found",
        fields: &[
            text(
                "why",
                "rsyslog-not-running, jail-without-dev-log, only-journal, journal-storage-none, \
                 maillog-file-unwritable, log-file-permission, no-syslog-in-container, not-enough-rights or unknown",
            ),
            text("file", "the log file that should be there"),
            text("daemon", "the syslog daemon that should write it"),
            text("detail", "what was seen, in words"),
        ],
    },
    Kind {
        name: "log-stopped",
        doc: "the log ended although Postfix went on",
        fields: &[
            text("why", "deleted-file-open, rsyslog-not-running, file-not-writable or unknown"),
            text("file", "the log file"),
            text("daemon", "the syslog daemon that should write it"),
            text("newest", "when it was last written"),
            text("detail", "what was seen, in words"),
        ],
    },
];

/// Programs that log when they start or at once after it.
const TALKATIVE: [&str; 6] = ["master", "smtpd", "smtp", "cleanup", "local", "bounce"];
const DAEMONS: [&str; 3] = ["rsyslogd", "syslog-ng", "syslogd"];

/// A process, as `ps` shows it.
struct Process {
    pid: u32,
    user: String,
    /// seconds since it started
    age: i64,
    name: String,
}

/// Adds what the search saw of logging itself.
pub(super) fn explain(
    host: &dyn Host,
    configs: &[&Config],
    configured: &[Target],
    denied: &[String],
    found: &mut Found,
) {
    let files: Vec<&str> = found
        .sources
        .iter()
        .filter_map(|s| if let LogSource::File { path, .. } = s { Some(path.as_str()) } else { None })
        .filter(|p| !p.ends_with("/kern.log") && !p.ends_with("/kern.log.1"))
        .collect();
    let journal = found.sources.contains(&LogSource::Journal);
    if files.is_empty() && !journal {
        if denied.is_empty() {
            let observation = none(host, configs, configured);
            match observation {
                Some(o) => found.observations.push(o),
                None => found.not_checked.push(NotChecked {
                    what: "the log".to_owned(),
                    why: "none was found".to_owned(),
                    settle: Some("postdoctor --log FILE".to_owned()),
                }),
            }
        } else {
            found.observations.push(
                Observation::now("no-log-anywhere")
                    .with("why", "not-enough-rights")
                    .with("file", denied[0].as_str())
                    .with("detail", "the log is there, but this user may not read it"),
            );
        }
        return;
    }
    // What the journal kept from before does not make it a log that goes on.
    if files.is_empty() && journal_storage(host).as_deref() == Some("none") {
        found.observations.push(
            Observation::now("no-log-anywhere")
                .with("why", "journal-storage-none")
                .with("daemon", "systemd-journald")
                .with("detail", "journald has Storage=none and keeps nothing")
                .seen(Evidence::new("journald.conf", "Storage=none")),
        );
    }
    if !journal && let Some(file) = files.last().map(|f| (*f).to_owned()) {
        let stopped = stopped(host, &file, &found.sources);
        found.observations.extend(stopped);
    }
}

fn none(host: &dyn Host, configs: &[&Config], configured: &[Target]) -> Option<Observation> {
    let processes = processes(host)?;
    let running = processes.iter().any(|p| p.name == "master" || p.name == "qmgr");
    if !running {
        return None;
    }
    let observation = Observation::now("no-log-anywhere");
    let maillog = configs.iter().map(|c| c.text("maillog_file")).find(|f| f.starts_with('/'));
    if let Some(file) = maillog {
        return Some(maillog_file(host, configs, observation, &file));
    }
    let target = configured.iter().filter(|t| t.all).min_by_key(|t| t.mixed);
    let file = target.map_or("/var/log/mail.log", |t| t.path.as_str());
    let observation = observation.with("file", file);
    let daemon = processes.iter().find(|p| DAEMONS.contains(&p.name.as_str()));
    if let Some(daemon) = daemon {
        let observation = observation.with("daemon", daemon.name.as_str());
        if let Some(why) = unwritable(host, file, daemon) {
            return Some(observation.with("why", "log-file-permission").with("detail", why));
        }
        let jail = configs.iter().map(|c| c.text("queue_directory")).find(|d| d.starts_with('/'));
        let jail = jail.unwrap_or_else(|| "/var/spool/postfix".to_owned());
        let socket = format!("{jail}/dev/log");
        if host.stat("/dev/log").is_err_and(|t| t == Trouble::Missing) {
            return Some(
                observation
                    .with("why", "unknown")
                    .with("detail", "there is no socket /dev/log")
                    .seen(Evidence::new("/dev/log", "missing")),
            );
        }
        let chrooted = configs.iter().any(|c| c.master.services.iter().any(|s| c.chrooted(s)));
        if chrooted && host.stat(&socket).is_err_and(|t| t == Trouble::Missing) {
            return Some(
                observation
                    .with("why", "jail-without-dev-log")
                    .with("detail", format!("chrooted daemons have no {socket}"))
                    .seen(Evidence::new(socket, "missing")),
            );
        }
        return Some(observation.with("why", "unknown"));
    }
    let installed = ["/usr/sbin/rsyslogd", "/usr/sbin/syslog-ng", "/sbin/syslogd", "/usr/sbin/syslogd"]
        .into_iter()
        .find(|p| host.stat(p).is_ok());
    let container = ["/.dockerenv", "/run/.containerenv"].iter().any(|p| host.stat(p).is_ok());
    if processes.iter().any(|p| p.name == "systemd-journal") {
        let storage = journal_storage(host);
        let why = if storage.as_deref() == Some("none") { "journal-storage-none" } else { "only-journal" };
        let detail = match storage {
            Some(s) => format!("journald has Storage={s}"),
            None => "journald runs, and its journal shows no line of Postfix".to_owned(),
        };
        return Some(observation.with("why", why).with("detail", detail).with("daemon", "systemd-journald"));
    }
    Some(match installed {
        Some(program) => {
            let name = program.rsplit('/').next().unwrap_or(program);
            observation
                .with("why", "rsyslog-not-running")
                .with("daemon", name)
                .with("detail", format!("{name} is installed and does not run"))
                .seen(Evidence::new("ps", format!("no {name} among {} processes", processes.len())))
        }
        None if container => observation
            .with("why", "no-syslog-in-container")
            .with("detail", "no syslog daemon is installed, and maillog_file is not set"),
        None => {
            observation.with("why", "rsyslog-not-running").with("detail", "no syslog daemon is installed or running")
        }
    })
}

/// `maillog_file` is set, and the file is not there or empty.
fn maillog_file(host: &dyn Host, configs: &[&Config], observation: Observation, file: &str) -> Observation {
    let observation = observation.with("file", file).with("daemon", "postlogd");
    if file.starts_with("/dev/") {
        return observation
            .with("why", "no-syslog-in-container")
            .with("detail", format!("Postfix logs to {file}: the container's own log has it"));
    }
    let prefixes: Vec<String> = configs.iter().flat_map(|c| c.items("maillog_file_prefixes")).collect();
    if !prefixes.is_empty() && !prefixes.iter().any(|p| file.starts_with(p.as_str())) {
        return observation
            .with("why", "maillog-file-unwritable")
            .with("detail", format!("maillog_file_prefixes does not allow it ({})", prefixes.join(", ")));
    }
    let postlog = configs.iter().any(|c| c.master.services.iter().any(|s| s.command == "postlogd"));
    let directory = file.rsplit_once('/').map_or("/", |(d, _)| d);
    let detail = match host.stat(directory) {
        Err(Trouble::Missing) => format!("the directory {directory} does not exist"),
        _ if !postlog => "master.cf has no postlog service".to_owned(),
        _ => "it could not be written".to_owned(),
    };
    observation.with("why", "maillog-file-unwritable").with("detail", detail)
}

/// Why the syslog daemon may not write the file, going by owner and mode.
fn unwritable(host: &dyn Host, file: &str, daemon: &Process) -> Option<String> {
    if daemon.user == "root" {
        return None;
    }
    let user = host.user(&daemon.user).ok()?;
    let stat = host.stat(file).ok().filter(|s| s.kind == FileKind::File)?;
    let writable = (stat.uid == user.uid && stat.mode & 0o200 != 0) || stat.mode & 0o002 != 0 || stat.mode & 0o020 != 0;
    (!writable).then(|| {
        format!("{} runs as {}, and {file} has owner {} and mode {:04o}", daemon.name, daemon.user, stat.uid, stat.mode)
    })
}

/// The log is old. Did Postfix do something since?
fn stopped(host: &dyn Host, file: &str, sources: &[LogSource]) -> Option<Observation> {
    if host.kind() == HostKind::Snapshot {
        return None;
    }
    let newest = newest_write(host, sources)?;
    let now = host.now().ok()?.as_second();
    if now - newest < STALE {
        return None;
    }
    let processes = processes(host)?;
    // The log must have had a line when this process started. Two minutes: clocks, and buffers of the daemon.
    let witness = processes.iter().find(|p| TALKATIVE.contains(&p.name.as_str()) && now - p.age > newest + 120)?;
    let when = Timestamp::from_second(newest).map(|t| t.to_string()).unwrap_or_default();
    let observation = Observation::now("log-stopped").with("file", file).with("newest", when).seen(Evidence::new(
        "ps",
        format!("{} {} started {} s after the newest line", witness.pid, witness.name, now - witness.age - newest),
    ));
    let Some(daemon) = processes.iter().find(|p| DAEMONS.contains(&p.name.as_str())) else {
        return Some(observation.with("why", "rsyslog-not-running").with("detail", "no syslog daemon runs"));
    };
    let observation = observation.with("daemon", daemon.name.as_str());
    if let Some(open) = deleted_open(host, daemon.pid, file) {
        return Some(
            observation
                .with("why", "deleted-file-open")
                .with("detail", format!("{} still writes to the file that was rotated away", daemon.name))
                .seen(Evidence::new(format!("/proc/{}/fd", daemon.pid), open)),
        );
    }
    Some(match unwritable(host, file, daemon) {
        Some(why) => observation.with("why", "file-not-writable").with("detail", why),
        None => observation.with("why", "unknown"),
    })
}

fn deleted_open(host: &dyn Host, pid: u32, file: &str) -> Option<String> {
    let directory = format!("/proc/{pid}/fd");
    let links = host.list(&directory).ok()?;
    links
        .iter()
        .filter_map(|n| host.read_link(&format!("{directory}/{n}")).ok())
        .find(|to| to.ends_with("(deleted)") && to.starts_with(file))
}

/// `Storage=` of journald's configuration.
fn journal_storage(host: &dyn Host) -> Option<String> {
    let mut files = vec!["/etc/systemd/journald.conf".to_owned()];
    for name in host.list("/etc/systemd/journald.conf.d").unwrap_or_default() {
        files.push(format!("/etc/systemd/journald.conf.d/{name}"));
    }
    let mut storage = None;
    for file in files {
        let Ok(bytes) = host.read(&file, 1 << 16) else { continue };
        for line in String::from_utf8_lossy(&bytes).lines() {
            if let Some(value) = line.trim().strip_prefix("Storage=") {
                storage = Some(value.trim().to_ascii_lowercase());
            }
        }
    }
    storage
}

fn processes(host: &dyn Host) -> Option<Vec<Process>> {
    let ran = host.run(&Run::new("ps", &["-eo", "pid=,user:32=,etimes=,comm="])).ok().filter(host::Ran::ok)?;
    let out = ran.out();
    let found = out.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some(Process {
            pid: words.next()?.parse().ok()?,
            user: words.next()?.to_owned(),
            age: words.next()?.parse().ok()?,
            name: words.next()?.to_owned(),
        })
    });
    Some(found.collect())
}
