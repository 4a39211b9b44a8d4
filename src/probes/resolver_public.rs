//! Block lists answer wrongly through public resolvers: which one is asked?

use super::{Args, Context, Outcome, ProbeKind, bool, list, text};
use crate::evidence::{CONTACT_OTHERS, Field};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "resolver-public",
    level: CONTACT_OTHERS,
    doc: "Is the name server one of the public ones that block lists refuse?",
    args: &[],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("public", "a name server of resolv.conf is a known public resolver"),
    text("server", "which one"),
    list("servers", "name servers of resolv.conf"),
    bool("local", "a name server of resolv.conf runs on this host"),
    text("forwards_to", "the public resolver that the local one forwards to, if its configuration tells"),
    bool("dnsbl_answers", "the test address of zen.spamhaus.org gives a listing"),
    bool("dnsbl_refused", "it gives 127.255.255.25x: refused"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
