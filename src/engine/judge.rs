//! Proof and refutation: the probes that the sightings ask for are run, once each and side by side, and the
//! causes of each rule are weighed by what they answered.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::events::{Event, Listener};
use super::expr::{self, Tri};
use super::names::{Names, ProbeFields, World};
use super::rule::{Cause, ProbeCall};
use super::sighting::Sighting;
use super::template;
use crate::evidence::{Evidence, Level, NotChecked};
use crate::logs::scan::LogScan;
use crate::probes;
use crate::report::model::{Confidence, Fix, Rival, RuledOut, Severity, Status};

/// Probes that run at once. They wait for the network far more than they compute.
const WORKERS: usize = 8;
/// Time for all probes of a run together; what has not begun by then is not run, and said so.
const BUDGET: Duration = Duration::from_secs(40);

/// A sighting with its cause, as far as one could be told.
#[derive(Debug, Clone)]
pub struct Hypothesis<'k> {
    /// what was seen
    pub sighting: Sighting<'k>,
    /// the chosen cause; none: unexplained symptom
    pub cause: Option<&'k Cause>,
    /// how sure
    pub confidence: Confidence,
    /// how bad
    pub severity: Severity,
    /// whether it still holds
    pub status: Status,
    /// title, rendered
    pub title: String,
    /// cause in words, rendered
    pub text: String,
    /// what to do, rendered
    pub fix: Fix,
    /// what was seen, by the trigger and by the probes
    pub evidence: Vec<Evidence>,
    /// what else fits
    pub rivals: Vec<Rival>,
    /// what would make it sure
    pub to_be_sure: Option<String>,
}

/// What judging brought.
#[derive(Debug, Default)]
pub struct Judged<'k> {
    /// one for each sighting
    pub hypotheses: Vec<Hypothesis<'k>>,
    /// causes that were refuted
    pub ruled_out: Vec<RuledOut>,
    /// what probes could not look at
    pub not_checked: Vec<NotChecked>,
}

/// Runs the probes and weighs the causes of all sightings.
pub fn judge<'k>(
    sightings: Vec<Sighting<'k>>,
    world: &World<'_>,
    log: Option<&LogScan>,
    allowed: Level,
    listener: &dyn Listener,
) -> Judged<'k> {
    let mut calls: Vec<Planned<'_>> = Vec::new();
    let mut wanted: Vec<Vec<(String, usize)>> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for sighting in &sightings {
        let names = Names::of(world, sighting, None);
        wanted.push(
            sighting
                .rule
                .probes
                .iter()
                .map(|call| (call.name.clone(), plan(call, sighting, &names, &mut calls, &mut known)))
                .collect(),
        );
    }
    if !calls.is_empty() {
        listener.event(&Event::Probing { count: calls.len() });
    }
    let outcomes = run_all(&calls, world, log, allowed);

    let mut judged = Judged::default();
    for outcome in &outcomes {
        judged.not_checked.extend(outcome.not_checked.iter().cloned());
    }
    for (sighting, wanted) in sightings.into_iter().zip(wanted) {
        let mut fields = ProbeFields::new();
        let mut evidence = sighting.evidence.clone();
        for (name, index) in wanted {
            fields.insert(name, outcomes[index].fields.clone());
            evidence.extend(outcomes[index].evidence.iter().cloned());
        }
        let hypothesis = weigh(sighting, world, &fields, evidence, &mut judged.ruled_out);
        judged.hypotheses.push(hypothesis);
    }
    judged
}

/// A probe with its arguments filled in.
struct Planned<'c> {
    kind: &'c str,
    args: probes::Args,
    instance: Option<usize>,
    service: Option<usize>,
}

/// Adds the call unless the same one is planned already; returns its index.
fn plan<'c>(
    call: &'c ProbeCall,
    sighting: &Sighting<'_>,
    names: &Names<'_>,
    calls: &mut Vec<Planned<'c>>,
    known: &mut BTreeMap<String, usize>,
) -> usize {
    // An argument that is not known is left out: the probe then answers what it can without it.
    let filled =
        |text: &String| Some(template::render(text, names)).filter(template::Rendered::complete).map(|r| r.text);
    let args: probes::Args = call.args.iter().filter_map(|(k, v)| Some((k.clone(), filled(v)?))).collect();
    let key = format!("{} {args:?} {:?} {:?}", call.kind, sighting.instance, sighting.service);
    *known.entry(key).or_insert_with(|| {
        calls.push(Planned { kind: &call.kind, args, instance: sighting.instance, service: sighting.service });
        calls.len() - 1
    })
}

fn run_all(calls: &[Planned<'_>], world: &World<'_>, log: Option<&LogScan>, allowed: Level) -> Vec<probes::Outcome> {
    let results: Vec<Mutex<probes::Outcome>> = calls.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(calls.len()) {
            scope.spawn(|| {
                while let Some(call) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let index = calls.iter().position(|c| std::ptr::eq(c, call)).unwrap_or_default();
                    let outcome = if started.elapsed() < BUDGET {
                        run_one(call, world, log, allowed)
                    } else {
                        skipped(call, "no time left for more probes", None)
                    };
                    if let Ok(mut place) = results[index].lock() {
                        *place = outcome;
                    }
                }
            });
        }
    });
    results.into_iter().map(|r| r.into_inner().unwrap_or_default()).collect()
}

fn run_one(call: &Planned<'_>, world: &World<'_>, log: Option<&LogScan>, allowed: Level) -> probes::Outcome {
    let Some(kind) = probes::KINDS.iter().find(|k| k.name == call.kind) else {
        return skipped(call, "no such probe", None);
    };
    if kind.level > allowed {
        return skipped(call, "above the allowed level", Some(format!("postdoctor --auto --allow {}", kind.level)));
    }
    if let Some((missing, _)) = kind.args.iter().find(|(name, must)| *must && !call.args.contains_key(*name)) {
        return skipped(call, &format!("`{missing}` is not known"), None);
    }
    let context = probes::Context {
        server: world.server,
        instance: call.instance.map(|i| &world.server.instances[i]),
        service: call.service,
        allowed,
        log,
    };
    (kind.run)(&context, &call.args)
}

fn skipped(call: &Planned<'_>, why: &str, settle: Option<String>) -> probes::Outcome {
    let args = call.args.values().map(String::as_str).collect::<Vec<_>>().join(" ");
    let what = format!("{} {args}", call.kind).trim_end().to_owned();
    probes::Outcome {
        not_checked: vec![NotChecked { what, why: why.to_owned(), settle }],
        ..probes::Outcome::default()
    }
}

fn weigh<'k>(
    sighting: Sighting<'k>,
    world: &World<'_>,
    probed: &ProbeFields,
    evidence: Vec<Evidence>,
    ruled_out: &mut Vec<RuledOut>,
) -> Hypothesis<'k> {
    let rule = sighting.rule;
    let names = Names::of(world, &sighting, Some(probed));
    let say = |text: &str| template::render(text, &names).text;
    let holds = |condition: &Option<String>| condition.as_deref().map_or(Tri::Unknown, |c| expr::truth(c, &names));

    let mut winner = None;
    let mut open: Vec<&'k Cause> = Vec::new();
    let mut refuted = 0;
    for cause in &rule.causes {
        if holds(&cause.refuted_when) == Tri::True {
            refuted += 1;
            let why = "a probe or the configuration speaks against it".to_owned();
            ruled_out.push(RuledOut { id: format!("{}/{}", rule.id, cause.id), cause: say(&cause.cause), why });
            continue;
        }
        match holds(&cause.when) {
            Tri::True => {
                winner = Some(cause);
                break;
            }
            // Not this one; it was asked for with this very sighting in mind, so it counts as refuted.
            Tri::False => refuted += 1,
            Tri::Unknown => open.push(cause),
        }
    }
    // A cause without a condition is worded to stand alone; one whose condition is unknown claims what was not seen.
    open.sort_by_key(|cause| cause.when.is_some());
    let (cause, confidence) = match (winner, open.first()) {
        (Some(cause), _) => (Some(cause), cause.confidence),
        (None, Some(cause)) => (Some(*cause), Confidence::Likely),
        (None, None) => (None, Confidence::Possible),
    };
    let all_refuted = cause.is_none() && refuted > 0 && !rule.probes.is_empty();
    let rivals = if winner.is_some() { &[][..] } else { open.get(1..).unwrap_or_default() };
    let rivals = rivals
        .iter()
        .map(|c| Rival { id: format!("{}/{}", rule.id, c.id), cause: say(&c.cause), fix: commands(&c.fix, &names) })
        .collect();
    let title = say(cause.and_then(|c| c.title.as_deref()).unwrap_or(&rule.title));
    let text = cause.map_or_else(|| say(&rule.meaning), |c| say(&c.cause));
    let fix = cause.map_or_else(Fix::default, |c| Fix {
        summary: say(&c.summary),
        commands: commands(&c.fix, &names),
        verify: say(&c.verify),
    });
    let to_be_sure = (winner.is_none()).then(|| rule.look_at.first().map(|l| say(l))).flatten();
    let severity = cause.and_then(|c| c.severity).unwrap_or(rule.severity);
    let proven = winner.is_some() && confidence == Confidence::Confirmed;
    let status = status(&sighting, all_refuted, proven, world);
    Hypothesis { sighting, cause, confidence, severity, status, title, text, fix, evidence, rivals, to_be_sure }
}

/// Fix lines; one that would print an unknown value is left out, since nobody can type it.
fn commands(lines: &[String], names: &Names<'_>) -> Vec<String> {
    lines
        .iter()
        .map(|l| template::render_command(l, names))
        .filter(template::Rendered::complete)
        .map(|r| r.text)
        .collect()
}

/// Trouble seen only before the last start of its instance, with every probed cause refuted now, has ended.
/// Without a probe, silence for a while is needed: a symptom needs traffic to show itself.
fn status(sighting: &Sighting<'_>, all_refuted: bool, proven: bool, world: &World<'_>) -> Status {
    const SILENCE_MINUTES: i64 = 30;
    if sighting.order.is_none() || sighting.after_last_start {
        return Status::Current;
    }
    let now = world.server.host.now().ok();
    let minutes_since = |time| Some(now?.duration_since(time?).as_mins());
    let started = sighting.instance.and_then(|i| world.server.instances[i].started);
    let long_running = minutes_since(started).is_some_and(|m| m >= SILENCE_MINUTES);
    let long_ago = !proven && minutes_since(sighting.last).is_some_and(|m| m >= 2 * SILENCE_MINUTES);
    if all_refuted || long_running || long_ago { Status::Resolved } else { Status::Current }
}
