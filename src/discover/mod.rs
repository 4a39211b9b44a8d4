//! What is there: the platform, the Postfix instances with their configuration, the processes and the log
//! sources. Everything later works on this [`Server`]; nothing here judges.

mod instances;
mod listeners;
mod platform;
mod processes;
mod version;

pub use listeners::{Family, Listener, listeners};

use jiff::Timestamp;

use crate::evidence::{Evidence, Fields, NotChecked, Observation};
use crate::host::{Host, HostKind, quote};
use crate::logs::source::LogSource;
use crate::postfix::config::Config;

/// The examined machine with all its instances.
pub struct Server<'h> {
    /// the boundary it was asked through
    pub host: &'h dyn Host,
    /// `host.*` facts; the names are declared with the facts of the engine
    pub facts: Fields,
    /// at least one, unless there is no Postfix and nothing of it in the snapshot
    pub instances: Vec<Instance>,
    /// where Postfix logs, oldest first within a file family
    pub logs: Vec<LogSource>,
    /// what is wrong with logging itself
    pub log_observations: Vec<Observation>,
    /// running processes, where the host can tell
    pub processes: Option<Vec<Process>>,
    /// what could not be looked at
    pub not_checked: Vec<NotChecked>,
}

/// One Postfix configuration directory.
pub struct Instance {
    /// `-` for the default one, else `multi_instance_name`
    pub name: String,
    /// for instance `/etc/postfix`
    pub config_dir: String,
    /// both files, parsed with line numbers, with defaults and overrides
    pub config: Config,
    /// `postconf -n` as Postfix itself gives it, where it could be run
    pub postconf: Option<Vec<(String, String)>>,
    /// warnings that `postconf` printed on stderr, one line each
    pub postconf_complaints: Vec<String>,
    /// pid of its running master
    pub master_pid: Option<u32>,
    /// when that master started
    pub started: Option<Timestamp>,
    /// no configuration file was there, only a log: nothing is known about settings
    pub config_known: bool,
}

/// A process of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// process id
    pub pid: u32,
    /// parent
    pub ppid: u32,
    /// effective user id
    pub uid: u32,
    /// name of the program file without directory (`smtpd`)
    pub name: String,
    /// its arguments, the program first
    pub args: Vec<String>,
    /// state letter of ps (`S`, `D`, `Z`)
    pub state: char,
    /// when it started
    pub started: Option<Timestamp>,
    /// its root directory, if it could be read
    pub root: Option<String>,
}

impl Process {
    /// `ps` would show this.
    pub fn evidence(&self) -> Evidence {
        Evidence::new("ps", format!("{} {}", self.pid, self.args.join(" ")))
    }
}

/// What the person said on the command line about where to look.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// an instance by name or configuration directory; none: all
    pub instance: Option<String>,
    /// this file is the main.cf
    pub main_cf: Option<String>,
    /// this file is the master.cf
    pub master_cf: Option<String>,
    /// these files are the log (`-`: standard input), nothing else is searched
    pub logs: Vec<String>,
}

impl<'h> Server<'h> {
    /// A host of which nothing is known but where it logs.
    pub fn of_logs(host: &'h dyn Host, logs: Vec<LogSource>) -> Self {
        Server {
            host,
            facts: Fields::new(),
            instances: Vec::new(),
            logs,
            log_observations: Vec::new(),
            processes: None,
            not_checked: Vec::new(),
        }
    }
}

/// Looks around on the host. Nothing here fails: what could not be learnt is absent, and said in `not_checked`.
pub fn discover<'h>(host: &'h dyn Host, options: &Options) -> Server<'h> {
    // Four independent questions, each of which may have to wait for a command.
    let (facts, processes, defaults, effective) = std::thread::scope(|scope| {
        let facts = scope.spawn(|| platform::facts(host));
        let processes = scope.spawn(|| processes::processes(host));
        let defaults = scope.spawn(|| instances::defaults(host));
        let effective = instances::effective(host, None);
        (
            facts.join().unwrap_or_default(),
            processes.join().unwrap_or_default(),
            defaults.join().unwrap_or_default(),
            effective,
        )
    });
    let mut found = instances::find(host, options, &defaults, effective);
    instances::find_masters(host, &mut found.instances, processes.as_deref());
    let configs: Vec<&Config> = found.instances.iter().map(|i| &i.config).collect();
    let logs = crate::logs::source::find(host, &configs, &options.logs);
    // An empty folder holds no Postfix that could be well or ill.
    if host.kind() == HostKind::Snapshot && logs.sources.is_empty() {
        found.instances.retain(|i| i.config_known || !i.config.master.services.is_empty());
    }
    if found.instances.iter().any(|i| i.config.version.is_none()) {
        let version = version::of_log(host, &logs.sources);
        for instance in &mut found.instances {
            instance.config.version = instance.config.version.or(version);
        }
    }
    let mut not_checked = found.not_checked;
    not_checked.extend(logs.not_checked);
    if host.euid() != 0 && host.kind() != HostKind::Snapshot {
        not_checked.insert(0, only_root(host));
    }
    Server {
        host,
        facts,
        instances: found.instances,
        logs: logs.sources,
        log_observations: logs.observations,
        processes,
        not_checked,
    }
}

/// What an ordinary user cannot see, and the one command that settles all of it.
fn only_root(host: &dyn Host) -> NotChecked {
    let program = std::env::current_exe().map_or_else(|_| "postdoctor".to_owned(), |p| p.display().to_string());
    let settle = match host.kind() {
        HostKind::Live => format!("sudo {} --auto", quote(&program)),
        _ => format!("postdoctor --via {} --auto", quote(&format!("{} sudo", host.describe()))),
    };
    NotChecked {
        what: "what only root may read: queue, private sockets, keys, processes of others".to_owned(),
        why: format!("this ran as user id {}", host.euid()),
        settle: Some(settle),
    }
}
