//! Does a program run?

use super::common::arg;
use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::discover::Process;
use crate::evidence::{Field, READ_ONLY};
use crate::state::access;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "process",
    level: READ_ONLY,
    doc: "Looks for processes by program name.",
    args: &[("name", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("running", "at least one runs"),
    int("count", "how many"),
    int("oldest_minutes", "minutes since the oldest started"),
    text("user", "who runs it"),
    bool("zombie", "one of them is a zombie"),
    bool("blocked", "one of them waits for a device (state D)"),
    bool("exe_deleted", "its program file was replaced since it started"),
];

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let (Some(name), Some(processes)) = (arg(args, "name"), &ctx.server.processes) else { return out };
    let found: Vec<&Process> = processes.iter().filter(|p| is(p, name)).collect();
    out.set("running", !found.is_empty());
    out.set("count", found.len() as i64);
    let Some(first) = found.first() else {
        out.saw("ps", format!("no process {name}"));
        return out;
    };
    out.evidence.push(first.evidence());
    out.set("user", access::user_name(ctx.server.host, first.uid));
    out.set("zombie", found.iter().any(|p| p.state == 'Z'));
    out.set("blocked", found.iter().any(|p| p.state == 'D'));
    let oldest = found.iter().filter_map(|p| p.started).min();
    if let (Some(oldest), Ok(now)) = (oldest, ctx.server.host.now()) {
        out.set("oldest_minutes", (now.as_second() - oldest.as_second()) / 60);
    }
    let links: Vec<_> =
        found.iter().take(20).map(|p| ctx.server.host.read_link(&format!("/proc/{}/exe", p.pid))).collect();
    if links.iter().any(|l| l.as_ref().is_ok_and(|t| t.ends_with(" (deleted)"))) {
        out.set("exe_deleted", true);
    } else if links.iter().all(Result::is_ok) {
        out.set("exe_deleted", false);
    }
    out
}

/// By the name of the program, or of the script that an interpreter runs.
pub(super) fn is(process: &Process, name: &str) -> bool {
    let base = |arg: &String| arg.rsplit('/').next().is_some_and(|b| b.trim_end_matches(':') == name);
    process.name == name || process.args.iter().take(2).any(base)
}
