//! An address of inet_interfaces, smtp_bind_address or a listener: is it here?

use super::{Args, Context, Outcome, ProbeKind, bool, list, text};
use crate::evidence::{Field, READ_ONLY};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "interface",
    level: READ_ONLY,
    doc: "Is this address on an interface of the host?",
    args: &[("address", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("present", "the address is on an interface"),
    text("interface", "which"),
    bool("up", "that interface is up"),
    bool("tentative", "the address is not usable yet (duplicate address detection) or the test failed"),
    list("addresses", "all addresses of the host"),
    bool("v6_enabled", "the host has IPv6"),
    bool("v6_loopback", "::1 is there"),
    bool("v6_global", "a global IPv6 address is there"),
    bool("v6_default_route", "an IPv6 default route is there"),
    bool("v4_default_route", "an IPv4 default route is there"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
