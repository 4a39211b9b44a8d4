//! One log line of Postfix, taken apart. Any syslog dialect is handled; no time zone or year is guessed here:
//! [`parse`] takes what comes after time stamp and host.

/// Severity that Postfix itself gave a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// no prefix
    Info,
    /// `warning:`
    Warning,
    /// `error:`
    Error,
    /// `fatal:`
    Fatal,
    /// `panic:`
    Panic,
}

impl LogLevel {
    /// The word that Postfix writes.
    pub fn word(self) -> &'static str {
        match self {
            LogLevel::Info => "info",
            LogLevel::Warning => "warning",
            LogLevel::Error => "error",
            LogLevel::Fatal => "fatal",
            LogLevel::Panic => "panic",
        }
    }
}

/// A line without its time stamp and host, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// `postfix/submission/smtpd`, `postfix-out/smtp`, `dovecot`, `kernel`
    pub tag: &'a str,
    /// last component of the tag: `smtpd`
    pub program: &'a str,
    /// process id
    pub pid: Option<u32>,
    /// the message after `tag[pid]: `
    pub message: &'a str,
    /// queue id at its start (short or long), or after the severity, without the colon; never `NOQUEUE`
    pub queue_id: Option<&'a str>,
    /// severity prefix of the message (after the queue id, if there is one)
    pub level: LogLevel,
}

impl LogLine<'_> {
    /// Whether Postfix wrote it, going by the tag.
    pub fn of_postfix(&self) -> bool {
        is_postfix(self.tag.as_bytes())
    }
}

/// Takes `tag[pid]: message` apart. None: it does not begin with a tag.
pub fn parse(text: &str) -> Option<LogLine<'_>> {
    let tag = find_tag(text.as_bytes())?;
    let name = &text[..tag.name_end];
    let message = &text[tag.message..];
    let (level, id) = classify(message.as_bytes());
    Some(LogLine {
        tag: name,
        program: name.rsplit('/').next().unwrap_or(name),
        pid: tag.pid,
        message,
        queue_id: id.map(|(from, to)| &message[from..to]),
        level,
    })
}

/// Where the parts of `tag[pid]: message` are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// end of the tag name
    pub name_end: usize,
    /// process id
    pub pid: Option<u32>,
    /// start of the message
    pub message: usize,
}

/// Finds the tag at the start of `text`, which may hold any bytes. Indices are at ASCII characters.
pub fn find_tag(text: &[u8]) -> Option<Tag> {
    let name_end = text.iter().take(128).position(|b| !is_tag_byte(*b))?;
    if name_end == 0 {
        return None;
    }
    let mut at = name_end;
    let mut pid = None;
    if text[at] == b'[' {
        let inside = &text[at + 1..];
        let len = inside.iter().take(64).position(|b| *b == b']')?;
        // Some programs put a name there (`[unique id]`); only a number is a process id.
        pid = number(&inside[..len]);
        at += len + 2;
    }
    if text.get(at) != Some(&b':') {
        return None;
    }
    at += 1;
    if text.get(at) == Some(&b' ') {
        at += 1;
    }
    Some(Tag { name_end, pid, message: at })
}

fn is_tag_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'(' | b')' | b'@' | b'+' | b'$')
}

fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 10 {
        return None;
    }
    digits.iter().try_fold(0u32, |n, d| {
        d.is_ascii_digit().then(|| n.checked_mul(10)?.checked_add(u32::from(d - b'0'))).flatten()
    })
}

/// Severity and queue id (start and end) of a message.
pub fn classify(message: &[u8]) -> (LogLevel, Option<(usize, usize)>) {
    let (level, len) = severity(message);
    if len > 0 {
        let rest = &message[len..];
        return (level, queue_id(rest).map(|n| (len, len + n)));
    }
    match id_or_noqueue(message) {
        Some((n, is_id)) => {
            let rest = &message[n + 2..];
            let (mut level, len) = severity(rest);
            // A WARN action of header_checks and the like: the administrator asked for this line.
            if level == LogLevel::Warning
                && ["header ", "body ", "mime ", "nested ", "milter "]
                    .iter()
                    .any(|w| rest[len..].starts_with(w.as_bytes()))
            {
                level = LogLevel::Info;
            }
            (level, is_id.then_some((0, n)))
        }
        None => (LogLevel::Info, None),
    }
}

/// Severity prefix of a text and its length with the blank.
pub fn severity(text: &[u8]) -> (LogLevel, usize) {
    let level = match text.first() {
        Some(b'w') if text.starts_with(b"warning:") => (LogLevel::Warning, 8),
        Some(b'e') if text.starts_with(b"error:") => (LogLevel::Error, 6),
        Some(b'f') if text.starts_with(b"fatal:") => (LogLevel::Fatal, 6),
        Some(b'p') if text.starts_with(b"panic:") => (LogLevel::Panic, 6),
        _ => return (LogLevel::Info, 0),
    };
    (level.0, if text.get(level.1) == Some(&b' ') { level.1 + 1 } else { level.1 })
}

fn id_or_noqueue(message: &[u8]) -> Option<(usize, bool)> {
    if message.starts_with(b"NOQUEUE: ") {
        return Some((7, false));
    }
    queue_id(message).map(|n| (n, true))
}

const DIGIT: u8 = 1;
const HEX: u8 = 2;
const OTHER: u8 = 4;

/// What the bytes of a queue id are.
const KINDS: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = match b as u8 {
            b'0'..=b'9' => DIGIT,
            b'A'..=b'F' => HEX,
            b'G'..=b'Z' | b'a'..=b'z' => OTHER,
            _ => 0,
        };
        b += 1;
    }
    table
};

/// Length of the queue id that `message` begins with, if a colon and a blank follow it.
#[inline]
pub fn queue_id(message: &[u8]) -> Option<usize> {
    let mut kinds = 0;
    let mut n = 0;
    for b in message.iter().take(33) {
        let kind = KINDS[usize::from(*b)];
        if kind == 0 {
            break;
        }
        kinds |= kind;
        n += 1;
    }
    if n < 5 || message.get(n) != Some(&b':') || message.get(n + 1) != Some(&b' ') {
        return None;
    }
    // Short: upper case hexadecimal; a digit is asked for so that a word such as DEAD or FACED is none.
    if kinds & OTHER == 0 {
        return (n >= 8 || kinds & DIGIT != 0).then_some(n);
    }
    // Long: seconds and microseconds in base 52, `z`, the inode in base 51. It begins with a digit since 2000 and
    // for as long as this program will live. Vowels do not occur, but people who change ids in a post use them.
    (n >= 10 && message[0].is_ascii_digit() && message[..n].contains(&b'z')).then_some(n)
}

/// Programs that log under their own name where `syslog_name` is not put before it (`postlogd` to the standard
/// output of a container, some FreeBSD set-ups).
const PROGRAMS: &[&[u8]] = &[
    b"anvil",
    b"bounce",
    b"cleanup",
    b"discard",
    b"dnsblog",
    b"error",
    b"flush",
    b"local",
    b"lmtp",
    b"master",
    b"oqmgr",
    b"nqmgr",
    b"pickup",
    b"pipe",
    b"postlogd",
    b"postscreen",
    b"proxymap",
    b"qmgr",
    b"qmqpd",
    b"scache",
    b"showq",
    b"smtp",
    b"smtpd",
    b"spawn",
    b"tlsmgr",
    b"tlsproxy",
    b"trivial-rewrite",
    b"verify",
    b"virtual",
    b"defer",
    b"trace",
    b"postfix-script",
    b"postalias",
    b"postcat",
    b"postconf",
    b"postdrop",
    b"postfix",
    b"postkick",
    b"postlog",
    b"postmap",
    b"postmulti",
    b"postqueue",
    b"postsuper",
    b"posttls-finger",
    b"postfix-tls-script",
    b"retry",
    b"relay",
    b"postfix-wrapper",
    b"post-install",
];

/// Whether a tag is one of Postfix: below any `syslog_name` a program of Postfix, or that program alone.
pub fn is_postfix(tag: &[u8]) -> bool {
    if tag.starts_with(b"postfix/") {
        return true;
    }
    match memchr::memrchr(b'/', tag) {
        Some(at) => {
            let program = &tag[at + 1..];
            program == b"sendmail" || PROGRAMS.contains(&program)
        }
        None => PROGRAMS.contains(&tag) || tag.starts_with(b"postfix-") || tag.starts_with(b"postfix@"),
    }
}

/// The `syslog_name` of the instance that a tag belongs to: what stands before the first `/`. Empty for a bare
/// program name.
pub fn instance_of(tag: &str) -> &str {
    tag.split_once('/').map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_all_kinds() {
        let l = parse("postfix/submission/smtpd[123]: connect from a[192.0.2.1]").unwrap();
        assert_eq!((l.tag, l.program, l.pid), ("postfix/submission/smtpd", "smtpd", Some(123)));
        assert_eq!(l.message, "connect from a[192.0.2.1]");
        assert!(l.of_postfix());
        let l = parse("postfix-out/smtp[7]: 4XyzBbC1dFz9: to=<a@b>, status=sent").unwrap();
        assert_eq!((l.queue_id, l.program, instance_of(l.tag)), (Some("4XyzBbC1dFz9"), "smtp", "postfix-out"));
        assert!(l.of_postfix());
        assert!(parse("master[1]: daemon started").unwrap().of_postfix());
        assert!(!parse("dovecot: imap-login: Login").unwrap().of_postfix());
        let l = parse("postfix/postfix-script: fatal: the Postfix mail system is not running").unwrap();
        assert_eq!((l.level, l.pid), (LogLevel::Fatal, None));
        assert_eq!(parse("no tag here"), None);
        assert_eq!(parse(""), None);
        assert_eq!(parse("postfix/smtpd[1"), None);
    }

    #[test]
    fn queue_ids_and_levels() {
        for (m, id, level) in [
            ("B46951A4DB1F8: SASL authentication failed", Some("B46951A4DB1F8"), LogLevel::Info),
            ("4XyzAbC1dEz9: removed", Some("4XyzAbC1dEz9"), LogLevel::Info),
            ("4Xyz0bC1dFz9: removed", Some("4Xyz0bC1dFz9"), LogLevel::Info),
            ("NOQUEUE: reject: RCPT from", None, LogLevel::Info),
            ("warning: A1B2C3D4: queue file size", Some("A1B2C3D4"), LogLevel::Warning),
            ("A1B2C3D4: warning: header Subject: x", Some("A1B2C3D4"), LogLevel::Info),
            ("A1B2C3D4: error: x", Some("A1B2C3D4"), LogLevel::Error),
            ("panic: myfree: corrupt", None, LogLevel::Panic),
            ("DEAD: beef", None, LogLevel::Info),
            ("fatal:x", None, LogLevel::Fatal),
        ] {
            let line = format!("postfix/smtp[1]: {m}");
            let l = parse(&line).unwrap();
            assert_eq!((l.queue_id, l.level), (id, level), "{m}");
        }
    }
}
