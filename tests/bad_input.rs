//! What no example shows: files that are empty, binary or huge, commands that hang, a machine without Postfix.
//! Each time there must be an answer: a clear message or a report, an exit status as documented, no panic.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use postdoctor::report::model::{Report, Severity, Verdict};
use tempfile::TempDir;

use crate::lab;

/// What a run said.
struct Said {
    status: i32,
    stdout: String,
    stderr: String,
    took: Duration,
}

impl Said {
    fn report(&self) -> Report {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no report: {error}\n{}", self.stderr))
    }

    /// A message of one or more lines on stderr, nothing on stdout, status 3.
    fn refused(&self) -> &str {
        assert_eq!(self.status, 3, "stdout {:?} stderr {:?}", self.stdout, self.stderr);
        assert!(!self.stderr.trim().is_empty(), "refused without a word");
        &self.stderr
    }
}

fn postdoctor(args: &[&str]) -> Said {
    with_input(args, b"")
}

fn with_input(args: &[&str], input: &[u8]) -> Said {
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_postdoctor"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = input.to_owned();
    // A program that reads no input closes the pipe: not our concern.
    let feeder = std::thread::spawn(move || drop(pipe.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    let said = Said {
        status: output.status.code().unwrap_or_else(|| panic!("died: {output:?}")),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: began.elapsed(),
    };
    assert!(!said.stderr.contains("panicked"), "{args:?}: {}", said.stderr);
    assert!((0..=3).contains(&said.status), "{args:?}: status {}", said.status);
    said
}

fn snapshot(files: &[(&str, &[u8])]) -> (TempDir, Said) {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let said = postdoctor(&["--auto", "--format", "json", "--snapshot", folder.path().to_str().unwrap()]);
    (folder, said)
}

const REFUSED: &str = "2026-11-20T10:00:00+00:00 mx postfix/smtpd[7]: warning: connect to Milter service inet:127.0.0.1:8891: Connection refused\n";

#[test]
fn unknown_flags_and_files_are_refused() {
    assert!(postdoctor(&["--atuo"]).refused().contains("--auto"), "a hint what was meant");
    assert!(postdoctor(&["--auto", "--format", "yaml"]).refused().contains("yaml"));
    assert!(postdoctor(&["--auto", "--snapshot", "/nonexistent/folder"]).refused().contains("/nonexistent/folder"));
    assert!(postdoctor(&["--auto", "--log", "/nonexistent/mail.log"]).refused().contains("/nonexistent/mail.log"));
    assert!(postdoctor(&["explain", "no-such-rule"]).refused().contains("no-such-rule"));
}

#[test]
fn an_empty_folder_cannot_be_examined() {
    let (folder, said) = snapshot(&[]);
    assert!(said.refused().contains(folder.path().to_str().unwrap()), "{}", said.stderr);
}

#[test]
fn an_empty_log_is_no_proof_of_health() {
    let (_folder, said) = snapshot(&[("mail.log", b"")]);
    assert_eq!(said.status, 3, "{}", said.stdout);
}

#[test]
fn binary_and_truncated_logs_are_read_as_far_as_they_go() {
    let mut log = (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<_>>();
    log.extend_from_slice(b"\n");
    log.extend_from_slice(REFUSED.as_bytes());
    log.extend_from_slice(b"\x00\x00\x1b[31m\xff\xfe\n2026-11-20T10:00:01+00:00 mx postfix/smtpd[7]: NOQUEUE: rej");
    let (_folder, said) = snapshot(&[("mail.log", &log)]);
    let report = said.report();
    assert!(report.findings.iter().any(|f| f.title.contains("8891")), "{}", said.stdout);
    assert!(!said.stdout.contains('\u{1b}'), "an escape came through");
    let (_folder, said) = snapshot(&[("mail.log.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03not gzip at all")]);
    assert_eq!(said.status, 3, "a damaged archive proves nothing: {}", said.stdout);
}

#[test]
fn a_gigantic_line_costs_neither_memory_nor_time() {
    let mut log = REFUSED.as_bytes().to_vec();
    log.extend_from_slice(b"2026-11-20T10:00:02+00:00 mx postfix/smtpd[7]: warning: ");
    log.resize(log.len() + (60 << 20), b'x');
    log.push(b'\n');
    log.extend_from_slice(REFUSED.as_bytes());
    let (_folder, said) = snapshot(&[("mail.log", &log)]);
    let report = said.report();
    assert_eq!(report.findings.iter().filter(|f| f.title.contains("8891")).map(|f| f.count).max(), Some(2));
    assert!(said.stdout.len() < 1 << 20, "{} bytes of report", said.stdout.len());
    assert!(said.took < Duration::from_secs(20), "{:?}", said.took);
}

#[test]
fn a_log_on_standard_input_may_be_anything() {
    let said = with_input(&["--auto", "--format", "json", "--log", "-"], REFUSED.as_bytes());
    assert!(said.stdout.contains("8891"), "{}", said.stderr);
    with_input(&["--auto", "--log", "-"], b"\0\0\0\0");
    with_input(&["logs", "-"], &b"\xff".repeat(70_000));
}

#[test]
fn a_log_that_is_rotated_while_it_is_read_is_no_trouble() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("mail.log");
    std::fs::write(&log, REFUSED.repeat(120_000)).unwrap();
    let rotating = std::thread::spawn({
        let (log, old) = (log.clone(), folder.path().join("mail.log.1"));
        move || {
            std::thread::sleep(Duration::from_millis(60));
            std::fs::rename(&log, old).unwrap();
            std::fs::write(&log, REFUSED).unwrap();
        }
    });
    let said = postdoctor(&["--auto", "--format", "json", "--snapshot", folder.path().to_str().unwrap()]);
    rotating.join().unwrap();
    assert!(said.report().findings.iter().any(|f| f.title.contains("8891")), "{}", said.stdout);
}

#[test]
fn a_main_cf_may_hold_nul_bytes_endless_lines_and_loops() {
    let nul =
        b"myhostname = mx.example.org\nmyde\0stination = example.org\n\0\0\0\nmynetworks = 127.0.0.0/8\n".to_vec();
    let mut long = b"myhostname = mx.example.org\nmynetworks =".to_vec();
    for n in 0..80_000_u32 {
        long.extend_from_slice(format!(" 10.{}.{}.0/24", n / 256 % 256, n % 256).as_bytes());
    }
    long.push(b'\n');
    let circle = b"a = $b\nb = $a\nmyhostname = $a\nmydestination = $mydestination $b\n".to_vec();
    let deep = format!("myhostname = {}x{}\n", "${a?{".repeat(5_000), "}}".repeat(5_000)).into_bytes();
    for main_cf in [nul, long, circle, deep] {
        let (_folder, said) = snapshot(&[("main.cf", &main_cf), ("mail.log", REFUSED.as_bytes())]);
        let report = said.report();
        assert!(report.findings.iter().any(|f| f.title.contains("8891")), "{}", said.stdout);
        assert!(said.stdout.len() < 1 << 20, "{} bytes of report", said.stdout.len());
        assert!(said.took < Duration::from_secs(20), "{:?}", said.took);
    }
}

#[test]
fn a_master_cf_may_be_nonsense() {
    let nonsense: &[u8] = b"  -o a=b\nsmtp\nsmtp inet\nsmtp inet x y z q w e r t y\n-o { x = y\n\0\0 unix\n{{{ }\n";
    let (_folder, said) = snapshot(&[("master.cf", nonsense), ("mail.log", REFUSED.as_bytes())]);
    assert!(!said.report().findings.is_empty());
}

#[test]
fn a_playbook_with_ten_errors_shows_ten() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("site.toml");
    let text = r#"[playbook]
id = "site"
title = "Ours"

[[step]]
id = "one"
kind = "no-such-kind"
title = "First"
level = 0
why = "Because."

[[step]]
id = "one"
kind = "config"
title = "Second"
level = 9
why = "Because."
when = 'hots.kind == "live"'

[[rule]]
id = "a"
area = "milter"
severity = "terrible"
log = 'warning: (unclosed'
title = "{nobody} did it"

[[rule]]
id = "b"
area = "milter"
severity = "error"
log = 'warning: connect to (?<endpoint>\S+)'
example = ['this does not match']
near_miss = ['postfix/smtpd[1]: warning: connect to x']
title = "B"
colour = "red"
probe = { kind = "divination", as = "d" }

  [[rule.cause]]
  id = "c"
  when = 'count > "ten"'
  cause = "{whatever}"
"#;
    std::fs::write(&file, text).unwrap();
    let said = postdoctor(&["playbook", "check", file.to_str().unwrap()]);
    assert_eq!(said.status, 3);
    let all = said.stdout + &said.stderr;
    let places = regex::Regex::new(r"site\.toml:\d+:\d+").unwrap();
    let shown = places.find_iter(&all).map(|m| m.as_str()).collect::<std::collections::BTreeSet<_>>();
    assert!(shown.len() >= 10, "{} places: {shown:?}\n{all}", shown.len());
    assert!(all.contains("did you mean"), "{all}");
}

/// Runs a case of `tests/lab/odd` and hands over what the command said; None where there are no boxes.
fn in_box(name: &str, args: &[&str]) -> Option<Said> {
    if let Some(why) = lab::missing() {
        lab::skip(&format!("bad input: {name}"), &why);
        return None;
    }
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab").join(name);
    let began = Instant::now();
    let ran = lab::in_slot(|| {
        Command::new(lab::lab_dir().join("run")).arg(name).arg("--").args(args).env("OUT", &out).output().unwrap()
    });
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let read = |file: &str| String::from_utf8_lossy(&std::fs::read(out.join(file)).unwrap_or_default()).into_owned();
    let said = Said {
        status: read("status").trim().parse().unwrap(),
        stdout: read("stdout"),
        stderr: read("stderr"),
        took: began.elapsed(),
    };
    assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
    assert!((0..=3).contains(&said.status), "status {} (124: it hung): {}", said.status, said.stderr);
    Some(said)
}

const AUTO: [&str; 4] = [env!("CARGO_BIN_EXE_postdoctor"), "--auto", "--format", "json"];

#[test]
fn commands_that_hang_do_not_hang_the_run() {
    let Some(said) = in_box("postconf-and-df-hang", &AUTO) else { return };
    let report = said.report();
    assert!(report.not_checked.iter().any(|row| format!("{row:?}").contains("postconf")), "{:?}", report.not_checked);
    assert!(report.instances.iter().any(|i| i.settings > 5), "the files were read all the same");
}

#[test]
fn a_broken_postconf_leaves_the_files() {
    let Some(said) = in_box("postconf-broken", &AUTO) else { return };
    let report = said.report();
    assert!(report.instances.iter().any(|i| i.settings > 5), "{:?}", report.instances);
    assert_ne!(report.verdict, Verdict::Healthy, "{:?}", report.findings);
    assert!(said.stdout.contains("postconf"), "{}", said.stdout);
}

#[test]
fn without_postfix_there_is_nothing_to_examine() {
    let Some(said) = in_box("no-postfix", &AUTO) else { return };
    assert!(said.refused().contains("Postfix"), "{}", said.stderr);
}

#[test]
fn a_plain_user_gets_what_can_be_seen_and_one_command_for_the_rest() {
    let program = env!("CARGO_BIN_EXE_postdoctor");
    let args = ["setpriv", "--reuid=ada", "--regid=ada", "--clear-groups", program, "--auto", "--format", "json"];
    let Some(said) = in_box("plain-user", &args) else { return };
    let report = said.report();
    assert!(format!("{:?}", report.not_checked).contains("sudo "), "{:?}", report.not_checked);
    assert!(report.findings.iter().all(|f| f.severity <= Severity::Info), "{:?}", report.findings);
}
