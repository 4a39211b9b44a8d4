//! resolv.conf as the resolver library reads it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::host::{Answer, Host};

/// What of a resolv.conf decides where a question goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResolvConf {
    /// name servers in order, at most three: the library ignores the rest
    pub servers: Vec<IpAddr>,
    /// search list
    pub search: Vec<String>,
    /// options
    pub options: Vec<String>,
}

/// Reads and parses the file.
pub fn read(host: &dyn Host, path: &str) -> Answer<ResolvConf> {
    Ok(parse(&String::from_utf8_lossy(&host.read(path, 64 << 10)?)))
}

/// Parses the text; what it does not understand it leaves out, as the library does.
pub fn parse(text: &str) -> ResolvConf {
    let mut conf = ResolvConf::default();
    for line in text.lines() {
        if line.starts_with([';', '#']) {
            continue;
        }
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => {
                let word = words.next().unwrap_or_default();
                let address = word.split_once('%').map_or(word, |(a, _)| a);
                if let (Ok(ip), true) = (address.parse(), conf.servers.len() < 3) {
                    conf.servers.push(ip);
                }
            }
            Some("search" | "domain") => conf.search = words.map(str::to_owned).collect(),
            Some("options") => conf.options.extend(words.map(str::to_owned)),
            _ => {}
        }
    }
    conf
}

impl ResolvConf {
    /// Where questions really go: without any name server the library asks 127.0.0.1.
    pub fn asked(&self) -> Vec<IpAddr> {
        if self.servers.is_empty() { vec![IpAddr::V4(Ipv4Addr::LOCALHOST)] } else { self.servers.clone() }
    }
    /// The same with the port.
    pub fn sockets(&self) -> Vec<SocketAddr> {
        self.asked().into_iter().map(|ip| SocketAddr::new(ip, 53)).collect()
    }
    /// In words for evidence.
    pub fn words(&self) -> String {
        if self.servers.is_empty() { "no name server".to_owned() } else { list(&self.servers) }
    }
}

/// The addresses with commas.
pub fn list(servers: &[IpAddr]) -> String {
    servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_three_servers_and_skips_comments() {
        let c = parse(
            "# nameserver 9.9.9.9\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver bad\nsearch a b\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n",
        );
        assert_eq!(list(&c.servers), "192.0.2.53, fe80::1, 192.0.2.1");
        assert_eq!(c.search, ["a", "b"]);
    }

    #[test]
    fn an_empty_file_asks_this_host() {
        assert_eq!(list(&parse("").asked()), "127.0.0.1");
    }
}
