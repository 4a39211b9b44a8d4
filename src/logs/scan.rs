//! One pass over all sources for all patterns.
//!
//! Blocks of whole lines are handed to as many threads as there are processors; each thread adds up what it sees,
//! and the sums are put together at the end. The *order* of a line is the number of its block and its line in
//! that block: it tells earlier from later over all sources, and its line number is found from it afterwards.
//! Whatever strangers can make many of (groups, domains, classes of unknown messages) is bounded.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::source::LogSource;
use crate::host::Host;
use crate::postfix::log_line::LogLevel;

mod atoms;
mod block;
mod class;
mod cluster;
mod delivery;
mod group;
mod hash;
mod literals;
pub mod matcher;
mod merge;
mod parts;
mod quiet;
mod run;
mod tag;

/// How much of the past is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Since {
    /// seven days back from the newest line, and the first error before that
    #[default]
    Week,
    /// everything
    All,
    /// from then on, and the first error before that
    At(Timestamp),
}

/// How to scan.
#[derive(Debug, Clone)]
pub struct ScanOptions<'a> {
    /// how much of the past
    pub since: Since,
    /// zone of stamps that do not say theirs; none: that of the examined host
    pub zone: Option<TimeZone>,
    /// the host's clock, for the year of stamps that have none
    pub now: Timestamp,
    /// threads; 0: one for each processor
    pub threads: usize,
    /// set from outside: stop reading, and tell what was seen so far
    pub stop: Option<&'a AtomicBool>,
}

impl Default for ScanOptions<'_> {
    fn default() -> Self {
        ScanOptions { since: Since::Week, zone: None, now: Timestamp::now(), threads: 0, stop: None }
    }
}

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
    /// order of its last line
    pub last_order: u64,
    /// `syslog_name` of its instance (`postfix`, `postfix-out`); empty for bare program names and other programs
    pub syslog_name: String,
    /// the process ids seen, each with the order of its first line here; at most 64
    pub pids: Vec<(u32, u64)>,
    /// the tags seen, at most 8
    pub tags: Vec<String>,
    /// the queue ids seen, at most 16
    pub queue_ids: Vec<String>,
    /// highest severity seen
    pub level: Option<LogLevel>,
    /// it was seen before the window only: it is the first error there
    pub before_window: bool,
}

/// A start, stop or reload of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    /// `start`, `stop`, `reload` from master; `starting`, `stopping`, `refresh` from the command
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
    /// it is the first panic, fatal, error or warning after a start of its instance
    pub first_after_start: bool,
    /// order of its first line over all sources
    pub order: u64,
    /// its severity
    pub level: Option<LogLevel>,
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
    /// the first panic, fatal or error (else warning) before the window, if there is one
    pub first_before_window: Option<Sample>,
    /// where the window begins; none: all was looked at
    pub since: Option<Timestamp>,
    /// lines longer than 64 KiB; what is beyond was not looked at
    pub cut_lines: u64,
    /// problem lines that no pattern knows and that did not fit into `unknown` any more
    pub unknown_overflow: u64,
    /// it was stopped before the end
    pub stopped: bool,
}

impl LogScan {
    /// The newest start of this instance (by `syslog_name`) that the log shows.
    pub fn last_start(&self, syslog_name: &str) -> Option<&Lifecycle> {
        self.lifecycle.iter().rev().find(|l| l.what == "start" && l.syslog_name == syslog_name)
    }

    /// Groups that have a line of this process before this one: what it may be a consequence of.
    pub fn earlier_of_pid(&self, pid: u32, order: u64) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(move |g| g.pids.iter().any(|(p, o)| *p == pid && *o < order))
    }
}

/// Scans all sources, in the order given. `progress` is told how many bytes as stored were read, and of how many.
pub fn scan(
    host: &dyn Host,
    sources: &[LogSource],
    patterns: &[Pattern],
    options: &ScanOptions<'_>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> LogScan {
    run::scan(host, sources, patterns, options, progress)
}
