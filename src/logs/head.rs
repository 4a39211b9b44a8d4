//! The head of a log line: what stands before `tag[pid]: message`, in any dialect that Postfix's lines come in
//! (syslog, rsyslog, busybox, FreeBSD, RFC 5424, journal and container JSON, `docker logs`, nothing at all).

use std::borrow::Cow;

use serde_json::Value;

use super::timestamp::{self, Stamp};
use crate::postfix::log_line;

/// A line with its head taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body<'a> {
    /// the time stamp
    pub stamp: When,
    /// `tag[pid]: message`; put together anew where the dialect has it in other columns
    pub text: Cow<'a, [u8]>,
    /// where `text` starts in the line, if it is a part of it
    pub start: Option<usize>,
    /// length of the time stamp, if it begins the line
    pub stamp_len: usize,
}

/// When a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// the line does not say
    Unknown,
    /// a civil time
    Stamp(Stamp),
    /// microseconds since the epoch
    Micros(i64),
}

/// Takes the head off a line. A line that has no tag gets the text after its stamp.
pub(crate) fn take_off(line: &[u8]) -> Body<'_> {
    if line.first() == Some(&b'{')
        && let Some(body) = json(line)
    {
        return body;
    }
    let mut at = 0;
    let mut stamp = When::Unknown;
    let mut stamp_len = 0;
    if let Some(n) = compose_prefix(line) {
        at = n;
    }
    if let Some(n) = priority(&line[at..]) {
        at += n;
        if line[at..].starts_with(b"1 ")
            && let Some(body) = rfc5424(&line[at + 2..])
        {
            return body;
        }
    }
    // Two: `docker logs -t` puts its own before the one that the program wrote; the outer one has zone and year.
    for _ in 0..2 {
        let Some(found) = timestamp::read(&line[at..]) else { break };
        if !matches!(line.get(at + found.len), None | Some(b' ' | b'\t' | b':')) {
            break;
        }
        if stamp == When::Unknown {
            stamp_len = if at == 0 { found.len } else { 0 };
            stamp = When::Stamp(found);
        }
        at += found.len;
        at += blanks(&line[at..]);
        if stamp_len > 0 && timestamp::read(&line[at..]).is_some() {
            stamp_len = 0;
        }
    }
    if stamp == When::Unknown {
        return Body { stamp, text: Cow::Borrowed(&line[at..]), start: Some(at), stamp_len: 0 };
    }
    at += words_before_tag(&line[at..]);
    Body { stamp, text: Cow::Borrowed(&line[at..]), start: Some(at), stamp_len }
}

/// Length of what stands between stamp and tag: the host, with busybox and FreeBSD also `mail.info`.
fn words_before_tag(text: &[u8]) -> usize {
    let mut at = 0;
    let mut host_seen = false;
    while at < text.len() {
        let rest = &text[at..];
        let len = memchr::memchr(b' ', rest).unwrap_or(rest.len());
        let word = &rest[..len];
        let facility = is_facility(word);
        // A tag ends with a colon; with `name[unique id]:` only after a blank.
        let is_tag = word.ends_with(b":") || (word.contains(&b'[') && log_line::find_tag(rest).is_some());
        if is_tag || (host_seen && !facility) {
            break;
        }
        host_seen |= !facility;
        at += len;
        at += blanks(&text[at..]);
    }
    at
}

/// Severities in the words of syslog.
const LEVELS: &[&[u8]] =
    &[b"debug", b"info", b"notice", b"warn", b"warning", b"err", b"error", b"crit", b"alert", b"emerg", b"panic"];

fn is_facility(word: &[u8]) -> bool {
    let word = word.strip_prefix(b"<").and_then(|w| w.strip_suffix(b">")).unwrap_or(word);
    let Some(dot) = memchr::memchr(b'.', word) else { return false };
    LEVELS.contains(&&word[dot + 1..])
}

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count()
}

/// Length of `<22>`.
fn priority(line: &[u8]) -> Option<usize> {
    if line.first() != Some(&b'<') {
        return None;
    }
    let n = line[1..].iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    (n > 0 && line.get(n + 1) == Some(&b'>')).then_some(n + 2)
}

/// Length of the `service_1    | ` that docker compose puts first.
fn compose_prefix(line: &[u8]) -> Option<usize> {
    let word = line.iter().take(80).position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')))?;
    let gap = blanks(&line[word..]);
    (word > 0 && gap > 0 && line[word + gap..].starts_with(b"| ")).then_some(word + gap + 2)
}

/// After `<22>1 `: stamp, host, program, pid, message id, structured data, message.
fn rfc5424(text: &[u8]) -> Option<Body<'_>> {
    let stamp = timestamp::read(text);
    let mut at = stamp.map_or_else(|| memchr::memchr(b' ', text), |s| Some(s.len))?;
    let mut words: [&[u8]; 4] = [b""; 4];
    for word in &mut words {
        at += blanks(&text[at..]);
        let end = at + memchr::memchr(b' ', &text[at..])?;
        *word = &text[at..end];
        at = end;
    }
    at += blanks(&text[at..]);
    // Structured data: `-`, or `[…]` with quoted values.
    if text.get(at) == Some(&b'[') {
        at = structured_end(text, at)?;
    } else {
        at += 1;
    }
    at = (at + blanks(text.get(at..)?)).min(text.len());
    let message = text[at..].strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text[at..]);
    let stamp = stamp.map_or(When::Unknown, When::Stamp);
    Some(Body { stamp, text: Cow::Owned(join(words[1], words[2], message)), start: None, stamp_len: 0 })
}

fn structured_end(text: &[u8], from: usize) -> Option<usize> {
    let mut quoted = false;
    let mut at = from;
    loop {
        match text.get(at)? {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b']' if !quoted && text.get(at + 1) != Some(&b'[') => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
}

fn join(tag: &[u8], pid: &[u8], message: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(tag.len() + pid.len() + message.len() + 4);
    text.extend_from_slice(tag);
    if !pid.is_empty() && pid != b"-" {
        text.push(b'[');
        text.extend_from_slice(pid);
        text.push(b']');
    }
    text.extend_from_slice(b": ");
    text.extend_from_slice(message);
    text
}

/// A line of `journalctl -o json`, or of docker's json-file driver.
fn json(line: &[u8]) -> Option<Body<'_>> {
    let value: Value = serde_json::from_slice(line).ok()?;
    if let Some(Value::String(log)) = value.get("log") {
        let inner = take_off(log.trim_end().as_bytes());
        let outer = value.get("time").and_then(Value::as_str).and_then(|t| timestamp::read(t.as_bytes()));
        let stamp = outer.map_or(inner.stamp, When::Stamp);
        return Some(Body { stamp, text: Cow::Owned(inner.text.into_owned()), start: None, stamp_len: 0 });
    }
    let message = bytes(value.get("MESSAGE")?)?;
    let tag = ["SYSLOG_IDENTIFIER", "_COMM"].iter().find_map(|k| value.get(k).and_then(bytes)).unwrap_or_default();
    let pid = ["SYSLOG_PID", "_PID"].iter().find_map(|k| value.get(k).and_then(bytes)).unwrap_or_default();
    let stamp = ["__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP"]
        .iter()
        .find_map(|k| value.get(k).and_then(Value::as_str)?.parse().ok())
        .map_or(When::Unknown, When::Micros);
    // A message of several lines would look like several; a NUL or newline never reaches a pattern.
    let message: Vec<u8> = message.iter().map(|b| if *b == b'\n' { b' ' } else { *b }).collect();
    Some(Body { stamp, text: Cow::Owned(join(&tag, &pid, &message)), start: None, stamp_len: 0 })
}

/// A field of journald's JSON: text, an array of byte values where it is not UTF-8, an array of fields where it
/// was given more than once (the first counts).
fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(s) => Some(s.clone().into_bytes()),
        Value::Array(items) => match items.first()? {
            Value::Number(_) => Some(items.iter().filter_map(|n| u8::try_from(n.as_u64()?).ok()).collect()),
            first => bytes(first),
        },
        Value::Number(n) => Some(n.to_string().into_bytes()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> String {
        String::from_utf8(take_off(line.as_bytes()).text.into_owned()).unwrap()
    }

    #[test]
    fn every_dialect_gives_the_same_body() {
        let body = "postfix/smtpd[12]: connect from a[192.0.2.1]";
        for head in [
            "Nov 21 09:12:01 mx ",
            "Nov  1 09:12:01 mx.example.org ",
            "Nov  1 09:12:01 ",
            "Nov 21 09:12:01 mx mail.info ",
            "Nov 21 09:12:01 <mail.info> mx ",
            "2026-11-21T09:12:01.123456+01:00 mx ",
            "2026-11-21 09:12:01 mx ",
            "2026-11-21T09:12:01.123456789Z ",
            "2026-11-21T09:12:01.123456789Z Nov 21 09:12:01 mx ",
            "<22>Nov 21 09:12:01 mx ",
            "postfix-mailcow_1    | Nov 21 09:12:01 mx ",
            "mail-1  | ",
            "",
        ] {
            assert_eq!(text(&format!("{head}{body}")), body, "{head}");
        }
        assert_eq!(text("<22>1 2026-11-21T09:12:01Z mx postfix/smtpd 12 - - connect from a[192.0.2.1]"), body);
        assert_eq!(
            text(r#"<22>1 2026-11-21T09:12:01Z mx postfix/smtpd 12 - [a@1 b="]"][c d="e"] connect from a[192.0.2.1]"#),
            body
        );
        assert_eq!(
            text(
                r#"{"__REALTIME_TIMESTAMP":"1795252321000000","SYSLOG_IDENTIFIER":"postfix/smtpd","_PID":"12","MESSAGE":"connect from a[192.0.2.1]"}"#
            ),
            body
        );
        assert_eq!(
            text(
                r#"{"SYSLOG_IDENTIFIER":["postfix/smtpd","x"],"SYSLOG_PID":"12","MESSAGE":[99,111,110,110,101,99,116,32,102,114,111,109,32,97,91,49,57,50,46,48,46,50,46,49,93]}"#
            ),
            body
        );
        assert_eq!(
            text(
                r#"{"log":"Nov 21 09:12:01 mx postfix/smtpd[12]: connect from a[192.0.2.1]\n","stream":"stdout","time":"2026-11-21T09:12:01.5Z"}"#
            ),
            body
        );
    }

    #[test]
    fn lines_of_others() {
        assert_eq!(
            text("Nov 21 09:12:01 mx kernel: [  1.2] Out of memory: Killed process 1"),
            "kernel: [  1.2] Out of memory: Killed process 1"
        );
        assert_eq!(text("Nov 21 09:12:01 mx last message repeated 3 times"), "last message repeated 3 times");
        assert_eq!(text("Nov 21 09:12:01 mx dovecot: imap-login: x[y]: z"), "dovecot: imap-login: x[y]: z");
        assert_eq!(text("{broken"), "{broken");
        assert_eq!(text("Nov 21 09:12:01"), "");
        assert_eq!(text("<22>1 "), "1 ");
    }
}
