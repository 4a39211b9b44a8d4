//! Lists of networks, as `mynetworks` holds them: whether an address is in one.

use std::net::IpAddr;

/// Whether the list contains the address. The first item that matches decides; `!` before it means no. None: an
/// item before that (a table, a file, something odd) could decide, and its content is not known here.
pub fn contains(list: &str, address: IpAddr) -> Option<bool> {
    let address = address.to_canonical();
    for item in list.split(|c: char| c == ',' || c.is_whitespace()).filter(|item| !item.is_empty()) {
        let (wanted, pattern) = item.strip_prefix('!').map_or((true, item), |rest| (false, rest));
        if network(pattern)?.matches(address) {
            return Some(wanted);
        }
    }
    Some(false)
}

struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn matches(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(host)) => {
                let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or(0);
                net.to_bits() & mask == host.to_bits() & mask
            }
            (IpAddr::V6(net), IpAddr::V6(host)) => {
                let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or(0);
                net.to_bits() & mask == host.to_bits() & mask
            }
            _ => false,
        }
    }
}

/// `192.0.2.0/24`, `[2001:db8::]/32`, `[::ffff:127.0.0.0]/104`, an address alone; none: something else.
fn network(pattern: &str) -> Option<Network> {
    let (text, bits) = match pattern.rsplit_once('/') {
        Some((text, bits)) => (text, Some(bits.parse::<u32>().ok()?)),
        None => (pattern, None),
    };
    let address: IpAddr = text.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(width);
    if bits > width {
        return None;
    }
    // Addresses are compared in their short form, so a network of mapped ones is one of IPv4.
    match (address, address.to_canonical()) {
        (IpAddr::V6(_), short @ IpAddr::V4(_)) if bits >= 96 => Some(Network { address: short, bits: bits - 96 }),
        _ => Some(Network { address, bits }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(address: &str, list: &str) -> Option<bool> {
        contains(list, address.parse().unwrap())
    }

    #[test]
    fn first_match_decides() {
        let docker = "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128 172.17.0.0/16";
        assert_eq!(within("172.17.0.3", docker), Some(true));
        assert_eq!(within("172.18.0.1", docker), Some(false));
        assert_eq!(within("::1", docker), Some(true));
        assert_eq!(within("::ffff:127.0.0.1", docker), Some(true));
        assert_eq!(within("10.1.2.3", "!10.1.2.3, 10.0.0.0/8"), Some(false));
        assert_eq!(within("10.1.2.4", "!10.1.2.3, 10.0.0.0/8"), Some(true));
        assert_eq!(within("203.0.113.9", "0.0.0.0/0"), Some(true));
        assert_eq!(within("2001:db8::1", "0.0.0.0/0"), Some(false));
        assert_eq!(within("2001:db8::1", "[::]/0"), Some(true));
        assert_eq!(within("192.0.2.1", ""), Some(false));
    }

    #[test]
    fn what_is_not_known_here_leaves_it_open() {
        assert_eq!(within("10.0.0.1", "127.0.0.0/8 hash:/etc/postfix/nets"), None);
        assert_eq!(within("127.0.0.1", "127.0.0.0/8 /etc/postfix/nets"), Some(true));
        assert_eq!(within("10.0.0.1", "10.0.0.0/33"), None);
    }
}
