//! Real faults in a real Postfix: each case runs in a box of its own (see `tests/lab/README.md`), and
//! `postdoctor --auto` must name the cause. Servers that are well, though unusual, must be called healthy.
//!
//! The cases are folders; this file only runs them and compares. By hand: `tests/lab/run NAME`.
//! `LAB_ONLY=REGEX` runs the cases whose name it matches. The reports stay in `target/tmp/lab/NAME/`.

pub(crate) mod case;
pub(crate) mod check;

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use case::{Case, Kind};

#[test]
fn faults_are_diagnosed() {
    run_all(&Case::load(Kind::Fault));
}

#[test]
fn faults_under_systemd_are_diagnosed() {
    run_all(&Case::load(Kind::SystemdFault));
}

#[test]
fn healthy_servers_under_systemd_are_called_healthy() {
    run_all(&Case::load(Kind::SystemdHealthy));
}

#[test]
fn healthy_servers_are_called_healthy() {
    run_all(&Case::load(Kind::Healthy));
}

/// Where the cases and their scripts are.
pub(crate) fn lab_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab")
}

/// Why boxes cannot be made here, if so.
pub(crate) fn missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("boxes need root".to_owned());
    }
    for program in ["postfix", "rsyslogd", "dnsmasq", "ip", "iptables", "saslpasswd2", "python3", "openssl"] {
        if which::which_in(program, Some("/usr/sbin:/usr/bin:/sbin:/bin"), "/").is_err() {
            return Some(format!("{program} is not installed (tests/run installs what is needed)"));
        }
    }
    let try_it = Command::new(lab_dir().join("box")).arg("true").env("BOX_LIMIT", "20").output();
    match try_it {
        Ok(done) if done.status.success() => None,
        Ok(done) => Some(format!("no namespaces here: {}", String::from_utf8_lossy(&done.stderr).trim())),
        Err(error) => Some(error.to_string()),
    }
}

/// Says on the terminal that something is not tested; with `CI=true` that is a failure.
pub(crate) fn skip(what: &str, why: &str) {
    say(&format!("\nSKIPPED {what}: {why}\n"));
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{what} must run in CI: {why}");
}

/// Past the test runner's capture: a table that is only seen after a failure is of no use.
fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Boxes at a time, over all tests of this binary: more than the cores, since most wait for time-outs.
fn slots() -> &'static (Mutex<usize>, Condvar) {
    static SLOTS: std::sync::OnceLock<(Mutex<usize>, Condvar)> = std::sync::OnceLock::new();
    SLOTS.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        (Mutex::new((cores + 1).clamp(2, 4)), Condvar::new())
    })
}

/// Does something that takes a box.
pub(crate) fn in_slot<T>(work: impl FnOnce() -> T) -> T {
    let _slot = Slot::take();
    work()
}

struct Slot;

impl Slot {
    fn take() -> Self {
        let (free, changed) = slots();
        let mut free = free.lock().unwrap();
        while *free == 0 {
            free = changed.wait(free).unwrap();
        }
        *free -= 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let (free, changed) = slots();
        *free.lock().unwrap() += 1;
        changed.notify_one();
    }
}

/// How one case went.
struct Outcome {
    name: String,
    got: String,
    trouble: Vec<String>,
    took: Duration,
}

fn run_all(cases: &[Case]) {
    assert!(!cases.is_empty() || std::env::var_os("LAB_ONLY").is_some(), "no cases found");
    if cases.is_empty() {
        return;
    }
    if let Some(why) = cases[0].kind.missing().or_else(missing) {
        skip(cases[0].kind.plural(), &why);
        return;
    }
    let waiting = Mutex::new(cases.iter().collect::<VecDeque<_>>());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(case) = waiting.lock().unwrap().pop_front() else { return };
                    let mut outcome = run_one(case);
                    // The timing of a loaded machine is no fault of the diagnosis: what fails is tried once more, and
                    // the table says so.
                    if !outcome.trouble.is_empty() {
                        let first = outcome.trouble[0].clone();
                        outcome = run_one(case);
                        outcome.got = format!("{} (second try; the first: {first})", outcome.got);
                    }
                    done.lock().unwrap().push(outcome);
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by(|a, b| a.name.cmp(&b.name));
    say(&table(cases[0].kind, &done));
    let wrong = done.iter().filter(|o| !o.trouble.is_empty()).map(|o| o.name.as_str()).collect::<Vec<_>>();
    assert!(wrong.is_empty(), "{} of {} are wrong: {}", wrong.len(), done.len(), wrong.join(" "));
}

fn run_one(case: &Case) -> Outcome {
    let _slot = Slot::take();
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab").join(&case.name);
    let program = env!("CARGO_BIN_EXE_postdoctor");
    let began = Instant::now();
    let ran = Command::new(lab_dir().join(case.kind.runner()))
        .arg(&case.name)
        .args(["--", program, "--auto", "--format", "json", "--output", "-"])
        .env("OUT", &out)
        .output();
    let took = began.elapsed();
    let (got, trouble) = match ran {
        Ok(ran) if ran.status.success() => check::compare(case, &out),
        Ok(ran) => (String::from("-"), vec![String::from_utf8_lossy(&ran.stderr).trim().to_owned()]),
        Err(error) => (String::from("-"), vec![error.to_string()]),
    };
    Outcome { name: case.name.clone(), got, trouble, took }
}

fn table(kind: Kind, outcomes: &[Outcome]) -> String {
    use std::fmt::Write as _;
    let good = outcomes.iter().filter(|o| o.trouble.is_empty()).count();
    let mut text = format!("\nlab: {}: {good} of {} as expected\n", kind.plural(), outcomes.len());
    for Outcome { name, got, trouble, took } in outcomes {
        let verdict = if trouble.is_empty() { "ok  " } else { "FAIL" };
        let _ = writeln!(text, "  {verdict} {name:<34} {:>5.1} s  {got}", took.as_secs_f64());
        for line in trouble {
            let _ = writeln!(text, "         {line}");
        }
    }
    text
}
