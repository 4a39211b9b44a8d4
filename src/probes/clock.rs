//! A clock that is wrong breaks TLS, DNSSEC and the queue.

use super::common::instance;
use super::{Args, Context, Outcome, ProbeKind, bool, list, text};
use crate::evidence::{Field, READ_ONLY};
use crate::host::Run;
use crate::state::jail;

pub(super) const KIND: ProbeKind =
    ProbeKind { name: "clock", level: READ_ONLY, doc: "Is the clock right?", args: &[], fields: FIELDS, run };

const FIELDS: &[Field] = &[
    bool("synchronized", "the system says that its clock is synchronized"),
    bool("before_build", "the clock is earlier than files that were installed"),
    list("future_files", "queue files of the future"),
    text("now", "what it says"),
];

fn run(ctx: &Context<'_>, _args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    if let Ok(ran) = host.run(&Run::new("timedatectl", &["show", "-p", "NTPSynchronized", "--value"]))
        && ran.ok()
    {
        out.set("synchronized", ran.out().trim() == "yes");
    }
    let Ok(now) = host.now() else { return out };
    out.set("now", now.to_string());
    if let Ok(stat) = host.stat("/etc/passwd") {
        out.set("before_build", now.as_second() + 3600 < stat.mtime);
    }
    if let Some(instance) = instance(ctx) {
        let root = jail::of(instance).root;
        let mut future = Vec::new();
        for queue in ["incoming", "active", "maildrop"] {
            let directory = format!("{root}/{queue}");
            for name in host.list(&directory).unwrap_or_default().into_iter().take(500) {
                let path = format!("{directory}/{name}");
                if host.lstat(&path).is_ok_and(|s| s.mtime > now.as_second() + 300) {
                    future.push(path);
                }
            }
        }
        future.truncate(5);
        out.set("future_files", future);
    }
    out
}
