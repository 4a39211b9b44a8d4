//! Address class, transport and next hop, in the order of trivial-rewrite(8).

use super::desk::{Desk, Param};
use super::find::{Found, Strategy, find, find_plain, trouble};
use super::list::{Is, Member, Names, has, style};
use super::model::{End, Route, Step};
use super::own::is_own;
use super::rewrite::complete;
use super::words::of_hit;
use crate::evidence::Evidence;
use crate::postfix::mail_address::{problem, split};

const BY: &str = "trivial-rewrite";
/// Own domains stripped off an address such as `user%x%y@here`, at most.
const MOST_ROUNDS: usize = 50;

/// Where the recipient goes.
pub(super) fn resolve(desk: &Desk<'_>, recipient: &str) -> Route {
    let mut route = Route { recipient: without_own_routes(desk, recipient), ..Route::default() };
    if route.recipient != recipient {
        route.steps.push(Step::new("routed address", format!("{recipient} -> {}", route.recipient)));
    }
    if let Some(why) = problem(&route.recipient) {
        route.steps.push(Step::new("address", format!("{}: {why}; it is returned", route.recipient)));
        route.stuck = Some((End::Bounce, "bad address syntax".to_owned()));
        return route;
    }
    quoted_route(desk, &mut route);
    numeric(desk, &mut route);
    if route.stuck.is_some() {
        return route;
    }
    // The next hop keeps the capital letters of the address.
    let domain = split(&route.recipient).1.unwrap_or_default().to_owned();
    classify(desk, &mut route, &domain.to_ascii_lowercase());
    let Some(class) = route.class else { return route };
    default_way(desk, &mut route, class, &domain);
    if class != "virtual alias" {
        transport_maps(desk, &mut route, &domain);
    }
    relocated(desk, &mut route);
    if route.stuck.is_some() {
        route.transport = None;
        route.nexthop = None;
        return route;
    }
    if route.recipient.starts_with('-') && !desk.by("allow_min_user", BY).is_yes() {
        let step = Step::new("allow_min_user", "the address begins with a hyphen; it is returned: bad address syntax");
        route.steps.push(step.at(desk.by("allow_min_user", BY).at));
        route.transport = None;
        route.stuck = Some((End::Bounce, "bad address syntax".to_owned()));
    }
    route
}

/// `"ada@other.example"@here`: Postfix looks into the quotes for a route, and refuses what it finds.
fn quoted_route(desk: &Desk<'_>, route: &mut Route) {
    let (local, domain) = split(&route.recipient);
    let inside = desk.by("resolve_dequoted_address", BY);
    let routed = local.starts_with('"') && local.contains('@') && inside.is_yes();
    if routed && domain.is_some_and(|domain| matches!(is_own(desk, domain), Is::Yes(_))) {
        let text = "there is an @ inside the quotes: it is returned";
        route.steps.push(Step::new("resolve_dequoted_address", text).at(inside.at));
        route.stuck = Some((End::Bounce, "bad address syntax".to_owned()));
    }
}

/// An address where a domain should be: it belongs in brackets.
fn numeric(desk: &Desk<'_>, route: &mut Route) {
    let (local, domain) = split(&route.recipient);
    let Some(address) = domain.filter(|d| d.parse::<std::net::IpAddr>().is_ok()) else { return };
    let allowed = desk.by("resolve_numeric_domain", BY);
    if allowed.is_yes() {
        let new = format!("{local}@[{address}]");
        route.steps.push(Step::new("resolve_numeric_domain", format!("{} -> {new}", route.recipient)).at(allowed.at));
        route.recipient = new;
    } else {
        let text = format!("{address} is an address without brackets, no domain: it is returned");
        route.steps.push(Step::new("resolve_numeric_domain", text).at(allowed.at));
        route.stuck = Some((End::Bounce, "bad address syntax".to_owned()));
    }
}

/// `user%other.example@here` goes to other.example: own domains are stripped, and what is left is written anew.
fn without_own_routes(desk: &Desk<'_>, recipient: &str) -> String {
    let mut address = recipient.to_owned();
    for _ in 0..MOST_ROUNDS {
        let (local, Some(domain)) = split(&address) else {
            // Nothing has given it a domain: it is taken for a local one.
            return format!("{address}@{}", desk.by("myhostname", BY).text);
        };
        let routed = !local.starts_with('"')
            && (local.contains('@')
                || (local.contains('%') && desk.by("allow_percent_hack", BY).is_yes())
                || (local.contains('!') && desk.by("swap_bangpath", BY).is_yes()));
        if !routed || !matches!(is_own(desk, domain), Is::Yes(_)) {
            return address;
        }
        address = complete(desk, local, &mut Vec::new());
    }
    address
}

/// In this order; the first that has the domain wins.
const CLASSES: &[(&str, &str)] = &[
    ("local", "mydestination"),
    ("virtual alias", "virtual_alias_domains"),
    ("virtual mailbox", "virtual_mailbox_domains"),
    ("relay", "relay_domains"),
];

fn classify(desk: &Desk<'_>, route: &mut Route, domain: &str) {
    let mut also = Vec::new();
    for (class, parameter) in CLASSES {
        match in_class(desk, parameter, domain) {
            Is::Yes(member) if route.class.is_none() => {
                route.class = Some(class);
                route.steps.push(class_step(desk, class, parameter, domain, *member));
            }
            Is::Yes(member) => also.push((*parameter, *member)),
            Is::Unknown { why, ask } if route.class.is_none() => {
                let text = format!("not known: whether {parameter} has {domain}: {why}. Below: as if it had not");
                route.steps.push(Step::new(*parameter, text).at(desk.by(parameter, BY).at).ask(ask).open());
            }
            Is::No | Is::Unknown { .. } => {}
        }
    }
    let Some(class) = route.class else {
        route.class = Some("default");
        let text = if class_is_open(route) {
            format!("default: {domain} is in none of the lists that could be asked")
        } else {
            let lists: Vec<&str> = CLASSES.iter().map(|(_, parameter)| *parameter).collect();
            format!("default: {domain} is in none of {}", lists.join(", "))
        };
        route.steps.push(Step::new("class", text));
        return;
    };
    for (parameter, member) in also {
        // relay_domains was $mydestination by default once: that overlap is meant.
        if class == "local" && parameter == "relay_domains" {
            continue;
        }
        let text = format!("{domain} is in {parameter} as well; that does not count, because {class} comes first");
        let step = member.at.into_iter().fold(Step::new("two classes", text), Step::at);
        route.steps.push(step);
    }
}

/// Whether one of the lists of domains could not be asked.
pub(super) fn class_is_open(route: &Route) -> bool {
    route.steps.iter().any(|step| step.open && CLASSES.iter().any(|(_, parameter)| step.by == *parameter))
}

fn in_class(desk: &Desk<'_>, parameter: &str, domain: &str) -> Is {
    match parameter {
        "mydestination" => is_own(desk, domain),
        "relay_domains" => has(desk, &desk.by(parameter, BY), domain, style(desk, parameter)),
        _ => has(desk, &desk.by(parameter, BY), domain, Names::Exact),
    }
}

fn class_step(desk: &Desk<'_>, class: &str, parameter: &str, domain: &str, member: Member) -> Step {
    let of = match &member.hit {
        Some(hit) => format!(": {}", of_hit(hit)),
        None if member.item.eq_ignore_ascii_case(domain) => String::new(),
        None => format!(", as {}", member.item),
    };
    let at = if member.at.is_empty() { vec![desk.by(parameter, BY).at] } else { member.at };
    let step = Step::new("class", format!("{class}: {domain} is in {parameter}{of}"));
    let step = at.into_iter().fold(step, Step::at);
    match member.hit {
        Some(hit) => step.hit(hit),
        None => step,
    }
}

/// Transport and next hop of the class, before transport_maps.
fn default_way(desk: &Desk<'_>, route: &mut Route, class: &str, domain: &str) {
    match class {
        "virtual alias" => {
            route.transport = Some("error".to_owned());
            route.nexthop = Some("5.1.1 User unknown in virtual alias table".to_owned());
            let maps = desk.by("virtual_alias_maps", BY);
            let text = "no entry of virtual_alias_maps gives it another domain: it is returned as unknown";
            route.steps.push(Step::new("virtual_alias_maps", text).at(maps.at));
        }
        "local" => by_parameter(desk, route, "local_transport", domain),
        "virtual mailbox" => by_parameter(desk, route, "virtual_transport", domain),
        _ => {
            let given =
                if class == "relay" { None } else { by_sender(desk, route, "sender_dependent_default_transport_maps") };
            let host = relayhost(desk, route, domain);
            if let Some((value, step)) = given {
                set(route, &value, &host, step);
            } else {
                let name = if class == "relay" { "relay_transport" } else { "default_transport" };
                by_parameter(desk, route, name, &host);
            }
        }
    }
}

fn by_parameter(desk: &Desk<'_>, route: &mut Route, name: &str, nexthop: &str) {
    let value = desk.by(name, BY);
    let step = Step::new(name, String::new()).at(value.at.clone());
    if !value.known {
        route.steps.push(Step::new(name, "not known: the value was not collected").ask(format!("postconf -x {name}")));
        return;
    }
    set(route, &value.text, nexthop, step);
}

/// `transport:nexthop`: a next hop of its own counts more than the one so far.
fn set(route: &mut Route, value: &str, nexthop: &str, mut step: Step) {
    let (transport, own) = value.split_once(':').unwrap_or((value, ""));
    let nexthop = if own.is_empty() { nexthop } else { own };
    if step.text.is_empty() {
        step.text = format!("transport {transport}, next hop {nexthop}");
    }
    if transport.is_empty() {
        step.text = format!("{} names no transport: null transport is not allowed, mail waits", step.by);
        route.stuck = Some((End::Defer, "address resolver failure".to_owned()));
    } else {
        route.transport = Some(transport.to_owned());
        route.nexthop = Some(nexthop.to_owned());
    }
    route.steps.push(step);
}

/// A table of the sender; `DUNNO` and nothing mean that it has no say.
fn by_sender(desk: &Desk<'_>, route: &mut Route, parameter: &str) -> Option<(String, Step)> {
    let maps = desk.by(parameter, BY);
    if maps.is_empty() {
        return None;
    }
    let Some(sender) = &desk.sender else {
        let text = "depends on the sender; give it with --sender. Below: as if it had no entry";
        route.steps.push(Step::new(parameter, text).at(maps.at).open());
        return None;
    };
    let null = match parameter {
        "sender_dependent_relayhost_maps" => desk.by("empty_address_relayhost_maps_lookup_key", BY).text,
        _ => desk.by("empty_address_default_transport_maps_lookup_key", BY).text,
    };
    let key = if sender.is_empty() { null } else { sender.clone() };
    let found = find_plain(desk, &maps.items(), &key, Strategy::Rewriting, false);
    route.steps.extend(trouble(parameter, &found).map(|step| step.at(maps.at.clone())));
    stop(route, &found);
    let Found::Hit(hit) = found else { return None };
    if hit.value.eq_ignore_ascii_case("dunno") {
        return None;
    }
    let text = format!("{} for sender {key}: {}", hit.value, of_hit(&hit));
    Some((hit.value.clone(), Step::new(parameter, text).at(maps.at).hit(*hit)))
}

/// The relay host of the sender, else the one for all, else the domain itself.
fn relayhost(desk: &Desk<'_>, route: &mut Route, domain: &str) -> String {
    if let Some((host, step)) = by_sender(desk, route, "sender_dependent_relayhost_maps") {
        route.steps.push(step);
        return host;
    }
    let relayhost = desk.by("relayhost", BY);
    if relayhost.is_empty() {
        return domain.to_owned();
    }
    let host = relayhost.text.trim().to_owned();
    route.steps.push(Step::new("relayhost", format!("next hop {host} instead of {domain}")).at(relayhost.at));
    host
}

/// A broken table: the whole address cannot be resolved.
fn stop(route: &mut Route, found: &Found) {
    if matches!(found, Found::Broken { .. }) {
        route.stuck = Some((End::Defer, "address resolver failure".to_owned()));
    }
}

fn transport_maps(desk: &Desk<'_>, route: &mut Route, domain: &str) {
    const PARAMETER: &str = "transport_maps";
    let maps: Param = desk.by(PARAMETER, BY);
    let with_dot = style(desk, PARAMETER) != Names::Parents;
    for table in maps.items() {
        if let Some(at) = desk.tables.skipped(&table, &route.recipient) {
            let text = format!("{table}: this line is skipped, because $1 is not allowed in {PARAMETER}");
            route.steps.push(Step::new(PARAMETER, text).at(at));
        }
    }
    let found = find_plain(desk, &maps.items(), &route.recipient, Strategy::Transport, with_dot);
    route.steps.extend(trouble(PARAMETER, &found).map(|step| step.at(maps.at.clone())));
    stop(route, &found);
    let Found::Hit(hit) = found else { return };
    let (transport, nexthop) = hit.value.split_once(':').unwrap_or((&hit.value, ""));
    let (transport, nexthop) = (transport.to_owned(), nexthop.to_owned());
    let error = matches!(transport.as_str(), "error" | "retry");
    if transport.is_empty() {
        if !nexthop.is_empty() {
            route.nexthop = Some(nexthop);
        }
    } else {
        route.transport = Some(transport);
        route.nexthop = Some(match (nexthop.is_empty(), error) {
            (false, _) => nexthop,
            (true, false) => domain.to_owned(),
            (true, true) => "Address is undeliverable".to_owned(),
        });
    }
    let text = format!(
        "transport {}, next hop {}: {}",
        route.transport.as_deref().unwrap_or("(not known)"),
        route.nexthop.as_deref().unwrap_or("(not known)"),
        of_hit(&hit)
    );
    route.steps.push(Step::new(PARAMETER, text).at(maps.at).hit(*hit));
}

fn relocated(desk: &Desk<'_>, route: &mut Route) {
    const PARAMETER: &str = "relocated_maps";
    let maps = desk.by(PARAMETER, BY);
    let found = find(desk, &maps.items(), &route.recipient, Strategy::Rewriting, false);
    let at: Evidence = maps.at.clone();
    route.steps.extend(trouble(PARAMETER, &found).map(|step| step.at(at)));
    stop(route, &found);
    if let Found::Hit(hit) = found {
        let text = format!("it is returned: User has moved to {}: {}", hit.value, of_hit(&hit));
        route.transport = Some("error".to_owned());
        route.nexthop = Some(format!("5.1.6 User has moved to {}", hit.value));
        route.steps.push(Step::new(PARAMETER, text).at(maps.at).hit(*hit));
    }
}
