//! `postdoctor --auto`: examines without questions and prints the report.

use std::io::Write;
use std::path::Path;

use anyhow::Context;

use super::args::{Args, Format};
use super::{exit, open};
use crate::engine::events::{Event, Listener};
use crate::engine::run;
use crate::host::{Host, Recording};
use crate::report::model::{Report, Verdict};
use crate::report::{json, text};
use crate::{discover, ui};

/// Examines and reports; the status is that of the verdict, but 0 for the demo, which is sick on purpose.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let opened = open::open(args)?;
    let progress = ui::progress::Progress::new(args.quiet);
    progress.event(&Event::Discovering { host: &opened.host.describe() });
    let recording = args.record.as_ref().map(|_| Recording::new(opened.host.as_ref()));
    let host = recording.as_ref().map_or(opened.host.as_ref(), |r| r as &dyn Host);
    let server = discover::discover(host, &opened.discover);
    if server.instances.is_empty() && server.logs.is_empty() {
        progress.event(&Event::Finished);
        anyhow::bail!(open::nothing_found(args, &server));
    }
    let report = run::examine(&server, &opened.knowledge, &opened.playbook, &opened.options, &progress);
    if let Some((recording, folder)) = recording.as_ref().zip(args.record.as_deref()) {
        recording.save(Path::new(folder)).with_context(|| format!("cannot write the recording {folder}"))?;
    }
    if server.instances.is_empty() && report.verdict == Verdict::Incomplete {
        anyhow::bail!(open::nothing_found(args, &server));
    }
    write(&report, args, out)?;
    Ok(if args.demo { exit::HEALTHY } else { exit::status(report.verdict) })
}

/// Writes a report where the arguments say: to standard output, or to a new file of mode 0600.
pub fn write(report: &Report, args: &Args, out: &mut dyn Write) -> anyhow::Result<()> {
    let look = |width| text::Look { width, verbose: args.verbose, quiet: args.quiet };
    let mut bytes = Vec::new();
    match args.format {
        Format::Json => json::write(report, &mut bytes)?,
        Format::Text if args.output == "-" => text::write(report, look(ui::width()), &mut bytes)?,
        Format::Text => {
            text::write(report, look(100), &mut anstream::StripStream::new(&mut bytes))?;
        }
    }
    if args.output == "-" {
        out.write_all(&bytes)?;
    } else {
        open::write_private(&args.output, &bytes)?;
    }
    Ok(())
}
