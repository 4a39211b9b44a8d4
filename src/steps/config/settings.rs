//! Each setting by itself, for rules that judge one value; and values that Postfix cannot use as they stand:
//! values that refer to themselves, a word where a number belongs.

use super::look::{Look, Use};
use crate::evidence::Observation;
use crate::postfix::parameters;

pub(super) fn observe(look: &Look<'_>) {
    for used in look.uses() {
        setting(look, &used);
        number(look, &used);
        cycle(look, &used);
        dns_lists(look, &used);
    }
}

fn setting(look: &Look<'_>, used: &Use) {
    let mut seen = Observation::now("setting")
        .with("name", used.name.as_str())
        .with("value", used.value.as_str())
        .with("items", used.items());
    if let Some(default) = parameters::default(&used.name, look.config.version) {
        seen = seen.with("default", default);
    }
    look.emit(used.place.mark(seen));
}

fn number(look: &Look<'_>, used: &Use) {
    let default = parameters::default(&used.name, look.config.version);
    let Some(kind) = default.and_then(|d| NumberKind::of(&used.name, d)) else { return };
    let value = used.value.trim();
    if let Some(number) = kind.read(value, default.unwrap_or_default()) {
        let mut seen = Observation::now("limit")
            .with("name", used.name.as_str())
            .with("number", number)
            .with("value", value)
            .with("default", default.unwrap_or_default());
        if let Some(number) = default.and_then(|d| kind.read(d, d)) {
            seen = seen.with("default_number", number);
        }
        look.emit(used.place.mark(seen));
    } else if !used.value.contains('$') && used.undefined.is_empty() {
        let seen = Observation::now("value-bad")
            .with("parameter", used.name.as_str())
            .with("value", used.value.as_str())
            .with("wanted", kind.words());
        look.emit(used.place.mark(seen));
    }
}

/// What a parameter holds, told from its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NumberKind {
    Count,
    Time,
    Bool,
}

/// Their defaults are one word like `no` or a number, but other words are right as well.
const OTHER_WORDS: &[&str] = &[
    "html_directory",
    "readme_directory",
    "manpage_directory",
    "sample_directory",
    "smtputf8_autodetect_classes",
    "compatibility_level",
    "inet_protocols",
    "process_id",
    "mail_release_date",
    "smtp_tls_fingerprint_digest",
    "smtpd_delay_open_until_valid_rcpt",
    "tls_daemon_random_bytes",
    "smtp_cname_overrides_servername",
    "multi_recipient_bounce_reject_code",
    "enable_threaded_bounces",
    "smtpd_forbid_bare_newline",
    "smtpd_forbid_unauth_pipelining",
    "tls_ssl_options",
    "smtp_tls_dane_insecure_mx_policy",
    "disable_vrfy_command",
    "postscreen_dnsbl_max_ttl",
    "smtp_address_preference",
];

impl NumberKind {
    fn of(name: &str, default: &str) -> Option<NumberKind> {
        if OTHER_WORDS.contains(&name) || default.is_empty() {
            return None;
        }
        if default.bytes().all(|b| b.is_ascii_digit()) {
            return Some(NumberKind::Count);
        }
        // Under stress other values hold: the default is an expression, but a time all the same.
        if default.contains('$') {
            return (name.starts_with("smtpd_") && name.ends_with("_timeout")).then_some(NumberKind::Time);
        }
        if matches!(default, "yes" | "no") {
            return Some(NumberKind::Bool);
        }
        let (digits, unit) = default.split_at(default.len() - 1);
        let time = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && "smhdw".contains(unit);
        time.then_some(NumberKind::Time)
    }
    fn words(self) -> &'static str {
        match self {
            NumberKind::Count => "a number",
            NumberKind::Time => "a number with s, m, h, d or w",
            NumberKind::Bool => "yes or no",
        }
    }
    /// The value; 0 and 1 for no and yes.
    fn read(self, value: &str, default: &str) -> Option<i64> {
        match self {
            // Values such as $message_size_limit are expanded before.
            NumberKind::Count => value.parse().ok(),
            NumberKind::Bool => match value.to_ascii_lowercase().as_str() {
                "yes" => Some(1),
                "no" => Some(0),
                _ => None,
            },
            NumberKind::Time => {
                let unit = default.chars().last().filter(char::is_ascii_alphabetic).unwrap_or('s');
                seconds(value, unit)
            }
        }
    }
}

/// A Postfix time; without a unit the default's unit holds.
pub(super) fn seconds(value: &str, default_unit: char) -> Option<i64> {
    let last = value.chars().last()?;
    let (digits, unit) = if last.is_ascii_digit() {
        (value, default_unit)
    } else {
        (value.get(..value.len() - last.len_utf8())?, last.to_ascii_lowercase())
    };
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86400,
        'w' => 604_800,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(factor)
}

fn cycle(look: &Look<'_>, used: &Use) {
    if used.cycle {
        let seen =
            Observation::now("value-cycle").with("parameter", used.name.as_str()).with("value", used.raw.as_str());
        look.emit(used.place.mark_main(seen));
    }
}

fn dns_lists(look: &Look<'_>, used: &Use) {
    let postscreen = used.name == "postscreen_dnsbl_sites";
    if !postscreen && !used.name.ends_with("_restrictions") {
        return;
    }
    let zone_of = |zone: &str, restriction: &str| {
        let zone = zone.split(['=', '*']).next().unwrap_or_default().trim_matches('.').to_ascii_lowercase();
        if zone.contains('.') {
            let seen = Observation::now("dnsbl")
                .with("zone", zone)
                .with("parameter", used.name.as_str())
                .with("restriction", restriction);
            look.emit(used.place.mark(seen));
        }
    };
    let items = used.items();
    if postscreen {
        for zone in &items {
            zone_of(zone, "postscreen");
        }
    } else {
        for pair in items.windows(2) {
            if pair[0].starts_with("reject_rbl_") || pair[0].starts_with("reject_rhsbl_") {
                zone_of(&pair[1], &pair[0]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(seconds("5d", 's'), Some(432_000));
        assert_eq!(seconds("10", 'd'), Some(864_000));
        assert_eq!(seconds("", 's'), None);
        assert_eq!(seconds("x", 's'), None);
        assert_eq!(seconds("1ü", 's'), None);
    }

    #[test]
    fn what_a_default_tells_about_the_kind() {
        assert_eq!(NumberKind::of("message_size_limit", "10240000"), Some(NumberKind::Count));
        assert_eq!(NumberKind::of("soft_bounce", "no"), Some(NumberKind::Bool));
        assert_eq!(NumberKind::of("maximal_queue_lifetime", "5d"), Some(NumberKind::Time));
        assert_eq!(NumberKind::of("relayhost", ""), None);
        assert_eq!(NumberKind::of("syslog_facility", "mail"), None);
    }
}
