//! Kernel messages about Postfix daemons.

use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::evidence::{Field, READ_ONLY};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "kernel",
    level: READ_ONLY,
    doc: "What the kernel said of a program: out of memory, segmentation faults, denials.",
    args: &[("program", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("oom", "the kernel killed it for lack of memory"),
    bool("segfault", "the kernel reports a segmentation fault"),
    bool("apparmor_denied", "AppArmor denied something"),
    bool("selinux_denied", "SELinux denied something"),
    bool("seccomp", "a system call filter killed it"),
    bool("io_error", "a disk reports errors"),
    text("text", "the line"),
    text("denied_path", "the path or capability that was denied"),
    int("count", "how many lines"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
