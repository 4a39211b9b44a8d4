//! A host of which only logs may be read: for `postdoctor logs`, which looks at log files of who knows where
//! and must not take the machine it runs on for the one that wrote them.

use std::io::Read;
use std::time::Duration;

use super::{Answer, Connected, Host, HostKind, Peer, Question, Ran, Resolved, Run, Stat, Trouble, User};

/// Passes what reading logs needs; everything else is not collected.
pub struct LogsOnly<'h>(pub &'h dyn Host);

impl Host for LogsOnly<'_> {
    fn kind(&self) -> HostKind {
        HostKind::Snapshot
    }
    fn describe(&self) -> String {
        "these logs".to_owned()
    }
    fn open(&self, path: &str, offset: u64) -> Answer<Box<dyn Read + Send>> {
        self.0.open(path, offset)
    }
    fn stream(&self, run: &Run) -> Answer<Box<dyn Read + Send>> {
        self.0.stream(run)
    }
    fn now(&self) -> Answer<jiff::Timestamp> {
        self.0.now()
    }
    fn euid(&self) -> u32 {
        self.0.euid()
    }
    fn stat(&self, path: &str) -> Answer<Stat> {
        self.0.stat(path)
    }
    fn lstat(&self, _: &str) -> Answer<Stat> {
        Err(Trouble::NotCollected)
    }
    fn read_link(&self, _: &str) -> Answer<String> {
        Err(Trouble::NotCollected)
    }
    fn read(&self, _: &str, _: u64) -> Answer<Vec<u8>> {
        Err(Trouble::NotCollected)
    }
    fn list(&self, _: &str) -> Answer<Vec<String>> {
        Err(Trouble::NotCollected)
    }
    fn run(&self, _: &Run) -> Answer<Ran> {
        Err(Trouble::NotCollected)
    }
    fn connect(&self, _: &Peer, _: Duration, _: Duration) -> Answer<Connected> {
        Err(Trouble::NotCollected)
    }
    fn resolve(&self, _: &Question) -> Answer<Resolved> {
        Err(Trouble::NotCollected)
    }
    fn user(&self, _: &str) -> Answer<User> {
        Err(Trouble::NotCollected)
    }
    fn user_by_id(&self, _: u32) -> Answer<User> {
        Err(Trouble::NotCollected)
    }
    fn group(&self, _: &str) -> Answer<u32> {
        Err(Trouble::NotCollected)
    }
    fn group_by_id(&self, _: u32) -> Answer<String> {
        Err(Trouble::NotCollected)
    }
}
