//! Who listens where: TCP ports and UNIX-domain sockets, with the process behind them where it can be seen.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::host::{Host, HostKind, Run};

/// Address family of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4
    Inet,
    /// IPv6; bound to `::` it usually takes IPv4 as well
    Inet6,
    /// UNIX-domain socket
    Unix,
}

/// A socket that accepts connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// its family
    pub family: Family,
    /// the address it is bound to; none for UNIX-domain
    pub address: Option<IpAddr>,
    /// TCP port; none for UNIX-domain
    pub port: Option<u16>,
    /// path of a UNIX-domain socket, as its owner bound it: a path inside the jail or container of its owner
    pub path: Option<String>,
    /// process id, if we may see it
    pub pid: Option<u32>,
    /// name of that process
    pub program: Option<String>,
    inode: u64,
}

impl Listener {
    /// Whether a connection to `address` and `port` would reach this listener.
    pub fn takes(&self, address: IpAddr, port: u16) -> bool {
        self.port == Some(port)
            && match (self.address, address) {
                (Some(IpAddr::V4(own)), IpAddr::V4(asked)) => own.is_unspecified() || own == asked,
                // Whether `::` takes IPv4 depends on a socket option that /proc does not show. Linux's default
                // is that it does.
                (Some(IpAddr::V6(own)), IpAddr::V4(_)) => own.is_unspecified(),
                (Some(IpAddr::V6(own)), IpAddr::V6(asked)) => own.is_unspecified() || own == asked,
                _ => false,
            }
    }
}

/// All listeners of the host; `None` where it cannot tell.
pub fn listeners(host: &dyn Host) -> Option<Vec<Listener>> {
    const LIMIT: u64 = 8 << 20;
    let mut found = Vec::new();
    let mut seen = false;
    for (path, family) in [("/proc/net/tcp", Family::Inet), ("/proc/net/tcp6", Family::Inet6)] {
        // No tcp6 means that IPv6 is off, which leaves nobody listening there.
        if let Ok(table) = host.read(path, LIMIT) {
            seen |= family == Family::Inet;
            found.extend(tcp_table(&String::from_utf8_lossy(&table), family));
        }
    }
    if !seen {
        return None;
    }
    if let Ok(table) = host.read("/proc/net/unix", LIMIT) {
        found.extend(unix_table(&String::from_utf8_lossy(&table)));
    }
    let owners = match host.kind() {
        HostKind::Live | HostKind::Snapshot => owners_by_descriptor(host, &found),
        HostKind::Via => owners_by_ss(host),
    };
    for listener in &mut found {
        if let Some((pid, program)) = owners.get(&listener.inode) {
            listener.pid = Some(*pid);
            listener.program = Some(program.clone());
        }
    }
    Some(found)
}

fn tcp_table(table: &str, family: Family) -> Vec<Listener> {
    let line = |line: &str| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
        if *state != "0A" {
            return None;
        }
        let (address, port) = local.rsplit_once(':')?;
        Some(Listener {
            family,
            address: Some(hex_address(address)?),
            port: Some(u16::from_str_radix(port, 16).ok()?),
            path: None,
            pid: None,
            program: None,
            inode: inode.parse().ok()?,
        })
    };
    table.lines().skip(1).filter_map(line).collect()
}

/// The kernel prints addresses as 32-bit words in the byte order of the machine.
fn hex_address(hex: &str) -> Option<IpAddr> {
    let mut bytes = Vec::with_capacity(16);
    for at in (0..hex.len()).step_by(8) {
        let word = u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    match bytes.len() {
        4 => Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?))),
        16 => {
            let address = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
            Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
        }
        _ => None,
    }
}

fn unix_table(table: &str) -> Vec<Listener> {
    let line = |line: &str| {
        let mut columns = line.split_ascii_whitespace();
        let flags = columns.by_ref().nth(3)?;
        let inode = columns.by_ref().nth(2)?;
        let path = columns.next()?;
        // SO_ACCEPTCON: it listens. Names that start with @ are not in the file system.
        let accepts = u32::from_str_radix(flags, 16).ok()? & 0x1_0000 != 0;
        (accepts && path.starts_with('/')).then_some(Listener {
            family: Family::Unix,
            address: None,
            port: None,
            path: Some(path.to_owned()),
            pid: None,
            program: None,
            inode: inode.parse().ok()?,
        })
    };
    table.lines().skip(1).filter_map(line).collect()
}

/// The first process that holds each socket: a parent before the children that inherited it.
fn owners_by_descriptor(host: &dyn Host, wanted: &[Listener]) -> HashMap<u64, (u32, String)> {
    let mut left: std::collections::HashSet<u64> = wanted.iter().map(|l| l.inode).collect();
    let mut owners = HashMap::new();
    let mut pids: Vec<u32> = host.list("/proc").unwrap_or_default().iter().filter_map(|n| n.parse().ok()).collect();
    pids.sort_unstable();
    for pid in pids {
        if left.is_empty() {
            break;
        }
        let directory = format!("/proc/{pid}/fd");
        for descriptor in host.list(&directory).unwrap_or_default() {
            let Ok(target) = host.read_link(&format!("{directory}/{descriptor}")) else { continue };
            let inode = target.strip_prefix("socket:[").and_then(|t| t.strip_suffix(']')).and_then(|t| t.parse().ok());
            if let Some(inode) = inode
                && left.remove(&inode)
            {
                let name = host.read(&format!("/proc/{pid}/comm"), 64).unwrap_or_default();
                owners.insert(inode, (pid, String::from_utf8_lossy(&name).trim().to_owned()));
            }
        }
    }
    owners
}

/// One command instead of thousands of links, where every look costs a command of its own.
fn owners_by_ss(host: &dyn Host) -> HashMap<u64, (u32, String)> {
    let mut owners = HashMap::new();
    let Ok(ran) = host.run(&Run::new("ss", &["-Hlnpetx"])) else { return owners };
    for line in ran.out().lines() {
        let inode =
            between(line, "ino:", ' ').or_else(|| line.split_ascii_whitespace().nth(5)).and_then(|i| i.parse().ok());
        let name = between(line, "users:((\"", '"');
        let pid = between(line, "pid=", ',').and_then(|p| p.parse().ok());
        if let (Some(inode), Some(name), Some(pid)) = (inode, name, pid) {
            owners.insert(inode, (pid, name.to_owned()));
        }
    }
    owners
}

fn between<'a>(text: &'a str, start: &str, end: char) -> Option<&'a str> {
    text.split_once(start)?.1.split(end).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_the_kernel() {
        let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                   0: 0100007F:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n   \
                   1: 0100007F:0019 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n";
        let found = tcp_table(tcp, Family::Inet);
        assert_eq!(found.len(), 1);
        assert!(found[0].takes("127.0.0.1".parse().unwrap(), 25));
        assert!(!found[0].takes("127.0.0.2".parse().unwrap(), 25));
        let unix = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                    0: 00000002 00000000 00010000 0001 01 99 /run/a.sock\n0: 00000003 00000000 00000000 0001 03 98 /run/b\n\
                    0: 00000002 00000000 00010000 0001 01 97 @abstract\n";
        assert_eq!(unix_table(unix).iter().map(|l| l.path.as_deref().unwrap()).collect::<Vec<_>>(), ["/run/a.sock"]);
    }
}
