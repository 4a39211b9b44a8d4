//! Is it one dead peer, or is outbound port 25 closed for all?

use super::{Args, Context, Outcome, ProbeKind, bool, int, list, text};
use crate::evidence::{CONTACT_OTHERS, Field};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "port25",
    level: CONTACT_OTHERS,
    doc: "Tries TCP 25 of several destinations and looks for a packet filter that stops it.",
    args: &[],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("any_open", "at least one destination accepted a connection"),
    bool("all_timeout", "no destination answered, and at least two were tried"),
    bool("all_refused", "all refused"),
    bool("v4_open", "one of the IPv4 destinations accepted"),
    bool("v4_timeout", "all IPv4 destinations timed out"),
    bool("v6_open", "one of the IPv6 destinations accepted"),
    bool("v6_timeout", "all IPv6 destinations timed out"),
    bool("v6_unreachable", "there is no route over IPv6"),
    bool("other_ports_open", "a destination takes connections on another port (443, 587), so only 25 is closed"),
    bool("firewall_drops", "a packet filter rule of this host stops port 25"),
    text("firewall_rule", "its text"),
    list("tried", "destinations and how each ended"),
    int("count", "how many were tried"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
