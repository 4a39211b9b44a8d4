//! The command line: definitions in `args`, one file per command, no logic of diagnosis.

pub mod args;
pub mod auto;
pub mod exit;
pub mod explain;
pub mod explain_address;
pub mod logs;
pub mod open;
pub mod plan;
pub mod playbook;
pub mod playbook_docs;

use std::io::Write;

use args::{Args, Command};

/// Runs what the arguments ask for; returns the exit status (see [`exit`]).
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    match &args.command {
        Some(Command::Playbook(wanted)) => playbook::run(args, wanted, out),
        Some(Command::Plan) => plan::run(args, out),
        Some(Command::Explain { id }) => explain::run(args, id.as_deref(), out),
        Some(Command::ExplainAddress { addresses, sender }) => {
            explain_address::run(args, addresses, sender.as_deref(), out)
        }
        Some(Command::Logs { files }) => logs::run(args, files, out),
        None if args.auto => auto::run(args, out),
        None => anyhow::bail!(
            "say what to do: `postdoctor --auto` examines this machine, `postdoctor --demo --auto` an example, `postdoctor --help` lists the rest"
        ),
    }
}
