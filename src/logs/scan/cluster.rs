//! Classes of problem lines that no pattern knows: what differs between two lines of a kind is masked.

use std::collections::HashMap;

use jiff::Timestamp;

use super::group::{Kept, Seen};
use crate::postfix::log_line::LogLevel;

/// Classes kept by one thread, and in the result.
pub(super) const MOST: usize = 256;
/// Words of a message that count; the rest is a remote server's prose.
const WORDS: usize = 24;

/// One class, still growing.
#[derive(Debug, Clone)]
pub(super) struct Growing {
    pub mask: Box<[u8]>,
    pub first: Kept,
    pub count: u64,
    pub last: Option<Timestamp>,
    pub level: LogLevel,
}

/// All classes of one thread.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    pub all: Vec<Growing>,
    by_mask: HashMap<Box<[u8]>, usize>,
    scratch: Vec<u8>,
    pub overflow: u64,
}

impl Clusters {
    /// Counts a line; gives the number of its class if it fits.
    pub(super) fn add(&mut self, program: &[u8], message: &[u8], seen: &Seen<'_>) -> Option<usize> {
        let mut key = std::mem::take(&mut self.scratch);
        key.clear();
        key.extend_from_slice(program);
        key.push(b' ');
        mask(message, &mut key);
        let at = match self.by_mask.get(&key[..]) {
            Some(at) => Some(*at),
            None if self.all.len() < MOST => {
                self.all.push(Growing {
                    mask: key.as_slice().into(),
                    first: Kept::new(seen),
                    count: 0,
                    last: None,
                    level: seen.level,
                });
                self.by_mask.insert(key.as_slice().into(), self.all.len() - 1);
                Some(self.all.len() - 1)
            }
            None => None,
        };
        self.scratch = key;
        match at {
            Some(at) => {
                self.all[at].count += 1;
                self.all[at].last = self.all[at].last.max(seen.time);
            }
            None => self.overflow += 1,
        }
        at
    }
}

impl Clusters {
    /// Counts one more line of a class (none: one that did not fit).
    pub(super) fn again(&mut self, at: Option<usize>, seen: &Seen<'_>) {
        match at {
            Some(at) => {
                self.all[at].count += 1;
                self.all[at].last = self.all[at].last.max(seen.time);
            }
            None => self.overflow += 1,
        }
    }
}

/// Writes the message with addresses, hosts, numbers, queue ids and paths with digits masked.
pub(super) fn mask(message: &[u8], out: &mut Vec<u8>) {
    for word in message.split(|b| *b == b' ').filter(|w| !w.is_empty()).take(WORDS) {
        out.push(b' ');
        // What is masked differs from line to line; the punctuation around it and `name=` before it do not.
        let inner = word.trim_ascii();
        let (head, rest) = match memchr::memchr(b'=', inner) {
            Some(at) if inner[..at].iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') => inner.split_at(at + 1),
            _ => inner.split_at(0),
        };
        out.extend_from_slice(head);
        let opening = rest.iter().take_while(|b| matches!(b, b'(' | b'"' | b'\'' | b'<')).count();
        out.extend_from_slice(&rest[..opening]);
        let rest = &rest[opening..];
        let closing = rest
            .iter()
            .rev()
            .take_while(|b| matches!(b, b')' | b',' | b':' | b';' | b'"' | b'\'' | b'>' | b'.'))
            .count();
        let core = &rest[..rest.len() - closing];
        if varies(core) {
            out.push(b'*');
        } else {
            out.extend_from_slice(&core[..core.len().min(40)]);
        }
        out.extend_from_slice(&rest[rest.len() - closing..]);
    }
}

fn varies(core: &[u8]) -> bool {
    let digits = core.iter().any(u8::is_ascii_digit);
    let dotted = memchr::memchr(b'.', core).is_some() && !core.starts_with(b"/");
    digits || dotted || memchr::memchr2(b'@', b'[', core).is_some()
}

#[cfg(test)]
mod tests {
    use super::mask;

    fn masked(text: &str) -> String {
        let mut out = Vec::new();
        mask(text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap().trim_start().to_owned()
    }

    #[test]
    fn same_class() {
        assert_eq!(
            masked(
                "A1B2C3D4: to=<u@example.org>, relay=mx.example.org[192.0.2.1]:25, delay=3.1, status=deferred (host mx.example.org[192.0.2.1] said: 450 4.2.1 odd)"
            ),
            masked(
                "0F1E2D3C4: to=<x@example.net>, relay=a[::1]:25, delay=5, status=deferred (host a.example[192.0.2.9] said: 450 4.2.1 odd)"
            ),
        );
        assert_eq!(
            masked("warning: open /etc/postfix/x.db: No such file or directory"),
            "warning: open /etc/postfix/x.db: No such file or directory"
        );
        assert_eq!(masked(""), "");
    }
}
