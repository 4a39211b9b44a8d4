//! A master that does not run, and why.

use crate::discover::Instance;
use crate::evidence::{Evidence, Observation, printable};
use crate::host::Host;
use crate::logs::scan::Sample;
use crate::state::unit::{self, Unit};
use crate::steps::{Context, Outcome};

/// Other programs that take port 25.
const OTHER_MTAS: &[&str] =
    &["exim4", "exim", "sendmail", "sendmail-mta", "opensmtpd", "smtpd", "qmail-smtpd", "courieresmtpd"];

/// The names that a unit of Postfix may have, the one that runs master first.
pub(super) fn units(host: &dyn Host, instance: &Instance) -> Vec<Unit> {
    // Debian up to 12: postfix@-.service runs master, postfix.service only pulls it in.
    let name = if instance.name == "-" { "-" } else { instance.name.as_str() };
    ["postfix@".to_owned() + name + ".service", "postfix.service".to_owned()]
        .iter()
        .filter_map(|n| unit::show(host, n).ok())
        .filter(|u| u.exists() && !(u.get("FragmentPath").is_empty() && u.state() == "inactive"))
        .collect()
}

/// Says that master is absent, with all that tells why.
pub(super) fn absent(ctx: &Context<'_>, instance: &Instance, out: &mut Outcome) {
    let host = ctx.server.host;
    let enabled = instance.name == "-" || instance.config.text("multi_instance_enable") == "yes";
    if !enabled {
        return;
    }
    let queue = instance.config.text("queue_directory");
    let pid_file = format!("{queue}/pid/master.pid");
    let mut seen = Observation::now("master-not-running")
        .of_instance(&instance.name)
        .with("name", instance.name.as_str())
        .with("config_dir", instance.config_dir.as_str())
        .with("enabled", enabled)
        .with("label", if instance.name == "-" { String::new() } else { format!(" (instance {})", instance.name) })
        .with("other_mta", "")
        .with("fatal", "")
        .with("missing_address", "")
        .with("address_now", false)
        .with("pid_file_left", false)
        .seen(Evidence::new("ps", format!("no master works in {queue}")));
    if let Ok(stat) = host.stat(&pid_file)
        && stat.size > 0
    {
        // A clean stop leaves the file as well; only a boot since then makes it strange.
        let booted = boot_time(host);
        seen = seen.with("pid_file_left", booted.is_some_and(|b| stat.mtime < b));
    }
    if let Some(processes) = &ctx.server.processes
        && let Some(other) = processes.iter().find(|p| OTHER_MTAS.contains(&p.name.as_str()))
    {
        seen = seen.with("other_mta", other.name.as_str()).seen(other.evidence());
    }
    let units = units(host, instance);
    let mut fatal = None;
    if let Some(first) = units.first() {
        seen = unit_fields(host, seen, &units, first);
        seen = seen.with(
            "start",
            format!(
                "systemctl restart {}",
                if first.name().starts_with("postfix@-") { "postfix" } else { first.name() }
            ),
        );
        fatal = fatal_of_start(host, &units);
    } else {
        if unit::systemd(host) == Ok(false) {
            let stopped = stopped_by_log(ctx);
            seen = seen
                .with("unit_state", "")
                .with("unit_failed", false)
                .with("unit_enabled", true)
                .with("stopped_cleanly", stopped);
        }
        seen = seen.with(
            "start",
            if instance.name == "-" {
                "postfix start".to_owned()
            } else {
                format!("postmulti -i {} -p start", instance.name)
            },
        );
    }
    let fatal = fatal.or_else(|| fatal_of_log(ctx));
    if let Some((source, text)) = fatal {
        if let Some(address) = missing_address(&text) {
            if let Ok(own) = crate::probes::interface::own_addresses(host) {
                let now = own.iter().any(|ip| ip.to_string() == address);
                seen = seen.with("address_now", now);
                if now {
                    seen = seen.seen(Evidence::new("ip addr", format!("{address} is on an interface now")));
                }
            }
            seen = seen.with("missing_address", address);
        }
        seen = seen.with("fatal", text.as_str()).seen(Evidence::new(source, text));
    }
    out.observations.push(seen);
}

fn unit_fields(host: &dyn Host, mut seen: Observation, units: &[Unit], first: &Unit) -> Observation {
    let failed = units.iter().find(|u| u.state() == "failed").unwrap_or(first);
    seen = seen
        .with("unit", failed.name().trim_end_matches(".service"))
        .with("unit_state", failed.state())
        .with("unit_failed", failed.state() == "failed")
        .with("unit_enabled", units.iter().find(|u| u.name() == "postfix.service").unwrap_or(first).enabled())
        .with("unit_result", failed.get("Result"))
        .seen(Evidence::new(
            format!("systemctl show {}", failed.name()),
            format!("{} ({}), result {}", failed.state(), failed.get("SubState"), failed.get("Result")),
        ));
    let lines = unit::journal(host, failed.name(), 80).unwrap_or_default();
    seen = seen.with("stopped_cleanly", failed.state() == "inactive" && failed.get("Result") == "success");
    if failed.state() == "failed"
        && let Some(error) = unit::first_error(&lines)
    {
        seen = seen
            .with("unit_error", error.as_str())
            .seen(Evidence::new(format!("journalctl -u {}", failed.name()), error));
    }
    seen
}

/// The first fatal error that a unit of Postfix logged in its last attempt to start: what follows it only says
/// that the start failed.
fn fatal_of_start(host: &dyn Host, units: &[Unit]) -> Option<(String, String)> {
    units.iter().find_map(|u| {
        let lines = unit::journal(host, u.name(), 80).ok()?;
        let start =
            lines.iter().rposition(|l| l.program == "systemd" && l.message.starts_with("Starting ")).unwrap_or(0);
        // Postfix that ran after it makes it history.
        let run = lines.iter().rposition(|l| l.message.contains("daemon started")).unwrap_or(0);
        let attempt = &lines[start.max(run)..];
        let fatal = |l: &&unit::Line| l.message.contains("fatal: ");
        let line = attempt
            .iter()
            .filter(fatal)
            .find(|l| !l.message.contains("startup failed"))
            .or_else(|| attempt.iter().find(fatal))?;
        let program = line.program.rsplit('/').next().unwrap_or_default();
        Some((format!("journalctl -u {}", u.name()), format!("{program}: {}", line.message)))
    })
}

/// The log shows a stop as its last word.
fn stopped_by_log(ctx: &Context<'_>) -> bool {
    let last = ctx.log.and_then(|log| log.lifecycle.iter().max_by_key(|l| l.order));
    last.is_some_and(|l| l.what == "stop") && fatal_of_log(ctx).is_none()
}

/// Programs that can keep the mail system from starting.
const STARTERS: [&str; 7] = ["master", "postfix-script", "postmulti", "postfix", "postsuper", "postlog", "postconf"];

/// The fatal error of the last start that the log shows, if nothing ran after it. The first of that start: what
/// follows within seconds only says that the start failed.
fn fatal_of_log(ctx: &Context<'_>) -> Option<(String, String)> {
    let log = ctx.log?;
    let last_stop = log.lifecycle.iter().map(|l| l.order).max().unwrap_or(0);
    let fatal =
        |s: &&Sample| STARTERS.contains(&s.tag.rsplit('/').next().unwrap_or_default()) && s.text.contains("fatal: ");
    let groups = log.groups.iter().filter(|g| g.order >= last_stop);
    let samples: Vec<&Sample> =
        groups.flat_map(|g| &g.samples).chain(log.unknown.iter().map(|c| &c.sample)).filter(fatal).collect();
    let last = samples.iter().filter_map(|s| s.time).max();
    let near = |s: &&&Sample| match (s.time, last) {
        (Some(time), Some(last)) => last.as_second() - time.as_second() <= 10,
        _ => true,
    };
    let sample = samples.iter().filter(near).min_by_key(|s| (s.text.contains("startup failed"), s.time, s.line))?;
    let program = sample.tag.rsplit('/').next().unwrap_or_default();
    let message = sample.text.split_once("fatal: ").map_or(sample.text.as_str(), |(_, m)| m);
    Some((format!("{}:{}", sample.source, sample.line), format!("{program}: fatal: {message}")))
}

/// The address of `no local interface found for ADDRESS`.
fn missing_address(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("no local interface found for ")?;
    let word = rest.split_whitespace().next()?.trim_matches(['[', ']', ',', ':']);
    Some(printable(word))
}

fn boot_time(host: &dyn Host) -> Option<i64> {
    let text = host.read("/proc/stat", 1 << 20).ok()?;
    String::from_utf8_lossy(&text).lines().find_map(|l| l.strip_prefix("btime ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_address_that_was_not_there() {
        let text = "postmulti: fatal: parameter inet_interfaces: no local interface found for 192.0.2.25";
        assert_eq!(missing_address(text).unwrap(), "192.0.2.25");
        assert!(missing_address("fatal: x").is_none());
    }
}
