//! Who has a TCP port or a UNIX-domain socket open: `ss`, which also knows wildcards that take one family
//! only, else the tables in /proc.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::host::{Answer, Host, Run, Trouble};

/// A listening TCP socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// its address; unspecified: all of that family
    pub address: IpAddr,
    /// a wildcard that takes both families
    pub both: bool,
    /// port
    pub port: u16,
    /// program, if it may be seen
    pub process: Option<String>,
    /// its process id
    pub pid: Option<u32>,
}

/// A listening UNIX-domain socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixListener {
    /// path as it was bound
    pub path: String,
    /// program, if it may be seen
    pub process: Option<String>,
    /// its process id
    pub pid: Option<u32>,
}

impl Listener {
    /// A connection to `ip` would come here.
    pub fn takes(&self, ip: IpAddr) -> bool {
        self.both || self.address == ip || (self.address.is_unspecified() && self.address.is_ipv4() == ip.is_ipv4())
    }
    /// As Postfix would write it.
    pub fn postfix_address(&self) -> String {
        let ip = match self.address {
            IpAddr::V4(a) if a.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(a) if a.is_unspecified() && self.both => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(a) if a.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            other => other,
        };
        if ip.is_ipv6() { format!("inet:[{ip}]:{}", self.port) } else { format!("inet:{ip}:{}", self.port) }
    }
    /// For evidence.
    pub fn words(&self) -> String {
        let who = self.process.as_deref().unwrap_or("a process that could not be seen");
        let address = if self.both { "*".to_owned() } else { self.address.to_string() };
        match self.pid {
            Some(pid) => format!("{who} (pid {pid}) listens on {address} port {}", self.port),
            None => format!("{who} listens on {address} port {}", self.port),
        }
    }
}

/// All listening TCP sockets.
pub fn tcp(host: &dyn Host) -> Answer<Vec<Listener>> {
    match host.run(&Run::new("ss", &["-Hltnp"])) {
        Ok(ran) if ran.ok() => Ok(ran.out().lines().filter_map(parse_ss).collect()),
        _ => {
            let all = crate::discover::listeners(host).ok_or(Trouble::NotCollected)?;
            Ok(all.into_iter().filter_map(from_proc).collect())
        }
    }
}

/// All listening UNIX-domain sockets that have a path.
pub fn unix(host: &dyn Host) -> Answer<Vec<UnixListener>> {
    let ran = host.run(&Run::new("ss", &["-Hlxp"]))?;
    Ok(ran.out().lines().filter_map(parse_ss_unix).collect())
}

fn parse_ss(line: &str) -> Option<Listener> {
    let local = line.split_whitespace().nth(3)?;
    let (address, port) = local.rsplit_once(':')?;
    let (address, both) = parse_address(address)?;
    let (process, pid) = user(line);
    Some(Listener { address, both, port: port.parse().ok()?, process, pid })
}

fn parse_address(word: &str) -> Option<(IpAddr, bool)> {
    if word == "*" {
        return Some((IpAddr::V6(Ipv6Addr::UNSPECIFIED), true));
    }
    let word = word.trim_matches(['[', ']']);
    let word = word.split_once('%').map_or(word, |(a, _)| a);
    word.parse().ok().map(|ip| (ip, false))
}

fn parse_ss_unix(line: &str) -> Option<UnixListener> {
    let path = line.split_whitespace().nth(4).filter(|p| p.contains('/'))?;
    let (process, pid) = user(line);
    Some(UnixListener { path: path.to_owned(), process, pid })
}

/// `users:(("smtpd",pid=460,fd=6),("master",pid=455,fd=13))`: children have inherited the socket of the one that
/// opened it, which is master here; of others the oldest.
fn user(line: &str) -> (Option<String>, Option<u32>) {
    let Some((_, users)) = line.split_once("users:(") else { return (None, None) };
    let mut all: Vec<(u32, &str)> = users
        .split("(\"")
        .skip(1)
        .filter_map(|entry| {
            let (name, rest) = entry.split_once('"')?;
            let digits = rest.split_once("pid=")?.1.split(|c: char| !c.is_ascii_digit()).next()?;
            Some((digits.parse().ok()?, name))
        })
        .collect();
    all.sort_unstable();
    match all.iter().find(|(_, name)| *name == "master").or(all.first()) {
        Some((pid, name)) => (Some((*name).to_owned()), Some(*pid)),
        None => (None, None),
    }
}

fn from_proc(found: crate::discover::Listener) -> Option<Listener> {
    let address = found.address?;
    // Whether `::` takes IPv4 as well is not in /proc; on Linux it does unless its owner asked otherwise.
    let both = address.is_ipv6() && address.is_unspecified();
    Some(Listener { address, both, port: found.port?, process: found.program, pid: found.pid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ss() {
        let l = parse_ss(r#"LISTEN 0 100 0.0.0.0:25 0.0.0.0:* users:(("master",pid=455,fd=13))"#).unwrap();
        assert_eq!((l.port, l.process.as_deref(), l.pid), (25, Some("master"), Some(455)));
        assert!(l.takes("127.0.0.1".parse().unwrap()) && !l.takes("::1".parse().unwrap()));
        let l = parse_ss(r#"LISTEN 0 1 *:25 *:* users:(("smtpd",pid=9,fd=6),("master",pid=455,fd=13))"#).unwrap();
        assert_eq!((l.process.as_deref(), l.pid), (Some("master"), Some(455)));
        let l = parse_ss("LISTEN 0 128 *:80 *:*").unwrap();
        assert!(l.takes("::1".parse().unwrap()) && l.takes("10.0.0.1".parse().unwrap()));
        let l = parse_ss("LISTEN 0 32 [fe80::1%eth0]:53 [::]:*").unwrap();
        assert_eq!(l.address.to_string(), "fe80::1");
        let u = parse_ss_unix(r#"u_str LISTEN 0 5 /run/opendkim/opendkim.sock 123 * 0 users:(("python3",pid=7,fd=3))"#)
            .unwrap();
        assert_eq!((u.path.as_str(), u.pid), ("/run/opendkim/opendkim.sock", Some(7)));
    }
}
