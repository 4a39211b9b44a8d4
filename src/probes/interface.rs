//! An address of inet_interfaces, smtp_bind_address or a listener: is it here?

use super::common::arg;
use super::{Args, Context, Outcome, ProbeKind, bool, list, text};
use crate::evidence::{Field, READ_ONLY};
use crate::host::{Answer, Host, Run, Trouble};
use std::net::IpAddr;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "interface",
    level: READ_ONLY,
    doc: "Is this address on an interface of the host?",
    args: &[("address", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("present", "the address is on an interface"),
    text("interface", "which"),
    bool("up", "that interface is up"),
    bool("tentative", "the address is not usable yet (duplicate address detection) or the test failed"),
    list("addresses", "all addresses of the host"),
    bool("v6_enabled", "the host has IPv6"),
    bool("v6_loopback", "::1 is there"),
    bool("v6_global", "a global IPv6 address is there"),
    bool("v6_default_route", "an IPv6 default route is there"),
    bool("v4_default_route", "an IPv4 default route is there"),
];

/// An address on an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Own {
    /// address
    pub(crate) ip: IpAddr,
    /// interface
    pub(crate) interface: String,
    /// the interface is up
    pub(crate) up: bool,
    /// not usable: tentative or found twice in the network
    pub(crate) tentative: bool,
}

/// All addresses of the host, by `ip`.
pub(crate) fn own(host: &dyn Host) -> Answer<Vec<Own>> {
    let ran = host.run(&Run::new("ip", &["-json", "addr", "show"]))?;
    if !ran.ok() {
        return Err(Trouble::Other("ip addr failed".to_owned()));
    }
    Ok(parse(&ran.out()))
}

/// Just the addresses.
pub(crate) fn own_addresses(host: &dyn Host) -> Answer<Vec<IpAddr>> {
    Ok(own(host)?.into_iter().map(|o| o.ip).collect())
}

fn parse(json: &str) -> Vec<Own> {
    let Ok(serde_json::Value::Array(links)) = serde_json::from_str(json) else { return Vec::new() };
    let mut all = Vec::new();
    for link in &links {
        let interface = link["ifname"].as_str().unwrap_or_default();
        let flag = |name: &str| link["flags"].as_array().is_some_and(|f| f.iter().any(|x| x == name));
        for info in link["addr_info"].as_array().into_iter().flatten() {
            if let Some(ip) = info["local"].as_str().and_then(|a| a.parse().ok()) {
                all.push(Own {
                    ip,
                    interface: interface.to_owned(),
                    up: flag("UP"),
                    tentative: info["tentative"] == true || info["dadfailed"] == true,
                });
            }
        }
    }
    all
}

/// Whether there is a default route of that family (4 or 6).
pub(crate) fn default_route(host: &dyn Host, family: u8) -> Option<bool> {
    let family = if family == 4 { "-4" } else { "-6" };
    let ran = host.run(&Run::new("ip", &[family, "route", "show", "default"])).ok()?;
    ran.ok().then(|| ran.out().lines().any(|l| l.starts_with("default") && !l.contains("unreachable")))
}

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    out.set_some("v4_default_route", default_route(host, 4));
    out.set_some("v6_default_route", default_route(host, 6));
    let own = match own(host) {
        Ok(own) => own,
        Err(why) => {
            out.unchecked("addresses of this host", why, Some("ip addr".to_owned()));
            return out;
        }
    };
    out.set("addresses", own.iter().map(|o| o.ip.to_string()).collect::<Vec<_>>());
    out.set("v6_enabled", own.iter().any(|o| o.ip.is_ipv6()));
    out.set("v6_loopback", own.iter().any(|o| o.ip.is_ipv6() && o.ip.is_loopback()));
    out.set("v6_global", own.iter().any(|o| matches!(o.ip, IpAddr::V6(a) if global(a))));
    let wanted = arg(args, "address").map(|a| a.trim_matches(['[', ']'])).and_then(|a| a.parse::<IpAddr>().ok());
    if let Some(wanted) = wanted {
        let found = own.iter().find(|o| o.ip == wanted);
        out.set("present", found.is_some());
        match found {
            Some(found) => {
                out.set("interface", found.interface.as_str());
                out.set("up", found.up);
                out.set("tentative", found.tentative);
                out.saw("ip addr", format!("{wanted} is on {}", found.interface));
            }
            None => out.saw("ip addr", format!("{wanted} is on no interface")),
        }
    }
    out
}

/// Neither loopback nor link-local.
pub(crate) fn global(ip: std::net::Ipv6Addr) -> bool {
    !ip.is_loopback() && ip.segments()[0] & 0xffc0 != 0xfe80 && !ip.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ip_json() {
        let own = parse(
            r#"[{"ifname":"lo","flags":["LOOPBACK","UP"],"addr_info":[{"local":"127.0.0.1"}]},{"ifname":"eth0","flags":[],"addr_info":[{"local":"2001:db8::1","tentative":true}]}]"#,
        );
        assert_eq!(own.len(), 2);
        assert!(own[0].up && !own[1].up && own[1].tentative);
        assert!(parse("not json").is_empty());
    }
}
