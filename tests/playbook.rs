//! What somebody sees who writes playbooks and rules.

use assert_cmd::cargo::cargo_bin_cmd;
use insta::assert_snapshot;
use postdoctor::engine::diagnostic::{SourceFile, render_all};
use postdoctor::engine::rule::Knowledge;
use postdoctor::engine::{expr, load, selftest, template};
use postdoctor::evidence::Fields;
use proptest::prelude::*;

/// Loads one file of an administrator.
fn load(text: &str) -> (Knowledge, String) {
    let (knowledge, diagnostics) = load::load(&[SourceFile::new("site.toml", text, 1)]);
    (knowledge, render_all(&diagnostics, false))
}

fn errors(text: &str) -> String {
    load(text).1
}

const GOOD: &str = r#"
[[rule]]
id = "site-milter"
area = "milter"
severity = "error"
log = 'warning: connect to Milter service (?<endpoint>\S+): (?<why>.+)'
program = ["smtpd", "cleanup"]
title = "Postfix cannot reach the milter at {endpoint}"
meaning = "It asks every milter about every message."
docs = ["MILTER_README.html#workarounds", "https://example.com/milter"]
probe = { kind = "endpoint", address = "{endpoint}", as = "ep" }
example = 'postfix/smtpd[1]: warning: connect to Milter service inet:localhost:8891: Connection refused'
near_miss = ['postfix/smtpd[1]: warning: milter inet:localhost:8891: unreasonable packet length']

  [[rule.cause]]
  id = "nothing-listens"
  when = 'ep.refused and not ep.listening and count > 1 and why is startingwith("Connection")'
  cause = "Nothing listens on {endpoint}; {ep.unit} is {ep.unit_state}. {{sic}}"
  fix = ["systemctl start {ep.unit}"]
"#;

#[test]
fn a_good_rule_is_loaded() {
    let (knowledge, shown) = load(GOOD);
    assert_eq!(shown, "");
    let rule = &knowledge.rules[0];
    assert_eq!(rule.defined_at, "site.toml:2");
    assert_eq!(rule.causes[0].fix, ["systemctl start {ep.unit}"]);
    assert!(selftest::run(&knowledge).iter().all(|tried| tried.failure.is_none()));
}

#[test]
fn all_errors_of_a_file_are_shown_at_once() {
    assert_snapshot!(errors(
        r#"
[[rule]]
id = "site-relay"
area = "relay"
severity = "eror"
tittle = "x"
log = 'status=deferred \((?<why>.+'
title = "Relay {relai} refuses: {why}"
docs = ["somewhere"]
example = 'no tag here'
explains = ["site-rely", "area:rela"]

[[rule]]
id = "site-count"
area = "relay"
severity = "warning"
title = "Often: {host}"
log = '(?<host_name>\S+) refused'
when = 'count > "3"'
example = 'postfix/smtp[1]: a.example accepted'
near_miss = 'postfix/smtp[1]: a.example refused'
probe = { kind = "endpont", address = "{hostname}", as = "ep" }

  [[rule.cause]]
  id = "a"
  when = 'hots.kind == "live" and host_name'
  cause = "{ep.whatever} is fine: the probe is wrong already"
  confidence = "sure"

  [[rule.cause]]
  id = "a"
  when = 'lenght(host_name) > 3 and (host_name == 1'
"#
    ), @r#"
    error: the rule `site-relay` has no `near_miss`
     --> site.toml:2:1
      |
    2 | [[rule]]
      | ^^^^^^^^ a rule with `log` shows a line that it matches and one that it does not
    error: `severity` cannot be `eror`
     --> site.toml:5:12
      |
    5 | severity = "eror"
      |            ^^^^^^ did you mean `error`?
    error: a rule has no key `tittle`
     --> site.toml:6:1
      |
    6 | tittle = "x"
      | ^^^^^^ did you mean `title`?
    error: bad regular expression: unclosed group
     --> site.toml:7:26
      |
    7 | log = 'status=deferred \((?<why>.+'
      |                          ^
    error: `somewhere` is neither a Postfix document nor an address
     --> site.toml:9:9
      |
    9 | docs = ["somewhere"]
      |         ^^^^^^^^^^^ write `MILTER_README.html#workarounds` or `https://…`
    error: a log line of a rule begins with its program
      --> site.toml:10:11
       |
    10 | example = 'no tag here'
       |           ^^^^^^^^^^^^^ write `postfix/smtpd[1]: …`
    error: `explains` names an unknown rule `site-rely`
      --> site.toml:11:13
       |
    11 | explains = ["site-rely", "area:rela"]
       |             ^^^^^^^^^^^ did you mean `site-relay`?
    error: `explains` names an unknown area `rela`
      --> site.toml:11:26
       |
    11 | explains = ["site-rely", "area:rela"]
       |                          ^^^^^^^^^^^ did you mean `area:relay`?
    error: `host` is a group of facts, not a value
      --> site.toml:17:17
       |
    17 | title = "Often: {host}"
       |                 ^^^^^^ it has apparmor, clock_synchronized, container, cpus, euid, family, init, kind, load_percent, memory_free_mb, … (`postdoctor playbook schema` lists all)
    error: a number is compared with a text
      --> site.toml:19:9
       |
    19 | when = 'count > "3"'
       |         ^^^^^^^^^^^ a number has no quotes; `int(…)` makes a number of a text
    error: rule `site-count`: the example is not matched by the pattern
      --> site.toml:20:11
       |
    20 | example = 'postfix/smtp[1]: a.example accepted'
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    error: rule `site-count`: the near miss is matched by the pattern
      --> site.toml:21:13
       |
    21 | near_miss = 'postfix/smtp[1]: a.example refused'
       |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    error: unknown probe kind `endpont`
      --> site.toml:22:18
       |
    22 | probe = { kind = "endpont", address = "{hostname}", as = "ep" }
       |                  ^^^^^^^^^ did you mean `endpoint`?
    error: unknown name `hostname`
      --> site.toml:22:40
       |
    22 | probe = { kind = "endpont", address = "{hostname}", as = "ep" }
       |                                        ^^^^^^^^^^ did you mean `host.name`?
    error: unknown fact `hots.kind`
      --> site.toml:26:11
       |
    26 |   when = 'hots.kind == "live" and host_name'
       |           ^^^^^^^^^ did you mean `host.kind`?
    error: here stands a text, not a yes-or-no value
      --> site.toml:26:35
       |
    26 |   when = 'hots.kind == "live" and host_name'
       |                                   ^^^^^^^^^ compare it: `… != ""`
    error: `confidence` cannot be `sure`
      --> site.toml:28:16
       |
    28 |   confidence = "sure"
       |                ^^^^^^ one of confirmed, likely, possible
    error: this cause has no `cause`
      --> site.toml:30:3
       |
    30 |   [[rule.cause]]
       |   ^^^^^^^^^^^^^^ the cause in words
    error: this rule has a cause `a` already
      --> site.toml:31:8
       |
    31 |   id = "a"
       |        ^^^
    error: unexpected end of input, expected `)`
      --> site.toml:32:51
       |
    32 |   when = 'lenght(host_name) > 3 and (host_name == 1'
       |                                                   ^
    20 errors; the file is not used
    "#);
}

#[test]
fn types_are_checked() {
    let cause = |when: &str| errors(&GOOD.replace("count > 1", when));
    assert_snapshot!(cause("ep.refused == 1"), @r#"
    error: a yes-or-no value is compared with a number
      --> site.toml:17:47
       |
    17 |   when = 'ep.refused and not ep.listening and ep.refused == 1 and why is startingwith("Connection")'
       |                                               ^^^^^^^^^^^^^^^ a yes-or-no value stands alone: `ep.refused`, `not ep.refused`
    1 error; the file is not used
    "#);
    assert_snapshot!(cause("endpoint"), @r#"
    error: here stands a text, not a yes-or-no value
      --> site.toml:17:47
       |
    17 |   when = 'ep.refused and not ep.listening and endpoint and why is startingwith("Connection")'
       |                                               ^^^^^^^^ compare it: `… != ""`
    1 error; the file is not used
    "#);
    assert_snapshot!(cause("main.smtpd_timeout > 300"), @r#"
    error: a text is compared with a number
      --> site.toml:17:47
       |
    17 |   when = 'ep.refused and not ep.listening and main.smtpd_timeout > 300 and why is startingwith("Connection")'
       |                                               ^^^^^^^^^^^^^^^^^^^^^^^^ a number has no quotes; `int(…)` makes a number of a text
    1 error; the file is not used
    "#);
    assert_snapshot!(cause("main.smtp_helo_timeout < main.smtpd_timeout or set(\"relayhosts\") or main.relayhots != \"\""), @r#"
    error: only numbers are more or less, not a text
      --> site.toml:17:47
       |
    17 | ...t ep.listening and main.smtp_helo_timeout < main.smtpd_timeout or set("relayhosts") or main.relayhots != "" and why is startingwi...
       |                       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `int(…)` and `seconds(…)` make numbers of texts
    error: Postfix has no parameter `relayhosts`
      --> site.toml:17:98
       |
    17 | ...mtp_helo_timeout < main.smtpd_timeout or set("relayhosts") or main.relayhots != "" and why is startingwith("Connection")'
       |                                                 ^^^^^^^^^^^^ did you mean `relayhost`?
    error: Postfix has no parameter `relayhots`
      --> site.toml:17:115
       |
    17 | ... main.smtpd_timeout or set("relayhosts") or main.relayhots != "" and why is startingwith("Connection")'
       |                                                ^^^^^^^^^^^^^^ did you mean `relayhost`?
    3 errors; the file is not used
    "#);
    assert_snapshot!(cause("lower(count) == \"x\""), @r#"
    error: `lower` wants a text, not a number
      --> site.toml:17:53
       |
    17 |   when = 'ep.refused and not ep.listening and lower(count) == "x" and why is startingwith("Connection")'
       |                                                     ^^^^^ in lower case
    1 error; the file is not used
    "#);
    assert_snapshot!(cause("count in [\"1\"]"), @r#"
    error: here stands a text, not a number
      --> site.toml:17:57
       |
    17 |   when = 'ep.refused and not ep.listening and count in ["1"] and why is startingwith("Connection")'
       |                                                         ^^^ `int(…)` makes it a number
    1 error; the file is not used
    "#);
    assert_snapshot!(cause("why is matches(\"(\")"), @r#"
    error: bad regular expression: unclosed group
      --> site.toml:17:62
       |
    17 |   when = 'ep.refused and not ep.listening and why is matches("(") and why is startingwith("Connection")'
       |                                                              ^^^
    1 error; the file is not used
    "#);
    assert_snapshot!(cause("why[0] == \"x\""), @r#"
    error: conditions know no such thing
      --> site.toml:17:47
       |
    17 |   when = 'ep.refused and not ep.listening and why[0] == "x" and why is startingwith("Connection")'
       |                                               ^^^^^^ use `first`, `last`, `in` or `items()`
    1 error; the file is not used
    "#);
    assert_snapshot!(cause("ep"), @r#"
    error: `ep` is the probe endpoint, not a value
      --> site.toml:17:47
       |
    17 |   when = 'ep.refused and not ep.listening and ep and why is startingwith("Connection")'
       |                                               ^^ it has blocked_by, chrooted, configured_address, configured_at, configured_differs, daemon_may_connect, denied, exists_inside_jail, exists_outside_jail, family_mismatch, … (`postdoctor playbook schema` lists all)
    1 error; the file is not used
    "#);
    assert_snapshot!(cause("(count > 1"), @r#"
    error: unexpected end of input, expected `)`
      --> site.toml:17:94
       |
    17 |   when = 'ep.refused and not ep.listening and (count > 1 and why is startingwith("Connection")'
       |                                                                                              ^
    1 error; the file is not used
    "#);
    assert_snapshot!(cause("why == 'x'"), @r#"
    error: unexpected key or value, expected newline, `#`
      --> site.toml:17:55
       |
    17 |   when = 'ep.refused and not ep.listening and why == 'x' and why is startingwith("Connection")'
       |                                                       ^ within '…' texts are written "…"
    1 error; the file is not used
    "#);
    assert_snapshot!(cause("since(\"new\")"), @r#"
    error: `new` is no version
      --> site.toml:17:53
       |
    17 |   when = 'ep.refused and not ep.listening and since("new") and why is startingwith("Connection")'
       |                                                     ^^^^^ write `3.6`
    1 error; the file is not used
    "#);
    assert_snapshot!(cause("startswith(why) or not count"), @r#"
    error: `startswith` is used with a wrong number of arguments
      --> site.toml:17:47
       |
    17 |   when = 'ep.refused and not ep.listening and startswith(why) or not count and why is startingwith("Connection")'
       |                                               ^^^^^^^^^^^^^^^ why is startswith("Connection")
    error: here stands a number, not a yes-or-no value
      --> site.toml:17:70
       |
    17 |   when = 'ep.refused and not ep.listening and startswith(why) or not count and why is startingwith("Connection")'
       |                                                                      ^^^^^ compare it: `… > 0`
    2 errors; the file is not used
    "#);
    assert_snapshot!(cause("count / 2 > 1.5"), @r#"
    error: numbers are whole here
      --> site.toml:17:47
       |
    17 |   when = 'ep.refused and not ep.listening and count / 2 > 1.5 and why is startingwith("Connection")'
       |                                               ^^^^^^^^^ divide with `//`
    error: only texts, whole numbers, true and false can be written here
      --> site.toml:17:59
       |
    17 |   when = 'ep.refused and not ep.listening and count / 2 > 1.5 and why is startingwith("Connection")'
       |                                                           ^^^
    2 errors; the file is not used
    "#);
}

#[test]
fn a_file_that_is_no_toml() {
    assert_snapshot!(errors("[[rule]\nid = \"a\"\nseverity = error\n"), @r#"
    error: unclosed array table, expected `]`
     --> site.toml:1:8
      |
    1 | [[rule]
      |        ^
    1 error; the file is not used
    "#);
    assert_snapshot!(errors("[rule]\nid = 1\n[[rules]]\nid = 'x'\n"), @r#"
    error: `rule` is written `[[rule]]`
     --> site.toml:1:2
      |
    1 | [rule]
      |  ^^^^
    error: a file has no `rules`
     --> site.toml:3:3
      |
    3 | [[rules]]
      |   ^^^^^ did you mean `rule`?
    2 errors; the file is not used
    "#);
    assert_snapshot!(errors("\u{1b}[2J\0 = 1"), @r#"
    error: invalid unquoted key, expected letters, numbers, `-`, `_`
     --> site.toml:1:1
      |
    1 | ␛[2J␀ = 1
      | ^
    error: key with no value, expected `=`
     --> site.toml:1:2
      |
    1 | ␛[2J␀ = 1
      |  ^
    2 errors; the file is not used
    "#);
}

#[test]
fn steps_are_checked() {
    assert_snapshot!(errors(
        r#"
[playbook]
id = "site"
title = "Ours"
[[step]]
id = "one"
kind = "disc"
title = "Disk"
why = "It fills."
level = 9
[[step]]
id = "one"
kind = "disk"
title = "Disk"
why = "It fills."
when = 'count > 1'
"#
    ), @r#"
    error: unknown step kind `disc`
     --> site.toml:7:8
      |
    7 | kind = "disc"
      |        ^^^^^^ did you mean `disk`?
    error: `level` is a number from 0 to 6
      --> site.toml:10:9
       |
    10 | level = 9
       |         ^
    error: the step `one` is defined twice
      --> site.toml:12:6
       |
    12 | id = "one"
       |      ^^^^^ first at site.toml:6
    error: unknown name `count`
      --> site.toml:16:9
       |
    16 | when = 'count > 1'
       |         ^^^^^
    4 errors; the file is not used
    "#);
    assert_snapshot!(errors("[[step]]\nid = 'x'\nkind = 'disk'\ntitle = 'x'\nwhy = 'x'\n"), @r#"
    error: steps need a playbook that they belong to
     --> site.toml:2:6
      |
    2 | id = 'x'
      |      ^^^ write `[playbook]` above them
    1 error; the file is not used
    "#);
}

#[test]
fn a_higher_layer_overrides_by_id() {
    let theirs = GOOD.replace("error", "info");
    let files = [SourceFile::new("site.toml", theirs, 1), SourceFile::new("ours.toml", GOOD, 0)];
    let (knowledge, diagnostics) = load::load(&files);
    assert!(diagnostics.is_empty());
    assert_eq!(knowledge.rules.len(), 1);
    assert_eq!(knowledge.rules[0].defined_at, "site.toml:2");
}

#[test]
fn a_file_with_an_error_is_not_used_at_all() {
    let theirs = format!("{GOOD}\n[[rule]]\nid = 'x'\n");
    let (knowledge, diagnostics) = load::load(&[SourceFile::new("site.toml", theirs, 1)]);
    assert!(!diagnostics.is_empty());
    assert!(knowledge.rules.is_empty());
}

#[test]
fn an_example_that_another_rule_claims() {
    let other = GOOD.replace("site-milter", "site-all").replace("log =", "priority = 1\nlog =");
    let (knowledge, shown) = load(&format!("{GOOD}\n{other}"));
    assert_eq!(shown, "");
    let failures: Vec<_> = selftest::run(&knowledge).into_iter().filter_map(|t| Some((t.rule, t.failure?))).collect();
    assert_eq!(failures, [("site-milter".to_owned(), "the rule `site-all` claims it".to_owned())]);
}

/// Runs `postdoctor playbook …` without the playbooks of this machine; exit status and standard output.
fn playbook(args: &[&str]) -> (Option<i32>, String) {
    let output = cargo_bin_cmd!("postdoctor").args(["--playbooks", "/nonexistent", "playbook"]).args(args).output();
    let output = output.unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn check_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("site.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, GOOD).unwrap();
    assert_eq!(playbook(&["check", path]), (Some(0), "1 file, no errors\n".to_owned()));
    std::fs::write(&file, GOOD.replace("severity", "severty")).unwrap();
    let (status, shown) = playbook(&["check", path]);
    assert_eq!(status, Some(3));
    assert_snapshot!(shown.replace(path, "site.toml"), @r#"
    error: this rule has no `severity`
     --> site.toml:2:1
      |
    2 | [[rule]]
      | ^^^^^^^^ of the symptom
    error: a rule has no key `severty`
     --> site.toml:5:1
      |
    5 | severty = "error"
      | ^^^^^^^ did you mean `severity`?
    2 errors; the file is not used
    "#);
    let (status, shown) = playbook(&["check", "/nonexistent/site.toml"]);
    assert_eq!(status, Some(3));
    assert_snapshot!(shown, @r#"
    error: this file cannot be read
      --> /nonexistent/site.toml: No such file or directory (os error 2)
    1 error; the file is not used
    "#);
}

#[test]
fn our_own_rules_pass_their_test() {
    let (status, shown) = playbook(&["test"]);
    assert!(status == Some(0) && shown.ends_with("all as they should be\n"), "{shown}");
}

#[test]
fn listings_name_what_there_is() {
    let (_, list) = playbook(&["list"]);
    assert!(list.contains("obvious-signs") && list.contains("causes in"), "{list}");
    let (_, json) = playbook(&["list", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["playbooks"][0]["steps"][0]["kind"], "log-scan");
    let (_, schema) = playbook(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["properties"]["rule"]["items"]["properties"]["severity"]["enum"][3], "critical");
    assert!(schema["x-vocabulary"]["probes"].as_array().unwrap().iter().any(|probe| probe["name"] == "endpoint"));
}

#[test]
fn explain_knows_rules_steps_and_words() {
    for name in ["endpoint", "chroot", "obvious-signs", "matches", "host.kind"] {
        let (status, shown) = playbook(&["explain", name]);
        assert!(status == Some(0) && shown.starts_with(name), "{shown}");
    }
    assert_eq!(playbook(&["explain", "no-such-thing"]).0, Some(3));
}

#[test]
fn deep_nesting_does_no_harm() {
    for deep in ["(".repeat(3999), "-".repeat(3999), "not ".repeat(999), "x+".repeat(1999), "x or ".repeat(799)] {
        let _ = expr::truth(&format!("{deep}x"), &Fields::new());
        let _ = errors(&GOOD.replace("count > 1", &format!("{deep}x")));
    }
    let _ = errors(&format!("x = {}", "[".repeat(20_000)));
    let _ = errors(&GOOD.replace("refused: ", &"(".repeat(5000)));
}

proptest! {
    // A case loads the file twice, and compiles its patterns.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn nothing_in_a_file_makes_it_panic(text in "\\PC*", at in 0..GOOD.len(), word in "[ -~\n]{0,8}") {
        let _ = errors(&text);
        if GOOD.is_char_boundary(at) {
            let _ = errors(&format!("{}{word}{}", &GOOD[..at], &GOOD[at..]));
        }
    }

}

proptest! {
    #[test]
    fn nothing_in_an_expression_or_text_makes_it_panic(text in "[a-c(){}\\[\\]\"'.,|~ 0-9<>=!+*/%-]*|\\PC*") {
        let _ = expr::truth(&text, &Fields::new());
        let _ = template::render_command(&text, &Fields::new());
    }
}
