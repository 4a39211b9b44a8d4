//! What chrooted services are configured to use by a path that leads out of the jail: sockets, SASL's files, CA
//! directories, the password file.

use super::{entry, uses};
use crate::discover::Instance;
use crate::evidence::{Evidence, Fields, Observation, Value};
use crate::host::{Host, Trouble};
use crate::postfix::master_cf::Service;
use crate::state::address::{Address, parse};
use crate::state::jail::{Jail, label};
use crate::state::programs;
use crate::steps::{Context, Outcome};

/// Looks at all of them.
pub(super) fn look(ctx: &Context<'_>, instance: &Instance, jail: &Jail<'_>, out: &mut Outcome) {
    sockets(ctx, instance, jail, out);
    sasl(ctx, instance, jail, out);
    authorities(ctx, instance, jail, out);
    users(ctx, instance, jail, out);
}

fn sockets(ctx: &Context<'_>, instance: &Instance, jail: &Jail<'_>, out: &mut Outcome) {
    let host = ctx.server.host;
    let mut told: Vec<(usize, String)> = Vec::new();
    for used in uses::of(host, instance) {
        let Some(service) = instance.config.master.services.get(used.service) else { continue };
        let Some(Address::Unix(path)) = parse(&used.address) else { continue };
        let chrooted = jail.services.iter().any(|s| s.line == service.line);
        if !chrooted || !path.starts_with('/') || told.contains(&(used.service, path.clone())) {
            continue;
        }
        let inside = jail.inside(&path);
        if !matches!(host.stat(&inside), Err(Trouble::Missing)) {
            continue;
        }
        told.push((used.service, path.clone()));
        let exists_outside = match host.stat(&path) {
            Ok(_) => Some(true),
            Err(Trouble::Missing) => Some(false),
            Err(_) => None,
        };
        let relative = jail.relative(&path);
        let mut seen = Observation::now("jail-socket-outside")
            .of_instance(&instance.name)
            .with("service", label(service))
            .with("command", service.command.as_str())
            .with("service_line", service.line as i64)
            .with("parameter", used.parameter.as_str())
            .with("what", used.what)
            .with("address", used.address.as_str())
            .with("path", path.as_str())
            .with("inside", inside.as_str())
            .with("jail", jail.root.as_str())
            .with("in_jail_directory", relative.is_some());
        if let Some(exists) = exists_outside {
            seen = seen.with("exists_outside", exists);
            if exists {
                seen = seen.seen(Evidence::new(path.as_str(), "exists outside of the jail"));
            }
        }
        if let Some(relative) = relative {
            seen = seen
                .with("suggestion", if used.what == "sasl" { relative.to_owned() } else { format!("unix:{relative}") });
        }
        if let Some(program) = programs::of(None, Some(&path)) {
            seen = seen.with("program", program.process);
        }
        if let Some((file, line)) = used.at {
            seen = seen.with("file", file.as_str()).with("line", line as i64);
            seen = seen.seen(Evidence::at(file, line, format!("{}: {}", used.parameter, used.address)));
        }
        out.observations.push(seen.seen(entry(instance, service)).seen(Evidence::new(inside, "does not exist")));
    }
}

/// Asks the probe that knows Cyrus SASL, for each chrooted SMTP server that does SASL.
fn sasl(ctx: &Context<'_>, instance: &Instance, jail: &Jail<'_>, out: &mut Outcome) {
    let Some(kind) = crate::probes::kind("sasl-library") else { return };
    for service in jail.running(&["smtpd"]) {
        let value =
            |name: &str| instance.config.value(name, Some(service)).map(|v| v.expanded.text).unwrap_or_default();
        if value("smtpd_sasl_auth_enable") != "yes" || !matches!(value("smtpd_sasl_type").as_str(), "" | "cyrus") {
            continue;
        }
        let index = instance.config.master.services.iter().position(|s| s.line == service.line);
        let probe = crate::probes::Context {
            server: ctx.server,
            instance: Some(instance),
            service: index,
            allowed: ctx.allowed,
            log: ctx.log,
        };
        let found = (kind.run)(&probe, &crate::probes::Args::from([("side".to_owned(), "server".to_owned())]));
        for seen in judge_sasl(ctx.server.host, &found.fields, jail) {
            let seen = seen
                .of_instance(&instance.name)
                .with("service", label(service))
                .with("line", service.line as i64)
                .seen(entry(instance, service));
            let same = |o: &Observation| o.kind == seen.kind && o.fields.get("inside") == seen.fields.get("inside");
            if !out.observations.iter().any(same) {
                out.observations.push(seen);
            }
        }
    }
}

fn judge_sasl(host: &dyn Host, fields: &Fields, jail: &Jail<'_>) -> Vec<Observation> {
    let is = |name: &str| match fields.get(name) {
        Some(Value::Bool(b)) => Some(*b),
        _ => None,
    };
    let text = |name: &str| match fields.get(name) {
        Some(Value::Text(t)) => Some(t.clone()),
        _ => None,
    };
    let mut found = Vec::new();
    if let Some(inside) = text("sasldb") {
        let outside = inside.strip_prefix(jail.root.as_str()).unwrap_or("/etc/sasldb2").to_owned();
        let missing = is("sasldb_exists") == Some(false);
        let stale = is("sasldb_stale") == Some(true);
        let unreadable = is("sasldb_readable") == Some(false);
        if missing || stale || unreadable {
            let words = match (missing, stale) {
                (true, _) => "does not exist",
                (_, true) => "differs from the one outside",
                _ => "closed to mail_owner",
            };
            found.push(
                Observation::now("jail-sasl")
                    .with("what", "sasldb")
                    .with("missing", missing)
                    .with("stale", stale)
                    .with("unreadable", unreadable && !missing)
                    .with("copy", format!("install -o root -g postfix -m 640 {outside} {inside}"))
                    .with("inside", inside.as_str())
                    .with("outside", outside)
                    .seen(Evidence::new(inside, words)),
            );
        }
    }
    if let Some(inside) = text("saslauthd_socket")
        && is("saslauthd_reachable") == Some(false)
    {
        let outside = inside.strip_prefix(jail.root.as_str()).unwrap_or("/var/run/saslauthd/mux").to_owned();
        let there = |path: &str| host.stat(path).is_ok();
        let missing = matches!(host.stat(&inside), Err(Trouble::Missing));
        found.push(
            Observation::now("jail-sasl")
                .with("what", "saslauthd")
                .with("missing", missing)
                .with("exists_outside", there(&outside))
                .with("stale", false)
                .with("unreadable", !missing)
                .with(
                    "copy",
                    format!(
                        "dpkg-statoverride --force-all --update --add root sasl 710 {}",
                        inside.trim_end_matches("/mux")
                    ),
                )
                .with("inside", inside.as_str())
                .with("outside", outside)
                .seen(Evidence::new(inside, if missing { "does not exist" } else { "closed to mail_owner" })),
        );
    }
    found
}

/// A CA directory is opened after the jail was entered; a CA file before.
fn authorities(ctx: &Context<'_>, instance: &Instance, jail: &Jail<'_>, out: &mut Outcome) {
    let host = ctx.server.host;
    let mut told = Vec::new();
    for service in jail.running(&["smtp", "lmtp", "smtpd"]) {
        let prefix = if service.program() == "smtpd" { "smtpd" } else { "smtp" };
        let value = |name: &str| {
            instance
                .config
                .value(&format!("{prefix}_{name}"), Some(service))
                .map(|v| v.expanded.text)
                .unwrap_or_default()
        };
        let (path, level) = (value("tls_CApath"), value("tls_security_level"));
        if path.is_empty() || level.is_empty() || level == "none" || told.contains(&path) {
            continue;
        }
        let inside = jail.inside(&path);
        let by_hash = |names: Vec<String>| names.iter().any(|n| n.len() == 10 && n.ends_with(".0"));
        let (missing, empty) = match host.list(&inside) {
            Ok(names) => (false, !by_hash(names)),
            Err(Trouble::Missing) => (true, false),
            Err(_) => continue,
        };
        if !missing && !empty {
            continue;
        }
        let asks = prefix == "smtpd" && (value("tls_ask_ccert") == "yes" || value("tls_req_ccert") == "yes");
        let verifies = asks || matches!(level.as_str(), "verify" | "secure");
        out.observations.push(
            Observation::now("jail-ca-missing")
                .of_instance(&instance.name)
                .with("service", label(service))
                .with("parameter", format!("{prefix}_tls_CApath"))
                .with("path", path.as_str())
                .with("inside", inside.as_str())
                .with("empty", empty)
                .with("ca_file", !value("tls_CAfile").is_empty())
                .with("level", level)
                .with("verifies", verifies)
                .seen(Evidence::new(
                    inside,
                    if missing { "does not exist" } else { "holds no certificate by its hash" },
                ))
                .seen(entry(instance, service)),
        );
        told.push(path);
    }
}

/// `unix:passwd.byname` without `proxy:` is asked in the jail.
fn users(ctx: &Context<'_>, instance: &Instance, jail: &Jail<'_>, out: &mut Outcome) {
    let host = ctx.server.host;
    for service in jail.running(&["smtpd"]) {
        let Some(value) = instance.config.value("local_recipient_maps", Some(service)) else { continue };
        let direct = value.expanded.text.split([' ', ',', '\t']).any(|w| w == "unix:passwd.byname");
        if !direct {
            continue;
        }
        let inside = jail.inside("/etc/passwd");
        let names = |path: &str| {
            host.read(path, 4 << 20).map(|b| {
                String::from_utf8_lossy(&b)
                    .lines()
                    .filter_map(|l| l.split(':').next().map(str::to_owned))
                    .collect::<Vec<_>>()
            })
        };
        let (Ok(outside), ours) = (names("/etc/passwd"), names(&inside)) else { continue };
        let (missing, lacks) = match ours {
            Ok(ours) => (false, outside.iter().filter(|n| !ours.contains(n)).count()),
            Err(Trouble::Missing) => (true, outside.len()),
            Err(_) => continue,
        };
        if lacks > 0 {
            out.observations.push(described(instance, service, &inside, missing, lacks));
            return;
        }
    }
}

fn described(instance: &Instance, service: &Service, inside: &str, missing: bool, lacks: usize) -> Observation {
    Observation::now("jail-passwd")
        .of_instance(&instance.name)
        .with("service", label(service))
        .with("parameter", "local_recipient_maps")
        .with("inside", inside)
        .with("missing", missing)
        .with("lacks", lacks as i64)
        .seen(Evidence::new(inside, if missing { "does not exist".to_owned() } else { format!("lacks {lacks} users") }))
        .seen(entry(instance, service))
}
