//! The boundary to the host: limits of commands, and what is told apart.

use std::time::{Duration, Instant};

use postdoctor::host::{Host, Live, Run, Trouble};

fn sh(script: &str) -> Run {
    Run::new("sh", &["-c", script])
}

#[test]
fn output_status_and_input() {
    let ran = Live.run(&sh("cat; echo no >&2; exit 3").stdin("yes")).unwrap();
    assert_eq!((ran.status, &*ran.out(), &*ran.err()), (3, "yes", "no\n"));
    assert_eq!(Live.run(&sh("kill -9 $$")).unwrap().status, 137);
}

#[test]
fn the_environment_is_clean() {
    let ran = Live.run(&sh("pwd; env")).unwrap();
    let out = ran.out();
    let mut names: Vec<&str> = out.lines().skip(1).map(|l| l.split('=').next().unwrap()).collect();
    names.sort_unstable();
    names.retain(|n| !["PWD", "_", "OLDPWD", "SHLVL"].contains(n));
    assert!(out.starts_with("/\n"), "{out}");
    assert_eq!(names, ["HOME", "LC_ALL", "PATH"]);
}

#[test]
fn a_limit_kills_the_whole_group() {
    let start = Instant::now();
    let ran = Live.run(&sh("sleep 61.25 & sleep 61.25").limit(Duration::from_millis(300)));
    assert_eq!(ran, Err(Trouble::TimedOut));
    assert!(start.elapsed() < Duration::from_secs(3));
    let left = Live.run(&sh("grep -l '^sleep.61.25' /proc/[0-9]*/cmdline 2>/dev/null")).unwrap();
    assert_eq!(left.out(), "");
}

#[test]
fn a_grandchild_that_holds_the_pipe_does_not_hang_us() {
    for script in ["echo done; sleep 62.25 &", "echo done; setsid sleep 2 &"] {
        let start = Instant::now();
        let ran = Live.run(&sh(script)).unwrap();
        assert_eq!((ran.status, &*ran.out()), (0, "done\n"));
        assert!(start.elapsed() < Duration::from_millis(1500), "{script}");
    }
    let start = Instant::now();
    let ran = Live.run(&sh("exec setsid --wait sh -c 'sleep 3'").limit(Duration::from_millis(200)));
    assert_eq!(ran, Err(Trouble::TimedOut));
    assert!(start.elapsed() < Duration::from_millis(1500));
}

#[test]
fn output_is_cut_at_the_cap() {
    let mut run = Run::new("yes", &[]);
    run.cap = 100_000;
    let start = Instant::now();
    let ran = Live.run(&run).unwrap();
    assert!(ran.truncated && ran.stdout.len() == 100_000);
    assert!(start.elapsed() < Duration::from_secs(2));
    let mut run = sh("printf 1234; printf 56 >&2");
    run.cap = 4;
    assert!(!Live.run(&run).unwrap().truncated);
}

#[test]
fn missing_and_denied_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tool");
    std::fs::write(&file, "#!/bin/sh\n").unwrap();
    assert_eq!(Live.run(&Run::new("no-such-program", &[])), Err(Trouble::Missing));
    assert_eq!(Live.run(&Run::new("/no/such/program", &[])), Err(Trouble::Missing));
    assert_eq!(Live.run(&Run::new(file.to_str().unwrap(), &[])), Err(Trouble::Denied));
    assert_eq!(Live.read("/no/such/file", 10), Err(Trouble::Missing));
}

#[test]
fn fifos_and_devices_are_never_opened() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(Live.read(fifo.to_str().unwrap(), 10), Err(Trouble::Other(_))));
    assert!(matches!(Live.read("/dev/zero", 10), Err(Trouble::Other(_))));
    assert!(Live.open(fifo.to_str().unwrap(), 0).is_err());
}

#[test]
fn a_stream_ends_with_its_command() {
    use std::io::Read;
    let mut text = String::new();
    Live.stream(&sh("echo one; echo two")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "one\ntwo\n");
    let error = Live.stream(&sh("echo bad >&2; exit 1")).unwrap().read_to_string(&mut text).unwrap_err();
    assert_eq!(error.to_string(), "bad");
    let mut stuck = Live.stream(&sh("sleep 60").limit(Duration::from_millis(100))).unwrap();
    assert_eq!(stuck.read(&mut [0; 9]).unwrap_err().kind(), std::io::ErrorKind::TimedOut);
}
