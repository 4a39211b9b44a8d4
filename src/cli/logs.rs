//! `postdoctor logs`: what the logs alone say; no host is looked at and nothing is probed.

use std::io::Write;

use anyhow::bail;

use super::args::Args;
use super::{auto, exit, open};
use crate::discover::Server;
use crate::engine::run;
use crate::host::LogsOnly;
use crate::logs::source;
use crate::ui;

/// Scans the named logs (none: those of this machine) with all log rules.
pub fn run(args: &Args, files: &[String], out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut opened = open::open(args)?;
    open::readable(opened.host.as_ref(), args, files)?;
    let named: Vec<String> = files.iter().chain(&args.log).cloned().collect();
    let logs = source::find(opened.host.as_ref(), &[], &named).sources;
    if logs.is_empty() {
        bail!("no mail log found; name one: postdoctor logs FILE");
    }
    let host = LogsOnly(opened.host.as_ref());
    let server = Server::of_logs(&host, logs);
    opened.playbook.steps.retain(|s| s.kind == run::LOG_SCAN);
    let progress = ui::progress::Progress::new(args.quiet);
    let report = run::examine(&server, &opened.knowledge, &opened.playbook, &opened.options, &progress);
    auto::write(&report, args, out)?;
    Ok(exit::status(report.verdict))
}
