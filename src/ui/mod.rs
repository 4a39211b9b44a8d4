//! The only place that talks to a terminal: colour, width, progress. Colour only repeats what the words say.

pub mod progress;

use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// on a terminal, unless `NO_COLOR` is set
    Auto,
    /// also into a pipe
    Always,
    /// never
    Never,
}

impl Colour {
    fn choice(self) -> ColorChoice {
        match self {
            Colour::Auto => ColorChoice::Auto,
            Colour::Always => ColorChoice::Always,
            Colour::Never => ColorChoice::Never,
        }
    }
}

/// Standard output; escapes are taken out where colour is not wanted.
pub fn stdout(colour: Colour) -> AutoStream<io::Stdout> {
    AutoStream::new(io::stdout(), colour.choice())
}

/// Columns to write for: of the terminal, between 60 and 120; 100 into a pipe or file.
pub fn width() -> usize {
    if !io::stdout().is_terminal() {
        return 100;
    }
    let columns = dialoguer::console::Term::stdout().size().1;
    usize::from(columns).clamp(60, 120)
}

/// A message about ourselves, on standard error.
pub fn complain(message: &str) {
    // If standard error is gone there is nobody left to be told.
    let _ = writeln!(io::stderr(), "{message}");
}
