//! The log scan: what it makes of logs of every form, and of rubbish.
#![allow(clippy::format_push_string, clippy::format_collect, reason = "logs are made up line by line")]

use std::borrow::Cow;
use std::io::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use postdoctor::host::Snapshot;
use postdoctor::logs::scan::{LogScan, Pattern, ScanOptions, Since, scan};
use postdoctor::logs::source::{self, LogSource};
use postdoctor::postfix::log_line::LogLevel;

const NOW: &str = "2026-11-23T12:00:00Z";

fn pattern(regex: &str, key: &[&str]) -> Pattern {
    Pattern {
        regex: regex.to_owned(),
        programs: Vec::new(),
        key: key.iter().map(|s| (*s).to_owned()).collect(),
        priority: 0,
    }
}

fn options(since: Since) -> ScanOptions<'static> {
    ScanOptions { since, zone: Some(TimeZone::UTC), now: NOW.parse().unwrap(), threads: 0, stop: None }
}

fn host(files: &[(&str, &[u8])]) -> Snapshot {
    Snapshot::in_memory("test", files.iter().map(|(path, bytes)| ((*path).to_owned(), Cow::Owned(bytes.to_vec()))), "")
}

fn read(files: &[(&str, &[u8])], patterns: &[Pattern], since: Since) -> LogScan {
    let sources: Vec<LogSource> = files
        .iter()
        .map(|(path, bytes)| LogSource::File { path: (*path).to_owned(), size: bytes.len() as u64 })
        .collect();
    scan(&host(files), &sources, patterns, &options(since), &|_, _| {})
}

fn one(text: &str, patterns: &[Pattern]) -> LogScan {
    read(&[("/var/log/mail.log", text.as_bytes())], patterns, Since::All)
}

#[test]
fn groups_by_key_with_samples() {
    let mut text = String::new();
    for i in 0..100 {
        let host = if i % 2 == 0 { "a" } else { "b" };
        text += &format!(
            "Nov 22 10:00:{:02} mx postfix/smtp[{}]: warning: no answer from {host}, try {i}\n",
            i % 60,
            i / 10
        );
    }
    let scan = one(&text, &[pattern(r"warning: no answer from (?<host>\w+), try (?<n>\d+)", &["host"])]);
    assert_eq!((scan.lines, scan.postfix_lines, scan.groups.len()), (100, 100, 2));
    let g = &scan.groups[0];
    assert_eq!((g.count, g.captures["host"].as_str(), g.captures["n"].as_str()), (50, "a", "0"));
    assert_eq!(g.samples.iter().map(|s| s.line).collect::<Vec<_>>(), [1, 63, 99]);
    assert_eq!(g.samples[0].source, "/var/log/mail.log");
    assert_eq!(g.first.unwrap().to_string(), "2026-11-22T10:00:00Z");
    assert_eq!(g.pids.len(), 10);
    assert_eq!(
        (g.tags[0].as_str(), g.syslog_name.as_str(), g.level),
        ("postfix/smtp", "postfix", Some(LogLevel::Warning))
    );
    assert_eq!(scan.levels[&("smtp".to_owned(), LogLevel::Warning)], 100);
    assert!(scan.unknown.is_empty());
}

#[test]
fn a_line_has_one_pattern() {
    let mut family = pattern("warning: (?<what>.+)", &[]);
    family.priority = -1;
    let patterns = [
        family,
        pattern("warning: first .*", &[]),
        pattern("warning: first and later", &[]),
        Pattern { programs: vec!["qmgr".to_owned()], ..pattern("warning: .*only.*", &[]) },
    ];
    let text = "Nov 22 10:00:00 mx postfix/smtp[1]: warning: first and later\n\
                Nov 22 10:00:00 mx postfix/smtp[1]: warning: only here\n\
                Nov 22 10:00:00 mx postfix/qmgr[1]: warning: only here\n";
    let scan = one(text, &patterns);
    assert_eq!(scan.groups.iter().map(|g| g.pattern).collect::<Vec<_>>(), [1, 0, 3]);
}

#[test]
fn starts_and_the_first_error_after_them() {
    let text = "Nov 22 09:00:00 mx postfix/smtpd[5]: warning: before\n\
        Nov 22 10:00:00 mx postfix/postfix-script[1]: starting the Postfix mail system\n\
        Nov 22 10:00:00 mx postfix/master[2]: daemon started -- version 3.7.11, configuration /etc/postfix\n\
        Nov 22 10:00:01 mx postfix-out/smtp[5]: warning: other instance\n\
        Nov 22 10:00:02 mx postfix/smtpd[5]: warning: first\n\
        Nov 22 10:00:03 mx postfix/smtpd[5]: fatal: second\n\
        Nov 22 10:00:04 mx postfix/master[2]: reload -- version 3.7.11, configuration /etc/postfix\n\
        Nov 22 10:00:05 mx postfix/master[2]: terminating on signal 15\n";
    let scan = one(text, &[pattern("warning: (?<w>before|first)", &["w"]), pattern("fatal: second", &[])]);
    let marks: Vec<_> = scan.groups.iter().map(|g| (g.first_after_start, g.after_last_start)).collect();
    assert_eq!(marks, [(false, false), (true, true), (false, true)]);
    let what: Vec<_> = scan.lifecycle.iter().map(|l| (l.what, l.syslog_name.as_str())).collect();
    assert_eq!(what, [("starting", "postfix"), ("start", "postfix"), ("reload", "postfix"), ("stop", "postfix")]);
    assert_eq!(scan.unknown.len(), 1);
    assert!(!scan.unknown[0].first_after_start);
    assert_eq!(scan.earlier_of_pid(5, scan.groups[2].order).count(), 2);
}

#[test]
fn unknown_messages_are_clustered_and_deliveries_counted() {
    let mut text = String::new();
    for i in 0..10 {
        text += &format!(
            "2026-11-22T10:00:0{i}.5+00:00 mx postfix/smtp[9]: A1B2C3D{i}: to=<u{i}@Example.org>, relay=mx.example.org[192.0.2.{i}]:25, \
             delay=1.{i}, delays=0/0/1/{i}, dsn=4.2.0, status=deferred (host mx.example.org[192.0.2.{i}] said: 450 4.2.0 odd (in reply to RCPT TO command))\n"
        );
    }
    text += "2026-11-22T10:01:00+00:00 mx postfix/local[9]: A1B2C3D4: to=<root>, relay=local, delay=1, dsn=2.0.0, status=sent (delivered to mailbox)\n";
    text += "2026-11-22T10:02:00+00:00 mx postfix/smtpd[9]: connect from unknown[192.0.2.1]\n";
    text += "2026-11-22T10:02:01+00:00 mx dovecot: imap-login: Error: no\n";
    let scan = one(&text, &[]);
    assert_eq!(scan.unknown.len(), 1);
    assert_eq!((scan.unknown[0].count, scan.unknown[0].sample.line), (10, 1));
    let d = &scan.deliveries["example.org"];
    assert_eq!((d.sent, d.deferred, d.last_failed.unwrap().to_string()), (0, 10, "2026-11-22T10:00:09.5Z".to_owned()));
    assert_eq!(scan.deliveries[""].sent, 1);
    assert_eq!((scan.connects, scan.unknown_connects, scan.postfix_lines), (1, 1, 12));
    assert_eq!(scan.unknown[0].sample.queue_id.as_deref(), Some("A1B2C3D0"));
}

#[test]
fn the_window_and_what_was_before_it() {
    let text = "Nov 01 10:00:00 mx postfix/smtpd[5]: warning: old warning\n\
        Nov 01 10:00:01 mx postfix/master[2]: daemon started -- version 3.7.11, configuration /etc/postfix\n\
        Nov 01 10:00:02 mx postfix/smtpd[5]: fatal: old fatal\n\
        Nov 22 10:00:02 mx postfix/smtpd[5]: warning: new\n";
    let file = [("/var/log/mail.log", text.as_bytes())];
    let scan = read(&file, &[pattern("fatal: old", &[]), pattern("warning: .*", &[])], Since::Week);
    assert_eq!(
        scan.groups.iter().map(|g| (g.pattern, g.count, g.before_window)).collect::<Vec<_>>(),
        [(0, 1, true), (1, 1, false)]
    );
    assert_eq!(scan.first_before_window.as_ref().unwrap().line, 3);
    assert_eq!(scan.since.unwrap().to_string(), "2026-11-15T10:00:02Z");
    assert_eq!(scan.lifecycle.len(), 1);
    let scan = read(&file, &[], Since::At("2026-11-01T10:00:02Z".parse().unwrap()));
    assert_eq!(scan.unknown.len(), 2);
}

#[test]
fn groups_are_bounded() {
    let text: String = (0..2000)
        .map(|i| format!("Nov 22 10:00:00 mx postfix/smtpd[1]: warning: hostname h{i} does not resolve\n"))
        .collect();
    let scan = one(&text, &[pattern(r"warning: hostname (?<h>\S+) does not resolve", &["h"])]);
    assert_eq!(scan.groups.len(), 65);
    assert_eq!(scan.groups.iter().map(|g| g.count).sum::<u64>(), 2000);
    let over = scan.groups.iter().find(|g| g.overflow).unwrap();
    assert!(over.captures.is_empty() && over.count == 2000 - 64);
}

#[test]
fn line_numbers_and_order_over_many_blocks_and_files() {
    let mut text = String::new();
    for i in 0..40_000 {
        text += &format!("Nov 22 10:00:00 mx postfix/qmgr[1]: {i:08X}: removed\n");
        if i % 10_000 == 9_999 {
            text += &format!("Nov 22 10:00:00 mx postfix/smtpd[1]: warning: mark {i}\n");
        }
    }
    let files = [("/var/log/mail.log.1", text.as_bytes()), ("/var/log/mail.log", text.as_bytes())];
    for threads in [1, 2, 7] {
        let sources: Vec<LogSource> =
            files.iter().map(|(p, b)| LogSource::File { path: (*p).to_owned(), size: b.len() as u64 }).collect();
        let options = ScanOptions { threads, ..options(Since::All) };
        let scan = scan(&host(&files), &sources, &[pattern(r"warning: mark (?<m>\d+)", &["m"])], &options, &|_, _| {});
        assert_eq!(scan.lines, 80_008);
        let g = &scan.groups[3];
        assert_eq!((g.count, g.captures["m"].as_str()), (2, "39999"));
        assert_eq!(
            g.samples.iter().map(|s| (s.source.as_str(), s.line)).collect::<Vec<_>>(),
            [("/var/log/mail.log.1", 40_004), ("/var/log/mail.log", 40_004)]
        );
    }
}

#[test]
fn compressed_and_damaged() {
    let text = "Nov 22 10:00:00 mx postfix/smtpd[1]: warning: x\n".repeat(20_000);
    let gz = |text: &str| {
        let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        e.write_all(text.as_bytes()).unwrap();
        e.finish().unwrap()
    };
    let mut e = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    e.write_all(text.as_bytes()).unwrap();
    let bz = e.finish().unwrap();
    let twice = [gz(&text), gz(&text)].concat();
    let count = |bytes: &[u8]| read(&[("/var/log/mail.log.2.gz", bytes)], &[pattern("warning: x", &[])], Since::All);
    assert_eq!(count(&twice).groups[0].count, 40_000);
    assert_eq!(count(&bz).groups[0].count, 20_000);
    let cut = count(&twice[..twice.len() - twice.len() / 4]);
    assert!(cut.groups[0].count >= 20_000);
    assert_eq!(cut.troubles.len(), 1);
    assert!(cut.troubles[0].1.starts_with("damaged or cut short"), "{:?}", cut.troubles);
}

#[test]
fn rubbish() {
    let warning = pattern("warning: x", &[]);
    assert_eq!(one("", &[]).lines, 0);
    assert_eq!(one("\n\n\n", &[]).lines, 3);
    let scan = one("Nov 22 10:00:00 mx postfix/smtpd[1]: warning: x", std::slice::from_ref(&warning));
    assert_eq!((scan.lines, scan.groups[0].count), (1, 1));
    let mut huge = vec![b'x'; 3 << 20];
    huge.extend_from_slice(b"\n\0\0\0Nov 22 10:00:00 mx postfix/smtpd[1]: warning: x \x1b[31m\xff\xfe\r\n");
    huge.extend(vec![0; 100_000]);
    let scan = read(&[("/var/log/mail.log", &huge)], &[warning], Since::All);
    assert_eq!((scan.lines, scan.cut_lines, scan.groups[0].count), (3, 2, 1));
    assert!(!scan.groups[0].samples[0].text.contains('\x1b'));
    assert_eq!(scan.groups[0].samples[0].line, 2);
    let scan = one("Nov 22 10:00:00 mx postfix/smtpd[1]: warning: x\n", &[pattern("(", &[])]);
    assert_eq!((scan.troubles.len(), scan.unknown.len()), (1, 1));
    let missing = [LogSource::File { path: "/nowhere".to_owned(), size: 7 }];
    assert_eq!(scan_of(&missing).troubles.len(), 1);
}

fn scan_of(sources: &[LogSource]) -> LogScan {
    scan(&host(&[]), sources, &[], &options(Since::Week), &|_, _| {})
}

#[test]
fn repeated_lines_count() {
    let text = "Nov 22 10:00:00 mx postfix/smtpd[1]: warning: x\nNov 22 10:00:09 mx last message repeated 4 times\n";
    let scan = one(text, &[pattern("warning: x", &[])]);
    assert_eq!(
        (scan.groups[0].count, scan.groups[0].last),
        (5, Some("2026-11-22T10:00:09Z".parse::<Timestamp>().unwrap()))
    );
}

#[test]
fn a_folder_of_logs_is_found_oldest_first() {
    let line = b"Nov 22 10:00:00 mx postfix/smtpd[1]: warning: x\n";
    let names = |files: &[(&str, &[u8])]| -> Vec<String> {
        source::find(&host(files), &[], &[]).sources.iter().map(|s| s.name().to_owned()).collect()
    };
    assert_eq!(
        names(&[
            ("/var/log/mail.log", line),
            ("/var/log/mail.log.2.gz", line),
            ("/var/log/mail.log.1", line),
            ("/var/log/mail.err", line),
            ("/var/log/syslog", line)
        ]),
        ["/var/log/mail.log.2.gz", "/var/log/mail.log.1", "/var/log/mail.log"]
    );
    assert_eq!(names(&[("/var/log/syslog", line)]), ["/var/log/syslog"]);
    assert_eq!(names(&[("/var/log/mylog.txt", line), ("/var/log/dpkg.log", b"x\n")]), ["/var/log/mylog.txt"]);
    assert_eq!(names(&[("/var/log/mail.err", line)]), ["/var/log/mail.err"]);
    let found = source::find(&host(&[]), &[], &[]);
    assert!(found.sources.is_empty() && found.not_checked.len() == 1 && found.observations.is_empty());
    let found = source::find(&host(&[]), &[], &["-".to_owned()]);
    assert_eq!(found.sources, [LogSource::Stdin]);
}
