//! The keys by which Postfix looks an address up, in its order, over all tables of a parameter.

use super::desk::Desk;
use super::list::Is;
use super::model::{Hit, Step};
use super::own::is_own;
use super::tables::{Said, Tables, is_pattern};
use crate::postfix::mail_address::split;

/// Which keys are tried after `user+extension@domain` and `user@domain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    /// the user part alone if the domain is ours, then `@domain`: canonical(5), virtual(5), generic(5)
    Rewriting,
    /// the domain and its parents as `.parent` (or `parent`), then `*`: transport(5)
    Transport,
    /// the domain and its parents, then `user@`: access(5)
    Access,
}

/// What the tables say.
#[derive(Debug, Clone)]
pub(super) enum Found {
    Hit(Box<Hit>),
    No,
    /// Postfix would stop here as well: mail waits
    Broken {
        why: String,
        ask: String,
    },
    Unknown {
        why: String,
        ask: String,
    },
}

/// A key and what form of the address it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    text: String,
    form: &'static str,
    extension: String,
    /// patterns are tried on it
    whole: bool,
}

/// Looks an address up. A table that cannot be asked makes the answer unknown only if it would have been asked before a hit.
pub(super) fn find(
    desk: &Desk<'_>,
    tables: &[String],
    address: &str,
    strategy: Strategy,
    parents_with_dot: bool,
) -> Found {
    search(desk, tables, address, strategy, parents_with_dot, true)
}

/// The same where Postfix allows no `$1` in results of patterns: such rules are skipped.
pub(super) fn find_plain(
    desk: &Desk<'_>,
    tables: &[String],
    address: &str,
    strategy: Strategy,
    parents_with_dot: bool,
) -> Found {
    search(desk, tables, address, strategy, parents_with_dot, false)
}

fn search(
    desk: &Desk<'_>,
    tables: &[String],
    address: &str,
    strategy: Strategy,
    parents_with_dot: bool,
    substitution: bool,
) -> Found {
    if tables.is_empty() {
        return Found::No;
    }
    first(desk, tables, &keys(desk, address, strategy, parents_with_dot), substitution)
}

/// Looks a bare name up, as local(8) does in alias_maps and mailbox_transport_maps.
pub(super) fn find_name(desk: &Desk<'_>, tables: &[String], name: &str) -> Found {
    let key = Key { text: name.to_owned(), form: "user part", extension: String::new(), whole: true };
    first(desk, tables, &[key], false)
}

fn first(desk: &Desk<'_>, tables: &[String], keys: &[Key], substitution: bool) -> Found {
    for key in keys {
        for table in tables {
            if !key.whole && is_pattern(table) {
                continue;
            }
            match desk.tables.ask(table, &key.text, substitution) {
                Said::NotThere => {}
                Said::Found { value, .. } if value.is_empty() => {
                    return Found::Broken {
                        why: format!(
                            "{table} gives an empty result for {}, which Postfix takes for an error",
                            key.text
                        ),
                        ask: Tables::command(table, &key.text),
                    };
                }
                Said::Found { value, at, stale } => {
                    return Found::Hit(Box::new(Hit {
                        table: table.clone(),
                        key: key.text.clone(),
                        form: key.form,
                        value,
                        extension: key.extension.clone(),
                        at,
                        stale,
                    }));
                }
                Said::Broken { why, ask } => return Found::Broken { why, ask },
                Said::Unknown { why, ask } => return Found::Unknown { why, ask },
            }
        }
    }
    Found::No
}

fn keys(desk: &Desk<'_>, address: &str, strategy: Strategy, parents_with_dot: bool) -> Vec<Key> {
    let (local, domain) = split(address);
    let domain = domain.unwrap_or_default();
    let bare = desk.split_extension(local);
    let key = |text: String, form, extension: &str, whole| Key { text, form, extension: extension.to_owned(), whole };
    let mut all = vec![key(address.to_owned(), "full address", "", true)];
    if let Some((user, extension)) = bare {
        all.push(key(format!("{user}@{domain}"), "address without extension", extension, false));
    }
    match strategy {
        Strategy::Rewriting => {
            let origin = desk.by("myorigin", "cleanup");
            // Unknown counts as ours: a question too many finds nothing in the usual case.
            if domain.eq_ignore_ascii_case(&origin.text) || !matches!(is_own(desk, domain), Is::No) {
                all.push(key(local.to_owned(), "user part", "", false));
                if let Some((user, extension)) = bare {
                    all.push(key(user.to_owned(), "user part without extension", extension, false));
                }
            }
            all.push(key(format!("@{domain}"), "@domain", "", false));
        }
        Strategy::Transport | Strategy::Access => {
            let mut rest = domain;
            let mut form = "domain";
            loop {
                all.push(key(rest.to_owned(), form, "", false));
                let Some((dot, _)) = rest.char_indices().skip(1).find(|(_, c)| *c == '.') else { break };
                rest = if parents_with_dot { &rest[dot..] } else { &rest[dot + 1..] };
                form = if parents_with_dot { ".parent domain" } else { "parent domain" };
            }
            if strategy == Strategy::Transport {
                all.push(key("*".to_owned(), "*", "", true));
            } else {
                all.push(key(format!("{local}@"), "user@", "", false));
                if let Some((user, extension)) = bare {
                    all.push(key(format!("{user}@"), "user@ without extension", extension, false));
                }
            }
        }
    }
    all
}

/// The step for a table that could not be asked or that is broken.
pub(super) fn trouble(by: &str, found: &Found) -> Option<Step> {
    match found {
        Found::Broken { why, ask } => Some(Step::new(by, format!("the table cannot be used: {why}")).ask(ask.clone())),
        Found::Unknown { why, ask } => Some(Step::new(by, format!("not known: {why}")).ask(ask.clone()).open()),
        _ => None,
    }
}
