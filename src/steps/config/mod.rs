//! The step `config`: what an experienced postmaster reads out of main.cf, master.cf and the lookup tables.
//!
//! Each module looks at one subject and emits observations with the line they come from. Nothing here judges:
//! a setting that is odd on one server is right on the next, and the rules (playbooks/rules) know the difference.

mod kinds;

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

fn run(_ctx: &Context<'_>) -> Outcome {
    Outcome::default()
}
