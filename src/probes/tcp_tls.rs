//! What a TLS peer shows: trust, names, time, protocol.

use super::{Args, Context, Outcome, ProbeKind, bool, list, text};
use crate::evidence::{CONTACT_OTHERS, Field};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "tcp-tls",
    level: CONTACT_OTHERS,
    doc: "Looks at the certificate of a TLS peer, with posttls-finger or openssl.",
    args: &[("host", true), ("port", true), ("mode", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("connected", "the TLS session came about"),
    bool("offers_starttls", "the peer offers STARTTLS"),
    bool("trusted", "the chain leads to a CA that this host knows"),
    bool("self_signed", "the certificate is signed by itself"),
    bool("unknown_issuer", "the issuer is not known here"),
    bool("expired", "its time is over"),
    bool("names_match", "it names the host"),
    list("names", "the names in it"),
    text("subject", "whom it names"),
    text("issuer", "who signed it"),
    text("not_after", "end of its time"),
    text("protocol", "`TLSv1.3`"),
    text("cipher", "cipher"),
    bool("wrapper", "the port speaks TLS at once (no STARTTLS)"),
    bool("ca_store", "a CA file or directory of this host was there to judge by"),
    text("error", "the words of the tool"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
