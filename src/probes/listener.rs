//! Who listens on a port, to find who took it from Postfix.

use super::{Args, Context, Outcome, ProbeKind, bool, int, list, text};
use crate::evidence::{Field, READ_ONLY};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "listener",
    level: READ_ONLY,
    doc: "Who has this TCP port open?",
    args: &[("port", true), ("address", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("listening", "somebody listens"),
    text("process", "name of the program"),
    int("pid", "its process id"),
    text("address", "where"),
    list("addresses", "all addresses on which somebody listens at this port"),
    bool("is_postfix", "it is the master of Postfix"),
    bool("v4", "somebody listens on an IPv4 address that is not loopback"),
    bool("v6", "somebody listens on an IPv6 address that is not loopback"),
    bool("loopback_only", "only loopback addresses"),
    text("unit", "unit of the program, if systemd tells"),
    text("suggestion", "what to type to stop it"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
