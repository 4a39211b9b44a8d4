//! The platform: distribution, init system, container, security modules, memory and load, as `host.*` facts.
//! A fact is absent where it could not be learnt.

use crate::evidence::{Fields, Value};
use crate::host::{FileKind, Host, HostKind, Run, Trouble};

/// Everything that can be told without asking Postfix.
pub(super) fn facts(host: &dyn Host) -> Fields {
    let mut facts = host.system().unwrap_or_default();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            facts.entry(name.to_owned()).or_insert(value);
        }
    };
    let text = |t: &str| Some(Value::from(t));
    put(
        "host.kind",
        text(match host.kind() {
            HostKind::Live => "live",
            HostKind::Via => "via",
            HostKind::Snapshot => "snapshot",
        }),
    );
    put("host.posted", Some(Value::Bool(host.is_post())));
    put("host.euid", Some(Value::Int(i64::from(host.euid()))));
    put("host.name", name(host).map(Value::Text));
    let release = read(host, "/etc/os-release").or_else(|| read(host, "/usr/lib/os-release"));
    put("host.os", system(host, release.is_some()).map(Value::Text));
    if let Some(release) = release {
        let field = |name: &str| release_field(&release, name);
        let id = field("ID").unwrap_or_else(|| "linux".to_owned());
        put("host.family", text(family(&id, &field("ID_LIKE").unwrap_or_default())));
        put("host.os_id", Some(Value::Text(id)));
        put("host.os_version", field("VERSION_ID").map(Value::Text));
    } else if host.kind_of("/usr/local/etc/postfix").is_ok() && host.kind_of("/etc/freebsd-update.conf").is_ok() {
        put("host.family", text("freebsd"));
    }
    let container = container(host);
    put("host.container", container.map(Value::Bool));
    put("host.init", init(host, container).map(Value::from));
    put("host.selinux", selinux(host).map(Value::from));
    put("host.apparmor", apparmor(host).map(Value::from));
    put("host.clock_synchronized", clock(host).map(Value::Bool));
    facts
}

fn read(host: &dyn Host, path: &str) -> Option<String> {
    host.read(path, 64 << 10).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn name(host: &dyn Host) -> Option<String> {
    let name = read(host, "/proc/sys/kernel/hostname").or_else(|| read(host, "/etc/hostname"))?;
    let name = name.trim().split('.').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

fn system(host: &dyn Host, has_release: bool) -> Option<String> {
    match host.kind() {
        HostKind::Live => Some(std::env::consts::OS.to_owned()),
        _ if has_release => Some("linux".to_owned()),
        _ => Some(host.run(&Run::new("uname", &["-s"])).ok()?.out().trim().to_ascii_lowercase()),
    }
}

/// A value of os-release without its quotes.
fn release_field(release: &str, name: &str) -> Option<String> {
    let value = release.lines().find_map(|l| l.trim().strip_prefix(name)?.strip_prefix('='))?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

fn family(id: &str, like: &str) -> &'static str {
    for word in std::iter::once(id).chain(like.split_ascii_whitespace()) {
        let word = word.to_ascii_lowercase();
        match word.as_str() {
            "debian" | "ubuntu" | "devuan" => return "debian",
            "rhel" | "fedora" | "centos" | "rocky" | "almalinux" | "ol" | "amzn" => return "rhel",
            "alpine" => return "alpine",
            "arch" => return "arch",
            "freebsd" => return "freebsd",
            w if w.starts_with("opensuse") || w == "suse" || w.starts_with("sle") => return "suse",
            _ => {}
        }
    }
    ""
}

/// Whether the host is a container; `None` where nothing that tells could be looked at.
fn container(host: &dyn Host) -> Option<bool> {
    let marks = ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"];
    if marks.iter().any(|mark| host.kind_of(mark).is_ok()) {
        return Some(true);
    }
    let first = host.read("/proc/1/environ", 64 << 10);
    if let Ok(environment) = &first
        && environment.split(|&b| b == 0).any(|v| v.starts_with(b"container="))
    {
        return Some(true);
    }
    let groups = read(host, "/proc/1/cgroup");
    let names = ["/docker", "/lxc", "kubepods", "libpod", "/machine.slice/"];
    if groups.as_deref().is_some_and(|groups| names.iter().any(|n| groups.contains(n))) {
        return Some(true);
    }
    groups.map(|_| false)
}

fn init(host: &dyn Host, container: Option<bool>) -> Option<&'static str> {
    if host.kind_of("/run/systemd/system") == Ok(FileKind::Directory) {
        return Some("systemd");
    }
    if host.kind_of("/run/openrc") == Ok(FileKind::Directory) {
        return Some("openrc");
    }
    let first = read(host, "/proc/1/comm")?;
    match first.trim() {
        "systemd" => Some("systemd"),
        "openrc-init" => Some("openrc"),
        "runit" => Some("runit"),
        "init" if container != Some(true) => Some("sysv"),
        // Something else is process 1: a program that somebody started alone in a container or a namespace.
        _ => Some("none"),
    }
}

fn selinux(host: &dyn Host) -> Option<&'static str> {
    match host.read("/sys/fs/selinux/enforce", 8) {
        Ok(state) if state.starts_with(b"1") => Some("enforcing"),
        Ok(_) => Some("permissive"),
        Err(Trouble::Missing) => Some("disabled"),
        Err(_) => None,
    }
}

fn apparmor(host: &dyn Host) -> Option<&'static str> {
    match host.read("/sys/module/apparmor/parameters/enabled", 8) {
        Ok(state) if state.starts_with(b"Y") => Some("enabled"),
        Ok(_) | Err(Trouble::Missing) => Some("disabled"),
        Err(_) => None,
    }
}

/// Known for sure only where systemd-timesyncd says so; other programs would have to be asked over a socket.
fn clock(host: &dyn Host) -> Option<bool> {
    host.kind_of("/run/systemd/timesync/synchronized").is_ok().then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        assert_eq!(family("linuxmint", "ubuntu debian"), "debian");
        assert_eq!(family("almalinux", "rhel centos fedora"), "rhel");
        assert_eq!(family("opensuse-leap", "suse opensuse"), "suse");
        assert_eq!(family("nixos", ""), "");
        assert_eq!(release_field("NAME=x\nID=\"rocky\"\n", "ID").as_deref(), Some("rocky"));
    }
}
