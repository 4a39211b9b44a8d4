//! The TCP ports of master.cf: taken by another program, not open at all, or open without a greeting.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::discover::Instance;
use crate::evidence::{Evidence, Observation, PROBE_HOST, printable};
use crate::host::{Connected, Peer, Run};
use crate::postfix::master_cf::Service;
use crate::state::address::port_number;
use crate::state::jail::label;
use crate::state::listeners::Listener;
use crate::state::unit;
use crate::steps::{Context, Outcome};

/// How long a greeting may take on a host that has nothing else to do.
const GREETING: Duration = Duration::from_secs(5);

/// Looks at all inet services.
pub(super) fn look(ctx: &Context<'_>, instance: &Instance, listeners: &[Listener], out: &mut Outcome) {
    let running = instance.master_pid.is_some();
    let disabled = instance.config.items("master_service_disable");
    let masters: Vec<u32> = ctx.server.instances.iter().filter_map(|i| i.master_pid).collect();
    let mut told = Vec::new();
    let mut greet = Vec::new();
    for service in instance.config.master.services.iter().filter(|s| s.kind == "inet") {
        let port = service.name.rsplit(':').next().unwrap_or_default();
        let Some(port) = port_number(port).or_else(|| named(ctx, port)) else { continue };
        if disabled
            .iter()
            .any(|d| d == "inet" || *d == label(service) || d.replace('/', ".") == label(service).replace('/', "."))
            || told.contains(&port)
        {
            continue;
        }
        told.push(port);
        let here: Vec<&Listener> = listeners.iter().filter(|l| l.port == port).collect();
        let foreign = here.iter().find(|l| !ours(l, &masters));
        let own = here.iter().any(|l| ours(l, &masters));
        match foreign {
            Some(foreign) if clashes(service, foreign, own) => {
                out.observations.push(taken(ctx, instance, service, port, foreign, own));
            }
            _ if running && here.is_empty() => out.observations.push(closed(ctx, instance, service, port)),
            _ if running && own => out.observations.extend(other_addresses(instance, service, port, &here)),
            _ => {}
        }
        if running
            && own
            && matches!(service.program(), "smtpd" | "postscreen")
            && service.override_of("smtpd_tls_wrappermode").is_none()
        {
            greet.push((service, port));
        }
    }
    if ctx.allowed >= PROBE_HOST {
        greetings(ctx, instance, listeners, &greet, out);
    }
}

/// Without the right to see processes a listener has none: it is taken for Postfix's own.
fn ours(listener: &Listener, masters: &[u32]) -> bool {
    match (&listener.process, listener.pid) {
        (Some(name), pid) => name == "master" || pid.is_some_and(|p| masters.contains(&p)),
        (None, _) => true,
    }
}

/// Two programs may share a port at different addresses, as when a container publishes its own.
fn clashes(service: &Service, foreign: &Listener, own: bool) -> bool {
    match service.name.rsplit_once(':') {
        Some((host, _)) => host.trim_matches(['[', ']']).parse::<IpAddr>().map_or(!own, |ip| foreign.takes(ip)),
        None => !own || foreign.address.is_unspecified(),
    }
}

fn named(ctx: &Context<'_>, name: &str) -> Option<u16> {
    let bytes = ctx.server.host.read("/etc/services", 1 << 20).ok()?;
    String::from_utf8_lossy(&bytes).lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let (first, port) = (words.next()?, words.next()?);
        let port = port.strip_suffix("/tcp")?;
        (first == name || words.any(|w| w == name)).then(|| port.parse().ok()).flatten()
    })
}

fn taken(
    ctx: &Context<'_>,
    instance: &Instance,
    service: &Service,
    port: u16,
    foreign: &Listener,
    own: bool,
) -> Observation {
    let mut seen = Observation::now("port-taken")
        .of_instance(&instance.name)
        .with("port", i64::from(port))
        .with("address", foreign.address.to_string())
        .with("service", label(service))
        .with("line", service.line as i64)
        .with("master_running", instance.master_pid.is_some())
        .with("postfix_too", own)
        .seen(Evidence::new("ss -ltnp", foreign.words()));
    if let Some(process) = &foreign.process {
        seen = seen.with("process", process.as_str());
    }
    if let Some(pid) = foreign.pid {
        seen = seen.with("pid", i64::from(pid));
        // systemd itself holds the ports of socket units: never a process to stop.
        if pid == 1 {
            let socket = socket_unit(ctx, port).unwrap_or_else(|| "UNIT.socket".to_owned());
            return seen.with("stop", format!("systemctl disable --now {socket}")).with("unit", socket);
        }
        match unit::of_pid(ctx.server.host, pid) {
            Some(unit) => {
                let unit = unit.trim_end_matches(".service");
                seen = seen.with("stop", format!("systemctl disable --now {unit}")).with("unit", unit);
            }
            None => seen = seen.with("stop", format!("kill {pid}")),
        }
    }
    seen
}

/// The socket unit that listens on this port.
fn socket_unit(ctx: &Context<'_>, port: u16) -> Option<String> {
    let run = Run::new("systemctl", &["list-sockets", "--no-legend", "--no-pager"]).limit(GREETING);
    let ran = ctx.server.host.run(&run).ok()?;
    let suffix = format!(":{port}");
    ran.out().lines().find_map(|line| {
        let mut words = line.split_whitespace();
        words.next().filter(|address| address.ends_with(&suffix))?;
        words.find(|w| w.ends_with(".socket")).map(str::to_owned)
    })
}

fn closed(ctx: &Context<'_>, instance: &Instance, service: &Service, port: u16) -> Observation {
    let file = &instance.config.master.file;
    let mut seen = Observation::now("port-not-listening")
        .of_instance(&instance.name)
        .of_service(&service.name)
        .with("port", i64::from(port))
        .with("service", label(service))
        .with("line", service.line as i64)
        .with("inet_interfaces", instance.config.text("inet_interfaces"))
        .seen(Evidence::at(file, service.line, format!("{} {} … {}", service.name, service.kind, service.command)))
        .seen(Evidence::new("ss -ltn", format!("nothing listens on port {port}")));
    if let (Ok(stat), Some(started)) = (ctx.server.host.stat(file), instance.started) {
        seen = seen.with("config_newer", stat.mtime > started.as_second());
    }
    seen
}

/// A reload does not move the listeners: master opens them when it starts.
fn other_addresses(instance: &Instance, service: &Service, port: u16, here: &[&Listener]) -> Option<Observation> {
    if service.name.contains(':') || service.override_of("inet_interfaces").is_some() {
        return None;
    }
    let wanted = instance.config.text("inet_interfaces").to_ascii_lowercase();
    let closed = match wanted.trim() {
        "all" if here.iter().all(|l| l.address.is_loopback()) => true,
        "loopback-only" if here.iter().any(|l| l.address.is_unspecified()) => false,
        _ => return None,
    };
    let addresses: Vec<String> = here.iter().map(|l| l.address.to_string()).collect();
    Some(
        Observation::now("port-other-addresses")
            .of_instance(&instance.name)
            .of_service(&service.name)
            .with("port", i64::from(port))
            .with("service", label(service))
            .with("inet_interfaces", wanted.trim())
            .with("addresses", addresses.join(", "))
            .with("closed", closed)
            .seen(Evidence::new("ss -ltnp", format!("port {port} at {}", addresses.join(", "))))
            .seen(Evidence::new("postconf inet_interfaces", wanted.trim())),
    )
}

/// Connects to each SMTP port and waits for its greeting, all at once.
fn greetings(
    ctx: &Context<'_>,
    instance: &Instance,
    listeners: &[Listener],
    ports: &[(&Service, u16)],
    out: &mut Outcome,
) {
    let host = ctx.server.host;
    let results: Vec<(usize, Option<Connected>)> = std::thread::scope(|scope| {
        let running: Vec<_> = ports
            .iter()
            .enumerate()
            .map(|(index, (_, port))| {
                let address = listeners
                    .iter()
                    .find(|l| l.port == *port && l.process.as_deref() == Some("master"))
                    .map(|l| l.address);
                let address = address.filter(|a| !a.is_unspecified()).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
                let peer = Peer::Tcp(SocketAddr::new(address, *port));
                scope.spawn(move || (index, host.connect(&peer, Duration::from_secs(3), GREETING).ok()))
            })
            .collect();
        running.into_iter().filter_map(|r| r.join().ok()).collect()
    });
    for (index, result) in results {
        let (service, port) = ports[index];
        let base = |kind: &'static str| {
            Observation::now(kind)
                .of_instance(&instance.name)
                .of_service(&service.name)
                .with("port", i64::from(port))
                .with("service", label(service))
        };
        match result {
            Some(Connected::Open { said, .. }) if said.is_empty() => {
                let limit = if service.maxproc == "-" {
                    instance.config.text("default_process_limit")
                } else {
                    service.maxproc.clone()
                };
                let mut seen = base("smtp-silent")
                    .with("line", service.line as i64)
                    .with("seconds", GREETING.as_secs() as i64)
                    .seen(Evidence::new(
                        format!("connect port {port}"),
                        format!("accepted, no greeting in {} s", GREETING.as_secs()),
                    ));
                if let Ok(limit) = limit.parse::<i64>() {
                    seen = seen.with("limit", limit);
                }
                if let Some(processes) = &ctx.server.processes {
                    let own = |p: &&crate::discover::Process| {
                        p.name == service.program() && crate::probes::service::of_service(&p.args, &service.name)
                    };
                    seen = seen.with("running", processes.iter().filter(own).count() as i64);
                }
                out.observations.push(seen);
            }
            Some(Connected::Open { said, .. }) => {
                let banner = printable(String::from_utf8_lossy(&said).lines().next().unwrap_or_default());
                if banner.starts_with(['4', '5']) {
                    let evidence = Evidence::new(format!("connect port {port}"), &banner);
                    out.observations.push(base("smtp-greets-badly").with("banner", banner).seen(evidence));
                }
            }
            _ => {}
        }
    }
}
