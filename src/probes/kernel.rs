//! Kernel messages about Postfix daemons.

use super::common::arg;
use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::evidence::{Field, READ_ONLY};
use crate::state::kernel::{self, About};

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

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let (lines, source) = match kernel::lines(ctx.server.host) {
        Ok(found) => found,
        Err(why) => {
            out.unchecked("kernel messages", why, Some("sudo dmesg -T".to_owned()));
            return out;
        }
    };
    let program = arg(args, "program").map(|p| p.rsplit('/').next().unwrap_or(p).to_owned());
    let fits = |said: &kernel::Said| program.as_ref().is_none_or(|p| said.program.is_empty() || said.program == *p);
    let said: Vec<kernel::Said> = kernel::judge(&lines).into_iter().filter(fits).collect();
    for (name, about) in [
        ("oom", About::Oom),
        ("segfault", About::Segfault),
        ("apparmor_denied", About::AppArmor),
        ("selinux_denied", About::SeLinux),
        ("seccomp", About::Seccomp),
        ("io_error", About::Disk),
    ] {
        out.set(name, said.iter().any(|s| s.about == about));
    }
    out.set("count", said.len() as i64);
    if let Some(last) = said.last() {
        out.set("text", last.text.as_str());
        out.set_some("denied_path", last.denied.clone());
        out.saw(source, &last.text);
    }
    out
}
