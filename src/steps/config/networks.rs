//! Addresses and names of this host: mynetworks, inet_interfaces, inet_protocols, bind addresses, myhostname.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::look::{Look, Place, is_loopback, split_address};
use crate::evidence::{CONTACT_OTHERS, Evidence, Observation};
use crate::host::{Question, Run};

pub(super) fn observe(look: &Look<'_>) {
    my_networks(look);
    let have = addresses(look);
    interfaces(look, have.as_deref());
    protocols(look, have.as_deref());
    bind_addresses(look, have.as_deref());
    if let Some(have) = &have {
        loopback_only(look, have);
    }
    names(look);
}

/// The entry covers the whole Internet, or a half of it.
pub(crate) fn is_everybody(pattern: &str) -> bool {
    let Some((net, bits)) = pattern.trim().rsplit_once('/') else { return false };
    let net = net.trim_start_matches('[').trim_end_matches(']');
    net.parse::<IpAddr>().is_ok() && matches!(bits, "0" | "1")
}

/// What is wrong with an address pattern, and what was probably meant.
fn pattern_problem(pattern: &str) -> Option<(&'static str, String)> {
    let (net, bits) = match pattern.rsplit_once('/') {
        Some((net, bits)) => (net, Some(bits)),
        None => (pattern, None),
    };
    let bare = net.trim_start_matches('[').trim_end_matches(']');
    let suffix = bits.map(|b| format!("/{b}")).unwrap_or_default();
    let Ok(address) = bare.parse::<IpAddr>() else {
        let numeric = bare.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !bare.is_empty();
        return numeric.then(|| ("unparsable", full_network(bare, bits)));
    };
    if address.is_ipv6() && !net.starts_with('[') {
        return Some(("no-brackets", format!("[{bare}]{suffix}")));
    }
    let bits = bits?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    let Some(bits) = bits.parse::<u32>().ok().filter(|b| *b <= max) else {
        let mask = bits.parse::<Ipv4Addr>().ok().map(u32::from);
        let wanted = mask
            .filter(|m| m.leading_ones() + m.trailing_zeros() == 32)
            .map(|m| format!("{bare}/{}", m.leading_ones()))
            .unwrap_or_default();
        return Some(("bad-mask", wanted));
    };
    let network = network_of(address, bits);
    (network != address).then(|| {
        let shown = if network.is_ipv6() { format!("[{network}]/{bits}") } else { format!("{network}/{bits}") };
        ("host-bits", shown)
    })
}

/// `10.0.0` and `192.168.1.` are short forms of other programs.
fn full_network(short: &str, bits: Option<&str>) -> String {
    let mut parts: Vec<&str> = short.split('.').filter(|p| !p.is_empty()).collect();
    if parts.len() >= 4 || bits.is_some() {
        return String::new();
    }
    let mask = parts.len() * 8;
    parts.resize(4, "0");
    format!("{}/{mask}", parts.join("."))
}

fn network_of(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        IpAddr::V4(a) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            Ipv4Addr::from(u32::from(a) & mask).into()
        }
        IpAddr::V6(a) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            Ipv6Addr::from(u128::from(a) & mask).into()
        }
    }
}

/// Lists of addresses in which a pattern may be misread.
const ADDRESS_LISTS: &[&str] = &[
    "mynetworks",
    "smtpd_client_event_limit_exceptions",
    "smtpd_authorized_xclient_hosts",
    "smtpd_authorized_xforward_hosts",
    "smtpd_sasl_exceptions_networks",
    "postscreen_access_list",
];

fn my_networks(look: &Look<'_>) {
    for used in look.uses().iter().filter(|u| ADDRESS_LISTS.contains(&u.name.as_str())) {
        for item in used.items() {
            let pattern = item.trim_start_matches('!');
            if pattern.starts_with('/') || pattern.contains('$') {
                continue;
            }
            let found = pattern_problem(pattern).or_else(|| {
                is_everybody(pattern).then_some(("too-wide", String::new())).filter(|_| used.name == "mynetworks")
            });
            if let Some((problem, wanted)) = found {
                look.emit(
                    used.place.mark_main(
                        Observation::now("network-pattern")
                            .with("parameter", used.name.as_str())
                            .with("pattern", item.as_str())
                            .with("problem", problem)
                            .with("wanted", wanted),
                    ),
                );
            }
        }
    }
    let Some(networks) = look.value("mynetworks", None).filter(|n| n.place.line.is_some()) else { return };
    let items = networks.items();
    let opaque = items.iter().any(|i| i.starts_with('/') || (i.contains(':') && !i.contains('[') && i.contains('/')));
    if opaque || items.is_empty() {
        return;
    }
    let protocols = look.text("inet_protocols");
    let six = protocols.contains("all") || protocols.contains("ipv6");
    let four = protocols.contains("all") || protocols.contains("ipv4");
    let covers = |a: IpAddr| items.iter().any(|i| covers(i, a));
    for (wanted, address, asked) in
        [("127.0.0.0/8", IpAddr::V4(Ipv4Addr::LOCALHOST), four), ("[::1]/128", IpAddr::V6(Ipv6Addr::LOCALHOST), six)]
    {
        if asked && !covers(address) {
            look.emit(
                networks.place.mark_main(
                    Observation::now("loopback-not-trusted")
                        .with("address", wanted)
                        .with("mynetworks", networks.value.as_str()),
                ),
            );
        }
    }
}

fn covers(pattern: &str, address: IpAddr) -> bool {
    let (net, bits) = pattern.rsplit_once('/').map_or((pattern, None), |(n, b)| (n, b.parse().ok()));
    let Ok(net) = net.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() else { return false };
    let max = if net.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(max).min(max);
    net.is_ipv4() == address.is_ipv4() && network_of(net, bits) == network_of(address, bits)
}

/// The addresses of all interfaces, if the host can tell.
fn addresses(look: &Look<'_>) -> Option<Vec<IpAddr>> {
    let v4 = look.lines("/proc/net/fib_trie").ok();
    let v6 = look.lines("/proc/net/if_inet6").ok();
    if let Some(trie) = v4 {
        let mut all = local_of_fib_trie(&trie);
        for line in v6.unwrap_or_default() {
            let hex = line.split_whitespace().next().unwrap_or_default();
            if let Ok(bits) = u128::from_str_radix(hex, 16) {
                all.push(Ipv6Addr::from(bits).into());
            }
        }
        return Some(all);
    }
    let ran = look.run(&Run::new("ip", &["-o", "addr", "show"])).ok().filter(crate::host::Ran::ok)?;
    let out = ran.out();
    let all = out.lines().filter_map(|l| {
        let mut words = l.split_whitespace().skip_while(|w| *w != "inet" && *w != "inet6").skip(1);
        words.next()?.split('/').next()?.parse().ok()
    });
    Some(all.collect())
}

/// In the trie an address that is this host's stands one line above `/32 host LOCAL`.
fn local_of_fib_trie(lines: &[String]) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = Vec::new();
    for pair in lines.windows(2) {
        if pair[1].contains("/32 host LOCAL")
            && let Some(word) = pair[0].split_whitespace().next_back()
            && let Ok(address) = word.parse()
            && !all.contains(&address)
        {
            all.push(address);
        }
    }
    all
}

fn shown(have: &[IpAddr]) -> Vec<String> {
    have.iter().filter(|a| !a.is_loopback()).map(ToString::to_string).collect()
}

fn interfaces(look: &Look<'_>, have: Option<&[IpAddr]>) {
    let Some(have) = have else { return };
    if let Some(used) = look.value("inet_interfaces", None) {
        for item in used.items() {
            let bare = item.trim_start_matches('[').trim_end_matches(']');
            if let Ok(address) = bare.parse::<IpAddr>()
                && !is_here(address, have)
            {
                absent(look, &used.place, "inet_interfaces", bare, have);
            }
        }
    }
    for service in look.config.master.services.iter().filter(|s| s.kind == "inet") {
        if let (Some(host), _) = split_address(&service.name)
            && let Ok(address) = host.parse::<IpAddr>()
            && !is_here(address, have)
        {
            absent(look, &look.service_place(service), "master.cf", host, have);
        }
    }
}

fn is_here(address: IpAddr, have: &[IpAddr]) -> bool {
    have.contains(&address)
        || address.is_unspecified()
        // All of 127.0.0.0/8 is local though only one address of it is listed.
        || matches!(address, IpAddr::V4(a) if a.is_loopback())
}

fn absent(look: &Look<'_>, place: &Place, parameter: &str, address: &str, have: &[IpAddr]) {
    look.emit(
        place.mark(
            Observation::now("address-absent")
                .with("parameter", parameter)
                .with("address", address)
                .with("have", shown(have)),
        ),
    );
}

fn protocols(look: &Look<'_>, have: Option<&[IpAddr]>) {
    let (Some(used), Some(have)) = (look.value("inet_protocols", None), have) else { return };
    let value = used.value.to_ascii_lowercase();
    let has = |six: bool| have.iter().any(|a| a.is_ipv6() == six && !a.is_loopback() && !is_link_local(*a));
    let problem = match (value.as_str(), has(false), has(true)) {
        ("ipv6", _, false) => Some(("IPv6", "only-absent")),
        ("ipv4", false, true) => Some(("IPv4", "only-absent")),
        ("ipv6", true, true) => Some(("IPv4", "left-out")),
        ("all", true, false) => Some(("IPv6", "half-absent")),
        ("all", false, true) => Some(("IPv4", "half-absent")),
        _ => None,
    };
    if let Some((family, problem)) = problem {
        look.emit(
            used.place.mark_main(
                Observation::now("family-absent")
                    .with("value", value.as_str())
                    .with("family", family)
                    .with("problem", problem),
            ),
        );
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_link_local(),
        IpAddr::V6(a) => (a.segments()[0] & 0xffc0) == 0xfe80,
    }
}

fn bind_addresses(look: &Look<'_>, have: Option<&[IpAddr]>) {
    let Some(have) = have else { return };
    for used in look.uses() {
        if !matches!(
            used.name.as_str(),
            "smtp_bind_address" | "smtp_bind_address6" | "lmtp_bind_address" | "lmtp_bind_address6"
        ) {
            continue;
        }
        let bare = used.value.trim().trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>()
            && !is_here(address, have)
        {
            absent(look, &used.place, &used.name, bare, have);
        }
    }
}

/// Asks the first name server of resolv.conf.
pub(super) fn ask(look: &Look<'_>, name: &str, qtype: &str) -> Option<(String, Vec<String>)> {
    if look.allowed < CONTACT_OTHERS {
        return None;
    }
    let lines = look.lines("/etc/resolv.conf").ok()?;
    let server: IpAddr = lines.iter().find_map(|l| l.trim().strip_prefix("nameserver")?.trim().parse().ok())?;
    let question = Question {
        server: SocketAddr::new(server, 53),
        name: name.trim_end_matches('.').to_owned(),
        qtype: qtype.to_owned(),
        limit: Duration::from_secs(3),
    };
    let answer = look.host.resolve(&question).ok()?;
    Some((answer.rcode, answer.records))
}

/// Host names of an MX answer, best first.
pub(super) fn mx_hosts(records: &[String]) -> Vec<String> {
    let mut hosts: Vec<(u32, String)> = records
        .iter()
        .filter_map(|r| {
            let (preference, host) = r.trim().split_once(char::is_whitespace)?;
            Some((preference.parse().ok()?, host.trim().trim_end_matches('.').to_ascii_lowercase()))
        })
        .collect();
    hosts.sort();
    hosts.into_iter().map(|h| h.1).collect()
}

/// Loopback only is right for a null client; it is wrong where the MX of an own domain points here.
fn loopback_only(look: &Look<'_>, have: &[IpAddr]) {
    let smtp: Vec<_> = look
        .config
        .master
        .services
        .iter()
        .filter(|s| s.kind == "inet" && matches!(s.command.as_str(), "smtpd" | "postscreen"))
        .filter(|s| super::look::port(&s.name) == "25")
        .collect();
    if smtp.is_empty() || smtp.iter().any(|s| look.is_public(s)) {
        return;
    }
    let place =
        if look.listens_on_loopback_only() { look.place("inet_interfaces") } else { look.service_place(smtp[0]) };
    let mut domains = look.items("mydestination");
    for name in ["virtual_mailbox_domains", "virtual_alias_domains", "relay_domains"] {
        domains.extend(look.items(name));
    }
    domains.retain(|d| d.contains('.') && !d.contains([':', '/', '$']) && !d.starts_with("localhost"));
    domains.truncate(5);
    for domain in domains {
        let Some((_, records)) = ask(look, &domain, "MX") else { continue };
        for mx in mx_hosts(&records) {
            let here = ["A", "AAAA"].iter().any(|t| {
                ask(look, &mx, t).is_some_and(|(_, records)| {
                    records
                        .iter()
                        .filter_map(|r| r.parse::<IpAddr>().ok())
                        .any(|a| !a.is_loopback() && have.contains(&a))
                })
            });
            if here {
                let value = if place.entry.is_empty() { look.text("inet_interfaces") } else { smtp[0].name.clone() };
                look.emit(
                    place
                        .mark_main(
                            Observation::now("loopback-only")
                                .with("value", value)
                                .with("domain", domain.as_str())
                                .with("mx", mx.as_str()),
                        )
                        .seen(Evidence::new(format!("MX {domain}"), format!("{mx} is an address of this host"))),
                );
                return;
            }
        }
    }
}

fn names(look: &Look<'_>) {
    for parameter in ["myhostname", "mydomain", "myorigin", "smtp_helo_name", "smtpd_banner"] {
        let Some(used) = look.value(parameter, None) else { continue };
        let explicit = used.place.line.is_some();
        let mut value = used.value.trim().to_owned();
        if parameter == "smtpd_banner" {
            // The banner must begin with the host name; a text before it breaks some clients' loop check.
            if explicit && value.is_empty() {
                odd(look, &used.place, parameter, &value, "empty", explicit);
            }
            continue;
        }
        if parameter == "myorigin" && value.starts_with('/') {
            let Ok(lines) = look.lines(&value) else { continue };
            value = lines.first().map(|l| l.trim().to_owned()).unwrap_or_default();
        }
        // A `$name` that could not be resolved, as the host's own name in a pasted main.cf: unknown, not odd.
        if !explicit && value.contains('$') {
            continue;
        }
        if let Some(problem) = name_problem(parameter, &value) {
            odd(look, &used.place, parameter, &value, problem, explicit);
        }
    }
}

fn odd(look: &Look<'_>, place: &Place, parameter: &str, value: &str, problem: &str, explicit: bool) {
    look.emit(
        place.mark_main(
            Observation::now("hostname-odd")
                .with("parameter", parameter)
                .with("value", value)
                .with("problem", problem)
                .with("explicit", explicit),
        ),
    );
}

fn name_problem(parameter: &str, value: &str) -> Option<&'static str> {
    let lower = value.to_ascii_lowercase();
    if lower.is_empty() {
        return Some("empty");
    }
    if lower.parse::<IpAddr>().is_ok() {
        return Some("address");
    }
    if lower == "localhost" || lower.starts_with("localhost.") {
        return (parameter != "mydomain").then_some("localhost");
    }
    let bad = |c: char| !(c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | '[' | ']' | ':'));
    if lower.contains(bad) {
        return Some("bad-characters");
    }
    if lower.starts_with('[') {
        return None;
    }
    (!lower.contains('.') && !is_loopback(&lower)).then_some("single-label")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{observe_config, only};
    use super::*;

    #[test]
    fn patterns_of_networks() {
        assert_eq!(pattern_problem("192.0.2.0/24"), None);
        assert_eq!(pattern_problem("[::1]/128"), None);
        assert_eq!(pattern_problem("192.0.2.1/24"), Some(("host-bits", "192.0.2.0/24".to_owned())));
        assert_eq!(pattern_problem("::1/128"), Some(("no-brackets", "[::1]/128".to_owned())));
        assert_eq!(pattern_problem("10.0.0.0/255.0.0.0"), Some(("bad-mask", "10.0.0.0/8".to_owned())));
        assert_eq!(pattern_problem("192.168.1."), Some(("unparsable", "192.168.1.0/24".to_owned())));
        assert_eq!(pattern_problem("mail.example.org"), None);
        assert!(is_everybody("0.0.0.0/0") && is_everybody("[::]/0") && !is_everybody("10.0.0.0/8"));
    }

    #[test]
    fn the_trie_lists_local_addresses() {
        let lines: Vec<String> = [
            "        |-- 192.0.2.25",
            "           /32 host LOCAL",
            "        |-- 192.0.2.255",
            "           /32 link BROADCAST",
        ]
        .iter()
        .map(ToString::to_string)
        .collect();
        assert_eq!(local_of_fib_trie(&lines), ["192.0.2.25".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_mask_for_v4_only_does_not_trust_v6_loopback() {
        let seen = observe_config("mynetworks = 127.0.0.0/8\ninet_protocols = all\n", "");
        assert_eq!(only(&seen, "loopback-not-trusted").len(), 1);
        let seen = observe_config("mynetworks = 127.0.0.0/8 [::1]/128\ninet_protocols = all\n", "");
        assert!(only(&seen, "loopback-not-trusted").is_empty());
    }

    #[test]
    fn mx_records_are_sorted() {
        assert_eq!(mx_hosts(&["20 b.test.".into(), "10 A.test.".into()]), ["a.test", "b.test"]);
    }

    #[test]
    fn host_names() {
        assert_eq!(name_problem("myhostname", "mail"), Some("single-label"));
        assert_eq!(name_problem("myhostname", "localhost.localdomain"), Some("localhost"));
        assert_eq!(name_problem("myhostname", "mail.example.org"), None);
    }
}
