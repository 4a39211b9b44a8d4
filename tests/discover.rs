//! What is found out about a host before anything is judged.

use std::io::Read;
use std::time::{Duration, Instant};

use postdoctor::discover::{Options, Server, discover};
use postdoctor::evidence::Value;
use postdoctor::host::{Host, Live, Recording, Run, Snapshot, Trouble, Via};

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = directory.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    directory
}

fn text<'s>(server: &'s Server<'_>, fact: &str) -> Option<&'s str> {
    match server.facts.get(fact) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

#[test]
fn a_folder_with_a_log_alone() {
    let directory = folder(&[("mail.log", "Nov 23 10:00:00 mx postfix/master[1]: daemon started -- version 3.5.6\n")]);
    let host = Snapshot::open(directory.path()).unwrap();
    let server = discover(&host, &Options::default());
    assert_eq!(server.instances.len(), 1);
    assert!(!server.instances[0].config_known);
    assert_eq!(server.instances[0].config.version.map(|v| (v.major, v.minor)), Some((3, 5)));
    assert_eq!(
        server.logs.iter().map(postdoctor::logs::source::LogSource::name).collect::<Vec<_>>(),
        ["/var/log/mail.log"]
    );
    assert!(server.processes.is_none());
    assert_eq!(text(&server, "host.kind"), Some("snapshot"));
    assert_eq!(server.facts.get("host.container"), None);
}

#[test]
fn a_tree_with_two_instances() {
    let directory = folder(&[
        ("etc/os-release", "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"22.04\"\n"),
        ("etc/hostname", "mx.example.net\n"),
        ("etc/postfix/main.cf", "multi_instance_directories = /etc/postfix-out\nmulti_instance_wrapper = x\n"),
        ("etc/postfix/master.cf", "smtp inet n - y - - smtpd\n"),
        ("etc/postfix-out/main.cf", "multi_instance_name = postfix-out\n"),
        (
            "var/lib/dpkg/status",
            "Package: exim4\nVersion: 4.9\n\nPackage: postfix\nStatus: x\nVersion: 3.6.4-1ubuntu1.3\n",
        ),
    ]);
    let host = Snapshot::open(directory.path()).unwrap();
    let server = discover(&host, &Options::default());
    let names: Vec<_> = server.instances.iter().map(|i| (i.name.as_str(), i.config_dir.as_str())).collect();
    assert_eq!(names, [("-", "/etc/postfix"), ("postfix-out", "/etc/postfix-out")]);
    assert_eq!(server.instances[0].config.version.map(|v| (v.major, v.minor, v.patch)), Some((3, 6, 4)));
    assert_eq!(server.instances[0].config.master.services.len(), 1);
    assert_eq!((text(&server, "host.family"), text(&server, "host.os_version")), (Some("debian"), Some("22.04")));
    assert_eq!(text(&server, "host.name"), Some("mx"));
    let one = discover(&host, &Options { instance: Some("postfix-out".into()), ..Options::default() });
    assert_eq!(one.instances.len(), 1);
    let none = discover(&host, &Options { instance: Some("nobody".into()), ..Options::default() });
    assert!(none.instances.is_empty());
    assert!(none.not_checked.iter().any(|n| n.why.contains("postfix-out")));
}

#[test]
fn files_that_the_person_named() {
    let directory = folder(&[("my-main.cf", "myhostname = named.example\n")]);
    let file = directory.path().join("my-main.cf").to_str().unwrap().to_owned();
    let live = Live::default();
    let server = discover(&live, &Options { main_cf: Some(file), ..Options::default() });
    assert_eq!(server.instances[0].config.text("myhostname"), "named.example");
    assert!(server.instances[0].postconf.is_none());
}

#[test]
fn this_machine_and_its_replay() {
    let host = Live::default();
    let recording = Recording::new(&host);
    let live = discover(&recording, &Options::default());
    let processes = live.processes.as_ref().unwrap();
    let own = processes.iter().find(|p| p.pid == std::process::id()).unwrap();
    assert_eq!(own.uid, Live::default().euid());
    assert!(own.started.is_some());
    assert!(live.facts.contains_key("host.memory_mb") && live.facts.contains_key("host.cpus"));
    let directory = tempfile::tempdir().unwrap();
    recording.save(&directory.path().join("saved")).unwrap();
    let snapshot = Snapshot::open(&directory.path().join("saved")).unwrap();
    let replay = discover(&snapshot, &Options::default());
    assert_eq!(replay.processes, live.processes);
    assert_eq!(replay.logs, live.logs);
    let settings =
        |s: &Server<'_>| s.instances.iter().map(|i| (i.postconf.clone(), i.config_known)).collect::<Vec<_>>();
    assert_eq!(settings(&replay), settings(&live));
    assert_eq!(replay.facts.get("host.memory_mb"), live.facts.get("host.memory_mb"));
    assert_eq!(snapshot.read("/etc/never-asked", 9), Err(Trouble::NotCollected));
}

/// This machine with its Postfix replaced by a script; needs the right to make a private mount.
fn with_fake_postconf(script: &str, body: impl FnOnce(&Server<'_>)) {
    if Live::default().euid() != 0 {
        return;
    }
    let directory = folder(&[("postconf", script)]);
    let place = directory.path().join("postconf");
    std::fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mount = format!("mount --bind {} /usr/sbin/postconf && echo $$ && exec sleep 40", place.display());
    let run = Run::new("unshare", &["-m", "--propagation", "private", "sh", "-c", &mount]);
    let Ok(mut inside) = Live::default().stream(&run) else { return };
    let mut pid = [0; 32];
    let n = inside.read(&mut pid).unwrap_or(0);
    let pid = String::from_utf8_lossy(&pid[..n]).trim().to_owned();
    if pid.is_empty() {
        return;
    }
    let host = Via::open(&format!("nsenter -t {pid} -m")).unwrap();
    body(&discover(&host, &Options::default()));
}

#[test]
fn a_broken_postconf_leaves_the_files() {
    let script = "#!/bin/sh\necho 'postconf: error while loading shared libraries: libx.so' >&2\nexit 127\n";
    with_fake_postconf(script, |server| {
        let instance = &server.instances[0];
        assert!(instance.config_known && instance.postconf.is_none());
        assert!(instance.config.version.is_some());
        let said = server.not_checked.iter().find(|n| n.why.contains("shared libraries")).unwrap();
        assert!(said.settle.as_deref().unwrap().contains("postconf"));
    });
}

#[test]
fn a_hanging_postconf_does_not_hang_the_run() {
    let start = Instant::now();
    with_fake_postconf("#!/bin/sh\nsleep 64\n", |server| {
        assert!(server.instances[0].config_known);
        assert!(server.not_checked.iter().any(|n| n.why == "timed out"));
    });
    assert!(start.elapsed() < Duration::from_secs(25));
}
