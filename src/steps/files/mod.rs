//! The step `files`: owners, modes and presence of what Postfix reads, writes and runs. It looks at all that
//! `postfix check` looks at, and at mailboxes and forwarding files as the user who delivers there.

mod kinds;

use super::{Context, Outcome, StepKind};
use crate::evidence::READ_ONLY;

/// The step.
pub const STEP: StepKind = StepKind {
    name: "files",
    level: READ_ONLY,
    doc: "files and permissions: queue, data, configuration, programs, keys, mailboxes, forwarding files",
    touches: &[
        "owners and modes in queue_directory, data_directory, config_directory, daemon_directory, command_directory",
        "keys, certificates and password tables that the configuration names",
        "mailboxes, home directories and .forward files of users; aliases",
        "lsattr -d",
    ],
    run,
    emits: kinds::KINDS,
};

fn run(_ctx: &Context<'_>) -> Outcome {
    Outcome::default()
}
