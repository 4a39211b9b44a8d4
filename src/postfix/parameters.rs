//! The parameters that Postfix knows, their defaults, and since when: embedded as a table, so that a pasted
//! configuration can be judged without a Postfix at hand.
//!
//! `parameters.tsv` has one parameter a line, sorted by name: name; first version, and the patch releases of older
//! versions that have it too; last version or `-`; flags or `-`; then `X.Y=default` for each version from which on
//! there is another default. It covers 2.0 to 3.12, with the defaults of each version's last patch release. A
//! parameter with the flag `m` has no default here: its value belongs to the machine or to the package
//! (`myhostname`, `daemon_directory`, `default_database_type`).

use std::collections::HashMap;
use std::sync::LazyLock;

use super::version::Version;

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// its name
    pub name: &'static str,
    /// first release that has it
    pub since: Version,
    /// patch releases of older versions that brought it too (`3.7.9` of what came with 3.9)
    pub backports: Vec<Version>,
    /// last release that had it
    pub until: Option<Version>,
    /// its default is of the machine or of the package, not of Postfix
    pub of_machine: bool,
    /// defaults with the release from which on they hold, oldest first
    pub defaults: Vec<(Version, &'static str)>,
}

impl Parameter {
    /// Whether that version has it; no version: any version.
    pub fn exists_in(&self, version: Option<Version>) -> bool {
        version.is_none_or(|v| {
            let series = (v.major, v.minor);
            if let Some(backport) = self.backports.iter().find(|b| (b.major, b.minor) == series) {
                return v >= *backport;
            }
            let started = series > (self.since.major, self.since.minor) || v >= self.since;
            started && self.until.is_none_or(|until| series <= (until.major, until.minor))
        })
    }
}

/// The table, sorted by name.
pub fn all() -> &'static [Parameter] {
    &TABLE.0
}

/// The line of the table for this name.
pub fn get(name: &str) -> Option<&'static Parameter> {
    TABLE.1.get(name).map(|&i| &TABLE.0[i])
}

/// Whether Postfix of that version has the parameter (service-dependent ones such as `smtp_destination_…` or
/// `NAME_transport_limit` included by their suffix). No version: any version.
pub fn known(name: &str, version: Option<Version>) -> bool {
    get(name).is_some_and(|p| p.exists_in(version)) || service_suffix(name).is_some()
}

/// The built-in default, unexpanded, of the parameter in that version (the newest if none is given).
pub fn default(name: &str, version: Option<Version>) -> Option<&'static str> {
    if let Some(parameter) = get(name).filter(|p| p.exists_in(version)) {
        let mut defaults = parameter.defaults.iter().rev();
        return match version {
            Some(v) => defaults.find(|(from, _)| v.at_least(from.major, from.minor)),
            None => defaults.next(),
        }
        .map(|(_, text)| *text);
    }
    service_suffix(name).map(|(_, default)| default)
}

/// The known name nearest to a misspelled one.
pub fn nearest(name: &str) -> Option<&'static str> {
    nearest_of(name, all().iter().map(|p| p.name))
}

/// The nearest of some names, if it is really near: a slip or two of the keyboard, a missing `s`, words swapped.
pub fn nearest_of<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Hostile names are long; no parameter is.
    if name.len() < 4 || name.len() > 80 {
        return None;
    }
    let lower = name.to_ascii_lowercase().replace('-', "_");
    let allowed = (lower.len() / 8).clamp(1, 3);
    candidates
        .filter(|c| *c != name && c.len().abs_diff(lower.len()) <= allowed)
        .map(|c| (strsim::osa_distance(&lower, c), c))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, c)| (*distance, *c))
        .map(|(_, c)| c)
}

/// Parameters that each delivery transport of master.cf has of its own, with their default.
pub const TRANSPORT_SUFFIXES: &[(&str, &str)] = &[
    ("_recipient_limit", "$default_recipient_limit"),
    ("_extra_recipient_limit", "$default_extra_recipient_limit"),
    ("_recipient_refill_limit", "$default_recipient_refill_limit"),
    ("_recipient_refill_delay", "$default_recipient_refill_delay"),
    ("_delivery_slot_cost", "$default_delivery_slot_cost"),
    ("_delivery_slot_loan", "$default_delivery_slot_loan"),
    ("_delivery_slot_discount", "$default_delivery_slot_discount"),
    ("_minimum_delivery_slots", "$default_minimum_delivery_slots"),
    ("_initial_destination_concurrency", "$initial_destination_concurrency"),
    ("_destination_concurrency_limit", "$default_destination_concurrency_limit"),
    ("_destination_recipient_limit", "$default_destination_recipient_limit"),
    ("_destination_concurrency_positive_feedback", "$default_destination_concurrency_positive_feedback"),
    ("_destination_concurrency_negative_feedback", "$default_destination_concurrency_negative_feedback"),
    ("_destination_concurrency_failed_cohort_limit", "$default_destination_concurrency_failed_cohort_limit"),
    ("_destination_rate_delay", "$default_destination_rate_delay"),
    ("_transport_rate_delay", "$default_transport_rate_delay"),
];

/// What a service of `pipe` or `spawn` has of its own.
pub const TIME_LIMIT_SUFFIX: (&str, &str) = ("_time_limit", "$command_time_limit");

/// The service and the default of a parameter that belongs to a service by its suffix.
pub fn service_suffix(name: &str) -> Option<(&str, &'static str)> {
    TRANSPORT_SUFFIXES
        .iter()
        .chain([&TIME_LIMIT_SUFFIX])
        .filter_map(|(suffix, default)| name.strip_suffix(suffix).map(|service| (service, *default)))
        .filter(|(service, _)| !service.is_empty())
        // The longest suffix leaves the shortest name: `x_extra_recipient_limit` is of the service `x`.
        .min_by_key(|(service, _)| service.len())
}

/// Values that Postfix uses as they stand: `$name` in them is not for main.cf but for the delivery agent.
pub fn is_raw(name: &str) -> bool {
    matches!(
        name,
        "smtpd_expansion_filter"
            | "default_rbl_reply"
            | "smtpd_reject_footer"
            | "execution_directory_expansion_filter"
            | "command_execution_directory"
            | "command_expansion_filter"
            | "forward_expansion_filter"
            | "forward_path"
            | "mailbox_command"
            | "luser_relay"
            | "postscreen_reject_footer"
            | "postscreen_expansion_filter"
    )
}

type Table = (Vec<Parameter>, HashMap<&'static str, usize>);

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let rows: Vec<Parameter> = include_str!("parameters.tsv").lines().filter_map(row).collect();
    let index = rows.iter().enumerate().map(|(i, p)| (p.name, i)).collect();
    (rows, index)
});

fn row(line: &'static str) -> Option<Parameter> {
    let mut fields = line.split('\t');
    let name = fields.next().filter(|n| !n.is_empty() && !n.starts_with('#'))?;
    let mut since = fields.next()?.split(',').filter_map(Version::parse);
    let (since, backports) = (since.next()?, since.collect());
    let until = Version::parse(fields.next()?);
    let of_machine = fields.next()?.contains('m');
    let defaults = fields
        .filter_map(|f| f.split_once('='))
        .filter_map(|(from, text)| Some((Version::parse(from)?, text)))
        .collect();
    Some(Parameter { name, since, backports, until, of_machine, defaults })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_understood() {
        let lines = include_str!("parameters.tsv").lines().filter(|l| !l.starts_with('#')).count();
        assert_eq!(all().len(), lines);
        assert!(lines > 900);
        assert!(all().is_sorted_by(|a, b| a.name < b.name));
        assert!(all().iter().all(|p| p.of_machine || !p.defaults.is_empty()));
    }

    #[test]
    fn known_names() {
        for name in
            ["mydestination", "smtp_destination_rate_delay", "dovecot_destination_recipient_limit", "policy_time_limit"]
        {
            assert!(known(name, None), "{name}");
        }
        assert!(!known("smtpd_recipent_restrictions", None));
        assert_eq!(default("local_destination_concurrency_limit", None), Some("2"));
        assert_eq!(default("mine_destination_concurrency_limit", None), Some("$default_destination_concurrency_limit"));
    }

    #[test]
    fn what_a_version_has_and_with_which_default() {
        let v = |text| Version::parse(text);
        assert!(!known("smtpd_forbid_bare_newline", v("3.7.8")) && known("smtpd_forbid_bare_newline", v("3.7.9")));
        assert!(known("smtpd_forbid_bare_newline", v("3.9")) && !known("smtpd_forbid_bare_newline", v("3.4.29")));
        assert!(known("postscreen_blacklist_action", v("3.5.25")) && !known("postscreen_blacklist_action", v("3.6")));
        assert!(!known("smtputf8_enable", v("2.11")));
        assert_eq!(default("smtpd_tls_mandatory_protocols", v("3.5.6")), Some("!SSLv2, !SSLv3"));
        assert_eq!(default("smtpd_tls_mandatory_protocols", v("3.7")), Some(">=TLSv1"));
        assert_eq!(default("relayhost", None), Some(""));
        assert_eq!(default("myhostname", None), None);
    }

    #[test]
    fn nearest_is_really_near() {
        assert_eq!(nearest("smtpd_recipent_restrictions"), Some("smtpd_recipient_restrictions"));
        assert_eq!(nearest("mydestinations"), Some("mydestination"));
        assert_eq!(nearest("my-hostname"), Some("myhostname"));
        assert_eq!(nearest("relay_host"), Some("relayhost"));
        assert_eq!(nearest("Myhostname"), Some("myhostname"));
        assert_eq!(nearest("some_internal_thing"), None);
    }
}
