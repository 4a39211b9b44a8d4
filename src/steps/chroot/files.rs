//! Copies of system files in the jail: resolv.conf, hosts, services, nsswitch.conf with its libraries, localtime.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::{entry, uses};
use crate::discover::Instance;
use crate::evidence::{CONTACT_OTHERS, Evidence, Observation};
use crate::host::{FileKind, Host, Run, Trouble};
use crate::postfix::master_cf::Service;
use crate::state::address::{Address, parse, port_number};
use crate::state::jail::{Jail, label};
use crate::state::{access, resolv};
use crate::steps::{Context, Outcome};

/// Looks at all of them.
pub(super) fn look(ctx: &Context<'_>, instance: &Instance, jail: &Jail<'_>, out: &mut Outcome) {
    // The start script of the distribution fills the jail: while Postfix is stopped, what is not there proves nothing.
    let stopped = ctx.server.processes.is_some() && instance.master_pid.is_none();
    let resolvers = needing_dns(instance, jail);
    let names = native_names(ctx.server.host, instance, jail);
    let look = Look { ctx, instance, jail };
    look.file("etc/resolv.conf", &resolvers, "DNS look-ups", !resolvers.is_empty() && !stopped, &[], out);
    let needed = look.names_in_hosts(&names);
    look.file(
        "etc/hosts",
        &users(jail),
        "host names that only /etc/hosts knows",
        !needed.is_empty() && !stopped,
        &needed,
        out,
    );
    let ports = look.service_names();
    look.file(
        "etc/services",
        &users(jail),
        "services given by name instead of number",
        !ports.is_empty() && !stopped,
        &ports,
        out,
    );
    look.file("etc/nsswitch.conf", &users(jail), "the order of name services", false, &[], out);
    look.file("etc/localtime", &users(jail), "time stamps in local time", false, &[], out);
    look.libraries(&resolvers, out);
    look.syslog(out);
}

/// Chrooted services that ask the DNS.
fn needing_dns<'a>(instance: &Instance, jail: &Jail<'a>) -> Vec<&'a Service> {
    jail.services
        .iter()
        .copied()
        .filter(|s| match s.program() {
            "smtp" | "lmtp" => {
                let value =
                    |name: &str| instance.config.value(name, Some(s)).map(|v| v.expanded.text).unwrap_or_default();
                value("disable_dns_lookups") != "yes" && value("smtp_dns_support_level") != "disabled"
            }
            "smtpd" | "dnsblog" | "qmqpd" => true,
            _ => false,
        })
        .collect()
}

/// Chrooted services that look up names or connect somewhere.
fn users<'a>(jail: &Jail<'a>) -> Vec<&'a Service> {
    jail.running(&["smtp", "smtpd", "lmtp", "cleanup", "qmqpd", "dnsblog"])
}

/// Host names that chrooted services look up by the C library: those of milters, policy servers and SASL.
fn native_names(host: &dyn Host, instance: &Instance, jail: &Jail<'_>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for used in uses::of(host, instance) {
        let Some(service) = instance.config.master.services.get(used.service) else { continue };
        let chrooted = jail.services.iter().any(|s| s.line == service.line);
        if let (true, Some(Address::Inet { host, .. })) = (chrooted, parse(&used.address))
            && host.parse::<std::net::IpAddr>().is_err()
            && !host.is_empty()
        {
            names.insert(host);
        }
    }
    let native = |s: &&Service| {
        let value = |name: &str| instance.config.value(name, Some(s)).map(|v| v.expanded.text).unwrap_or_default();
        value("smtp_host_lookup").contains("native") || value("disable_dns_lookups") == "yes"
    };
    if jail.running(&["smtp", "lmtp"]).iter().any(native) {
        let relay = instance.config.text("relayhost");
        let name = relay.trim_start_matches('[').split([']', ':']).next().unwrap_or_default().to_owned();
        if !name.is_empty() && name.parse::<std::net::IpAddr>().is_err() {
            names.insert(name);
        }
    }
    names
}

struct Look<'a> {
    ctx: &'a Context<'a>,
    instance: &'a Instance,
    jail: &'a Jail<'a>,
}

impl Look<'_> {
    fn host(&self) -> &dyn Host {
        self.ctx.server.host
    }

    /// A file of the jail as a daemon in it sees it: a symbolic link is followed below the jail's root.
    fn inside(&self, file: &str) -> (String, Option<String>) {
        let path = self.jail.inside(&format!("/{file}"));
        match self.host().lstat(&path) {
            Ok(stat) if stat.kind == FileKind::Symlink => match self.host().read_link(&path) {
                Ok(target) => (self.jail.inside(&below(file, &target)), Some(target)),
                Err(_) => (path, None),
            },
            _ => (path, None),
        }
    }

    fn file(
        &self,
        file: &str,
        services: &[&Service],
        needed_for: &str,
        matters: bool,
        names: &[String],
        out: &mut Outcome,
    ) {
        let outside = format!("/{file}");
        let host = self.host();
        let Ok(theirs) = host.read(&outside, 1 << 20) else { return };
        let (inside, link) = self.inside(file);
        let base = |kind: &'static str| self.base(kind, file, services, matters, names);
        match host.read(&inside, 1 << 20) {
            Ok(ours) => {
                if self.unreadable(file, &inside, services, matters, out) {
                    return;
                }
                self.compare(file, (&theirs, &ours), services, matters, names, out);
            }
            Err(Trouble::Missing) => {
                let mut seen = base("jail-file-missing")
                    .with("needed_for", needed_for)
                    .with("inside", inside.as_str())
                    .with("outside", outside)
                    .with("dangling", link.is_some());
                if file == "etc/resolv.conf" {
                    let works = self.default_works(&theirs);
                    if let Some(works) = works {
                        seen = seen.with("default_works", works);
                    }
                    seen = seen.with("matters", matters && works != Some(true));
                }
                seen = match link {
                    Some(target) => {
                        let text = format!("is a symbolic link to {target}, which is {inside} in the jail: not there");
                        seen.with("target", target).seen(Evidence::new(self.jail.inside(&format!("/{file}")), text))
                    }
                    None => seen.seen(Evidence::new(inside, "does not exist")),
                };
                out.observations.push(self.used_by(seen, services));
            }
            Err(Trouble::Denied) => out.not_checked.push(crate::evidence::NotChecked {
                what: inside,
                why: Trouble::Denied.to_string(),
                settle: Some("sudo postdoctor --auto".to_owned()),
            }),
            Err(_) => {}
        }
    }

    fn base(
        &self,
        kind: &'static str,
        file: &str,
        services: &[&Service],
        matters: bool,
        names: &[String],
    ) -> Observation {
        let inside = self.jail.inside(&format!("/{file}"));
        let directory = inside.rsplit_once('/').map_or(inside.as_str(), |(d, _)| d);
        let copy = if kind == "jail-file-missing" {
            format!("install -D -m 644 /{file} {inside}")
        } else {
            format!("cp -p /{file} {directory}/")
        };
        Observation::now(kind)
            .of_instance(&self.instance.name)
            .with("file", file)
            .with("jail", self.jail.root.as_str())
            .with("services", services.iter().map(|s| label(s)).collect::<Vec<_>>())
            .with("matters", matters && !services.is_empty())
            .with("names", names.to_vec())
            .with("copy", copy)
    }

    fn used_by(&self, seen: Observation, services: &[&Service]) -> Observation {
        match services.first() {
            Some(first) => {
                let evidence = entry(self.instance, first);
                seen.with("service", label(first)).with("line", first.line as i64).seen(evidence)
            }
            None => seen,
        }
    }

    /// Without a name server the library asks 127.0.0.1; and a host that has none either is no different.
    fn default_works(&self, theirs: &[u8]) -> Option<bool> {
        let conf = resolv::parse(&String::from_utf8_lossy(theirs));
        if conf.asked().iter().any(|ip| ip.to_string() == "127.0.0.1") {
            return Some(true);
        }
        let table = self.host().run(&Run::new("ss", &["-Hlun"])).ok()?;
        Some(table.out().lines().any(|l| {
            l.split_whitespace()
                .nth(3)
                .is_some_and(|a| matches!(a, "127.0.0.1:53" | "0.0.0.0:53" | "*:53" | "127.0.0.1%lo:53"))
        }))
    }

    fn unreadable(&self, file: &str, inside: &str, services: &[&Service], matters: bool, out: &mut Outcome) -> bool {
        let host = self.host();
        let owner = self.instance.config.text("mail_owner");
        let Ok(who) = access::who(host, if owner.is_empty() { "postfix" } else { &owner }) else { return false };
        let access::Access::Blocked(by) = access::check(host, inside, &who, access::Want::Read) else { return false };
        let Ok(stat) = host.stat(&by) else { return false };
        let directory = stat.kind == FileKind::Directory;
        let mend = if directory { format!("chmod 755 {by}") } else { format!("chmod 644 {by}") };
        let seen = self
            .base("jail-file-unreadable", file, services, matters, &[])
            .with("inside", inside)
            .with("owner", access::owner(host, &stat))
            .with("mode", access::octal(&stat))
            .with("blocked_by", by.as_str())
            .with("is_directory", directory)
            .with("copy", mend)
            .seen(Evidence::new(by.as_str(), format!("{}: closed to {}", access::words(host, &stat), who.name)));
        let mut seen = self.used_by(seen, services);
        seen.fields.remove("names");
        seen.fields.remove("line");
        out.observations.push(seen);
        true
    }

    fn compare(
        &self,
        file: &str,
        (theirs, ours): (&[u8], &[u8]),
        services: &[&Service],
        matters: bool,
        names: &[String],
        out: &mut Outcome,
    ) {
        if theirs == ours {
            return;
        }
        let (theirs, ours) = (String::from_utf8_lossy(theirs), String::from_utf8_lossy(ours));
        let Some((differs, counts)) = difference(file, &theirs, &ours, names) else { return };
        let inside = self.jail.inside(&format!("/{file}"));
        let mut seen = self
            .base("jail-file-stale", file, services, matters && counts, names)
            .with("outside", format!("/{file}"))
            .with("inside", inside.as_str())
            .with("differs", differs.as_str());
        if file == "etc/resolv.conf" {
            seen = self.servers(seen, &theirs, &ours);
        }
        seen = seen.seen(Evidence::new(inside, differs));
        out.observations.push(self.used_by(seen, services));
    }

    fn servers(&self, mut seen: Observation, theirs: &str, ours: &str) -> Observation {
        let (outside, inside) = (resolv::parse(theirs), resolv::parse(ours));
        let words = |c: &resolv::ResolvConf| c.asked().iter().map(ToString::to_string).collect::<Vec<_>>();
        seen = seen.with("outside_servers", words(&outside)).with("inside_servers", words(&inside));
        if self.ctx.allowed < CONTACT_OTHERS {
            return seen;
        }
        let name = self.instance.config.text("myhostname");
        let name = if name.is_empty() { "example.com".to_owned() } else { name };
        let sockets = [inside.sockets(), outside.sockets()].concat();
        let answers = crate::probes::dns::ask_all(self.host(), &sockets, &name, "A");
        if answers.len() != sockets.len() {
            return seen;
        }
        let (jail, host) = answers.split_at(inside.asked().len());
        let answers = |a: &[(std::net::IpAddr, Option<crate::host::Resolved>)]| {
            a.iter().any(|(_, r)| r.as_ref().is_some_and(|r| r.rcode != "REFUSED" && r.rcode != "SERVFAIL"))
        };
        for (place, list) in [("jail", jail), ("host", host)] {
            for (ip, answer) in list {
                let said = answer.as_ref().map_or("no answer in 3 s", |a| a.rcode.as_str());
                seen = seen.seen(Evidence::new(
                    format!("A {name} @{}", SocketAddr::new(*ip, 53).ip()),
                    format!("{said} ({place})"),
                ));
            }
        }
        seen.with("inside_dead", !answers(jail)).with("outside_answers", answers(host))
    }

    /// Of the names that are looked up, those that the host's own file answers.
    fn names_in_hosts(&self, names: &BTreeSet<String>) -> Vec<String> {
        let Ok(bytes) = self.host().read("/etc/hosts", 1 << 20) else { return Vec::new() };
        let known = hosts(&String::from_utf8_lossy(&bytes));
        names.iter().filter(|n| known.iter().any(|(name, _)| name == *n)).cloned().collect()
    }

    /// Names of TCP services that chrooted daemons look up, and that Postfix does not know by itself.
    fn service_names(&self) -> Vec<String> {
        let known_itself = self.instance.config.version.is_some_and(|v| v.at_least(3, 6));
        let mut found = BTreeSet::new();
        if !known_itself && !self.jail.running(&["smtp", "lmtp"]).is_empty() {
            found.insert("smtp".to_owned());
        }
        let relay = self.instance.config.text("relayhost");
        if let Some((_, port)) = relay.rsplit_once(':')
            && port.parse::<u16>().is_err()
            && !port.contains(']')
            && (!known_itself || port_number(port).is_none())
        {
            found.insert(port.to_owned());
        }
        found.into_iter().collect()
    }

    fn libraries(&self, services: &[&Service], out: &mut Outcome) {
        let host = self.host();
        let Ok(version) = host.run(&Run::new("getconf", &["GNU_LIBC_VERSION"])) else { return };
        let Some(version) = glibc(&version.out()) else { return };
        let built_in = version >= (2, 34);
        let directories = ["lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "lib64", "lib", "usr/lib64", "usr/lib"];
        let Some(directory) = directories.iter().find(|d| host.stat(&format!("/{d}/libnss_dns.so.2")).is_ok()) else {
            return;
        };
        for library in ["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"] {
            let outside = format!("/{directory}/{library}");
            let places = directories.iter().map(|d| self.jail.inside(&format!("/{d}/{library}")));
            let inside = places.clone().find(|p| host.stat(p).is_ok());
            let seen = Observation::now("jail-library")
                .of_instance(&self.instance.name)
                .with("library", library)
                .with("outside", outside.as_str())
                .with("built_in", built_in)
                .with("services", services.iter().map(|s| label(s)).collect::<Vec<_>>())
                .with("copy", format!("cp -p {outside} {}", self.jail.inside(&format!("/{directory}/"))));
            match inside {
                None if built_in || services.is_empty() || library == "libresolv.so.2" => {}
                None => {
                    let wanted = self.jail.inside(&format!("/{directory}/{library}"));
                    let evidence = Evidence::new(wanted.as_str(), "does not exist");
                    out.observations
                        .push(seen.with("missing", true).with("stale", false).with("inside", wanted).seen(evidence));
                }
                Some(inside) => {
                    if let (Ok(a), Ok(b)) = (host.read(&outside, 4 << 20), host.read(&inside, 4 << 20))
                        && a != b
                    {
                        let evidence = Evidence::new(inside.as_str(), format!("differs from {outside}"));
                        out.observations.push(
                            seen.with("missing", false).with("stale", true).with("inside", inside).seen(evidence),
                        );
                    }
                }
            }
        }
    }

    fn syslog(&self, out: &mut Outcome) {
        let host = self.host();
        let inside = self.jail.inside("/dev/log");
        if !matches!(host.stat(&inside), Err(Trouble::Missing)) || !self.instance.config.text("maillog_file").is_empty()
        {
            return;
        }
        let daemons = ["rsyslogd", "syslog-ng", "syslogd", "busybox"];
        let daemon =
            self.ctx.server.processes.as_ref().and_then(|all| all.iter().find(|p| daemons.contains(&p.name.as_str())));
        let mut seen = Observation::now("jail-syslog-socket")
            .of_instance(&self.instance.name)
            .with("inside", inside.as_str())
            .with("in_use", daemon.is_some());
        if let Some(daemon) = daemon {
            seen = seen.with("syslog", daemon.name.as_str()).seen(daemon.evidence());
            if let (Some(a), Some(b)) = (daemon.started, self.instance.started) {
                seen = seen.with("restarted", a > b);
            }
        }
        let files = host.list("/etc/rsyslog.d").unwrap_or_default();
        let configured = files.iter().any(|f| {
            host.read(&format!("/etc/rsyslog.d/{f}"), 64 << 10)
                .is_ok_and(|b| String::from_utf8_lossy(&b).lines().any(|l| !l.starts_with('#') && l.contains(&inside)))
        });
        seen = seen.with("configured", configured).seen(Evidence::new(inside, "does not exist"));
        out.observations.push(seen);
    }
}

/// The path that a link in the jail leads to, as seen in the jail: `..` does not lead out of it.
fn below(file: &str, target: &str) -> String {
    let start = if target.starts_with('/') { "" } else { file.rsplit_once('/').map_or("", |(d, _)| d) };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("/{}", parts.join("/"))
}

/// `glibc 2.36`
fn glibc(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}

/// name and address pairs
fn hosts(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(|l| l.split('#').next().unwrap_or_default());
    lines
        .flat_map(|line| {
            let mut words = line.split_whitespace();
            let ip = words.next().unwrap_or_default().to_owned();
            words.map(move |name| (name.to_ascii_lowercase(), ip.clone())).collect::<Vec<_>>()
        })
        .collect()
}

/// What differs, in words, and whether it counts; none: nothing that a daemon would notice.
fn difference(file: &str, theirs: &str, ours: &str, names: &[String]) -> Option<(String, bool)> {
    match file {
        "etc/resolv.conf" => {
            let (a, b) = (resolv::parse(theirs), resolv::parse(ours));
            let sorted = |c: &resolv::ResolvConf| {
                let mut all = c.asked();
                all.sort();
                all
            };
            (sorted(&a) != sorted(&b)).then(|| (format!("names {}; the host's names {}", b.words(), a.words()), true))
        }
        "etc/hosts" => {
            let of = |text: &str, name: &String| {
                let mut all: Vec<String> =
                    hosts(text).into_iter().filter(|(n, _)| n == name).map(|(_, ip)| ip).collect();
                all.sort();
                all
            };
            let changed: Vec<&String> = names.iter().filter(|n| of(theirs, n) != of(ours, n)).collect();
            let list = changed.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(", ");
            (!changed.is_empty()).then(|| (format!("another entry for {list}"), true))
        }
        "etc/services" => {
            let has = |text: &str, name: &String| {
                text.lines().any(|l| {
                    let words: Vec<&str> = l.split('#').next().unwrap_or_default().split_whitespace().collect();
                    words.get(1).is_some_and(|p| p.ends_with("/tcp"))
                        && words.iter().enumerate().any(|(i, w)| i != 1 && w == name)
                })
            };
            let lost: Vec<&str> =
                names.iter().filter(|n| has(theirs, n) && !has(ours, n)).map(String::as_str).collect();
            (!lost.is_empty()).then(|| (format!("lacks {}", lost.join(", ")), true))
        }
        "etc/nsswitch.conf" => {
            let line = |text: &str| {
                let found = text.lines().find_map(|l| l.strip_prefix("hosts:")).unwrap_or("files dns");
                found.split('#').next().unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
            };
            let (a, b) = (line(theirs), line(ours));
            let asks = |l: &[String]| l.iter().any(|w| w == "dns" || w == "resolve");
            (a != b).then(|| (format!("hosts: {}; the host has: {}", b.join(" "), a.join(" ")), asks(&a) && !asks(&b)))
        }
        "etc/localtime" => Some(("another time zone".to_owned(), false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_in_resolv_conf_is_no_difference() {
        assert!(difference("etc/resolv.conf", "# x\nnameserver 192.0.2.1\n", "nameserver 192.0.2.1\n", &[]).is_none());
        let (words, counts) =
            difference("etc/resolv.conf", "nameserver 192.0.2.1\n", "nameserver 192.0.2.2\n", &[]).unwrap();
        assert!(counts && words.contains("192.0.2.2"));
    }

    #[test]
    fn only_names_that_are_used_count_in_hosts() {
        let names = ["localhost".to_owned()];
        assert!(
            difference("etc/hosts", "127.0.0.1 localhost\n192.0.2.1 a\n", "127.0.0.1 localhost\n", &names).is_none()
        );
        assert!(difference("etc/hosts", "127.0.0.1 localhost\n", "192.0.2.1 a\n", &names).is_some());
    }

    #[test]
    fn links_do_not_lead_out_of_the_jail() {
        assert_eq!(
            below("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"),
            "/run/systemd/resolve/stub-resolv.conf"
        );
        assert_eq!(below("etc/resolv.conf", "../../../run/x"), "/run/x");
        assert_eq!(below("etc/localtime", "/usr/share/zoneinfo/UTC"), "/usr/share/zoneinfo/UTC");
    }

    #[test]
    fn reads_the_glibc_version() {
        assert_eq!(glibc("glibc 2.36\n"), Some((2, 36)));
        assert_eq!(glibc("x"), None);
    }
}
