//! One thread's share of the scan: takes blocks of whole lines and adds up what they say.

use aho_corasick::AhoCorasick;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::class::{self, Classes};
use super::cluster::Clusters;
use super::delivery::{self, Status, Table};
use super::group::{Groups, Kept, Seen};
use super::matcher::{Found, Matcher, Scratch};
use super::quiet::Kind;
use super::tag::{Named, Program, Tags};
use crate::logs::head::{self, When};
use crate::logs::reader::{Block, LONGEST_LINE};
use crate::logs::timestamp::{self, Clock};
use crate::postfix::log_line::{self, LogLevel};

/// Lifecycle events kept by one thread: a master that dies at once is started again and again.
const EVENTS: usize = 4096;
/// `syslog_name`s told apart.
const NAMES: usize = 64;
/// Bits of an order that number the line in its block.
pub(super) const LINE_BITS: u32 = 20;

/// What happened to an instance.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub what: &'static str,
    pub name: u16,
    pub time: Option<Timestamp>,
    pub order: u64,
}

/// What a problem line was counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CountedAs {
    Group(usize),
    Cluster(usize),
    Nothing,
}

/// The first problem line of an instance in a block, or after a start in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct FirstProblem {
    pub order: u64,
    pub name: u16,
    pub what: CountedAs,
}

/// What one thread adds up.
#[derive(Default)]
pub(super) struct Sums {
    pub lines: u64,
    pub postfix_lines: u64,
    pub bytes: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub groups: Groups,
    pub clusters: Clusters,
    pub events: Vec<Event>,
    pub first_problems: Vec<FirstProblem>,
    pub levels: Vec<(Box<[u8]>, LogLevel, u64)>,
    pub deliveries: Table,
    pub connects: u64,
    pub unknown_connects: u64,
    pub before: Option<(Kept, LogLevel)>,
    pub cut_lines: u64,
    pub names: Vec<Box<[u8]>>,
    /// lines of each block, by number
    pub block_lines: Vec<(u64, usize, u32)>,
}

/// Key captures that the memory of a class has room for.
const KEYS: usize = 6;

/// What the first message of a class came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// no pattern matches, and it is no problem
    Nothing,
    /// no pattern matches a problem
    Unknown(Option<usize>),
    /// this pattern, with its key captures between these items of the message
    Known { rank: usize, keys: [(u16, u16); KEYS], len: usize },
    /// this pattern, but its captures have to be asked for
    Pattern(usize),
    /// a part of a word may decide: see the class refined by this one of the refiners
    Refine(usize),
    /// one that does not keep to its class
    Odd,
}

/// A thread that scans.
pub(super) struct Worker<'m> {
    matcher: &'m Matcher,
    zone: TimeZone,
    since: Option<Timestamp>,
    /// the whole block is in the window
    inside: bool,
    tags: Tags,
    classes: Classes<Outcome>,
    /// by ranks, what finds the parts of words that they look for
    refiners: Vec<(Vec<usize>, AhoCorasick)>,
    clock: Option<(usize, Clock)>,
    scratch: Scratch,
    head: HeadCache,
    stamp: StampCache,
    /// by name: the next problem line is the first one
    armed: Vec<bool>,
    previous: CountedAs,
    pub sums: Sums,
}

/// The head of the line before: most lines have the same host, at the same place.
#[derive(Default)]
struct HeadCache {
    stamp_len: usize,
    /// host with the blanks around it
    host: Vec<u8>,
    iso: bool,
}

/// The stamp of the line before.
#[derive(Default)]
struct StampCache {
    text: Vec<u8>,
    time: Option<Timestamp>,
}

impl<'m> Worker<'m> {
    pub(super) fn new(matcher: &'m Matcher, zone: TimeZone, since: Option<Timestamp>) -> Self {
        Worker {
            matcher,
            zone,
            since,
            inside: since.is_none(),
            tags: Tags::new(),
            classes: Classes::new(),
            refiners: Vec::new(),
            clock: None,
            scratch: Scratch::default(),
            head: HeadCache::default(),
            stamp: StampCache::default(),
            armed: Vec::new(),
            previous: CountedAs::Nothing,
            sums: Sums::default(),
        }
    }

    /// Adds up one block.
    pub(super) fn block(&mut self, block: Block, data: &[u8]) {
        if self.clock.as_ref().is_none_or(|(source, _)| *source != block.source) {
            self.clock = Some((block.source, Clock::new(self.zone.clone(), block.anchor)));
            self.stamp = StampCache::default();
        }
        self.sums.bytes += data.len() as u64;
        self.armed.fill(true);
        self.previous = CountedAs::Nothing;
        self.span(data);
        let mut lines = 0;
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', data) {
            let mut line = &data[from..end];
            from = end + 1;
            if line.len() > LONGEST_LINE {
                line = &line[..LONGEST_LINE];
                self.sums.cut_lines += 1;
            }
            self.line(line, block.source, (block.number << LINE_BITS) | u64::from(lines));
            lines += 1;
        }
        self.sums.lines += u64::from(lines);
        self.sums.block_lines.push((block.number, block.source, lines));
    }

    /// Notes the first and last time stamp of a block.
    fn span(&mut self, data: &[u8]) {
        let first = data.split(|b| *b == b'\n').take(8).find_map(|l| self.time_of(l));
        let last = data.rsplit(|b| *b == b'\n').take(8).find_map(|l| self.time_of(l));
        self.inside = self.since.is_none_or(|since| first.is_some_and(|t| t >= since));
        for t in [first, last].into_iter().flatten() {
            self.sums.first = Some(self.sums.first.map_or(t, |f| f.min(t)));
            self.sums.last = Some(self.sums.last.map_or(t, |l| l.max(t)));
        }
    }

    fn time_of(&mut self, line: &[u8]) -> Option<Timestamp> {
        if line.is_empty() {
            return None;
        }
        let line = trim(&line[..line.len().min(LONGEST_LINE)]);
        let body = head::take_off(line);
        self.when(body.stamp, &line[..body.stamp_len])
    }

    fn when(&mut self, stamp: When, text: &[u8]) -> Option<Timestamp> {
        match stamp {
            When::Unknown => None,
            When::Micros(us) => Timestamp::from_microsecond(us).ok(),
            When::Stamp(stamp) => {
                if !text.is_empty() && self.stamp.text == text {
                    return self.stamp.time;
                }
                let (_, clock) = self.clock.as_mut()?;
                let time = clock.place(&stamp);
                if !text.is_empty() {
                    self.stamp.text.clear();
                    self.stamp.text.extend_from_slice(text);
                    self.stamp.time = time;
                }
                time
            }
        }
    }

    fn line(&mut self, line: &[u8], source: usize, order: u64) {
        if let Some((stamp_len, start)) = self.head.of(line) {
            let body = &line[start..];
            let found = self.tags.find(body);
            if let Some((named, tag)) = &found
                && self.inside
                && self.quiet(*named, body, &body[tag.message..])
            {
                return;
            }
            self.body(line, body, found, None, stamp_len, source, order);
            return;
        }
        let line = trim(line);
        let body = head::take_off(line);
        self.head.learn(line, &body);
        let found = self.tags.find(&body.text);
        self.body(line, &body.text, found, Some(body.stamp), body.stamp_len, source, order);
    }

    /// Counts a line that is one of those that most of a log consists of; false: it is not.
    #[inline]
    fn quiet(&mut self, named: Named, body: &[u8], message: &[u8]) -> bool {
        if named.instance == 0 {
            return false;
        }
        let Some(kind) = self.matcher.quiet.kind(named.program, body, message) else { return false };
        if kind == Kind::Connect {
            self.sums.connects += 1;
            self.sums.unknown_connects += u64::from(message[13..].starts_with(b"unknown["));
        }
        self.sums.postfix_lines += 1;
        self.previous = CountedAs::Nothing;
        true
    }

    /// The time of a line whose head is known; `stamp` is none if only its place is.
    fn time(&mut self, line: &[u8], stamp: Option<When>, stamp_len: usize) -> Option<Timestamp> {
        let text = &line[..stamp_len];
        match stamp {
            Some(stamp) => self.when(stamp, text),
            None if self.stamp.text == text => self.stamp.time,
            None => self.when(timestamp::read(text).map_or(When::Unknown, When::Stamp), text),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one line")]
    fn body(
        &mut self,
        line: &[u8],
        body: &[u8],
        found: Option<(Named, log_line::Tag)>,
        stamp: Option<When>,
        stamp_len: usize,
        source: usize,
        order: u64,
    ) {
        let found = found.or_else(|| log_line::find_tag(body).map(|t| (Named::of(&body[..t.name_end]), t)));
        let Some((named, tag)) = found else {
            self.repeated(line, body, stamp, stamp_len, source, order);
            return;
        };
        let Named { postfix, program: of, .. } = named;
        let name = &body[..tag.name_end];
        let message = &body[tag.message..];
        let program = &name[named.program_at..];
        let (level, id) = if postfix { log_line::classify(message) } else { (LogLevel::Info, None) };
        let mut time = None;
        if !self.inside
            && let Some(since) = self.since
        {
            time = self.time(line, stamp, stamp_len);
            if time.is_some_and(|t| t < since) {
                self.before(line, name, program, message, level, time, source, order, postfix);
                return;
            }
        }
        let mut delivery = None;
        let mut reject = false;
        let mut text_len = 0;
        if postfix {
            self.sums.postfix_lines += 1;
            if level > LogLevel::Info {
                self.count_level(program, level);
            }
            let text = match id {
                Some((0, n)) => message.get(n + 2..).unwrap_or_default(),
                _ => message.strip_prefix(b"NOQUEUE: ").unwrap_or(message),
            };
            text_len = text.len();
            if text.starts_with(b"to=<") {
                delivery = delivery::read(text);
            } else if text.starts_with(b"reject: ") || text.starts_with(b"milter-reject: ") {
                reject = true;
            } else if of == Program::Smtpd
                && let Some(peer) = message.strip_prefix(b"connect from ")
            {
                self.sums.connects += 1;
                self.sums.unknown_connects += u64::from(peer.starts_with(b"unknown["));
            }
        }
        if let Some(d) = &delivery {
            time = time.or_else(|| self.time(line, stamp, stamp_len));
            self.sums.deliveries.add(d, time);
        }
        let instance = if postfix { &name[..named.instance] } else { b"" };
        if postfix && matches!(of, Program::Master | Program::Script) {
            time = time.or_else(|| self.time(line, stamp, stamp_len));
            self.lifecycle(instance, program, message, time, order);
        }
        let problem = level > LogLevel::Info || reject || delivery.is_some_and(|d| d.status != Status::Sent);
        let looked = self.matcher.looked;
        let parts = match &delivery {
            Some(d) => looked.delivery(message, message.len() - text_len, d),
            None => looked.parts(message, reject),
        };
        let mut class = self.classes.of(&self.matcher.special, name, message, &parts);
        let mut known = class.and_then(|c| self.classes.get(c)).map(|e| (e.value, e.hits));
        let mut refined = false;
        if let Some((Outcome::Refine(by), _)) = known {
            refined = true;
            class = class.map(|c| class::refine(c, &self.refiners[by].1, message));
            known = class.and_then(|c| self.classes.get(c)).map(|e| (e.value, e.hits));
        }
        if let Some((Outcome::Nothing, hits)) = known
            && hits > 3
            && !problem
        {
            self.previous = CountedAs::Nothing;
            return;
        }
        let name_no = self.name(instance);
        if time.is_none() {
            time = self.time(line, stamp, stamp_len);
        }
        let queue_id = id.map(|(from, to)| &message[from..to]);
        let seen = Seen { line, time, source, order, pid: tag.pid, tag: name, queue_id, level, name: name_no };
        let what = match known {
            Some((Outcome::Unknown(at), hits)) if hits > 3 => {
                self.sums.clusters.again(at, &seen);
                at.map_or(CountedAs::Nothing, CountedAs::Cluster)
            }
            Some((Outcome::Known { rank, keys, len }, hits)) if hits > 3 && hits % 512 != 0 => {
                let matcher = self.matcher;
                let classes = &self.classes;
                let parts = keys[..len].iter().map(|(from, to)| &message[classes.offset(*from)..classes.offset(*to)]);
                let named = || matcher.captures(rank, body).map(|f| f.named()).unwrap_or_default();
                CountedAs::Group(self.sums.groups.add_to(matcher.pattern(rank), parts, &seen, named))
            }
            _ => self.ask(body, tag.message, program, (class, refined), known.map(|(o, _)| o), problem, &seen),
        };
        self.previous = what;
        if level > LogLevel::Info && self.armed[usize::from(name_no)] {
            self.armed[usize::from(name_no)] = false;
            self.sums.first_problems.push(FirstProblem { order, name: name_no, what });
        }
    }

    /// Asks the regexes, and remembers the answer for the class.
    #[expect(clippy::too_many_arguments, reason = "the parts of one line")]
    fn ask(
        &mut self,
        body: &[u8],
        start: usize,
        program: &[u8],
        (class, refined): (Option<u64>, bool),
        known: Option<Outcome>,
        problem: bool,
        seen: &Seen<'_>,
    ) -> CountedAs {
        let found = match known {
            Some(Outcome::Pattern(rank)) => self.matcher.captures(rank, body),
            _ => None,
        };
        let found = found.or_else(|| self.matcher.find(body, &mut self.scratch));
        let outcome = match &found {
            Some(found) => plan(found, start, &self.classes)
                .map_or(Outcome::Pattern(found.rank), |(keys, len)| Outcome::Known { rank: found.rank, keys, len }),
            None => Outcome::Nothing,
        };
        let counted = match &found {
            Some(found) => CountedAs::Group(self.sums.groups.add(found, seen)),
            None if problem => {
                let message = &body[start..];
                self.sums.clusters.add(program, message, seen).map_or(CountedAs::Nothing, CountedAs::Cluster)
            }
            None => CountedAs::Nothing,
        };
        let outcome = match counted {
            CountedAs::Cluster(at) => Outcome::Unknown(Some(at)),
            CountedAs::Nothing if problem => Outcome::Unknown(None),
            _ => outcome,
        };
        if let Some(class) = class {
            match known {
                None if !refined => {
                    let ranks = self.matcher.hangs_on(&self.scratch, found.as_ref().map(|f| f.rank));
                    match self.refiner(ranks) {
                        Some(by) => {
                            self.classes.put(class, Outcome::Refine(by));
                            let class = class::refine(class, &self.refiners[by].1, &body[start..]);
                            self.classes.put(class, outcome);
                        }
                        None => self.classes.put(class, outcome),
                    }
                }
                None => self.classes.put(class, outcome),
                Some(before) if before != outcome => {
                    if let Some(entry) = self.classes.get(class) {
                        entry.value = Outcome::Odd;
                    }
                }
                Some(_) => {}
            }
        }
        counted
    }

    /// The number of the refiner for these ranks; none: there is nothing to refine.
    fn refiner(&mut self, ranks: Vec<usize>) -> Option<usize> {
        if ranks.is_empty() {
            return None;
        }
        let known = self.refiners.iter().position(|(r, _)| *r == ranks);
        known.or_else(|| {
            let automaton = self.matcher.special.refiner(&ranks)?;
            self.refiners.push((ranks, automaton));
            Some(self.refiners.len() - 1)
        })
    }

    /// syslogd writes `last message repeated 5 times` for lines that it left out.
    fn repeated(&mut self, line: &[u8], body: &[u8], stamp: Option<When>, stamp_len: usize, source: usize, order: u64) {
        let CountedAs::Group(at) = self.previous else { return };
        let Some(rest) = body.strip_prefix(b"last message repeated ") else { return };
        let times =
            rest.iter().take(6).take_while(|b| b.is_ascii_digit()).fold(0u64, |n, b| n * 10 + u64::from(b - b'0'));
        if times == 0 {
            return;
        }
        let time = self.time(line, stamp, stamp_len);
        let group = &mut self.sums.groups.all[at];
        let (name, level, tag) = (group.name, group.level, group.tags.first().cloned().unwrap_or_default());
        let seen = Seen { line, time, source, order, pid: None, tag: &tag, queue_id: None, level, name };
        self.sums.groups.again(at, &seen);
        self.sums.groups.all[at].count += times - 1;
    }

    /// A line before the window: starts and stops count, and the first error.
    #[expect(clippy::too_many_arguments, reason = "the parts of one line")]
    fn before(
        &mut self,
        line: &[u8],
        tag: &[u8],
        program: &[u8],
        message: &[u8],
        level: LogLevel,
        time: Option<Timestamp>,
        source: usize,
        order: u64,
        postfix: bool,
    ) {
        if !postfix {
            return;
        }
        let instance = memchr::memchr(b'/', tag).map_or(&b""[..], |at| &tag[..at]);
        if program == b"master" || program == b"postfix-script" {
            self.lifecycle(instance, program, message, time, order);
        }
        let better = match &self.sums.before {
            None => level > LogLevel::Info,
            Some((kept, known)) => {
                let error = |l: LogLevel| l > LogLevel::Warning;
                (error(level) && !error(*known))
                    || (error(level) == error(*known) && level > LogLevel::Info && order < kept.order)
            }
        };
        if better {
            let name = self.name(instance);
            let seen = Seen { line, time, source, order, pid: None, tag, queue_id: None, level, name };
            self.sums.before = Some((Kept::new(&seen), level));
        }
    }

    fn lifecycle(&mut self, instance: &[u8], program: &[u8], message: &[u8], time: Option<Timestamp>, order: u64) {
        let what = if program == b"master" {
            match message {
                m if m.starts_with(b"daemon started") => "start",
                m if m.starts_with(b"reload ") => "reload",
                m if m.starts_with(b"terminating on signal") => "stop",
                _ => return,
            }
        } else {
            match message {
                m if m.starts_with(b"starting the ") => "starting",
                m if m.starts_with(b"stopping the ") => "stopping",
                m if m.starts_with(b"refreshing the ") => "refresh",
                _ => return,
            }
        };
        let name = self.name(instance);
        if matches!(what, "start" | "starting") {
            self.armed[usize::from(name)] = true;
        }
        if self.sums.events.len() >= EVENTS {
            self.sums.events.drain(..EVENTS / 2);
        }
        self.sums.events.push(Event { what, name, time, order });
    }

    fn count_level(&mut self, program: &[u8], level: LogLevel) {
        let levels = &mut self.sums.levels;
        if let Some((_, _, n)) = levels.iter_mut().find(|(p, l, _)| *l == level && **p == *program) {
            *n += 1;
        } else if levels.len() < 256 {
            levels.push((program.into(), level, 1));
        }
    }

    /// The number of a `syslog_name`.
    fn name(&mut self, name: &[u8]) -> u16 {
        let names = &mut self.sums.names;
        let at = names.iter().position(|n| **n == *name).unwrap_or_else(|| {
            if names.len() < NAMES {
                names.push(name.into());
                self.armed.push(true);
            }
            names.len() - 1
        });
        at as u16
    }
}

/// Where the key captures are in terms of the items of the message, if they begin and end with items.
fn plan(found: &Found<'_, '_>, start: usize, classes: &Classes<Outcome>) -> Option<([(u16, u16); KEYS], usize)> {
    let mut keys = [(0, 0); KEYS];
    let mut len = 0;
    for range in found.key_ranges() {
        // A capture that took no part is empty, here as in the regex's own answer.
        let at = keys.get_mut(len)?;
        if let Some(range) = range {
            *at = (classes.item(range.start.checked_sub(start)?)?, classes.item(range.end - start)?);
        }
        len += 1;
    }
    Some((keys, len))
}

impl HeadCache {
    /// Length of the stamp and start of the body, if the line has the same form and host as the one before.
    fn of(&self, line: &[u8]) -> Option<(usize, usize)> {
        let at = self.stamp_len;
        if at < 15 || !line.get(at..)?.starts_with(&self.host) {
            return None;
        }
        let same = if self.iso {
            line[4] == b'-' && line[7] == b'-' && line[10] == b'T' && line[13] == b':' && line[16] == b':'
        } else {
            line[3] == b' ' && line[6] == b' ' && line[9] == b':' && line[12] == b':'
        };
        same.then_some((at, at + self.host.len()))
    }

    fn learn(&mut self, line: &[u8], body: &head::Body<'_>) {
        self.stamp_len = 0;
        if let Some(start) = body.start
            && body.stamp_len >= 15
            && start > body.stamp_len + 2
            && log_line::find_tag(&body.text).is_some()
        {
            self.iso = body.stamp_len >= 19 && line[10] == b'T';
            if self.iso || body.stamp_len == 15 {
                self.stamp_len = body.stamp_len;
                self.host.clear();
                self.host.extend_from_slice(&line[body.stamp_len..start]);
            }
        }
    }
}

/// Without what pasting, quoting and crashes put around a line.
fn trim(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    let start = line.iter().take_while(|b| matches!(b, 0 | b' ' | b'\t' | b'>')).count();
    &line[start..]
}
