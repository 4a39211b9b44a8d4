//! Small experiments that confirm or refute a cause. A rule names one with arguments made from its captures:
//! `probe = { kind = "endpoint", address = "{endpoint}", as = "ep" }`; the fields of the result are then
//! `ep.refused`, `ep.listening` and so on. [`KINDS`] is the table of what there is.

mod address;
mod certificate;
mod clock;
mod common;
mod connect;
mod databases;
pub(crate) mod dns;
mod dovecot_user;
mod endpoint;
pub(crate) mod file;
pub(crate) mod interface;
mod kernel;
mod limits;
mod listener;
mod package;
mod port25;
mod process;
mod resolver_public;
mod sasl_library;
pub(crate) mod service;
mod spool;
mod table;
mod tcp_tls;
mod unit;
mod user;

use crate::discover::{Instance, Server};
use crate::evidence::{Evidence, Field, Fields, Level, NotChecked, Type, Value};
use crate::logs::scan::LogScan;

/// All kinds of probes.
pub const KINDS: &[ProbeKind] = &[
    endpoint::KIND,
    dns::KIND,
    file::KIND,
    table::KIND,
    certificate::KIND,
    port25::KIND,
    connect::KIND,
    tcp_tls::KIND,
    sasl_library::KIND,
    unit::KIND,
    process::KIND,
    listener::KIND,
    service::KIND,
    user::KIND,
    resolver_public::KIND,
    package::KIND,
    spool::KIND,
    address::KIND,
    interface::KIND,
    limits::KIND,
    kernel::KIND,
    clock::KIND,
    dovecot_user::KIND,
    databases::KIND,
];

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static ProbeKind> {
    KINDS.iter().find(|k| k.name == name)
}

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

impl Outcome {
    /// Sets a field.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }
    /// Sets a field if there is a value; else it stays unknown.
    pub(crate) fn set_some(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }
    /// Adds what was seen.
    pub(crate) fn saw(&mut self, source: impl Into<String>, text: impl AsRef<str>) {
        self.evidence.push(Evidence::new(source, text));
    }
    /// Says what could not be looked at.
    pub(crate) fn unchecked(&mut self, what: impl Into<String>, why: impl std::fmt::Display, settle: Option<String>) {
        self.not_checked.push(NotChecked { what: what.into(), why: why.to_string(), settle });
    }
    /// The text of a field that was set.
    pub(crate) fn is(&self, name: &str) -> Option<bool> {
        match self.fields.get(name) {
            Some(Value::Bool(b)) => Some(*b),
            _ => None,
        }
    }
}

/// A yes-or-no field.
const fn bool(name: &'static str, doc: &'static str) -> Field {
    Field { name, ty: Type::Bool, doc }
}
/// A number field.
const fn int(name: &'static str, doc: &'static str) -> Field {
    Field { name, ty: Type::Int, doc }
}
/// A text field.
const fn text(name: &'static str, doc: &'static str) -> Field {
    Field { name, ty: Type::Text, doc }
}
/// A list field.
const fn list(name: &'static str, doc: &'static str) -> Field {
    Field { name, ty: Type::List, doc }
}
