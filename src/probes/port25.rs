//! Is it one dead peer, or is outbound port 25 closed for all?

use super::common::instance;
use super::connect::{packet_filter, try_all, words};
use super::{Args, Context, Outcome, ProbeKind, bool, int, list, text};
use crate::evidence::{CONTACT_OTHERS, Field};
use crate::host::{Connected, Run};
use crate::state::{programs, resolv};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "port25",
    level: CONTACT_OTHERS,
    doc: "Tries TCP 25 of several destinations and looks for a packet filter that stops it.",
    args: &[],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("any_open", "at least one destination accepted a connection"),
    bool("all_timeout", "no destination answered, and at least two were tried"),
    bool("all_refused", "all refused"),
    bool("v4_open", "one of the IPv4 destinations accepted"),
    bool("v4_timeout", "all IPv4 destinations timed out"),
    bool("v6_open", "one of the IPv6 destinations accepted"),
    bool("v6_timeout", "all IPv6 destinations timed out"),
    bool("v6_unreachable", "there is no route over IPv6"),
    bool("other_ports_open", "a destination takes connections on another port (443, 587), so only 25 is closed"),
    bool("firewall_drops", "a packet filter rule of this host stops port 25"),
    text("firewall_rule", "its text"),
    list("tried", "destinations and how each ended"),
    int("count", "how many were tried"),
];

fn run(ctx: &Context<'_>, _args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    packet_filter(host, &mut out, 25);
    if ctx.allowed < CONTACT_OTHERS {
        return out;
    }
    let mut peers = destinations(ctx);
    peers.truncate(6);
    if peers.is_empty() {
        return out;
    }
    let wanted: Vec<SocketAddr> = peers.iter().map(|ip| SocketAddr::new(*ip, 25)).collect();
    let tried = try_all(host, &wanted, Duration::ZERO);
    if tried.is_empty() {
        return out;
    }
    out.set("count", tried.len() as i64);
    out.set("tried", tried.iter().map(|(p, r)| format!("{p}: {}", words(r))).collect::<Vec<_>>());
    for (peer, result) in &tried {
        out.saw(format!("connect {peer}"), words(result));
    }
    let open = |r: &Connected| matches!(r, Connected::Open { .. });
    let timed_out = |r: &Connected| matches!(r, Connected::TimedOut);
    out.set("any_open", tried.iter().any(|(_, r)| open(r)));
    out.set("all_timeout", tried.len() > 1 && tried.iter().all(|(_, r)| timed_out(r)));
    out.set("all_refused", tried.len() > 1 && tried.iter().all(|(_, r)| matches!(r, Connected::Refused)));
    for (v4, ok, late) in [(true, "v4_open", "v4_timeout"), (false, "v6_open", "v6_timeout")] {
        let family: Vec<&Connected> = tried.iter().filter(|(p, _)| p.is_ipv4() == v4).map(|(_, r)| r).collect();
        if !family.is_empty() {
            out.set(ok, family.iter().any(|r| open(r)));
            out.set(late, family.iter().all(|r| timed_out(r)));
            if !v4 {
                out.set("v6_unreachable", family.iter().all(|r| matches!(r, Connected::Unreachable(_))));
            }
        }
    }
    if out.is("v6_unreachable").is_none()
        && let Some(route) = super::interface::default_route(host, 6)
    {
        out.set("v6_unreachable", !route);
    }
    if tried.iter().all(|(_, r)| timed_out(r)) {
        let others: Vec<SocketAddr> =
            wanted.iter().take(3).flat_map(|p| [587, 443].map(|port| SocketAddr::new(p.ip(), port))).collect();
        // A refusal also shows that packets come and go.
        let passes = |r: &Connected| open(r) || matches!(r, Connected::Refused);
        out.set("other_ports_open", try_all(host, &others, Duration::ZERO).iter().any(|(_, r)| passes(r)));
    }
    out
}

/// Peers that failed by log and queue, the relayhost, then peers of other destinations, without repetition.
fn destinations(ctx: &Context<'_>) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    // Port 25 of this host itself is open whatever the provider does.
    let own = super::interface::own_addresses(ctx.server.host).unwrap_or_default();
    let mut add = |ip: IpAddr| {
        if !found.contains(&ip) && !ip.is_loopback() && !own.contains(&ip) {
            found.push(ip);
        }
    };
    if let Some(log) = ctx.log {
        let texts = log.groups.iter().flat_map(|g| &g.samples).chain(log.unknown.iter().map(|c| &c.sample));
        texts.take(2000).filter_map(|s| peer_in(&s.text)).take(4).for_each(&mut add);
    }
    if let Ok(ran) = ctx.server.host.run(&Run::new("postqueue", &["-j"]).limit(Duration::from_secs(5))) {
        ran.out().lines().take(500).filter_map(peer_in).take(4).for_each(&mut add);
    }
    if found.len() < 4 {
        for ip in by_name(ctx) {
            if !found.contains(&ip) && !ip.is_loopback() && !own.contains(&ip) {
                found.push(ip);
            }
        }
    }
    // One address of each kind of peer says more than many of the same host.
    let mut by_net: BTreeMap<String, u32> = BTreeMap::new();
    found.retain(|ip| {
        let count = by_net.entry(net_of(*ip)).or_default();
        *count += 1;
        *count <= 3
    });
    found
}

fn net_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(a) => format!("{}.{}.{}", a.octets()[0], a.octets()[1], a.octets()[2]),
        IpAddr::V6(a) => format!("{:x}:{:x}:{:x}", a.segments()[0], a.segments()[1], a.segments()[2]),
    }
}

/// `connect to mx.example.net[198.51.100.1]:25: Connection timed out`, `relay=mx[198.51.100.1]:25`.
fn peer_in(text: &str) -> Option<IpAddr> {
    let end = text.find("]:25")?;
    text.get(end + 4..).filter(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))?;
    let start = text[..end].rfind('[')?;
    text[start + 1..end].parse().ok()
}

fn by_name(ctx: &Context<'_>) -> Vec<IpAddr> {
    let host = ctx.server.host;
    let mut found = Vec::new();
    if let Some(relay) = instance(ctx).map(|i| i.config.text("relayhost")).filter(|r| !r.is_empty()) {
        let name = relay.split(']').next().unwrap_or(&relay).trim_start_matches('[');
        let name = name.split(':').next().unwrap_or(name);
        found.extend(programs::addresses_of(host, name).unwrap_or_default());
    }
    let Some(log) = ctx.log else { return found };
    let conf = resolv::read(host, "/etc/resolv.conf").unwrap_or_default();
    let mut domains: Vec<_> = log.deliveries.iter().filter(|(d, _)| d.contains('.')).collect();
    domains.sort_by_key(|(_, n)| std::cmp::Reverse(n.sent + n.deferred + n.bounced));
    for (domain, _) in domains.into_iter().take(3) {
        let answers = super::dns::ask_all(host, &conf.sockets(), domain, "MX");
        let target = answers.iter().filter_map(|(_, a)| a.as_ref()).flat_map(|a| &a.records).next();
        if let Some(target) = target.and_then(|r| r.split_whitespace().nth(1)) {
            found.extend(programs::addresses_of(host, target.trim_end_matches('.')).unwrap_or_default());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_peer_of_a_line() {
        let ip = |t| peer_in(t).map(|i| i.to_string());
        assert_eq!(ip("connect to mx.test[198.51.100.10]:25: Connection timed out").unwrap(), "198.51.100.10");
        assert_eq!(ip("connect to mx.test[2001:db8::1]:25: timed out").unwrap(), "2001:db8::1");
        assert!(ip("connect to mx.test[198.51.100.10]:2525: timed out").is_none());
        assert!(ip("]:25").is_none());
    }
}
