//! Milters, policy servers, filters and sockets on this host that Postfix is configured to use: does anybody listen?

use std::net::IpAddr;

use crate::discover::Instance;
use crate::evidence::{Evidence, Observation, Value};
use crate::probes;
use crate::state::access;
use crate::state::address::{Address, parse};
use crate::state::jail::label;
use crate::state::listeners;
use crate::steps::chroot::uses::{self, Use};
use crate::steps::{Context, Outcome};

/// Asks the endpoint probe about each address once.
pub(super) fn look(ctx: &Context<'_>, instance: &Instance, out: &mut Outcome) {
    let Some(kind) = probes::kind("endpoint") else { return };
    let mut told: Vec<String> = Vec::new();
    let mut all = uses::of(ctx.server.host, instance);
    all.extend(uses::inet_transports(instance));
    for used in all {
        if told.contains(&used.address) || !on_this_host(&used.address) {
            continue;
        }
        told.push(used.address.clone());
        let context = probes::Context {
            server: ctx.server,
            instance: Some(instance),
            service: Some(used.service),
            // What is asked here is who listens; nothing is connected to at this level.
            allowed: ctx.allowed.min(crate::evidence::PROBE_HOST),
            log: ctx.log,
        };
        let args = probes::Args::from([
            ("address".to_owned(), used.address.clone()),
            ("protocol".to_owned(), "none".to_owned()),
        ]);
        let found = (kind.run)(&context, &args);
        judge(ctx, instance, &used, found, out);
    }
}

/// What it is, for a sentence.
fn words(what: &str) -> &str {
    match what {
        "policy" => "policy server",
        "sasl" => "SASL server",
        "lmtp" => "LMTP server",
        "filter" => "content filter",
        other => other,
    }
}

/// Loopback by number or name, and sockets.
fn on_this_host(address: &str) -> bool {
    match parse(address) {
        Some(Address::Unix(_)) => true,
        Some(Address::Inet { host, .. }) => {
            host.is_empty() || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        None => false,
    }
}

fn judge(ctx: &Context<'_>, instance: &Instance, used: &Use, mut found: probes::Outcome, out: &mut Outcome) {
    let is = |name: &str| match found.fields.get(name) {
        Some(Value::Bool(b)) => Some(*b),
        _ => None,
    };
    let unix = found.fields.get("kind") == Some(&Value::Text("unix".to_owned()));
    let Some(service) = instance.config.master.services.get(used.service) else { return };
    let chrooted = is("chrooted") == Some(true);
    let (inside, outside) = (is("exists_inside_jail"), is("exists_outside_jail"));
    // Sockets of Postfix itself are master's business.
    if is("is_postfix") == Some(true) {
        return;
    }
    let absent = if unix { outside == Some(false) && inside == Some(false) } else { is("listening") == Some(false) };
    let elsewhere = is("listening_elsewhere");
    let stale = unix && outside == Some(true) && is("refused") == Some(true);
    if is("daemon_may_connect") == Some(false) && !absent && !stale {
        out.observations.push(closed(ctx, instance, used, &found));
        return;
    }
    // A socket that is only on the other side of the jail's wall is told by the step `chroot`.
    if !absent && !stale {
        return;
    }
    let mut seen = Observation::now("endpoint-down")
        .of_instance(&instance.name)
        .with("what", words(used.what))
        .with("parameter", used.parameter.as_str())
        .with("address", used.address.as_str())
        .with("service", label(service))
        .with("chrooted", chrooted)
        .with("stale_socket", stale);
    for name in [
        "program",
        "program_running",
        "program_installed",
        "unit",
        "unit_state",
        "unit_error",
        "listening_elsewhere",
        "listener_address",
        "configured_address",
        "configured_at",
        "configured_differs",
        "suggestion",
        "exists_inside_jail",
        "exists_outside_jail",
    ] {
        if let Some(value) = found.fields.remove(name) {
            seen.fields.insert(name.to_owned(), value);
        }
    }
    let who = match found.fields.get("program").or_else(|| seen.fields.get("program")) {
        Some(Value::Text(program)) => program.clone(),
        _ => "the program behind it".to_owned(),
    };
    seen = seen.with("who", who);
    // The program runs, but not there: where is it then?
    if let Some(Value::Text(program)) = seen.fields.get("program").cloned()
        && elsewhere != Some(true)
        && program != "dovecot"
        && let Ok(all) = listeners::tcp(ctx.server.host)
        && let Some(found) = all.iter().find(|l| l.process.as_deref().is_some_and(|name| name.starts_with(&program)))
    {
        seen = seen.with("runs_at", found.postfix_address()).seen(Evidence::new("ss -ltnp", found.words()));
    }
    if used.what == "milter" {
        let action =
            instance.config.value("milter_default_action", Some(service)).map(|v| v.expanded.text).unwrap_or_default();
        seen = seen.with("tolerated", action == "accept");
    }
    seen = place(seen, used);
    seen.evidence.append(&mut found.evidence);
    out.observations.push(seen);
}

fn place(mut seen: Observation, used: &Use) -> Observation {
    if let Some((file, line)) = &used.at {
        seen = seen.with("file", file.as_str()).with("line", *line as i64);
        seen = seen.seen(Evidence::at(file, *line, format!("{} = {}", used.parameter, used.address)));
    }
    seen
}

fn closed(ctx: &Context<'_>, instance: &Instance, used: &Use, found: &probes::Outcome) -> Observation {
    let host = ctx.server.host;
    let mut seen = Observation::now("endpoint-closed")
        .of_instance(&instance.name)
        .with("what", words(used.what))
        .with("parameter", used.parameter.as_str())
        .with("address", used.address.as_str())
        .with("user", instance.config.text("mail_owner"));
    for name in ["path", "owner", "mode", "blocked_by", "program"] {
        if let Some(value) = found.fields.get(name) {
            seen.fields.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(Value::Text(by)) = found.fields.get("blocked_by")
        && let Ok(stat) = host.stat(by)
    {
        seen = seen.with("group", access::group_name(host, stat.gid));
    }
    let mut seen = place(seen, used);
    seen.evidence.extend(found.evidence.iter().cloned());
    seen
}
