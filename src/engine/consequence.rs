//! Which earlier finding a consequence follows from. "bad command startup", "premature end-of-input" or "queue
//! file write error" tell that something else broke; what broke was said by the process that the line names.
//!
//! The process counts before the time, and the time before the severity: between a daemon's death and the line
//! that others log about it any number of worse errors of strangers may stand, and none of them is the cause.

use std::cmp::Reverse;

use super::judge::Hypothesis;
use super::template;
use crate::report::model::Severity;

/// What is further away than this is hardly of the same trouble, though the same daemon said it.
const SAME_TROUBLE_SECONDS: i64 = 15 * 60;
/// What nothing but time connects must be this close.
const COINCIDENCE_SECONDS: i64 = 60;

/// How a finding is connected with a consequence; more is closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Link {
    /// only by time
    Time,
    /// it is of a program that the consequence names, or of the same one, but long before
    Old,
    /// of the program that logged the consequence, though that one blames another
    SameProgram,
    /// of a program, table or socket that the consequence names
    Named,
    /// of the process that logged the consequence, or whose end it tells
    Process,
}

/// The finding that `child` follows from, among those that `fits` allows.
pub(super) fn cause(all: &[Hypothesis<'_>], child: usize, fits: &dyn Fn(usize) -> bool) -> Option<usize> {
    let consequence = &all[child];
    let culprits = culprits(consequence);
    let dead = dead_pids(consequence);
    let candidates = (0..all.len()).filter(|&i| i != child && fits(i)).filter_map(|i| {
        let link = link(&all[i], consequence, &culprits, &dead)?;
        let is_root = !all[i].sighting.rule.consequence;
        // A consequence is the cause of another one only where they are surely connected.
        if !is_root && (link < Link::Named || all[i].sighting.order >= consequence.sighting.order) {
            return None;
        }
        (link > Link::Time || may_be_chance(&all[i], consequence, !culprits.is_empty())).then_some((i, link, is_root))
    });
    candidates
        .max_by_key(|&(i, link, is_root)| {
            let h = &all[i];
            // Connected lines: the first of them. Unconnected ones: what stands right before.
            let first = Reverse(h.sighting.order.unwrap_or(0));
            let last = h.sighting.order.unwrap_or(0);
            let by_place = if link > Link::Time { (Some(first), 0) } else { (None, last) };
            (link, h.severity >= Severity::Error, is_root, h.severity, h.confidence, by_place)
        })
        .map(|(i, ..)| i)
}

/// A panic is the last word of a process; that it then died by a signal is no second trouble.
pub(super) fn last_words(all: &[Hypothesis<'_>], child: usize) -> Option<usize> {
    let dead = dead_pids(&all[child]);
    (0..all.len()).filter(|&i| i != child && all[i].status == all[child].status).find(|&i| {
        let panicked = |h: &Hypothesis<'_>| h.sighting.evidence.iter().any(|e| e.text.contains(": panic: "));
        all[i].sighting.pids.iter().any(|pid| dead.contains(pid)) && panicked(&all[i])
    })
}

/// What nothing connects with the consequence but the time: where the consequence names a culprit, only what
/// befalls a whole host, or trouble of the same kind.
fn may_be_chance(cause: &Hypothesis<'_>, consequence: &Hypothesis<'_>, culprit_known: bool) -> bool {
    const OF_THE_HOST: &[&str] =
        &["chroot", "config", "crash", "crash-state", "disk", "files", "limits", "permissions", "resources", "systemd"];
    let area = cause.sighting.rule.area.as_str();
    let of_the_host = OF_THE_HOST.contains(&area) || area == consequence.sighting.rule.area;
    !culprit_known || cause.sighting.order.is_none() || (of_the_host && cause.severity >= Severity::Error)
}

fn link(cause: &Hypothesis<'_>, consequence: &Hypothesis<'_>, culprits: &[String], dead: &[u32]) -> Option<Link> {
    let (a, b) = (&cause.sighting, &consequence.sighting);
    // Who says that another does not answer is not to blame itself, unless the rule says so.
    let blames_itself = culprits.is_empty() || b.rule.follows.iter().any(|f| f == "{pid}");
    let same_process = a.pids.iter().any(|pid| b.pids.contains(pid));
    let apart = seconds_apart(cause, consequence);
    let near = apart.is_none_or(|seconds| seconds <= SAME_TROUBLE_SECONDS);
    let link = if a.pids.iter().any(|pid| dead.contains(pid)) || (same_process && blames_itself) {
        Link::Process
    } else if culprits.iter().any(|culprit| is_about(cause, culprit)) {
        Link::Named
    } else if same_process || (culprits.is_empty() && a.tags.iter().any(|tag| b.tags.contains(tag))) {
        Link::SameProgram
    } else {
        let close = a.order.is_none() || apart.is_none_or(|seconds| seconds <= COINCIDENCE_SECONDS);
        return close.then_some(Link::Time);
    };
    Some(if near { link } else { Link::Old })
}

/// From the last time that the cause was seen to the first of the consequence; 0 where they overlap.
fn seconds_apart(cause: &Hypothesis<'_>, consequence: &Hypothesis<'_>) -> Option<i64> {
    let last = cause.sighting.last.or(cause.sighting.first)?;
    Some(consequence.sighting.first?.duration_since(last).as_secs().max(0))
}

/// What the rule says that the consequence follows from, in plain names: programs, tables, addresses.
fn culprits(consequence: &Hypothesis<'_>) -> Vec<String> {
    let sighting = &consequence.sighting;
    let named = sighting
        .rule
        .follows
        .iter()
        .filter(|text| *text != "{pid}")
        .map(|text| template::render(text, &sighting.fields));
    named.filter(template::Rendered::complete).flat_map(|named| plain_names(&named.text)).collect()
}

/// `private/rewrite socket` is trivial-rewrite; `/usr/lib/postfix/sbin/smtpd` is smtpd; `proxy:mysql:/etc/x.cf` is
/// proxymap, mysql and the path.
fn plain_names(text: &str) -> Vec<String> {
    /// Services whose program has another name.
    const PROGRAMS: &[(&str, &str)] = &[
        ("rewrite", "trivial-rewrite"),
        ("resolve", "trivial-rewrite"),
        ("proxywrite", "proxymap"),
        ("proxy", "proxymap"),
        ("defer", "bounce"),
        ("trace", "bounce"),
        ("relay", "smtp"),
    ];
    let text = text.trim_end_matches(" socket").trim_matches(|c| matches!(c, '"' | '\'' | '<' | '>'));
    let plain = |name: &str| {
        let known = PROGRAMS.iter().find(|(service, _)| *service == name);
        known.map_or_else(|| name.to_owned(), |(_, program)| (*program).to_owned())
    };
    if text.contains(':') {
        // A table, or host:port.
        let parts = text.split(':').filter(|part| part.len() > 2 && !part.bytes().all(|b| b.is_ascii_digit()));
        return parts.map(plain).filter(|name| !matches!(name.as_str(), "inet" | "unix" | "hash")).collect();
    }
    let base = text.rsplit('/').next().unwrap_or(text);
    // `virtual_alias_maps` is a parameter: that says nothing about who is to blame.
    if base.len() < 3 || base.contains('_') { Vec::new() } else { vec![plain(base)] }
}

/// Whether the finding was told by that program, or tells of it or of that file.
fn is_about(cause: &Hypothesis<'_>, culprit: &str) -> bool {
    let sighting = &cause.sighting;
    let by_it = sighting.tags.iter().any(|tag| tag.split('/').next_back() == Some(culprit));
    // master tells of programs by their path, systemd and the kernel by their name.
    let of_it = ["path", "name", "svc", "program", "service", "command", "table", "db", "file"].iter().any(|field| {
        let value = sighting.fields.get(*field).map(ToString::to_string).unwrap_or_default();
        value == culprit || plain_names(&value).iter().any(|name| name == culprit)
    });
    by_it || of_it || (names_a_thing(culprit) && sighting.evidence.iter().any(|e| has_word(&e.text, culprit)))
}

/// Paths and table types are said in full by whoever complains about them; names of daemons are in many lines.
fn names_a_thing(culprit: &str) -> bool {
    const TYPES: &[&str] =
        &["mysql", "pgsql", "ldap", "sqlite", "mongodb", "memcache", "socketmap", "lmdb", "pcre", "regexp"];
    culprit.contains('/') || TYPES.contains(&culprit)
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let inside = |c: char| c.is_ascii_alphanumeric();
        !text[..at].ends_with(inside) && !text[at + word.len()..].starts_with(inside)
    })
}

/// Processes whose end the lines tell: `process /usr/lib/postfix/sbin/smtpd pid 741 exit status 1`.
fn dead_pids(consequence: &Hypothesis<'_>) -> Vec<u32> {
    let texts = consequence.sighting.evidence.iter().map(|e| e.text.as_str());
    texts
        .flat_map(|text| {
            let words: Vec<&str> = text.split_whitespace().collect();
            let pairs = words.windows(2).filter(|pair| pair[0].trim_end_matches(':') == "pid");
            pairs.filter_map(|pair| pair[1].parse().ok()).collect::<Vec<u32>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_sockets_paths_and_tables_become_plain_names() {
        assert_eq!(plain_names("private/rewrite socket"), ["trivial-rewrite"]);
        assert_eq!(plain_names("/usr/lib/postfix/sbin/smtpd"), ["smtpd"]);
        assert_eq!(plain_names("proxy:mysql:/etc/postfix/v.cf"), ["proxymap", "mysql", "/etc/postfix/v.cf"]);
        assert_eq!(plain_names("127.0.0.1:10023"), ["127.0.0.1"]);
        assert!(plain_names("").is_empty());
        assert!(plain_names("virtual_alias_maps").is_empty());
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("connect to mysql server", "mysql"));
        assert!(!has_word("mysqld died", "mysql"));
        assert!(has_word("open /etc/postfix/v.cf: Permission denied", "/etc/postfix/v.cf"));
    }
}
