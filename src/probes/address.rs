//! Where an address goes: class, aliases, .forward, loops.

use super::{Args, Context, Outcome, ProbeKind, bool, list, text};
use crate::evidence::{Field, PROBE_HOST};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "address",
    level: PROBE_HOST,
    doc: "Which address class and transport, and do aliases and .forward files run in circles?",
    args: &[("address", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    text("class", "`local`, `virtual alias`, `virtual mailbox`, `relay`, `default`"),
    text("domain", "the domain of the address"),
    text("user", "the part before the @, extension removed"),
    text("transport", "the transport by its class"),
    bool("user_exists", "a local user of that name exists"),
    bool("alias_exists", "an alias of that name exists in a source file of alias_maps"),
    text("alias_value", "what it expands to"),
    text("alias_at", "file:line"),
    bool("alias_newer", "the alias file was changed after its index"),
    bool("forward_exists", "the user has a .forward file"),
    text("forward", "its path"),
    text("forward_value", "what stands there"),
    bool("loop", "following aliases and .forward files leads back to where it began"),
    list("loop_path", "the addresses of the circle"),
    bool("virtual_exists", "virtual_alias_maps has the address"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
