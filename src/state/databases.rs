//! The databases behind lookup tables: which tables there are, what their files say, and whether they answer.
//!
//! A table server that hangs leaves no line in the log, and one that refused a moment ago is not asked again for a
//! minute: the log is then about other things. So each table is asked here, as Postfix does it, with a harmless key.

use std::time::Duration;

use crate::discover::Instance;
use crate::evidence::printable;
use crate::host::{Host, Run, Trouble};
use crate::postfix::config::Source;
use crate::postfix::database_words::{Meaning, meaning};
use crate::postfix::expand::balanced_items;

/// Types that ask a database.
pub const TYPES: &[&str] = &["mysql", "pgsql", "ldap", "sqlite"];
/// How long one lookup may take. A healthy server answers within milliseconds.
const LIMIT: Duration = Duration::from_secs(6);

/// A table of such a type, as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// `mysql`
    pub kind: String,
    /// its file, or the name in front of its parameters in main.cf
    pub name: String,
    /// asked through proxymap(8)
    pub proxied: bool,
    /// the parameter that names it
    pub parameter: String,
    /// where that is set
    pub source: Source,
}

impl Table {
    /// `mysql:/etc/postfix/x.cf`
    pub fn spelled(&self) -> String {
        format!("{}:{}", self.kind, self.name)
    }
}

/// All of them, each once.
pub fn tables(instance: &Instance) -> Vec<Table> {
    let config = &instance.config;
    let mut all: Vec<Table> = Vec::new();
    let mut add = |parameter: &str, service| {
        // Lists of tables that proxymap may read: what they name is not used by being named there.
        if parameter.starts_with("proxy_") {
            return;
        }
        let Some(value) = config.value(parameter, service) else { return };
        for item in balanced_items(&value.expanded.text) {
            for word in item.split([' ', '\t', ',', '{', '}']) {
                let bare = word.trim_start_matches('!').trim_start_matches("proxy:");
                let Some((kind, name)) = bare.split_once(':').filter(|(k, n)| TYPES.contains(k) && !n.is_empty())
                else {
                    continue;
                };
                if all.iter().any(|t| t.kind == kind && t.name == name) {
                    continue;
                }
                all.push(Table {
                    kind: kind.to_owned(),
                    name: name.to_owned(),
                    proxied: word.contains("proxy:"),
                    parameter: parameter.to_owned(),
                    source: value.source.clone(),
                });
            }
        }
    };
    for setting in &config.main.settings {
        add(&setting.name, None);
    }
    for service in &config.master.services {
        for given in &service.overrides {
            add(&given.name, Some(service));
        }
    }
    all
}

/// What the file of a table says, without its secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(Vec<(u64, String, String)>);

impl Settings {
    /// Reads it, with the rules of main.cf for comments and lines that go on.
    pub fn read(host: &dyn Host, path: &str) -> Option<Self> {
        let bytes = host.read(path, 64 << 10).ok()?;
        Some(Self::parse(&String::from_utf8_lossy(&bytes)))
    }
    fn parse(text: &str) -> Self {
        let mut all: Vec<(u64, String, String)> = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            if line.starts_with([' ', '\t']) {
                if let Some((.., value)) = all.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            } else if let Some((key, value)) = line.split_once('=') {
                all.push((number, key.trim().to_owned(), value.trim().to_owned()));
            }
        }
        Settings(all)
    }
    /// The value in force (the last one) of the first of these names that is set, and its line.
    pub fn get(&self, names: &[&str]) -> Option<(u64, &str)> {
        names.iter().find_map(|name| {
            self.0.iter().rev().find(|(_, key, _)| key == name).map(|(line, _, value)| (*line, value.as_str()))
        })
    }
    /// Just the value; empty if it is not set.
    pub fn text(&self, names: &[&str]) -> &str {
        self.get(names).map_or("", |(_, value)| value)
    }
    /// The hosts that it names; the client library's default where there is none.
    pub fn servers(&self, kind: &str) -> Vec<String> {
        let words = self.text(&["hosts", "server_host"]);
        let mut all: Vec<String> =
            words.split([' ', '\t', ',']).filter(|w| !w.is_empty()).map(|w| in_full(kind, w)).collect();
        if all.is_empty() && kind != "sqlite" {
            all.push(in_full(kind, "localhost"));
        }
        all
    }
}

/// The address as the probes write it. `localhost` is a socket file for MySQL and PostgreSQL.
fn in_full(kind: &str, word: &str) -> String {
    let port = |default: &str, word: &str| {
        let word = word.trim_start_matches("inet:");
        if word.rsplit_once(':').is_some_and(|(_, p)| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit())) {
            format!("inet:{word}")
        } else {
            format!("inet:{word}:{default}")
        }
    };
    match (kind, word) {
        (_, unix) if unix.starts_with("unix:") => unix.to_owned(),
        ("mysql", "localhost") => "unix:/run/mysqld/mysqld.sock".to_owned(),
        ("mysql", host) => port("3306", host),
        // postgresql://user@host:port/dbname
        ("pgsql", uri) if uri.contains("://") => {
            let rest = uri.split_once("://").map_or("", |(_, r)| r);
            let host = rest.split(['/', '?']).next().unwrap_or_default();
            port("5432", host.rsplit_once('@').map_or(host, |(_, h)| h))
        }
        ("pgsql", host) => port("5432", host),
        ("ldap", uri) if uri.starts_with("ldapi:") => {
            let path = uri.trim_start_matches("ldapi:").trim_matches('/').replace("%2f", "/").replace("%2F", "/");
            format!("unix:{}", if path.is_empty() { "/run/slapd/ldapi" } else { &path })
        }
        ("ldap", uri) => {
            let default = if uri.starts_with("ldaps:") { "636" } else { "389" };
            let host = uri.split_once("://").map_or(uri, |(_, h)| h).trim_end_matches('/');
            port(default, host)
        }
        (_, other) => other.to_owned(),
    }
}

/// How a lookup ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// found or not found: the database works
    Works,
    /// the complaint, and what it means if we know
    Failed(String, Option<Meaning>),
    /// it could not be tried
    Unknown(Trouble),
}

/// The command that asks it.
pub fn question(instance: &Instance, table: &Table, settings: Option<&Settings>) -> Run {
    // A table that is limited to some domains asks its server only about these; one with %u and %d only about addresses.
    let domains = settings.map_or("", |s| s.text(&["domain"]));
    let domain = domains.split([' ', ',', '\t']).find(|w| !w.is_empty() && !w.contains(':')).map(str::to_owned);
    let domain = domain.unwrap_or_else(|| instance.config.text("myhostname"));
    let domain = if domain.is_empty() { "localhost" } else { &domain };
    let key = format!("postdoctor-test@{domain}");
    Run::new("postmap", &["-c", &instance.config_dir, "-q", &key, &table.spelled()]).limit(LIMIT)
}

/// Asks it.
pub fn ask(host: &dyn Host, run: &Run) -> Answer {
    match host.run(run) {
        Ok(ran) => {
            let text = ran.err();
            let mut complaints =
                text.lines().filter(|l| ["fatal:", "error:", "warning:"].iter().any(|w| l.contains(w)));
            let Some(first) = complaints.next() else { return Answer::Works };
            // The first complaint is the reason, those after it that the lookup failed. Where the first is not
            // understood, a later one may be.
            let mut known = std::iter::once(first).chain(complaints);
            let told = known.find_map(|l| meaning(l).map(|m| (l, m)));
            if ran.ok() || (told.is_none() && ran.status == 1 && !text.contains("fatal:") && !text.contains("error")) {
                return Answer::Works;
            }
            let line = told.as_ref().map_or(first, |(l, _)| *l);
            let words = line.split_once(": ").map_or(line, |(_, rest)| rest);
            Answer::Failed(printable(words), told.map(|(_, m)| m))
        }
        Err(Trouble::TimedOut) => {
            let said = format!("no answer in {} s", LIMIT.as_secs());
            Answer::Failed(said, Some(Meaning { why: "silent", object: String::new() }))
        }
        Err(why) => Answer::Unknown(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_postfix_reads_them() {
        let s = Settings::parse("# x\nhosts = 127.0.0.1\n  db2:3307\nuser=mail\nuser = reader\nquery = SELECT 1\n");
        assert_eq!(s.servers("mysql"), ["inet:127.0.0.1:3306", "inet:db2:3307"]);
        assert_eq!(s.get(&["user"]), Some((5, "reader")));
        assert_eq!(Settings::default().servers("mysql"), ["unix:/run/mysqld/mysqld.sock"]);
    }

    #[test]
    fn servers_in_their_many_spellings() {
        assert_eq!(in_full("pgsql", "postgresql://u@db.test/mail"), "inet:db.test:5432");
        assert_eq!(in_full("ldap", "ldaps://a.test"), "inet:a.test:636");
        assert_eq!(in_full("ldap", "ldapi:///"), "unix:/run/slapd/ldapi");
        assert_eq!(in_full("mysql", "unix:/x/mysqld.sock"), "unix:/x/mysqld.sock");
        assert_eq!(in_full("mysql", "inet:10.0.0.1:3307"), "inet:10.0.0.1:3307");
    }
}
