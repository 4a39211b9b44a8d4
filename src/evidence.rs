//! The words that steps, probes, rules and report share: evidence, observations, levels and typed values.
//!
//! An [`Observation`] is one thing that was seen, with typed fields, its scope and the [`Evidence`] behind it.
//! Rules fire on observations. The fields that a kind of observation has are declared in a [`Kind`], so that
//! a rule file that names a field which does not exist is refused when it is loaded, not when mail is down.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far a step goes. Ordered: a run allowed to level N does all steps up to N.
pub type Level = u8;
/// Only reads.
pub const READ_ONLY: Level = 0;
/// Probes this host (connects to local services, runs `postmap -q`, …).
pub const PROBE_HOST: Level = 1;
/// Contacts other hosts (DNS servers, port 25 of a destination).
pub const CONTACT_OTHERS: Level = 2;

/// The type of a field or fact, declared so that conditions can be checked when a rule file is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// true or false
    Bool,
    /// a whole number
    Int,
    /// text
    Text,
    /// a list of texts
    List,
}

/// A typed value. A field that is absent from its map was not collected: conditions over it are unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// true or false
    Bool(bool),
    /// a whole number
    Int(i64),
    /// text
    Text(String),
    /// a list of texts
    List(Vec<String>),
}

impl Value {
    /// The type of this value.
    pub fn kind(&self) -> Type {
        match self {
            Value::Bool(_) => Type::Bool,
            Value::Int(_) => Type::Int,
            Value::Text(_) => Type::Text,
            Value::List(_) => Type::List,
        }
    }
}

impl std::fmt::Display for Value {
    /// As it stands in a sentence: `yes`/`no`, the number, the text, the list with commas.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Bool(true) => f.write_str("yes"),
            Value::Bool(false) => f.write_str("no"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Text(s) => f.write_str(s),
            Value::List(l) => f.write_str(&l.join(", ")),
        }
    }
}

impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Value::Bool(v)
    }
}
impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Value::Int(v)
    }
}
impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Value::Text(v.to_owned())
    }
}
impl From<String> for Value {
    fn from(v: String) -> Self {
        Value::Text(v)
    }
}
impl From<Vec<String>> for Value {
    fn from(v: Vec<String>) -> Self {
        Value::List(v)
    }
}

/// Named values: the fields of an observation, the results of a probe, the facts of a host.
pub type Fields = BTreeMap<String, Value>;

/// A declared field: its name, type and one sentence that says what it holds.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// the name used in `when` and in `{placeholders}`
    pub name: &'static str,
    /// its type
    pub ty: Type,
    /// what it holds, with the unit
    pub doc: &'static str,
}

/// A declared kind of observation: what a rule's `observed = "…"` may name.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// for instance `jail-file-missing`; says what is wrong
    pub name: &'static str,
    /// what was seen
    pub doc: &'static str,
    /// its fields; a field may be absent from one observation (unknown)
    pub fields: &'static [Field],
}

/// Where something was seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// a file, `argv` of a command, or a probe in words (`MX example.net @192.0.2.54`)
    pub source: String,
    /// line number in that file, from 1
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u64>,
    /// what stood there: one line, control characters already masked
    pub text: String,
    /// first and last time it was seen, RFC 3339
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first: Option<Timestamp>,
    /// see `first`
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last: Option<Timestamp>,
    /// how often
    #[serde(skip_serializing_if = "is_one", default = "one")]
    pub count: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(n: &u64) -> bool {
    *n == 1
}
fn one() -> u64 {
    1
}

impl Evidence {
    /// Evidence from a file or command without a line number.
    pub fn new(source: impl Into<String>, text: impl AsRef<str>) -> Self {
        Evidence { source: source.into(), text: printable(text.as_ref()), count: 1, ..Evidence::default() }
    }
    /// Evidence from a line of a file.
    pub fn at(source: impl Into<String>, line: u64, text: impl AsRef<str>) -> Self {
        Evidence { line: Some(line), ..Evidence::new(source, text) }
    }
}

/// `text` with control characters and escapes replaced by `?` and cut to 2,000 characters: strangers write
/// logs and configuration comments, and no terminal escape may reach a screen.
pub fn printable(text: &str) -> String {
    text.chars()
        .take(2000)
        .map(|c| {
            if c == '\t' {
                ' '
            } else if c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c)
            {
                '?'
            } else {
                c
            }
        })
        .collect()
}

/// What a thing concerns. A cause explains a symptom only where their scopes meet; an absent part meets all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scope {
    /// name of the instance (`-` is the default one)
    pub instance: Option<String>,
    /// service name as in the log or in master.cf (`smtp`, `submission/smtpd`)
    pub service: Option<String>,
    /// process id in the log
    pub pid: Option<u32>,
    /// queue id
    pub queue_id: Option<String>,
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observation {
    /// the name of its [`Kind`]
    pub kind: String,
    /// its fields; an absent one is unknown
    pub fields: Fields,
    /// what it concerns
    pub scope: Scope,
    /// where it was seen
    pub evidence: Vec<Evidence>,
    /// when it was first and last seen; none for a state that holds now
    pub first: Option<Timestamp>,
    /// see `first`
    pub last: Option<Timestamp>,
    /// how often it was seen; 1 for a state
    pub count: u64,
}

impl Observation {
    /// A state that holds now, of this kind.
    pub fn now(kind: &'static str) -> Self {
        Observation { kind: kind.to_owned(), count: 1, ..Observation::default() }
    }
    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
    /// Adds a piece of evidence.
    #[must_use]
    pub fn seen(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }
    /// Says which instance it concerns.
    #[must_use]
    pub fn of_instance(mut self, name: &str) -> Self {
        self.scope.instance = Some(name.to_owned());
        self
    }
    /// Says which service it concerns.
    #[must_use]
    pub fn of_service(mut self, name: &str) -> Self {
        self.scope.service = Some(name.to_owned());
        self
    }
}

/// Something that could not be looked at, and what would settle it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotChecked {
    /// what, in a few words
    pub what: String,
    /// why not: no permission, command missing, timed out, not in the snapshot
    pub why: String,
    /// the exact command or privilege that would settle it
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub settle: Option<String>,
}
