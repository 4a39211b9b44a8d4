//! Where Postfix logs: finding the sources on a host.

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

impl LogSource {
    /// As it is named in evidence.
    pub fn name(&self) -> &str {
        match self {
            LogSource::File { path, .. } => path,
            LogSource::Journal => "journal",
            LogSource::Stdin => "stdin",
        }
    }
}

/// The command that gives the journal's lines about mail and what mail depends on.
pub(crate) fn journalctl() -> crate::host::Run {
    let mut run = crate::host::Run::new(
        "journalctl",
        &[
            "-o",
            "json",
            "--all",
            "--no-pager",
            "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_COMM,_HOSTNAME,PRIORITY,UNIT",
            "SYSLOG_FACILITY=2",
        ],
    );
    let others = ["_TRANSPORT=kernel", "_TRANSPORT=audit", "SYSLOG_IDENTIFIER=systemd"];
    let identifiers = [
        "saslauthd",
        "dovecot",
        "opendkim",
        "opendmarc",
        "amavis",
        "rspamd",
        "postgrey",
        "clamd",
        "clamav-milter",
        "spamd",
        "policyd-spf",
        "rsyslogd",
        "systemd-coredump",
        "systemd-oomd",
        "systemd-resolved",
        "unbound",
        "named",
        "dnsmasq",
    ];
    for other in
        others.into_iter().map(str::to_owned).chain(identifiers.iter().map(|i| format!("SYSLOG_IDENTIFIER={i}")))
    {
        run.args.push("+".to_owned());
        run.args.push(other);
    }
    run.limit = std::time::Duration::from_secs(120);
    run.cap = usize::MAX;
    run
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// sources, oldest first within a family
    pub sources: Vec<LogSource>,
    /// what is wrong with logging itself
    pub observations: Vec<crate::evidence::Observation>,
    /// what could not be looked at
    pub not_checked: Vec<crate::evidence::NotChecked>,
}

/// Where the Postfix instances with these configurations log. `named`: what the user named (`-` is standard
/// input); then nothing else is looked for.
pub fn find(_host: &dyn crate::host::Host, _configs: &[&crate::postfix::config::Config], _named: &[String]) -> Found {
    todo!()
}
