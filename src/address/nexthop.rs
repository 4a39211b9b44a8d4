//! What the SMTP and LMTP clients make of a next hop: MX records or only an address, which port, which hosts.

use std::time::Duration;

use super::desk::Desk;
use super::model::{End, Step};
use crate::evidence::{CONTACT_OTHERS, Evidence};
use crate::host::Question;
use crate::postfix::expand::balanced_items;
use crate::postfix::master_cf::Service;
use crate::state::resolv;

/// Servers of a next hop that are named.
const SHOWN: usize = 4;

/// How it ends, the hosts in words, and what decides.
pub(super) fn servers(desk: &Desk<'_>, service: &Service, nexthop: &str, lmtp: bool) -> (End, String, Vec<Step>) {
    let mut steps = Vec::new();
    let mut end = End::Host;
    let items = balanced_items(nexthop);
    let words: Vec<String> = items.iter().map(|one| server(desk, service, one, lmtp, &mut steps, &mut end)).collect();
    let fallback = desk.of(if lmtp { "lmtp_fallback_relay" } else { "smtp_fallback_relay" }, Some(service));
    if !fallback.is_empty() {
        steps.push(
            Step::new("smtp_fallback_relay", format!("{} if none of them answers", fallback.text))
                .at(fallback.at.clone()),
        );
    }
    // With a second host to try nothing is decided by the first.
    let end = if items.len() > 1 || !fallback.is_empty() { End::Host } else { end };
    (end, words.join(", then "), steps)
}

fn server(desk: &Desk<'_>, service: &Service, one: &str, lmtp: bool, steps: &mut Vec<Step>, end: &mut End) -> String {
    if let Some(path) = one.strip_prefix("unix:") {
        return format!("the socket {path}");
    }
    let one = one.strip_prefix("inet:").unwrap_or(one);
    let (host, port) = match one.rsplit_once(':') {
        Some((host, port))
            if !host.is_empty() && !port.contains(']') && (host.ends_with(']') || !host.contains(':')) =>
        {
            (host, Some(port))
        }
        _ => (one, None),
    };
    let given = if lmtp { "lmtp_tcp_port" } else { "smtp_tcp_port" };
    let port =
        port.map_or_else(|| Some(desk.of(given, Some(service)).text).filter(|p| !p.is_empty()), |p| Some(p.to_owned()));
    let port = match port.as_deref() {
        Some("smtp") => "25".to_owned(),
        Some("submission") => "587".to_owned(),
        Some(other) => other.to_owned(),
        None => if lmtp { "24" } else { "25" }.to_owned(),
    };
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let no_dns = desk.of("smtp_dns_support_level", Some(service)).text == "disabled"
        || desk.of("disable_dns_lookups", Some(service)).is_yes();
    match bare {
        Some(name) => {
            let name = name.strip_prefix("IPv6:").unwrap_or(name);
            if !lmtp && name.parse::<std::net::IpAddr>().is_err() {
                steps.push(Step::new("next hop", format!("brackets: the address of {name} itself, no MX lookup")));
            }
            format!("{name}, port {port}")
        }
        None if lmtp => format!("{host}, port {port}"),
        None if no_dns => {
            steps.push(Step::new("next hop", format!("DNS is switched off: the address of {host}, no MX lookup")));
            format!("{host}, port {port}")
        }
        None => by_mx(desk, host, &port, steps, end),
    }
}

fn by_mx(desk: &Desk<'_>, domain: &str, port: &str, steps: &mut Vec<Step>, end: &mut End) -> String {
    let Some((rcode, records)) = ask(desk, domain) else {
        let step =
            Step::new("MX", format!("not known: the mail servers of {domain}")).ask(format!("dig +short MX {domain}"));
        steps.push(step);
        return format!("the MX hosts of {domain}, port {port}");
    };
    let mut hosts: Vec<(u32, &str)> = records
        .iter()
        .filter_map(|record| {
            let (preference, host) = record.trim().split_once(char::is_whitespace)?;
            Some((preference.parse().ok()?, host.trim().trim_end_matches('.')))
        })
        .collect();
    hosts.sort_unstable();
    let seen = |text: &str| Evidence::new(format!("MX {domain}"), text);
    if hosts.iter().any(|(_, host)| host.is_empty()) {
        steps.push(Step::new("MX", format!("{domain} accepts no mail (null MX): it is returned")).at(seen("0 .")));
        *end = End::Bounce;
        return format!("{domain} accepts no mail (null MX)");
    }
    let Some(best) = hosts.first() else {
        let (text, then) = match rcode.as_str() {
            "NOERROR" => (format!("{domain} has no MX record: its own address is used"), None),
            "NXDOMAIN" => (format!("{domain} does not exist in DNS"), Some(End::Bounce)),
            other => (format!("DNS answers {other} for {domain}: mail waits"), Some(End::Defer)),
        };
        steps.push(Step::new("MX", text).at(seen(&rcode)));
        if let Some(then) = then {
            *end = then;
            return format!("Host or domain name not found ({domain}: {rcode})");
        }
        return format!("{domain}, port {port}");
    };
    let own = desk.config.text("myhostname");
    if hosts.iter().any(|(_, host)| !own.is_empty() && host.eq_ignore_ascii_case(&own)) {
        let text = if best.1.eq_ignore_ascii_case(&own) {
            format!(
                "the best MX host of {domain} is this host, which does not take {domain} for its own: mail loops back to myself"
            )
        } else {
            format!("this host is one of the MX hosts of {domain}: only those before it are tried")
        };
        steps.push(Step::new("MX", text).at(seen(&records.join(", "))));
    }
    let shown: Vec<String> =
        hosts.iter().take(SHOWN).map(|(preference, host)| format!("{host} (MX {preference})")).collect();
    let more = if hosts.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}, port {port}", shown.join(", "))
}

fn ask(desk: &Desk<'_>, domain: &str) -> Option<(String, Vec<String>)> {
    if desk.allowed < CONTACT_OTHERS {
        return None;
    }
    let conf = resolv::read(desk.host, "/etc/resolv.conf").ok()?;
    conf.sockets().into_iter().find_map(|server| {
        let question = Question {
            server,
            name: domain.trim_end_matches('.').to_owned(),
            qtype: "MX".to_owned(),
            limit: Duration::from_secs(3),
        };
        desk.host.resolve(&question).ok().map(|answer| (answer.rcode, answer.records))
    })
}
