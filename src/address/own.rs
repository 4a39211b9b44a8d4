//! Whether a domain is this host's own: in mydestination, or an address in brackets that it receives mail at.

use std::net::IpAddr;

use super::desk::Desk;
use super::list::{Is, Member, Names, has};
use crate::host::Run;

/// As trivial-rewrite(8) asks it.
pub(super) fn is_own(desk: &Desk<'_>, domain: &str) -> Is {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if domain.is_empty() {
        return Is::No;
    }
    let listed = has(desk, &desk.by("mydestination", "trivial-rewrite"), domain, Names::Exact);
    let Is::No = listed else { return listed };
    let Some(inner) = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')) else { return Is::No };
    let bare = inner.get(..5).filter(|p| p.eq_ignore_ascii_case("ipv6:")).map_or(inner, |p| &inner[p.len()..]);
    let Ok(address) = bare.parse::<IpAddr>() else { return Is::No };
    literal(desk, address)
}

fn literal(desk: &Desk<'_>, address: IpAddr) -> Is {
    for name in ["inet_interfaces", "proxy_interfaces"] {
        let list = desk.of(name, None);
        for item in list.items() {
            let yes =
                |item: &str| Is::Yes(Box::new(Member { item: item.to_owned(), at: vec![list.at.clone()], hit: None }));
            let bare = item.trim_matches(['[', ']']).to_ascii_lowercase();
            if bare.parse() == Ok(address) {
                return yes(&item);
            }
            let loopback = bare == "loopback-only" || bare == "localhost";
            if loopback && address.is_loopback() || bare == "all" && address.is_loopback() {
                return yes(&item);
            }
            if bare == "all" {
                match addresses(desk) {
                    Some(own) if own.contains(&address) => return yes(&item),
                    Some(_) => {}
                    None => {
                        return Is::Unknown {
                            why: "the addresses of this host were not collected".to_owned(),
                            ask: "ip -brief address".to_owned(),
                        };
                    }
                }
            }
        }
    }
    Is::No
}

fn addresses(desk: &Desk<'_>) -> Option<Vec<IpAddr>> {
    let ran = desk.host.run(&Run::new("ip", &["-o", "addr", "show"])).ok().filter(crate::host::Ran::ok)?;
    let out = ran.out();
    let address = |line: &str| {
        let mut words = line.split_whitespace().skip_while(|w| *w != "inet" && *w != "inet6").skip(1);
        words.next()?.split('/').next()?.parse().ok()
    };
    Some(out.lines().filter_map(address).collect())
}
