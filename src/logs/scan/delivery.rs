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
    /// where the address ends in the text
    pub address_end: usize,
    /// where `, status=` begins
    pub status_at: usize,
}

static STATUS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(", status="));

/// Reads a message after its queue id, if it reports a delivery.
pub(super) fn read(message: &[u8]) -> Option<Delivery<'_>> {
    let rest = message.strip_prefix(b"to=<")?;
    let end = memchr::memchr_iter(b'>', rest).find(|at| rest[*at..].starts_with(b">, "))?;
    let address = &rest[..end];
    let address_end = end + 4;
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
    Some(Delivery { domain, status, address_end, status_at: address_end + at })
}

/// Counts of one thread.
#[derive(Debug)]
pub(super) struct Table {
    seed: u64,
    domains: Map<(Box<[u8]>, Deliveries)>,
    /// those of all other domains
    rest: Deliveries,
    scratch: Vec<u8>,
}

impl Default for Table {
    fn default() -> Self {
        Table { seed: hash::seed(), domains: Map::default(), rest: Deliveries::default(), scratch: Vec::new() }
    }
}

impl Table {
    pub(super) fn add(&mut self, delivery: &Delivery<'_>, time: Option<Timestamp>) {
        self.scratch.clear();
        let short = &delivery.domain[..delivery.domain.len().min(255)];
        self.scratch.extend_from_slice(short);
        self.scratch.make_ascii_lowercase();
        let h = hash::add_bytes(self.seed, &self.scratch);
        if let Some((_, deliveries)) = self.domains.get_mut(&h) {
            deliveries.add(delivery.status, time);
            return;
        }
        let mut deliveries = Deliveries::default();
        deliveries.add(delivery.status, time);
        if self.domains.len() < MOST {
            self.domains.insert(h, (self.scratch.as_slice().into(), deliveries));
        } else {
            self.rest.merge(&deliveries);
        }
    }

    pub(super) fn into_domains(self) -> impl Iterator<Item = (Box<[u8]>, Deliveries)> {
        let rest = (self.rest != Deliveries::default()).then(|| (Box::default(), self.rest));
        self.domains.into_values().chain(rest)
    }
}

impl Deliveries {
    fn add(&mut self, status: Status, time: Option<Timestamp>) {
        match status {
            Status::Sent => {
                self.sent += 1;
                self.last_sent = self.last_sent.max(time);
            }
            Status::Deferred => {
                self.deferred += 1;
                self.last_failed = self.last_failed.max(time);
            }
            Status::Bounced => {
                self.bounced += 1;
                self.last_failed = self.last_failed.max(time);
            }
        }
    }

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
