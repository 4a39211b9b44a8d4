//! One pass over all sources for all patterns.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::postfix::log_line::LogLevel;

/// A pattern to look for.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// regex (Rust syntax), matched in `tag[pid]: message`
    pub regex: String,
    /// only lines of these programs; empty: any
    pub programs: Vec<String>,
    /// names of the captures that tell groups apart
    pub key: Vec<String>,
    /// a line belongs to the pattern of the highest priority, then to the first
    pub priority: i32,
}

/// A log line kept as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sample {
    /// file, `journal` or `stdin`
    pub source: String,
    /// line number in it, from 1 (0: none)
    pub line: u64,
    /// the whole line, at most 2,000 characters, control characters masked
    pub text: String,
    /// when
    pub time: Option<Timestamp>,
    /// `postfix/submission/smtpd`
    pub tag: String,
    /// process id
    pub pid: Option<u32>,
    /// queue id
    pub queue_id: Option<String>,
}

/// Lines that one pattern matched with the same key.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// index into the patterns
    pub pattern: usize,
    /// named captures of the first line
    pub captures: BTreeMap<String, String>,
    /// first seen
    pub first: Option<Timestamp>,
    /// last seen
    pub last: Option<Timestamp>,
    /// how often
    pub count: u64,
    /// the first, one from the middle, the last
    pub samples: Vec<Sample>,
    /// order of its first line over all sources (to tell earlier from later where time stamps are equal)
    pub order: u64,
    /// it is the first panic, fatal, error or warning after a start of its instance
    pub first_after_start: bool,
    /// seen after the last start of its instance that the log shows
    pub after_last_start: bool,
    /// it stands for what did not fit any more (groups of one pattern are bounded): its captures are unknown
    pub overflow: bool,
}

/// A start, stop or reload of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    /// `start`, `stop`, `reload`, `refresh`
    pub what: &'static str,
    /// `syslog_name` (`postfix`, `postfix-out`)
    pub syslog_name: String,
    /// when
    pub time: Option<Timestamp>,
    /// order over all sources
    pub order: u64,
}

/// A message class that no pattern knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cluster {
    /// first line of the class
    pub sample: Sample,
    /// how often
    pub count: u64,
    /// last seen
    pub last: Option<Timestamp>,
}

/// Deliveries to one recipient domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deliveries {
    /// status=sent
    pub sent: u64,
    /// status=deferred
    pub deferred: u64,
    /// status=bounced or expired
    pub bounced: u64,
    /// last success
    pub last_sent: Option<Timestamp>,
    /// last failure
    pub last_failed: Option<Timestamp>,
}

/// What a log says over all.
#[derive(Debug, Clone, Default)]
pub struct LogScan {
    /// lines read, of any program
    pub lines: u64,
    /// lines of Postfix among them
    pub postfix_lines: u64,
    /// bytes read (decompressed)
    pub bytes: u64,
    /// first and last time stamp
    pub first: Option<Timestamp>,
    /// see `first`
    pub last: Option<Timestamp>,
    /// groups, in order of their first line
    pub groups: Vec<Group>,
    /// starts, stops, reloads in order
    pub lifecycle: Vec<Lifecycle>,
    /// lines by program and level; info left out
    pub levels: BTreeMap<(String, LogLevel), u64>,
    /// problem lines (warning and worse, deferred, bounced, rejected) that no pattern knows
    pub unknown: Vec<Cluster>,
    /// by recipient domain, lower case, bounded; the rest under ``
    pub deliveries: BTreeMap<String, Deliveries>,
    /// SMTP server: connects, of them from `unknown`
    pub connects: u64,
    /// see `connects`
    pub unknown_connects: u64,
    /// what went wrong while reading (`permission denied`, `not a gzip file`), by source
    pub troubles: Vec<(String, String)>,
}
