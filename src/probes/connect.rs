//! One destination: which address answers, and how.

use super::common::arg;
use super::{Args, Context, Outcome, ProbeKind, bool, list, text};
use crate::evidence::{CONTACT_OTHERS, Field};
use crate::host::{Connected, Host, Peer};
use crate::state::address::port_number;
use crate::state::{firewall, programs};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "connect",
    level: CONTACT_OTHERS,
    doc: "Connects to a host and port over IPv4 and IPv6 apart.",
    args: &[("host", true), ("port", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("resolves", "the host has an address"),
    list("addresses", "its addresses"),
    bool("open", "at least one address accepted"),
    bool("refused", "all that answered refused"),
    bool("timeout", "none answered"),
    bool("unreachable", "no route to any"),
    bool("v4_ok", "an IPv4 address accepted"),
    bool("v4_timeout", "all IPv4 addresses timed out"),
    bool("v6_ok", "an IPv6 address accepted"),
    bool("v6_timeout", "all IPv6 addresses timed out"),
    bool("v6_unreachable", "no route to the IPv6 addresses"),
    bool("has_v4", "it has an IPv4 address"),
    bool("has_v6", "it has an IPv6 address"),
    text("banner", "what it said first"),
    bool("greets", "it said something that is an SMTP greeting (220)"),
    bool("is_self", "the address is one of this host's"),
    bool("submission_open", "port 587 of it accepts"),
    bool("firewall_drops", "a packet filter rule of this host stops it"),
    text("firewall_rule", "its text"),
    list("tried", "addresses and how each ended"),
];

const CONNECT: Duration = Duration::from_secs(4);

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    let (Some(name), Some(port)) = (arg(args, "host"), arg(args, "port").and_then(port_number)) else { return out };
    if ctx.allowed < CONTACT_OTHERS {
        return out;
    }
    let addresses = addresses(host, name);
    if let Some(addresses) = &addresses {
        out.set("resolves", !addresses.is_empty());
        out.set("addresses", addresses.iter().map(ToString::to_string).collect::<Vec<_>>());
        out.set("has_v4", addresses.iter().any(IpAddr::is_ipv4));
        out.set("has_v6", addresses.iter().any(IpAddr::is_ipv6));
        if let Ok(own) = super::interface::own_addresses(host) {
            out.set("is_self", addresses.iter().any(|a| own.contains(a) || a.is_loopback()));
        }
    }
    let addresses = addresses.unwrap_or_default();
    let wanted: Vec<SocketAddr> = addresses.iter().take(6).map(|ip| SocketAddr::new(*ip, port)).collect();
    let tried = try_all(host, &wanted, Duration::from_secs(3));
    summarize(&mut out, &tried);
    if out.is("open") != Some(true) {
        packet_filter(host, &mut out, port);
        if port == 25 {
            let other: Vec<SocketAddr> = addresses.iter().take(2).map(|ip| SocketAddr::new(*ip, 587)).collect();
            let open = try_all(host, &other, Duration::ZERO).iter().any(|(_, r)| matches!(r, Connected::Open { .. }));
            out.set("submission_open", open);
        }
    }
    out
}

/// By number, by `[number]`, or by the host's name service.
fn addresses(host: &dyn Host, name: &str) -> Option<Vec<IpAddr>> {
    let bare = name.trim_matches(['[', ']']);
    programs::addresses_of(host, bare.strip_prefix("IPv6:").unwrap_or(bare))
}

/// Connects to all at once.
pub(super) fn try_all(host: &dyn Host, peers: &[SocketAddr], listen: Duration) -> Vec<(SocketAddr, Connected)> {
    std::thread::scope(|scope| {
        let running: Vec<_> =
            peers.iter().map(|p| scope.spawn(move || (*p, host.connect(&Peer::Tcp(*p), CONNECT, listen)))).collect();
        running.into_iter().filter_map(|r| r.join().ok()).filter_map(|(p, r)| r.ok().map(|r| (p, r))).collect()
    })
}

/// How a connection ended, in words.
pub(super) fn words(result: &Connected) -> String {
    match result {
        Connected::Open { said, .. } if said.is_empty() => "accepted, said nothing".to_owned(),
        Connected::Open { said, .. } => {
            format!("accepted: {}", String::from_utf8_lossy(said).lines().next().unwrap_or_default())
        }
        Connected::Refused => "refused".to_owned(),
        Connected::TimedOut => "no answer in 4 s".to_owned(),
        Connected::Unreachable(why) => format!("unreachable: {why}"),
        Connected::Missing => "no such socket".to_owned(),
        Connected::Denied => "permission denied".to_owned(),
        Connected::Failed(why) => why.clone(),
    }
}

fn summarize(out: &mut Outcome, tried: &[(SocketAddr, Connected)]) {
    if tried.is_empty() {
        return;
    }
    for (peer, result) in tried {
        out.saw(format!("connect {peer}"), words(result));
    }
    out.set(
        "tried",
        tried.iter().map(|(p, r)| crate::evidence::printable(&format!("{p}: {}", words(r)))).collect::<Vec<_>>(),
    );
    let open = |r: &Connected| matches!(r, Connected::Open { .. });
    let any_open = tried.iter().any(|(_, r)| open(r));
    out.set("open", any_open);
    out.set("refused", !any_open && tried.iter().any(|(_, r)| matches!(r, Connected::Refused)));
    out.set("timeout", tried.iter().all(|(_, r)| matches!(r, Connected::TimedOut)));
    out.set("unreachable", tried.iter().all(|(_, r)| matches!(r, Connected::Unreachable(_))));
    for (v4, ok, timeout) in [(true, "v4_ok", "v4_timeout"), (false, "v6_ok", "v6_timeout")] {
        let family: Vec<&Connected> = tried.iter().filter(|(p, _)| p.is_ipv4() == v4).map(|(_, r)| r).collect();
        if !family.is_empty() {
            out.set(ok, family.iter().any(|r| open(r)));
            out.set(timeout, family.iter().all(|r| matches!(r, Connected::TimedOut)));
            if !v4 {
                out.set("v6_unreachable", family.iter().all(|r| matches!(r, Connected::Unreachable(_))));
            }
        }
    }
    if let Some((_, Connected::Open { said, .. })) = tried.iter().find(|(_, r)| open(r)) {
        let banner = crate::evidence::printable(String::from_utf8_lossy(said).lines().next().unwrap_or_default());
        out.set("greets", banner.starts_with("220"));
        out.set("banner", banner);
    }
}

/// Whether this host's own packet filter stops the port.
pub(super) fn packet_filter(host: &dyn Host, out: &mut Outcome, port: u16) {
    match firewall::stops(host, port, firewall::Way::Out) {
        Ok(stops) => {
            let stop = stops.iter().find(|s| !s.narrow);
            out.set("firewall_drops", stop.is_some());
            if let Some(stop) = stop {
                out.set("firewall_rule", stop.rule.as_str());
                out.saw(stop.source, &stop.rule);
            }
        }
        Err(crate::host::Trouble::Denied) => {
            out.unchecked(
                "packet filter rules",
                "permission denied",
                Some("sudo iptables-save; sudo nft list ruleset".to_owned()),
            );
        }
        Err(_) => {}
    }
}
