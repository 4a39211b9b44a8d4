//! The order of findings: what is current before what has ended, the severe before the harmless, causes
//! before symptoms, the sure before the guessed, and among rivals the earlier, as DEBUG_README advises.

use std::cmp::Reverse;

use super::fold::Folded;
use crate::evidence::Evidence;
use crate::report::model::{Confidence, Explained, Finding, Severity, Status, Verdict};

/// Kept evidence of a finding; the first pieces are the trigger's own.
const EVIDENCE: usize = 12;
/// Findings of one cause that are told one by one; more are one finding with a count.
const ALIKE: usize = 3;

/// Findings in order, ranks filled in.
pub fn rank(folded: Vec<Folded<'_>>) -> Vec<Finding> {
    let mut sorted = folded;
    sorted.sort_by_key(|f| {
        let top = &f.top;
        (
            top.status == Status::Resolved,
            Reverse(top.severity),
            top.sighting.rule.consequence,
            top.cause.is_none(),
            Reverse(top.confidence == Confidence::Confirmed),
            Reverse(!f.explains.is_empty()),
            // Noise goes on for ever; what came with the last start may be what is asked about.
            top.severity == Severity::Info && !top.sighting.after_last_start,
            Reverse(top.confidence),
            top.sighting.order.unwrap_or(0),
        )
    });
    let mut findings: Vec<Finding> = Vec::new();
    for folded in sorted {
        let finding = finding(folded);
        let alike: Vec<usize> = findings
            .iter()
            .enumerate()
            .filter(|(_, f)| f.id == finding.id && f.status == finding.status)
            .map(|(i, _)| i)
            .collect();
        let same_title = alike.iter().copied().find(|&i| findings[i].title == finding.title);
        match same_title.or_else(|| alike.last().copied().filter(|_| alike.len() >= ALIKE)) {
            Some(at) => absorb(&mut findings[at], finding),
            None => findings.push(finding),
        }
    }
    for (index, finding) in findings.iter_mut().enumerate() {
        finding.rank = index + 1;
    }
    findings
}

/// The verdict: the worst of what is current.
pub fn verdict(findings: &[Finding], examined: bool) -> Verdict {
    let worst = findings.iter().filter(|f| f.status == Status::Current).map(|f| f.severity).max();
    match worst {
        Some(Severity::Critical) => Verdict::Critical,
        Some(Severity::Error) => Verdict::Error,
        Some(Severity::Warning) => Verdict::Warning,
        _ if !examined => Verdict::Incomplete,
        _ => Verdict::Healthy,
    }
}

fn finding(folded: Folded<'_>) -> Finding {
    let Folded { top, explains } = folded;
    let rule = top.sighting.rule;
    // The symptom that people know comes first, then what proves the cause, then the other symptoms.
    let mut symptoms = explains.iter().filter_map(|e| e.evidence.first().cloned());
    let mut evidence: Vec<Evidence> = symptoms.next().into_iter().chain(top.evidence).collect();
    evidence.extend(symptoms);
    evidence.truncate(EVIDENCE);
    let mut explained: Vec<Explained> = Vec::new();
    for symptom in &explains {
        let id = id(symptom.sighting.rule.id.as_str(), symptom.cause.map(|c| c.id.as_str()));
        match explained.iter_mut().find(|e| e.id == id) {
            Some(known) => known.count += symptom.sighting.count,
            None => explained.push(Explained { id, title: symptom.title.clone(), count: symptom.sighting.count }),
        }
    }
    let times = || std::iter::once(&top.sighting).chain(explains.iter().map(|e| &e.sighting));
    Finding {
        rank: 0,
        id: id(&rule.id, top.cause.map(|c| c.id.as_str())),
        area: rule.area.clone(),
        severity: top.severity,
        confidence: top.confidence,
        status: top.status,
        title: top.title,
        cause: top.text,
        evidence,
        fix: top.fix,
        docs: rule.docs.iter().map(|d| address(d)).collect(),
        rivals: top.rivals,
        to_be_sure: top.to_be_sure,
        first: times().filter_map(|s| s.first).min(),
        last: times().filter_map(|s| s.last).max(),
        count: top.sighting.count,
        scope: top.sighting.scope.clone(),
        explains: explained,
    }
}

fn id(rule: &str, cause: Option<&str>) -> String {
    cause.map_or_else(|| rule.to_owned(), |c| format!("{rule}/{c}"))
}

/// The full address of a document that a rule names by its file.
pub(super) fn address(doc: &str) -> String {
    if doc.contains("://") { doc.to_owned() } else { format!("https://www.postfix.org/{doc}") }
}

fn absorb(into: &mut Finding, other: Finding) {
    into.count += other.count;
    into.first = [into.first, other.first].into_iter().flatten().min();
    into.last = [into.last, other.last].into_iter().flatten().max();
    let room = EVIDENCE.saturating_sub(into.evidence.len());
    into.evidence.extend(other.evidence.into_iter().take(room));
    if into.title != other.title {
        let alike = format!("also: {}", other.title);
        match into.explains.iter_mut().find(|e| e.title == alike) {
            Some(known) => known.count += other.count,
            None => into.explains.push(Explained { id: other.id, title: alike, count: other.count }),
        }
    }
    into.explains.extend(other.explains);
}
