//! The Postfix instances of a host: which there are, their two files, and what `postconf` says about them.
//!
//! `postconf` is asked beside the files, not instead of them: it may be broken, hang, or be of another version,
//! and only the files have line numbers.

use std::collections::BTreeMap;

use super::{Instance, Options, Process, version};
use crate::evidence::{NotChecked, printable};
use crate::host::{Answer, Host, HostKind, Live, Ran, Run, Trouble, quote};
use crate::postfix::config::Config;
use crate::postfix::main_cf::MainCf;
use crate::postfix::master_cf::MasterCf;
use crate::postfix::version::Version;

/// Where packages keep the configuration, the most usual first.
const PLACES: [&str; 4] = ["/etc/postfix", "/usr/local/etc/postfix", "/usr/pkg/etc/postfix", "/opt/local/etc/postfix"];
/// A configuration file is not longer.
const LIMIT: u64 = 8 << 20;

/// What `postconf -d` says: the defaults as this Postfix was built.
#[derive(Default)]
pub(super) struct Defaults {
    values: BTreeMap<String, String>,
    /// there is no such command
    missing: bool,
}

/// What `postconf -n` says about an instance.
#[derive(Default)]
pub(super) struct Effective {
    values: Option<Vec<(String, String)>>,
    complaints: Vec<String>,
    trouble: Option<String>,
}

/// Asks for the defaults.
pub(super) fn defaults(host: &dyn Host) -> Defaults {
    let answer = host.run(&Run::new("postconf", &["-d"]));
    let missing = answer == Err(Trouble::Missing);
    let values = output(answer).map(|ran| pairs(&ran.stdout).into_iter().collect()).unwrap_or_default();
    Defaults { values, missing }
}

/// Asks for the settings in force; without a directory, those of the default instance.
pub(super) fn effective(host: &dyn Host, directory: Option<&str>) -> Effective {
    let mut args = directory.map_or(Vec::new(), |d| vec!["-c", d]);
    args.push("-n");
    let answer = host.run(&Run::new("postconf", &args));
    let complaints = answer.as_ref().map_or(Vec::new(), |ran| {
        ran.err().lines().filter(|l| !l.trim().is_empty()).take(200).map(printable).collect()
    });
    match output(answer) {
        Ok(ran) => Effective { values: Some(pairs(&ran.stdout)), complaints, trouble: None },
        Err(trouble) => Effective { values: None, complaints, trouble: Some(trouble) },
    }
}

/// The output of a command that did its work, else why not.
fn output(answer: Answer<Ran>) -> Result<Ran, String> {
    match answer {
        Ok(ran) if ran.ok() => Ok(ran),
        Ok(ran) => {
            let words = ran.err();
            let words = words.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
            Err(printable(&format!("exit status {}: {words}", ran.status)))
        }
        Err(trouble) => Err(trouble.to_string()),
    }
}

/// Its output has the form of main.cf.
fn pairs(bytes: &[u8]) -> Vec<(String, String)> {
    MainCf::parse("postconf", bytes).settings.into_iter().map(|s| (s.name, s.value)).collect()
}

/// What was found out about instances.
pub(super) struct Found {
    pub(super) instances: Vec<Instance>,
    pub(super) not_checked: Vec<NotChecked>,
}

/// All instances, or the one that was asked for.
pub(super) fn find(host: &dyn Host, options: &Options, defaults: &Defaults, default: Effective) -> Found {
    let mut not_checked = Vec::new();
    let own_files = options.main_cf.is_some() || options.master_cf.is_some();
    let main_dir = default_directory(host, defaults, options);
    let version = match defaults.values.get("mail_version") {
        Some(version) => Version::parse(version),
        None => version::of_package(host),
    };
    let mut instances = Vec::new();
    // Files that the person named are not those that postconf would tell about.
    let effective_default = if own_files { Effective::default() } else { default };
    let first = Reader { host, options, defaults, version }.read(&main_dir, effective_default, &mut not_checked);
    let exists = first.config_known
        || own_files
        || host.kind() == HostKind::Snapshot
        || !defaults.values.is_empty()
        || !defaults.missing
        || host.kind_of(&main_dir).is_ok();
    let others = if own_files { Vec::new() } else { other_directories(host, &first.config) };
    if exists {
        instances.push(first);
    }
    let read_other = |directory: &String, not_checked: &mut Vec<NotChecked>| {
        let said = effective(host, Some(directory));
        let reader = Reader { host, options: &Options::default(), defaults, version };
        let mut instance = reader.read(directory, said, not_checked);
        let name = instance.config.text("multi_instance_name");
        let last = directory.rsplit('/').next().unwrap_or(directory);
        instance.name = if name.is_empty() { last.to_owned() } else { name };
        instance
    };
    for directory in &others {
        instances.push(read_other(directory, &mut not_checked));
    }
    if let Some(wanted) = &options.instance {
        let is_it = |i: &Instance| i.name == *wanted || i.config_dir == wanted.trim_end_matches('/');
        if instances.iter().any(is_it) {
            instances.retain(is_it);
        } else if wanted.starts_with('/') {
            instances = vec![read_other(&wanted.trim_end_matches('/').to_owned(), &mut not_checked)];
        } else {
            let known: Vec<&str> = instances.iter().map(|i| i.name.as_str()).collect();
            let why = format!("there is no such instance; there are: {}", known.join(", "));
            not_checked.push(NotChecked { what: format!("instance {wanted}"), why, settle: None });
            instances.clear();
        }
    }
    Found { instances, not_checked }
}

/// The configuration directory of the default instance.
fn default_directory(host: &dyn Host, defaults: &Defaults, options: &Options) -> String {
    let named = options.main_cf.as_ref().or(options.master_cf.as_ref());
    if let Some(directory) = named.and_then(|file| file.rsplit_once('/')).map(|(directory, _)| directory)
        && directory.starts_with('/')
    {
        return directory.to_owned();
    }
    if let Some(built_in) = defaults.values.get("config_directory") {
        return built_in.clone();
    }
    let there = |place: &&&str| {
        !matches!(host.kind_of(&format!("{place}/main.cf")), Err(Trouble::Missing | Trouble::NotCollected))
    };
    PLACES.iter().find(there).unwrap_or(&PLACES[0]).to_string()
}

/// The directories of all other instances, as `postmulti` would find them. It is asked only where main.cf says
/// that there are others, and where it cannot answer, the list in main.cf does.
fn other_directories(host: &dyn Host, config: &Config) -> Vec<String> {
    let listed = config.items("multi_instance_directories");
    if listed.is_empty() {
        return listed;
    }
    let Ok(ran) = output(host.run(&Run::new("postmulti", &["-l", "-a"]))) else { return listed };
    let out = ran.out();
    let path = |line: &str| {
        let mut columns = line.split_ascii_whitespace();
        let name = columns.next()?;
        let path = columns.nth(2)?;
        (name != "-" || listed.iter().any(|l| l == path)).then(|| path.to_owned())
    };
    let mut found: Vec<String> = out.lines().filter_map(path).collect();
    found.extend(listed.iter().filter(|l| !found.contains(l)).cloned().collect::<Vec<_>>());
    found
}

/// Reads instances with what is common to all of them.
struct Reader<'a> {
    host: &'a dyn Host,
    options: &'a Options,
    defaults: &'a Defaults,
    version: Option<Version>,
}

impl Reader<'_> {
    fn read(&self, directory: &str, said: Effective, not_checked: &mut Vec<NotChecked>) -> Instance {
        let (main_file, main) = self.file(directory, "main.cf", self.options.main_cf.as_deref(), not_checked);
        let (master_file, master) = self.file(directory, "master.cf", self.options.master_cf.as_deref(), not_checked);
        if let Some(why) = said.trouble
            && self.host.kind() != HostKind::Snapshot
        {
            let command = format!("postconf -c {} -n", quote(directory));
            let what = format!("the settings of {directory} as Postfix itself reads them");
            not_checked.push(NotChecked { what, why, settle: Some(command) });
        }
        let config = Config {
            main: main.as_deref().map_or_else(MainCf::default, |bytes| MainCf::parse(&main_file, bytes)),
            master: master.as_deref().map_or_else(MasterCf::default, |bytes| MasterCf::parse(&master_file, bytes)),
            version: self.version,
            built_in: self.defaults.values.clone(),
        };
        Instance {
            name: "-".to_owned(),
            config_dir: directory.to_owned(),
            config,
            postconf: said.values,
            postconf_complaints: said.complaints,
            master_pid: None,
            started: None,
            config_known: main.is_some(),
        }
    }

    /// A file of the configuration directory, or the one that the person named: that lies on this machine.
    fn file(
        &self,
        directory: &str,
        name: &str,
        named: Option<&str>,
        not_checked: &mut Vec<NotChecked>,
    ) -> (String, Option<Vec<u8>>) {
        let path = named.map_or_else(|| format!("{directory}/{name}"), str::to_owned);
        let answer =
            if named.is_some() { Live::default().read(&absolute(&path), LIMIT) } else { self.host.read(&path, LIMIT) };
        match answer {
            Ok(bytes) => (path, Some(bytes)),
            Err(trouble) => {
                let settle = match trouble {
                    Trouble::Denied => Some(format!("sudo cat {}", quote(&path))),
                    _ => None,
                };
                not_checked.push(NotChecked { what: path.clone(), why: trouble.to_string(), settle });
                (path, None)
            }
        }
    }
}

fn absolute(path: &str) -> String {
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |p| p.to_string_lossy().into_owned())
}

/// Finds the running master of each instance.
///
/// The pid file alone proves nothing: it stays when master is killed, and its number may by now belong to
/// another program. Without a list of processes nothing is said.
pub(super) fn find_masters(host: &dyn Host, instances: &mut [Instance], processes: Option<&[Process]>) {
    let Some(processes) = processes else { return };
    let masters: Vec<&Process> = processes.iter().filter(|p| p.name == "master" && p.state != 'Z').collect();
    let alone = instances.len() == 1;
    for instance in instances {
        let queue = instance.config.text("queue_directory");
        let data = instance.config.text("data_directory");
        let noted = [format!("{queue}/pid/master.pid"), format!("{data}/master.lock")];
        let noted: Vec<u32> = noted
            .iter()
            .filter_map(|file| String::from_utf8_lossy(&host.read(file, 64).ok()?).trim().parse().ok())
            .collect();
        // Its working directory is its queue, which settles it where we may look.
        let works_in = |p: &Process| host.read_link(&format!("/proc/{}/cwd", p.pid)).ok();
        let found = masters.iter().find(|p| noted.contains(&p.pid)).or_else(|| {
            masters.iter().find(|p| match works_in(p) {
                Some(directory) => directory == queue,
                None => alone && p.args.first().is_some_and(|a| a.contains("postfix")),
            })
        });
        if let Some(master) = found {
            instance.master_pid = Some(master.pid);
            instance.started = master.started;
        }
    }
}
