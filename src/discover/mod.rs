//! What is there: the platform, the Postfix instances with their configuration, the processes and the log
//! sources. Everything later works on this [`Server`]; nothing here judges.

mod listeners;

pub use listeners::{Family, Listener, listeners};

use jiff::Timestamp;

use crate::evidence::{Evidence, Fields, NotChecked};
use crate::host::Host;
use crate::logs::source::LogSource;
use crate::postfix::config::Config;

/// The examined machine with all its instances.
pub struct Server<'h> {
    /// the boundary it was asked through
    pub host: &'h dyn Host,
    /// `host.*` facts; the names are declared in [`HOST_FACTS`]
    pub facts: Fields,
    /// at least one, unless there is no Postfix and nothing of it in the snapshot
    pub instances: Vec<Instance>,
    /// where Postfix logs, oldest first within a file family
    pub logs: Vec<LogSource>,
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

/// Looks around on the host. Nothing here fails: what could not be learnt is absent, and said in `not_checked`.
pub fn discover<'h>(_host: &'h dyn Host, _options: &Options) -> Server<'h> {
    todo!()
}
