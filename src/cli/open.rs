//! From arguments to what a command works on: the host, the knowledge, the playbook, the options.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::args::Args;
use crate::discover::{self, Server};
use crate::engine::diagnostic;
use crate::engine::load;
use crate::engine::rule::{Knowledge, Playbook};
use crate::engine::run::{Options, Since};
use crate::engine::sources::Sources;
use crate::evidence;
use crate::host::{Host, Live, Snapshot, Trouble, Via, quote};
use crate::logs::source::{self, LogSource};
use crate::ui;

/// The playbook that `--auto` follows.
const PLAYBOOK: &str = "debug-readme";

/// All that a command needs.
pub struct Opened {
    /// the boundary
    pub host: Box<dyn Host>,
    /// where to look
    pub discover: discover::Options,
    /// rules and playbooks
    pub knowledge: Knowledge,
    /// the one to follow
    pub playbook: Playbook,
    /// how far to go
    pub options: Options,
}

/// The host that the arguments name.
pub fn host(args: &Args) -> anyhow::Result<Box<dyn Host>> {
    Ok(if args.demo {
        Box::new(crate::demo::host())
    } else if let Some(dir) = &args.snapshot {
        Box::new(
            Snapshot::open(Path::new(dir)).map_err(|why| anyhow::anyhow!("cannot read the snapshot {dir}: {why}"))?,
        )
    } else if let Some(prefix) = &args.via {
        Box::new(Via::open(prefix).map_err(|why| anyhow::anyhow!("cannot reach the host by `{prefix}`: {why}"))?)
    } else {
        Box::new(Live::default())
    })
}

/// Where to look on it.
pub fn places(args: &Args) -> discover::Options {
    discover::Options {
        instance: args.instance.clone(),
        main_cf: args.main_cf.clone(),
        master_cf: args.master_cf.clone(),
        logs: args.log.clone(),
    }
}

/// Opens everything that the arguments name.
pub fn open(args: &Args) -> anyhow::Result<Opened> {
    let since = since(&args.since)?;
    let host = host(args)?;
    readable(host.as_ref(), args, &args.log)?;
    let (knowledge, playbook) = knowledge_and_playbook(args)?;
    Ok(Opened { host, discover: places(args), knowledge, playbook, options: Options { allowed: args.allow, since } })
}

/// The rules and playbooks: built in, and those of the directory.
pub fn knowledge(args: &Args) -> anyhow::Result<Knowledge> {
    Ok(knowledge_and_playbook(args)?.0)
}

fn knowledge_and_playbook(args: &Args) -> anyhow::Result<(Knowledge, Playbook)> {
    let mut sources = Sources::embedded();
    sources.add_directory(Path::new(&args.playbooks));
    if let Some(path) = &args.playbook {
        sources.add_file(Path::new(path));
    }
    let (mut knowledge, mut diagnostics) = load::load(&sources.files);
    diagnostics.extend(sources.refused);
    // A mistake in a site's rules must not keep the rest from being examined; in the playbook that was asked for it must.
    if !diagnostics.is_empty() {
        ui::complain(&diagnostic::render_all(&diagnostics, false));
        if diagnostics.iter().any(|d| args.playbook.as_deref() == Some(d.file.name.as_str())) {
            bail!("the playbook is not used");
        }
    }
    let last = knowledge.playbooks.len().checked_sub(1).filter(|_| args.playbook.is_some());
    let at = last.or_else(|| knowledge.playbooks.iter().position(|p| p.id == PLAYBOOK));
    let at = at.with_context(|| format!("there is no playbook `{PLAYBOOK}`"))?;
    let playbook = knowledge.playbooks.swap_remove(at);
    Ok((knowledge, playbook))
}

/// Hours of a century: beyond it the subtraction would fail, and it means everything.
const CENTURY: i64 = 100 * 366 * 24;

/// `7d`, `12h`, `30m`, a date, a date and time in local time, RFC 3339, or `all`.
fn since(text: &str) -> anyhow::Result<Since> {
    match text {
        "all" => return Ok(Since::All),
        "7d" | "1w" => return Ok(Since::Week),
        _ => {}
    }
    if let Some((number, unit)) = text.char_indices().last().map(|(at, _)| text.split_at(at))
        && let Ok(number) = number.parse::<i64>()
    {
        let hours = match unit {
            "w" => Some(number.saturating_mul(7 * 24)),
            "d" => Some(number.saturating_mul(24)),
            "h" => Some(number),
            _ => None,
        };
        match (hours, unit) {
            (Some(hours), _) if (0..CENTURY).contains(&hours) => {
                return Ok(Since::Ago(SignedDuration::from_hours(hours)));
            }
            (Some(_), _) if number > 0 => return Ok(Since::All),
            (None, "m") if (0..CENTURY * 60).contains(&number) => {
                return Ok(Since::Ago(SignedDuration::from_mins(number)));
            }
            _ => {}
        }
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(Since::Time(time));
    }
    let civil = text.parse::<DateTime>().or_else(|_| text.parse::<jiff::civil::Date>().map(|d| d.at(0, 0, 0, 0)));
    let local = civil.ok().and_then(|c| c.to_zoned_datetime(TimeZone::system()).ok());
    match local {
        Some(time) => Ok(Since::Time(time.timestamp())),
        None => bail!("--since {text}: write 7d, 12h, 30m, 2026-11-20, '2026-11-20 14:00', or all"),
    }
}

/// Refuses logs that the person named and that cannot be read: a report without them would answer another question.
pub fn readable(host: &dyn Host, args: &Args, logs: &[String]) -> anyhow::Result<()> {
    for name in logs {
        match source::trouble(host, name) {
            None => {}
            Some(Trouble::Denied) => bail!("cannot read the log {name}: permission denied\nTry {}", as_root(args)),
            Some(Trouble::Missing) => bail!("cannot read the log {name}: there is no such file"),
            Some(why) => bail!("cannot read the log {name}: {why}"),
        }
    }
    Ok(())
}

/// What was typed, with the rights of root.
fn as_root(args: &Args) -> String {
    if let Some(prefix) = &args.via {
        return format!("--via {}", quote(&format!("{prefix} sudo")));
    }
    let program = std::env::current_exe().map_or_else(|_| "postdoctor".to_owned(), |p| p.display().to_string());
    let words = std::iter::once(program).chain(std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()));
    format!("sudo {}", words.map(|w| quote(&w)).collect::<Vec<_>>().join(" "))
}

/// Why there is nothing to examine, and what to type instead.
pub fn nothing_found(args: &Args, server: &Server<'_>) -> String {
    let logs: Vec<&str> = server.logs.iter().map(LogSource::name).collect();
    let what = match (&args.snapshot, &args.via) {
        _ if !logs.is_empty() => format!(
            "could not examine: no Postfix found, and no line of Postfix in the log ({})",
            evidence::printable(&logs.join(", "))
        ),
        (Some(dir), _) => format!(
            "{dir} holds neither a Postfix configuration (main.cf, master.cf, postconf-n.txt) nor a log (mail.log*)"
        ),
        (_, Some(prefix)) => format!("no Postfix and no mail log found through `{prefix}`"),
        _ => "no Postfix and no mail log found on this machine".to_owned(),
    };
    let missing = server.not_checked.iter().take(5).map(|n| format!("\n  {}: {}", n.what, n.why));
    let mut text = what + &missing.collect::<String>();
    text.push_str("\nTry --log FILE, --main-cf FILE, --snapshot DIR or --via PREFIX; `postdoctor --demo --auto` shows an example.");
    text
}

/// `no such rule: milter-unreachabel; did you mean milter-unreachable?`
pub fn no_such<'n>(kind: &str, wanted: &str, names: impl Iterator<Item = &'n str>) -> String {
    let near = names.map(|n| (strsim::damerau_levenshtein(n, wanted), n)).min().filter(|(far, _)| *far <= 3);
    let hint = near.map(|(_, n)| format!("; did you mean {n}?")).unwrap_or_default();
    format!("no such {kind}: {wanted}{hint}")
}

/// Writes a file of mode 0600, at once and whole; an existing regular file is replaced.
pub fn write_private(path: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let target = Path::new(path);
    let special = std::fs::metadata(target).is_ok_and(|m| !m.is_file());
    let write = || -> std::io::Result<()> {
        if special {
            return std::fs::OpenOptions::new().write(true).open(target)?.write_all(bytes);
        }
        let folder = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(target)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {path}"))
}
