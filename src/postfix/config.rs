//! The configuration of one instance: main.cf and master.cf together with the defaults of its version, and
//! the questions that are asked of it.

use super::expand::Expanded;
use super::main_cf::MainCf;
use super::master_cf::{MasterCf, Service};
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
    /// main.cf, else by default (`built_in` before the table). None: no such parameter.
    pub fn value(&self, _name: &str, _service: Option<&Service>) -> Option<InForce> {
        todo!()
    }
    /// Just the expanded text of [`Config::value`]; empty if there is none.
    pub fn text(&self, name: &str) -> String {
        self.value(name, None).map(|v| v.expanded.text).unwrap_or_default()
    }
    /// The comma or blank separated items of a list parameter; `{ … }` groups stay together.
    pub fn items(&self, _name: &str) -> Vec<String> {
        todo!()
    }
    /// A time value in seconds, with the default unit of the parameter.
    pub fn seconds(&self, _name: &str) -> Option<u64> {
        todo!()
    }
    /// Whether the parameter is set in main.cf.
    pub fn is_set(&self, name: &str) -> bool {
        self.main.get(name).is_some()
    }
    /// Whether this service runs chrooted, by its column, the version and `compatibility_level`.
    pub fn chrooted(&self, _service: &Service) -> bool {
        todo!()
    }
    /// The effective compatibility level as (major, minor).
    pub fn compatibility_level(&self) -> (u32, u32) {
        todo!()
    }
    /// The service in master.cf that logged with this tag (`postfix/submission/smtpd`, `postfix-out/smtp`,
    /// `postfix/smtpd`): by `syslog_name` and command; an index into `master.services`.
    pub fn service_of_tag(&self, _tag: &str) -> Option<usize> {
        todo!()
    }
}
