//! What may be typed, for clap. Nothing outside `cli/` sees these types.

use clap::{Parser, Subcommand, ValueEnum};

use crate::evidence::Level;

/// How the report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// for people
    Text,
    /// for programs, `schema_version` 1
    Json,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// on a terminal, unless `NO_COLOR` is set
    Auto,
    /// also into a pipe
    Always,
    /// never
    Never,
}

/// Finds out why Postfix does not do what it should.
///
/// Follows Postfix's own DEBUG_README from the least invasive step to the most, and names the root cause with
/// its proof and what to type next. It changes nothing.
#[derive(Debug, Parser)]
#[command(name = "postdoctor", version, max_term_width = 100, args_conflicts_with_subcommands = false)]
#[command(after_help = "Exit status: 0 healthy, 1 warnings, 2 errors, 3 could not examine.\n\n\
    Examples:\n  sudo postdoctor --auto                      examine this machine\n  \
    postdoctor --auto --snapshot DIR            a folder with mail.log, main.cf, master.cf, any of them\n  \
    postdoctor --auto --via 'ssh mx1'           another machine\n  \
    grep warning /var/log/mail.log | postdoctor explain -")]
pub struct Args {
    /// Examine without questions and print a report
    #[arg(long, help_heading = "What to do")]
    pub auto: bool,

    /// Examine an embedded example of a sick server; needs no Postfix
    #[arg(long, help_heading = "What to do", conflicts_with_all = ["via", "snapshot"])]
    pub demo: bool,

    /// How far to go: 0 reads only, 1 probes this host, 2 contacts other hosts
    #[arg(long, value_name = "LEVEL", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=2), global = true, help_heading = "What to do")]
    pub allow: Level,

    /// Instance to examine, by name or configuration directory
    #[arg(long, value_name = "NAME|DIR", global = true, help_heading = "Where to look")]
    pub instance: Option<String>,

    /// Run every command through this prefix: 'ssh mx1', 'docker exec mail', 'chroot DIR'
    #[arg(long, value_name = "PREFIX", global = true, conflicts_with = "snapshot", help_heading = "Where to look")]
    pub via: Option<String>,

    /// Examine files on disk: a tree like a root file system, or a folder with what somebody posted
    #[arg(long, value_name = "DIR", global = true, help_heading = "Where to look")]
    pub snapshot: Option<String>,

    /// Read these logs instead of the usual ones; '-' is standard input
    #[arg(long, value_name = "FILE", num_args = 1.., global = true, help_heading = "Where to look")]
    pub log: Vec<String>,

    /// Read this main.cf (or `postconf -n` output)
    #[arg(long, value_name = "FILE", global = true, help_heading = "Where to look")]
    pub main_cf: Option<String>,

    /// Read this master.cf
    #[arg(long, value_name = "FILE", global = true, help_heading = "Where to look")]
    pub master_cf: Option<String>,

    /// How far back in the log: '7d', '12h', '2026-11-20', '2026-11-20 14:00', or 'all'
    #[arg(long, value_name = "TIME", default_value = "7d", global = true, help_heading = "Where to look")]
    pub since: String,

    /// Playbook file to follow instead of debug-readme
    #[arg(long, value_name = "FILE", global = true, help_heading = "Knowledge")]
    pub playbook: Option<String>,

    /// Folder whose rules and playbooks add to and override the built-in ones
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/etc/postdoctor/playbooks.d",
        global = true,
        help_heading = "Knowledge"
    )]
    pub playbooks: String,

    /// Format of the output
    #[arg(long, value_enum, default_value_t = Format::Text, global = true, help_heading = "Output")]
    pub format: Format,

    /// Write the report to this file; '-' is standard output
    #[arg(long, value_name = "FILE", default_value = "-", global = true, help_heading = "Output")]
    pub output: String,

    /// Keep every answer of the host in this new folder; `--snapshot` examines it again
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub record: Option<String>,

    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true, help_heading = "Output")]
    pub color: Color,

    /// Only findings: no head, no progress
    #[arg(long, short, global = true, help_heading = "Output")]
    pub quiet: bool,

    /// Also notes, steps, and messages that no rule knows
    #[arg(long, short, global = true, help_heading = "Output")]
    pub verbose: bool,

    /// What to do
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands beside `--auto`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what `--auto` would do: the steps, what they read and run, why one is skipped
    Plan,
    /// Explain a rule, or each log line on standard input
    Explain {
        /// id of a rule or finding; '-' reads log lines from standard input
        id: Option<String>,
    },
    /// Show where mail for an address goes, and which line of the configuration decides it
    ///
    /// Follows the address as Postfix does: rewriting, address class, transport, next hop, aliases and .forward files,
    /// and what the SMTP servers would say to it. Agrees with `sendmail -bv`, and says why.
    ExplainAddress {
        /// addresses to follow: 'info@example.com', 'root'
        #[arg(required = true)]
        addresses: Vec<String>,
        /// envelope sender, for tables that look at it; '<>' is the sender of bounces
        #[arg(long, value_name = "ADDRESS")]
        sender: Option<String>,
    },
    /// Scan logs alone; no host is looked at
    Logs {
        /// log files; '-' is standard input; none: the logs of this machine
        files: Vec<String>,
    },
    /// Playbooks and rules
    #[command(subcommand)]
    Playbook(Playbook),
}

/// What can be done with playbooks and rules.
#[derive(Debug, Subcommand)]
pub enum Playbook {
    /// List the steps and rules
    List,
    /// Check files; all errors at once
    Check {
        /// TOML files
        #[arg(required = true)]
        files: Vec<String>,
    },
    /// Run every rule against its examples and near misses
    Test,
    /// JSON Schema of the format, for editors
    Schema,
    /// Write the built-in rules as Markdown pages, one for each area, into the folder --output
    Docs {
        /// Write nothing; name the pages that are not what the rules say
        #[arg(long)]
        check: bool,
    },
    /// Explain one rule or step
    Explain {
        /// its id
        id: String,
    },
}

impl From<Color> for crate::ui::Colour {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => crate::ui::Colour::Auto,
            Color::Always => crate::ui::Colour::Always,
            Color::Never => crate::ui::Colour::Never,
        }
    }
}
