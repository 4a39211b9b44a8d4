//! What the observers of the step `files` work with: one instance, its directories, and owners and modes in the
//! form in which people read them.

use std::cell::RefCell;

use crate::discover::{Instance, Server};
use crate::evidence::{Evidence, NotChecked, Observation};
use crate::host::{Host, Stat, Trouble};
use crate::steps::Outcome;
use crate::steps::config::access;

/// One instance under the eyes of the observers.
pub(super) struct View<'a> {
    pub(super) host: &'a dyn Host,
    pub(super) instance: &'a Instance,
    pub(super) queue: String,
    pub(super) data: String,
    pub(super) config: String,
    pub(super) daemons: String,
    pub(super) commands: String,
    pub(super) mail_owner: String,
    pub(super) setgid_group: String,
    out: RefCell<Outcome>,
}

impl<'a> View<'a> {
    pub(super) fn new(server: &Server<'a>, instance: &'a Instance) -> Self {
        let path = |name: &str| instance.config.text(name).trim_end_matches('/').to_owned();
        View {
            host: server.host,
            instance,
            queue: path("queue_directory"),
            data: path("data_directory"),
            config: instance.config_dir.clone(),
            daemons: path("daemon_directory"),
            commands: path("command_directory"),
            mail_owner: instance.config.text("mail_owner"),
            setgid_group: instance.config.text("setgid_group"),
            out: RefCell::default(),
        }
    }
    pub(super) fn finish(self) -> Outcome {
        self.out.into_inner()
    }
    pub(super) fn emit(&self, seen: Observation) {
        let seen = seen.of_instance(&self.instance.name);
        let mut out = self.out.borrow_mut();
        if !out.observations.iter().any(|o| o.kind == seen.kind && o.fields == seen.fields) {
            out.observations.push(seen);
        }
    }
    /// Metadata, or what kept us from it: no permission is noted, "not there" is handed out.
    pub(super) fn stat(&self, path: &str) -> Option<Result<Stat, ()>> {
        match self.host.stat(path) {
            Ok(stat) => Some(Ok(stat)),
            Err(Trouble::Missing) => Some(Err(())),
            Err(Trouble::Denied) => {
                self.not_checked(
                    format!("owner and mode of {path}"),
                    "permission denied",
                    Some(format!("sudo ls -ld {path}")),
                );
                None
            }
            Err(Trouble::NotCollected) => None,
            Err(other) => {
                self.not_checked(
                    format!("owner and mode of {path}"),
                    other.to_string(),
                    Some(format!("ls -ld {path}")),
                );
                None
            }
        }
    }
    pub(super) fn not_checked(&self, what: impl Into<String>, why: impl Into<String>, settle: Option<String>) {
        let row = NotChecked { what: what.into(), why: why.into(), settle };
        let mut out = self.out.borrow_mut();
        if !out.not_checked.contains(&row) {
            out.not_checked.push(row);
        }
    }
    pub(super) fn user(&self, uid: u32) -> String {
        access::user_name(self.host, uid)
    }
    pub(super) fn group(&self, gid: u32) -> String {
        access::group_name(self.host, gid)
    }
    /// The path with owner and mode, as `ls -ld` shows it.
    pub(super) fn evidence(&self, path: &str, stat: &Stat) -> Evidence {
        Evidence::new(path, access::owner_and_mode(self.host, stat))
    }
}

/// `0755`
pub(super) fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}
