//! File descriptors, processes, memory: limits and use.

use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::evidence::{Field, READ_ONLY};

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

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
