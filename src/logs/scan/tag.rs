//! The tags of a log: few, and each in thousands of lines. What follows from one is found out once.

use crate::postfix::log_line;

/// Tags remembered, by a hash of their end.
const SLOTS: usize = 128;
/// A longer one, or a shorter line, is none of those that a log is full of.
const LONGEST: usize = 32;

/// Programs that this scan knows lines of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Program {
    Smtpd,
    Cleanup,
    Qmgr,
    Master,
    Script,
    #[default]
    Other,
}

/// What follows from a tag.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Named {
    /// Postfix wrote the line
    pub postfix: bool,
    pub program: Program,
    /// where the program begins in the tag
    pub program_at: usize,
    /// length of what stands before the first `/`; none, if there is no `/`
    pub instance: usize,
}

impl Named {
    pub(super) fn of(tag: &[u8]) -> Self {
        let program_at = memchr::memrchr(b'/', tag).map_or(0, |at| at + 1);
        let program = match &tag[program_at..] {
            b"smtpd" => Program::Smtpd,
            b"cleanup" => Program::Cleanup,
            b"qmgr" => Program::Qmgr,
            b"master" => Program::Master,
            b"postfix-script" => Program::Script,
            _ => Program::Other,
        };
        let instance = memchr::memchr(b'/', tag).unwrap_or(0);
        Named { postfix: log_line::is_postfix(tag), program, program_at, instance }
    }
}

/// The tags that a thread has met.
pub(super) struct Tags {
    slots: Vec<(Box<[u8]>, Named)>,
}

impl Tags {
    pub(super) fn new() -> Self {
        Tags { slots: vec![Default::default(); SLOTS] }
    }

    /// Takes `tag[pid]: message` apart. None: it has another form.
    #[inline]
    pub(super) fn find(&mut self, body: &[u8]) -> Option<(Named, log_line::Tag)> {
        let head = body.first_chunk::<LONGEST>()?;
        let open = head.iter().position(|b| *b == b'[').filter(|at| *at > 0)?;
        let mut pid = 0u64;
        let mut len = 0;
        let after = &body[open + 1..];
        for b in after.iter().take(10) {
            let digit = b.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            pid = pid * 10 + u64::from(digit);
            len += 1;
        }
        if len == 0 || !after[len..].starts_with(b"]: ") {
            return None;
        }
        let at = open + 1 + len;
        let name = &body[..open];
        let end = name.last_chunk::<4>().map_or(0, |b| u32::from_le_bytes(*b) as usize);
        let slot = (end ^ (end >> 9) ^ (end >> 17) ^ open) % SLOTS;
        if *self.slots[slot].0 != *name {
            // What cannot be in a tag is looked for once.
            if log_line::find_tag(body)?.name_end != open {
                return None;
            }
            self.slots[slot] = (name.into(), Named::of(name));
        }
        let tag = log_line::Tag { name_end: open, pid: u32::try_from(pid).ok(), message: at + 3 };
        Some((self.slots[slot].1, tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_parser_has_it() {
        let mut tags = Tags::new();
        for body in [
            "postfix/smtpd[12]: connect",
            "postfix/smtpd[13]: connect",
            "postfix-out/submission/smtpd[4294967296]: connect",
            "master[1]: x",
            "dovecot: imap-login: Login[3]: x",
            "kernel: [  1.2] x",
            "postfix/smtpd[x]: y",
            "a b[1]: y",
            "[1]: y",
        ] {
            let body = &format!("{body:40}");
            let found = tags.find(body.as_bytes());
            let right = log_line::find_tag(body.as_bytes()).filter(|t| body.as_bytes()[t.name_end] == b'[');
            if let Some((named, tag)) = found {
                assert_eq!(Some(tag), right, "{body}");
                assert_eq!(named.postfix, log_line::is_postfix(&body.as_bytes()[..tag.name_end]), "{body}");
            }
            assert_eq!(
                found.is_some(),
                right.is_some_and(|t| t.pid.is_some() || body.contains("4294967296")),
                "{body}"
            );
        }
    }
}
