//! Parameters that Postfix never reads, and `$name`s that nothing defines: the rules by which `postconf` itself warns
//! "unused parameter" and "undefined parameter".
//!
//! A name is used if Postfix has a parameter of that name, if a service of master.cf makes it (`NAME_time_limit`), if
//! it is a restriction class, if some other value refers to it as `$name`, or if it belongs to a lookup table that is
//! configured in main.cf itself (`ldap:NAME` reads `NAME_server_host`).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::clients::table_parameters;
use super::config::Config;
use super::expand::references;
use super::parameters::{self, Parameter};

/// A parameter that is set though nothing reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// its name as written
    pub name: String,
    /// its value
    pub value: String,
    /// the service in master.cf whose `-o` sets it (an index into `master.services`); none: main.cf
    pub service: Option<usize>,
    /// line of main.cf or master.cf
    pub line: u64,
    /// what was probably meant
    pub did_you_mean: Option<String>,
    /// other releases have it: it came later or is gone
    pub other_release: Option<&'static Parameter>,
}

/// A `$name` that nothing defines; Postfix puts nothing in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undefined {
    /// the name
    pub name: String,
    /// the parameter whose value refers to it
    pub used_in: String,
    /// the service in master.cf whose `-o` does (an index into `master.services`); none: main.cf
    pub service: Option<usize>,
    /// line of main.cf or master.cf
    pub line: u64,
    /// what was probably meant
    pub did_you_mean: Option<String>,
}

/// All parameters in main.cf and in `-o` that are not used, in file order, main.cf first.
pub fn unused_parameters(config: &Config) -> Vec<Unused> {
    let names = Names::collect(config);
    let mut out = Vec::new();
    for setting in &config.main.settings {
        // Of a parameter that is set twice only the line that counts is told.
        let counts = config.main.get(&setting.name).is_some_and(|s| s.line == setting.line);
        if counts && !names.known(&setting.name) && !names.used.contains(&setting.name) {
            out.push(names.unused(&setting.name, &setting.value, None, setting.line));
        }
    }
    for (index, service) in config.master.services.iter().enumerate() {
        for set in service.overrides_in_force() {
            let used = names.known(&set.name)
                || names.used.contains(&set.name)
                || names.used_locally[index].contains(&set.name);
            if !used {
                out.push(names.unused(&set.name, &set.value, Some(index), set.line));
            }
        }
    }
    out
}

/// All `$name`s without definition, in file order, main.cf first; each name once per parameter.
pub fn undefined_names(config: &Config) -> Vec<Undefined> {
    let names = Names::collect(config);
    let mut out = Vec::new();
    let mut check = |parameter: &str, referred: Vec<String>, service: Option<usize>, line: u64| {
        if parameters::is_raw(parameter) {
            return;
        }
        let mut seen = HashSet::new();
        for name in referred {
            let local = service.is_some_and(|i| config.master.services[i].override_of(&name).is_some());
            let digits = name.bytes().all(|b| b.is_ascii_digit());
            if digits || local || config.is_set(&name) || names.known(&name) || !seen.insert(name.clone()) {
                continue;
            }
            // A name that main.cf uses may be set for single services.
            if service.is_none() && config.master.services.iter().any(|s| s.override_of(&name).is_some()) {
                continue;
            }
            out.push(Undefined { did_you_mean: names.near(&name), name, used_in: parameter.to_owned(), service, line });
        }
    };
    for setting in &config.main.settings {
        if config.main.get(&setting.name).is_some_and(|s| s.line != setting.line) {
            continue;
        }
        check(&setting.name, references(&setting.value), None, setting.line);
        if setting.name == "smtpd_restriction_classes" {
            // Each class is a parameter of its own.
            let classes = classes(&config.expand(&setting.value, None).text);
            check(&setting.name, classes, None, setting.line);
        }
    }
    for (index, service) in config.master.services.iter().enumerate() {
        for set in service.overrides_in_force() {
            check(&set.name, references(&set.value), Some(index), set.line);
            if set.name == "smtpd_restriction_classes" {
                let classes = classes(&config.expand(&set.value, Some(service)).text);
                check(&set.name, classes, Some(index), set.line);
            }
        }
    }
    out
}

/// The names in `smtpd_restriction_classes`.
fn classes(text: &str) -> Vec<String> {
    text.split([',', ' ', '\t', '\r', '\n']).filter(|c| !c.is_empty()).map(str::to_owned).collect()
}

/// What names mean something in this configuration.
struct Names<'a> {
    config: &'a Config,
    /// parameters of services, by their program
    of_services: BTreeSet<String>,
    /// names of main.cf that something refers to
    used: BTreeSet<String>,
    /// names in the `-o` of each service that something refers to
    used_locally: Vec<BTreeSet<String>>,
}

impl<'a> Names<'a> {
    fn collect(config: &'a Config) -> Names<'a> {
        let mut names = Names {
            config,
            of_services: service_parameters(config),
            used: BTreeSet::new(),
            used_locally: vec![BTreeSet::new(); config.master.services.len()],
        };
        let classes: BTreeSet<String> = classes(&config.text("smtpd_restriction_classes")).into_iter().collect();
        for (index, service) in config.master.services.iter().enumerate() {
            for set in service.overrides_in_force() {
                if classes.contains(&set.name) {
                    names.used_locally[index].insert(set.name.clone());
                }
                if set.name == "smtpd_restriction_classes" {
                    for class in self::classes(&config.expand(&set.value, Some(service)).text) {
                        names.refer(&class, Some(index));
                    }
                }
                names.scan(&set.name, &set.value, Some(index));
            }
        }
        // Defaults refer to the old names of renamed parameters.
        for parameter in parameters::all() {
            if !config.is_set(parameter.name)
                && let Some(default) = parameters::default(parameter.name, config.version)
                && !parameters::is_raw(parameter.name)
            {
                for name in references(default) {
                    names.refer(&name, None);
                }
            }
        }
        for class in &classes {
            names.refer(class, None);
        }
        let settings: BTreeMap<&str, &str> =
            config.main.settings.iter().map(|s| (s.name.as_str(), s.value.as_str())).collect();
        for (name, value) in settings {
            names.scan(name, value, None);
        }
        names
    }

    fn known(&self, name: &str) -> bool {
        let version = self.config.version;
        parameters::get(name).is_some_and(|p| p.exists_in(version))
            || self.of_services.contains(name)
            // Without master.cf nobody knows which services there are.
            || (self.config.master.services.is_empty() && parameters::service_suffix(name).is_some())
    }

    /// Notes what a value refers to.
    fn scan(&mut self, parameter: &str, value: &str, service: Option<usize>) {
        if parameters::is_raw(parameter) {
            return;
        }
        for name in references(value) {
            self.refer(&name, service);
        }
        if value.contains(':') && self.known(parameter) {
            let scope = service.map(|i| &self.config.master.services[i]);
            let text = self.config.expand(value, scope).text;
            for name in table_parameters(&text) {
                self.refer(&name, service);
            }
        }
    }

    fn refer(&mut self, name: &str, service: Option<usize>) {
        let services = &self.config.master.services;
        match service {
            Some(index) if services[index].override_of(name).is_some() => {
                self.used_locally[index].insert(name.to_owned());
                return;
            }
            Some(_) => {}
            None => {
                for (index, service) in services.iter().enumerate() {
                    if service.override_of(name).is_some() {
                        self.used_locally[index].insert(name.to_owned());
                    }
                }
            }
        }
        if self.config.is_set(name) {
            self.used.insert(name.to_owned());
        }
    }

    fn unused(&self, name: &str, value: &str, service: Option<usize>, line: u64) -> Unused {
        let other_release = parameters::get(name);
        Unused {
            name: name.to_owned(),
            value: value.to_owned(),
            service,
            line,
            did_you_mean: if other_release.is_none() { self.near(name) } else { None },
            other_release,
        }
    }

    fn near(&self, name: &str) -> Option<String> {
        let version = self.config.version;
        let built_in = parameters::all().iter().filter(|p| p.exists_in(version)).map(|p| p.name);
        let own = self.config.main.settings.iter().map(|s| s.name.as_str()).filter(|n| self.used.contains(*n));
        let of_services = self.of_services.iter().map(String::as_str);
        parameters::nearest_of(name, built_in.chain(of_services).chain(own)).map(str::to_owned)
    }
}

/// The parameters that the services in master.cf bring with them.
fn service_parameters(config: &Config) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for service in &config.master.services {
        let command = service.command.as_str();
        if matches!(command, "local" | "error" | "virtual" | "smtp" | "lmtp" | "pipe") {
            out.extend(parameters::TRANSPORT_SUFFIXES.iter().map(|(suffix, _)| format!("{}{suffix}", service.name)));
        }
        if matches!(command, "pipe" | "spawn") {
            out.insert(format!("{}{}", service.name, parameters::TIME_LIMIT_SUFFIX.0));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::main_cf::MainCf;
    use super::super::master_cf::MasterCf;
    use super::super::version::Version;
    use super::*;

    fn config(main: &str, master: &str) -> Config {
        Config {
            main: MainCf::parse("main.cf", main.as_bytes()),
            master: MasterCf::parse("master.cf", master.as_bytes()),
            version: Version::parse("3.7.11"),
            ..Config::default()
        }
    }

    #[test]
    fn misspelled_foreign_and_removed_names_are_unused() {
        let unused = unused_parameters(&config(
            "smtpd_recipent_restrictions = reject\nmydestination = a\nhello_world_1 = x\nsmtpd_hide_client_session = yes\n\
             dovecot_destination_recipient_limit = 1\npolicy_time_limit = 3600\n",
            "smtp inet n - y - - smtpd\n  -o smtpd_tls_wraper_mode=yes\n  -o smtpd_sasl_auth_enable=yes\n\
             dovecot unix - n n - - pipe\n  flags=D user=v argv=/bin/true\n",
        ));
        let found: Vec<_> =
            unused.iter().map(|u| (u.name.as_str(), u.line, u.service, u.did_you_mean.as_deref())).collect();
        assert_eq!(
            found,
            [
                ("smtpd_recipent_restrictions", 1, None, Some("smtpd_recipient_restrictions")),
                ("hello_world_1", 3, None, None),
                ("smtpd_hide_client_session", 4, None, None),
                ("policy_time_limit", 6, None, None),
                ("smtpd_tls_wraper_mode", 2, Some(0), Some("smtpd_tls_wrappermode")),
            ]
        );
        assert_eq!(unused[2].other_release.unwrap().since, Version::new(3, 10, 0));
    }

    #[test]
    fn names_that_something_refers_to_are_used() {
        let unused = unused_parameters(&config(
            "indexed = lmdb:/etc/postfix/\nvirtual_alias_maps = ${indexed}virtual\n\
             smtpd_restriction_classes = greylist, strict\ngreylist = permit\nstrict = reject\n\
             transport_maps = proxy:ldap:mytrans\nmytrans_server_host = h\nmytrans_nonsense = x\n\
             postscreen_blacklist_action = drop\nmua_helo_restrictions = permit\nonly_local = x\n",
            "submission inet n - y - - smtpd\n -o smtpd_helo_restrictions=$mua_helo_restrictions\n -o mine=1\n -o myhostname=$mine\n",
        ));
        let names: Vec<_> = unused.iter().map(|u| u.name.as_str()).collect();
        assert_eq!(names, ["mytrans_nonsense", "only_local"]);
    }

    #[test]
    fn undefined_names_are_told_where_they_are_used() {
        let undefined = undefined_names(&config(
            "mydestination = $myhostnam, localhost.$mydomain, $1\nmailbox_command = x $EXTENSION\nfoo = $bar\n",
            "smtp inet n - y - - smtpd\n  -o bar=x\n  -o smtpd_client_restrictions=$mua_client_restrictions\n",
        ));
        let found: Vec<_> = undefined.iter().map(|u| (u.name.as_str(), u.used_in.as_str(), u.line)).collect();
        assert_eq!(
            found,
            [("myhostnam", "mydestination", 1), ("mua_client_restrictions", "smtpd_client_restrictions", 3)]
        );
        assert_eq!(undefined[0].did_you_mean.as_deref(), Some("myhostname"));
    }
}
