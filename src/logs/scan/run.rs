//! Runs the threads of a scan.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::block::{Sums, Worker};
use super::matcher::{Matcher, Scratch};
use super::{Group, LogScan, Pattern, Sample, ScanOptions, Since, merge};
use crate::host::Host;
use crate::logs::head::{self, When};
use crate::logs::reader::{BLOCK, Feed};
use crate::logs::source::LogSource;
use crate::logs::timestamp::{self, Clock};
use crate::postfix::log_line;

/// The default window.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

pub(super) fn scan(
    host: &dyn Host,
    sources: &[LogSource],
    patterns: &[Pattern],
    options: &ScanOptions<'_>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> LogScan {
    let matcher = Matcher::new(patterns);
    let zone = options.zone.clone().unwrap_or_else(|| timestamp::zone_of(host));
    let since = match options.since {
        Since::All => None,
        Since::At(t) => Some(t),
        Since::Week => newest(host, sources, options, &zone).and_then(|t| t.checked_sub(WEEK).ok()),
    };
    let total: u64 = sources.iter().map(|s| if let LogSource::File { size, .. } = s { *size } else { 0 }).sum();
    let feed = Mutex::new(Feed::new(host, sources, options.now));
    let stored = feed.lock().map(|f| std::sync::Arc::clone(&f.stored)).unwrap_or_default();
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from).min(8),
        n => n,
    };
    let stopped = || options.stop.is_some_and(|s| s.load(Ordering::Relaxed));
    let work = || -> Sums {
        let mut worker = Worker::new(&matcher, zone.clone(), since);
        let mut buffer = Vec::new();
        loop {
            let block = match feed.lock() {
                Ok(mut feed) if !stopped() => feed.next(&mut buffer),
                _ => None,
            };
            let Some(block) = block else { return worker.sums };
            worker.block(block, &buffer[..block.len]);
            if block.number.is_multiple_of(16) {
                progress(stored.load(Ordering::Relaxed).min(total.max(1)), total);
            }
        }
    };
    let small = total > 0 && total < 4 * BLOCK as u64;
    let parts: Vec<Sums> = if threads <= 1 || small {
        vec![work()]
    } else {
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            handles.into_iter().filter_map(|h| h.join().ok()).collect()
        })
    };
    progress(total, total);
    let mut scan = merge::merge(parts, sources);
    if let Ok(feed) = feed.into_inner() {
        scan.cut_lines += feed.cut_lines;
        scan.troubles.extend(feed.troubles);
    }
    if let Some(sample) = &scan.first_before_window {
        scan.groups.extend(before_window(&matcher, sample));
        scan.groups.sort_by_key(|g| g.order);
    }
    scan.troubles.extend(matcher.broken.iter().map(|(i, why)| (format!("pattern {i}"), why.clone())));
    scan.since = since;
    scan.stopped = stopped();
    scan
}

/// The group that the first error before the window would be in.
fn before_window(matcher: &Matcher, sample: &Sample) -> Option<Group> {
    let body = head::take_off(sample.text.as_bytes());
    let found = matcher.find(&body.text, &mut Scratch::default())?;
    Some(Group {
        pattern: found.pattern,
        captures: found.named().into_iter().collect(),
        first: sample.time,
        last: sample.time,
        count: 1,
        samples: vec![sample.clone()],
        syslog_name: log_line::instance_of(&sample.tag).to_owned(),
        pids: sample.pid.map(|p| (p, 0)).into_iter().collect(),
        tags: vec![sample.tag.clone()],
        queue_ids: sample.queue_id.iter().cloned().collect(),
        before_window: true,
        ..Group::default()
    })
}

/// Time of the newest line, from the end of the newest file. None: it cannot be told before reading.
fn newest(host: &dyn Host, sources: &[LogSource], options: &ScanOptions<'_>, zone: &TimeZone) -> Option<Timestamp> {
    if sources.iter().any(|s| matches!(s, LogSource::Stdin)) {
        return None;
    }
    let mut newest = None;
    for source in sources {
        let found = match source {
            LogSource::File { path, size } => tail_time(host, path, *size, options, zone),
            // A journal goes on until now.
            LogSource::Journal => Some(options.now),
            LogSource::Stdin => None,
        };
        newest = newest.max(found);
    }
    newest
}

fn tail_time(host: &dyn Host, path: &str, size: u64, options: &ScanOptions<'_>, zone: &TimeZone) -> Option<Timestamp> {
    use std::io::Read;
    let stat = host.stat(path).ok()?;
    let written = Timestamp::from_second(stat.mtime).ok().filter(|t| t.as_second() > 0).unwrap_or(options.now);
    let mut tail = Vec::new();
    host.open(path, size.saturating_sub(64 << 10)).ok()?.take(1 << 20).read_to_end(&mut tail).ok()?;
    let mut clock = Clock::new(zone.clone(), written.min(options.now));
    // A compressed file is no text; what it holds is not newer than its last change.
    tail.rsplit(|b| *b == b'\n').take(200).filter(|l| l.len() < 4096).find_map(|l| match head::take_off(l).stamp {
        When::Stamp(s) => clock.place(&s),
        When::Micros(us) => Timestamp::from_microsecond(us).ok(),
        When::Unknown => None,
    })
}
