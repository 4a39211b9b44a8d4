//! What every observer of the step `config` works with: one instance, its values with the place they come
//! from, and where the observations go.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::discover::{Instance, Server};
use crate::evidence::{Evidence, Level, NotChecked, Observation};
use crate::host::{Answer, Host, Ran, Run, Trouble};
use crate::postfix::config::{Config, Source};
use crate::postfix::master_cf::Service;
use crate::steps::Outcome;

/// Where a value stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    /// none: a built-in default
    pub(crate) line: Option<u64>,
    /// `smtp/inet`; empty: main.cf
    pub(crate) entry: String,
    /// name of the service; empty: main.cf
    pub(crate) service: String,
    /// the line as it stands there
    pub(crate) text: String,
}

impl Place {
    /// The observation with this place as its fields and as evidence.
    pub(crate) fn mark(&self, mut seen: Observation) -> Observation {
        seen = seen.with("file", self.file.as_str()).with("entry", self.entry.as_str());
        self.mark_plain(seen)
    }
    /// The same for kinds without the field `entry`.
    pub(crate) fn mark_main(&self, mut seen: Observation) -> Observation {
        seen = seen.with("file", self.file.as_str());
        self.mark_plain(seen)
    }
    fn mark_plain(&self, mut seen: Observation) -> Observation {
        if let Some(line) = self.line {
            seen = seen.with("line", i64::try_from(line).unwrap_or(0));
        }
        if !self.service.is_empty() {
            seen = seen.of_service(&self.service);
        }
        seen.evidence.push(self.evidence());
        seen
    }
    /// The line as evidence.
    pub(crate) fn evidence(&self) -> Evidence {
        Evidence { line: self.line, ..Evidence::new(self.file.clone(), &self.text) }
    }
}

/// A parameter as it is set somewhere.
#[derive(Debug, Clone)]
pub(crate) struct Use {
    pub(crate) name: String,
    /// as written
    pub(crate) raw: String,
    /// with its `$name`s replaced
    pub(crate) value: String,
    pub(crate) undefined: Vec<String>,
    pub(crate) cycle: bool,
    pub(crate) place: Place,
}

impl Use {
    /// The value as a list; `{ … }` groups stay together.
    pub(crate) fn items(&self) -> Vec<String> {
        items(&self.value)
    }
}

/// One instance under the eyes of the observers.
pub(crate) struct Look<'a> {
    pub(crate) server: &'a Server<'a>,
    pub(crate) host: &'a dyn Host,
    pub(crate) instance: &'a Instance,
    pub(crate) config: &'a Config,
    pub(crate) allowed: Level,
    out: RefCell<Outcome>,
    ran: RefCell<BTreeMap<String, Answer<Ran>>>,
}

impl<'a> Look<'a> {
    pub(crate) fn new(server: &'a Server<'a>, instance: &'a Instance, allowed: Level) -> Self {
        Look {
            server,
            host: server.host,
            instance,
            config: &instance.config,
            allowed,
            out: RefCell::default(),
            ran: RefCell::default(),
        }
    }
    /// What was collected.
    pub(crate) fn finish(self) -> Outcome {
        self.out.into_inner()
    }
    /// Takes an observation, once: the same setting may be reached by several ways.
    pub(crate) fn emit(&self, seen: Observation) {
        let seen = seen.of_instance(&self.instance.name);
        let mut out = self.out.borrow_mut();
        if !out.observations.iter().any(|o| o.kind == seen.kind && o.fields == seen.fields) {
            out.observations.push(seen);
        }
    }
    /// Notes what could not be looked at, once.
    pub(crate) fn not_checked(&self, what: impl Into<String>, why: impl Into<String>, settle: Option<String>) {
        let row = NotChecked { what: what.into(), why: why.into(), settle };
        let mut out = self.out.borrow_mut();
        if !out.not_checked.contains(&row) {
            out.not_checked.push(row);
        }
    }
    /// A fact of the host as text; empty if it is not known.
    pub(crate) fn fact(&self, name: &str) -> String {
        let short = name.strip_prefix("host.").unwrap_or(name);
        self.server
            .facts
            .get(name)
            .or_else(|| self.server.facts.get(short))
            .map(ToString::to_string)
            .unwrap_or_default()
    }
    /// Runs a command with this instance's configuration, once per run of the step.
    pub(crate) fn run(&self, run: &Run) -> Answer<Ran> {
        let mut run = run.clone();
        run.env.push(("MAIL_CONFIG".to_owned(), self.instance.config_dir.clone()));
        let key = format!("{} < {}", run.line(), String::from_utf8_lossy(&run.stdin));
        if let Some(known) = self.ran.borrow().get(&key) {
            return known.clone();
        }
        let answer = self.host.run(&run);
        self.ran.borrow_mut().insert(key, answer.clone());
        answer
    }
    /// Effective text of a parameter of main.cf or by default.
    pub(crate) fn text(&self, name: &str) -> String {
        self.config.text(name)
    }
    /// Effective items of a list parameter.
    pub(crate) fn items(&self, name: &str) -> Vec<String> {
        items(&self.config.text(name))
    }
    /// The value in force, for a service or for main.cf, with its place.
    pub(crate) fn value(&self, name: &str, service: Option<&'a Service>) -> Option<Use> {
        let value = self.config.value(name, service)?;
        let line_of = |raw: &str| format!("{name} = {raw}");
        let file = |file: &str, line| Place { file: file.to_owned(), line, ..Place::default() };
        let place = match value.source {
            Source::MainCf(line) => Place { text: line_of(&value.raw), ..file(&self.config.main.file, Some(line)) },
            Source::MasterCf(line) => Place {
                entry: service.map(entry).unwrap_or_default(),
                service: service.map(|s| s.name.clone()).unwrap_or_default(),
                text: format!("-o {name}={}", value.raw),
                ..file(&self.config.master.file, Some(line))
            },
            Source::Default => {
                Place { text: format!("{} (by default)", line_of(&value.raw)), ..file(&self.config.main.file, None) }
            }
        };
        Some(Use {
            name: name.to_owned(),
            raw: value.raw,
            value: value.expanded.text,
            undefined: value.expanded.undefined,
            cycle: value.expanded.cycle,
            place,
        })
    }
    /// The place of a parameter of main.cf (or of its default).
    pub(crate) fn place(&self, name: &str) -> Place {
        self.value(name, None).map_or_else(
            || Place { file: self.config.main.file.clone(), text: format!("{name} ="), ..Place::default() },
            |u| u.place,
        )
    }
    /// Everything that is set: main.cf (of a name set twice, the one in force) and each `-o`.
    pub(crate) fn uses(&self) -> Vec<Use> {
        let mut all = Vec::new();
        for setting in &self.config.main.settings {
            let in_force = self.config.main.get(&setting.name).is_some_and(|s| s.line == setting.line);
            if in_force {
                all.extend(self.value(&setting.name, None));
            }
        }
        for service in &self.config.master.services {
            for given in &service.overrides {
                all.extend(self.value(&given.name, Some(service)).filter(|u| u.place.line == Some(given.line)));
            }
        }
        all
    }
    /// The place of a service in master.cf.
    pub(crate) fn service_place(&self, service: &Service) -> Place {
        Place {
            file: self.config.master.file.clone(),
            line: Some(service.line),
            entry: entry(service),
            service: service.name.clone(),
            text: service_line(service),
        }
    }
    /// The SMTP server services: those that run smtpd.
    pub(crate) fn smtpd_services(&self) -> Vec<&'a Service> {
        let config: &'a Config = self.config;
        config.master.services.iter().filter(|s| s.command == "smtpd").collect()
    }
    /// The path of a program of Postfix, as master starts it.
    pub(crate) fn program_path(&self, command: &str) -> String {
        if command.starts_with('/') {
            command.to_owned()
        } else {
            format!("{}/{command}", self.text("daemon_directory").trim_end_matches('/'))
        }
    }
    /// Whether the service takes connections from beyond loopback; unknown if its address cannot be told.
    pub(crate) fn is_public(&self, service: &Service) -> bool {
        if service.kind == "pass" {
            // postscreen hands over what came in by its own inet service.
            return self
                .config
                .master
                .services
                .iter()
                .any(|s| s.command == "postscreen" && s.kind == "inet" && self.is_public(s));
        }
        if service.kind != "inet" {
            return false;
        }
        match split_address(&service.name).0 {
            Some(host) => !is_loopback(host),
            None => !self.listens_on_loopback_only(),
        }
    }
    /// inet_interfaces names loopback and nothing else.
    pub(crate) fn listens_on_loopback_only(&self) -> bool {
        let interfaces = self.items("inet_interfaces");
        !interfaces.is_empty() && interfaces.iter().all(|i| i.eq_ignore_ascii_case("loopback-only") || is_loopback(i))
    }
    /// The file of that path as lines, if it can be read and is not larger than 4 MiB.
    pub(crate) fn lines(&self, path: &str) -> Answer<Vec<String>> {
        let bytes = self.host.read(path, 4 << 20)?;
        Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
    }
    /// Whether the path is certainly not there (as opposed to not collected or not allowed).
    pub(crate) fn is_missing(&self, path: &str) -> bool {
        matches!(self.host.stat(path), Err(Trouble::Missing))
    }
}

/// `smtp/inet`
pub(crate) fn entry(service: &Service) -> String {
    format!("{}/{}", service.name, service.kind)
}

/// The entry as `postconf -M` shows it.
pub(crate) fn service_line(s: &Service) -> String {
    let mut line = format!(
        "{} {} {} {} {} {} {} {}",
        s.name, s.kind, s.private, s.unpriv, s.chroot, s.wakeup, s.maxproc, s.command
    );
    for arg in &s.args {
        line.push(' ');
        line.push_str(arg);
    }
    line
}

/// Comma or blank separated items; `{ … }` groups stay together.
pub(crate) fn items(value: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut item = String::new();
    let mut depth = 0usize;
    for c in value.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (c == ',' || c.is_whitespace()) {
            if !item.is_empty() {
                all.push(std::mem::take(&mut item));
            }
        } else {
            item.push(c);
        }
    }
    if !item.trim().is_empty() {
        all.push(item);
    }
    all
}

/// Address and port of an inet service name: `127.0.0.1:10025`, `[::1]:25`, `smtp`.
pub(crate) fn split_address(name: &str) -> (Option<&str>, &str) {
    match name.rsplit_once(':') {
        Some((host, port)) => (Some(host.trim_start_matches('[').trim_end_matches(']')), port),
        None => (None, name),
    }
}

/// The port number of a service name, where it is known without a services file.
pub(crate) fn port(name: &str) -> &str {
    match split_address(name).1 {
        "smtp" => "25",
        "submission" => "587",
        "smtps" | "submissions" | "urd" | "ssmtp" => "465",
        other => other,
    }
}

pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|a| a.is_loopback())
        || host == "ip6-localhost"
}

/// The name in `known` that is nearest to `word`, if it is near enough to be a slip of the finger.
pub(crate) fn nearest<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let allowed = match word.chars().count() {
        0..=3 => 1,
        4..=8 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(word, k), k))
        .filter(|(d, k)| *d <= allowed && *d * 3 <= k.len().max(3))
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_groups_together() {
        assert_eq!(items("a, b  {c, d} e"), ["a", "b", "{c, d}", "e"]);
        assert_eq!(items("inline:{a=b, c=d} x"), ["inline:{a=b, c=d}", "x"]);
        assert!(items(" ,, ").is_empty());
    }

    #[test]
    fn addresses_of_services() {
        assert_eq!(split_address("[::1]:10025"), (Some("::1"), "10025"));
        assert_eq!(port("smtps"), "465");
        assert!(is_loopback("[::1]"));
        assert!(!is_loopback("192.0.2.1"));
    }

    #[test]
    fn near_names_are_slips_only() {
        assert_eq!(nearest("permit_mynetwork", ["permit_mynetworks", "permit"]), Some("permit_mynetworks"));
        assert_eq!(nearest("foo", ["permit"]), None);
    }
}
