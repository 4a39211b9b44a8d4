//! The boundary to the host: limits of commands, and what is told apart.

use std::time::{Duration, Instant};

use postdoctor::host::{FileKind, Host, Live, Peer, Recording, Run, Snapshot, Trouble, Via};

fn sh(script: &str) -> Run {
    Run::new("sh", &["-c", script])
}

#[test]
fn output_status_and_input() {
    let ran = Live::default().run(&sh("cat; echo no >&2; exit 3").stdin("yes")).unwrap();
    assert_eq!((ran.status, &*ran.out(), &*ran.err()), (3, "yes", "no\n"));
    assert_eq!(Live::default().run(&sh("kill -9 $$")).unwrap().status, 137);
}

#[test]
fn the_environment_is_clean() {
    let ran = Live::default().run(&sh("pwd; env")).unwrap();
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
    let ran = Live::default().run(&sh("sleep 61.25 & sleep 61.25").limit(Duration::from_millis(300)));
    assert_eq!(ran, Err(Trouble::TimedOut));
    assert!(start.elapsed() < Duration::from_secs(3));
    let left = Live::default().run(&sh("grep -l '^sleep.61.25' /proc/[0-9]*/cmdline 2>/dev/null")).unwrap();
    assert_eq!(left.out(), "");
}

#[test]
fn a_grandchild_that_holds_the_pipe_does_not_hang_us() {
    for script in ["echo done; sleep 62.25 &", "echo done; setsid sleep 2 &"] {
        let start = Instant::now();
        let ran = Live::default().run(&sh(script)).unwrap();
        assert_eq!((ran.status, &*ran.out()), (0, "done\n"));
        assert!(start.elapsed() < Duration::from_millis(1500), "{script}");
    }
    let start = Instant::now();
    let ran = Live::default().run(&sh("exec setsid --wait sh -c 'sleep 3'").limit(Duration::from_millis(200)));
    assert_eq!(ran, Err(Trouble::TimedOut));
    assert!(start.elapsed() < Duration::from_millis(1500));
}

#[test]
fn output_is_cut_at_the_cap() {
    let mut run = Run::new("yes", &[]);
    run.cap = 100_000;
    let start = Instant::now();
    let ran = Live::default().run(&run).unwrap();
    assert!(ran.truncated && ran.stdout.len() == 100_000);
    assert!(start.elapsed() < Duration::from_secs(2));
    let mut run = sh("printf 1234; printf 56 >&2");
    run.cap = 4;
    assert!(!Live::default().run(&run).unwrap().truncated);
}

#[test]
fn missing_and_denied_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tool");
    std::fs::write(&file, "#!/bin/sh\n").unwrap();
    assert_eq!(Live::default().run(&Run::new("no-such-program", &[])), Err(Trouble::Missing));
    assert_eq!(Live::default().run(&Run::new("/no/such/program", &[])), Err(Trouble::Missing));
    assert_eq!(Live::default().run(&Run::new(file.to_str().unwrap(), &[])), Err(Trouble::Denied));
    assert_eq!(Live::default().read("/no/such/file", 10), Err(Trouble::Missing));
}

#[test]
fn fifos_and_devices_are_never_opened() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(Live::default().read(fifo.to_str().unwrap(), 10), Err(Trouble::Other(_))));
    assert!(matches!(Live::default().read("/dev/zero", 10), Err(Trouble::Other(_))));
    assert!(Live::default().open(fifo.to_str().unwrap(), 0).is_err());
}

#[test]
fn a_stream_ends_with_its_command() {
    use std::io::Read;
    let mut text = String::new();
    Live::default().stream(&sh("echo one; echo two")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "one\ntwo\n");
    let error = Live::default().stream(&sh("echo bad >&2; exit 1")).unwrap().read_to_string(&mut text).unwrap_err();
    assert_eq!(error.to_string(), "bad");
    let mut stuck = Live::default().stream(&sh("sleep 60").limit(Duration::from_millis(100))).unwrap();
    assert_eq!(stuck.read(&mut [0; 9]).unwrap_err().kind(), std::io::ErrorKind::TimedOut);
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = directory.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    directory
}

#[test]
fn a_flat_folder_says_not_collected_and_never_missing() {
    let files = [("mail.log", "x\n"), ("mail.log.1", "old\n"), ("main.cf", "a = b\n"), ("truth.json", "{}")];
    let directory = folder(&files);
    let host = Snapshot::open(directory.path()).unwrap();
    assert_eq!(host.read("/etc/postfix/main.cf", 99).unwrap(), b"a = b\n");
    assert_eq!(host.read("/var/log/mail.log", 1).unwrap(), b"x");
    assert_eq!(host.list("/var/log").unwrap(), ["mail.log", "mail.log.1"]);
    assert_eq!(host.stat("/var/log/mail.log.1").unwrap().size, 4);
    assert_eq!(host.kind_of("/etc/postfix/main.cf").unwrap(), FileKind::File);
    for path in ["/etc/postfix/master.cf", "/etc/resolv.conf", "/var/log/other", "/"] {
        assert_eq!(host.read(path, 9), Err(Trouble::NotCollected), "{path}");
        assert_eq!(host.stat("/etc/aliases.db"), Err(Trouble::NotCollected));
    }
    assert_eq!(host.list("/etc/postfix"), Err(Trouble::NotCollected));
    assert_eq!(host.user("postfix"), Err(Trouble::NotCollected));
    assert_eq!(host.run(&Run::new("postconf", &["-n"])), Err(Trouble::NotCollected));
}

#[test]
fn a_posted_postconf_output_stands_for_main_cf() {
    let directory = folder(&[("postconf-n.txt", "mynetworks = 127.0.0.0/8\n")]);
    let host = Snapshot::open(directory.path()).unwrap();
    assert_eq!(host.read("/etc/postfix/main.cf", 99).unwrap(), b"mynetworks = 127.0.0.0/8\n");
    assert_eq!(host.run(&Run::new("postconf", &["-n"])).unwrap().out(), "mynetworks = 127.0.0.0/8\n");
}

#[test]
fn a_tree_knows_what_its_directories_show() {
    let directory = folder(&[
        ("etc/postfix/main.cf", "a = b\n"),
        ("etc/passwd", "root:x:0:0::/root:/bin/sh\npostfix:x:101:102::/var/spool/postfix:/bin/false\n"),
        ("var/log/mail.log", "line\n"),
        ("var/spool/postfix/private/x", ""),
    ]);
    let host = Snapshot::open(directory.path()).unwrap();
    assert_eq!(host.read("/etc/postfix/master.cf", 9), Err(Trouble::Missing));
    assert_eq!(host.kind_of("/etc/aliases"), Err(Trouble::Missing));
    assert_eq!(host.kind_of("/etc/postfix"), Ok(FileKind::Directory));
    // Owner and mode of a copy are those of whoever copied.
    assert_eq!(host.stat("/etc/postfix/main.cf"), Err(Trouble::NotCollected));
    for path in ["/usr/sbin/postfix", "/proc/1/stat", "/srv", "/var/spool/postfix/private/smtp"] {
        assert_eq!(host.kind_of(path), Err(Trouble::NotCollected), "{path}");
    }
    assert_eq!(host.user("postfix").unwrap().uid, 101);
    assert_eq!(host.user("nobody"), Err(Trouble::Missing));
    assert_eq!(host.user_by_id(0).unwrap().name, "root");
}

#[test]
fn links_never_lead_out_of_the_tree() {
    use std::os::unix::fs::symlink;
    let directory = folder(&[("etc/postfix/main.cf", "inside\n"), ("etc/real", "inside\n")]);
    let etc = directory.path().join("etc");
    symlink("/etc/real", etc.join("absolute")).unwrap();
    symlink("../../../../../../etc/hostname", etc.join("up")).unwrap();
    symlink("/etc/hostname", etc.join("out")).unwrap();
    symlink("/", etc.join("root")).unwrap();
    symlink("loop", etc.join("loop")).unwrap();
    let host = Snapshot::open(directory.path()).unwrap();
    assert_eq!(host.read("/etc/absolute", 99).unwrap(), b"inside\n");
    assert_eq!(host.read("/etc/root/etc/real", 99).unwrap(), b"inside\n");
    assert_eq!(host.read_link("/etc/out").unwrap(), "/etc/hostname");
    for path in ["/etc/up", "/etc/out", "/etc/root/etc/hostname", "/../../../etc/hostname", "/etc/loop"] {
        assert!(host.read(path, 99).is_err(), "{path}");
    }
    let flat = folder(&[("main.cf", "")]);
    symlink("/etc/hostname", flat.path().join("mail.log")).unwrap();
    assert_eq!(Snapshot::open(flat.path()).unwrap().read("/var/log/mail.log", 9), Err(Trouble::NotCollected));
}

#[test]
fn a_recording_replays_what_was_asked() {
    let files = folder(&[("a/text", "some text\n"), ("a/key", "-----BEGIN PRIVATE KEY-----\n"), ("a/other", "x")]);
    std::fs::write(files.path().join("a/bytes"), b"\xff\0").unwrap();
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let host = Live::default();
    let recording = Recording::new(&host);
    let ask = |host: &dyn Host| {
        let mut stream = String::new();
        std::io::Read::read_to_string(&mut host.stream(&sh("echo stream")).unwrap(), &mut stream).unwrap();
        (
            (host.read(&path("a/text"), 99), host.read(&path("a/bytes"), 99), host.read(&path("a/none"), 9)),
            (host.stat(&path("a/text")), host.lstat(&path("a/none")), host.list(&path("a"))),
            (host.run(&sh("cat").stdin("in\u{1}")), host.run(&Run::new("no-such", &[])), stream),
            (host.user("root"), host.group("no-such"), host.read("/proc/self/mounts", 4)),
            host.connect(&Peer::Unix(path("a/none")), Duration::from_secs(1), Duration::ZERO),
        )
    };
    let live = ask(&recording);
    let _ = recording.read(&path("a/key"), 99);
    let saved = files.path().join("saved");
    recording.save(&saved).unwrap();
    let replay = Snapshot::open(&saved).unwrap();
    assert_eq!(ask(&replay), live);
    assert_eq!(replay.read(&path("a/other"), 9), Err(Trouble::NotCollected));
    assert_eq!(replay.read(&path("a/key"), 99), Err(Trouble::NotCollected));
    assert!(recording.save(&saved).is_err());
}

/// A tree with the few programs that a prefix needs, or none where we may not make one.
fn jail() -> Option<tempfile::TempDir> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let jail = tempfile::tempdir().unwrap();
    let programs = "env id stat find head cat tail ls readlink date setpriv sh sleep yes getent true timeout";
    for program in programs.split(' ') {
        let copy = format!(
            "p=/usr/bin/{program}; [ -e $p ] || p=/bin/{program}; cp --parents -L $p $(ldd $p | grep -o '/[^ ]*') {}",
            jail.path().display()
        );
        assert!(Live::default().run(&sh(&copy)).unwrap().ok(), "{program}");
    }
    let write = |name: &str, text: &str| {
        let file = jail.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    write("etc/passwd", "root:x:0:0::/root:/bin/sh\npostfix:x:101:102::/var/spool/postfix:/bin/false\n");
    write("etc/group", "root:x:0:\npostdrop:x:103:\n");
    write("etc/postfix/main.cf", "inside = yes\n");
    std::os::unix::fs::symlink("main.cf", jail.path().join("etc/postfix/link")).unwrap();
    nix::unistd::mkfifo(&jail.path().join("etc/fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    Some(jail)
}

#[test]
fn through_chroot() {
    use std::io::Read;
    let Some(jail) = jail() else { return };
    let host = Via::open(&format!("chroot '{}'", jail.path().display())).unwrap();
    assert_eq!(host.euid(), 0);
    assert_eq!(host.read("/etc/postfix/main.cf", 99).unwrap(), b"inside = yes\n");
    assert_eq!(host.read("/etc/postfix/main.cf", 3).unwrap(), b"ins");
    assert_eq!(host.read("/etc/postfix/none", 3), Err(Trouble::Missing));
    assert_eq!(host.read("/etc/no/where", 3), Err(Trouble::Missing));
    assert!(matches!(host.read("/etc/fifo", 3), Err(Trouble::Other(_))));
    assert_eq!(host.list("/etc/postfix").unwrap(), ["link", "main.cf"]);
    assert_eq!(host.list("/etc/none"), Err(Trouble::Missing));
    assert_eq!(host.lstat("/etc/postfix/link").unwrap().kind, FileKind::Symlink);
    assert_eq!(host.stat("/etc/postfix/link").unwrap().kind, FileKind::File);
    assert_eq!(host.stat("/etc/postfix/").unwrap().kind, FileKind::Directory);
    assert_eq!(host.stat("/").unwrap().kind, FileKind::Directory);
    assert_eq!(host.stat("/etc/none"), Err(Trouble::Missing));
    assert_eq!(host.read_link("/etc/postfix/link").unwrap(), "main.cf");
    assert_eq!(host.read_link("/etc/postfix/none"), Err(Trouble::Missing));
    assert_eq!((host.user("postfix").unwrap().uid, host.user_by_id(101).unwrap().name.as_str()), (101, "postfix"));
    assert_eq!((host.user("nobody"), host.group("postdrop")), (Err(Trouble::Missing), Ok(103)));
    let mut rest = String::new();
    host.open("/etc/postfix/main.cf", 9).unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "yes\n");
    assert_eq!(host.run(&Run::new("no-such", &[])), Err(Trouble::Missing));
    assert_eq!(host.run(&sh("exit 127")).unwrap().status, 127);
    assert_eq!(host.run(&sh("sleep 63").limit(Duration::from_millis(200))), Err(Trouble::TimedOut));
    assert_eq!(host.run(&Run::new("id", &["-u"]).user("postfix")).unwrap().out(), "101\n");
    assert!((jiff::Timestamp::now().as_second() - host.now().unwrap().as_second()).abs() < 5);
}

#[test]
fn through_a_namespace() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let script = "mount -t tmpfs none /mnt 2>&1 && echo there > /mnt/proof && echo $$ && exec sleep 30";
    let run = Run::new("unshare", &["-m", "-u", "--propagation", "private", "sh", "-c", script]);
    let mut inside = Live::default().stream(&run).unwrap();
    let mut pid = [0; 32];
    let n = std::io::Read::read(&mut inside, &mut pid).unwrap();
    let pid = String::from_utf8_lossy(&pid[..n]).trim().to_owned();
    if pid.parse::<u32>().is_err() {
        return;
    }
    let host = Via::open(&format!("nsenter -t {pid} -m -u")).unwrap();
    assert_eq!(host.read("/mnt/proof", 99).unwrap(), b"there\n");
    assert_eq!(Live::default().read("/mnt/proof", 99), Err(Trouble::Missing));
    assert!(host.system().unwrap().contains_key("host.memory_mb"));
}

#[test]
fn a_prefix_that_does_not_work_says_why() {
    let why = |prefix: &str| Via::open(prefix).err().map(|t| t.to_string()).unwrap_or_default();
    assert!(why("no-such-prefix x").contains("no-such-prefix"));
    assert!(why("chroot /no/such/root").contains("/no/such/root"));
    assert!(why("ssh 'mx1").contains("quote"));
}
