//! Asks lookup tables. `postmap -q` answers as Postfix does; where it cannot be asked (a snapshot, level 0), the source
//! of the table does, as far as it gives the same answer. The source also tells the line of an entry, and whether
//! the table was rebuilt since it was changed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::evidence::{Evidence, Level, PROBE_HOST, printable};
use crate::host::{Host, Run, Trouble, quote};
use crate::postfix::expand::balanced_items;
use crate::postfix::pattern_table;
use crate::steps::config::table_source::{entries, logical};
use crate::steps::config::tables::index_suffix;

/// What a table says about a key.
#[derive(Debug, Clone)]
pub(super) enum Said {
    Found {
        value: String,
        at: Option<Evidence>,
        stale: Option<String>,
    },
    NotThere,
    /// Postfix could not use the table either: mail would wait
    Broken {
        why: String,
        ask: String,
    },
    /// it could not be asked here
    Unknown {
        why: String,
        ask: String,
    },
}

/// How the source of a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    /// `key value`
    Pairs,
    /// `name: value`
    Aliases,
}

/// All tables, each question asked once.
pub(super) struct Tables<'a> {
    host: &'a dyn Host,
    config_dir: String,
    allowed: Level,
    /// tables of alias_maps and alias_database
    aliases: Vec<String>,
    asked: RefCell<HashMap<(String, String), Said>>,
    sources: RefCell<HashMap<String, Option<Vec<String>>>>,
}

/// The table without the detour by proxymap(8).
pub(super) fn direct(table: &str) -> &str {
    let mut table = table;
    while let Some(inner) = table.strip_prefix("proxy:") {
        table = inner;
    }
    table
}

/// Patterns are tried on whole addresses only, never on `@domain` or a user part.
pub(super) fn is_pattern(table: &str) -> bool {
    matches!(direct(table).split(':').next(), Some("regexp" | "pcre" | "cidr" | "tcp"))
}

impl<'a> Tables<'a> {
    pub(super) fn new(host: &'a dyn Host, config_dir: &str, allowed: Level, aliases: &[String]) -> Self {
        Tables {
            aliases: aliases.iter().map(|table| direct(table).to_owned()).collect(),
            host,
            config_dir: config_dir.to_owned(),
            allowed,
            asked: RefCell::default(),
            sources: RefCell::default(),
        }
    }

    /// Asks one table for one key.
    ///
    /// Without `substitution` the rules of regexp and pcre tables that have a `$1` are skipped, as Postfix does where what
    /// strangers send must not become part of a destination. `postmap` does not know for whom it asks.
    pub(super) fn ask(&self, table: &str, key: &str, substitution: bool) -> Said {
        let table = direct(table);
        // Only patterns see capital letters.
        let lower = key.to_lowercase();
        let key = if is_pattern(table) { key } else { &lower };
        if !substitution && let Some((path, lines)) = self.substituting(table) {
            let lines: Vec<(u64, String)> =
                lines.into_iter().filter(|(_, line)| !pattern_table::substitutes(line)).collect();
            return match pattern_table::look_up(&lines, key) {
                pattern_table::Answer::Found(value, row) => {
                    Said::Found { value, at: line_of(path, &lines, row), stale: None }
                }
                pattern_table::Answer::NotThere => Said::NotThere,
                pattern_table::Answer::Unknown(row) => Said::Unknown {
                    why: format!("the pattern in line {row} of {path}"),
                    ask: Self::command(table, key),
                },
            };
        }
        let syntax = if self.aliases.iter().any(|one| one == table) { Syntax::Aliases } else { Syntax::Pairs };
        let question = (table.to_owned(), key.to_owned());
        if let Some(known) = self.asked.borrow().get(&question) {
            return known.clone();
        }
        let said = self.answer(table, key, syntax);
        self.asked.borrow_mut().insert(question, said.clone());
        said
    }

    /// A pattern table, with its lines, that has a `$1` somewhere.
    fn substituting<'t>(&self, table: &'t str) -> Option<(&'t str, Vec<(u64, String)>)> {
        let (_, path) = table.split_once(':').filter(|(kind, _)| matches!(*kind, "regexp" | "pcre"))?;
        let lines = logical(&self.source(path)?);
        lines.iter().any(|(_, line)| pattern_table::substitutes(line)).then_some((path, lines))
    }

    /// The line of a rule that matches, but is skipped for its `$1`.
    pub(super) fn skipped(&self, table: &str, key: &str) -> Option<Evidence> {
        let (path, lines) = self.substituting(direct(table))?;
        match pattern_table::look_up(&lines, key) {
            pattern_table::Answer::Found(_, row) => {
                let line = lines.iter().find(|(number, text)| *number == row && pattern_table::substitutes(text))?;
                Some(Evidence::at(path, row, &line.1))
            }
            _ => None,
        }
    }

    /// What a person would type.
    pub(super) fn command(table: &str, key: &str) -> String {
        format!("postmap -q {} {}", quote(key), quote(direct(table)))
    }

    fn answer(&self, table: &str, key: &str, syntax: Syntax) -> Said {
        let ask = Self::command(table, key);
        let Some((kind, name)) = table.split_once(':') else {
            return Said::Broken { why: format!("`{table}` is no table: it has no type"), ask };
        };
        match kind {
            "static" => return found(name.trim_start_matches('{').trim_end_matches('}').trim()),
            "inline" => return inline(name, key),
            "fail" => return Said::Broken { why: format!("{table} always fails, that is its purpose"), ask },
            "unix" if name == "passwd.byname" => return self.user(key),
            _ => {}
        }
        if key.is_empty() {
            return Said::NotThere;
        }
        match self.postmap(table, key) {
            Some(Ok(Some(value))) => {
                let (at, stale) = self.place(kind, name, key, &value, syntax);
                Said::Found { value, at, stale }
            }
            Some(Ok(None)) => Said::NotThere,
            Some(Err(why)) => Said::Broken { why, ask },
            None => self
                .by_source(kind, name, key, syntax)
                .unwrap_or(Said::Unknown { why: format!("{table} cannot be asked here"), ask }),
        }
    }

    /// `unix:passwd.byname` in local_recipient_maps: the users of the host.
    fn user(&self, key: &str) -> Said {
        match self.host.user(key) {
            Ok(user) => found(&format!("{}:x:{}:{}", user.name, user.uid, user.gid)),
            Err(Trouble::Missing) => Said::NotThere,
            Err(why) => Said::Unknown {
                why: format!("the users of the host: {why}"),
                ask: format!("getent passwd {}", quote(key)),
            },
        }
    }

    /// None: nobody could be asked. An error is one that Postfix would have as well.
    fn postmap(&self, table: &str, key: &str) -> Option<Result<Option<String>, String>> {
        if self.allowed < PROBE_HOST || key.starts_with('-') {
            return None;
        }
        let run = Run::new("postmap", &["-c", &self.config_dir, "-q", key, table]).limit(Duration::from_secs(6));
        let ran = match self.host.run(&run) {
            Ok(ran) => ran,
            Err(Trouble::TimedOut) => return Some(Err("no answer in 6 s".to_owned())),
            Err(_) => return None,
        };
        let err = ran.err();
        let complaint = err.lines().find(|l| l.contains("fatal:") || l.contains("error:") || l.contains("warning:"));
        if ran.ok() {
            return Some(Ok(Some(printable(ran.out().trim_end_matches(['\n', '\r'])))));
        }
        match complaint {
            None if err.trim().is_empty() => Some(Ok(None)),
            // Not the table: postmap itself does not run here (no main.cf where we said, no rights).
            Some(words) if words.contains("main.cf") || words.contains("Permission denied") => None,
            Some(words) => {
                let after = ["fatal: ", "error: ", "warning: "].iter().find_map(|m| words.split_once(m)).map(|p| p.1);
                Some(Err(printable(after.unwrap_or(words))))
            }
            None => None,
        }
    }

    /// The lines of the source file; none if it cannot be read.
    fn source(&self, path: &str) -> Option<Vec<String>> {
        if let Some(known) = self.sources.borrow().get(path) {
            return known.clone();
        }
        let read = self.host.read(path, 8 << 20).ok();
        let lines = read.map(|bytes| String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect::<Vec<_>>());
        self.sources.borrow_mut().insert(path.to_owned(), lines.clone());
        lines
    }

    /// The answer of the source, where it is that of the table; none: this type keeps its data elsewhere.
    fn by_source(&self, kind: &str, path: &str, key: &str, syntax: Syntax) -> Option<Said> {
        let indexed = index_suffix(kind).is_some() || kind == "texthash";
        if !indexed && !matches!(kind, "regexp" | "pcre" | "cidr") {
            return None;
        }
        // A network table has no answer for what is no address.
        if kind == "cidr" {
            return key.parse::<IpAddr>().is_err().then_some(Said::NotThere);
        }
        let lines = self.source(path)?;
        if indexed {
            let wanted = key.to_lowercase();
            let entries = entries(&lines, syntax == Syntax::Aliases);
            let entry = entries.into_iter().find(|e| e.key.to_lowercase() == wanted);
            return Some(entry.map_or(Said::NotThere, |e| Said::Found {
                at: Some(Evidence::at(path, e.row, format!("{} {}", with_colon(&e.key, syntax), e.value))),
                value: e.value,
                stale: None,
            }));
        }
        let lines = logical(&lines);
        match pattern_table::look_up(&lines, key) {
            pattern_table::Answer::Found(value, row) => {
                Some(Said::Found { value, at: line_of(path, &lines, row), stale: None })
            }
            pattern_table::Answer::NotThere => Some(Said::NotThere),
            pattern_table::Answer::Unknown(_) => None,
        }
    }

    /// Where the source has what the table said.
    fn place(
        &self,
        kind: &str,
        path: &str,
        key: &str,
        value: &str,
        syntax: Syntax,
    ) -> (Option<Evidence>, Option<String>) {
        if !path.starts_with('/') {
            return (None, None);
        }
        if matches!(kind, "regexp" | "pcre") {
            let Some(lines) = self.source(path) else { return (None, None) };
            let lines = logical(&lines);
            return match pattern_table::look_up(&lines, key) {
                pattern_table::Answer::Found(same, row) if same == value => (line_of(path, &lines, row), None),
                _ => (None, None),
            };
        }
        let indexed = index_suffix(kind).is_some();
        let rebuild =
            if syntax == Syntax::Aliases { "newaliases".to_owned() } else { format!("postmap {kind}:{path}") };
        let stale = |text: String| indexed.then(|| format!("{text}; `{rebuild}` was not run since"));
        match self.by_source(kind, path, key, syntax) {
            Some(Said::Found { value: same, at, .. }) => {
                let differs = bare(&same) != bare(value);
                (at, differs.then(|| stale(format!("the source says {}", printable(&same)))).flatten())
            }
            Some(Said::NotThere) => (None, stale("the source has no such entry".to_owned())),
            _ => (None, None),
        }
    }
}

/// postalias writes values in its own way; blanks, quotes and backslashes make no difference.
fn bare(value: &str) -> String {
    value.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\\')).collect()
}

fn with_colon(key: &str, syntax: Syntax) -> String {
    if syntax == Syntax::Aliases { format!("{key}:") } else { key.to_owned() }
}

fn found(value: &str) -> Said {
    Said::Found { value: value.to_owned(), at: None, stale: None }
}

fn line_of(path: &str, lines: &[(u64, String)], row: u64) -> Option<Evidence> {
    lines.iter().find(|(number, _)| *number == row).map(|(number, text)| Evidence::at(path, *number, text))
}

/// `inline:{ key=value, { key = value with blanks } }`
fn inline(name: &str, key: &str) -> Said {
    let inner = name.trim().strip_prefix('{').and_then(|n| n.strip_suffix('}')).unwrap_or(name);
    balanced_items(inner)
        .iter()
        .map(|pair| pair.strip_prefix('{').and_then(|p| p.strip_suffix('}')).unwrap_or(pair))
        .filter_map(|pair| pair.split_once('='))
        .find(|(one, _)| one.trim().eq_ignore_ascii_case(key))
        .map_or(Said::NotThere, |(_, value)| found(value.trim()))
}
