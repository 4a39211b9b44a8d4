//! Where Postfix logs: finding the sources on a host and reading them, oldest first.

/// One source of log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSource {
    /// a file, maybe compressed (by its name and magic bytes)
    File {
        /// path on the host
        path: String,
        /// bytes as stored
        size: u64,
    },
    /// journald, through `journalctl`
    Journal,
    /// standard input of postdoctor
    Stdin,
}
