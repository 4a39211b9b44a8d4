//! What the delivery agent of a route does: the program that master.cf runs for the transport.

use super::desk::Desk;
use super::find::{Found, Strategy, find, find_plain, trouble};
use super::local;
use super::mapping::results;
use super::model::{Delivery, End, Route, Step};
use super::nexthop;
use super::words::of_hit;
use crate::postfix::master_cf::Service;

/// Adds the deliveries to the route. `before` are the addresses that were forwarded until here.
pub(super) fn deliver(desk: &Desk<'_>, route: &mut Route, before: &[String]) {
    let recipient = route.recipient.clone();
    let one =
        |end, target: String, steps| vec![Delivery { recipient: recipient.clone(), end, target, steps, onward: None }];
    let Some(transport) = route.transport.clone() else {
        let (end, target) = route.stuck.clone().unwrap_or((End::Unknown, "not known".to_owned()));
        route.deliveries = one(end, target, Vec::new());
        return;
    };
    let nexthop = route.nexthop.clone().unwrap_or_default();
    if desk.config.master.services.is_empty() {
        route.deliveries = without_master_cf(desk, route, &transport, &nexthop, before);
        return;
    }
    let Some(service) = desk.transport(&transport) else {
        let text = format!("master.cf has no service {transport} of type unix: mail waits");
        route.deliveries =
            one(End::Defer, format!("no service {transport} in master.cf"), vec![Step::new("master.cf", text)]);
        return;
    };
    let program = service.program();
    route.steps.push(Step::new("master.cf", format!("{transport} runs {program}")).at(desk.line_of(service)));
    route.deliveries = if program == "local" {
        local::deliver(desk, service, route, before)
    } else {
        let (end, target, steps) = by_program(desk, service, program, &recipient, &nexthop);
        one(end, target, steps)
    };
}

/// A pasted main.cf: the standard services do what they usually do.
fn without_master_cf(
    desk: &Desk<'_>,
    route: &Route,
    transport: &str,
    nexthop: &str,
    before: &[String],
) -> Vec<Delivery> {
    let program = match transport {
        "relay" => "smtp",
        name @ ("smtp" | "lmtp" | "local" | "virtual" | "error" | "retry" | "discard") => name,
        _ => "",
    };
    let service = Service { name: transport.to_owned(), command: program.to_owned(), ..Service::default() };
    if program == "local" {
        return local::deliver(desk, &service, route, before);
    }
    let (end, target, steps) = by_program(desk, &service, program, &route.recipient, nexthop);
    vec![Delivery { recipient: route.recipient.clone(), end, target, steps, onward: None }]
}

fn by_program(
    desk: &Desk<'_>,
    service: &Service,
    program: &str,
    recipient: &str,
    nexthop: &str,
) -> (End, String, Vec<Step>) {
    match program {
        "smtp" | "lmtp" => {
            let lmtp = program == "lmtp";
            let mut steps = generic(desk, service, lmtp, recipient);
            let (end, servers, more) = nexthop::servers(desk, service, nexthop, lmtp);
            steps.extend(more);
            (end, servers, steps)
        }
        "virtual" => virtual_mailbox(desk, service, recipient),
        "error" if service.name == "retry" => (End::Defer, nexthop.to_owned(), Vec::new()),
        "error" => (End::Bounce, nexthop.to_owned(), Vec::new()),
        "retry" => (End::Defer, nexthop.to_owned(), Vec::new()),
        "discard" => (End::Discard, nexthop.to_owned(), Vec::new()),
        "pipe" => {
            let words = service.args.iter().skip_while(|arg| !arg.starts_with("argv=")).cloned().collect::<Vec<_>>();
            let command = words.join(" ").trim_start_matches("argv=").to_owned();
            let user = service.args.iter().find_map(|arg| arg.strip_prefix("user="));
            let steps = user.map(|user| Step::new("user", format!("the command runs as {user}"))).into_iter().collect();
            (End::Command, command, steps)
        }
        "" => (End::Unknown, format!("the service {}, next hop {nexthop}", service.name), Vec::new()),
        other => (End::Transport, format!("{other}, next hop {nexthop}"), Vec::new()),
    }
}

/// smtp(8) writes addresses anew on their way out.
fn generic(desk: &Desk<'_>, service: &Service, lmtp: bool, recipient: &str) -> Vec<Step> {
    let parameter = if lmtp { "lmtp_generic_maps" } else { "smtp_generic_maps" };
    let maps = desk.of(parameter, Some(service));
    let keep = desk.propagates("generic");
    let mut steps = Vec::new();
    let mut both = vec![("recipient", recipient.to_owned())];
    both.extend(desk.sender.clone().filter(|s| !s.is_empty()).map(|s| ("sender", s)));
    for (role, address) in both {
        let found = find(desk, &maps.items(), &address, Strategy::Rewriting, false);
        steps.extend(trouble(parameter, &found).map(|step| step.at(maps.at.clone())));
        if let Found::Hit(hit) = found {
            let new = results(desk, &hit, &address, keep).join(", ");
            let text = format!("{role} {address} -> {new} on the way out: {}", of_hit(&hit));
            steps.push(Step::new(parameter, text).at(maps.at.clone()).hit(*hit));
        }
    }
    steps
}

fn virtual_mailbox(desk: &Desk<'_>, service: &Service, recipient: &str) -> (End, String, Vec<Step>) {
    const PARAMETER: &str = "virtual_mailbox_maps";
    let maps = desk.of(PARAMETER, Some(service));
    let found = find_plain(desk, &maps.items(), recipient, Strategy::Rewriting, false);
    if let Some(step) = trouble(PARAMETER, &found) {
        let end = if matches!(found, Found::Broken { .. }) { End::Defer } else { End::Unknown };
        return (end, "the mailbox could not be looked up".to_owned(), vec![step.at(maps.at)]);
    }
    let Found::Hit(hit) = found else {
        let text = format!("no entry for {recipient}: it is returned as unknown");
        return (End::Bounce, format!("unknown user: \"{recipient}\""), vec![Step::new(PARAMETER, text).at(maps.at)]);
    };
    let base = desk.of("virtual_mailbox_base", Some(service));
    let path = format!("{}/{}", base.text.trim_end_matches('/'), hit.value);
    let end = if path.ends_with('/') { End::Maildir } else { End::Mailbox };
    let step = Step::new(PARAMETER, format!("{path}: {}", of_hit(&hit))).at(maps.at).hit(*hit).at(base.at);
    (end, path, vec![step])
}
