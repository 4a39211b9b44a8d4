//! Time stamps of log lines. The common forms are read by hand, because this runs once for every line of a
//! log of any size; zones and daylight saving are left to jiff, once per hour of log.
//!
//! A yearless stamp gets the newest year that does not put it after the *anchor*: the time at which its file was
//! last written, or now. A file that spans more than a year gets wrong years at its beginning; nothing in it tells.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::host::{Host, HostKind};

/// The local time zone of a host.
pub fn zone_of(host: &dyn Host) -> TimeZone {
    if host.kind() == HostKind::Live {
        return TimeZone::system();
    }
    let link = host.read_link("/etc/localtime").ok();
    let of_link = link.as_deref().and_then(|l| l.split_once("zoneinfo/")).map(|(_, name)| name.to_owned());
    let of_file = || host.read("/etc/timezone", 256).ok().map(|b| String::from_utf8_lossy(&b).trim().to_owned());
    of_link.or_else(of_file).and_then(|name| TimeZone::get(&name).ok()).unwrap_or_else(TimeZone::system)
}

/// Reads time stamps of one source.
#[derive(Debug, Clone)]
pub struct Clock {
    zone: TimeZone,
    anchor: DateTime,
    hour: Option<(DateTime, i64)>,
}

/// A stamp at the start of a line, taken apart but not yet placed in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    year: Option<i16>,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
    nanos: i32,
    /// seconds east of Greenwich, where the stamp says so
    offset: Option<i32>,
    /// bytes that it takes, without the blank after it
    pub len: usize,
}

impl Clock {
    /// A clock for stamps in this zone, in a file last written at `anchor`.
    pub fn new(zone: TimeZone, anchor: Timestamp) -> Self {
        // A day of slack: clocks differ, and so may the zone of the file and ours.
        let anchor = anchor.checked_add(jiff::SignedDuration::from_hours(26)).unwrap_or(anchor);
        Clock { anchor: zone.to_datetime(anchor), zone, hour: None }
    }

    /// The moment of a stamp; none if its date does not exist.
    pub fn place(&mut self, stamp: &Stamp) -> Option<Timestamp> {
        let date = self.date(stamp)?;
        let seconds = i64::from(stamp.minute) * 60 + i64::from(stamp.second.min(59));
        let base = match stamp.offset {
            Some(offset) => {
                hour_of(date, stamp.hour)?.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp().as_second()
                    - i64::from(offset)
            }
            None => self.local(hour_of(date, stamp.hour)?)?,
        };
        Timestamp::new(base + seconds, stamp.nanos).ok()
    }

    fn local(&mut self, hour: DateTime) -> Option<i64> {
        if let Some((cached, base)) = self.hour
            && cached == hour
        {
            return Some(base);
        }
        let base = self.zone.to_timestamp(hour).ok()?.as_second();
        self.hour = Some((hour, base));
        Some(base)
    }

    fn date(&self, stamp: &Stamp) -> Option<Date> {
        if let Some(year) = stamp.year {
            return Date::new(year, stamp.month, stamp.day).ok();
        }
        // Eight years reach the leap day before any anchor (1900 and 2100 have none).
        (0..=8).find_map(|back| {
            let date = Date::new(self.anchor.year() - back, stamp.month, stamp.day).ok()?;
            let at = date.at(stamp.hour, stamp.minute, stamp.second.min(59), 0);
            (at <= self.anchor).then_some(date)
        })
    }
}

fn hour_of(date: Date, hour: i8) -> Option<DateTime> {
    DateTime::new(date.year(), date.month(), date.day(), hour, 0, 0, 0).ok()
}

/// The stamp that `text` begins with: `Nov 21 09:12:01`, `Nov 21 2026 09:12:01`, `2026 Nov 21 09:12:01`,
/// `2026-11-21T09:12:01.123456+01:00`, the same with a blank for the T or without a zone.
pub fn read(text: &[u8]) -> Option<Stamp> {
    match text.first()? {
        b'A'..=b'Z' => syslog(text, 0, None),
        b'0'..=b'9' => iso(text).or_else(|| {
            let year = digits(text, 0, 4)?;
            (text.get(4) == Some(&b' ')).then(|| syslog(text, 5, i16::try_from(year).ok()))?
        }),
        _ => None,
    }
}

fn syslog(text: &[u8], at: usize, year: Option<i16>) -> Option<Stamp> {
    let month = month(text.get(at..at + 3)?)?;
    let mut at = at + 3;
    let blanks = text[at..].iter().take(2).take_while(|b| **b == b' ').count();
    if blanks == 0 {
        return None;
    }
    at += blanks;
    let wide = text.get(at + 1).is_some_and(u8::is_ascii_digit);
    let day = digits(text, at, if wide { 2 } else { 1 })?;
    at += if wide { 2 } else { 1 };
    if text.get(at) != Some(&b' ') {
        return None;
    }
    at += 1;
    let mut year = year;
    if text.get(at + 4) == Some(&b' ')
        && let Some(y) = digits(text, at, 4)
    {
        year = i16::try_from(y).ok();
        at += 5;
    }
    let (hour, minute, second) = clock(text, at)?;
    at += 8;
    let (nanos, len) = fraction(text, at);
    Some(Stamp { year, month, day: day as i8, hour, minute, second, nanos, offset: None, len: at + len })
        .filter(|s| (1..=31).contains(&s.day))
}

fn iso(text: &[u8]) -> Option<Stamp> {
    let year = digits(text, 0, 4)?;
    let month = digits(text, 5, 2)?;
    let day = digits(text, 8, 2)?;
    if text.get(4) != Some(&b'-') || text.get(7) != Some(&b'-') || !matches!(text.get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let (hour, minute, second) = clock(text, 11)?;
    let (nanos, len) = fraction(text, 19);
    let mut at = 19 + len;
    let offset = match text.get(at) {
        Some(b'Z' | b'z') => {
            at += 1;
            Some(0)
        }
        Some(sign @ (b'+' | b'-')) => {
            let hours = digits(text, at + 1, 2)?;
            let colon = usize::from(text.get(at + 3) == Some(&b':'));
            let minutes = digits(text, at + 3 + colon, 2).unwrap_or(0);
            at += 5 + colon;
            let seconds = (hours * 60 + minutes) as i32 * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    };
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(Stamp {
        year: Some(year as i16),
        month: month as i8,
        day: day as i8,
        hour,
        minute,
        second,
        nanos,
        offset,
        len: at.min(text.len()),
    })
}

fn clock(text: &[u8], at: usize) -> Option<(i8, i8, i8)> {
    let (h, m, s) = (digits(text, at, 2)?, digits(text, at + 3, 2)?, digits(text, at + 6, 2)?);
    (text[at + 2] == b':' && text[at + 5] == b':' && h < 24 && m < 60 && s <= 60).then_some((h as i8, m as i8, s as i8))
}

/// `.123456` or `,123`, as nanoseconds, and its length.
fn fraction(text: &[u8], at: usize) -> (i32, usize) {
    if !matches!(text.get(at), Some(b'.' | b',')) {
        return (0, 0);
    }
    let digits = text[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
    let nanos = (0..9).fold(0, |n, i| {
        n * 10 + text.get(at + 1 + i).filter(|b| i < digits && b.is_ascii_digit()).map_or(0, |b| i32::from(b - b'0'))
    });
    if digits == 0 { (0, 0) } else { (nanos, digits + 1) }
}

fn digits(text: &[u8], at: usize, len: usize) -> Option<u32> {
    text.get(at..at + len)?.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
}

fn month(name: &[u8]) -> Option<i8> {
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    MONTHS.iter().position(|m| *m == name).map(|i| i as i8 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, zone: &str, anchor: &str) -> Option<String> {
        let zone = TimeZone::get(zone).unwrap();
        let mut clock = Clock::new(zone, anchor.parse().unwrap());
        Some(clock.place(&read(text.as_bytes())?)?.to_string())
    }

    #[test]
    fn yearless_over_new_year_and_leap_day() {
        let t = |s| at(s, "UTC", "2026-01-02T10:00:00Z").unwrap();
        assert_eq!(t("Jan  2 09:00:00 mx"), "2026-01-02T09:00:00Z");
        assert_eq!(t("Dec 31 23:59:59 mx"), "2025-12-31T23:59:59Z");
        assert_eq!(t("Feb 29 12:00:00 mx"), "2024-02-29T12:00:00Z");
        assert_eq!(at("Feb 30 12:00:00", "UTC", "2026-01-02T10:00:00Z"), None);
        // A clock that is some hours ahead does not lose a year.
        assert_eq!(t("Jan  3 09:00:00 mx"), "2026-01-03T09:00:00Z");
    }

    #[test]
    fn zones() {
        let berlin = |s| at(s, "Europe/Berlin", "2026-11-23T00:00:00Z").unwrap();
        assert_eq!(berlin("Jul  1 12:00:00 mx"), "2026-07-01T10:00:00Z");
        assert_eq!(berlin("Nov 21 12:00:00 mx"), "2026-11-21T11:00:00Z");
        assert_eq!(berlin("2026-11-21T12:00:00.25+05:30 mx"), "2026-11-21T06:30:00.25Z");
        assert_eq!(berlin("2026-11-21T12:00:00+0530 mx"), "2026-11-21T06:30:00Z");
        assert_eq!(berlin("2026-11-21 12:00:00,123 mx"), "2026-11-21T11:00:00.123Z");
        assert_eq!(berlin("2026-11-21T12:00:00Z mx"), "2026-11-21T12:00:00Z");
        assert_eq!(berlin("2024 Nov 21 12:00:00 mx"), "2024-11-21T11:00:00Z");
        assert_eq!(berlin("Nov 21 2024 12:00:00 mx"), "2024-11-21T11:00:00Z");
    }

    #[test]
    fn lengths_and_rubbish() {
        assert_eq!(read(b"Nov 21 09:12:01 mx").unwrap().len, 15);
        assert_eq!(read(b"Nov  1 09:12:01 mx").unwrap().len, 15);
        assert_eq!(read(b"Nov 1 09:12:01 mx").unwrap().len, 14);
        assert_eq!(read(b"2026-11-21T12:00:00.123456+01:00 mx").unwrap().len, 32);
        for rubbish in
            ["", "N", "Nov", "Nov 21", "Nov 21 25:00:00", "2026-", "2026-13-01T00:00:00", "Nov 21 09:12", "Nov"]
        {
            assert_eq!(read(rubbish.as_bytes()), None, "{rubbish}");
        }
    }
}
