//! The `log.*` facts: what the log says over all, for conditions that weigh one trouble against the traffic.

use crate::discover::Server;
use crate::evidence::{Fields, Value};
use crate::logs::scan::{Deliveries, LogScan};

/// Facts of a scan under their full names, as `facts::FACTS` declares them.
pub fn facts(log: &LogScan, server: &Server<'_>) -> Fields {
    let int = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let sum = |of: fn(&Deliveries) -> u64| int(log.deliveries.values().map(of).sum());
    let domains = || log.deliveries.iter().filter(|(domain, _)| !domain.is_empty()).map(|(_, d)| d);
    let delivering = |d: &&Deliveries| d.last_sent.is_some() && d.last_sent >= d.last_failed;
    let failing = |d: &&Deliveries| d.last_failed.is_some() && d.last_failed > d.last_sent;
    let starts = log.lifecycle.iter().filter(|l| l.what == "start").count() as u64;
    let mut fields = Fields::new();
    for (name, value) in [
        ("log.any", Value::Bool(log.postfix_lines > 0)),
        ("log.lines", int(log.postfix_lines)),
        ("log.sent", sum(|d| d.sent)),
        ("log.deferred", sum(|d| d.deferred)),
        ("log.bounced", sum(|d| d.bounced)),
        ("log.nexthops_failing", int(domains().filter(failing).count() as u64)),
        ("log.nexthops_delivering", int(domains().filter(delivering).count() as u64)),
        ("log.connects", int(log.connects)),
        ("log.unknown_connects", int(log.unknown_connects)),
        ("log.last_start_known", Value::Bool(starts > 0)),
        ("log.starts", int(starts)),
    ] {
        fields.insert(name.to_owned(), value);
    }
    if let Some((now, last)) = server.host.now().ok().zip(log.last) {
        fields.insert("log.minutes_since_last_line".to_owned(), Value::Int(now.duration_since(last).as_mins().max(0)));
    }
    fields
}
