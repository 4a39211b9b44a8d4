//! The step `processes`: is the mail system up, and what keeps it down; its daemons, its ports, the programs
//! beside it, and what systemd and the kernel say of them.

mod daemons;
mod endpoints;
mod kinds;
mod master;
mod ports;
mod sandbox;
mod scheduled;

use super::{Context, Outcome, StepKind};
use crate::evidence::READ_ONLY;

/// The step.
pub const STEP: StepKind = StepKind {
    name: "processes",
    level: READ_ONLY,
    doc: "master and its daemons, the ports of master.cf, the programs that Postfix talks to, limits, the kernel's word",
    touches: &[
        "processes, /proc/PID/exe, limits, cgroup",
        "ss -ltnp, ss -lxp",
        "systemctl show, journalctl -u, drop-ins of the units",
        "journalctl -k or dmesg",
        "crontabs, timers and their units in /etc/systemd/system",
        "configuration of milters, policy servers and dovecot (where they listen)",
        "at level 1: a connection to each SMTP port of this host, for its greeting",
    ],
    run,
    emits: kinds::KINDS,
};

fn run(ctx: &Context<'_>) -> Outcome {
    let mut out = Outcome::default();
    if ctx.server.processes.is_none() {
        out.not_checked.push(crate::evidence::NotChecked {
            what: "whether Postfix runs".to_owned(),
            why: "the processes of this host are not known".to_owned(),
            settle: Some("postfix status".to_owned()),
        });
        return out;
    }
    let listeners = crate::state::listeners::tcp(ctx.server.host).ok();
    for instance in ctx.server.instances.iter().filter(|i| i.config_known) {
        if instance.master_pid.is_none() {
            master::absent(ctx, instance, &mut out);
        } else {
            daemons::look(ctx, instance, &mut out);
        }
        sandbox::look(ctx, instance, &mut out);
        if let Some(listeners) = &listeners {
            ports::look(ctx, instance, listeners, &mut out);
        }
        if instance.master_pid.is_some() {
            endpoints::look(ctx, instance, &mut out);
        }
    }
    if let Some(first) = ctx.server.instances.iter().find(|i| i.config_known) {
        scheduled::look(ctx, first, &mut out);
    }
    daemons::kernel(ctx, &mut out);
    let count = ctx.server.processes.as_ref().map_or(0, |all| {
        let masters: Vec<u32> = ctx.server.instances.iter().filter_map(|i| i.master_pid).collect();
        all.iter().filter(|p| masters.contains(&p.pid) || masters.contains(&p.ppid)).count()
    });
    out.looked_at = Some(format!("{count} processes of Postfix"));
    out
}
