//! master.cf, and the output of `postconf -M`, with line numbers.

use super::Problem;

/// An `-o name=value` of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// parameter name
    pub name: String,
    /// value
    pub value: String,
    /// line where it stands
    pub line: u64,
}

/// One service entry. Columns are as written, `-` included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `smtp`, `127.0.0.1:10025`, `private/x`
    pub name: String,
    /// `inet`, `unix`, `unix-dgram`, `fifo`, `pass`
    pub kind: String,
    /// private column
    pub private: String,
    /// unprivileged column
    pub unpriv: String,
    /// chroot column
    pub chroot: String,
    /// wake-up column
    pub wakeup: String,
    /// process limit column
    pub maxproc: String,
    /// program name (`smtpd`)
    pub command: String,
    /// all arguments, as `postconf -M` shows them
    pub args: Vec<String>,
    /// the `-o` among them
    pub overrides: Vec<Override>,
    /// first line
    pub line: u64,
    /// last line
    pub end_line: u64,
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MasterCf {
    /// path, for messages
    pub file: String,
    /// in file order
    pub services: Vec<Service>,
    /// what looked wrong
    pub problems: Vec<Problem>,
}

impl MasterCf {
    /// Parses the bytes of a master.cf.
    pub fn parse(_file: &str, _bytes: &[u8]) -> MasterCf {
        todo!()
    }
}
