//! One log line of Postfix, taken apart. Any syslog dialect is handled; no time zone or year is guessed here.

/// Severity that Postfix itself gave a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// no prefix
    Info,
    /// `warning:`
    Warning,
    /// `error:`
    Error,
    /// `fatal:`
    Fatal,
    /// `panic:`
    Panic,
}

/// A line without its time stamp and host, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// `postfix/submission/smtpd`, `postfix-out/smtp`, `dovecot`, `kernel`
    pub tag: &'a str,
    /// last component of the tag: `smtpd`
    pub program: &'a str,
    /// process id
    pub pid: Option<u32>,
    /// the message after `tag[pid]: `
    pub message: &'a str,
    /// queue id at its start (short or long), without the colon
    pub queue_id: Option<&'a str>,
    /// severity prefix of the message (after the queue id, if there is one)
    pub level: LogLevel,
}
