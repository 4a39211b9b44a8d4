//! Lists of domains (`mydestination`, `relay_domains`, …): names, files, tables, and `!` in front of any of them.

use super::desk::{Desk, Param};
use super::model::Hit;
use super::tables::{Said, direct, is_pattern};
use crate::evidence::Evidence;
use crate::host::quote;
use crate::postfix::expand::balanced_items;
use crate::steps::config::table_source::logical;

/// Whether a list has a domain.
#[derive(Debug, Clone)]
pub(super) enum Is {
    /// with the item, the line of the parameter (and of the file), the entry of a table
    Yes(Box<Member>),
    No,
    /// a table or file could not be asked
    Unknown {
        why: String,
        ask: String,
    },
}

/// How a list has it.
#[derive(Debug, Clone, Default)]
pub(super) struct Member {
    pub(super) item: String,
    pub(super) at: Vec<Evidence>,
    pub(super) hit: Option<Hit>,
}

/// How names are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// the same name
    Exact,
    /// `.example.com` matches what is below it
    WithDot,
    /// `example.com` matches what is below it as well
    Parents,
}

/// The way of comparing that parent_domain_matches_subdomains sets for a parameter.
pub(super) fn style(desk: &Desk<'_>, parameter: &str) -> Names {
    let listed = desk.of("parent_domain_matches_subdomains", None).items();
    if listed.iter().any(|item| item == parameter) { Names::Parents } else { Names::WithDot }
}

/// Whether the list has the name.
pub(super) fn has(desk: &Desk<'_>, list: &Param, name: &str, names: Names) -> Is {
    let mut unknown = None;
    for (item, at) in flat(desk, list) {
        let (wanted, item) = match item.strip_prefix('!') {
            Some(rest) => (false, rest.trim_start_matches('!').to_owned()),
            None => (true, item),
        };
        match matches(desk, &item, name, names) {
            Ok(None) => {}
            // A `!` that matches ends the search.
            Ok(Some(_)) if !wanted => return unknown.unwrap_or(Is::No),
            Ok(Some(Match(hit))) => {
                let mut all: Vec<Evidence> = at.into_iter().collect();
                all.push(list.at.clone());
                return Is::Yes(Box::new(Member { item, at: all, hit }));
            }
            Err((why, ask)) => {
                unknown.get_or_insert(Is::Unknown { why, ask });
            }
        }
    }
    if !list.known && unknown.is_none() {
        let name = list.at.text.split([' ', '=']).next().unwrap_or_default().to_owned();
        return Is::Unknown {
            why: format!("the value of {name} was not collected"),
            ask: format!("postconf -x {name}"),
        };
    }
    unknown.unwrap_or(Is::No)
}

/// Items with the contents of files put in their place.
fn flat(desk: &Desk<'_>, list: &Param) -> Vec<(String, Option<Evidence>)> {
    let mut all = Vec::new();
    for item in list.items() {
        let path = item.trim_start_matches('!');
        if !path.starts_with('/') {
            all.push((item, None));
            continue;
        }
        let Ok(bytes) = desk.host.read(path, 8 << 20) else {
            // It stays as it is, and cannot be answered.
            all.push((item, None));
            continue;
        };
        let negated = if item.starts_with('!') { "!" } else { "" };
        let lines: Vec<String> = String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect();
        for (row, line) in logical(&lines) {
            let at = Evidence::at(path, row, &line);
            all.extend(balanced_items(&line).into_iter().map(|one| (format!("{negated}{one}"), Some(at.clone()))));
        }
    }
    all
}

type Trouble = (String, String);

/// An item that has the name; with the entry, if the item is a table.
struct Match(Option<Hit>);

/// Whether one item matches; for a table, with the entry.
fn matches(desk: &Desk<'_>, item: &str, name: &str, names: Names) -> Result<Option<Match>, Trouble> {
    let name = name.to_lowercase();
    if item.starts_with('/') {
        return Err((format!("{item} cannot be read"), format!("grep {} {}", quote(&name), quote(item))));
    }
    if direct(item).contains(':') && !item.starts_with('[') {
        return in_table(desk, item, &name, names);
    }
    let item = item.to_lowercase();
    let below = |parent: &str| name.len() > parent.len() && name.ends_with(parent);
    let same = name == item
        || match names {
            Names::Exact => false,
            Names::WithDot => item.starts_with('.') && below(&item),
            Names::Parents => below(&format!(".{item}")),
        };
    Ok(same.then_some(Match(None)))
}

fn in_table(desk: &Desk<'_>, table: &str, name: &str, names: Names) -> Result<Option<Match>, Trouble> {
    let mut rest = name;
    let mut form = "domain";
    loop {
        match desk.tables.ask(table, rest, true) {
            Said::Found { value, at, stale } => {
                let key = rest.to_owned();
                return Ok(Some(Match(Some(Hit {
                    table: table.to_owned(),
                    key,
                    form,
                    value,
                    extension: String::new(),
                    at,
                    stale,
                }))));
            }
            Said::NotThere => {}
            Said::Broken { why, ask } | Said::Unknown { why, ask } => return Err((why, ask)),
        }
        if names == Names::Exact || is_pattern(table) {
            return Ok(None);
        }
        let Some((dot, _)) = rest.char_indices().skip(1).find(|(_, c)| *c == '.') else { return Ok(None) };
        rest = if names == Names::Parents { &rest[dot + 1..] } else { &rest[dot..] };
        form = "parent domain";
    }
}
