//! Lines of one pattern with the same key, added up by one thread.

use std::collections::HashMap;

use jiff::Timestamp;

use super::hash::{self, Map};
use super::matcher::Found;
use crate::postfix::log_line::LogLevel;

/// Groups that one pattern may have in the result; what does not fit goes to its overflow group.
pub(super) const PER_PATTERN: u32 = 64;
/// The same for one thread. More, so that counts of the groups that stay do not depend on who read what.
const PER_PATTERN_AND_THREAD: u32 = 256;
const IN_ALL: usize = 8192;
/// Bytes kept of a line.
const KEPT: usize = 2000;

/// What is known of a line when it is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'t> {
    pub line: &'t [u8],
    pub time: Option<Timestamp>,
    pub source: usize,
    pub order: u64,
    pub pid: Option<u32>,
    pub tag: &'t [u8],
    pub queue_id: Option<&'t [u8]>,
    pub level: LogLevel,
    /// number of its `syslog_name`
    pub name: u16,
}

/// A line kept.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub line: Vec<u8>,
    pub time: Option<Timestamp>,
    pub source: usize,
    pub order: u64,
}

impl Kept {
    pub(super) fn new(seen: &Seen<'_>) -> Self {
        let line = seen.line[..seen.line.len().min(KEPT)].to_vec();
        Kept { line, time: seen.time, source: seen.source, order: seen.order }
    }

    /// As `new`, in the memory of this one.
    fn replace(&mut self, seen: &Seen<'_>) {
        self.line.clear();
        self.line.extend_from_slice(&seen.line[..seen.line.len().min(KEPT)]);
        (self.time, self.source, self.order) = (seen.time, seen.source, seen.order);
    }
}

/// One group, still growing.
#[derive(Debug, Clone)]
pub(super) struct Growing {
    pub pattern: u32,
    pub key: Box<[u8]>,
    pub name: u16,
    pub captures: Vec<(String, String)>,
    pub count: u64,
    pub first: Kept,
    /// lines number 2, 4, 8, …: the newest two
    pub middle: [Option<Kept>; 2],
    pub last: Option<Kept>,
    pub first_time: Option<Timestamp>,
    pub last_time: Option<Timestamp>,
    pub pids: Vec<(u32, u64)>,
    pub tags: Vec<Box<[u8]>>,
    pub queue_ids: Vec<Box<[u8]>>,
    pub level: LogLevel,
    pub overflow: bool,
}

impl Growing {
    fn new(pattern: u32, key: &[u8], captures: Vec<(String, String)>, overflow: bool, seen: &Seen<'_>) -> Self {
        Growing {
            pattern,
            key: key.into(),
            name: seen.name,
            captures,
            count: 0,
            first: Kept::new(seen),
            middle: [None, None],
            last: None,
            first_time: None,
            last_time: None,
            pids: Vec::new(),
            tags: Vec::new(),
            queue_ids: Vec::new(),
            level: LogLevel::Info,
            overflow,
        }
    }

    pub(super) fn add(&mut self, seen: &Seen<'_>) {
        self.count += 1;
        if self.count > 1 {
            if self.count.is_power_of_two() {
                self.middle.swap(0, 1);
                self.middle[1] = Some(Kept::new(seen));
            }
            match &mut self.last {
                Some(last) => last.replace(seen),
                None => self.last = Some(Kept::new(seen)),
            }
        }
        if let Some(t) = seen.time {
            self.first_time = Some(self.first_time.map_or(t, |f| f.min(t)));
            self.last_time = Some(self.last_time.map_or(t, |l| l.max(t)));
        }
        self.level = self.level.max(seen.level);
        if let Some(pid) = seen.pid
            && self.pids.len() < 64
            && !self.pids.iter().rev().any(|(p, _)| *p == pid)
        {
            self.pids.push((pid, seen.order));
        }
        if self.tags.len() < 8 && !self.tags.iter().any(|t| **t == *seen.tag) {
            self.tags.push(seen.tag.into());
        }
        if let Some(id) = seen.queue_id
            && self.queue_ids.len() < 16
            && !self.queue_ids.iter().any(|t| **t == *id)
        {
            self.queue_ids.push(id.into());
        }
    }

    pub(super) fn last_order(&self) -> u64 {
        self.last.as_ref().map_or(self.first.order, |l| l.order)
    }
}

/// All groups of one thread.
#[derive(Debug)]
pub(super) struct Groups {
    pub all: Vec<Growing>,
    seed: u64,
    by_key: Map<usize>,
    of_pattern: HashMap<u32, u32>,
    overflow: HashMap<u32, usize>,
    scratch: Vec<u8>,
}

impl Default for Groups {
    fn default() -> Self {
        Groups {
            all: Vec::new(),
            seed: hash::seed(),
            by_key: Map::default(),
            of_pattern: HashMap::new(),
            overflow: HashMap::new(),
            scratch: Vec::new(),
        }
    }
}

impl Groups {
    /// Counts a line that a pattern matched; gives the number of its group.
    pub(super) fn add(&mut self, found: &Found<'_, '_>, seen: &Seen<'_>) -> usize {
        let pattern = found.pattern;
        self.add_to(pattern, found.key(), seen, || found.named())
    }

    /// The same where the pattern and the values of its key are known already. `captures` is asked for a new group.
    pub(super) fn add_to<'t>(
        &mut self,
        pattern: usize,
        parts: impl Iterator<Item = &'t [u8]>,
        seen: &Seen<'_>,
        captures: impl FnOnce() -> Vec<(String, String)>,
    ) -> usize {
        let pattern = pattern as u32;
        let mut key = std::mem::take(&mut self.scratch);
        key.clear();
        key.extend_from_slice(&pattern.to_le_bytes());
        key.extend_from_slice(&seen.name.to_le_bytes());
        for part in parts {
            key.extend_from_slice(&part[..part.len().min(512)]);
            key.push(0);
        }
        let mut h = hash::add_bytes(self.seed, &key);
        let at = loop {
            match self.by_key.get(&h) {
                Some(at) if *self.all[*at].key == *key => break *at,
                Some(_) => h = hash::add(h, 1),
                None => break self.open(pattern, &key, h, captures, seen),
            }
        };
        self.scratch = key;
        self.all[at].add(seen);
        at
    }

    /// Counts one more line of a group that is known already.
    pub(super) fn again(&mut self, at: usize, seen: &Seen<'_>) {
        self.all[at].add(seen);
    }

    fn open(
        &mut self,
        pattern: u32,
        key: &[u8],
        h: u64,
        captures: impl FnOnce() -> Vec<(String, String)>,
        seen: &Seen<'_>,
    ) -> usize {
        let count = self.of_pattern.entry(pattern).or_default();
        if *count >= PER_PATTERN_AND_THREAD || self.all.len() >= IN_ALL {
            return *self.overflow.entry(pattern).or_insert_with(|| {
                self.all.push(Growing::new(pattern, b"", Vec::new(), true, seen));
                self.all.len() - 1
            });
        }
        *count += 1;
        self.all.push(Growing::new(pattern, key, captures(), false, seen));
        self.by_key.insert(h, self.all.len() - 1);
        self.all.len() - 1
    }
}
