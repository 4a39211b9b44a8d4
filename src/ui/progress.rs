//! Progress on standard error while the engine works: over steps, and over bytes of log. Only if standard
//! error is a terminal; a report that goes into a file or a pipe is never disturbed.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::engine::events::{Event, Listener};

/// Shows events as a progress line that vanishes when the run is over.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A progress line, hidden if `quiet` or if standard error is not a terminal.
    pub fn new(quiet: bool) -> Self {
        let bar = if quiet || !io::stderr().is_terminal() { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Progress { bar }
    }

    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
    }
}

impl Listener for Progress {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Discovering { host } => self.bar.set_message(format!("Looking at {host}")),
            Event::StepStarted { number, of, title } => {
                self.style("{msg:36} {spinner}");
                self.bar.set_message(format!("Step {number} of {of}   {title}"));
            }
            Event::LogProgress { done, total } => {
                if self.bar.length() != Some(*total) {
                    self.style("{msg:36} [{bar:20}] {bytes} of {total_bytes}");
                    self.bar.set_length(*total);
                }
                self.bar.set_position(*done);
            }
            Event::Probing { count } => {
                self.style("{msg:36} {spinner}");
                self.bar.set_message(format!("Proving: {count} probes"));
            }
            Event::Finished => self.bar.finish_and_clear(),
        }
    }
}
