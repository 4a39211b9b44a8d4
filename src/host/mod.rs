//! The boundary to the examined machine. All reads, commands and network probes pass the [`Host`] trait, so
//! that a live server, a server behind a command prefix, and a folder on disk are examined by the same code,
//! and so that everything that passed can be recorded and replayed.
//!
//! What a host cannot tell is an error that says why ([`Trouble`]): a snapshot that lacks a file answers
//! [`Trouble::NotCollected`], never [`Trouble::Missing`], because "nobody packed it" is not "it is not there".

mod bytes;
mod dns;
mod exec;
mod live;
mod logs_only;
mod patience;
mod recording;
mod records;
mod snapshot;
mod system;
mod via;

pub use exec::{SEARCH, split_words};
pub use live::Live;
pub use logs_only::LogsOnly;
pub use recording::Recording;
pub use snapshot::Snapshot;
pub use via::Via;

use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why something could not be read, run or reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Trouble {
    /// It is not there: file or command does not exist on that host.
    #[error("missing")]
    Missing,
    /// No permission.
    #[error("permission denied")]
    Denied,
    /// It took longer than its limit; a command's process group was killed.
    #[error("timed out")]
    TimedOut,
    /// Not part of the snapshot or recording, or this kind of host cannot do it: unknown.
    #[error("not collected")]
    NotCollected,
    /// Anything else, with the system's words.
    #[error("{0}")]
    Other(String),
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        match error.kind() {
            K::NotFound | K::NotADirectory => Trouble::Missing,
            K::PermissionDenied => Trouble::Denied,
            K::TimedOut => Trouble::TimedOut,
            _ => Trouble::Other(error.to_string()),
        }
    }
}

/// The result of asking a host.
pub type Answer<T> = Result<T, Trouble>;

/// What kind of thing a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// regular file
    File,
    /// directory
    Directory,
    /// symbolic link (only from [`Host::lstat`])
    Symlink,
    /// socket
    Socket,
    /// named pipe
    Fifo,
    /// device or something else
    Other,
}

/// Metadata of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// what it is
    pub kind: FileKind,
    /// permission bits with set-uid, set-gid and sticky (`0o7777` mask)
    pub mode: u32,
    /// owner
    pub uid: u32,
    /// group
    pub gid: u32,
    /// bytes
    pub size: u64,
    /// modification time, seconds since the epoch
    pub mtime: i64,
    /// inode, 0 where unknown
    pub ino: u64,
}

/// A command to run on the host: never through a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// program name (searched in PATH and the sbin directories of the host) or absolute path
    pub program: String,
    /// arguments
    pub args: Vec<String>,
    /// bytes for its standard input
    pub stdin: Vec<u8>,
    /// time limit; then the whole process group is killed
    pub limit: Duration,
    /// how many bytes of output are kept; then it is killed
    pub cap: usize,
    /// run as this user of the host (needs root)
    pub user: Option<String>,
    /// extra environment on top of the clean one (`MAIL_CONFIG`)
    pub env: Vec<(String, String)>,
}

impl Run {
    /// A command with the default limits: 10 seconds, 4 MiB of output.
    pub fn new(program: &str, args: &[&str]) -> Self {
        Run {
            program: program.to_owned(),
            args: args.iter().map(|s| (*s).to_owned()).collect(),
            stdin: Vec::new(),
            limit: Duration::from_secs(10),
            cap: 4 << 20,
            user: None,
            env: Vec::new(),
        }
    }
    /// With another time limit.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
    /// With bytes for standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }
    /// As another user.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }
    /// The command as a person would type it, with quotes where a shell needs them.
    pub fn line(&self) -> String {
        std::iter::once(&self.program).chain(&self.args).map(|a| quote(a)).collect::<Vec<_>>().join(" ")
    }
}

/// A word quoted for a POSIX shell, for text that people copy; nothing here is ever passed to a shell.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// What a command did. A command that could not be started or was killed is a [`Trouble`] instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// exit status; a signal N is 128+N
    pub status: i32,
    /// standard output, up to the cap
    #[serde(with = "bytes")]
    pub stdout: Vec<u8>,
    /// standard error, up to the cap
    #[serde(with = "bytes")]
    pub stderr: Vec<u8>,
    /// output was cut at the cap
    pub truncated: bool,
}

impl Ran {
    /// Exit status 0.
    pub fn ok(&self) -> bool {
        self.status == 0
    }
    /// Standard output as text, bad bytes replaced.
    pub fn out(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.stdout)
    }
    /// Standard error as text, bad bytes replaced.
    pub fn err(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.stderr)
    }
}

/// Where a connection attempt goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    /// TCP
    Tcp(SocketAddr),
    /// UNIX-domain stream socket
    Unix(String),
}

/// How a connection attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Connected {
    /// Accepted; the bytes that came within the time to listen (a banner), maybe none.
    Open {
        /// milliseconds until it was accepted
        millis: u64,
        /// what the peer said first, at most 1 KiB
        #[serde(with = "bytes")]
        said: Vec<u8>,
    },
    /// Refused (RST, or nobody listens on the socket).
    Refused,
    /// No answer within the limit.
    TimedOut,
    /// No route, network unreachable, no address of that family.
    Unreachable(String),
    /// Socket path does not exist.
    Missing,
    /// No permission for the socket.
    Denied,
    /// Anything else.
    Failed(String),
}

/// A DNS question to one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// the server, port 53 unless said
    pub server: SocketAddr,
    /// the name
    pub name: String,
    /// `A`, `AAAA`, `MX`, `PTR`, `TXT`, `TLSA`, `NS`
    pub qtype: String,
    /// time limit for UDP and TCP together
    pub limit: Duration,
}

/// How a DNS question ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// `NOERROR`, `NXDOMAIN`, `SERVFAIL`, `REFUSED`, …
    pub rcode: String,
    /// records of the asked type in presentation form, with CNAMEs followed (`10 mx.example.net.`)
    pub records: Vec<String>,
    /// the AD bit
    pub authentic: bool,
    /// lowest TTL of the records, seconds
    pub ttl: Option<u32>,
    /// milliseconds
    pub millis: u64,
}

/// What kind of host this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostKind {
    /// this machine
    Live,
    /// through a command prefix
    Via,
    /// files on disk
    Snapshot,
}

/// A name and number of the user or group database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// login name
    pub name: String,
    /// user id
    pub uid: u32,
    /// primary group id
    pub gid: u32,
    /// home directory
    pub home: String,
}

/// The machine that is examined. Paths are absolute paths of that machine.
pub trait Host: Send + Sync {
    /// What kind of host.
    fn kind(&self) -> HostKind;
    /// Whether it is what somebody posted: a few files without any knowledge of the rest of the machine.
    fn is_post(&self) -> bool {
        false
    }
    /// In a few words: `this machine`, `ssh mx1`, `snapshot /tmp/x`.
    fn describe(&self) -> String;
    /// Metadata of the path, symbolic links followed.
    fn stat(&self, path: &str) -> Answer<Stat>;
    /// Metadata of the path itself.
    fn lstat(&self, path: &str) -> Answer<Stat>;
    /// What the path is, symbolic links followed. A folder of files knows this even where it cannot tell owner
    /// and mode, and [`Host::stat`] answers [`Trouble::NotCollected`]: ask this when only existence matters.
    fn kind_of(&self, path: &str) -> Answer<FileKind> {
        self.stat(path).map(|s| s.kind)
    }
    /// Where a symbolic link points, as written.
    fn read_link(&self, path: &str) -> Answer<String>;
    /// The whole file, up to `limit` bytes (never a FIFO or device).
    fn read(&self, path: &str, limit: u64) -> Answer<Vec<u8>>;
    /// The file as a stream, for logs; `offset` bytes skipped.
    fn open(&self, path: &str, offset: u64) -> Answer<Box<dyn Read + Send>>;
    /// Names in a directory, sorted, without `.` and `..`.
    fn list(&self, path: &str) -> Answer<Vec<String>>;
    /// Runs a command.
    fn run(&self, run: &Run) -> Answer<Ran>;
    /// Runs a command and hands out its output as a stream (`journalctl`, `zstdcat`); dropping it kills the group.
    /// The time limit holds between two pieces of output, not for the whole; there is no cap. A command that
    /// fails with words on standard error ends the stream with an error that tells them.
    fn stream(&self, run: &Run) -> Answer<Box<dyn Read + Send>>;
    /// Connects, listens for at most `listen` for a first word, closes.
    fn connect(&self, peer: &Peer, limit: Duration, listen: Duration) -> Answer<Connected>;
    /// Connects, says `words`, listens for at most `listen` for the first answer, closes. For services where the
    /// client speaks first (policy servers, milters).
    fn talk(&self, _peer: &Peer, _words: &[u8], _limit: Duration, _listen: Duration) -> Answer<Connected> {
        Err(Trouble::NotCollected)
    }
    /// Asks one DNS server.
    fn resolve(&self, question: &Question) -> Answer<Resolved>;
    /// Looks up a user by name in that host's user database.
    fn user(&self, name: &str) -> Answer<User>;
    /// Looks up a user by number.
    fn user_by_id(&self, uid: u32) -> Answer<User>;
    /// The number of a group.
    fn group(&self, name: &str) -> Answer<u32>;
    /// The name of a group.
    fn group_by_id(&self, gid: u32) -> Answer<String>;
    /// The host's clock; for a snapshot, the time it was taken (or of its newest log line), if known.
    fn now(&self) -> Answer<jiff::Timestamp>;
    /// Memory, processors, load and name as `host.*` facts.
    fn system(&self) -> Answer<crate::evidence::Fields> {
        Err(Trouble::NotCollected)
    }
    /// Effective user id that looks at the host: 0 means that permissions do not hide anything.
    fn euid(&self) -> u32;
}
