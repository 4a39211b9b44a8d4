//! What the kernel said of programs: the journal's kernel lines, else `dmesg`, else the kernel log file.

use std::time::Duration;

use super::unit::{Line, journal_line};
use crate::evidence::printable;
use crate::host::{Answer, Host, Run, Trouble};

/// What a kernel line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// killed for lack of memory
    Oom,
    /// segmentation fault or another trap
    Segfault,
    /// AppArmor
    AppArmor,
    /// SELinux
    SeLinux,
    /// seccomp
    Seccomp,
    /// disk or file system errors
    Disk,
}

/// A kernel line that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// what it is about
    pub about: About,
    /// the program that it names, empty if none
    pub program: String,
    /// the line
    pub text: String,
    /// seconds since the epoch, if known
    pub seconds: Option<i64>,
    /// path or capability that was denied
    pub denied: Option<String>,
}

/// The kernel's lines, oldest first, at most some thousand.
pub fn lines(host: &dyn Host) -> Answer<(Vec<Line>, &'static str)> {
    let run = Run::new(
        "journalctl",
        &["-k", "-q", "--no-pager", "-o", "json", "-n", "3000", "--output-fields=MESSAGE,SYSLOG_IDENTIFIER"],
    );
    if let Ok(ran) = host.run(&run.limit(Duration::from_secs(5)))
        && ran.ok()
        && !ran.stdout.is_empty()
    {
        return Ok((ran.out().lines().filter_map(journal_line).collect(), "journalctl -k"));
    }
    let mut trouble = Trouble::Missing;
    match host.run(&Run::new("dmesg", &[])) {
        Ok(ran) if ran.ok() && !ran.stdout.is_empty() => return Ok((plain(&ran.out()), "dmesg")),
        Ok(ran) if !ran.ok() => trouble = Trouble::Denied,
        Ok(_) => {}
        Err(t) => trouble = t,
    }
    for file in ["/var/log/kern.log", "/var/log/messages"] {
        if let Ok(bytes) = host.read(file, 2 << 20) {
            return Ok((plain(&String::from_utf8_lossy(&bytes)), file));
        }
    }
    Err(trouble)
}

fn plain(text: &str) -> Vec<Line> {
    text.lines().map(|l| Line { program: "kernel".to_owned(), message: printable(l), seconds: None }).collect()
}

/// Lines that name a program of Postfix or a disk in trouble.
pub fn judge(lines: &[Line]) -> Vec<Said> {
    lines.iter().filter_map(|l| said(&l.message, l.seconds)).collect()
}

fn said(text: &str, seconds: Option<i64>) -> Option<Said> {
    let hit = |about, program: String, denied| Some(Said { about, program, text: text.to_owned(), seconds, denied });
    if let Some(rest) = between(text, "Killed process ", ")") {
        return hit(About::Oom, rest.split_once('(').map_or("", |(_, p)| p).to_owned(), None);
    }
    if text.contains("segfault at") || text.contains("general protection") || text.contains("traps: ") {
        return hit(About::Segfault, program_before_pid(text), None);
    }
    if text.contains("apparmor=\"DENIED\"") {
        let program = between(text, "comm=\"", "\"").unwrap_or_default();
        let what = between(text, " name=\"", "\"").or_else(|| between(text, "capname=\"", "\""));
        return hit(About::AppArmor, program.to_owned(), what.map(str::to_owned));
    }
    if text.contains("avc:") && text.contains("denied") {
        let program = between(text, "comm=\"", "\"").unwrap_or_default();
        let what = between(text, " name=\"", "\"").or_else(|| between(text, " path=\"", "\""));
        return hit(About::SeLinux, program.to_owned(), what.map(str::to_owned));
    }
    if text.contains("type=1326") {
        return hit(About::Seccomp, between(text, "comm=\"", "\"").unwrap_or_default().to_owned(), None);
    }
    let disk = ["I/O error, dev", "EXT4-fs error", "XFS (", "Remounting filesystem read-only", "blk_update_request: "];
    let bad = text.contains("error") || text.contains("Corruption") || text.contains("read-only");
    if bad && disk.iter().any(|d| text.contains(d)) {
        return hit(About::Disk, String::new(), None);
    }
    None
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inner, _)| inner)
}

/// `[12.3] smtpd[742]: segfault at …` and `traps: smtpd[742] …`
fn program_before_pid(text: &str) -> String {
    text.split_whitespace()
        .filter_map(|word| {
            let (name, pid) = word.split_once('[')?;
            (!name.is_empty() && pid.starts_with(|c: char| c.is_ascii_digit())).then(|| name.to_owned())
        })
        .find(|name| name != "kernel")
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_usual_lines() {
        let s = said("Out of memory: Killed process 742 (smtpd) total-vm:1kB", None).unwrap();
        assert_eq!((s.about, s.program.as_str()), (About::Oom, "smtpd"));
        let s = said("[   12.3] smtpd[742]: segfault at 0 ip 0 sp 0 error 4 in libc.so.6", None).unwrap();
        assert_eq!((s.about, s.program.as_str()), (About::Segfault, "smtpd"));
        let s = said(r#"audit: type=1400 apparmor="DENIED" operation="open" name="/srv/x" pid=1 comm="smtpd""#, None);
        assert_eq!(s.unwrap().denied.unwrap(), "/srv/x");
        assert!(said("eth0: link up", None).is_none());
    }
}
