//! Addresses of services as Postfix writes them in parameters and messages.

/// Where a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// host (may be empty: this host) and port (a number or a service name)
    Inet {
        /// host name or address, without brackets
        host: String,
        /// the address in `host[address]`, if the message gives it
        address: Option<String>,
        /// port
        port: String,
    },
    /// path of a socket, as written
    Unix(String),
}

/// Reads `inet:host:port`, `inet:port@host`, `unix:path`, `local:path`, `host:port`, `[host]:port`,
/// `host[address]:port`, `host[/path]`, `private/x`, `/path`.
pub fn parse(text: &str) -> Option<Address> {
    let text = text.trim().trim_end_matches([',', ';']);
    for prefix in ["unix:", "local:"] {
        if let Some(path) = text.strip_prefix(prefix) {
            return (!path.is_empty()).then(|| Address::Unix(path.to_owned()));
        }
    }
    let rest = ["inet6:", "inet:"].iter().find_map(|p| text.strip_prefix(p)).unwrap_or(text);
    if let (Some(at), true) = (rest.find('['), rest.ends_with(']'))
        && rest[at + 1..].starts_with(|c: char| c == '/' || c.is_alphabetic())
        && rest[at..].contains('/')
    {
        return Some(Address::Unix(rest[at + 1..rest.len() - 1].to_owned()));
    }
    if rest == text && rest.contains('/') && !rest.contains('[') {
        return Some(Address::Unix(rest.to_owned()));
    }
    inet(rest)
}

fn inet(text: &str) -> Option<Address> {
    if let Some((port, host)) = text.split_once('@') {
        return port_ok(port).then(|| Address::Inet {
            host: host.trim_matches(['[', ']']).to_owned(),
            address: None,
            port: port.to_owned(),
        });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if port_ok(port) => (host, port),
        None if port_ok(text) && text.bytes().all(|b| b.is_ascii_digit()) => ("", text),
        _ => return None,
    };
    let (host, address) = match host.split_once('[') {
        Some(("", inner)) => (inner.trim_end_matches(']'), None),
        Some((name, inner)) => (name, Some(inner.trim_end_matches(']').to_owned())),
        None => (host, None),
    };
    let host = host.strip_prefix("IPv6:").unwrap_or(host);
    Some(Address::Inet { host: host.to_owned(), address, port: port.to_owned() })
}

fn port_ok(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && port.len() < 32
}

/// The number of a port: the usual names of mail are known without asking the host.
pub fn port_number(port: &str) -> Option<u16> {
    port.parse().ok().or(match port {
        "smtp" | "mail" => Some(25),
        "lmtp" => Some(24),
        "submission" => Some(587),
        "smtps" | "submissions" | "ssmtp" | "urd" => Some(465),
        "postgrey" => Some(10023),
        "imap" | "imap2" => Some(143),
        "domain" => Some(53),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, address: Option<&str>, port: &str) -> Address {
        Address::Inet { host: host.into(), address: address.map(str::to_owned), port: port.into() }
    }

    #[test]
    fn all_the_ways_to_write_it() {
        assert_eq!(parse("inet:localhost:8891"), Some(tcp("localhost", None, "8891")));
        assert_eq!(parse("inet:8891@127.0.0.1"), Some(tcp("127.0.0.1", None, "8891")));
        assert_eq!(parse("inet:[::1]:8891"), Some(tcp("::1", None, "8891")));
        assert_eq!(parse("127.0.0.1:10023"), Some(tcp("127.0.0.1", None, "10023")));
        assert_eq!(parse("[127.0.0.1]:10024"), Some(tcp("127.0.0.1", None, "10024")));
        assert_eq!(parse("mx.test[192.0.2.1]:25"), Some(tcp("mx.test", Some("192.0.2.1"), "25")));
        assert_eq!(parse("inet:10023"), Some(tcp("", None, "10023")));
        assert_eq!(parse("unix:/run/x.sock"), Some(Address::Unix("/run/x.sock".into())));
        assert_eq!(parse("local:opendkim/x.sock"), Some(Address::Unix("opendkim/x.sock".into())));
        assert_eq!(parse("private/auth"), Some(Address::Unix("private/auth".into())));
        assert_eq!(parse("lab.test[private/dovecot-lmtp]"), Some(Address::Unix("private/dovecot-lmtp".into())));
        assert_eq!(parse("lab.test[/run/lmtp]"), Some(Address::Unix("/run/lmtp".into())));
        assert_eq!(parse("nonsense"), None);
        assert_eq!(parse(""), None);
    }
}
