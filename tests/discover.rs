//! What is found out about a host before anything is judged.

use postdoctor::discover::{Options, Server, discover};
use postdoctor::evidence::Value;
use postdoctor::host::{Host, Live, Recording, Snapshot, Trouble};

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
    let server = discover(&Live, &Options { main_cf: Some(file), ..Options::default() });
    assert_eq!(server.instances[0].config.text("myhostname"), "named.example");
    assert!(server.instances[0].postconf.is_none());
}

#[test]
fn this_machine_and_its_replay() {
    let recording = Recording::new(&Live);
    let live = discover(&recording, &Options::default());
    let processes = live.processes.as_ref().unwrap();
    let own = processes.iter().find(|p| p.pid == std::process::id()).unwrap();
    assert_eq!(own.uid, Live.euid());
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
