//! What cleanup(8) does to addresses before they are queued: canonical(5), masquerading, virtual(5), copies.

use std::collections::BTreeSet;

use super::desk::{Desk, Param};
use super::find::{Found, Strategy, find, trouble};
use super::model::{End, Hit, Mapped, Step};
use super::rewrite::complete;
use super::words::of_hit;
use crate::evidence::Evidence;
use crate::postfix::mail_address::{addresses, domain, split};

const BY: &str = "cleanup";
/// A canonical result is looked up again, so often at most.
const MOST_CANONICAL: usize = 10;

/// The envelope recipient as it is queued.
pub(super) fn recipient(desk: &Desk<'_>, address: &str) -> Mapped {
    let mut mapped = Mapped::default();
    let written = complete(desk, address, &mut mapped.steps);
    let written = one_to_one(desk, &written, "recipient", &mut mapped);
    if mapped.stuck.is_none() {
        expand(desk, &written, &mut mapped);
    }
    if mapped.stuck.is_some() {
        mapped.recipients = vec![written];
        return mapped;
    }
    if mapped.recipients != [address.to_owned()] && mapped.steps.is_empty() {
        mapped.steps.push(Step::new("rewriting", format!("{address} -> {}", mapped.recipients.join(", "))));
    }
    copies(desk, "recipient_bcc_maps", &written, &mut mapped.steps);
    if let Some(sender) = &desk.sender {
        copies(desk, "sender_bcc_maps", sender, &mut mapped.steps);
    }
    let always = desk.by("always_bcc", BY);
    if !always.is_empty() {
        mapped.steps.push(Step::new("always_bcc", format!("a copy goes to {}", always.text)).at(always.at));
    }
    unmapped_services(desk, &mut mapped.steps);
    mapped
}

/// The envelope sender as it is queued.
pub(super) fn sender(desk: &Desk<'_>, address: &str) -> (Vec<Step>, String) {
    let mut mapped = Mapped::default();
    if address.is_empty() || address == "<>" {
        return (Vec::new(), String::new());
    }
    let written = complete(desk, address, &mut mapped.steps);
    let written = one_to_one(desk, &written, "sender", &mut mapped);
    (mapped.steps, written)
}

/// canonical maps and masquerading of an envelope address; `role` is `sender` or `recipient`.
fn one_to_one(desk: &Desk<'_>, address: &str, role: &str, mapped: &mut Mapped) -> String {
    let class = format!("envelope_{role}");
    let classes = |name: &str| desk.by(name, BY).items().iter().any(|c| c.eq_ignore_ascii_case(&class));
    let mut address = address.to_owned();
    for (maps, list) in [
        (format!("{role}_canonical_maps"), format!("{role}_canonical_classes")),
        ("canonical_maps".to_owned(), "canonical_classes".to_owned()),
    ] {
        if classes(&list) {
            address = canonical(desk, &address, &maps, mapped);
        }
    }
    if classes("masquerade_classes") {
        address = masquerade(desk, &address, &mut mapped.steps);
    }
    address
}

fn canonical(desk: &Desk<'_>, address: &str, parameter: &str, mapped: &mut Mapped) -> String {
    let maps = desk.by(parameter, BY);
    let keep = desk.propagates("canonical");
    let mut address = address.to_owned();
    for _ in 0..MOST_CANONICAL {
        let found = find(desk, &maps.items(), &address, Strategy::Rewriting, false);
        mapped.trouble(parameter, &found, &maps);
        let Found::Hit(hit) = found else { return address };
        let Some(new) = results(desk, &hit, &address, keep).into_iter().next() else { return address };
        let same = new.eq_ignore_ascii_case(&address);
        mapped.steps.push(mapped_by(parameter, &address, &new, *hit, &maps));
        address = new;
        if same {
            return address;
        }
    }
    mapped.steps.push(Step::new(parameter, format!("gives up after {MOST_CANONICAL} rounds at {address}")));
    address
}

impl Mapped {
    /// A table that is broken stops cleanup(8); one that cannot be asked leaves open what comes after.
    fn trouble(&mut self, parameter: &str, found: &Found, maps: &Param) {
        self.steps.extend(trouble(parameter, found).map(|step| step.at(maps.at.clone())));
        if matches!(found, Found::Broken { .. }) {
            let text = format!("not accepted, the client tries again later: {parameter} cannot be used");
            self.stuck = Some((End::Defer, text));
        }
    }
}

fn mapped_by(parameter: &str, from: &str, to: &str, hit: Hit, maps: &Param) -> Step {
    Step::new(parameter, format!("{from} -> {to}: {}", of_hit(&hit))).at(maps.at.clone()).hit(hit)
}

/// The addresses in a result: `@other.example` keeps the user, the unmatched extension is kept if so configured.
pub(super) fn results(desk: &Desk<'_>, hit: &Hit, address: &str, keep_extension: bool) -> Vec<String> {
    if hit.value.starts_with('@') {
        let (local, _) = split(address);
        let user = local.strip_suffix(hit.extension.as_str()).unwrap_or(local);
        // Postfix takes all that follows for the domain of one address, more addresses included.
        if hit.value.contains([',', ' ', '\t']) {
            let whole = format!("{user}{}", hit.value);
            let (front, domain) = whole.rsplit_once('@').unwrap_or((&whole, ""));
            return vec![format!("\"{front}\"@{domain}")];
        }
        return vec![with_extension(
            &complete(desk, &format!("{user}{}", hit.value), &mut Vec::new()),
            hit,
            keep_extension,
        )];
    }
    addresses(&hit.value)
        .iter()
        .map(|one| with_extension(&complete(desk, one, &mut Vec::new()), hit, keep_extension))
        .collect()
}

fn with_extension(address: &str, hit: &Hit, keep: bool) -> String {
    match split(address) {
        (local, Some(domain)) if keep && !hit.extension.is_empty() => format!("{local}{}@{domain}", hit.extension),
        _ => address.to_owned(),
    }
}

fn masquerade(desk: &Desk<'_>, address: &str, steps: &mut Vec<Step>) -> String {
    let domains = desk.by("masquerade_domains", BY);
    let exceptions = desk.by("masquerade_exceptions", BY);
    let (local, Some(_)) = split(address) else { return address.to_owned() };
    if domains.is_empty() || exceptions.items().iter().any(|e| e.eq_ignore_ascii_case(local)) {
        return address.to_owned();
    }
    let domain = domain(address);
    for item in domains.items() {
        let bare = item.trim_start_matches('!').to_lowercase();
        let truncate = item.chars().take_while(|c| *c == '!').count() % 2 == 0;
        if domain == bare {
            break;
        }
        if !bare.is_empty() && domain.ends_with(&format!(".{bare}")) {
            if truncate {
                let new = format!("{local}@{bare}");
                steps.push(Step::new("masquerade_domains", format!("{address} -> {new}")).at(domains.at));
                return new;
            }
            break;
        }
    }
    address.to_owned()
}

/// virtual(5), again and again, as cleanup(8) walks through the growing list.
fn expand(desk: &Desk<'_>, address: &str, mapped: &mut Mapped) {
    const PARAMETER: &str = "virtual_alias_maps";
    let maps = desk.by(PARAMETER, BY);
    let keep = desk.propagates("virtual");
    let number = |name: &str, default: usize| desk.by(name, BY).text.parse().unwrap_or(default);
    let (most, deepest) =
        (number("virtual_alias_expansion_limit", 1000), number("virtual_alias_recursion_limit", 1000));
    let (most, deepest) = (most.min(2000), deepest.min(1000));
    let mut all = vec![address.to_owned()];
    let mut done: BTreeSet<String> = BTreeSet::new();
    let mut at = 0;
    while at < all.len() {
        if all.len() > most {
            return too_much(mapped, address, "virtual_alias_expansion_limit", desk);
        }
        let mut chain: BTreeSet<String> = BTreeSet::new();
        while !done.contains(&all[at].to_lowercase()) {
            // The same again: it would go on so until the limit is reached.
            if !chain.insert(all[at].to_lowercase()) || chain.len() > deepest {
                return too_much(mapped, address, "virtual_alias_recursion_limit", desk);
            }
            let found = find(desk, &maps.items(), &all[at], Strategy::Rewriting, false);
            mapped.trouble(PARAMETER, &found, &maps);
            let Found::Hit(hit) = found else { break };
            let new = results(desk, &hit, &all[at], keep);
            let from = all[at].clone();
            mapped.steps.push(mapped_by(PARAMETER, &from, &new.join(", "), *hit, &maps));
            let Some((first, more)) = new.split_first() else { break };
            all[at].clone_from(first);
            all.extend(more.iter().cloned());
            // An address may stand for itself once.
            if new.iter().any(|one| one.eq_ignore_ascii_case(&from)) {
                done.insert(from.to_lowercase());
            }
        }
        at += 1;
    }
    for one in all {
        if !mapped.recipients.iter().any(|r| r.eq_ignore_ascii_case(&one)) {
            mapped.recipients.push(one);
        }
    }
}

fn too_much(mapped: &mut Mapped, address: &str, limit: &str, desk: &Desk<'_>) {
    let step = Step::new(limit, format!("{address} expands without end"));
    mapped.steps.push(step.at(desk.by(limit, BY).at));
    mapped.stuck =
        Some((End::Defer, "not accepted, the client tries again later: 4.6.0 Alias expansion error".to_owned()));
}

fn copies(desk: &Desk<'_>, parameter: &str, address: &str, steps: &mut Vec<Step>) {
    let maps = desk.by(parameter, BY);
    let found = find(desk, &maps.items(), address, Strategy::Rewriting, false);
    steps.extend(trouble(parameter, &found).map(|step| step.at(maps.at.clone())));
    if let Found::Hit(hit) = found {
        let text = format!("a copy goes to {}: {}", hit.value, of_hit(&hit));
        steps.push(Step::new(parameter, text).at(maps.at).hit(*hit));
    }
}

/// Services whose mail is not mapped, or goes through another cleanup(8).
fn unmapped_services(desk: &Desk<'_>, steps: &mut Vec<Step>) {
    for service in desk.config.master.services.iter().filter(|s| matches!(s.program(), "smtpd" | "pickup" | "qmqpd")) {
        let name = format!("{}/{}", service.name, service.kind);
        let options = desk.of("receive_override_options", Some(service));
        if options.items().iter().any(|o| o == "no_address_mappings") {
            let text =
                format!("mail that comes in by {name} is not mapped: no canonical, masquerade, virtual or bcc maps");
            steps.push(Step::new("receive_override_options", text).at(options.at));
        }
        let filter = desk.of("content_filter", Some(service));
        if !filter.is_empty() {
            let text = format!(
                "mail that comes in by {name} goes to {} first, and by what is below when it comes back",
                filter.text
            );
            steps.push(Step::new("content_filter", text).at(filter.at));
        }
        let cleanup = desk.of("cleanup_service_name", Some(service));
        let other = desk.config.master.services.iter().find(|s| s.name == cleanup.text && s.program() == "cleanup");
        if let Some(other) = other.filter(|o| desk.service_of("cleanup").is_some_and(|first| first.line != o.line)) {
            let at: Evidence = desk.line_of(other);
            let text = format!(
                "mail that comes in by {name} is mapped by the service {} with settings of its own",
                other.name
            );
            steps.push(Step::new("cleanup_service_name", text).at(cleanup.at).at(at));
        }
    }
}
