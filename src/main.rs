//! Parses the arguments, calls one command, and turns its outcome into an exit status.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use postdoctor::cli::{self, args::Args, exit};
use postdoctor::ui;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let wanted = !error.use_stderr();
            // A failure to print usage has nobody left to be told to.
            let _ = error.print();
            return ExitCode::from(if wanted { exit::HEALTHY } else { exit::UNKNOWN });
        }
    };
    let mut out = ui::stdout(args.color.into());
    let outcome = cli::run(&args, &mut out).and_then(|status| Ok(out.flush().map(|()| status)?));
    match outcome {
        Ok(status) => ExitCode::from(status),
        // The reader of our output went away (`| head`): nothing is wrong.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            ExitCode::from(exit::HEALTHY)
        }
        Err(error) => {
            ui::complain(&format!("postdoctor: {error:#}"));
            ExitCode::from(exit::UNKNOWN)
        }
    }
}
