//! Who listens on a port, to find who took it from Postfix.

use super::common::arg;
use super::{Args, Context, Outcome, ProbeKind, bool, int, list, text};
use crate::evidence::{Field, READ_ONLY};
use crate::state::address::port_number;
use crate::state::{listeners, unit};
use std::net::IpAddr;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "listener",
    level: READ_ONLY,
    doc: "Who has this TCP port open?",
    args: &[("port", true), ("address", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("listening", "somebody listens"),
    text("process", "name of the program"),
    int("pid", "its process id"),
    text("address", "where"),
    list("addresses", "all addresses on which somebody listens at this port"),
    bool("is_postfix", "it is the master of Postfix"),
    bool("v4", "somebody listens on an IPv4 address that is not loopback"),
    bool("v6", "somebody listens on an IPv6 address that is not loopback"),
    bool("loopback_only", "only loopback addresses"),
    text("unit", "unit of the program, if systemd tells"),
    text("suggestion", "what to type to stop it"),
];

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    let Some(port) = arg(args, "port").and_then(port_number) else { return out };
    let all = match listeners::tcp(host) {
        Ok(all) => all,
        Err(why) => {
            out.unchecked(format!("who listens on port {port}"), why, Some(format!("ss -ltnp 'sport = :{port}'")));
            return out;
        }
    };
    let wanted = arg(args, "address").and_then(|a| a.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    let found: Vec<_> = all.iter().filter(|l| l.port == port && wanted.is_none_or(|ip| l.takes(ip))).collect();
    out.set("listening", !found.is_empty());
    if found.is_empty() {
        out.saw("ss -ltn", format!("nothing listens on port {port}"));
        return out;
    }
    let open = |v4: bool| found.iter().any(|l| !l.address.is_loopback() && (l.both || l.address.is_ipv4() == v4));
    out.set("v4", open(true));
    out.set("v6", open(false));
    out.set("loopback_only", found.iter().all(|l| l.address.is_loopback()));
    out.set("addresses", found.iter().map(|l| l.address.to_string()).collect::<Vec<_>>());
    // The one that is not Postfix is the one that is asked for.
    let foreign = found.iter().find(|l| l.process.as_deref().is_some_and(|p| p != "master"));
    let first = foreign.unwrap_or(&found[0]);
    out.saw("ss -ltnp", first.words());
    out.set("address", first.address.to_string());
    if let Some(process) = &first.process {
        out.set("process", process.as_str());
        out.set("is_postfix", process == "master");
    }
    if let Some(pid) = first.pid {
        out.set("pid", i64::from(pid));
        match unit::of_pid(host, pid) {
            Some(unit) => {
                out.set("suggestion", format!("systemctl disable --now {}", unit.trim_end_matches(".service")));
                out.set("unit", unit.trim_end_matches(".service"));
            }
            None => out.set("suggestion", format!("kill {pid}")),
        }
    }
    out
}
