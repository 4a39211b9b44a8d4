//! What folds under what, told on hand-made hypotheses.

use super::fold::{Folded, fold};
use super::judge::Hypothesis;
use super::rank::rank;
use super::rule::{Cause, Rule, Trigger};
use super::sighting::Sighting;
use crate::evidence::{Fields, Scope};
use crate::report::model::{Confidence, Fix, Severity, Status};

fn rule(id: &str, area: &str, explains: &[&str]) -> Rule {
    Rule {
        id: id.to_owned(),
        area: area.to_owned(),
        severity: Severity::Error,
        title: id.to_owned(),
        meaning: String::new(),
        trigger: Trigger::Observed("x".to_owned()),
        when: None,
        key: Vec::new(),
        probes: Vec::new(),
        consequence: false,
        follows: Vec::new(),
        explains: explains.iter().map(|s| (*s).to_owned()).collect(),
        look_at: Vec::new(),
        docs: vec!["DEBUG_README.html".to_owned()],
        examples: Vec::new(),
        near_misses: Vec::new(),
        causes: vec![Cause {
            id: "it".to_owned(),
            when: None,
            refuted_when: None,
            confidence: Confidence::Confirmed,
            title: None,
            severity: None,
            cause: String::new(),
            summary: String::new(),
            fix: Vec::new(),
            verify: String::new(),
            explains: Vec::new(),
        }],
        defined_at: String::new(),
    }
}

/// A log symptom at this place of the log; `order` none: a state.
fn seen(rule: &Rule, order: Option<u64>, confidence: Confidence) -> Hypothesis<'_> {
    Hypothesis {
        sighting: Sighting {
            rule,
            fields: Fields::new(),
            instance: None,
            service: None,
            scope: Scope::default(),
            pids: Vec::new(),
            tags: Vec::new(),
            evidence: Vec::new(),
            first: None,
            last: None,
            count: 1,
            order,
            after_last_start: true,
        },
        cause: rule.causes.first(),
        confidence,
        severity: rule.severity,
        status: Status::Current,
        title: rule.title.clone(),
        text: String::new(),
        fix: Fix::default(),
        evidence: Vec::new(),
        rivals: Vec::new(),
        to_be_sure: None,
    }
}

fn tops(folded: &[Folded<'_>]) -> Vec<String> {
    folded.iter().map(|f| f.top.title.clone()).collect()
}

#[test]
fn a_state_takes_the_severity_of_the_symptom_it_explains() {
    let mut cause = rule("jail", "chroot", &["area:dns"]);
    cause.severity = Severity::Warning;
    let symptom = rule("no-mx", "dns", &[]);
    let folded = fold(vec![seen(&symptom, Some(7), Confidence::Likely), seen(&cause, None, Confidence::Likely)]);
    assert_eq!(tops(&folded), ["jail"]);
    assert_eq!(folded[0].top.severity, Severity::Error);
    assert_eq!(folded[0].top.confidence, Confidence::Confirmed);
    assert_eq!(folded[0].explains[0].title, "no-mx");
}

#[test]
fn a_claim_by_area_yields_to_a_proven_cause() {
    let guess = rule("jail", "chroot", &["area:dns"]);
    let proven = rule("zone-broken", "dns", &[]);
    let folded = fold(vec![seen(&guess, None, Confidence::Confirmed), seen(&proven, Some(7), Confidence::Confirmed)]);
    assert_eq!(folded.len(), 2);
}

#[test]
fn a_later_line_is_no_cause() {
    let late = rule("late", "x", &["early"]);
    let early = rule("early", "x", &[]);
    let folded = fold(vec![seen(&early, Some(3), Confidence::Likely), seen(&late, Some(9), Confidence::Likely)]);
    assert_eq!(folded.len(), 2);
}

#[test]
fn a_consequence_folds_under_the_earlier_line_of_its_process() {
    let mut throttled = rule("throttled", "process", &[]);
    throttled.consequence = true;
    let (fatal, other) = (rule("fatal", "config", &[]), rule("other", "tls", &[]));
    let mut own = seen(&fatal, Some(2), Confidence::Likely);
    own.sighting.pids = vec![42];
    let mut consequence = seen(&throttled, Some(5), Confidence::Likely);
    consequence.sighting.pids = vec![42];
    let folded = fold(vec![consequence, seen(&other, Some(4), Confidence::Confirmed), own]);
    let parent = folded.iter().find(|f| !f.explains.is_empty()).expect("something explains it");
    assert_eq!(parent.top.title, "fatal");
}

#[test]
fn a_consequence_that_nothing_explains_stays() {
    let mut throttled = rule("throttled", "process", &[]);
    throttled.consequence = true;
    assert_eq!(tops(&fold(vec![seen(&throttled, Some(5), Confidence::Likely)])), ["throttled"]);
}

#[test]
fn two_that_claim_each_other_do_not_vanish() {
    let (a, b) = (rule("a", "x", &["b"]), rule("b", "x", &["a"]));
    assert_eq!(fold(vec![seen(&a, Some(1), Confidence::Likely), seen(&b, Some(2), Confidence::Likely)]).len(), 1);
    let (a, b, c) = (rule("a", "x", &["b"]), rule("b", "x", &["c"]), rule("c", "x", &["a"]));
    let all = vec![
        seen(&a, None, Confidence::Likely),
        seen(&b, None, Confidence::Likely),
        seen(&c, None, Confidence::Likely),
    ];
    assert_eq!(fold(all).len(), 1);
}

#[test]
fn the_severe_come_first_then_the_earlier() {
    let (early, late, mut bad) = (rule("early", "x", &[]), rule("late", "x", &[]), rule("bad", "x", &[]));
    bad.severity = Severity::Critical;
    let folded = fold(vec![
        seen(&late, Some(9), Confidence::Likely),
        seen(&early, Some(3), Confidence::Likely),
        seen(&bad, Some(20), Confidence::Likely),
    ]);
    let order: Vec<String> = rank(folded).into_iter().map(|f| f.id).collect();
    assert_eq!(order, ["bad/it", "early/it", "late/it"]);
}

#[test]
fn many_of_one_cause_are_one_finding() {
    let rules: Vec<Rule> =
        (0..6).map(|n| Rule { title: format!("peer {n}"), ..rule("refused", "network", &[]) }).collect();
    let all = rules.iter().enumerate().map(|(n, r)| seen(r, Some(n as u64), Confidence::Likely)).collect();
    let findings = rank(fold(all));
    assert_eq!(findings.len(), 3);
    assert_eq!(findings.iter().map(|f| f.count).sum::<u64>(), 6);
}

/// A line at this second after noon, logged by this process.
fn logged<'k>(rule: &'k Rule, second: i64, tag: &str, pid: u32, text: &str) -> Hypothesis<'k> {
    let mut h = seen(rule, Some(second.unsigned_abs()), Confidence::Likely);
    let time = jiff::Timestamp::from_second(1_795_435_200 + second).ok();
    h.sighting.first = time;
    h.sighting.last = time;
    h.sighting.tags = vec![tag.to_owned()];
    h.sighting.pids = vec![pid];
    h.sighting.evidence = vec![crate::evidence::Evidence::new("log", format!("{tag}[{pid}]: {text}"))];
    h
}

fn consequence(id: &str, follows: &[&str]) -> Rule {
    let mut rule = rule(id, "process", &[]);
    rule.consequence = true;
    rule.follows = follows.iter().map(|s| (*s).to_owned()).collect();
    rule
}

/// The title of what the finding with this title folded under; none: it stands on top.
fn parent<'f>(folded: &'f [Folded<'_>], title: &str) -> Option<&'f str> {
    folded.iter().find(|f| f.explains.iter().any(|e| e.title == title)).map(|f| f.top.title.as_str())
}

#[test]
fn the_end_of_a_process_follows_from_its_own_last_line() {
    let (fatal, trap) = (rule("bad-value", "config", &[]), rule("aliases", "tables", &[]));
    let throttled = consequence("throttled", &["{path}"]);
    let mut end = logged(&throttled, 3, "postfix/master", 1, "warning: process /x/smtpd pid 741 exit status 1");
    end.sighting.fields.insert("path".into(), "/x/smtpd".into());
    let folded = fold(vec![
        logged(&fatal, 1, "postfix/smtpd", 741, "fatal: bad numerical configuration"),
        logged(&trap, 2, "postfix/local", 9, "fatal: open database"),
        end,
    ]);
    assert_eq!(parent(&folded, "throttled"), Some("bad-value"));
}

#[test]
fn who_blames_another_is_not_to_blame_itself() {
    let (broken, own) = (rule("broken-table", "tables", &[]), rule("no-certificate", "tls", &[]));
    let silent = consequence("no-answer", &["{name}"]);
    let mut symptom = logged(&silent, 9, "postfix/smtpd", 5, "warning: problem talking to service rewrite: Success");
    symptom.sighting.fields.insert("name".into(), "rewrite".into());
    let folded = fold(vec![
        logged(&broken, 1, "postfix/trivial-rewrite", 4, "fatal: open table"),
        logged(&own, 8, "postfix/smtpd", 5, "error: cannot load certificate"),
        symptom.clone(),
    ]);
    assert_eq!(parent(&folded, "no-answer"), Some("broken-table"));
    // Without a line of the one it blames, an unrelated error is no cause.
    let folded = fold(vec![logged(&own, 8, "postfix/local", 7, "error: cannot load certificate"), symptom]);
    assert_eq!(parent(&folded, "no-answer"), None);
}

#[test]
fn what_was_long_before_is_no_cause_where_only_time_connects() {
    let error = rule("aliases", "tables", &[]);
    let refused = consequence("refused", &[]);
    let of = |second| logged(&error, second, "postfix/local", 9, "error: open database");
    let symptom = logged(&refused, 5000, "postfix/smtpd", 5, "451 4.3.5 Server configuration problem");
    assert_eq!(parent(&fold(vec![of(1), symptom.clone()]), "refused"), None);
    assert_eq!(parent(&fold(vec![of(4990), symptom]), "refused"), Some("aliases"));
}

#[test]
fn a_consequence_leads_to_its_cause_over_another_one() {
    let (fatal, trap) = (rule("no-table", "tables", &[]), rule("no-certificate", "tls", &[]));
    let (silent, waits) = (consequence("no-answer", &["{name}"]), consequence("mail-waits", &["qmgr"]));
    let mut between = logged(&silent, 3, "postfix/qmgr", 3, "warning: transport smtp failure");
    between.sighting.fields.insert("name".into(), "smtp".into());
    let folded = fold(vec![
        logged(&fatal, 1, "postfix/smtp", 77, "fatal: open database"),
        logged(&trap, 2, "postfix/smtpd", 9, "warning: cannot get certificate"),
        between,
        logged(&waits, 4, "postfix/error", 8, "status=deferred (unknown mail transport error)"),
    ]);
    assert_eq!(parent(&folded, "mail-waits"), Some("no-table"));
    assert_eq!(parent(&folded, "no-answer"), Some("no-table"));
}

#[test]
fn death_by_a_signal_folds_under_the_panic_before_it() {
    let (panic, died) = (rule("panic", "crash", &[]), rule("crashed", "crash", &[]));
    let folded = fold(vec![
        logged(&panic, 1, "postfix/anvil", 70, "panic: bad connection count"),
        logged(&died, 2, "postfix/master", 1, "warning: process /x/anvil pid 70 killed by signal 6"),
        logged(&died, 3, "postfix/master", 1, "warning: process /x/smtpd pid 71 killed by signal 11"),
    ]);
    assert_eq!(tops(&folded).len(), 2);
    assert_eq!(parent(&folded, "crashed"), Some("panic"));
}
