//! `--demo`: the same on every machine, with no Postfix at hand.

use assert_cmd::Command;
use serde_json::Value;

fn postdoctor(args: &[&str]) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postdoctor"));
    let output = command.env_clear().args(args).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

#[test]
fn two_independent_faults_come_first_and_the_status_is_0() {
    let (out, status) = postdoctor(&["--demo", "--auto", "--format", "json"]);
    assert_eq!(status, 0);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["verdict"], "error");
    let findings = report["findings"].as_array().unwrap();
    let top: Vec<String> = findings[..2].iter().map(|f| format!("{} {}", f["title"], f["cause"])).collect();
    assert!(top.iter().any(|t| t.contains("8891")), "{top:?}");
    assert!(top.iter().any(|t| t.contains("resolv.conf")), "{top:?}");
    for finding in &findings[..2] {
        assert_eq!(finding["confidence"], "confirmed");
        assert!(!finding["fix"]["commands"].as_array().unwrap().is_empty());
        assert!(!finding["evidence"].as_array().unwrap().is_empty());
    }
    let alarms = findings.iter().filter(|f| f["severity"] != "info" && f["status"] == "current");
    assert_eq!(alarms.count(), 2, "the noise of a day is no alarm");
}

#[test]
fn the_text_says_what_to_type_and_has_no_escapes_in_a_pipe() {
    let (out, status) = postdoctor(&["--demo", "--auto"]);
    assert_eq!(status, 0);
    assert!(out.contains("ERROR"), "{out}");
    assert!(out.contains("confirmed"), "{out}");
    assert!(out.contains("\n  fix "), "{out}");
    assert!(!out.contains('\u{1b}'), "{out}");
}

#[test]
fn every_key_of_the_report_is_there() {
    let (out, _) = postdoctor(&["--demo", "--auto", "--format", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    for key in [
        "schema_version",
        "tool",
        "generated_at",
        "host",
        "instances",
        "verdict",
        "findings",
        "ruled_out",
        "not_checked",
        "steps",
        "unknown_messages",
    ] {
        assert!(report.get(key).is_some(), "{key}");
    }
    for key in [
        "rank",
        "id",
        "area",
        "severity",
        "confidence",
        "status",
        "title",
        "cause",
        "evidence",
        "fix",
        "explains",
        "docs",
    ] {
        assert!(report["findings"][0].get(key).is_some(), "{key}");
    }
    let ranks: Vec<u64> = report["findings"].as_array().unwrap().iter().map(|f| f["rank"].as_u64().unwrap()).collect();
    assert_eq!(ranks, (1..=ranks.len() as u64).collect::<Vec<_>>());
}
