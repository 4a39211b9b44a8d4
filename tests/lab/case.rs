//! A case of the lab: a folder with scripts and an `expect.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use regex::Regex;
use serde::Deserialize;

/// Which set a case belongs to, and so how it is run and judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Fault,
    Healthy,
    SystemdFault,
    SystemdHealthy,
}

impl Kind {
    /// The folder below `tests/lab`.
    fn folder(self) -> &'static str {
        match self {
            Self::Fault => "faults",
            Self::Healthy => "healthy",
            Self::SystemdFault => "systemd/faults",
            Self::SystemdHealthy => "systemd/healthy",
        }
    }

    /// The script below `tests/lab` that runs one.
    pub(crate) fn runner(self) -> &'static str {
        match self {
            Self::Fault | Self::Healthy => "run",
            Self::SystemdFault | Self::SystemdHealthy => "systemd/run",
        }
    }

    pub(crate) fn is_healthy(self) -> bool {
        matches!(self, Self::Healthy | Self::SystemdHealthy)
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Fault => "faults",
            Self::Healthy => "healthy servers",
            Self::SystemdFault => "faults under systemd",
            Self::SystemdHealthy => "healthy servers under systemd",
        }
    }

    /// What this kind needs besides a box, if it is missing.
    pub(crate) fn missing(self) -> Option<String> {
        let booted = matches!(self, Self::SystemdFault | Self::SystemdHealthy);
        (booted && which::which_in("debootstrap", Some("/usr/sbin:/usr/bin"), "/").is_err())
            .then(|| "debootstrap is not installed (tests/run installs what is needed)".to_owned())
    }
}

/// What a finding must be and say. All regexes, case does not matter.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Wanted {
    /// ids, any of which is right; `rule` stands for all its causes. Empty: any
    pub(crate) id: Vec<String>,
    /// not our fault: `info` is enough
    pub(crate) harmless: bool,
    /// in title and cause
    pub(crate) says: Vec<String>,
    /// in the evidence: text or source
    pub(crate) evidence: Vec<String>,
    /// in the fix: summary or commands
    pub(crate) fix: Vec<String>,
}

/// `expect.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// the cause, or why the server is healthy, in words
    pub(crate) what: String,
    /// what mail.log or the output of the trigger shows; if one is missing, the case itself is broken
    pub(crate) shows: Vec<String>,
    /// the first finding
    #[serde(default)]
    pub(crate) top: Wanted,
    /// a second cause, anywhere among the findings
    #[serde(default)]
    pub(crate) also: Option<Wanted>,
    /// releases of Debian whose Postfix cannot have it, with the reason
    #[serde(default)]
    pub(crate) not_in: BTreeMap<String, String>,
    /// programs that it uses and that other releases' roots lack
    #[serde(default)]
    pub(crate) needs: Vec<String>,
}

/// One case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) expect: Expect,
}

impl Case {
    /// All of a kind, by name; `LAB_ONLY` narrows them.
    pub(crate) fn load(kind: Kind) -> Vec<Self> {
        let only = std::env::var("LAB_ONLY").ok().map(|text| Regex::new(&text).expect("LAB_ONLY is a regex"));
        let folder = super::lab_dir().join(kind.folder());
        let mut cases = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .map(|path| Self::read(kind, &path))
            .filter(Self::can_be_here)
            .filter(|case| only.as_ref().is_none_or(|only| only.is_match(&case.name)))
            .collect::<Vec<_>>();
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        cases
    }

    /// Whether the root file system that `BOX_ROOT` names can have it; this machine has all.
    fn can_be_here(&self) -> bool {
        let Some(root) = std::env::var_os("BOX_ROOT") else { return true };
        let release = std::fs::read_to_string(Path::new(&root).join("etc/os-release")).unwrap_or_default();
        // sid calls itself by the name of the next release, but for one line: `forky/sid`.
        let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or("sid");
        let codename = if release.contains("/sid\"") { "sid" } else { codename };
        let has =
            |program: &String| ["usr/sbin", "usr/bin"].iter().any(|d| Path::new(&root).join(d).join(program).exists());
        !self.expect.not_in.contains_key(codename) && self.expect.needs.iter().all(has)
    }

    fn read(kind: Kind, path: &Path) -> Self {
        let file = path.join("expect.toml");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let expect: Expect = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(!expect.what.is_empty(), "{}: what is it?", file.display());
        Self { kind, name: path.file_name().unwrap().to_string_lossy().into_owned(), expect }
    }
}
