//! Compares a report with what a case expects. Also used for the folders of `tests/hosts`.

use std::path::Path;

use postdoctor::report::model::{Finding, Report, Severity};
use regex::{Regex, RegexBuilder};

use super::case::{Case, Wanted};

/// What was found, in a few words, and what is wrong about it.
pub(crate) fn compare(case: &Case, out: &Path) -> (String, Vec<String>) {
    let read = |name: &str| String::from_utf8_lossy(&std::fs::read(out.join(name)).unwrap_or_default()).into_owned();
    let shown = read("mail.log") + &read("lab.log");
    let mut trouble = case
        .expect
        .shows
        .iter()
        .filter(|wanted| !regex(wanted).is_match(&shown))
        .map(|wanted| format!("the case does not show its symptom: {wanted}"))
        .collect::<Vec<_>>();
    let stdout = read("stdout");
    let status = read("status").trim().to_owned();
    let report: Report = match serde_json::from_str(&stdout) {
        Ok(report) => report,
        Err(error) => {
            trouble.push(format!("no report (status {status}): {error}: {}", read("stderr").trim()));
            return (String::from("-"), trouble);
        }
    };
    if case.kind.is_healthy() {
        trouble.extend(alarms(&report, &status));
    } else {
        trouble.extend(judge(&report, &case.expect.top, case.expect.also.as_ref()));
        trouble.extend(wrong_status(&status, &case.expect.top));
    }
    (summary(&report), trouble)
}

/// The ids of the findings, the first ones in full.
pub(crate) fn summary(report: &Report) -> String {
    if report.findings.is_empty() {
        return String::from("(nothing)");
    }
    report.findings.iter().take(4).map(|f| format!("{:?} {}", f.severity, f.id)).collect::<Vec<_>>().join(", ")
}

/// The exit status of a sick server.
pub(crate) fn wrong_status(status: &str, top: &Wanted) -> Option<String> {
    let right = if top.harmless { &["0", "1", "2"][..] } else { &["1", "2"] };
    (!right.contains(&status)).then(|| format!("exit status {status}, expected {}", right.join(" or ")))
}

/// What a healthy server must not have.
pub(crate) fn alarms(report: &Report, status: &str) -> Vec<String> {
    let mut trouble = report
        .findings
        .iter()
        .filter(|f| f.severity > Severity::Info)
        .map(|f| format!("false alarm: {:?} {}: {}", f.severity, f.id, f.title))
        .collect::<Vec<_>>();
    if status != "0" {
        trouble.push(format!("exit status {status}, expected 0"));
    }
    trouble
}

/// What is wrong about the findings of a sick server.
pub(crate) fn judge(report: &Report, top: &Wanted, also: Option<&Wanted>) -> Vec<String> {
    let Some(first) = report.findings.first() else { return vec!["nothing was found".to_owned()] };
    let mut trouble = lacks(first, top);
    if first.severity == Severity::Info && !top.harmless {
        trouble.push("the first finding is only info".to_owned());
    }
    if first.evidence.is_empty() {
        trouble.push(format!("{} shows no evidence", first.id));
    }
    if let Some(also) = also
        && !report.findings.iter().any(|finding| lacks(finding, also).is_empty())
    {
        trouble.push(format!("the second cause is not named: {also:?}"));
    }
    trouble
}

fn lacks(finding: &Finding, wanted: &Wanted) -> Vec<String> {
    let mut trouble = Vec::new();
    let matches_id = |id: &String| finding.id == *id || finding.id.starts_with(&format!("{id}/"));
    if !wanted.id.is_empty() && !wanted.id.iter().any(matches_id) {
        trouble.push(format!("expected {}, got {}: {}", wanted.id.join(" or "), finding.id, finding.title));
    }
    let evidence = finding.evidence.iter().map(|e| format!("{} {}", e.source, e.text)).collect::<Vec<_>>().join("\n");
    let parts = [
        ("title and cause", format!("{}\n{}", finding.title, finding.cause), &wanted.says),
        ("evidence", evidence, &wanted.evidence),
        ("fix", format!("{}\n{}", finding.fix.summary, finding.fix.commands.join("\n")), &wanted.fix),
    ];
    for (what, text, patterns) in parts {
        for pattern in patterns {
            if !regex(pattern).is_match(&text) {
                trouble.push(format!("{} lacks /{pattern}/ in the {what}: {}", finding.id, text.replace('\n', " | ")));
            }
        }
    }
    trouble
}

fn regex(pattern: &str) -> Regex {
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .multi_line(true)
        .build()
        .unwrap_or_else(|e| panic!("{pattern}: {e}"))
}
