//! Log lines as people post them: quoted with `>`, wrapped by a mail program, with the name of a file or a line
//! number in front, in colour, with the month in another language, or one logger's line inside another's.
//!
//! Only what somebody put together by hand is mended so. On a real log this would let strangers, who choose
//! parts of many lines, have their text taken for lines of Postfix.

use std::borrow::Cow;

use super::head::{self, When};
use super::timestamp;
use crate::postfix::log_line;

/// Nobody posts more.
pub(crate) const LARGEST: usize = 1 << 20;
/// Width at which programs wrap, at least; a shorter line was ended on purpose.
const WRAP_FROM: usize = 48;
/// A longer line was not wrapped.
const WRAP_TO: usize = 120;
/// How far into a line its head may reach.
const HEAD: usize = 160;

/// The same lines, made readable; each keeps its number, so a line that was joined leaves an empty one behind.
pub(crate) fn mend(text: &[u8]) -> Cow<'_, [u8]> {
    let lines: Vec<Cow<'_, [u8]>> = text.split(|b| *b == b'\n').map(|line| unhead(tidy(line))).collect();
    let mut out: Vec<Vec<u8>> = Vec::with_capacity(lines.len());
    let mut current: Option<usize> = None;
    let mut last_len = 0;
    for line in lines {
        let len = line.len();
        let joins = current.is_some()
            && !line.iter().all(u8::is_ascii_whitespace)
            && !begins_record(&line)
            && (WRAP_FROM..=WRAP_TO).contains(&last_len)
            && len <= WRAP_TO;
        if let Some(at) = current.filter(|_| joins) {
            let record = &mut out[at];
            record.push(b' ');
            record.extend_from_slice(line.trim_ascii());
            out.push(Vec::new());
        } else {
            current = begins_record(&line).then_some(out.len());
            out.push(line.into_owned());
        }
        last_len = len;
    }
    let mended = out.join(&b'\n');
    if mended == text { Cow::Borrowed(text) } else { Cow::Owned(mended) }
}

/// Takes off colours, line ends of Windows, quoting, and the marks of code in Markdown.
fn tidy(line: &[u8]) -> Cow<'_, [u8]> {
    let mut line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line).trim_ascii_end();
    while let Some(rest) = line.trim_ascii_start().strip_prefix(b">") {
        line = rest.strip_prefix(b" ").unwrap_or(rest);
    }
    if let Some(rest) = line.strip_prefix(b"`")
        && !rest.starts_with(b"`")
    {
        line = rest.strip_suffix(b"`").unwrap_or(rest);
    }
    let wide_blank = "\u{a0}".as_bytes();
    if !line.contains(&0x1b) && !line.windows(wide_blank.len()).any(|w| w == wide_blank) {
        return Cow::Borrowed(line);
    }
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((first, tail)) = rest.split_first() {
        if let Some(sequence) = rest.strip_prefix(b"\x1b[") {
            let len = sequence.iter().position(u8::is_ascii_alphabetic).map_or(sequence.len(), |at| at + 1);
            rest = &sequence[len..];
        } else if let Some(after) = rest.strip_prefix(wide_blank) {
            out.push(b' ');
            rest = after;
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    Cow::Owned(out)
}

/// Takes off what stands before the head that can be read.
fn unhead(line: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let line = match foreign_month(&line).or_else(|| table_row(&line)) {
        Some(known) => Cow::Owned(known),
        None => line,
    };
    let body = head::take_off(&line);
    if names_postfix(&body.text) {
        return line;
    }
    let Some(tag_at) = inner_tag(&line) else { return line };
    // The last stamp before the tag belongs to the line that Postfix wrote.
    let stamp = (0..tag_at)
        .rev()
        .filter(|at| *at == 0 || !line[at - 1].is_ascii_alphanumeric())
        .find_map(|at| timestamp::read(&line[at..]).filter(|s| at + s.len < tag_at).map(|s| (at, s.len)));
    let mended = match stamp {
        Some((at, _)) if names_postfix(&head::take_off(&line[at..]).text) => line[at..].to_vec(),
        Some((at, len)) => [&line[at..at + len], b" mail ", &line[tag_at..]].concat(),
        None => line[tag_at..].to_vec(),
    };
    Cow::Owned(mended)
}

fn names_postfix(body: &[u8]) -> bool {
    log_line::find_tag(body).is_some_and(|tag| log_line::is_postfix(&body[..tag.name_end]))
}

/// Where `postfix/…[pid]: ` stands behind other words of a head: nothing there looks like text of a message.
fn inner_tag(line: &[u8]) -> Option<usize> {
    let at = memchr::memmem::find_iter(&line[..line.len().min(HEAD)], b"postfix").find(|at| {
        let rest = &line[*at..];
        (*at == 0 || matches!(line[at - 1], b' ' | b'\t' | b':' | b'|'))
            && log_line::find_tag(rest).is_some_and(|tag| {
                tag.pid.is_some() && rest[..tag.name_end].contains(&b'/') && log_line::is_postfix(&rest[..tag.name_end])
            })
    })?;
    let before = &line[..at];
    (!before.iter().any(|b| matches!(b, b'<' | b'=' | b'"' | b'\'' | b'(' | b';' | b'@'))).then_some(at)
}

/// Whether a line is the beginning of a log record, and not the rest of one.
fn begins_record(line: &[u8]) -> bool {
    const OPENINGS: [&[u8]; 7] = [b"warning: ", b"error: ", b"fatal: ", b"panic: ", b"NOQUEUE: ", b"{", b"-- "];
    let body = head::take_off(line);
    body.stamp != When::Unknown
        || names_postfix(&body.text)
        || body.start.is_some_and(|start| start > 0)
        || OPENINGS.iter().any(|opening| line.starts_with(opening))
        || log_line::find_tag(line).is_some_and(|tag| tag.pid.is_some())
}

/// `03.08.2021, 10:40:22 | crit | fatal: …` (also `8/3/2021, 10:40:22 AM | …`), as web front ends show a log.
fn table_row(line: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(line).ok()?;
    let mut columns = text.splitn(3, " | ");
    let (stamp, _level, message) = (columns.next()?, columns.next()?, columns.next()?);
    let (date, time) = stamp.trim().split_once(", ")?;
    let numbers = |separator| {
        let mut parts = date.split(separator).map(|part| part.parse::<u16>().ok());
        Some([parts.next()??, parts.next()??, parts.next()??])
    };
    let [day, month, year] = numbers('.').or_else(|| numbers('/').map(|[month, day, year]| [day, month, year]))?;
    let (clock, half) = time.split_once(' ').unwrap_or((time, ""));
    let mut parts = clock.split(':').map(|part| part.parse::<u8>().ok());
    let [hour, minute, second] = [parts.next()??, parts.next()??, parts.next()??];
    let hour = match half {
        "PM" => hour % 12 + 12,
        "AM" => hour % 12,
        _ => hour,
    };
    Some(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} mail {message}").into_bytes())
}

/// Beginnings of the months' names that are not English, in small letters.
const MONTHS: &[(&str, &str)] = &[
    ("janv", "Jan"),
    ("gen", "Jan"),
    ("ene", "Jan"),
    ("jan", "Jan"),
    ("févr", "Feb"),
    ("fev", "Feb"),
    ("feb", "Feb"),
    ("mär", "Mar"),
    ("mrt", "Mar"),
    ("mar", "Mar"),
    ("avr", "Apr"),
    ("abr", "Apr"),
    ("apr", "Apr"),
    ("mai", "May"),
    ("mei", "May"),
    ("mag", "May"),
    ("may", "May"),
    ("juin", "Jun"),
    ("giu", "Jun"),
    ("jun", "Jun"),
    ("juil", "Jul"),
    ("lug", "Jul"),
    ("jul", "Jul"),
    ("août", "Aug"),
    ("ago", "Aug"),
    ("aug", "Aug"),
    ("set", "Sep"),
    ("sep", "Sep"),
    ("okt", "Oct"),
    ("ott", "Oct"),
    ("out", "Oct"),
    ("oct", "Oct"),
    ("nov", "Nov"),
    ("dez", "Dec"),
    ("dic", "Dec"),
    ("déc", "Dec"),
    ("dec", "Dec"),
];

/// `Okt 24 09:12:01 …`, `févr. 14 11:15:11 …`, `mar 13 10:59:32 …` with the month as syslog writes it.
fn foreign_month(line: &[u8]) -> Option<Vec<u8>> {
    let end = memchr::memchr(b' ', &line[..line.len().min(12)])?;
    let word = std::str::from_utf8(&line[..end]).ok()?;
    if timestamp::read(line).is_some() || !word.chars().all(|c| c.is_alphabetic() || c == '.') {
        return None;
    }
    let lower = word.to_lowercase();
    let (_, month) = MONTHS.iter().find(|(name, _)| lower.starts_with(name))?;
    let known = [month.as_bytes(), &line[end..]].concat();
    timestamp::read(&known).is_some().then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(text: &str) -> String {
        String::from_utf8(mend(text.as_bytes()).into_owned()).unwrap()
    }

    const LINE: &str = "postfix/smtp[12]: warning: relayhost configuration problem";

    #[test]
    fn heads_of_all_sorts() {
        for (head, kept) in [
            ("> Nov 21 09:12:01 mx ", "Nov 21 09:12:01 mx "),
            (">> > Nov 21 09:12:01 mx ", "Nov 21 09:12:01 mx "),
            ("mail.log:Nov 21 09:12:01 mx ", "Nov 21 09:12:01 mx "),
            ("/var/log/mail.log-117-Nov 21 09:12:01 mx ", "Nov 21 09:12:01 mx "),
            ("|  Nov 21 09:12:01 mx ", "Nov 21 09:12:01 mx "),
            ("Nov 21 10:12:01 host 5d0f3[1077]: Nov 21 09:12:01 mx ", "Nov 21 09:12:01 mx "),
            ("nov 21 10:12:01 host 5d0f3[1077]: Nov 21 09:12:01 mx ", "Nov 21 09:12:01 mx "),
            ("\u{1b}[36mmail  |\u{1b}[0m Nov 21 09:12:01 mx ", "mail  | Nov 21 09:12:01 mx "),
            ("2026-11-21T09:12:01Z smtp-0 mailer: ", "2026-11-21T09:12:01Z mail "),
            ("Okt 21 09:12:01 mx ", "Oct 21 09:12:01 mx "),
            ("févr. 21 09:12:01 mx ", "Feb 21 09:12:01 mx "),
            ("mar 21 09:12:01 mx ", "Mar 21 09:12:01 mx "),
            ("Nov 21 09:12:01 mx ", "Nov 21 09:12:01 mx "),
        ] {
            assert_eq!(mended(&format!("{head}{LINE}\r")), format!("{kept}{LINE}"), "{head}");
        }
    }

    #[test]
    fn rows_of_a_front_end() {
        assert_eq!(
            mended("03.08.2021, 10:40:22 | crit | fatal: no SASL authentication mechanisms"),
            "2021-08-03 10:40:22 mail fatal: no SASL authentication mechanisms"
        );
        assert_eq!(mended("8/3/2021, 1:40:22 PM | info | x"), "2021-08-03 13:40:22 mail x");
    }

    #[test]
    fn wrapped_lines_are_one_and_keep_their_numbers() {
        let text = "> May 29 10:14:02 lists postfix/lmtp[31337]: 9D2F0C0A11:\n> to=<test@example.net>, relay=localhost[127.0.0.1]:8024,\n> delay=0.32, status=deferred (lost\n\nMay 29 10:15:00 lists postfix/qmgr[1]: x\n";
        assert_eq!(
            mended(text),
            "May 29 10:14:02 lists postfix/lmtp[31337]: 9D2F0C0A11: to=<test@example.net>, relay=localhost[127.0.0.1]:8024,\n\ndelay=0.32, status=deferred (lost\n\nMay 29 10:15:00 lists postfix/qmgr[1]: x\n"
                .replace(",\n\ndelay", ", delay")
                .replace("(lost\n\nMay", "(lost\n\n\n\nMay")
        );
    }

    #[test]
    fn what_others_say_of_postfix_is_not_a_line_of_it() {
        for line in [
            "Nov 21 09:12:01 mx dovecot: auth: user=<x postfix/smtpd[1]: fatal: y>",
            "Nov 21 09:12:01 mx postfix/smtpd[2]: warning: postfix/smtpd[1]: fatal: y",
            "It began when I upgraded.",
        ] {
            assert_eq!(mended(line), line);
        }
    }
}
