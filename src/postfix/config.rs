//! The configuration of one instance: main.cf and master.cf together with the defaults of its version, and
//! the questions that are asked of it.

use super::expand::{Expanded, Lookup, balanced_items, expand_with, level};
use super::main_cf::MainCf;
use super::master_cf::{MasterCf, Service};
use super::parameters;
use super::version::Version;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// a line of main.cf
    MainCf(u64),
    /// a line of master.cf (`-o`)
    MasterCf(u64),
    /// built-in default of this version
    Default,
}

/// A value in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// unexpanded
    pub raw: String,
    /// expanded
    pub expanded: Expanded,
    /// where it stands
    pub source: Source,
}

/// Both files of an instance.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// main.cf
    pub main: MainCf,
    /// master.cf
    pub master: MasterCf,
    /// `mail_version`, if known
    pub version: Option<Version>,
    /// values that only the host knows and that are not in the files: `myhostname`, `config_directory`,
    /// `queue_directory` as built in by the distribution (from `postconf -d`)
    pub built_in: std::collections::BTreeMap<String, String>,
}

impl Config {
    /// The value in force of a parameter, for a service if given (its `-o` overrides come first), else by
    /// main.cf, else by default (`built_in` before the table). None: no such parameter, or its default is of the
    /// machine and `built_in` does not tell it.
    pub fn value(&self, name: &str, service: Option<&Service>) -> Option<InForce> {
        let (raw, source) = self.raw(name, service)?;
        let expanded = if parameters::is_raw(name) {
            Expanded { text: raw.clone(), ..Expanded::default() }
        } else {
            self.expand(&raw, service)
        };
        Some(InForce { raw, expanded, source })
    }

    /// Just the expanded text of [`Config::value`]; empty if there is none.
    pub fn text(&self, name: &str) -> String {
        self.value(name, None).map(|v| v.expanded.text).unwrap_or_default()
    }

    /// Expands any text as the given service would.
    pub fn expand(&self, text: &str, service: Option<&Service>) -> Expanded {
        expand_with(text, &|name| self.lookup(name, service))
    }

    /// The comma or blank separated items of a list parameter; `{ … }` groups stay together.
    pub fn items(&self, name: &str) -> Vec<String> {
        balanced_items(&self.text(name))
    }

    /// A time value in seconds, with the default unit of the parameter.
    pub fn seconds(&self, name: &str) -> Option<u64> {
        let text = self.value(name, None)?.expanded.text;
        let default = parameters::default(name, self.version).unwrap_or_default();
        let default = self.expand(default, None).text;
        seconds(&text, default.chars().last().filter(char::is_ascii_alphabetic).unwrap_or('s'))
    }

    /// Whether the parameter is set in main.cf.
    pub fn is_set(&self, name: &str) -> bool {
        self.main.get(name).is_some()
    }

    /// Whether this service runs chrooted, by its column, the version and `compatibility_level`.
    pub fn chrooted(&self, service: &Service) -> bool {
        match service.chroot.as_str() {
            "y" => true,
            "-" => self.version.is_some_and(|v| !v.at_least(3, 0)) || self.compatibility_level() < (1, 0),
            _ => false,
        }
    }

    /// The effective compatibility level as (major, minor).
    pub fn compatibility_level(&self) -> (u32, u32) {
        level(&self.text("compatibility_level")).map_or((0, 0), |(major, minor, _)| (major, minor))
    }

    /// The service in master.cf that logged with this tag (`postfix/submission/smtpd`, `postfix-out/smtp`,
    /// `postfix/smtpd`): by `syslog_name` and command; an index into `master.services`.
    pub fn service_of_tag(&self, tag: &str) -> Option<usize> {
        let (prefix, program) = tag.rsplit_once('/')?;
        self.master
            .services
            .iter()
            .position(|s| s.program() == program && self.syslog_name(s).is_some_and(|name| name == prefix))
    }

    /// What a service puts in front of its program name in the log; none if it cannot be told.
    pub fn syslog_name(&self, service: &Service) -> Option<String> {
        let expanded = self.value("syslog_name", Some(service))?.expanded;
        (expanded.unknown.is_empty() && !expanded.cycle).then_some(expanded.text)
    }

    /// What `mydomain` is by default: the host name without its first label.
    fn domain_of(&self, hostname: &str) -> Option<String> {
        let expanded = expand_with(hostname, &|name| match name {
            // `myhostname = mail.$mydomain` would ask for ever.
            "mydomain" => Lookup::Unknown,
            _ => self.lookup(name, None),
        });
        let known = expanded.unknown.is_empty() && expanded.problems.is_empty();
        let domain = expanded.text.split_once('.').map_or("localdomain", |(_, domain)| domain);
        known.then(|| domain.to_owned())
    }

    fn lookup(&self, name: &str, service: Option<&Service>) -> Lookup {
        match self.raw(name, service) {
            Some((value, _)) if parameters::is_raw(name) => Lookup::Raw(value),
            Some((value, _)) => Lookup::Value(value),
            None if parameters::known(name, self.version) => Lookup::Unknown,
            None => Lookup::Undefined,
        }
    }

    /// The unexpanded value and where it stands.
    fn raw(&self, name: &str, service: Option<&Service>) -> Option<(String, Source)> {
        if let Some(service) = service {
            match name {
                "service_name" => return Some((service.name.clone(), Source::Default)),
                "process_name" => return Some((service.program().to_owned(), Source::Default)),
                _ => {}
            }
            if let Some(set) = service.override_of(name) {
                return Some((set.value.clone(), Source::MasterCf(set.line)));
            }
        }
        if let Some(setting) = self.main.get(name) {
            return Some((setting.value.clone(), Source::MainCf(setting.line)));
        }
        match name {
            // Each process has its own; what `postconf -d` told is that of postconf.
            "process_id" | "process_name" | "service_name" => return None,
            // Derived from main.cf; what `postconf -d` told would be of another name.
            "mydomain" => {
                let of_host = self.built_in.get("myhostname").filter(|_| !self.built_in.contains_key(name));
                let hostname = self.main.get("myhostname").map(|s| &s.value).or(of_host);
                if let Some(hostname) = hostname {
                    return self.domain_of(hostname).map(|domain| (domain, Source::Default));
                }
            }
            "mail_version" if !self.built_in.contains_key(name) => {
                return self.version.map(|v| (v.to_string(), Source::Default));
            }
            _ => {}
        }
        if let Some(value) = self.built_in.get(name) {
            return Some((value.clone(), Source::Default));
        }
        parameters::default(name, self.version).map(|value| (value.to_owned(), Source::Default))
    }
}

/// A time such as `1h` or `300`, in seconds; `unit` is meant where none is written.
pub fn seconds(text: &str, unit: char) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    let factor = match text[end..].to_ascii_lowercase().as_str() {
        "" => return seconds(&format!("{number}{unit}"), 's').filter(|_| unit.is_ascii_alphabetic()),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        "w" => 604_800,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(main: &str, master: &str) -> Config {
        Config {
            main: MainCf::parse("main.cf", main.as_bytes()),
            master: MasterCf::parse("master.cf", master.as_bytes()),
            version: Version::parse("3.7.11"),
            built_in: [("myhostname".to_owned(), "mail.example.com".to_owned())].into(),
        }
    }

    #[test]
    fn values_come_from_the_service_then_main_cf_then_default() {
        let config = config(
            "mydomain = example.com\nmyorigin = $mydomain\nsmtp_helo_timeout = 2m\n",
            "smtp inet n - y - - smtpd\n  -o myorigin=other.$mydomain\n",
        );
        let service = &config.master.services[0];
        let value = config.value("myorigin", Some(service)).unwrap();
        assert_eq!((value.expanded.text.as_str(), value.source), ("other.example.com", Source::MasterCf(2)));
        let value = config.value("myorigin", None).unwrap();
        assert_eq!((value.raw.as_str(), value.source), ("$mydomain", Source::MainCf(2)));
        assert_eq!(config.value("inet_interfaces", None).unwrap().source, Source::Default);
        assert_eq!(config.items("mydestination"), ["mail.example.com", "localhost.example.com", "localhost"]);
        assert_eq!(config.seconds("smtp_helo_timeout"), Some(120));
        assert_eq!(config.seconds("maximal_queue_lifetime"), Some(5 * 86400));
        assert_eq!(config.value("no_such_parameter", None), None);
        assert_eq!(config.value("daemon_directory", None), None);
        assert_eq!(config.text("command_directory"), "/usr/sbin");
    }

    #[test]
    fn mydomain_follows_the_host_name() {
        assert_eq!(config("", "").text("mydomain"), "example.com");
        assert_eq!(config("myhostname = mx.example.org\n", "").text("mydomain"), "example.org");
        assert_eq!(config("myhostname = mx\n", "").text("mydomain"), "localdomain");
        let looping = config("myhostname = mx.$mydomain\n", "").value("myhostname", None).unwrap();
        assert_eq!((looping.expanded.text.as_str(), looping.expanded.unknown.len()), ("mx.$mydomain", 1));
    }

    #[test]
    fn units_of_time_are_those_of_the_default() {
        let config = config("maximal_queue_lifetime = 2\nqueue_run_delay = 30\nminimal_backoff_time = x\n", "");
        assert_eq!(config.seconds("maximal_queue_lifetime"), Some(2 * 86400));
        assert_eq!(config.seconds("queue_run_delay"), Some(30));
        assert_eq!(config.seconds("minimal_backoff_time"), None);
    }

    #[test]
    fn the_chroot_default_depends_on_the_compatibility_level() {
        let master = "a unix - - - - - smtp\nb unix - - y - - smtp\nc unix - - n - - smtp\n";
        let chrooted = |main: &str, version: &str| {
            let config = Config { version: Version::parse(version), ..config(main, master) };
            config.master.services.iter().map(|s| config.chrooted(s)).collect::<Vec<_>>()
        };
        assert_eq!(chrooted("", "3.7"), [true, true, false]);
        assert_eq!(chrooted("compatibility_level = 3.6\n", "3.7"), [false, true, false]);
        assert_eq!(chrooted("compatibility_level = 2\n", "2.11"), [true, true, false]);
    }

    #[test]
    fn the_tag_of_a_log_line_names_the_service() {
        let config = config(
            "multi_instance_name = postfix-out\n",
            "smtp inet n - y - - smtpd\nsubmission inet n - y - - smtpd\n  -o syslog_name=postfix/submission\n\
             relay unix - - y - - smtp\n  -o syslog_name=${multi_instance_name?{$multi_instance_name}:{postfix}}/$service_name\n\
             smtp unix - - y - - smtp\n",
        );
        let of = |tag| config.service_of_tag(tag);
        assert_eq!(of("postfix-out/smtpd"), Some(0));
        assert_eq!(of("postfix/submission/smtpd"), Some(1));
        assert_eq!(of("postfix-out/relay/smtp"), Some(2));
        assert_eq!(of("postfix-out/smtp"), Some(3));
        assert_eq!(of("postfix/smtpd"), None);
        assert_eq!(of("dovecot"), None);
    }
}
