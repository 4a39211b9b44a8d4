//! Our reading of main.cf and master.cf agrees with `postconf`, line for line, on realistic and on generated files.
//!
//! Where no `postconf` is installed nothing is compared. `POSTCONF_ROOT=DIR` asks the one in another root file
//! system (`chroot DIR postconf`), so that other releases can be tried:
//! `POSTCONF_ROOT=/srv/trixie cargo test config_agreement`.

#![allow(clippy::disallowed_methods, reason = "tests start programs")]

mod generated;
mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use postdoctor::postfix::config::Config;
use postdoctor::postfix::main_cf::MainCf;
use postdoctor::postfix::master_cf::MasterCf;
use postdoctor::postfix::unused::{undefined_names, unused_parameters};
use postdoctor::postfix::version::Version;

/// `postconf`, here or in another root.
struct Postconf {
    root: Option<PathBuf>,
    version: Version,
    defaults: BTreeMap<String, String>,
}

struct Answer {
    ok: bool,
    out: String,
    err: String,
}

impl Postconf {
    fn find() -> Option<Postconf> {
        let root = std::env::var_os("POSTCONF_ROOT").map(PathBuf::from);
        let mut postconf = Postconf { root, version: Version::new(3, 7, 0), defaults: BTreeMap::new() };
        if postconf.root.is_none() && !Path::new("/usr/sbin/postconf").exists() {
            return None;
        }
        let empty = postconf.directory(b"", b"");
        let answer = postconf.ask(Some(empty.path()), &["-d"]);
        postconf.defaults = pairs(&answer.out).into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        postconf.version = Version::parse(postconf.defaults.get("mail_version")?)?;
        Some(postconf)
    }

    fn ask(&self, dir: Option<&Path>, args: &[&str]) -> Answer {
        let mut command = match &self.root {
            Some(root) => {
                let mut chroot = Command::new("chroot");
                chroot.arg(root).arg("/usr/sbin/postconf");
                chroot
            }
            None => Command::new("/usr/sbin/postconf"),
        };
        if let Some(dir) = dir {
            command.arg("-c").arg(self.inside(dir));
        }
        let output = command.args(args).env("LC_ALL", "C").output().unwrap();
        Answer {
            ok: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// A path as `postconf` sees it.
    fn inside(&self, path: &Path) -> PathBuf {
        self.root.as_ref().map_or(path.into(), |root| Path::new("/").join(path.strip_prefix(root).unwrap()))
    }

    /// A configuration directory that this `postconf` can see.
    fn directory(&self, main: &[u8], master: &[u8]) -> tempfile::TempDir {
        let dir = match &self.root {
            Some(root) => tempfile::tempdir_in(root.join("tmp")),
            None => tempfile::tempdir(),
        }
        .unwrap();
        for (name, bytes) in [("main.cf", main), ("master.cf", master)] {
            let mut file = std::fs::File::create(dir.path().join(name)).unwrap();
            file.write_all(bytes).unwrap();
            // Postfix reads a file again and again until it is two seconds old.
            file.set_modified(SystemTime::now() - Duration::from_mins(1)).unwrap();
        }
        dir
    }
}

/// Problems with which `postconf` ends at once.
const FATAL_MAIN: &[&str] = &["missing-equals", "missing-name", "postconf-message"];
const FATAL_MASTER: &[&str] = &[
    "too-few-fields",
    "lost-indent",
    "unknown-service-type",
    "bad-private",
    "bad-unprivileged",
    "bad-chroot",
    "bad-wakeup",
    "bad-maxproc",
];

/// Compares all that `postconf` says of these files with what we say; tells whether `postconf` accepted them.
fn compare(postconf: &Postconf, main: &[u8], master: &[u8]) -> bool {
    let shown = format!("main.cf:\n{}\nmaster.cf:\n{}", String::from_utf8_lossy(main), String::from_utf8_lossy(master));
    let dir = postconf.directory(main, master);
    let mut config = Config {
        main: MainCf::parse("main.cf", main),
        master: MasterCf::parse("master.cf", master),
        version: Some(postconf.version),
        built_in: postconf.defaults.clone(),
    };
    let fatal = config.main.problems.iter().any(|p| FATAL_MAIN.contains(&p.kind.as_str()))
        || config.master.problems.iter().any(|p| FATAL_MASTER.contains(&p.kind.as_str()));
    let set = postconf.ask(Some(dir.path()), &["-n"]);
    if fatal || !set.ok {
        let bad = |value: &str, service| !config.expand(value, service).problems.is_empty();
        let syntax = config.main.settings.iter().any(|s| bad(&s.value, None))
            || config.master.services.iter().any(|s| s.overrides.iter().any(|o| bad(&o.value, Some(s))));
        assert!(
            !set.ok,
            "postconf accepts what we call fatal\n{:?} {:?}\n{shown}",
            config.main.problems, config.master.problems
        );
        assert!(fatal || syntax, "postconf refuses what we accept\n{}\n{shown}", set.err);
        return false;
    }
    let mut printed = pairs(&set.out);
    // What `-c` itself sets.
    printed.remove("config_directory");
    config.built_in.insert("config_directory".to_owned(), postconf.inside(dir.path()).display().to_string());
    for (name, value) in &printed {
        let ours = config.main.get(name).unwrap_or_else(|| panic!("{name} was not found\n{shown}"));
        assert_eq!(&ours.value, value, "{name}\n{shown}");
    }
    // Two entries of one name and type are one name space to postconf.
    if config.master.problems.iter().all(|p| p.kind != "duplicate-service") {
        warnings(&config, &set, &printed, &shown);
    }
    master_lines(postconf, dir.path(), &config, &shown);
    expansions(postconf, dir.path(), &config, &shown);
    true
}

/// `-n` shows what is used and warns of the rest; together that is the file.
fn warnings(config: &Config, set: &Answer, printed: &BTreeMap<&str, &str>, shown: &str) {
    let warned = |file: &str, what: &str| -> BTreeSet<String> {
        set.err
            .lines()
            .filter_map(|line| line.split_once(&format!("/{file}: {what}: ")))
            .map(|(_, rest)| if what.starts_with("unused") { rest.split('=').next().unwrap_or(rest) } else { rest })
            .map(str::to_owned)
            .collect()
    };
    let unused = unused_parameters(config);
    let ours = |of_main: bool| -> BTreeSet<String> {
        unused.iter().filter(|u| u.service.is_none() == of_main).map(|u| u.name.clone()).collect()
    };
    assert_eq!(ours(true), warned("main.cf", "unused parameter"), "unused in main.cf\n{}\n{shown}", set.err);
    assert_eq!(ours(false), warned("master.cf", "unused parameter"), "unused in master.cf\n{}\n{shown}", set.err);
    let all: BTreeSet<&str> = config.main.settings.iter().map(|s| s.name.as_str()).collect();
    let told: BTreeSet<&str> =
        printed.keys().copied().chain(unused.iter().filter(|u| u.service.is_none()).map(|u| u.name.as_str())).collect();
    assert_eq!(all, told, "a setting that postconf does not know of\n{shown}");
    // Warnings show bytes beyond ASCII as `?`.
    let masked = |name: String| -> String {
        name.bytes().map(|b| if b.is_ascii_graphic() { char::from(b) } else { '?' }).collect()
    };
    let undefined: BTreeSet<String> = undefined_names(config).into_iter().map(|u| masked(u.name)).collect();
    let theirs: BTreeSet<String> = ["main.cf", "master.cf"]
        .iter()
        .flat_map(|file| warned(file, "undefined parameter"))
        // `$1` is one for postconf; for us it belongs to a lookup table.
        .filter(|name| !name.bytes().all(|b| b.is_ascii_digit()))
        .collect();
    assert_eq!(undefined, theirs, "undefined names\n{}\n{shown}", set.err);
}

fn master_lines(postconf: &Postconf, dir: &Path, config: &Config, shown: &str) {
    let entries = postconf.ask(Some(dir), &["-M"]);
    let theirs: Vec<Vec<&str>> = entries.out.lines().map(|l| l.split_ascii_whitespace().collect()).collect();
    let lines: Vec<String> =
        config.master.services.iter().map(postdoctor::postfix::master_cf::Service::postconf_line).collect();
    let ours: Vec<Vec<&str>> = lines.iter().map(|l| l.split_ascii_whitespace().collect()).collect();
    assert_eq!(ours, theirs, "postconf -M\n{shown}");
    let overrides = postconf.ask(Some(dir), &["-P"]);
    let mut ours = BTreeMap::new();
    for service in &config.master.services {
        for set in &service.overrides {
            ours.insert(format!("{}/{}/{}", service.name, service.kind, set.name), set.value.clone());
        }
    }
    let theirs: BTreeMap<String, String> =
        pairs(&overrides.out).into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    // Two entries of one name and type are one name space to postconf.
    let duplicates = config.master.problems.iter().any(|p| p.kind == "duplicate-service");
    if !duplicates {
        assert_eq!(ours, theirs, "postconf -P\n{}\n{shown}", overrides.err);
    }
}

fn expansions(postconf: &Postconf, dir: &Path, config: &Config, shown: &str) {
    let expanded = postconf.ask(Some(dir), &["-nx"]);
    let trouble = config
        .main
        .settings
        .iter()
        .any(|s| config.value(&s.name, None).is_some_and(|v| !v.expanded.problems.is_empty() || v.expanded.cycle));
    if !expanded.ok {
        assert!(trouble, "postconf -x fails\n{}\n{shown}", expanded.err);
        return;
    }
    for (name, value) in pairs(&expanded.out) {
        let ours = config.value(name, None).unwrap().expanded;
        if ours.problems.is_empty() && ours.unknown.is_empty() {
            let folded =
                ours.text.split([' ', '\t', '\r', '\n']).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
            assert_eq!(folded, value, "{name}, expanded\n{shown}");
        }
    }
}

/// The `name = value` lines of an output.
fn pairs(out: &str) -> BTreeMap<&str, &str> {
    out.lines()
        .filter_map(|line| line.split_once(" = ").or_else(|| line.strip_suffix(" =").map(|name| (name, ""))))
        .collect()
}
