//! Block lists answer wrongly through public resolvers: which one is asked?

use super::{Args, Context, Outcome, ProbeKind, bool, list, text};
use crate::discover::Server;
use crate::evidence::{CONTACT_OTHERS, Field};
use crate::host::{Host, Question};
use crate::state::resolv;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "resolver-public",
    level: CONTACT_OTHERS,
    doc: "Is the name server one of the public ones that block lists refuse?",
    args: &[],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("public", "a name server of resolv.conf is a known public resolver"),
    text("server", "which one"),
    list("servers", "name servers of resolv.conf"),
    bool("local", "a name server of resolv.conf runs on this host"),
    text("forwards_to", "the public resolver that the local one forwards to, if its configuration tells"),
    bool("dnsbl_answers", "the test address of zen.spamhaus.org gives a listing"),
    bool("dnsbl_refused", "it gives 127.255.255.25x: refused"),
];

/// Resolvers that are open to all, by their first numbers.
const PUBLIC: &[&str] = &[
    "8.8.8.8",
    "8.8.4.4",
    "1.1.1.",
    "1.0.0.1",
    "1.0.0.2",
    "1.0.0.3",
    "9.9.9.",
    "149.112.112.",
    "208.67.222.",
    "208.67.220.",
    "4.2.2.",
    "64.6.64.6",
    "64.6.65.6",
    "94.140.14.",
    "94.140.15.",
    "76.76.2.",
    "76.76.10.",
    "185.228.168.",
    "185.228.169.",
    "77.88.8.",
    "84.200.69.",
    "84.200.70.",
    "2001:4860:4860:",
    "2606:4700:4700:",
    "2620:fe:",
    "2620:119:35:",
    "2620:119:53:",
    "2a10:50c0:",
    "2a0d:2a00:",
];

fn public(ip: &str) -> bool {
    PUBLIC.iter().any(|p| ip.starts_with(p))
}

fn run(ctx: &Context<'_>, _args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let Server { host, .. } = ctx.server;
    let Ok(conf) = resolv::read(*host, "/etc/resolv.conf") else { return out };
    let servers: Vec<String> = conf.asked().iter().map(ToString::to_string).collect();
    let own = super::interface::own_addresses(*host).unwrap_or_default();
    out.set("local", conf.asked().iter().any(|ip| ip.is_loopback() || own.contains(ip)));
    let forwarder = if conf.asked().iter().any(IpAddr::is_loopback) { forwarder(*host) } else { None };
    let server = servers.iter().find(|s| public(s)).cloned();
    out.set("public", server.is_some() || forwarder.is_some());
    out.set_some("server", server.or_else(|| forwarder.clone()));
    out.set_some("forwards_to", forwarder);
    out.saw("/etc/resolv.conf", conf.words());
    if ctx.allowed >= CONTACT_OTHERS {
        test_entry(*host, &mut out, &conf);
    }
    out.set("servers", servers);
    out
}

/// `systemd-resolved`, dnsmasq, unbound and BIND name their forwarders in files.
fn forwarder(host: &dyn Host) -> Option<String> {
    let mut files = vec![
        "/run/systemd/resolve/resolv.conf".to_owned(),
        "/etc/dnsmasq.conf".to_owned(),
        "/etc/unbound/unbound.conf".to_owned(),
        "/etc/bind/named.conf.options".to_owned(),
        "/etc/systemd/resolved.conf".to_owned(),
    ];
    for directory in ["/etc/dnsmasq.d", "/etc/unbound/unbound.conf.d"] {
        files.extend(host.list(directory).unwrap_or_default().into_iter().map(|n| format!("{directory}/{n}")));
    }
    files.iter().find_map(|file| {
        let text = host.read(file, 256 << 10).ok()?;
        String::from_utf8_lossy(&text)
            .lines()
            .filter(|l| !l.trim_start().starts_with(['#', ';', '/']))
            .flat_map(|l| l.split([' ', '=', '\t', ';', '@', '{', '}', '#']).map(str::to_owned).collect::<Vec<_>>())
            .find(|word| word.parse::<IpAddr>().is_ok() && public(word))
    })
}

/// Spamhaus lists 127.0.0.2 for tests and answers 127.255.255.254 through public resolvers.
fn test_entry(host: &dyn Host, out: &mut Outcome, conf: &resolv::ResolvConf) {
    let Some(server) = conf.asked().first().map(|ip| SocketAddr::new(*ip, 53)) else { return };
    let name = "2.0.0.127.zen.spamhaus.org".to_owned();
    let question = Question { server, name, qtype: "A".to_owned(), limit: Duration::from_secs(3) };
    if let Ok(answer) = host.resolve(&question) {
        let any = |start: &str| answer.records.iter().any(|r| r.starts_with(start));
        out.set("dnsbl_answers", any("127.0.0."));
        out.set("dnsbl_refused", any("127.255.255."));
        out.saw(
            format!("A 2.0.0.127.zen.spamhaus.org @{}", server.ip()),
            format!("{} {}", answer.rcode, answer.records.join(", ")),
        );
    }
}
