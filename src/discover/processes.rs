//! The running processes, from /proc, or from `ps` where every read would cost a command of its own.

use std::collections::HashMap;

use jiff::Timestamp;

use super::Process;
use crate::host::{Host, HostKind, Run};

/// Ticks per second in /proc; Linux shows this number on every architecture that it runs on today.
const TICKS: i64 = 100;
/// More are not looked at.
const MOST: usize = 20_000;

/// All processes; `None` where the host cannot tell, or shows us only our own.
pub(super) fn processes(host: &dyn Host) -> Option<Vec<Process>> {
    match host.kind() {
        HostKind::Via => by_ps(host).or_else(|| by_find(host)),
        HostKind::Live => by_proc(host),
        // A recording has what was asked when it was made.
        HostKind::Snapshot => by_proc(host).or_else(|| by_ps(host)).or_else(|| by_find(host)),
    }
}

fn by_proc(host: &dyn Host) -> Option<Vec<Process>> {
    let booted = text(host, "/proc/stat").as_deref().and_then(boot_time);
    let mut pids: Vec<u32> = host.list("/proc").ok()?.iter().filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    // hidepid: without process 1 the list is ours, not the host's, and nobody else seems to run.
    if pids.first() != Some(&1) {
        return None;
    }
    let one = |pid: u32| {
        let stat = Stat::parse(&text(host, &format!("/proc/{pid}/stat"))?)?;
        let arguments = host.read(&format!("/proc/{pid}/cmdline"), 16 << 10).unwrap_or_default();
        let status = text(host, &format!("/proc/{pid}/status")).unwrap_or_default();
        let args: Vec<String> = words(&arguments);
        if is_elsewhere(&status) {
            return None;
        }
        Some(Process {
            pid,
            ppid: stat.ppid,
            uid: effective_uid(&status)?,
            name: full_name(&stat.name, &args),
            args,
            state: stat.state,
            started: booted.and_then(|b| Timestamp::from_second(b + stat.start / TICKS).ok()),
            root: host.read_link(&format!("/proc/{pid}/root")).ok(),
        })
    };
    let found: Vec<Process> = pids.into_iter().take(MOST).filter_map(one).collect();
    (!found.is_empty()).then_some(found)
}

fn text(host: &dyn Host, path: &str) -> Option<String> {
    host.read(path, 1 << 20).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// When the machine was booted.
fn boot_time(stat: &str) -> Option<i64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn words(cmdline: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(cmdline);
    text.trim_end_matches('\0').split('\0').filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

fn effective_uid(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Processes of containers show up beside those of the host: they have a second number, that in their own
/// namespace. A Postfix in there is not the one that is examined, although its paths look the same.
fn is_elsewhere(status: &str) -> bool {
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.is_some_and(|numbers| numbers.split_ascii_whitespace().count() > 1)
}

/// The kernel cuts names after 15 bytes.
fn full_name(name: &str, args: &[String]) -> String {
    let program = args.first().and_then(|a| a.rsplit('/').next()).unwrap_or_default();
    if name.len() >= 15 && program.starts_with(name) { program.to_owned() } else { name.to_owned() }
}

/// The parts of /proc/PID/stat that we use.
struct Stat {
    name: String,
    state: char,
    ppid: u32,
    start: i64,
}

impl Stat {
    fn parse(line: &str) -> Option<Stat> {
        // The name may hold blanks and parentheses: it ends at the last one.
        let (head, rest) = line.rsplit_once(')')?;
        let columns: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Stat {
            name: head.split_once('(')?.1.to_owned(),
            state: columns.first()?.chars().next()?,
            ppid: columns.get(1)?.parse().ok()?,
            start: columns.get(19)?.parse().ok()?,
        })
    }
}

fn by_ps(host: &dyn Host) -> Option<Vec<Process>> {
    let ran = host.run(&Run::new("ps", &["-eww", "-o", "pid=,ppid=,uid=,pidns=,stat=,etimes=,args="])).ok()?;
    let now = host.now().ok().map(Timestamp::as_second);
    let line = |line: &str| {
        let mut columns = line.split_ascii_whitespace();
        let mut number = || columns.next()?.parse::<i64>().ok();
        let (pid, parent, uid) = (number()? as u32, number()? as u32, number()? as u32);
        let space = columns.next()?.to_owned();
        let state = columns.next()?.chars().next()?;
        let elapsed: i64 = columns.next()?.parse().ok()?;
        let args: Vec<String> = columns.map(str::to_owned).collect();
        let program = args.first()?.rsplit('/').next()?;
        let process = Process {
            pid,
            ppid: parent,
            uid,
            name: program.trim_matches(['[', ']', ':']).to_owned(),
            state,
            started: now.and_then(|now| Timestamp::from_second(now - elapsed).ok()),
            root: None,
            args,
        };
        Some((process, space))
    };
    let all: Vec<(Process, String)> = ran.out().lines().filter_map(line).take(MOST).collect();
    let ours = all.iter().find(|(p, _)| p.pid == 1).map(|(_, space)| space.clone());
    // A dash stands where we may not look.
    let here = |space: &String| ours.as_ref().is_none_or(|ours| ours == "-" || space == "-" || space == ours);
    let found: Vec<Process> = all.into_iter().filter(|(_, space)| here(space)).map(|(p, _)| p).collect();
    (ran.ok() && found.iter().any(|p| p.pid == 1)).then_some(found)
}

/// Small images have no `ps`, or one without columns to choose; all of them have `find`.
fn by_find(host: &dyn Host) -> Option<Vec<Process>> {
    let find = |name: &str, command: &[&str]| {
        let mut args = vec!["/proc", "-maxdepth", "2", "-name", name, "-path", "/proc/[0-9]*", "-exec"];
        args.extend(command);
        args.extend(["{}", "+"]);
        // Processes that end meanwhile make it fail; what it printed counts.
        host.run(&Run::new("find", &args)).ok()
    };
    let statuses = find("status", &["cat"])?;
    let arguments = find("cmdline", &["grep", "-H", ""]).map(|ran| ran.stdout).unwrap_or_default();
    let arguments: HashMap<u32, Vec<String>> = arguments
        .split(|&b| b == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|&b| b == b':')?;
            let path = std::str::from_utf8(&line[..colon]).ok()?;
            let pid = path.strip_prefix("/proc/")?.strip_suffix("/cmdline")?.parse().ok()?;
            Some((pid, words(&line[colon + 1..])))
        })
        .collect();
    let found = by_status(&statuses.out(), &arguments);
    found.iter().any(|p| p.pid == 1).then_some(found)
}

fn by_status(text: &str, arguments: &HashMap<u32, Vec<String>>) -> Vec<Process> {
    let mut found: Vec<Process> = Vec::new();
    for block in text.split("Name:").skip(1).take(MOST) {
        let block = format!("Name:{block}");
        let field = |name: &str| block.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let (Some(name), Some(pid), Some(parent), Some(uid)) = (
            field("Name"),
            field("Pid").and_then(|p| p.parse().ok()),
            field("PPid").and_then(|p| p.parse().ok()),
            effective_uid(&block),
        ) else {
            continue;
        };
        if is_elsewhere(&block) {
            continue;
        }
        let args = arguments.get(&pid).cloned().unwrap_or_default();
        let state = field("State").and_then(|s| s.chars().next()).unwrap_or('?');
        let name = full_name(name, &args);
        found.push(Process { pid, ppid: parent, uid, name, args, state, started: None, root: None });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses() {
        let stat = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9900 1 2\n";
        let stat = Stat::parse(stat).unwrap();
        assert_eq!((stat.name.as_str(), stat.state, stat.ppid, stat.start), ("a) b (c", 'S', 7, 9900));
        assert!(Stat::parse("").is_none());
    }

    #[test]
    fn blocks_of_status() {
        let text = "Name:\tmaster\nState:\tS (sleeping)\nPid:\t9\nPPid:\t1\nUid:\t0\t101\t0\t0\nName:\tx\nPid:\t?\n\
                    Name:\tqmgr\nPid:\t11\nPPid:\t9\nUid:\t0\t0\t0\t0\nNSpid:\t11\t3\n";
        let found = by_status(text, &HashMap::from([(9, vec!["/usr/lib/postfix/sbin/master".to_owned()])]));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].pid, found[0].uid, found[0].name.as_str()), (9, 101, "master"));
    }
}
