//! The step `network`: addresses, routes, name servers, and packet filter rules that stop mail.

use std::net::IpAddr;
use std::time::Duration;

use super::config::{flag, int, list, text};
use super::{Context, Outcome, StepKind};
use crate::evidence::{CONTACT_OTHERS, Evidence, Kind, NotChecked, Observation, READ_ONLY};
use crate::host::{HostKind, Question, Run, Trouble};
use crate::probes::interface;
use crate::state::{firewall, resolv};
use std::net::SocketAddr;

/// The step.
pub const STEP: StepKind = StepKind {
    name: "network",
    level: READ_ONLY,
    doc: "addresses and default routes, name servers of resolv.conf, packet filter rules for port 25",
    touches: &[
        "ip -json addr, ip route",
        "/etc/resolv.conf; ss -Hlun",
        "iptables-save, ip6tables-save, nft list ruleset (root)",
        "at level 2: one question to each name server",
    ],
    run,
    emits: &[
        Kind {
            name: "resolvers-none",
            doc: "no name server is configured and none runs on this host",
            fields: &[flag("missing", "/etc/resolv.conf does not exist"), text("file", "/etc/resolv.conf")],
        },
        Kind {
            name: "resolver-dead",
            doc: "name servers of resolv.conf do not answer",
            fields: &[
                list("dead", "those that do not answer"),
                text("first", "the first of them"),
                list("servers", "all of them, in order"),
                flag("all", "none answers"),
                flag("first_dead", "the first does not answer: each look-up waits for it"),
                flag("loopback", "a dead one is on this host, and nothing listens there"),
                text("unit", "the local resolver's unit, where one is installed"),
                text("unit_state", "its state"),
            ],
        },
        Kind {
            name: "resolver-refuses",
            doc: "a name server of resolv.conf answers, but refuses or fails for every name",
            fields: &[
                text("server", "the name server"),
                text("rcode", "`REFUSED` or `SERVFAIL`"),
                flag("all", "all of them do"),
            ],
        },
        Kind {
            name: "default-route-missing",
            doc: "the host has no default route, so that it reaches no other network",
            fields: &[
                int("family", "4 or 6"),
                list("addresses", "its addresses"),
                flag("needed", "mail to others goes this way"),
            ],
        },
        Kind {
            name: "firewall-drops-port25",
            doc: "a packet filter rule of this host stops TCP port 25",
            fields: &[
                text("way", "`out` or `in`"),
                text("rule", "its text"),
                text("source", "the command that listed it"),
                text("family", "`IPv4`, `IPv6`, `both`"),
                text("action", "`DROP`, `REJECT`, `REDIRECT`, `DNAT`"),
                flag("narrow", "bound to some addresses, a user or a rate"),
                flag("relayed", "all mail goes to a relayhost on another port"),
            ],
        },
    ],
};

fn run(ctx: &Context<'_>) -> Outcome {
    let mut out = Outcome::default();
    if ctx.server.host.kind() == HostKind::Snapshot {
        return out;
    }
    resolvers(ctx, &mut out);
    routes(ctx, &mut out);
    packet_filter(ctx, &mut out);
    out
}

fn resolvers(ctx: &Context<'_>, out: &mut Outcome) {
    let host = ctx.server.host;
    let file = "/etc/resolv.conf";
    let (conf, missing) = match resolv::read(host, file) {
        Ok(conf) => (conf, false),
        Err(Trouble::Missing) => (resolv::ResolvConf::default(), true),
        Err(_) => return,
    };
    let local: Vec<IpAddr> = conf.asked().into_iter().filter(IpAddr::is_loopback).collect();
    let bound = host.run(&Run::new("ss", &["-Hlun"])).ok().filter(crate::host::Ran::ok);
    let unserved = |ip: &IpAddr| {
        bound.as_ref().is_some_and(|ran| {
            let wanted = [
                format!("{ip}:53"),
                format!("{ip}%lo:53"),
                format!("[{ip}]:53"),
                "0.0.0.0:53".to_owned(),
                "*:53".to_owned(),
                "[::]:53".to_owned(),
            ];
            !ran.out().lines().filter_map(|l| l.split_whitespace().nth(3)).any(|a| wanted.iter().any(|w| w == a))
        })
    };
    if conf.servers.is_empty() {
        if local.iter().any(unserved) {
            let words = if missing { "does not exist" } else { "names no server" };
            out.observations.push(
                Observation::now("resolvers-none")
                    .with("missing", missing)
                    .with("file", file)
                    .seen(Evidence::new(file, words)),
            );
        }
        return;
    }
    let mut dead: Vec<IpAddr> = conf.servers.iter().copied().filter(|ip| ip.is_loopback() && unserved(ip)).collect();
    let loopback = !dead.is_empty();
    let mut evidence: Vec<Evidence> =
        dead.iter().map(|ip| Evidence::new("ss -lun", format!("nothing listens on {ip} port 53"))).collect();
    if ctx.allowed >= CONTACT_OTHERS {
        let name = ctx.server.instances.first().map(|i| i.config.text("myhostname")).filter(|n| n.contains('.'));
        asked(ctx, &conf, &name.unwrap_or_else(|| "example.com".to_owned()), &mut dead, &mut evidence, out);
    }
    if dead.is_empty() {
        return;
    }
    let words = |ips: &[IpAddr]| ips.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut seen = Observation::now("resolver-dead")
        .with("dead", words(&dead))
        .with("first", dead[0].to_string())
        .with("servers", words(&conf.servers))
        .with("all", conf.servers.iter().all(|s| dead.contains(s)))
        .with("first_dead", conf.servers.first().is_some_and(|s| dead.contains(s)))
        .with("loopback", loopback)
        .seen(Evidence::new(file, conf.words()));
    seen.evidence.extend(evidence);
    if loopback {
        for name in ["systemd-resolved", "unbound", "named", "bind9", "dnsmasq"] {
            if let Ok(unit) = crate::state::unit::show(host, name)
                && unit.exists()
            {
                seen = seen.with("unit", name).with("unit_state", unit.state());
                break;
            }
        }
    }
    out.observations.push(seen);
}

/// Asks each server that is not known to be dead already.
fn asked(
    ctx: &Context<'_>,
    conf: &resolv::ResolvConf,
    name: &str,
    dead: &mut Vec<IpAddr>,
    evidence: &mut Vec<Evidence>,
    out: &mut Outcome,
) {
    let host = ctx.server.host;
    let ask = |ip: IpAddr| {
        let server = SocketAddr::new(ip, 53);
        let question = |limit| Question { server, name: name.to_owned(), qtype: "A".to_owned(), limit };
        host.resolve(&question(Duration::from_secs(3)))
    };
    let results: Vec<(IpAddr, Result<crate::host::Resolved, Trouble>)> = std::thread::scope(|scope| {
        let wanted: Vec<IpAddr> = conf.servers.iter().copied().filter(|s| !dead.contains(s)).collect();
        let running: Vec<_> = wanted.into_iter().map(|ip| (ip, scope.spawn(move || ask(ip)))).collect();
        running.into_iter().filter_map(|(ip, r)| r.join().ok().map(|r| (ip, r))).collect()
    });
    let bad = |r: &Result<crate::host::Resolved, Trouble>| {
        r.as_ref().is_ok_and(|a| matches!(a.rcode.as_str(), "REFUSED" | "SERVFAIL"))
    };
    let all_bad = !results.is_empty() && results.iter().all(|(_, r)| bad(r));
    for (ip, result) in &results {
        match result {
            Err(Trouble::NotCollected | Trouble::Denied) => {}
            Err(why) => {
                dead.push(*ip);
                evidence.push(Evidence::new(format!("A {name} @{ip}"), format!("no answer: {why}")));
            }
            // One name may fail for its own reasons; a second one tells whether it is the server.
            Ok(answer) if bad(result) => {
                let server = SocketAddr::new(*ip, 53);
                let question =
                    Question { server, name: ".".to_owned(), qtype: "NS".to_owned(), limit: Duration::from_secs(3) };
                let again = host.resolve(&question);
                if bad(&again) {
                    out.observations.push(
                        Observation::now("resolver-refuses")
                            .with("server", ip.to_string())
                            .with("rcode", answer.rcode.as_str())
                            .with("all", all_bad && dead.is_empty())
                            .seen(Evidence::new(format!("A {name} @{ip}"), &answer.rcode)),
                    );
                }
            }
            Ok(_) => {}
        }
    }
}

fn routes(ctx: &Context<'_>, out: &mut Outcome) {
    let host = ctx.server.host;
    let Ok(own) = interface::own(host) else { return };
    let outward: Vec<String> =
        own.iter().filter(|o| o.ip.is_ipv4() && !o.ip.is_loopback()).map(|o| o.ip.to_string()).collect();
    if interface::default_route(host, 4) != Some(false) {
        return;
    }
    // Policy routing keeps default routes in other tables; a host behind IPv6 alone needs none of IPv4.
    let other_tables =
        host.run(&Run::new("ip", &["-4", "rule", "show"])).is_ok_and(|ran| ran.out().lines().count() > 3);
    if other_tables || interface::default_route(host, 6) == Some(true) {
        return;
    }
    let needed = ctx.server.instances.iter().any(|i| {
        i.config_known
            && !i.config.text("default_transport").starts_with("error")
            && !local_only(&i.config.text("relayhost"))
    });
    out.observations.push(
        Observation::now("default-route-missing")
            .with("family", 4)
            .with("addresses", outward)
            .with("needed", needed)
            .seen(Evidence::new("ip route show default", "none")),
    );
}

/// A relayhost by number may lie in the host's own network.
fn local_only(relayhost: &str) -> bool {
    let name = relayhost.trim_start_matches('[').split([']', ':']).next().unwrap_or_default();
    name.parse::<IpAddr>().is_ok()
}

fn packet_filter(ctx: &Context<'_>, out: &mut Outcome) {
    let host = ctx.server.host;
    for (way, word) in [(firewall::Way::Out, "out"), (firewall::Way::In, "in")] {
        match firewall::stops(host, 25, way) {
            Ok(stops) => {
                for stop in stops {
                    let relay = ctx.server.instances.first().map(|i| i.config.text("relayhost")).unwrap_or_default();
                    let relayed = relay
                        .rsplit_once(':')
                        .is_some_and(|(_, port)| matches!(port, "587" | "465" | "submission" | "smtps"));
                    out.observations.push(
                        Observation::now("firewall-drops-port25")
                            .with("way", word)
                            .with("rule", stop.rule.as_str())
                            .with("source", stop.source)
                            .with("family", stop.family)
                            .with("action", stop.action.as_str())
                            .with("narrow", stop.narrow)
                            .with("relayed", relayed)
                            .seen(Evidence::new(stop.source, &stop.rule)),
                    );
                }
            }
            Err(Trouble::Denied) if way == firewall::Way::Out => out.not_checked.push(NotChecked {
                what: "packet filter rules".to_owned(),
                why: Trouble::Denied.to_string(),
                settle: Some("sudo iptables-save; sudo nft list ruleset".to_owned()),
            }),
            Err(_) => {}
        }
    }
}
