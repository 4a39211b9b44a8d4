//! Whether a lookup table can be used: its type, its source and index, and a query.

use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::evidence::{Field, PROBE_HOST};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "table",
    level: PROBE_HOST,
    doc: "Opens a lookup table as Postfix does: type, files, age, and one key.",
    args: &[("table", true), ("key", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    text("type", "`hash`"),
    text("name", "what stands after the type"),
    bool("type_supported", "this Postfix knows the type (`postconf -m`)"),
    text("package", "the package that brings the type on this distribution"),
    bool("plugin_missing", "the type is registered, but its library is missing"),
    text("source", "the source file"),
    bool("source_exists", "the source file exists"),
    text("db", "the index file"),
    bool("db_exists", "the index exists"),
    bool("stale", "the source is newer than the index"),
    int("stale_minutes", "by how much"),
    bool("readable", "mail_owner may read what has to be read"),
    bool("found", "the key was found"),
    text("value", "what it gave"),
    bool("ok", "it could be opened and queried"),
    text("error", "the words of `postmap -q`"),
    bool("duplicate_types", "an index of another type exists beside (`x.db` for `lmdb:x`)"),
    text("rebuild", "the command that builds the index"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
