//! What each name server says about a name, on the host and by the resolv.conf in the jail.

use super::{Args, Context, Outcome, ProbeKind, bool, list};
use crate::evidence::{CONTACT_OTHERS, Field};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "dns",
    level: CONTACT_OTHERS,
    doc: "Asks each name server of resolv.conf, outside the jail and with the jail's copy.",
    args: &[("name", false), ("type", false), ("where", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("resolves", "a name server of the host gave an answer with records"),
    bool("resolves_in_jail", "a name server of the jail's resolv.conf did (unknown without a jail)"),
    bool("nxdomain", "the name does not exist"),
    bool("nodata", "the name exists but has no record of that type"),
    bool("servfail", "a name server answered SERVFAIL"),
    bool("refused", "a name server refused to answer"),
    bool("timeout", "a name server did not answer"),
    list("servers", "name servers of the host's resolv.conf"),
    list("dead_servers", "those that do not answer"),
    bool("first_dead", "the first name server does not answer (each look-up waits for it)"),
    bool("all_dead", "none answers"),
    list("jail_servers", "name servers of the jail's resolv.conf"),
    list("dead_jail_servers", "those that do not answer"),
    bool("all_jail_dead", "none of the jail's answers"),
    bool("jail_missing", "the jail has no resolv.conf"),
    bool("jail_differs", "the jail's name servers are others than the host's"),
    bool("differs", "the name servers give different answers"),
    bool("no_mx", "the domain has no MX record but an address"),
    bool("null_mx", "the domain says that it takes no mail (`MX 0 .`)"),
    bool("mx_target_fails", "an MX host has no address"),
    bool("mx_private", "an MX host has a private or loopback address only"),
    list("records", "the records"),
    bool("others_resolve", "another name resolves through the same servers, so that the trouble is this name's"),
    bool("parent_exists", "the parent domain has name servers"),
    bool("authoritative_fails", "the name servers of the domain do not answer or fail"),
    bool("dnssec_trouble", "it resolves with checking disabled only"),
    bool("local_override", "/etc/hosts has the name"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
