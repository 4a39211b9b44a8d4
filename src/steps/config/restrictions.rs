//! The smtpd restriction lists: words that are none, words that are never reached, the relay barrier, and
//! whether strangers may relay.

use super::look::{Look, Use, entry, nearest, port};
use crate::evidence::Observation;
use crate::postfix::master_cf::Service;
use crate::postfix::version::Version;

/// The lists, in the order in which smtpd evaluates them.
const LISTS: &[&str] = &[
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
    "smtpd_etrn_restrictions",
];

/// Restrictions without an argument.
const PLAIN: &[&str] = &[
    "permit",
    "reject",
    "defer",
    "defer_if_permit",
    "defer_if_reject",
    "warn_if_reject",
    "permit_inet_interfaces",
    "permit_mynetworks",
    "permit_sasl_authenticated",
    "permit_tls_all_clientcerts",
    "permit_tls_clientcerts",
    "permit_auth_destination",
    "permit_mx_backup",
    "permit_naked_ip_address",
    "reject_multi_recipient_bounce",
    "reject_plaintext_session",
    "reject_unauth_pipelining",
    "reject_invalid_helo_hostname",
    "reject_invalid_hostname",
    "reject_non_fqdn_helo_hostname",
    "reject_non_fqdn_hostname",
    "reject_unknown_helo_hostname",
    "reject_unknown_hostname",
    "reject_unknown_client_hostname",
    "reject_unknown_client",
    "reject_unknown_reverse_client_hostname",
    "reject_unknown_forward_client_hostname",
    "reject_maps_rbl",
    "reject_non_fqdn_sender",
    "reject_non_fqdn_recipient",
    "reject_unknown_sender_domain",
    "reject_unknown_recipient_domain",
    "reject_unknown_address",
    "reject_unlisted_sender",
    "reject_unlisted_recipient",
    "reject_unverified_sender",
    "reject_unverified_recipient",
    "reject_sender_login_mismatch",
    "reject_authenticated_sender_login_mismatch",
    "reject_unauthenticated_sender_login_mismatch",
    "reject_known_sender_login_mismatch",
    "reject_unauth_destination",
    "defer_unauth_destination",
    "check_relay_domains",
];

/// Restrictions that need an argument, and what it is.
const WITH_ARGUMENT: &[(&str, &str)] = &[
    ("check_policy_service", "a policy service (`inet:host:port` or `unix:path`)"),
    ("reject_rbl_client", "a DNS list domain"),
    ("permit_dnswl_client", "a DNS list domain"),
    ("reject_rhsbl_client", "a DNS list domain"),
    ("reject_rhsbl_reverse_client", "a DNS list domain"),
    ("reject_rhsbl_helo", "a DNS list domain"),
    ("reject_rhsbl_sender", "a DNS list domain"),
    ("reject_rhsbl_recipient", "a DNS list domain"),
    ("permit_rhswl_client", "a DNS list domain"),
    ("check_ccert_access", "a table"),
    ("check_sasl_access", "a table"),
    ("check_client_access", "a table"),
    ("check_client_a_access", "a table"),
    ("check_client_mx_access", "a table"),
    ("check_client_ns_access", "a table"),
    ("check_reverse_client_hostname_access", "a table"),
    ("check_reverse_client_hostname_a_access", "a table"),
    ("check_reverse_client_hostname_mx_access", "a table"),
    ("check_reverse_client_hostname_ns_access", "a table"),
    ("check_helo_access", "a table"),
    ("check_helo_a_access", "a table"),
    ("check_helo_mx_access", "a table"),
    ("check_helo_ns_access", "a table"),
    ("check_sender_access", "a table"),
    ("check_sender_a_access", "a table"),
    ("check_sender_mx_access", "a table"),
    ("check_sender_ns_access", "a table"),
    ("check_recipient_access", "a table"),
    ("check_recipient_a_access", "a table"),
    ("check_recipient_mx_access", "a table"),
    ("check_recipient_ns_access", "a table"),
    ("check_etrn_access", "a table"),
    ("check_address_map", "a table"),
    ("sleep", "a number of seconds"),
];

/// Restrictions that keep strangers from relaying.
const BARRIERS: &[&str] = &[
    "reject_unauth_destination",
    "defer_unauth_destination",
    "reject",
    "defer",
    "defer_if_permit",
    "check_relay_domains",
];

/// What a restriction wants as its argument, if it wants one.
pub(crate) fn argument_of(word: &str) -> Option<&'static str> {
    WITH_ARGUMENT.iter().find(|(w, _)| *w == word).map(|(_, a)| *a)
}

fn is_plain(word: &str) -> bool {
    PLAIN.contains(&word)
}

/// `a.b.c:d`, `{ … }`, `$name`: not a word that could be a restriction.
fn is_table_or_group(word: &str) -> bool {
    word.contains(':') || word.contains('{') || word.contains('$')
}

pub(super) fn observe(look: &Look<'_>) {
    let classes = look.items("smtpd_restriction_classes");
    for class in &classes {
        if let Some(used) = look.value(class, None) {
            words(look, &used, &classes);
        }
    }
    let services = look.smtpd_services();
    if services.is_empty() {
        // Without master.cf the lists of main.cf are judged by themselves.
        for name in LISTS {
            if let Some(used) = look.value(name, None) {
                words(look, &used, &classes);
            }
        }
        if look.config.master.services.is_empty() && LISTS.iter().any(|l| look.config.is_set(l)) {
            barrier(look, None, &classes);
            open_relay(look, None, &classes);
        }
    }
    for service in services {
        for name in LISTS {
            if let Some(used) = look.value(name, Some(service)) {
                words(look, &used, &classes);
                rejects_all(look, service, &used);
            }
        }
        barrier(look, Some(service), &classes);
        open_relay(look, Some(service), &classes);
    }
}

fn words(look: &Look<'_>, used: &Use, classes: &[String]) {
    let items = used.items();
    let mut at = 0;
    let mut warn_only = false;
    while let Some(word) = items.get(at) {
        at += 1;
        if let Some(wants) = argument_of(word) {
            match items.get(at) {
                Some(next) if !is_plain(next) && argument_of(next).is_none() => at += 1,
                _ => look.emit(
                    used.place.mark(
                        Observation::now("restriction-without-argument")
                            .with("parameter", used.name.as_str())
                            .with("word", word.as_str())
                            .with("wants", wants),
                    ),
                ),
            }
        } else if !is_plain(word) && !is_table_or_group(word) && !classes.contains(word) {
            let known = PLAIN.iter().copied().chain(WITH_ARGUMENT.iter().map(|(w, _)| *w));
            let near = nearest(word, known.chain(classes.iter().map(String::as_str)));
            look.emit(
                used.place.mark(
                    Observation::now("restriction-unknown")
                        .with("parameter", used.name.as_str())
                        .with("word", word.as_str())
                        .with("nearest", near.unwrap_or_default()),
                ),
            );
        } else if matches!(word.as_str(), "permit" | "reject" | "defer") && !warn_only && at < items.len() {
            look.emit(
                used.place.mark(
                    Observation::now("restriction-unreachable")
                        .with("parameter", used.name.as_str())
                        .with("after", word.as_str())
                        .with("words", items[at..].to_vec()),
                ),
            );
            return;
        }
        warn_only = word == "warn_if_reject";
    }
}

/// How an evaluation for a stranger's mail to a foreign domain ends.
#[derive(Debug, PartialEq, Eq)]
enum Walk {
    /// refused
    Blocked,
    /// let through by this word
    Permitted(String),
    /// the end of the list was reached
    End,
    /// a table, policy service or class may decide: unknown
    Unknown,
}

/// Follows a list as a stranger who is not authenticated and whose mail is for a foreign domain.
fn walk(items: &[String], everybody_is_mine: bool, look: &Look<'_>, classes: &[String], depth: usize) -> Walk {
    let mut unknown = false;
    let mut skip = false;
    for word in items {
        if std::mem::take(&mut skip) {
            continue;
        }
        match word.as_str() {
            "warn_if_reject" => skip = true,
            "permit_mynetworks" if everybody_is_mine => return Walk::Permitted(word.clone()),
            "permit" => return if unknown { Walk::Unknown } else { Walk::Permitted(word.clone()) },
            w if BARRIERS.contains(&w) => return Walk::Blocked,
            w if classes.iter().any(|c| c == w) && depth < 4 => {
                match walk(&look.items(w), everybody_is_mine, look, classes, depth + 1) {
                    Walk::End => {}
                    other => return other,
                }
            }
            // What a table or server answers is not known here; it may refuse.
            w if w.starts_with("check_") => unknown = true,
            _ => {}
        }
    }
    if unknown { Walk::Unknown } else { Walk::End }
}

fn has_barrier(items: &[String], look: &Look<'_>, classes: &[String], depth: usize) -> bool {
    items.iter().any(|w| {
        BARRIERS.contains(&w.as_str())
            || (depth < 4 && classes.contains(w) && has_barrier(&look.items(w), look, classes, depth + 1))
    })
}

/// The lists that may hold the barrier: smtpd_relay_restrictions came with 2.10.
fn barrier_lists(version: Option<Version>) -> &'static [&'static str] {
    let old = version.is_some_and(|v| (v.major, v.minor) < (2, 10));
    if old { &["smtpd_recipient_restrictions"] } else { &["smtpd_relay_restrictions", "smtpd_recipient_restrictions"] }
}

fn barrier<'a>(look: &Look<'a>, service: Option<&'a Service>, classes: &[String]) {
    let lists = barrier_lists(look.config.version);
    let used: Vec<Use> = lists.iter().filter_map(|l| look.value(l, service)).collect();
    if used.is_empty() || used.iter().any(|u| u.value.contains('$') || has_barrier(&u.items(), look, classes, 0)) {
        return;
    }
    // Nobody sets both lists to nothing by accident; where both are defaults Postfix takes care of itself.
    let Some(explicit) = used.iter().find(|u| u.place.line.is_some()) else { return };
    let mut seen = explicit.place.mark(
        Observation::now("relay-barrier-missing")
            .with("lists", used.iter().map(|u| format!("{} = {}", u.name, u.value)).collect::<Vec<_>>())
            .with("add_to", explicit.name.as_str()),
    );
    if let Some(service) = service {
        seen = seen.with("entry", entry(service)).of_service(&service.name);
    }
    look.emit(seen);
}

fn open_relay<'a>(look: &Look<'a>, service: Option<&'a Service>, classes: &[String]) {
    let reachable = service.is_none_or(|s| look.is_public(s));
    let networks = look.value("mynetworks", service);
    let wide = networks.as_ref().and_then(|n| n.items().into_iter().find(|i| super::networks::is_everybody(i)));
    let mut how = None;
    for name in LISTS.iter().take(5) {
        let Some(used) = look.value(name, service) else { continue };
        match walk(&used.items(), wide.is_some(), look, classes, 0) {
            Walk::Blocked | Walk::Unknown => return,
            Walk::Permitted(word) => {
                if barrier_lists(look.config.version).contains(name) {
                    how.get_or_insert((word, used));
                }
            }
            Walk::End => {}
        }
    }
    let Some((word, used)) = how else { return };
    // Behind a final reject of another list a permit is no hole; that was told by Walk::Blocked.
    let (how, what, place, parameter) = match &networks {
        Some(networks) if word == "permit_mynetworks" => {
            ("mynetworks", wide.unwrap_or_default(), &networks.place, "mynetworks")
        }
        _ => ("permit", word, &used.place, used.name.as_str()),
    };
    let mut seen = place
        .mark(Observation::now("open-relay").with("how", how).with("what", what).with("parameter", parameter))
        .seen(used.place.evidence());
    if let Some(service) = service {
        seen = seen.with("entry", entry(service)).of_service(&service.name);
        seen = seen.with("reachable", reachable);
    }
    look.emit(seen);
}

/// The public service on port 25 refuses every stranger by a bare `reject`.
fn rejects_all<'a>(look: &Look<'a>, service: &'a Service, used: &Use) {
    if !look.is_public(service) || (service.kind == "inet" && port(&service.name) != "25") {
        return;
    }
    if !LISTS[..5].contains(&used.name.as_str()) {
        return;
    }
    // Up to the reject, only words that a stranger does not meet; a class or table may let him in.
    let mine = |w: &str| {
        matches!(
            w,
            "permit_mynetworks"
                | "permit_sasl_authenticated"
                | "permit_inet_interfaces"
                | "permit_tls_clientcerts"
                | "permit_tls_all_clientcerts"
        ) || w.starts_with("reject_")
            || w.starts_with("defer_")
    };
    for word in used.items() {
        if word == "reject" || word == "defer" {
            look.emit(used.place.mark(
                Observation::now("restrictions-reject-all").with("parameter", used.name.as_str()).with("word", word),
            ));
            return;
        }
        if !mine(&word) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{observe_config, only};

    #[test]
    fn a_misspelled_restriction_is_told_from_a_class_and_a_table() {
        let seen = observe_config(
            "smtpd_restriction_classes = mine\nmine = permit\n\
             smtpd_recipient_restrictions = permit_mynetwork, mine, hash:/etc/x, reject_unauth_destination\n",
            "",
        );
        let unknown = only(&seen, "restriction-unknown");
        assert_eq!(unknown.len(), 1);
        assert_eq!(unknown[0].fields["word"].to_string(), "permit_mynetwork");
        assert_eq!(unknown[0].fields["nearest"].to_string(), "permit_mynetworks");
        assert_eq!(unknown[0].fields["line"].to_string(), "3");
    }

    #[test]
    fn what_follows_a_final_reject_is_never_reached() {
        let seen =
            observe_config("smtpd_recipient_restrictions = permit_mynetworks, reject, permit_sasl_authenticated\n", "");
        assert_eq!(only(&seen, "restriction-unreachable").len(), 1);
        let seen = observe_config("smtpd_recipient_restrictions = warn_if_reject reject, permit_mynetworks\n", "");
        assert!(only(&seen, "restriction-unreachable").is_empty());
    }

    #[test]
    fn a_check_needs_a_table() {
        let seen = observe_config("smtpd_client_restrictions = check_client_access permit_mynetworks\n", "");
        assert_eq!(only(&seen, "restriction-without-argument").len(), 1);
    }

    #[test]
    fn a_missing_barrier_is_seen_per_service() {
        let master = "smtp inet n - y - - smtpd\n  -o smtpd_relay_restrictions=permit_mynetworks\n";
        let seen = observe_config("smtpd_recipient_restrictions = permit_mynetworks\n", master);
        assert_eq!(only(&seen, "relay-barrier-missing").len(), 1);
        let seen = observe_config("", "smtp inet n - y - - smtpd\n");
        assert!(only(&seen, "relay-barrier-missing").is_empty());
    }

    #[test]
    fn everybody_in_mynetworks_is_an_open_relay() {
        let master = "smtp inet n - y - - smtpd\n";
        let seen = observe_config("compatibility_level = 3.6\nmynetworks = 0.0.0.0/0\n", master);
        assert_eq!(only(&seen, "open-relay").len(), 1);
        let seen = observe_config("mynetworks = 10.0.0.0/8\n", master);
        assert!(only(&seen, "open-relay").is_empty());
        let seen = observe_config("compatibility_level = 3.6\nsmtpd_relay_restrictions = permit\n", master);
        assert_eq!(only(&seen, "open-relay")[0].fields["how"].to_string(), "permit");
    }
}
