//! Deliveries by recipient domain: what works and what does not.

use std::sync::LazyLock;

use jiff::Timestamp;
use memchr::memmem::Finder;

use super::Deliveries;
use super::hash::{self, Map};

/// Domains kept; the rest is counted together.
pub(super) const MOST: usize = 10_000;

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Sent,
    Deferred,
    Bounced,
}

/// A line `…to=<address>, … status=…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivery<'t> {
    /// domain of the recipient, as written; empty if the address has none
    pub domain: &'t [u8],
    pub status: Status,
}

static STATUS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(", status="));

/// Reads a message after its queue id, if it reports a delivery.
pub(super) fn read(message: &[u8]) -> Option<Delivery<'_>> {
    let rest = message.strip_prefix(b"to=<")?;
    let end = memchr::memchr_iter(b'>', rest).find(|at| rest[*at..].starts_with(b">, "))?;
    let address = &rest[..end];
    let domain = memchr::memrchr(b'@', address).map_or(&b""[..], |at| &address[at + 1..]);
    let rest = &rest[end..];
    let at = STATUS.find(rest)?;
    let status = match &rest[at + 9..] {
        s if s.starts_with(b"sent") => Status::Sent,
        s if s.starts_with(b"deferred") => Status::Deferred,
        s if s.starts_with(b"bounced") || s.starts_with(b"expired") || s.starts_with(b"undeliverable") => {
            Status::Bounced
        }
        _ => return None,
    };
    Some(Delivery { domain, status })
}

/// Counts of one thread.
#[derive(Debug)]
pub(super) struct Table {
    seed: u64,
    domains: Map<(Box<[u8]>, Deliveries)>,
    scratch: Vec<u8>,
}

impl Default for Table {
    fn default() -> Self {
        Table { seed: hash::seed(), domains: Map::default(), scratch: Vec::new() }
    }
}

impl Table {
    pub(super) fn add(&mut self, delivery: &Delivery<'_>, time: Option<Timestamp>) {
        self.scratch.clear();
        let short = &delivery.domain[..delivery.domain.len().min(255)];
        self.scratch.extend_from_slice(short);
        self.scratch.make_ascii_lowercase();
        let mut h = hash::add_bytes(self.seed, &self.scratch);
        if !self.domains.contains_key(&h) && self.domains.len() >= MOST {
            self.scratch.clear();
            h = hash::add_bytes(self.seed, b"");
        }
        let text = &self.scratch;
        let (_, d) = self.domains.entry(h).or_insert_with(|| (text.as_slice().into(), Deliveries::default()));
        match delivery.status {
            Status::Sent => {
                d.sent += 1;
                d.last_sent = d.last_sent.max(time);
            }
            Status::Deferred => {
                d.deferred += 1;
                d.last_failed = d.last_failed.max(time);
            }
            Status::Bounced => {
                d.bounced += 1;
                d.last_failed = d.last_failed.max(time);
            }
        }
    }

    pub(super) fn into_domains(self) -> impl Iterator<Item = (Box<[u8]>, Deliveries)> {
        self.domains.into_values()
    }
}

impl Deliveries {
    pub(super) fn merge(&mut self, other: &Deliveries) {
        self.sent += other.sent;
        self.deferred += other.deferred;
        self.bounced += other.bounced;
        self.last_sent = self.last_sent.max(other.last_sent);
        self.last_failed = self.last_failed.max(other.last_failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries() {
        let d =
            read(b"to=<a@Example.org>, orig_to=<b@x>, relay=none, delay=1, dsn=4.4.1, status=deferred (x)").unwrap();
        assert_eq!((d.domain, d.status), (&b"Example.org"[..], Status::Deferred));
        assert_eq!(read(b"to=<root>, relay=local, status=sent (delivered)").unwrap().domain, b"");
        assert_eq!(read(b"to=<root"), None);
        assert_eq!(read(b"removed"), None);
    }
}
