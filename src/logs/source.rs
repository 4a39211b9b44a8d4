//! Where Postfix logs: finding the sources on a host.

use std::collections::BTreeSet;
use std::io::Read;

use super::syslog_conf::{self, Target};
use super::{family, head};
use crate::evidence::{NotChecked, Observation};
use crate::host::{self, FileKind, Host, HostKind, Run, Trouble};
use crate::postfix::config::Config;
use crate::postfix::log_line;

/// One source of log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSource {
    /// a file, maybe compressed (by its name and magic bytes)
    File {
        /// path on the host
        path: String,
        /// bytes as stored
        size: u64,
    },
    /// journald, through `journalctl`
    Journal,
    /// standard input of postdoctor
    Stdin,
}

impl LogSource {
    /// As it is named in evidence.
    pub fn name(&self) -> &str {
        match self {
            LogSource::File { path, .. } => path,
            LogSource::Journal => "journal",
            LogSource::Stdin => "stdin",
        }
    }
}

/// The command that gives the journal's lines about mail and what mail depends on.
/// `since`: only what is newer, in seconds since the epoch.
pub(crate) fn journalctl(since: Option<i64>) -> Run {
    let mut run = Run::new(
        "journalctl",
        &[
            "-o",
            "json",
            "--all",
            "--no-pager",
            "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_COMM,_HOSTNAME,PRIORITY,UNIT",
            "SYSLOG_FACILITY=2",
        ],
    );
    let others = ["_TRANSPORT=kernel", "_TRANSPORT=audit", "SYSLOG_IDENTIFIER=systemd"];
    let identifiers = [
        "saslauthd",
        "dovecot",
        "opendkim",
        "opendmarc",
        "amavis",
        "rspamd",
        "postgrey",
        "clamd",
        "clamav-milter",
        "spamd",
        "policyd-spf",
        "rsyslogd",
        "systemd-coredump",
        "systemd-oomd",
        "systemd-resolved",
        "unbound",
        "named",
        "dnsmasq",
    ];
    for other in
        others.into_iter().map(str::to_owned).chain(identifiers.iter().map(|i| format!("SYSLOG_IDENTIFIER={i}")))
    {
        run.args.push("+".to_owned());
        run.args.push(other);
    }
    run.args.extend(since.map(|t| format!("--since=@{t}")));
    run.limit = std::time::Duration::from_mins(2);
    run.cap = usize::MAX;
    run
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// sources, oldest first within a family
    pub sources: Vec<LogSource>,
    /// what is wrong with logging itself
    pub observations: Vec<Observation>,
    /// what could not be looked at
    pub not_checked: Vec<NotChecked>,
}

/// Usual names of files that have all that Postfix logs, by system: Debian, RHEL and FreeBSD, SUSE, containers.
const USUAL: &[&str] = &[
    "/var/log/mail.log",
    "/var/log/maillog",
    "/var/log/mail",
    "/var/log/mail/mail.log",
    "/var/log/mail.info",
    "/var/log/mail/info",
    "/var/log/postfix.log",
    "/var/log/postfix/postfix.log",
    "/var/log/mail/current",
];
/// Files with lines of everybody, if there is nothing better.
const MIXED: &[&str] = &["/var/log/syslog", "/var/log/messages", "/var/log/everything/current"];
/// Only the worse lines; read where nothing else is left.
const PARTIAL: &[&str] = &["/var/log/mail.warn", "/var/log/mail.err", "/var/log/mail.warnings", "/var/log/mail/errors"];
/// A crash or the out-of-memory killer is told here alone.
const KERNEL: &[&str] = &["/var/log/kern.log"];

/// Where the Postfix instances with these configurations log. `named`: what the user named (`-` is standard
/// input, `journal` the journal); then nothing else is looked for.
pub fn find(host: &dyn Host, configs: &[&Config], named: &[String]) -> Found {
    let mut search = Search { host, found: Found::default(), seen: BTreeSet::new(), denied: Vec::new() };
    if !named.is_empty() {
        for name in named {
            search.named(name);
        }
        return search.found;
    }
    let configured = configured(host, configs);
    for path in KERNEL {
        search.family(path, true);
    }
    let kernel = search.found.sources.len();
    for t in configured.iter().filter(|t| t.all && !t.mixed) {
        search.family(&t.path, false);
    }
    for path in USUAL {
        search.family(path, false);
    }
    if search.found.sources.len() == kernel && host.kind() == HostKind::Snapshot {
        search.anything();
    }
    if search.found.sources.len() == kernel {
        // These have the kernel's lines too.
        search.found.sources.clear();
        for path in configured.iter().filter(|t| t.all && t.mixed).map(|t| t.path.as_str()).chain(MIXED.iter().copied())
        {
            search.family(path, false);
        }
    }
    if search.found.sources.is_empty() {
        for path in configured.iter().filter(|t| !t.all).map(|t| t.path.as_str()).chain(PARTIAL.iter().copied()) {
            search.family(path, false);
        }
    }
    search.journal();
    let Search { mut found, denied, .. } = search;
    super::silence::explain(host, configs, &configured, &denied, &mut found);
    found
}

/// Why a log that the user named cannot be read, if so.
pub fn trouble(host: &dyn Host, name: &str) -> Option<Trouble> {
    if name == "-" || name == "journal" {
        return None;
    }
    let path = absolute(host, name);
    match host.stat(&path) {
        Ok(stat) if stat.kind == FileKind::Directory => host.list(&path).err(),
        Ok(_) | Err(Trouble::NotCollected) => host.open(&path, 0).and_then(|mut r| Ok(r.read(&mut [0; 1])?)).err(),
        Err(why) => Some(why),
    }
}

struct Search<'h> {
    host: &'h dyn Host,
    found: Found,
    /// paths and inodes that are taken already
    seen: BTreeSet<String>,
    /// logs that we may not read
    denied: Vec<String>,
}

impl Search<'_> {
    fn named(&mut self, name: &str) {
        match name {
            "-" => self.found.sources.push(LogSource::Stdin),
            "journal" => self.found.sources.push(LogSource::Journal),
            _ => {
                let path = absolute(self.host, name);
                match self.host.stat(&path) {
                    Ok(stat) if stat.kind == FileKind::Directory => {
                        let names = self.host.list(&path).unwrap_or_default();
                        for base in
                            names.iter().filter(|n| n.ends_with("log") || *n == "mail" || n.starts_with("maillog"))
                        {
                            self.family(&format!("{}/{base}", path.trim_end_matches('/')), false);
                        }
                    }
                    Ok(stat) => self.found.sources.push(LogSource::File { path, size: stat.size }),
                    Err(Trouble::NotCollected) if self.host.open(&path, 0).is_ok() => {
                        self.found.sources.push(LogSource::File { path, size: 0 });
                    }
                    Err(why) => self.found.not_checked.push(NotChecked {
                        what: format!("the log {path}"),
                        why: why.to_string(),
                        settle: (why == Trouble::Denied).then(|| format!("sudo cat {}", host::quote(&path))),
                    }),
                }
            }
        }
    }

    /// A log and its rotated parts. `recent`: only itself and the one before.
    fn family(&mut self, path: &str, recent: bool) {
        let Some((directory, base)) = path.rsplit_once('/') else { return };
        let directory = if directory.is_empty() { "/" } else { directory };
        let mut members = match self.host.list(directory) {
            Ok(names) => family::members(base, &names),
            Err(Trouble::Missing) => return,
            Err(_) => vec![base.to_owned()],
        };
        if recent {
            members = members.split_off(members.len().saturating_sub(2));
        }
        for name in members {
            self.file(&format!("{}/{name}", directory.trim_end_matches('/')));
        }
    }

    fn file(&mut self, path: &str) {
        let Ok(stat) = self.host.stat(path) else { return };
        if stat.kind != FileKind::File || stat.size == 0 {
            return;
        }
        let inode = (stat.ino != 0).then(|| format!("{}:{}", stat.ino, stat.size));
        if self.seen.contains(path) || inode.as_ref().is_some_and(|i| self.seen.contains(i)) {
            return;
        }
        self.seen.insert(path.to_owned());
        self.seen.extend(inode);
        match self.host.open(path, 0).and_then(|mut r| Ok(r.read(&mut [0; 1])?)) {
            Ok(_) => self.found.sources.push(LogSource::File { path: path.to_owned(), size: stat.size }),
            Err(Trouble::Denied) => {
                self.denied.push(path.to_owned());
                self.found.not_checked.push(NotChecked {
                    what: format!("the log {path}"),
                    why: Trouble::Denied.to_string(),
                    settle: Some(format!("sudo cat {}", host::quote(path))),
                });
            }
            Err(_) => {}
        }
    }

    /// In a folder that somebody put together, any file that has lines of Postfix.
    fn anything(&mut self) {
        for name in self.host.list("/var/log").unwrap_or_default() {
            let path = format!("/var/log/{name}");
            let mut start = Vec::new();
            let Ok(open) = self.host.open(&path, 0) else { continue };
            if open.take(1 << 20).read_to_end(&mut start).is_err() {
                continue;
            }
            let known = start.split(|b| *b == b'\n').take(5000).any(|line| {
                let body = head::take_off(line);
                log_line::find_tag(&body.text).is_some_and(|t| log_line::is_postfix(&body.text[..t.name_end]))
            });
            if known {
                self.file(&path);
            }
        }
    }

    /// The journal, where there is no file, or where it goes on after the newest file ended.
    fn journal(&mut self) {
        let newest = newest_write(self.host, &self.found.sources);
        if let (Some(newest), Ok(now)) = (newest, self.host.now())
            && now.as_second() - newest < STALE
        {
            return;
        }
        let mut run = Run::new("journalctl", &["-n", "1", "-o", "json", "--all", "--no-pager", "SYSLOG_FACILITY=2"]);
        run.args.splice(1..1, newest.map(|t| format!("--since=@{}", t + 1)));
        if let Ok(ran) = self.host.run(&run)
            && ran.ok()
            && ran.out().lines().any(|l| l.starts_with('{'))
        {
            self.found.sources.push(LogSource::Journal);
        }
    }
}

/// A log that nobody wrote to for this long (seconds) may have ended.
pub(super) const STALE: i64 = 600;

/// When the newest of these files was written.
pub(super) fn newest_write(host: &dyn Host, sources: &[LogSource]) -> Option<i64> {
    let files = sources.iter().filter_map(|s| match s {
        LogSource::File { path, .. } if !KERNEL.contains(&path.as_str()) => Some(path),
        _ => None,
    });
    files.filter_map(|p| host.stat(p).ok()).map(|s| s.mtime).filter(|t| *t > 0).max()
}

/// Relative to where the user is, on this machine.
fn absolute(host: &dyn Host, name: &str) -> String {
    if name.starts_with('/') || host.kind() != HostKind::Live {
        return name.to_owned();
    }
    std::path::absolute(name).map_or_else(|_| name.to_owned(), |p| p.to_string_lossy().into_owned())
}

/// The files that Postfix and the syslog daemons are configured to write mail to.
fn configured(host: &dyn Host, configs: &[&Config]) -> Vec<Target> {
    let mut targets = Vec::new();
    for config in configs {
        let path = config.text("maillog_file");
        if path.starts_with('/') && !path.starts_with("/dev/") {
            targets.push(Target { path, all: true, mixed: false });
        }
    }
    for main in ["/etc/rsyslog.conf", "/etc/syslog.conf", "/usr/local/etc/rsyslog.conf"] {
        targets.extend(selector_files(host, main));
    }
    for main in ["/etc/syslog-ng/syslog-ng.conf", "/usr/local/etc/syslog-ng.conf"] {
        let mut text = text(host, main);
        if !text.is_empty() {
            for name in host.list("/etc/syslog-ng/conf.d").unwrap_or_default() {
                text.push('\n');
                text.push_str(&self::text(host, &format!("/etc/syslog-ng/conf.d/{name}")));
            }
            targets.extend(syslog_conf::syslog_ng(&text));
        }
    }
    for options in ["/etc/conf.d/syslog", "/etc/default/busybox-syslogd"] {
        let text = text(host, options);
        if text.contains("-O") {
            let words: Vec<String> = text.split(['"', '\'', ' ', '\n', '=']).map(str::to_owned).collect();
            targets.push(syslog_conf::busybox(&words));
        }
    }
    targets
}

fn selector_files(host: &dyn Host, main: &str) -> Vec<Target> {
    let (mut targets, includes) = syslog_conf::selectors(&text(host, main));
    for include in includes.iter().take(16) {
        let Some((directory, pattern)) = include.rsplit_once('/') else { continue };
        let suffix = pattern.trim_start_matches('*');
        for name in host.list(directory).unwrap_or_default().iter().filter(|n| n.ends_with(suffix)).take(64) {
            targets.extend(syslog_conf::selectors(&text(host, &format!("{directory}/{name}"))).0);
        }
    }
    targets
}

fn text(host: &dyn Host, path: &str) -> String {
    host.read(path, 1 << 20).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
}
