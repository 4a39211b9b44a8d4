//! Address classes: a domain may belong to one of them only. Domains may stand in the list itself, in a file,
//! or in a table; tables are read through their source, and databases are asked.

use super::look::{Look, Place, Use, items};
use super::table_source;
use super::tables::{self, reads_parameters};
use crate::evidence::{Evidence, Observation, PROBE_HOST};
use crate::host::Run;

/// The classes, the one that wins first.
const CLASSES: &[&str] = &["mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"];

/// Domains read of one class, at most.
const DOMAIN_LIMIT: usize = 20_000;

struct Member {
    domain: String,
    /// how it stands in the configuration
    spelled: String,
    /// file and line that hold it, where that is not main.cf
    at: Option<Evidence>,
}

struct Class {
    parameter: &'static str,
    place: Place,
    members: Vec<Member>,
    /// database tables that can only be asked
    ask: Vec<String>,
}

pub(super) fn observe(look: &Look<'_>) {
    if look.config.main.settings.is_empty() {
        return;
    }
    let classes: Vec<Class> = CLASSES.iter().filter_map(|name| class(look, name)).collect();
    for (index, first) in classes.iter().enumerate() {
        for second in &classes[index + 1..] {
            overlap(look, first, second);
        }
    }
    virtual_delivery(look);
}

fn class(look: &Look<'_>, parameter: &'static str) -> Option<Class> {
    let used = look.value(parameter, None)?;
    let mut class = Class { parameter, place: used.place.clone(), members: Vec::new(), ask: Vec::new() };
    // By default virtual_alias_domains is $virtual_alias_maps: the left sides that are domains.
    let raw = items(&used.raw);
    let expanded = used.items();
    if raw.iter().any(|r| r.contains("virtual_alias_maps") || r.contains("virtual_mailbox_maps"))
        && let Some(maps) = look.value(
            if parameter == "virtual_alias_domains" { "virtual_alias_maps" } else { "virtual_mailbox_maps" },
            None,
        )
        && maps.place.line.is_some()
    {
        class.place = maps.place;
    }
    for item in &expanded {
        let spelled = raw.iter().find(|r| r.contains('$') && !raw.contains(item)).filter(|_| !raw.contains(item));
        add(look, &mut class, item, spelled.map_or(item.as_str(), String::as_str), &used, 0);
    }
    Some(class)
}

fn add(look: &Look<'_>, class: &mut Class, item: &str, spelled: &str, used: &Use, depth: usize) {
    if item.starts_with('!') || class.members.len() >= DOMAIN_LIMIT || depth > 2 {
        return;
    }
    if item.starts_with('/') {
        let Ok(lines) = look.lines(item) else { return };
        for (row, line) in table_source::logical(&lines) {
            for domain in items(&line) {
                member(class, &domain, item, Some(Evidence::at(item, row, &line)));
            }
        }
        return;
    }
    let unproxied = item.trim_start_matches("proxy:");
    let Some((ty, name)) = unproxied.split_once(':') else {
        member(class, item, spelled, None);
        return;
    };
    if ty == "inline" {
        let inner = name.trim_start_matches('{').trim_end_matches('}');
        for pair in items(inner) {
            let key = pair.split('=').next().unwrap_or_default().trim();
            member(class, key, item, None);
        }
        return;
    }
    if reads_parameters(ty) {
        class.ask.push(unproxied.to_owned());
        return;
    }
    if tables::index_suffix(ty).is_some() || ty == "texthash" {
        let Ok(lines) = look.lines(name) else { return };
        for entry in table_source::entries(&lines, false) {
            if !entry.key.contains('@') && entry.key.contains('.') {
                let text = format!("{} {}", entry.key, entry.value);
                member(class, &entry.key, item, Some(Evidence::at(name, entry.row, text)));
            }
        }
    }
    let _ = used;
}

fn member(class: &mut Class, domain: &str, spelled: &str, at: Option<Evidence>) {
    let domain = domain.to_ascii_lowercase();
    let plausible = !domain.is_empty()
        && !domain.starts_with(['.', '['])
        && domain.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if plausible && class.members.len() < DOMAIN_LIMIT {
        class.members.push(Member { domain, spelled: spelled.to_owned(), at });
    }
}

fn overlap(look: &Look<'_>, first: &Class, second: &Class) {
    // Before 3.0 relay_domains was $mydestination by default; that overlap is by design.
    if second.parameter == "relay_domains" && first.parameter == "mydestination" && second.place.line.is_none() {
        return;
    }
    let index: std::collections::HashMap<&str, &Member> =
        second.members.iter().map(|m| (m.domain.as_str(), m)).collect();
    let mut found = 0;
    for member in &first.members {
        let table_spelled;
        let (twin_as, at) = if let Some(twin) = index.get(member.domain.as_str()) {
            if first.parameter == "mydestination"
                && second.parameter == "relay_domains"
                && twin.spelled.contains("mydestination")
            {
                continue;
            }
            (twin.spelled.as_str(), twin.at.clone())
        } else if let Some(table) = asked(look, second, &member.domain) {
            table_spelled = table;
            (table_spelled.as_str(), None)
        } else {
            continue;
        };
        emit(look, first, second, &member.domain, (&member.spelled, member.at.clone()), (twin_as, at));
        found += 1;
        if found >= 20 {
            return;
        }
    }
    // The other way round: a plain list against a database.
    for twin in second.members.iter().take(50) {
        if !first.members.iter().any(|m| m.domain == twin.domain)
            && let Some(table) = asked(look, first, &twin.domain)
        {
            emit(look, first, second, &twin.domain, (&table, None), (&twin.spelled, twin.at.clone()));
        }
    }
}

/// Asks the database tables of a class for the domain; a few questions only.
fn asked(look: &Look<'_>, class: &Class, domain: &str) -> Option<String> {
    if look.allowed < PROBE_HOST || !domain.contains('.') {
        return None;
    }
    class.ask.iter().take(2).find_map(|table| {
        let run = Run::new("postmap", &["-q", domain, table]).limit(std::time::Duration::from_secs(3));
        look.run(&run).ok().filter(|ran| ran.ok() && !ran.stdout.is_empty()).map(|_| table.clone())
    })
}

fn emit(
    look: &Look<'_>,
    first: &Class,
    second: &Class,
    domain: &str,
    first_as: (&str, Option<Evidence>),
    second_as: (&str, Option<Evidence>),
) {
    let mut seen = first.place.mark_main(
        Observation::now("domain-in-two-classes")
            .with("domain", domain)
            .with("first", first.parameter)
            .with("second", second.parameter)
            .with("first_as", first_as.0)
            .with("second_as", second_as.0),
    );
    seen.evidence.extend(first_as.1);
    seen.evidence.push(second.place.evidence());
    seen.evidence.extend(second_as.1);
    look.emit(seen);
}

/// virtual(8) needs a base directory, a mailbox table, a user id and a group id.
fn virtual_delivery(look: &Look<'_>) {
    let domains = look.text("virtual_mailbox_domains");
    let transport = look.text("virtual_transport");
    let Some(set) = look.value("virtual_mailbox_domains", None).filter(|u| u.place.line.is_some()) else { return };
    // The default value is $virtual_mailbox_maps; nothing set is nothing to deliver.
    if domains.trim().is_empty() || !(transport == "virtual" || transport.starts_with("virtual:")) {
        return;
    }
    for name in ["virtual_mailbox_maps", "virtual_uid_maps", "virtual_gid_maps", "virtual_mailbox_base"] {
        if look.text(name).trim().is_empty() {
            look.emit(
                set.place.mark_main(
                    Observation::now("virtual-delivery-incomplete")
                        .with("parameter", name)
                        .with("domains", domains.as_str()),
                ),
            );
        }
    }
    let minimum: Option<i64> = look.text("virtual_minimum_uid").trim().parse().ok();
    if let (Some(minimum), Some(uids)) = (minimum, look.value("virtual_uid_maps", None))
        && let Some(uid) = uids.value.trim().strip_prefix("static:").and_then(|u| u.parse::<i64>().ok())
        && uid < minimum
    {
        look.emit(
            uids.place.mark_main(Observation::now("virtual-uid-too-low").with("uid", uid).with("minimum", minimum)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{observe_config, only};

    #[test]
    fn two_classes_with_the_same_domain() {
        let seen = observe_config(
            "myhostname = mail.example.org\nmydestination = $myhostname, example.org\n\
             virtual_mailbox_domains = Example.org\nrelay_domains = example.net\n",
            "",
        );
        let found = only(&seen, "domain-in-two-classes");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].fields["first"].to_string(), "mydestination");
        assert_eq!(found[0].fields["second"].to_string(), "virtual_mailbox_domains");
        assert_eq!(found[0].evidence.len(), 2);
    }

    #[test]
    fn relay_domains_may_repeat_mydestination_by_reference() {
        let seen = observe_config("mydestination = example.org\nrelay_domains = $mydestination\n", "");
        assert!(only(&seen, "domain-in-two-classes").is_empty());
    }

    #[test]
    fn virtual_needs_ids() {
        let seen = observe_config(
            "virtual_mailbox_domains = example.org\nvirtual_mailbox_maps = hash:/x\nvirtual_mailbox_base = /v\n\
             virtual_uid_maps = static:50\n",
            "",
        );
        assert_eq!(only(&seen, "virtual-delivery-incomplete").len(), 1);
        assert_eq!(only(&seen, "virtual-uid-too-low").len(), 1);
    }
}
