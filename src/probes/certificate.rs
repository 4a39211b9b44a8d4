//! A certificate file and its key, as a TLS peer would judge them.

use super::{Args, Context, Outcome, ProbeKind, bool, int, list, text};
use crate::evidence::{Field, READ_ONLY};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "certificate",
    level: READ_ONLY,
    doc: "Reads a certificate, its chain and its key.",
    args: &[("file", true), ("key", false), ("ca", false), ("name", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("exists", "the file exists"),
    bool("readable", "root can read it"),
    bool("parses", "it holds at least one certificate"),
    bool("expired", "its time is over"),
    bool("not_yet", "its time has not come"),
    text("not_after", "end of its time"),
    int("days_left", "days until then; negative when it is over"),
    text("subject", "whom it names"),
    text("issuer", "who signed it"),
    list("names", "host names in it"),
    bool("name_matches", "it names `name` (myhostname, if none is given)"),
    bool("self_signed", "it signed itself"),
    bool("chain_complete", "intermediate certificates are in the file or the leaf is signed by a root"),
    bool("chain_order", "each certificate in the file is signed by the next"),
    int("chain_length", "how many certificates the file holds"),
    bool("key_exists", "the key file exists"),
    bool("key_readable", "the key parses and is not encrypted"),
    bool("key_encrypted", "the key needs a pass phrase"),
    bool("key_matches", "key and certificate belong together"),
    bool("weak", "its key or signature is too weak for the default OpenSSL security level"),
    text("newer_elsewhere", "a newer certificate for the same name, on this host (for instance of certbot)"),
    bool("loaded_older", "the file is newer than the start of the master"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
