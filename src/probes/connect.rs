//! One destination: which address answers, and how.

use super::{Args, Context, Outcome, ProbeKind, bool, list, text};
use crate::evidence::{CONTACT_OTHERS, Field};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "connect",
    level: CONTACT_OTHERS,
    doc: "Connects to a host and port over IPv4 and IPv6 apart.",
    args: &[("host", true), ("port", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("resolves", "the host has an address"),
    list("addresses", "its addresses"),
    bool("open", "at least one address accepted"),
    bool("refused", "all that answered refused"),
    bool("timeout", "none answered"),
    bool("unreachable", "no route to any"),
    bool("v4_ok", "an IPv4 address accepted"),
    bool("v4_timeout", "all IPv4 addresses timed out"),
    bool("v6_ok", "an IPv6 address accepted"),
    bool("v6_timeout", "all IPv6 addresses timed out"),
    bool("v6_unreachable", "no route to the IPv6 addresses"),
    bool("has_v4", "it has an IPv4 address"),
    bool("has_v6", "it has an IPv6 address"),
    text("banner", "what it said first"),
    bool("greets", "it said something that is an SMTP greeting (220)"),
    bool("is_self", "the address is one of this host's"),
    bool("submission_open", "port 587 of it accepts"),
    bool("firewall_drops", "a packet filter rule of this host stops it"),
    text("firewall_rule", "its text"),
    list("tried", "addresses and how each ended"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
