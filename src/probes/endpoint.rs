//! Who is behind the address of a milter, a policy server, a SASL or LMTP socket or a content filter.

use super::common::{arg, instance, mail_owner, service};
use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::discover::Instance;
use crate::evidence::{Field, PROBE_HOST};
use crate::host::{Connected, FileKind, Host, Peer, Trouble};
use crate::postfix::master_cf::Service;
use crate::state::address::{Address, parse, port_number};
use crate::state::listeners::{self, Listener};
use crate::state::programs::{self, Program};
use crate::state::{access, jail, unit};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "endpoint",
    level: PROBE_HOST,
    doc: "Does somebody listen at this address, and may the daemon reach it? Knows the jail, units and address families.",
    args: &[("address", true), ("service", false), ("protocol", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("reachable", "a connection was accepted"),
    bool("refused", "nobody took the connection"),
    bool("timeout", "no answer to the connection attempt within 3 s"),
    bool("missing", "the socket does not exist where it was looked for (outside the jail)"),
    bool("denied", "no permission for the socket (as the user who looks)"),
    bool("unreachable", "no route to the address"),
    bool("listening", "something listens on that very address (for a socket: a process has it open)"),
    bool("listening_elsewhere", "something listens on that port, but at another address or family only"),
    text("listener_process", "name of the program that listens there or elsewhere"),
    text("listener_address", "where it listens instead, as `inet:ADDRESS:PORT`"),
    bool("is_postfix", "the listener is Postfix itself"),
    text("kind", "`inet` or `unix`"),
    text("host", "the host part of an inet address"),
    int("port", "the port of an inet address"),
    bool("local", "the inet address is one of this host's"),
    bool("resolves", "the host name has an address"),
    bool(
        "family_mismatch",
        "the name resolves to a family on which nobody listens, while somebody listens on the other",
    ),
    text("path", "the socket as seen from outside the jail"),
    text("inside_path", "the path outside the jail that a chrooted daemon would really open"),
    bool("exists_outside_jail", "the socket exists at `path`"),
    bool("exists_inside_jail", "the socket exists at `inside_path`"),
    bool("chrooted", "the service that uses it runs chrooted"),
    text("service", "the service that uses it, as in master.cf"),
    int("service_line", "its line in master.cf"),
    text("owner", "owner:group of the socket"),
    text("mode", "permissions of the socket, octal"),
    bool(
        "daemon_may_connect",
        "the user mail_owner may connect to the socket by its permissions and those of the directories above",
    ),
    text("blocked_by", "the path component that mail_owner may not pass"),
    text("says", "what it said first"),
    bool("hangs", "it accepts connections but does not answer a request"),
    text("program", "the program that usually or by its configuration serves this address"),
    bool("program_installed", "that program or its unit is there"),
    bool("program_running", "a process of that program runs"),
    text("unit", "the unit that should serve it"),
    text("unit_state", "`active`, `failed`, `inactive`, `activating`, `not-found`, `masked`"),
    text("unit_error", "its first error in the journal"),
    bool("unit_enabled", "the unit starts at boot"),
    text("configured_address", "the address in the configuration of that program, as Postfix would write it"),
    text("configured_at", "file:line of it"),
    bool("configured_differs", "the program is configured to listen elsewhere"),
    text("suggestion", "the address that would work, as Postfix would write it"),
];

const CONNECT: Duration = Duration::from_secs(3);
const LISTEN: Duration = Duration::from_millis(300);
const ANSWER: Duration = Duration::from_secs(4);

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let Some(address) = arg(args, "address").and_then(parse) else { return out };
    let service = service(ctx, args);
    let instance = instance(ctx);
    let chrooted = instance.zip(service).map(|(i, s)| i.config.chrooted(s));
    if let Some(service) = service {
        out.set("service", jail::label(service));
        out.set("service_line", service.line as i64);
    }
    out.set_some("chrooted", chrooted);
    match address {
        Address::Unix(path) => unix(ctx, args, &mut out, &path, chrooted, instance.zip(service)),
        Address::Inet { host, address, port } => {
            inet(ctx, args, &mut out, address.as_deref().unwrap_or(&host), &port);
        }
    }
    out
}

fn unix(
    ctx: &Context<'_>,
    args: &Args,
    out: &mut Outcome,
    path: &str,
    chrooted: Option<bool>,
    used_by: Option<(&Instance, &Service)>,
) {
    let host = ctx.server.host;
    out.set("kind", "unix");
    let Some(instance) = instance(ctx) else { return };
    let jail = jail::of(instance);
    let (outside, inside) = (jail.outside(path), jail.inside(path));
    out.set("path", outside.as_str());
    out.set("inside_path", inside.as_str());
    let exists = |p: &str| match host.stat(p) {
        Ok(_) => Some(true),
        Err(Trouble::Missing) => Some(false),
        Err(_) => None,
    };
    let (exists_outside, exists_inside) = (exists(&outside), exists(&inside));
    out.set_some("exists_outside_jail", exists_outside);
    out.set_some("exists_inside_jail", exists_inside);
    let opened = if chrooted == Some(true) { &inside } else { &outside };
    out.set_some("missing", exists(opened).map(|there| !there));
    let real = if exists(opened) == Some(true) { opened } else { &outside };

    let bound = listeners::unix(host).ok();
    let listener = bound.as_ref().and_then(|all| {
        all.iter().find(|l| l.path == *real || l.path == outside || l.path == inside || same_file(host, &l.path, real))
    });
    if let Some(listener) = listener {
        out.set("listening", true);
        out.set_some("listener_process", listener.process.clone());
        out.set("is_postfix", listener.process.as_deref() == Some("master"));
        out.saw(
            "ss -lxp",
            format!("{} is open in {}", listener.path, listener.process.as_deref().unwrap_or("a process")),
        );
    } else if bound.is_some() {
        out.set("listening", false);
    }

    if let Ok(stat) = host.stat(real) {
        out.set("owner", access::owner(host, &stat));
        out.set("mode", access::octal(&stat));
        out.saw(real.as_str(), format!("{} {}", kind_word(stat.kind), access::words(host, &stat)));
        let owner = mail_owner(ctx);
        if let Ok(who) = access::who(host, &owner) {
            match access::check(host, real, &who, access::Want::Write) {
                access::Access::Blocked(by) => {
                    out.set("daemon_may_connect", false);
                    if let Ok(stat) = host.stat(&by) {
                        out.saw(by.as_str(), format!("{} does not let {owner} pass", access::words(host, &stat)));
                    }
                    out.set("blocked_by", by);
                }
                access => out.set_some("daemon_may_connect", access.allowed()),
            }
        }
        if stat.kind == FileKind::Socket {
            say(host, out, &Peer::Unix(real.clone()), args, path);
        }
    } else if exists(real) == Some(false) {
        out.set("reachable", false);
        out.saw(opened.as_str(), "does not exist");
    }
    if chrooted == Some(true)
        && exists_outside == Some(true)
        && exists_inside == Some(false)
        && let Some((instance, service)) = used_by
    {
        let file =
            if instance.config.master.file.is_empty() { "master.cf" } else { instance.config.master.file.as_str() };
        out.evidence.push(crate::evidence::Evidence::at(
            file,
            service.line,
            format!("{} runs chrooted and would open {inside}, which does not exist", jail::label(service)),
        ));
    }
    if let Some(name) = jail.relative(&outside).filter(|_| path.starts_with('/') && exists_outside == Some(true)) {
        out.set("suggestion", format!("unix:{name}"));
    } else if exists_outside == Some(false) && exists_inside == Some(true) {
        out.set("suggestion", format!("unix:{}", path.trim_start_matches('/')));
    }
    server(ctx, out, None, Some(&outside), &[outside.clone(), inside]);
}

fn same_file(host: &dyn Host, a: &str, b: &str) -> bool {
    let (Ok(a), Ok(b)) = (host.stat(a), host.stat(b)) else { return false };
    a.ino != 0 && a.ino == b.ino && a.mtime == b.mtime
}

fn kind_word(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Socket => "socket",
        FileKind::Directory => "directory",
        FileKind::File => "plain file, not a socket",
        FileKind::Fifo => "named pipe, not a socket",
        _ => "not a socket",
    }
}

fn inet(ctx: &Context<'_>, args: &Args, out: &mut Outcome, name: &str, port: &str) {
    let host = ctx.server.host;
    out.set("kind", "inet");
    let name = if name.is_empty() { "localhost" } else { name };
    out.set("host", name);
    let Some(port) = port_number(port) else { return };
    out.set("port", i64::from(port));
    let addresses = programs::addresses_of(host, name);
    out.set_some("resolves", addresses.as_ref().map(|a| !a.is_empty()));
    let mut addresses = addresses.unwrap_or_default();
    match instance(ctx).map(|i| i.config.text("inet_protocols")).as_deref() {
        Some("ipv4") => addresses.retain(IpAddr::is_ipv4),
        Some("ipv6") => addresses.retain(IpAddr::is_ipv6),
        _ => {}
    }
    if addresses.is_empty() {
        out.saw(format!("getent ahosts {name}"), "no address");
        return;
    }
    let own = super::interface::own_addresses(host).unwrap_or_default();
    let is_local = |ip: &IpAddr| ip.is_loopback() || ip.is_unspecified() || own.contains(ip);
    let local = addresses.iter().all(is_local);
    out.set("local", local);
    if local {
        bound_inet(host, out, &addresses, port);
        server(ctx, out, Some(port), None, &[port.to_string()]);
    }
    if !local && ctx.allowed < crate::evidence::CONTACT_OTHERS {
        return out.unchecked(
            format!("whether {name} port {port} answers"),
            "it is another host, and contacting others was not allowed",
            Some("postdoctor --auto --allow 2".to_owned()),
        );
    }
    let mut results = Vec::new();
    for ip in addresses.iter().take(4) {
        let peer = Peer::Tcp(SocketAddr::new(*ip, port));
        if let Ok(result) = host.connect(&peer, CONNECT, LISTEN) {
            let open = matches!(result, Connected::Open { .. });
            out.saw(format!("connect {}", SocketAddr::new(*ip, port)), connected_words(&result));
            results.push((*ip, result));
            if open {
                say(host, out, &peer, args, &format!("{name}:{port}"));
                break;
            }
        }
    }
    if results.is_empty() {
        return;
    }
    let any = |test: fn(&Connected) -> bool| results.iter().any(|(_, r)| test(r));
    let open = any(|r| matches!(r, Connected::Open { .. }));
    out.set("reachable", open);
    out.set("refused", !open && any(|r| matches!(r, Connected::Refused)));
    out.set("timeout", !open && any(|r| matches!(r, Connected::TimedOut)));
    out.set("unreachable", !open && any(|r| matches!(r, Connected::Unreachable(_))));
    out.set("denied", false);
    out.set("missing", false);
    if let Some((_, Connected::Open { said, .. })) = results.iter().find(|(_, r)| matches!(r, Connected::Open { .. }))
        && !said.is_empty()
    {
        out.set("says", crate::evidence::printable(String::from_utf8_lossy(said).lines().next().unwrap_or_default()));
    }
}

fn bound_inet(host: &dyn Host, out: &mut Outcome, addresses: &[IpAddr], port: u16) {
    let Ok(all) = listeners::tcp(host) else { return };
    let here: Vec<&Listener> = all.iter().filter(|l| l.port == port).collect();
    let exact = here.iter().find(|l| addresses.iter().any(|ip| l.takes(*ip)));
    out.set("listening", exact.is_some());
    out.set("listening_elsewhere", exact.is_none() && !here.is_empty());
    let Some(listener) = exact.or(here.first()) else {
        return out.saw("ss -ltn", format!("nothing listens on port {port}"));
    };
    out.saw("ss -ltnp", listener.words());
    out.set_some("listener_process", listener.process.clone());
    out.set("listener_address", listener.postfix_address());
    out.set("is_postfix", listener.process.as_deref() == Some("master"));
    let other_family = |l: &&Listener| !l.both && addresses.iter().all(|ip| ip.is_ipv4() != l.address.is_ipv4());
    out.set("family_mismatch", exact.is_none() && here.iter().any(other_family));
    if exact.is_none() {
        out.set("suggestion", listener.postfix_address());
    }
}

/// Which program and unit should be behind the address, and what became of them.
fn server(ctx: &Context<'_>, out: &mut Outcome, port: Option<u16>, path: Option<&str>, wanted: &[String]) {
    let host = ctx.server.host;
    let listener = listener_process(out);
    let by_listener =
        listener.as_deref().and_then(|name| programs::PROGRAMS.iter().find(|p| name.starts_with(p.process)));
    let by_file =
        || programs::PROGRAMS.iter().find(|p| programs::configured(host, p).iter().any(|c| names(&c.address, wanted)));
    let custom = programs::unit_naming(host, wanted);
    let program = if custom.is_some() && listener.is_none() {
        None
    } else {
        by_listener.or_else(by_file).or_else(|| programs::of(port, path))
    };
    let mut unit_name = custom;
    if let Some(program) = program {
        out.set("program", program.process);
        out.set_some("program_installed", programs::installed(host, program));
        if let Some(processes) = &ctx.server.processes {
            out.set("program_running", processes.iter().any(|p| p.name.starts_with(program.process)));
        }
        if let Some(at) = pick(programs::configured(host, program), out, port) {
            compare(out, at, wanted, program, port, path);
        }
        unit_name = unit_name.or_else(|| Some(format!("{}.service", program.unit)));
    } else if let Some(name) = &unit_name {
        let stem = name.trim_end_matches(".service");
        out.set("program", stem);
        if let Some(processes) = &ctx.server.processes {
            out.set(
                "program_running",
                processes.iter().any(|p| p.name == stem || p.args.iter().any(|a| a.ends_with(&format!("/{stem}")))),
            );
        }
    }
    let Some(name) = unit_name else { return };
    if unit::systemd(host) != Ok(true) {
        return;
    }
    out.set("unit", name.trim_end_matches(".service"));
    if let Ok(unit) = unit::show(host, &name) {
        out.set("unit_state", unit.state());
        out.set("unit_enabled", unit.enabled());
        if unit.exists() {
            out.set("program_installed", true);
        }
        out.saw(format!("systemctl show {name}"), format!("{} ({})", unit.state(), unit.get("SubState")));
        if unit.state() != "active"
            && unit.exists()
            && let Ok(lines) = unit::journal(host, &name, 60)
            && let Some(error) = unit::first_error(&lines)
        {
            out.saw(format!("journalctl -u {name}"), &error);
            out.set("unit_error", error);
        }
    }
}

fn listener_process(out: &Outcome) -> Option<String> {
    match out.fields.get("listener_process") {
        Some(crate::evidence::Value::Text(name)) => Some(name.clone()),
        _ => None,
    }
}

fn names(address: &str, wanted: &[String]) -> bool {
    wanted.iter().any(|w| match parse(address) {
        Some(Address::Unix(path)) => path == *w,
        Some(Address::Inet { port, .. }) => port == *w,
        None => false,
    })
}

/// The place that names the wanted address, else the first of the same kind, else the first.
fn pick(all: Vec<programs::Configured>, out: &Outcome, port: Option<u16>) -> Option<programs::Configured> {
    let wanted: Vec<String> = match (port, out.fields.get("path"), out.fields.get("inside_path")) {
        (Some(port), ..) => vec![port.to_string()],
        (None, Some(path), Some(inside)) => vec![path.to_string(), inside.to_string()],
        _ => Vec::new(),
    };
    all.iter().find(|c| names(&c.address, &wanted)).cloned().or_else(|| all.into_iter().next())
}

fn compare(
    out: &mut Outcome,
    at: programs::Configured,
    wanted: &[String],
    program: &Program,
    port: Option<u16>,
    path: Option<&str>,
) {
    let differs = !names(&at.address, wanted);
    // Dovecot has many listeners: the first of its files says nothing about this one.
    if differs && program.process == "dovecot" {
        return;
    }
    out.set("configured_address", at.address.as_str());
    out.set("configured_at", format!("{}:{}", at.file, at.line));
    out.set("configured_differs", differs);
    out.evidence.push(crate::evidence::Evidence::at(
        &at.file,
        at.line,
        format!("{} listens at {}", program.process, at.address),
    ));
    if differs && (port.is_some() || path.is_some()) && !out.fields.contains_key("suggestion") {
        out.set("suggestion", at.address);
    }
}

fn connected_words(result: &Connected) -> String {
    match result {
        Connected::Open { millis, said } if said.is_empty() => format!("accepted after {millis} ms"),
        Connected::Open { millis, said } => {
            format!("accepted after {millis} ms: {}", String::from_utf8_lossy(said).lines().next().unwrap_or_default())
        }
        Connected::Refused => "refused".to_owned(),
        Connected::TimedOut => "no answer in 3 s".to_owned(),
        Connected::Unreachable(why) | Connected::Failed(why) => why.clone(),
        Connected::Missing => "no such socket".to_owned(),
        Connected::Denied => "permission denied".to_owned(),
    }
}

/// Connects to a socket that is there and, where the protocol is known, asks something harmless.
fn say(host: &dyn Host, out: &mut Outcome, peer: &Peer, args: &Args, address: &str) {
    let protocol = arg(args, "protocol").or_else(|| guess(address));
    if let Peer::Unix(path) = peer {
        match host.connect(peer, CONNECT, LISTEN) {
            Ok(result) => {
                out.saw(format!("connect {path}"), connected_words(&result));
                out.set("reachable", matches!(result, Connected::Open { .. }));
                out.set("refused", matches!(result, Connected::Refused));
                out.set("timeout", matches!(result, Connected::TimedOut));
                out.set("denied", matches!(result, Connected::Denied));
                match result {
                    Connected::Open { said, .. } if !said.is_empty() => {
                        let first = String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned();
                        out.set("says", crate::evidence::printable(&first));
                        return out.set("hangs", false);
                    }
                    Connected::Open { .. } => {}
                    _ => return,
                }
            }
            Err(_) => return,
        }
    }
    let words: &[u8] = match protocol {
        Some("policy") => POLICY,
        Some("milter") => MILTER,
        Some("smtp" | "lmtp" | "dovecot") => b"",
        _ => return,
    };
    if let Ok(Connected::Open { said, .. }) = host.talk(peer, words, CONNECT, ANSWER) {
        out.set("hangs", said.is_empty());
        if said.is_empty() {
            out.saw(format!("{} request to {address}", protocol.unwrap_or_default()), "accepted, but no answer in 4 s");
        }
    }
}

/// A request that every policy server answers, about mail from this host to itself.
const POLICY: &[u8] = b"request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n\
    client_address=127.0.0.1\nclient_name=localhost\nreverse_client_name=localhost\nhelo_name=localhost\n\
    sender=postmaster@localhost\nrecipient=postmaster@localhost\nrecipient_count=0\nqueue_id=\n\
    instance=postdoctor.1\nsize=0\nsasl_method=\nsasl_username=\nsasl_sender=\n\n";
/// SMFIC_OPTNEG of version 6, asking for nothing.
const MILTER: &[u8] = &[0, 0, 0, 13, b'O', 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0];

fn guess(address: &str) -> Option<&'static str> {
    if address.ends_with("/auth") || address.contains("auth-client") {
        Some("dovecot")
    } else if ["policy", "spf", "postgrey"].iter().any(|w| address.contains(w)) || address.ends_with(":10023") {
        Some("policy")
    } else if ["dkim", "dmarc", "milter"].iter().any(|w| address.contains(w)) || address.ends_with(":8891") {
        Some("milter")
    } else if address.contains("lmtp") || address.ends_with(":24") {
        Some("lmtp")
    } else {
        None
    }
}
