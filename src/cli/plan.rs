//! `postdoctor plan`: what `--auto` would do here, and why a step would be skipped.

use std::io::Write;

use super::args::Args;
use super::{exit, open};
use crate::discover;
use crate::engine::run;
use crate::logs::source::LogSource;
use crate::steps;

/// Prints the steps in order; nothing of them is done. (Discovery itself reads configuration and process list.)
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let opened = open::open(args)?;
    let server = discover::discover(opened.host.as_ref(), &opened.discover);
    writeln!(out, "{}: {}\n", opened.playbook.id, opened.playbook.title)?;
    for (number, step) in opened.playbook.steps.iter().enumerate() {
        writeln!(out, "{:>2}  {}  (level {})", number + 1, step.title, step.level)?;
        writeln!(out, "    why      {}", step.why)?;
        if step.kind == run::LOG_SCAN {
            for source in &server.logs {
                match source {
                    LogSource::File { path, size } => writeln!(out, "    reads    {path} ({size} bytes)")?,
                    LogSource::Journal => writeln!(out, "    runs     journalctl")?,
                    LogSource::Stdin => writeln!(out, "    reads    standard input")?,
                }
            }
        } else if let Some(kind) = steps::KINDS.iter().find(|k| k.name == step.kind) {
            for (index, touched) in kind.touches.iter().enumerate() {
                writeln!(out, "    {:<7}  {touched}", if index == 0 { "touches" } else { "" })?;
            }
        }
        match run::reason_to_skip(step, &server, opened.options.allowed) {
            Some(reason) => writeln!(out, "    skipped  {reason}\n")?,
            None => writeln!(out)?,
        }
    }
    let allowed = opened.options.allowed;
    let probes: Vec<&str> = crate::probes::KINDS.iter().filter(|k| k.level <= allowed).map(|k| k.name).collect();
    writeln!(out, "Then the probes that findings ask for, up to level {allowed}: {}.", probes.join(", "))?;
    writeln!(out, "Nothing is changed.")?;
    Ok(exit::HEALTHY)
}
