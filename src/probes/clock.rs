//! A clock that is wrong breaks TLS, DNSSEC and the queue.

use super::{Args, Context, Outcome, ProbeKind, bool, list, text};
use crate::evidence::{Field, READ_ONLY};

pub(super) const KIND: ProbeKind =
    ProbeKind { name: "clock", level: READ_ONLY, doc: "Is the clock right?", args: &[], fields: FIELDS, run };

const FIELDS: &[Field] = &[
    bool("synchronized", "the system says that its clock is synchronized"),
    bool("before_build", "the clock is earlier than files that were installed"),
    list("future_files", "queue files of the future"),
    text("now", "what it says"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
