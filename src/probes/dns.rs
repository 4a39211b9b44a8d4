//! What each name server says about a name, on the host and by the resolv.conf in the jail.

use super::common::{arg, instance};
use super::{Args, Context, Outcome, ProbeKind, bool, list};
use crate::evidence::{CONTACT_OTHERS, Field};
use crate::host::{Host, Question, Resolved, Trouble};
use crate::state::{jail, resolv};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "dns",
    level: CONTACT_OTHERS,
    doc: "Asks each name server of resolv.conf, outside the jail and with the jail's copy.",
    args: &[("name", false), ("type", false), ("where", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("resolves", "a name server of the host gave an answer with records"),
    bool("resolves_in_jail", "a name server of the jail's resolv.conf did (unknown without a jail)"),
    bool("nxdomain", "the name does not exist"),
    bool("nodata", "the name exists but has no record of that type"),
    bool("servfail", "a name server answered SERVFAIL"),
    bool("refused", "a name server refused to answer"),
    bool("timeout", "a name server did not answer"),
    list("servers", "name servers of the host's resolv.conf"),
    list("dead_servers", "those that do not answer"),
    bool("first_dead", "the first name server does not answer (each look-up waits for it)"),
    bool("all_dead", "none answers"),
    list("jail_servers", "name servers of the jail's resolv.conf"),
    list("dead_jail_servers", "those that do not answer"),
    bool("all_jail_dead", "none of the jail's answers"),
    bool("jail_missing", "the jail has no resolv.conf"),
    bool("jail_differs", "the jail's name servers are others than the host's"),
    bool("differs", "the name servers give different answers"),
    bool("no_mx", "the domain has no MX record but an address"),
    bool("null_mx", "the domain says that it takes no mail (`MX 0 .`)"),
    bool("mx_target_fails", "an MX host has no address"),
    bool("mx_private", "an MX host has a private or loopback address only"),
    list("records", "the records"),
    bool("others_resolve", "another name resolves through the same servers, so that the trouble is this name's"),
    bool("parent_exists", "the parent domain has name servers"),
    bool("authoritative_fails", "the name servers of the domain do not answer or fail"),
    bool("dnssec_trouble", "it resolves with checking disabled only"),
    bool("local_override", "/etc/hosts has the name"),
];

const LIMIT: Duration = Duration::from_secs(3);

/// What one server said; none: no answer in the time.
type Said = (IpAddr, Option<Resolved>);

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    let name = arg(args, "name").map_or_else(|| some_name(ctx), str::to_owned);
    let name = name.trim_matches(['[', ']', '.']).to_ascii_lowercase();
    let qtype = arg(args, "type").unwrap_or("A").to_ascii_uppercase();
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '/') {
        return out;
    }
    if ctx.allowed < CONTACT_OTHERS {
        return out;
    }
    let conf = match resolv::read(host, "/etc/resolv.conf") {
        Ok(conf) => conf,
        Err(Trouble::Missing) => resolv::ResolvConf::default(),
        Err(why) => {
            out.unchecked("name servers", why, Some("cat /etc/resolv.conf".to_owned()));
            return out;
        }
    };
    let outside = ask_all(host, &conf.sockets(), &name, &qtype);
    judge_host(&mut out, &outside, &name, &qtype);
    if arg(args, "where") != Some("host") {
        jail_side(ctx, &mut out, &conf, &outside, &name, &qtype);
    }
    let resolves = out.is("resolves");
    if qtype == "MX" {
        mx(host, &mut out, &conf, &outside, &name);
    }
    if resolves == Some(false) && out.is("all_dead") != Some(true) {
        wider(ctx, &mut out, &conf, &name);
    }
    if let Ok(hosts) = host.read("/etc/hosts", 1 << 20) {
        let text = String::from_utf8_lossy(&hosts);
        let has = text
            .lines()
            .map(|l| l.split('#').next().unwrap_or_default())
            .any(|l| l.split_whitespace().skip(1).any(|n| n.eq_ignore_ascii_case(&name)));
        out.set("local_override", has);
    }
    out
}

/// A name that should resolve: of a domain that got mail, else of this host.
fn some_name(ctx: &Context<'_>) -> String {
    let busiest = ctx.log.and_then(|log| {
        let real = log.deliveries.iter().filter(|(d, _)| d.contains('.'));
        real.max_by_key(|(_, n)| n.sent + n.deferred).map(|(d, _)| d.clone())
    });
    busiest.or_else(|| instance(ctx).map(|i| i.config.text("myhostname"))).unwrap_or_default()
}

/// Asks all servers at once.
pub(crate) fn ask_all(host: &dyn Host, servers: &[SocketAddr], name: &str, qtype: &str) -> Vec<Said> {
    let ask = |server: SocketAddr| {
        let question = Question { server, name: name.to_owned(), qtype: qtype.to_owned(), limit: LIMIT };
        (server.ip(), host.resolve(&question))
    };
    let answers: Vec<(IpAddr, Result<Resolved, Trouble>)> = std::thread::scope(|scope| {
        let running: Vec<_> = servers.iter().map(|s| scope.spawn(move || ask(*s))).collect();
        running.into_iter().filter_map(|r| r.join().ok()).collect()
    });
    answers
        .into_iter()
        .filter(|(_, a)| !matches!(a, Err(Trouble::NotCollected | Trouble::Denied)))
        .map(|(ip, a)| (ip, a.ok()))
        .collect()
}

/// The server is there and works for us: REFUSED means that it does not serve us.
fn useful(answer: Option<&Resolved>) -> bool {
    answer.is_some_and(|a| matches!(a.rcode.as_str(), "NOERROR" | "NXDOMAIN"))
}

fn good(answer: Option<&Resolved>) -> bool {
    answer.is_some_and(|a| a.rcode == "NOERROR" && !a.records.is_empty())
}

fn ips(said: &[Said], test: impl Fn(&Option<Resolved>) -> bool) -> Vec<String> {
    said.iter().filter(|(_, a)| test(a)).map(|(ip, _)| ip.to_string()).collect()
}

fn evidence(out: &mut Outcome, said: &[Said], name: &str, qtype: &str, place: &str) {
    for (ip, answer) in said {
        let words = match answer {
            None => "no answer in 3 s".to_owned(),
            Some(a) if a.rcode == "NOERROR" && a.records.is_empty() => "no such record".to_owned(),
            Some(a) if a.rcode == "NOERROR" => a.records.join(", "),
            Some(a) => a.rcode.clone(),
        };
        out.saw(format!("{qtype} {name} @{ip}"), format!("{words} ({place})"));
    }
}

fn judge_host(out: &mut Outcome, said: &[Said], name: &str, qtype: &str) {
    if said.is_empty() {
        return;
    }
    evidence(out, said, name, qtype, "host");
    let rcode = |code: &str| said.iter().any(|(_, a)| a.as_ref().is_some_and(|a| a.rcode == code));
    let resolves = said.iter().any(|(_, a)| good(a.as_ref()));
    out.set("resolves", resolves);
    out.set("servers", ips(said, |_| true));
    out.set("dead_servers", ips(said, Option::is_none));
    out.set("first_dead", said[0].1.is_none());
    out.set("all_dead", said.iter().all(|(_, a)| a.is_none()));
    out.set("timeout", said.iter().any(|(_, a)| a.is_none()));
    out.set("nxdomain", !resolves && rcode("NXDOMAIN"));
    out.set("servfail", !resolves && rcode("SERVFAIL"));
    out.set("refused", !resolves && rcode("REFUSED"));
    let empty = |a: &Resolved| a.rcode == "NOERROR" && a.records.is_empty();
    out.set("nodata", !resolves && said.iter().any(|(_, a)| a.as_ref().is_some_and(empty)));
    let mut answers: Vec<Vec<String>> = said
        .iter()
        .filter_map(|(_, a)| a.as_ref())
        .map(|a| {
            let mut records = a.records.clone();
            records.sort();
            records
        })
        .collect();
    let first = said.iter().find(|(_, a)| good(a.as_ref())).and_then(|(_, a)| a.clone());
    out.set_some("records", first.map(|a| a.records));
    answers.dedup();
    out.set("differs", answers.len() > 1);
}

fn jail_side(
    ctx: &Context<'_>,
    out: &mut Outcome,
    conf: &resolv::ResolvConf,
    outside: &[Said],
    name: &str,
    qtype: &str,
) {
    let host = ctx.server.host;
    let Some(instance) = instance(ctx) else { return };
    let jail = jail::of(instance);
    let path = jail.inside("/etc/resolv.conf");
    let inside = match resolv::read(host, &path) {
        Ok(inside) => {
            out.set("jail_missing", false);
            inside
        }
        Err(Trouble::Missing) => {
            out.set("jail_missing", true);
            resolv::ResolvConf::default()
        }
        Err(_) => return,
    };
    out.set("jail_servers", inside.servers.iter().map(ToString::to_string).collect::<Vec<_>>());
    let mut asked = inside.asked();
    let mut known = conf.asked();
    asked.sort();
    known.sort();
    out.set("jail_differs", asked != known);
    if jail.services.is_empty() {
        return;
    }
    let said = if asked == known { outside.to_vec() } else { ask_all(host, &inside.sockets(), name, qtype) };
    if said.is_empty() {
        return;
    }
    if asked != known {
        evidence(out, &said, name, qtype, "jail");
    }
    out.set("resolves_in_jail", said.iter().any(|(_, a)| good(a.as_ref())));
    out.set(
        "dead_jail_servers",
        ips(&said, |a| !useful(a.as_ref()) && a.as_ref().is_none_or(|a| a.rcode == "REFUSED")),
    );
    out.set("all_jail_dead", said.iter().all(|(_, a)| a.is_none()));
}

fn mx(host: &dyn Host, out: &mut Outcome, conf: &resolv::ResolvConf, said: &[Said], name: &str) {
    let Some(answer) = said.iter().filter_map(|(_, a)| a.as_ref()).find(|a| useful(Some(a))) else { return };
    let address = |name: &str| {
        ["A", "AAAA"].iter().any(|t| ask_all(host, &conf.sockets(), name, t).iter().any(|(_, a)| good(a.as_ref())))
    };
    if answer.records.is_empty() {
        out.set("null_mx", false);
        return out.set("no_mx", answer.rcode == "NOERROR" && address(name));
    }
    out.set("no_mx", false);
    let targets: Vec<&str> = answer.records.iter().filter_map(|r| r.split_whitespace().nth(1)).collect();
    out.set("null_mx", targets == ["."]);
    let real: Vec<&&str> = targets.iter().filter(|t| **t != ".").take(5).collect();
    let mut failing = false;
    let mut private = !real.is_empty();
    for target in real {
        let target = target.trim_end_matches('.');
        let answers = ask_all(host, &conf.sockets(), target, "A");
        let records: Vec<String> =
            answers.iter().filter_map(|(_, a)| a.as_ref()).flat_map(|a| a.records.clone()).collect();
        if records.is_empty() && !address(target) {
            failing = true;
            out.saw(format!("A {target}"), "no address");
        }
        private &= !records.is_empty()
            && records
                .iter()
                .all(|r| r.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_private() || ip.is_loopback()));
    }
    out.set("mx_target_fails", failing);
    out.set("mx_private", private);
}

/// Whether the trouble is this name's alone, and whether its own name servers are at fault.
fn wider(ctx: &Context<'_>, out: &mut Outcome, conf: &resolv::ResolvConf, name: &str) {
    let host = ctx.server.host;
    let sockets = conf.sockets();
    let mut others: Vec<String> = ctx
        .log
        .map(|log| {
            log.deliveries
                .iter()
                .filter(|(d, n)| d.contains('.') && *d != name && n.sent > 0)
                .map(|(d, _)| d.clone())
                .collect()
        })
        .unwrap_or_default();
    others.truncate(2);
    if let Some(instance) = instance(ctx) {
        others.push(instance.config.text("myhostname"));
        others.push(instance.config.text("mydomain"));
    }
    others.extend(["example.com".to_owned(), ".".to_owned()]);
    let all: Vec<Said> = others
        .iter()
        .filter(|o| !o.is_empty())
        .flat_map(|other| ask_all(host, &sockets, other, if other == "." { "NS" } else { "MX" }))
        .collect();
    if !all.is_empty() {
        out.set("others_resolve", all.iter().any(|(_, a)| useful(a.as_ref())));
    }
    if let Some((_, parent)) = name.split_once('.').filter(|(_, p)| p.contains('.')) {
        let said = ask_all(host, &sockets, parent, "NS");
        if said.iter().any(|(_, a)| useful(a.as_ref())) {
            out.set("parent_exists", said.iter().any(|(_, a)| good(a.as_ref())));
        }
    }
    let servers = ask_all(host, &sockets, name, "NS");
    let names: Vec<String> = servers.iter().filter_map(|(_, a)| a.clone()).flat_map(|a| a.records).take(3).collect();
    let mut authoritative = Vec::new();
    for server in names {
        for (_, answer) in ask_all(host, &sockets, server.trim_end_matches('.'), "A") {
            authoritative.extend(answer.into_iter().flat_map(|a| a.records).filter_map(|r| r.parse::<IpAddr>().ok()));
        }
    }
    authoritative.dedup();
    authoritative.truncate(3);
    if !authoritative.is_empty() {
        let direct: Vec<SocketAddr> = authoritative.into_iter().map(|ip| SocketAddr::new(ip, 53)).collect();
        let said = ask_all(host, &direct, name, "SOA");
        evidence(out, &said, name, "SOA", "its own name server");
        out.set("authoritative_fails", !said.iter().any(|(_, a)| useful(a.as_ref())));
    }
}
