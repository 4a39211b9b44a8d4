//! Puts the sums of all threads together.

use std::collections::{BTreeMap, HashMap};

use super::block::{CountedAs, LINE_BITS, Sums};
use super::cluster;
use super::delivery;
use super::group::{Growing, Kept, PER_PATTERN};
use super::{Cluster, Deliveries, Group, Lifecycle, LogScan, Sample};
use crate::evidence::printable;
use crate::logs::head;
use crate::logs::source::LogSource;
use crate::postfix::log_line;

/// A group: pattern, `syslog_name`, key, whether it is the overflow.
type Id = (u32, String, Box<[u8]>, bool);
/// A part's number for a thing, after merging: (thread, number there).
type From = (usize, CountedAs);

pub(super) fn merge(parts: Vec<Sums>, sources: &[LogSource]) -> LogScan {
    let mut scan = LogScan::default();
    let lines = LineNumbers::new(&parts);
    let samples = Samples { lines, sources };

    let mut levels = BTreeMap::new();
    for part in &parts {
        scan.lines += part.lines;
        scan.postfix_lines += part.postfix_lines;
        scan.bytes += part.bytes;
        scan.connects += part.connects;
        scan.unknown_connects += part.unknown_connects;
        scan.cut_lines += part.cut_lines;
        scan.unknown_overflow += part.clusters.overflow;
        scan.first = [scan.first, part.first].into_iter().flatten().min();
        scan.last = [scan.last, part.last].into_iter().flatten().max();
        for (program, level, n) in &part.levels {
            *levels.entry((printable(&String::from_utf8_lossy(program)), *level)).or_default() += n;
        }
    }
    scan.levels = levels;

    let names: Vec<Vec<String>> =
        parts.iter().map(|p| p.names.iter().map(|n| printable(&String::from_utf8_lossy(n))).collect()).collect();
    let name = |part: usize, no: u16| names[part].get(usize::from(no)).cloned().unwrap_or_default();

    for (i, part) in parts.iter().enumerate() {
        scan.lifecycle.extend(part.events.iter().map(|e| Lifecycle {
            what: e.what,
            syslog_name: name(i, e.name),
            time: e.time,
            order: e.order,
        }));
    }
    scan.lifecycle.sort_by_key(|l| l.order);

    let firsts = first_after_starts(&parts, &scan.lifecycle, &name);
    let mut marked_groups = Vec::new();
    let mut marked_clusters = Vec::new();
    for (part, what) in firsts {
        match what {
            CountedAs::Group(at) => marked_groups.push((part, at)),
            CountedAs::Cluster(at) => marked_clusters.push((part, at)),
            CountedAs::Nothing => {}
        }
    }

    let before = parts
        .iter()
        .filter_map(|p| p.before.as_ref())
        .min_by_key(|(kept, level)| (*level <= log_line::LogLevel::Warning, kept.order));
    scan.first_before_window = before.map(|(kept, _)| samples.of(kept));

    let mut deliveries: BTreeMap<String, Deliveries> = BTreeMap::new();
    let mut groups: HashMap<Id, Merged> = HashMap::new();
    let mut clusters: HashMap<Box<[u8]>, (Cluster, u64)> = HashMap::new();
    for (i, part) in parts.into_iter().enumerate() {
        for (at, g) in part.groups.all.into_iter().enumerate() {
            let marked = marked_groups.contains(&(i, at));
            // The number of a name differs between threads; the key begins with pattern and name.
            let key: Box<[u8]> = g.key.get(6..).unwrap_or_default().into();
            let syslog_name = if g.overflow { String::new() } else { name(i, g.name) };
            let id = (g.pattern, syslog_name, key, g.overflow);
            match groups.get_mut(&id) {
                Some(m) => m.absorb(g, marked),
                None => {
                    groups.insert(id, Merged::new(g, marked));
                }
            }
        }
        for (at, c) in part.clusters.all.into_iter().enumerate() {
            let marked = marked_clusters.contains(&(i, at));
            let cluster = Cluster {
                sample: Sample::default(),
                count: c.count,
                last: c.last,
                first_after_start: marked,
                order: c.first.order,
                level: Some(c.level),
            };
            match clusters.get_mut(&c.mask) {
                Some((known, _)) => {
                    known.count += cluster.count;
                    known.last = known.last.max(cluster.last);
                    known.first_after_start |= marked;
                    known.level = known.level.max(cluster.level);
                    if cluster.order < known.order {
                        known.order = cluster.order;
                        known.sample = samples.of(&c.first);
                    }
                }
                None => {
                    clusters.insert(c.mask, (Cluster { sample: samples.of(&c.first), ..cluster }, 0));
                }
            }
        }
        for (domain, d) in part.deliveries.into_domains() {
            let domain = printable(&String::from_utf8_lossy(&domain));
            let fits = deliveries.len() < delivery::MOST || deliveries.contains_key(&domain);
            deliveries.entry(if fits { domain } else { String::new() }).or_default().merge(&d);
        }
    }
    scan.deliveries = deliveries;

    let mut unknown: Vec<Cluster> = clusters.into_values().map(|(c, _)| c).collect();
    unknown.sort_by_key(|c| c.order);
    for c in unknown.iter().skip(cluster::MOST) {
        scan.unknown_overflow += c.count;
    }
    unknown.truncate(cluster::MOST);
    scan.unknown = unknown;

    scan.groups =
        bounded(groups).into_iter().map(|(syslog_name, m)| m.finish(syslog_name, &samples, &scan.lifecycle)).collect();
    scan
}

/// The first problem line of an instance after each of its starts.
fn first_after_starts(parts: &[Sums], lifecycle: &[Lifecycle], name: &dyn Fn(usize, u16) -> String) -> Vec<From> {
    let mut problems: BTreeMap<String, Vec<(u64, From)>> = BTreeMap::new();
    for (i, part) in parts.iter().enumerate() {
        for p in &part.first_problems {
            problems.entry(name(i, p.name)).or_default().push((p.order, (i, p.what)));
        }
    }
    for list in problems.values_mut() {
        list.sort_by_key(|(order, _)| *order);
    }
    lifecycle
        .iter()
        .filter(|l| matches!(l.what, "start" | "starting"))
        .filter_map(|start| {
            let list = problems.get(&start.syslog_name)?;
            let at = list.partition_point(|(order, _)| *order < start.order);
            list.get(at).map(|(_, from)| *from)
        })
        .collect()
}

/// A group of all threads.
struct Merged {
    group: Growing,
    kept: Vec<Kept>,
    last_order: u64,
    marked: bool,
}

impl Merged {
    fn new(mut g: Growing, marked: bool) -> Self {
        let kept = g.middle.iter_mut().filter_map(Option::take).chain(g.last.clone()).collect();
        Merged { last_order: g.last_order(), kept, group: g, marked }
    }

    fn absorb(&mut self, mut g: Growing, marked: bool) {
        self.marked |= marked;
        self.last_order = self.last_order.max(g.last_order());
        self.kept.extend(g.middle.iter_mut().filter_map(Option::take).chain(g.last.take()));
        let mine = &mut self.group;
        mine.count += g.count;
        mine.level = mine.level.max(g.level);
        mine.first_time = [mine.first_time, g.first_time].into_iter().flatten().min();
        mine.last_time = mine.last_time.max(g.last_time);
        if g.first.order < mine.first.order {
            mine.captures = g.captures;
            self.kept.push(std::mem::replace(&mut mine.first, g.first));
        } else {
            self.kept.push(g.first);
        }
        for (pid, order) in g.pids {
            match mine.pids.iter_mut().find(|(p, _)| *p == pid) {
                Some((_, o)) => *o = (*o).min(order),
                None => mine.pids.push((pid, order)),
            }
        }
        for tag in g.tags {
            if !mine.tags.contains(&tag) {
                mine.tags.push(tag);
            }
        }
        for id in g.queue_ids {
            if !mine.queue_ids.contains(&id) {
                mine.queue_ids.push(id);
            }
        }
    }

    fn finish(mut self, syslog_name: String, samples: &Samples<'_>, lifecycle: &[Lifecycle]) -> Group {
        let g = &mut self.group;
        g.pids.sort_by_key(|(_, order)| *order);
        g.pids.truncate(64);
        g.tags.truncate(8);
        g.queue_ids.truncate(16);
        let text = |bytes: &[u8]| printable(&String::from_utf8_lossy(bytes));
        let first = g.first.order;
        self.kept.sort_by_key(|k| k.order);
        let last = self.kept.last().filter(|k| k.order > first);
        let middle_order = first + (self.last_order - first) / 2;
        let last_order = last.map_or(first, |k| k.order);
        let middle = self
            .kept
            .iter()
            .filter(|k| k.order > first && k.order < last_order)
            .min_by_key(|k| k.order.abs_diff(middle_order));
        let mut shown = vec![samples.of(&g.first)];
        shown.extend(middle.map(|k| samples.of(k)));
        shown.extend(last.map(|k| samples.of(k)));
        let last_start = lifecycle.iter().rev().find(|l| l.what == "start" && l.syslog_name == syslog_name);
        Group {
            pattern: g.pattern as usize,
            captures: std::mem::take(&mut g.captures).into_iter().collect(),
            first: g.first_time,
            last: g.last_time,
            count: g.count,
            samples: shown,
            order: first,
            first_after_start: self.marked,
            after_last_start: last_start.is_none_or(|l| self.last_order > l.order),
            overflow: g.overflow,
            last_order: self.last_order,
            syslog_name,
            pids: std::mem::take(&mut g.pids),
            tags: g.tags.iter().map(|t| text(t)).collect(),
            queue_ids: g.queue_ids.iter().map(|t| text(t)).collect(),
            level: Some(g.level),
            before_window: false,
        }
    }
}

/// The first groups of each pattern in order of their first line; what is beyond goes to the overflow group.
fn bounded(groups: HashMap<Id, Merged>) -> Vec<(String, Merged)> {
    let mut all: Vec<(String, bool, Merged)> =
        groups.into_iter().map(|((_, name, _, over), m)| (name, over, m)).collect();
    all.sort_by_key(|(_, over, m)| (*over, m.group.first.order));
    let mut counts: HashMap<u32, u32> = HashMap::new();
    let mut overflow: HashMap<u32, Merged> = HashMap::new();
    let mut kept = Vec::new();
    for (name, over, mut m) in all {
        let count = counts.entry(m.group.pattern).or_default();
        if !over && *count < PER_PATTERN {
            *count += 1;
            kept.push((name, m));
            continue;
        }
        m.group.overflow = true;
        m.group.captures.clear();
        match overflow.get_mut(&m.group.pattern) {
            Some(known) => {
                let marked = m.marked;
                let Merged { mut group, kept, .. } = m;
                known.kept.extend(kept);
                group.last = known.kept.iter().max_by_key(|k| k.order).cloned();
                known.absorb(group, marked);
            }
            None => {
                overflow.insert(m.group.pattern, m);
            }
        }
    }
    kept.extend(overflow.into_values().map(|m| (String::new(), m)));
    kept.sort_by_key(|(_, m)| m.group.first.order);
    kept
}

/// Line numbers in their source by order.
struct LineNumbers {
    /// by block: its source and how many lines of it come before
    before: HashMap<u64, u64>,
}

impl LineNumbers {
    fn new(parts: &[Sums]) -> Self {
        let mut blocks: Vec<(u64, usize, u32)> = parts.iter().flat_map(|p| p.block_lines.iter().copied()).collect();
        blocks.sort_unstable_by_key(|(number, _, _)| *number);
        let mut before = HashMap::with_capacity(blocks.len());
        let (mut sum, mut current) = (0u64, usize::MAX);
        for (number, source, lines) in blocks {
            if source != current {
                (sum, current) = (0, source);
            }
            before.insert(number, sum);
            sum += u64::from(lines);
        }
        LineNumbers { before }
    }

    fn of(&self, order: u64) -> u64 {
        let in_block = order & ((1 << LINE_BITS) - 1);
        self.before.get(&(order >> LINE_BITS)).map_or(0, |before| before + in_block + 1)
    }
}

/// Makes samples of lines kept.
struct Samples<'s> {
    lines: LineNumbers,
    sources: &'s [LogSource],
}

impl Samples<'_> {
    fn of(&self, kept: &Kept) -> Sample {
        let source = self.sources.get(kept.source);
        let body = head::take_off(&kept.line);
        let mut text = String::from_utf8_lossy(&kept.line).into_owned();
        if body.start.is_none() {
            // JSON and the like: a person reads the usual form.
            let stamp = kept.time.map(|t| format!("{t} ")).unwrap_or_default();
            text = format!("{stamp}{}", String::from_utf8_lossy(&body.text));
        }
        let body_text = String::from_utf8_lossy(&body.text);
        let parsed = log_line::parse(&body_text);
        let journal = matches!(source, Some(LogSource::Journal));
        Sample {
            source: source.map(|s| s.name().to_owned()).unwrap_or_default(),
            line: if journal { 0 } else { self.lines.of(kept.order) },
            text: printable(&text),
            time: kept.time,
            tag: parsed.map(|p| printable(p.tag)).unwrap_or_default(),
            pid: parsed.and_then(|p| p.pid),
            queue_id: parsed.and_then(|p| p.queue_id).map(str::to_owned),
        }
    }
}
