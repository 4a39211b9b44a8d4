//! What the engine tells while it works. The terminal, and later the bundle, listen.

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// the host is being discovered
    Discovering {
        /// in a few words
        host: &'a str,
    },
    /// a step begins
    StepStarted {
        /// from 1
        number: usize,
        /// how many steps there are
        of: usize,
        /// its title
        title: &'a str,
    },
    /// bytes of log read so far
    LogProgress {
        /// read
        done: u64,
        /// all
        total: u64,
    },
    /// probes are running
    Probing {
        /// how many
        count: usize,
    },
    /// the run is over
    Finished,
}

/// Hears events.
pub trait Listener: Sync {
    /// Called for each event, from the thread that runs the engine or one of its workers.
    fn event(&self, event: &Event<'_>);
}

/// Hears nothing.
pub struct Silent;

impl Listener for Silent {
    fn event(&self, _: &Event<'_>) {}
}
