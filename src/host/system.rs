//! Memory, processors, load and names of a machine, as `host.*` facts.

use crate::evidence::{Fields, Value};

const MIB: u64 = 1 << 20;

/// Of this machine.
pub(super) fn of_this_machine() -> Fields {
    let mut facts = Fields::new();
    if let Ok(mut system) = sysinfo::System::new() {
        system.refresh_memory();
        let (mut total, mut free) = (system.total_memory(), system.available_memory());
        // In a container the limit of the control group is what matters.
        if let Some(limits) = system.cgroup_limits()
            && limits.total_memory > 0
            && limits.total_memory < total
        {
            (total, free) = (limits.total_memory, free.min(limits.free_memory));
        }
        if total > 0 {
            put(&mut facts, "host.memory_mb", total / MIB);
            put(&mut facts, "host.memory_free_mb", free / MIB);
            put(&mut facts, "host.swap_free_mb", system.free_swap() / MIB);
        }
    }
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = sysinfo::System::load_average().ok().map(|load| load.five);
    processors(&mut facts, cpus as u64, load);
    if let Ok(name) = sysinfo::System::host_name() {
        facts.insert("host.name".to_owned(), Value::Text(short(&name)));
    }
    facts
}

/// Of a machine whose `/proc/meminfo`, `/proc/loadavg` and `/proc/stat` were read.
pub(super) fn from_proc(meminfo: &str, loadavg: &str, stat: &str) -> Fields {
    let mut facts = Fields::new();
    let line = |name: &str| -> Option<u64> {
        let rest = meminfo.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
        rest.split_ascii_whitespace().next()?.parse().ok()
    };
    let names =
        [("MemTotal", "host.memory_mb"), ("MemAvailable", "host.memory_free_mb"), ("SwapFree", "host.swap_free_mb")];
    for (name, fact) in names {
        if let Some(kib) = line(name) {
            put(&mut facts, fact, kib / 1024);
        }
    }
    let cpus = stat.lines().filter(|l| l.starts_with("cpu") && l[3..].starts_with(|c: char| c.is_ascii_digit()));
    let load = loadavg.split_ascii_whitespace().nth(1).and_then(|l| l.parse().ok());
    processors(&mut facts, cpus.count() as u64, load);
    facts
}

/// A host name without its domain.
pub(super) fn short(name: &str) -> String {
    name.trim().split('.').next().unwrap_or_default().to_owned()
}

fn processors(facts: &mut Fields, cpus: u64, load: Option<f64>) {
    if cpus == 0 {
        return;
    }
    put(facts, "host.cpus", cpus);
    if let Some(load) = load {
        put(facts, "host.load_percent", (load * 100.0 / cpus as f64).round() as u64);
    }
}

fn put(facts: &mut Fields, name: &str, number: u64) {
    facts.insert(name.to_owned(), Value::Int(i64::try_from(number).unwrap_or(i64::MAX)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_from_proc() {
        let meminfo = "MemTotal:        2048000 kB\nMemFree: 1 kB\nMemAvailable:    1024000 kB\nSwapFree: 0 kB\n";
        let facts = from_proc(meminfo, "0.10 1.00 0.30 1/2 3\n", "cpu  1\ncpu0 1\ncpu1 1\nintr 0\n");
        let number = |name: &str| facts.get(name).cloned();
        assert_eq!(number("host.memory_mb"), Some(Value::Int(2000)));
        assert_eq!(number("host.swap_free_mb"), Some(Value::Int(0)));
        assert_eq!(number("host.load_percent"), Some(Value::Int(50)));
        assert!(from_proc("", "", "").is_empty());
    }
}
