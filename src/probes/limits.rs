//! File descriptors, processes, memory: limits and use.

use super::common::{arg, instance};
use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::evidence::{Field, READ_ONLY};
use crate::host::Host;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "limits",
    level: READ_ONLY,
    doc: "Limits of the master and its daemons against what they use.",
    args: &[("program", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    int("fd_limit", "open files that the process may have"),
    int("fd_used", "open files that it has"),
    bool("fd_near", "more than nine of ten are used"),
    int("process_limit", "processes that the user may have"),
    int("processes", "processes of the user"),
    bool("process_near", "more than nine of ten are used"),
    int("system_fd_used", "open files of the whole system"),
    int("system_fd_limit", "their limit"),
    int("memory_limit", "address space limit in bytes"),
    text("cgroup", "control group of the process"),
    int("cgroup_memory_max", "its memory limit in bytes"),
    int("cgroup_pids_max", "its limit on processes"),
    int("cgroup_pids", "its processes"),
    int("cgroup_oom_kills", "how often the kernel killed in it"),
    bool("core_limited", "core files are limited to 0"),
];

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    let (Some(processes), Some(instance)) = (&ctx.server.processes, instance(ctx)) else { return out };
    let wanted = arg(args, "program").filter(|p| *p != "master");
    let Some(pid) =
        wanted.and_then(|name| processes.iter().find(|p| p.name == name).map(|p| p.pid)).or(instance.master_pid)
    else {
        return out;
    };
    if let Some(text) = contents(host, &format!("/proc/{pid}/limits")) {
        for (name, label) in
            [("fd_limit", "Max open files"), ("process_limit", "Max processes"), ("memory_limit", "Max address space")]
        {
            out.set_some(name, soft_limit(&text, label));
        }
        out.set("core_limited", soft_limit(&text, "Max core file size") == Some(0));
    }
    let used = host.list(&format!("/proc/{pid}/fd")).ok().map(|fds| fds.len() as i64);
    out.set_some("fd_used", used);
    if let (Some(used), Some(crate::evidence::Value::Int(limit))) = (used, out.fields.get("fd_limit").cloned()) {
        out.set("fd_near", used * 10 >= limit * 9);
    }
    if let Some(owner) = processes.iter().find(|p| p.pid == pid) {
        let count = processes.iter().filter(|p| p.uid == owner.uid).count() as i64;
        out.set("processes", count);
        if let Some(crate::evidence::Value::Int(limit)) = out.fields.get("process_limit").cloned() {
            out.set("process_near", owner.uid != 0 && count * 10 >= limit * 9);
        }
    }
    if let Some(text) = contents(host, "/proc/sys/fs/file-nr") {
        let numbers: Vec<i64> = text.split_whitespace().filter_map(|w| w.parse().ok()).collect();
        out.set_some("system_fd_used", numbers.first().copied());
        out.set_some("system_fd_limit", numbers.get(2).copied());
    }
    control_group(host, pid, &mut out);
    out
}

fn control_group(host: &dyn Host, pid: u32, out: &mut Outcome) {
    let Some(text_of) = contents(host, &format!("/proc/{pid}/cgroup")) else { return };
    for line in text_of.lines() {
        let mut columns = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (columns.next(), columns.next(), columns.next()) else {
            continue;
        };
        let number = |file: String| contents(host, &file).and_then(|t| t.trim().parse::<i64>().ok());
        // No controller may set more than a machine has: the kernel's "no limit" is a huge number.
        let limit = |n: Option<i64>| n.filter(|n| *n < 1 << 50);
        if controllers.is_empty() {
            out.set("cgroup", path);
            let base = format!("/sys/fs/cgroup{path}");
            out.set_some("cgroup_memory_max", limit(number(format!("{base}/memory.max"))));
            out.set_some("cgroup_pids_max", number(format!("{base}/pids.max")));
            out.set_some("cgroup_pids", number(format!("{base}/pids.current")));
            let kills = contents(host, &format!("{base}/memory.events"));
            out.set_some("cgroup_oom_kills", kills.and_then(|t| count_of(&t, "oom_kill")));
        } else if controllers == "memory" {
            let base = format!("/sys/fs/cgroup/memory{path}");
            out.set_some("cgroup_memory_max", limit(number(format!("{base}/memory.limit_in_bytes"))));
            let kills = contents(host, &format!("{base}/memory.oom_control"));
            out.set_some("cgroup_oom_kills", kills.and_then(|t| count_of(&t, "oom_kill")));
        } else if controllers == "pids" {
            let base = format!("/sys/fs/cgroup/pids{path}");
            out.set_some("cgroup_pids_max", number(format!("{base}/pids.max")));
            out.set_some("cgroup_pids", number(format!("{base}/pids.current")));
        }
    }
}

fn contents(host: &dyn Host, path: &str) -> Option<String> {
    host.read(path, 64 << 10).ok().map(|b| String::from_utf8_lossy(&b).into_owned())
}

fn count_of(text: &str, name: &str) -> Option<i64> {
    text.lines().find_map(|l| l.strip_prefix(name)?.trim().parse().ok())
}

/// The soft limit of one row of /proc/PID/limits; none: unlimited.
pub(crate) fn soft_limit(text: &str, label: &str) -> Option<i64> {
    text.lines().find_map(|l| l.strip_prefix(label)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_limits() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 4096                 files\nMax address space         unlimited            unlimited            bytes\n";
        assert_eq!(soft_limit(text, "Max open files"), Some(1024));
        assert_eq!(soft_limit(text, "Max address space"), None);
    }
}
