//! Which names an expression or a placeholder may use, and their types.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::did_you_mean;
use super::facts;
use crate::evidence::{Field, Type};
use crate::postfix::parameters;

/// The names that are known at some place of a rule.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    names: BTreeMap<String, Type>,
    /// what stands before the dot, and what that is in words: `ep` -> `the probe endpoint`
    groups: BTreeMap<String, String>,
    /// groups whose members cannot be told, because what declares them is itself wrong; `` are the bare names
    open: BTreeSet<String>,
}

/// Why a name is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnknownName {
    pub(super) message: String,
    pub(super) label: String,
}

impl Scope {
    /// What everybody may name: the facts of host, instance and log, and `main.*`.
    pub fn facts() -> Self {
        let mut scope = Scope::default();
        scope.declare(facts::FACTS);
        for group in ["host", "postfix", "log"] {
            scope.groups.insert(group.to_owned(), "a group of facts".to_owned());
        }
        scope
    }

    /// Adds declared names as they are.
    pub fn declare(&mut self, fields: &[Field]) {
        self.names.extend(fields.iter().map(|field| (field.name.to_owned(), field.ty)));
    }

    /// Adds the captures of a pattern; they are texts and hide facts of the same name.
    pub fn capture(&mut self, name: &str) {
        self.names.insert(name.to_owned(), Type::Text);
    }

    /// Adds the `service.*` facts.
    pub fn service(&mut self) {
        self.declare(facts::SERVICE);
        self.groups.insert("service".to_owned(), "a group of facts".to_owned());
    }

    /// Adds the results of a probe.
    pub fn probe(&mut self, name: &str, kind: &str, fields: &[Field]) {
        self.groups.insert(name.to_owned(), format!("the probe {kind}"));
        self.names.extend(fields.iter().map(|field| (format!("{name}.{}", field.name), field.ty)));
    }

    /// Takes any name of this group (``: any bare name): where they would come from is wrong already, and
    /// one error is enough.
    pub(super) fn accept_any(&mut self, group: &str) {
        self.open.insert(group.to_owned());
    }

    /// Whether something already has this name.
    pub(super) fn takes(&self, name: &str) -> bool {
        name == "main" || self.names.contains_key(name) || self.groups.contains_key(name)
    }

    /// The bare names: captures and fields.
    pub(super) fn bare(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str).filter(|name| !name.contains('.'))
    }

    /// The type of a name; none: it cannot be told, and that is no error of the one who uses it.
    pub(super) fn type_of(&self, name: &str) -> Result<Option<Type>, UnknownName> {
        if let Some(ty) = self.names.get(name) {
            return Ok(Some(*ty));
        }
        let (group, rest) = name.split_once('.').unwrap_or((name, ""));
        if group == "main" && !rest.is_empty() {
            return unknown_parameter(rest).map_or(Ok(Some(Type::Text)), Err);
        }
        if self.open.contains(if rest.is_empty() { "" } else { group }) {
            return Ok(None);
        }
        let near = did_you_mean(name, self.names.keys().map(String::as_str));
        let members = || {
            let prefix = format!("{group}.");
            format!("it has {}", enumerate(self.names.keys().filter_map(|name| name.strip_prefix(&prefix))))
        };
        let (message, label) = match self.groups.get(group) {
            Some(what) if rest.is_empty() => (format!("`{name}` is {what}, not a value"), members()),
            Some(what) if what.starts_with("the probe") => {
                let label = if near.is_empty() { members() } else { near };
                (format!("{what} has no result `{rest}`"), label)
            }
            _ if rest.is_empty() => {
                let bare = enumerate(self.bare());
                let known = if bare.is_empty() { bare } else { format!("known here: {bare}") };
                (format!("unknown name `{name}`"), if near.is_empty() { known } else { near })
            }
            _ => (format!("unknown fact `{name}`"), near),
        };
        Err(UnknownName { message, label })
    }
}

/// What to say about a name that is no parameter of any Postfix.
pub(super) fn unknown_parameter(name: &str) -> Option<UnknownName> {
    (!parameters::known(name, None)).then(|| UnknownName {
        message: format!("Postfix has no parameter `{name}`"),
        label: did_you_mean(name, parameters::all().iter().map(|parameter| parameter.name)),
    })
}

/// Names in a row; not more than one line takes.
fn enumerate<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut names: Vec<&str> = names.collect();
    if names.len() > 12 {
        names.truncate(10);
        names.push("… (`postdoctor playbook schema` lists all)");
    }
    names.join(", ")
}
