//! The step `config`: what an experienced postmaster reads out of main.cf, master.cf and the lookup tables.
//!
//! Each module looks at one subject and emits observations with the line they come from. Nothing here judges:
//! a setting that is odd on one server is right on the next, and the rules (playbooks/rules) know the difference.

pub(crate) mod access;
mod domains;
mod kinds;
pub(crate) mod look;
mod names;
mod networks;
pub(crate) mod restrictions;
mod routing;
mod running;
mod security;
mod services;
mod settings;
mod sizes;
mod table_files;
pub(crate) mod table_source;
pub(crate) mod tables;
#[cfg(test)]
pub(crate) mod testing;

use super::{Context, Outcome, StepKind};
use crate::evidence::READ_ONLY;

pub(crate) use kinds::{flag, int, list, text};

/// The step.
pub const STEP: StepKind = StepKind {
    name: "config",
    level: READ_ONLY,
    doc: "main.cf, master.cf and lookup tables: names, form, restrictions, address classes, routing, services, limits",
    touches: &[
        "main.cf, master.cf, lookup table sources and their indexed files",
        "postconf -m, postconf -a, postconf -A",
        "postmap -q KEY TYPE:TABLE",
        "/proc/net/fib_trie, /proc/net/if_inet6, /etc/resolv.conf",
        "the DNS server, for relayhost and MX records (level 2)",
    ],
    run,
    emits: kinds::KINDS,
};

/// The observers, the cheap ones first.
const OBSERVERS: &[fn(&look::Look<'_>)] = &[
    names::observe,
    settings::observe,
    restrictions::observe,
    sizes::observe,
    security::observe,
    services::observe,
    networks::observe,
    routing::observe,
    domains::observe,
    table_files::observe,
    running::observe,
];

fn run(ctx: &Context<'_>) -> Outcome {
    let mut all = Outcome::default();
    let (mut settings, mut services) = (0, 0);
    for instance in &ctx.server.instances {
        if !instance.config_known {
            continue;
        }
        settings += instance.config.main.settings.len();
        services += instance.config.master.services.len();
        let look = look::Look::new(ctx.server, instance, ctx.allowed);
        for observe in OBSERVERS {
            observe(&look);
        }
        let outcome = look.finish();
        all.observations.extend(outcome.observations);
        all.not_checked.extend(outcome.not_checked);
    }
    all.looked_at = Some(format!("{settings} settings, {services} services"));
    all
}
