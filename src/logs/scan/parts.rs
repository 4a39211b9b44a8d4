//! The parts of a message that tell its class: recipient and delays of a delivery, addresses of a rejected mail and
//! the ciphers of a TLS session differ in each line and mean nothing to any pattern, and they are half of it.
//!
//! A stranger chooses addresses. A pattern is not looked for in them, unless one asks for just that.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use regex::Regex;

use super::delivery::{Delivery, Status};

/// What of a message counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    /// these parts count, cut into atoms
    pub ranges: [(usize, usize); 2],
    /// from here on it counts byte by byte
    pub verbatim: usize,
}

/// What patterns look into, so that it counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Looked {
    /// recipients of what was sent, deferred, bounced
    delivered: [bool; 3],
    rejected: bool,
    delays: bool,
}

struct Words {
    delay: Finder<'static>,
    dsn: Finder<'static>,
    from: Finder<'static>,
    proto: Finder<'static>,
    established: Finder<'static>,
    protocol: Finder<'static>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| Words {
    delay: Finder::new(", delay="),
    dsn: Finder::new(", dsn="),
    from: Finder::new("; from=<"),
    proto: Finder::new("> proto="),
    established: Finder::new(" TLS connection established "),
    protocol: Finder::new(": TLSv"),
});

impl Looked {
    /// What these regexes look into.
    pub(super) fn new<'r>(regexes: impl Iterator<Item = &'r str>) -> Self {
        let mut looked = Looked::default();
        for regex in regexes {
            let status = regex.split_once("status=").map(|(_, after)| after);
            if looks(regex, "to=<") {
                let any = status.is_none_or(|s| !["sent", "deferred", "bounced"].iter().any(|word| s.contains(word)));
                for (looked, word) in looked.delivered.iter_mut().zip(["sent", "deferred", "bounced"]) {
                    *looked |= any || status.is_some_and(|s| s.contains(word));
                }
            }
            looked.rejected |= status.is_none() && (looks(regex, "to=<") || looks(regex, "from=<"));
            looked.delays |= looks(regex, "delay=") || looks(regex, "delays=");
        }
        looked
    }

    /// The parts of a message that is no delivery.
    pub(super) fn parts(self, message: &[u8], reject: bool) -> Parts {
        let found = if reject { self.reject(message) } else { tls(message) };
        found.unwrap_or_else(|| whole(message))
    }

    /// The parts of a message that reports this delivery, which begins at `text`.
    pub(super) fn delivery(self, message: &[u8], text: usize, delivery: &Delivery<'_>) -> Parts {
        let address = text + delivery.address_end;
        let status = text + delivery.status_at;
        let found = || {
            let looked = match delivery.status {
                Status::Sent => self.delivered[0],
                Status::Deferred => self.delivered[1],
                Status::Bounced => self.delivered[2],
            };
            if looked || self.delays || !plain(&message[text + 4..address]) {
                return None;
            }
            let delay = address + WORDS.delay.find(&message[address..status])?;
            let dsn = delay + WORDS.dsn.find(&message[delay..status])?;
            Some(Parts { ranges: [(address, delay), (dsn, message.len())], verbatim: message.len() })
        };
        found().unwrap_or_else(|| whole(message))
    }

    fn reject(self, message: &[u8]) -> Option<Parts> {
        if self.rejected {
            return None;
        }
        let from = WORDS.from.find(message)? + 8;
        let proto = from + WORDS.proto.find(&message[from..])?;
        let addresses = &message[from..proto];
        let end = memchr::memchr(b'>', addresses)?;
        let to = addresses[end..].strip_prefix(b"> to=<")?;
        (plain(&addresses[..end]) && plain(to))
            .then_some(Parts { ranges: [(0, from), (proto, message.len())], verbatim: message.len() })
    }
}

fn whole(message: &[u8]) -> Parts {
    Parts { ranges: [(0, message.len()), (0, 0)], verbatim: message.len() }
}

/// `Anonymous TLS connection established from …: TLSv1.3 with cipher …`: a few ciphers are in all such lines.
fn tls(message: &[u8]) -> Option<Parts> {
    let head = message.get(..40)?;
    if !matches!(head[0], b'A' | b'U' | b'T' | b'V') || WORDS.established.find(head).is_none() {
        return None;
    }
    let at = WORDS.protocol.find(message)?;
    Some(Parts { ranges: [(0, at), (0, 0)], verbatim: at })
}

/// An address as nearly all are: `local@domain`. Null senders, local names, and quotes, where anything may stand, count.
fn plain(address: &[u8]) -> bool {
    let Some(at) = memchr::memchr(b'@', address) else { return false };
    at > 0
        && at + 1 < address.len()
        && memchr::memchr3(b'@', b' ', b'"', &address[at + 1..]).is_none()
        && address[0] != b'"'
}

/// What takes any plain address, however it is captured; what takes any delay.
static ADDRESS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(?:\.\*|(?:\(\?<\w+>|\(\?:|[()@?*+]|\[\^(?:>|>@|@>)\][*+])*(?:>|$))").ok());
static DELAY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^(?:\(\?<\w+>)?(?:\.\*|\[\^,\][*+]\)?,)").ok());

/// Whether a regex asks for more than that something stands after `frame`.
fn looks(regex: &str, frame: &str) -> bool {
    let passes = if frame.ends_with('<') { &ADDRESS } else { &DELAY };
    let after = |(at, _): (usize, &str)| (!regex[..at].ends_with("orig_")).then(|| &regex[at + frame.len()..]);
    regex.match_indices(frame).filter_map(after).any(|rest| !passes.as_ref().is_some_and(|p| p.is_match(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::scan::delivery;

    fn kept(message: &str) -> String {
        let looked = Looked::default();
        let text = message.find("to=<");
        let delivery = text.and_then(|at| delivery::read(&message.as_bytes()[at..]));
        let parts = match (text, delivery) {
            (Some(at), Some(d)) => looked.delivery(message.as_bytes(), at, &d),
            _ => looked.parts(message.as_bytes(), message.contains("reject: ")),
        };
        parts.ranges.iter().map(|(from, to)| &message[*from..*to]).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn what_differs_in_each_line_does_not_count() {
        let sent = "4XyzAbC1dEz9: to=<a@b.test>, orig_to=<c>, relay=mx.b[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)";
        assert_eq!(kept(sent), ">, orig_to=<c>, relay=mx.b[192.0.2.1]:25|, dsn=2.0.0, status=sent (250 ok)");
        let local = "4XyzAbC1dEz9: to=<root>, relay=local, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (x)";
        assert_eq!(kept(local), format!("{local}|"));
        let reject = "NOQUEUE: reject: RCPT from a[1.2.3.4]: 554 5.7.1 <x@y>: Relay access denied; from=<a@b> to=<x@y> proto=ESMTP helo=<z>";
        assert_eq!(
            kept(reject),
            "NOQUEUE: reject: RCPT from a[1.2.3.4]: 554 5.7.1 <x@y>: Relay access denied; from=<|> proto=ESMTP helo=<z>"
        );
        let quoted = "NOQUEUE: reject: RCPT from a[1.2.3.4]: 554 x; from=<\"a b\"@b> to=<x@y> proto=ESMTP helo=<z>";
        assert_eq!(kept(quoted), format!("{quoted}|"));
        let tls = "Anonymous TLS connection established from a[1.2.3.4]: TLSv1.3 with cipher X";
        assert_eq!(kept(tls), "Anonymous TLS connection established from a[1.2.3.4]|");
    }

    #[test]
    fn what_patterns_ask_for() {
        let looked = |r| Looked::new([r].into_iter());
        for regex in [
            r"to=<[^>]*>,.*Name service error",
            r"(?:; from=<(?<sender>[^>]*)>)?",
            r"to=<(?<rcpt>[^>]+)>, ",
            "from=<MAILER-DAEMON>.*status=deferred",
            // Where the address is empty it counts.
            "from=<>",
            "orig_to=<root>",
            r"to=<[^>]+@(?<domain>[^>]+)>, orig_to=<(?<orig>[^>@]+)>,",
            r"to=<(?<rcpt>[^>]*?@?(?<domain>[^@>]*))>,.*status=sent",
            r"to=<(?<rcpt>(?<user>[^@>]*)[^>]*)>,",
            "delay=[^,]+, ",
        ] {
            assert_eq!(looked(regex), Looked::default(), "{regex}");
        }
        for regex in ["to=<root@", r"to=<[^>]*@gmail\.com>", r"to=<(?<l>\w+)@"] {
            assert_eq!(looked(regex).delivered, [true; 3], "{regex}");
        }
        assert_eq!(looked("to=<root@.*status=(?:bounced|sent)").delivered, [true, false, true]);
        for regex in ["from=<MAILER-DAEMON>", "to=<root@"] {
            assert!(looked(regex).rejected, "{regex}");
        }
        assert!(looked(r"delay=\d{4}").delays);
        assert!(looked(r"delays=0/").delays);
    }
}
