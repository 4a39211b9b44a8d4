//! What systemd says of a unit, and the first error that the journal holds of its last run.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::evidence::printable;
use crate::host::{Answer, Host, Run, Trouble};

/// A unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// properties as `systemctl show` prints them
    pub properties: BTreeMap<String, String>,
}

const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,UnitFileState,Result,ExecMainStatus,ExecMainCode,\
    StateChangeTimestamp,NRestarts,DropInPaths,FragmentPath,ProtectSystem,ProtectHome,ReadWritePaths,ReadOnlyPaths,\
    InaccessiblePaths,PrivateTmp,PrivateDevices,PrivateNetwork,NoNewPrivileges,LimitNOFILE,LimitNPROC,LimitFSIZE,LimitAS,\
    TasksMax,TasksCurrent,MemoryMax,RestrictAddressFamilies,CapabilityBoundingSet,SystemCallFilter,RootDirectory,\
    IPAddressDeny,SocketBindDeny,User,MainPID,ConditionResult,After,Wants";

impl Unit {
    /// A property; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.properties.get(name).map_or("", String::as_str)
    }
    /// Full name.
    pub fn name(&self) -> &str {
        self.get("Id")
    }
    /// systemd knows it.
    pub fn exists(&self) -> bool {
        !matches!(self.get("LoadState"), "not-found" | "")
    }
    /// `active`, `failed`, `inactive`, `activating`, `not-found`, `masked`.
    pub fn state(&self) -> &str {
        match self.get("LoadState") {
            "not-found" => "not-found",
            "masked" => "masked",
            _ => self.get("ActiveState"),
        }
    }
    /// It starts at boot (static units are started by others).
    pub fn enabled(&self) -> bool {
        self.get("UnitFileState").starts_with("enabled")
    }
}

/// Whether systemd is the init system of the host.
pub fn systemd(host: &dyn Host) -> Answer<bool> {
    match host.stat("/run/systemd/system") {
        Ok(_) => Ok(true),
        Err(Trouble::Missing) => Ok(false),
        Err(trouble) => Err(trouble),
    }
}

/// Asks systemd. [`Trouble::Missing`]: the host has no systemd.
pub fn show(host: &dyn Host, name: &str) -> Answer<Unit> {
    if name.is_empty() || name.starts_with('-') {
        return Err(Trouble::Other("no unit name".to_owned()));
    }
    if !systemd(host)? {
        return Err(Trouble::Missing);
    }
    let ran =
        host.run(&Run::new("systemctl", &["show", "-p", PROPERTIES, "--", name]).limit(Duration::from_secs(5)))?;
    if !ran.ok() {
        return Err(Trouble::Other(printable(ran.err().lines().next().unwrap_or("systemctl failed"))));
    }
    let properties =
        ran.out().lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), printable(v))).collect();
    Ok(Unit { properties })
}

/// Units that failed, by name.
pub fn failed(host: &dyn Host) -> Answer<Vec<String>> {
    if !systemd(host)? {
        return Err(Trouble::Missing);
    }
    let run = Run::new("systemctl", &["list-units", "--failed", "--plain", "--no-legend", "--no-pager", "--all"]);
    let ran = host.run(&run.limit(Duration::from_secs(5)))?;
    Ok(ran.out().lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect())
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// SYSLOG_IDENTIFIER
    pub program: String,
    /// MESSAGE
    pub message: String,
    /// seconds since the epoch
    pub seconds: Option<i64>,
}

/// The last lines of the journal of a unit, oldest first.
pub fn journal(host: &dyn Host, name: &str, lines: u32) -> Answer<Vec<Line>> {
    let count = lines.to_string();
    let run = Run::new(
        "journalctl",
        &["-q", "--no-pager", "-o", "json", "-n", &count, "--output-fields=MESSAGE,SYSLOG_IDENTIFIER", "-u", name],
    );
    let ran = host.run(&run.limit(Duration::from_secs(5)))?;
    Ok(ran.out().lines().filter_map(journal_line).collect())
}

/// One line of `journalctl -o json`.
pub fn journal_line(line: &str) -> Option<Line> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| value.get(name).and_then(|v| v.as_str()).map(printable);
    Some(Line {
        program: text("SYSLOG_IDENTIFIER").unwrap_or_default(),
        message: text("MESSAGE")?,
        seconds: text("__REALTIME_TIMESTAMP").and_then(|t| t.parse::<i64>().ok()).map(|us| us / 1_000_000),
    })
}

/// The first complaint of the last run: what a program itself said before systemd says that it failed.
pub fn first_error(lines: &[Line]) -> Option<String> {
    let start = lines
        .iter()
        .rposition(|l| l.program == "systemd" && l.message.starts_with("Starting "))
        .or_else(|| lines.iter().rposition(|l| l.program == "systemd" && l.message.starts_with("Started ")))
        .unwrap_or(0);
    let run = &lines[start..];
    let own = run.iter().filter(|l| l.program != "systemd");
    own.clone()
        .find(|l| complains(&l.message))
        .or_else(|| run.iter().find(|l| l.program == "systemd" && complains(&l.message)))
        .map(|l| if l.program.is_empty() { l.message.clone() } else { format!("{}: {}", l.program, l.message) })
}

fn complains(message: &str) -> bool {
    const WORDS: [&str; 18] = [
        "error",
        "fail",
        "cannot",
        "can't",
        "could not",
        "couldn't",
        "no such",
        "denied",
        "invalid",
        "unknown",
        "unable",
        "refused",
        "fatal",
        "in use",
        "not found",
        "not permitted",
        "read-only",
        "killed",
    ];
    let lower = message.to_ascii_lowercase();
    WORDS.iter().any(|w| lower.contains(w))
}

/// Which unit a process belongs to, by its control group.
pub fn of_pid(host: &dyn Host, pid: u32) -> Option<String> {
    let text = host.read(&format!("/proc/{pid}/cgroup"), 16 << 10).ok()?;
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| line.rsplit('/').next())
        .find(|name| name.rsplit_once('.').is_some_and(|(_, ext)| ext == "service"))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(program: &str, message: &str) -> Line {
        Line { program: program.into(), message: message.into(), seconds: None }
    }

    #[test]
    fn the_program_s_own_words_come_before_systemd_s() {
        let lines = [
            line("opendkim", "old error"),
            line("systemd", "Starting opendkim.service - OpenDKIM Milter..."),
            line("opendkim", "/etc/dkimkeys/mail.private: open(): No such file or directory"),
            line("systemd", "opendkim.service: Failed with result 'exit-code'."),
        ];
        assert_eq!(
            first_error(&lines).unwrap(),
            "opendkim: /etc/dkimkeys/mail.private: open(): No such file or directory"
        );
    }

    #[test]
    fn systemd_s_words_when_the_program_said_nothing() {
        let lines = [line("systemd", "Starting x..."), line("systemd", "x.service: Failed with result 'timeout'.")];
        assert_eq!(first_error(&lines).unwrap(), "systemd: x.service: Failed with result 'timeout'.");
    }
}
