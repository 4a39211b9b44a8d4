//! Small experiments that confirm or refute a cause. A rule names one with arguments made from its captures:
//! `probe = { kind = "endpoint", address = "{endpoint}", as = "ep" }`; the fields of the result are then
//! `ep.refused`, `ep.listening` and so on. [`KINDS`] is the table of what there is.

use crate::discover::{Instance, Server};
use crate::evidence::{Evidence, Field, Fields, Level, NotChecked};
use crate::logs::scan::LogScan;

/// What a probe works on.
pub struct Context<'a> {
    /// the discovered server
    pub server: &'a Server<'a>,
    /// the instance that the symptom belongs to, if there is one
    pub instance: Option<&'a Instance>,
    /// service in master.cf that the symptom belongs to (index in its `master.services`), if it could be told
    pub service: Option<usize>,
    /// no probe does more than this level
    pub allowed: Level,
    /// what the log says over all, when the log scan ran before
    pub log: Option<&'a LogScan>,
}

/// Arguments as they stand in the rule, placeholders already filled in.
pub type Args = std::collections::BTreeMap<String, String>;

/// What a probe found out. A field that is absent is unknown.
#[derive(Default, Debug, Clone)]
pub struct Outcome {
    /// results
    pub fields: Fields,
    /// what was seen
    pub evidence: Vec<Evidence>,
    /// what it could not look at
    pub not_checked: Vec<NotChecked>,
}

/// A kind of probe that a rule may name.
pub struct ProbeKind {
    /// for instance `endpoint`
    pub name: &'static str,
    /// its level
    pub level: Level,
    /// what it tries
    pub doc: &'static str,
    /// argument names, with true for those that must be there
    pub args: &'static [(&'static str, bool)],
    /// the fields of its result
    pub fields: &'static [Field],
    /// does it
    pub run: fn(&Context<'_>, &Args) -> Outcome,
}
