//! The step `files`: owners, modes and presence of what Postfix reads, writes and runs. It looks at all that
//! `postfix check` looks at, and at mailboxes and forwarding files as the user who delivers there.

mod elsewhere;
mod forwarding;
mod kinds;
mod mailboxes;
mod postfix_check;
mod secrets;
mod users;
mod view;

pub(super) use elsewhere::mount_of;

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

/// The observers.
const OBSERVERS: &[fn(&view::View<'_>)] =
    &[postfix_check::observe, secrets::observe, mailboxes::observe, forwarding::observe, elsewhere::observe];

fn run(ctx: &Context<'_>) -> Outcome {
    let mut all = Outcome::default();
    for instance in ctx.server.instances.iter().filter(|i| i.config_known) {
        let view = view::View::new(ctx.server, instance);
        for observe in OBSERVERS {
            observe(&view);
        }
        let outcome = view.finish();
        all.observations.extend(outcome.observations);
        all.not_checked.extend(outcome.not_checked);
    }
    all
}
