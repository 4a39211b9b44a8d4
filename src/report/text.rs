//! The report for a tired reader on a terminal: the answer first, then what to type, then the rest. Colour only
//! repeats what the words say; the caller's stream strips it where it is not wanted.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::model::{Confidence, Finding, Report, Severity, Status, StepResult, Verdict};
use crate::evidence::{Evidence, Fields, Value};

/// How much is shown.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// columns
    pub width: usize,
    /// also notes, steps and unknown messages
    pub verbose: bool,
    /// only the findings
    pub quiet: bool,
}

/// Pieces of evidence shown of a finding; all of them with `verbose`.
const EVIDENCE: usize = 4;
/// Where the text of `evidence`, `fix` and the closing rows begins.
const COLUMN: usize = 12;
const CLOSING: usize = 20;

/// Writes the report.
pub fn write(report: &Report, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let alarms: Vec<&Finding> = report.findings.iter().filter(|f| is_alarm(f)).collect();
    let notes: Vec<&Finding> = report.findings.iter().filter(|f| !is_alarm(f)).collect();
    if !look.quiet {
        head(report, look, out)?;
    }
    // Of what somebody posted a note is the answer.
    let posted = report.host.get("host.posted").is_some_and(|posted| *posted == Value::Bool(true));
    let notes_shown = look.verbose || posted && alarms.is_empty();
    if alarms.is_empty() {
        no_alarm(report, if notes_shown { 0 } else { notes.len() }, look, out)?;
    }
    for finding in &alarms {
        write_finding(finding, look, out)?;
    }
    if notes_shown {
        for finding in &notes {
            write_finding(finding, look, out)?;
        }
    }
    if !look.quiet {
        closing(report, &alarms, &notes, look, out)?;
    }
    Ok(())
}

/// Above `info`, and still there.
fn is_alarm(finding: &Finding) -> bool {
    finding.severity > Severity::Info && finding.status == Status::Current
}

fn text(fields: &Fields, name: &str) -> Option<String> {
    fields.get(name).map(ToString::to_string).filter(|t| !t.is_empty())
}

fn head(report: &Report, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let mut parts = Vec::new();
    parts.push(text(&report.host, "host.name").unwrap_or_else(|| "this server".to_owned()));
    let version = report.instances.iter().find_map(|i| i.version.clone());
    let os = match (text(&report.host, "host.os_id"), text(&report.host, "host.os_version")) {
        (Some(id), Some(version)) => format!(" ({} {version})", capitalised(&id)),
        (Some(id), None) => format!(" ({})", capitalised(&id)),
        _ => String::new(),
    };
    parts.push(version.map_or_else(|| format!("Postfix{os}"), |v| format!("Postfix {v}{os}")));
    match report.instances.as_slice() {
        [] => parts.push("no configuration seen".to_owned()),
        [one] => parts.push(format!("1 instance{}", state(one.running, one.started))),
        many => {
            let running = many.iter().filter(|i| i.running == Some(true)).count();
            parts.push(format!("{} instances, {running} running", many.len()));
        }
    }
    writeln!(out, "{}", parts.join(" · "))?;

    let done = report.steps.iter().filter(|s| s.result != StepResult::NotRun).count();
    let seconds: f64 = report.steps.iter().map(|s| s.seconds).sum();
    let mut seen: Vec<String> = report.steps.iter().filter_map(|s| s.looked_at.clone()).take(1).collect();
    let settings: usize = report.instances.iter().map(|i| i.settings).sum();
    let services: usize = report.instances.iter().map(|i| i.services).sum();
    for (count, what) in [(settings, "settings"), (services, "services")] {
        if count > 0 {
            seen.push(format!("{count} {what}"));
        }
    }
    let seen = if seen.is_empty() { String::new() } else { format!(": {}", seen.join(", ")) };
    let left = format!("Looked at {done} of {} steps{seen}", report.steps.len());
    let right = format!("{seconds:.1} s");
    let gap = look.width.saturating_sub(left.chars().count() + right.len()).max(2);
    writeln!(out, "{left}{}{right}\n", " ".repeat(gap))
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn state(running: Option<bool>, started: Option<Timestamp>) -> String {
    match (running, started) {
        (Some(true), Some(t)) => format!(", running since {}", clock(t)),
        (Some(true), None) => ", running".to_owned(),
        (Some(false), _) => ", not running".to_owned(),
        (None, _) => String::new(),
    }
}

/// `Nov 22 14:03` in the local time zone, as in a log.
fn clock(time: Timestamp) -> String {
    time.to_zoned_datetime(TimeZone::system()).strftime("%b %e %H:%M").to_string()
}

fn no_alarm(report: &Report, notes: usize, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let hint = match notes {
        0 => String::new(),
        _ if look.verbose => String::new(),
        1 => " 1 note with --verbose.".to_owned(),
        n => format!(" {n} notes with --verbose."),
    };
    if report.verdict == Verdict::Incomplete {
        let style = colour(AnsiColor::Yellow);
        writeln!(out, "{style}INCOMPLETE{style:#}  Too little could be seen to say that all is well.{hint}\n")
    } else {
        let style = colour(AnsiColor::Green);
        writeln!(out, "{style}HEALTHY{style:#}  Nothing that needs you.{hint}\n")
    }
}

fn colour(color: AnsiColor) -> Style {
    color.on_default().bold()
}

fn label(finding: &Finding) -> (&'static str, Style) {
    if finding.status == Status::Resolved {
        return ("ENDED", colour(AnsiColor::Green));
    }
    match finding.severity {
        Severity::Critical => ("CRITICAL", colour(AnsiColor::Red)),
        Severity::Error => ("ERROR", colour(AnsiColor::Red)),
        Severity::Warning => ("WARNING", colour(AnsiColor::Yellow)),
        Severity::Info => ("NOTE", colour(AnsiColor::Cyan)),
    }
}

fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Confirmed => "confirmed",
        Confidence::Likely => "likely",
        Confidence::Possible => "possible",
    }
}

/// One finding.
pub fn write_finding(finding: &Finding, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let (word, style) = label(finding);
    let bold = Style::new().bold();
    let sure = confidence(finding.confidence);
    let used = word.len() + 2 + finding.title.chars().count();
    // On the same line where it fits, else below: a wrapped title is worse than a short second line.
    if used + 2 + sure.len() <= look.width {
        let gap = " ".repeat(look.width - used - sure.len());
        writeln!(out, "{style}{word}{style:#}  {bold}{}{bold:#}{gap}{sure}", finding.title)?;
    } else {
        let indent = " ".repeat(word.len() + 2);
        let options = textwrap::Options::new(look.width).initial_indent("").subsequent_indent(&indent);
        let title = textwrap::fill(&format!("{word}  {} ({sure})", finding.title), options);
        let rest = title.strip_prefix(word).unwrap_or(&title);
        writeln!(out, "{style}{word}{style:#}{bold}{rest}{bold:#}")?;
    }
    paragraph(&finding.cause, 2, look.width, out)?;
    if let Some(seen) = when(finding) {
        paragraph(&seen, 2, look.width, out)?;
    }
    writeln!(out)?;
    let shown = if look.verbose { finding.evidence.len() } else { EVIDENCE };
    let lines: Vec<String> = finding.evidence.iter().take(shown).map(|e| evidence(e, look.width)).collect();
    rows("evidence", &lines, out)?;
    let mut fix: Vec<String> = Vec::new();
    if !finding.fix.summary.is_empty() {
        fix.extend(
            textwrap::wrap(&finding.fix.summary, look.width - COLUMN).into_iter().map(std::borrow::Cow::into_owned),
        );
    }
    fix.extend(finding.fix.commands.iter().cloned());
    rows("fix", &fix, out)?;
    rows("verify", &wrapped(&finding.fix.verify, look.width - COLUMN), out)?;
    if let Some(settle) = finding.to_be_sure.as_deref().filter(|_| finding.confidence != Confidence::Confirmed) {
        rows("to settle", &wrapped(settle, look.width - COLUMN), out)?;
    }
    for rival in finding.rivals.iter().take(if look.verbose { 9 } else { 3 }) {
        rows("or", &wrapped(&rival.cause, look.width - COLUMN), out)?;
        if look.verbose {
            rows("", &rival.fix, out)?;
        }
    }
    rows("more", &[format!("postdoctor explain {}", finding.id.split('/').next().unwrap_or(&finding.id))], out)?;
    writeln!(out)
}

fn when(finding: &Finding) -> Option<String> {
    let (first, last) = (finding.first?, finding.last?);
    Some(if finding.count > 1 {
        format!("Seen {} times, {} to {}.", number(finding.count), clock(first), clock(last))
    } else {
        format!("Seen {}.", clock(first))
    })
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    textwrap::wrap(text, width.max(20))
        .into_iter()
        .map(std::borrow::Cow::into_owned)
        .filter(|l| !l.is_empty())
        .collect()
}

fn paragraph(text: &str, indent: usize, width: usize, out: &mut dyn Write) -> io::Result<()> {
    for line in wrapped(text, width - indent) {
        writeln!(out, "{}{line}", " ".repeat(indent))?;
    }
    Ok(())
}

fn rows(name: &str, lines: &[String], out: &mut dyn Write) -> io::Result<()> {
    for (index, line) in lines.iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        writeln!(out, "  {name:<width$}{line}", width = COLUMN - 2)?;
    }
    Ok(())
}

/// `mail.log:812 (41 times)  Nov 22 14:03 smtp: … try again`, cut in its middle to the width: evidence on a
/// screen is for recognising, the JSON has all of it.
fn evidence(e: &Evidence, width: usize) -> String {
    let file = e.source.rsplit_once('/').filter(|_| e.line.is_some()).map_or(e.source.as_str(), |(_, f)| f);
    let place = e.line.map_or_else(|| file.to_owned(), |l| format!("{file}:{l}"));
    let count = if e.count > 1 { format!(" ({} times)", number(e.count)) } else { String::new() };
    let log_line = e.first.and_then(|time| Some((time, program_and_message(&e.text)?)));
    let (mut head, text) = match log_line {
        Some((time, (program, message))) => (format!("{place}{count}  {} {program}: ", clock(time)), message),
        None => (format!("{place}{count}  "), e.text.as_str()),
    };
    let room = |head: &str| width.saturating_sub(COLUMN + head.chars().count());
    // On a narrow screen what was said counts more than when and how often; the finding tells that too.
    if room(&head) < 40 {
        head = format!("{place}  ");
    }
    let room = room(&head).max(20);
    head + &elide(text, room)
}

/// `smtp` and what it said, of a log line.
fn program_and_message(line: &str) -> Option<(&str, &str)> {
    let (head, message) = line.split_once("]: ")?;
    let (tag, _) = head.rsplit_once('[')?;
    Some((tag.rsplit([' ', '/']).next()?, message))
}

/// Cuts out of the middle, more in front: a log line ends with why.
fn elide(text: &str, room: usize) -> String {
    let length = text.chars().count();
    if length <= room {
        return text.to_owned();
    }
    let start = room / 4;
    let head: String = text.chars().take(start).collect();
    let tail: String = text.chars().skip(length - (room - start - 3)).collect();
    // At a blank, if there is one near: half a word is hard to recognise.
    let head = head.rsplit_once(' ').map_or(head.as_str(), |(words, _)| words);
    let tail = tail.split_once(' ').filter(|(part, _)| part.len() < 20).map_or(tail.as_str(), |(_, words)| words);
    format!("{head} … {tail}")
}

/// 48213 as `48,213`.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn closing(
    report: &Report,
    alarms: &[&Finding],
    notes: &[&Finding],
    look: Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    let row = |name: &str, items: Vec<String>, out: &mut dyn Write| -> io::Result<()> {
        let text = items.join(" · ");
        for (index, line) in wrapped(&text, look.width - CLOSING).iter().enumerate() {
            writeln!(out, "{:<CLOSING$}{line}", if index == 0 { name } else { "" })?;
        }
        Ok(())
    };
    let limit = if look.verbose { usize::MAX } else { 8 };
    let explained = alarms.iter().flat_map(|f| &f.explains).map(|e| format!("{} × {}", number(e.count), e.title));
    row("Explained by it", explained.take(limit).collect(), out)?;
    row("Ruled out", report.ruled_out.iter().map(|r| r.cause.clone()).take(limit.min(5)).collect(), out)?;
    let not_checked: Vec<String> = report
        .not_checked
        .iter()
        .map(|n| match &n.settle {
            Some(settle) => format!("{} ({}; {settle})", n.what, n.why),
            None => format!("{} ({})", n.what, n.why),
        })
        .collect();
    let skipped = report.steps.iter().filter(|s| s.result == StepResult::NotRun);
    let skipped = skipped.map(|s| format!("{} ({})", s.title, s.reason.as_deref().unwrap_or("not run")));
    let unseen: Vec<String> = skipped.chain(not_checked).collect();
    let more = unseen.len().saturating_sub(limit);
    let mut shown: Vec<String> = unseen.into_iter().take(limit).collect();
    if more > 0 {
        shown.push(format!("{more} more with --verbose"));
    }
    row("Could not check", shown, out)?;
    let ended = notes.iter().filter(|f| f.status == Status::Resolved && f.severity > Severity::Info);
    row("Has ended", ended.map(|f| f.title.clone()).take(limit).collect(), out)?;
    let noise = notes.iter().filter(|f| f.severity == Severity::Info && f.count > 1);
    row("Ordinary noise", noise.map(|f| format!("{} × {}", number(f.count), f.title)).take(limit).collect(), out)?;
    if look.verbose {
        for step in &report.steps {
            let result = format!("{:?}", step.result).to_lowercase();
            let looked = step.looked_at.as_deref().or(step.reason.as_deref()).unwrap_or("");
            row(
                "Step",
                vec![format!("{} (level {}): {result} {looked} {:.2} s", step.title, step.level, step.seconds)],
                out,
            )?;
        }
        let unknown = report.unknown_messages.iter().map(|u| format!("{} × {}", number(u.count), u.text));
        for message in unknown {
            row("No rule knows", vec![message], out)?;
        }
    }
    Ok(())
}
