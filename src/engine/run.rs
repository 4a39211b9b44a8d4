//! One examination from discovery to report: the steps of a playbook in their order, the rules on what they
//! saw, the probes, the ranking. It never prints and never changes anything; it tells events to a listener.

use std::collections::BTreeSet;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use super::events::{Event, Listener};
use super::expr::{self, Tri};
use super::names::World;
use super::rule::{Knowledge, Playbook, Step, Trigger};
use super::{fold, judge, log_facts, patterns, rank, sighting};
use crate::discover::{Instance, Server};
use crate::evidence::{Level, NotChecked, Observation, READ_ONLY};
use crate::logs::scan::{self, LogScan, ScanOptions};
use crate::report::model::{
    Finding, InstanceReport, Report, Severity, Status, StepReport, StepResult, Tool, UnknownMessage,
};
use crate::report::text;
use crate::steps;

/// Name of the step kind that the engine itself does: it alone knows the patterns of all rules.
pub const LOG_SCAN: &str = "log-scan";
/// The step kind that looks at settings; rules over facts alone belong to it.
const CONFIG: &str = "config";
/// Clusters of unknown messages that a report carries.
const UNKNOWN_KEPT: usize = 50;

/// How far back the log counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// everything
    All,
    /// from this time on
    Time(Timestamp),
    /// seven days before the newest line
    Week,
    /// this long before the host's clock
    Ago(SignedDuration),
}

/// How far to go.
#[derive(Debug, Clone)]
pub struct Options {
    /// no step or probe above this level
    pub allowed: Level,
    /// how far back the log counts
    pub since: Since,
}

/// Examines a discovered server along a playbook.
pub fn examine(
    server: &Server<'_>,
    knowledge: &Knowledge,
    playbook: &Playbook,
    options: &Options,
    listener: &dyn Listener,
) -> Report {
    let mut run = Run {
        server,
        knowledge,
        playbook,
        options,
        listener,
        log: None,
        pattern_rules: Vec::new(),
        observations: server.log_observations.clone(),
        not_checked: server.not_checked.clone(),
    };
    let mut steps = Vec::new();
    for (index, step) in playbook.steps.iter().enumerate() {
        listener.event(&Event::StepStarted { number: index + 1, of: playbook.steps.len(), title: &step.title });
        steps.push(run.step(step));
    }
    let report = run.conclude(steps);
    listener.event(&Event::Finished);
    report
}

/// Why a step of a playbook does not apply here, if it does not; `plan` prints the same words.
pub fn reason_to_skip(step: &Step, server: &Server<'_>, allowed: Level) -> Option<String> {
    if step.level > allowed {
        return Some(format!("level {} is above the allowed level {allowed}", step.level));
    }
    if step.kind == LOG_SCAN && server.logs.is_empty() {
        return Some("no log was found".to_owned());
    }
    let has_files = |i: &Instance| i.config_known || !i.config.master.services.is_empty();
    if step.kind != LOG_SCAN && !server.instances.iter().any(has_files) {
        return Some("no configuration of Postfix was found".to_owned());
    }
    let condition = step.when.as_deref()?;
    match expr::truth(condition, &server.facts) {
        Tri::True => None,
        Tri::False => Some(format!("`{condition}` does not hold")),
        Tri::Unknown => Some(format!("`{condition}` is not known")),
    }
}

struct Run<'r> {
    server: &'r Server<'r>,
    knowledge: &'r Knowledge,
    playbook: &'r Playbook,
    options: &'r Options,
    listener: &'r dyn Listener,
    log: Option<LogScan>,
    /// for each pattern of the scan, the rule it belongs to
    pattern_rules: Vec<usize>,
    observations: Vec<Observation>,
    not_checked: Vec<NotChecked>,
}

impl Run<'_> {
    fn step(&mut self, step: &Step) -> StepReport {
        let started = Instant::now();
        let mut report = StepReport {
            id: step.id.clone(),
            title: step.title.clone(),
            level: step.level,
            result: StepResult::NotRun,
            reason: reason_to_skip(step, self.server, self.options.allowed),
            looked_at: None,
            seconds: 0.0,
        };
        if report.reason.is_none() {
            if step.kind == LOG_SCAN {
                self.scan_logs(&mut report);
            } else if let Some(kind) = steps::KINDS.iter().find(|k| k.name == step.kind) {
                let context =
                    steps::Context { server: self.server, allowed: self.options.allowed, log: self.log.as_ref() };
                let outcome = (kind.run)(&context);
                report.result =
                    if outcome.not_checked.is_empty() { StepResult::Pass } else { StepResult::Inconclusive };
                report.reason = outcome.not_checked.first().map(|n| format!("{}: {}", n.what, n.why));
                report.looked_at = outcome.looked_at;
                self.observations.extend(outcome.observations);
                self.not_checked.extend(outcome.not_checked);
            } else {
                report.result = StepResult::Error;
                report.reason = Some(format!("no step kind `{}`", step.kind));
            }
        }
        report.seconds = started.elapsed().as_secs_f64();
        report
    }

    fn scan_logs(&mut self, report: &mut StepReport) {
        let (patterns, pattern_rules) = patterns::patterns(self.knowledge, &patterns::Words::of(self.server));
        self.pattern_rules = pattern_rules;
        let options = ScanOptions {
            since: match self.options.since {
                Since::All => scan::Since::All,
                Since::Time(time) => scan::Since::At(time),
                Since::Week => scan::Since::Week,
                Since::Ago(span) => self
                    .server
                    .host
                    .now()
                    .ok()
                    .and_then(|now| now.checked_sub(span).ok())
                    .map_or(scan::Since::All, scan::Since::At),
            },
            ..ScanOptions::default()
        };
        let progress = |done, total| self.listener.event(&Event::LogProgress { done, total });
        let log = scan::scan(self.server.host, &self.server.logs, &patterns, &options, &progress);
        for (source, why) in &log.troubles {
            self.not_checked.push(NotChecked { what: source.clone(), why: why.clone(), settle: None });
        }
        // Lines of other programs say nothing about Postfix, least of all that it is well.
        report.reason = match (log.lines, log.postfix_lines) {
            (0, _) => Some("the log holds no line".to_owned()),
            (_, 0) => Some("the log holds no line of Postfix".to_owned()),
            _ => None,
        };
        report.result = if report.reason.is_some() { StepResult::Inconclusive } else { StepResult::Pass };
        report.looked_at = Some(format!("{} log lines", text::number(log.lines)));
        self.log = Some(log);
    }

    fn conclude(self, mut steps: Vec<StepReport>) -> Report {
        let world = World {
            server: self.server,
            log: self.log.as_ref().map(|l| log_facts::facts(l, self.server)).unwrap_or_default(),
        };
        let sightings =
            sighting::sightings(self.knowledge, &world, &self.pattern_rules, self.log.as_ref(), &self.observations);
        let judged = judge::judge(sightings, &world, self.log.as_ref(), self.options.allowed, self.listener);
        let findings = rank::rank(fold::fold(judged.hypotheses));
        let mut not_checked = self.not_checked;
        not_checked.extend(judged.not_checked);
        let mut seen = BTreeSet::new();
        not_checked.retain(|n| seen.insert((n.what.clone(), n.why.clone())));
        let mut ruled_out = judged.ruled_out;
        ruled_out.retain(|r| !findings.iter().any(|f| f.id == r.id));
        ruled_out.sort_by(|a, b| a.id.cmp(&b.id));
        ruled_out.dedup_by(|a, b| a.id == b.id);
        note_findings(&mut steps, self.playbook, &findings, self.knowledge);
        // People post what troubles them: unless mail is seen to flow and every problem is understood, lines that are
        // harmless by themselves do not make a healthy server.
        let enough = !self.server.host.is_post()
            || self
                .log
                .as_ref()
                .is_some_and(|log| log.unknown.is_empty() && log.deliveries.values().any(|d| d.sent > 0));
        // A command of this very host that hangs leaves a hole in what is said about it: not a word of "healthy" then.
        let hung = |why: &str| why.ends_with("timed out");
        let hole = self.server.not_checked.iter().any(|n| hung(&n.why))
            || steps.iter().any(|s| s.level == READ_ONLY && s.reason.as_deref().is_some_and(hung));
        let looked =
            enough && !hole && steps.iter().any(|s| matches!(s.result, StepResult::Pass | StepResult::Finding));
        Report {
            schema_version: 1,
            tool: Tool { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
            generated_at: Timestamp::now(),
            host: self.server.facts.clone(),
            instances: self.server.instances.iter().map(|i| instance_report(i, self.server)).collect(),
            verdict: rank::verdict(&findings, looked),
            findings,
            ruled_out,
            not_checked,
            steps,
            unknown_messages: self.log.as_ref().map(unknown_messages).unwrap_or_default(),
        }
    }
}

/// A step whose evidence led to a finding above `info` says so.
fn note_findings(steps: &mut [StepReport], playbook: &Playbook, findings: &[Finding], knowledge: &Knowledge) {
    let alarms = findings.iter().filter(|f| f.severity > Severity::Info && f.status == Status::Current);
    let ids = alarms.flat_map(|f| std::iter::once(&f.id).chain(f.explains.iter().map(|e| &e.id)));
    let rules: BTreeSet<&str> = ids.filter_map(|id| id.split('/').next()).collect();
    let triggers: Vec<&Trigger> =
        knowledge.rules.iter().filter(|r| rules.contains(r.id.as_str())).map(|r| &r.trigger).collect();
    for report in steps.iter_mut() {
        let Some(step) = playbook.steps.iter().find(|s| s.id == report.id) else { continue };
        let led_to = |trigger: &&Trigger| match trigger {
            Trigger::Log { .. } => step.kind == LOG_SCAN,
            Trigger::Observed(kind) => {
                steps::KINDS.iter().any(|k| k.name == step.kind && k.emits.iter().any(|e| e.name == *kind))
            }
            Trigger::Config(_) => step.kind == CONFIG,
        };
        if report.result != StepResult::NotRun && triggers.iter().any(led_to) {
            report.result = StepResult::Finding;
        }
    }
}

fn instance_report(instance: &Instance, server: &Server<'_>) -> InstanceReport {
    InstanceReport {
        name: instance.name.clone(),
        config_dir: instance.config_dir.clone(),
        version: instance.config.version.map(|v| format!("{}.{}.{}", v.major, v.minor, v.patch)),
        running: match (instance.master_pid, &server.processes) {
            (Some(_), _) => Some(true),
            (None, Some(_)) => Some(false),
            (None, None) => None,
        },
        started: instance.started,
        settings: instance.config.main.settings.len(),
        services: instance.config.master.services.len(),
    }
}

fn unknown_messages(log: &LogScan) -> Vec<UnknownMessage> {
    let mut clusters: Vec<_> = log.unknown.iter().collect();
    clusters.sort_by_key(|c| std::cmp::Reverse(c.count));
    clusters
        .into_iter()
        .take(UNKNOWN_KEPT)
        .map(|c| UnknownMessage {
            text: c.sample.text.clone(),
            count: c.count,
            first: c.sample.time,
            source: c.sample.source.clone(),
            line: c.sample.line,
        })
        .collect()
}
