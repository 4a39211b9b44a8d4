//! The step `disk`: room for the queue, the mailboxes, the log and Postfix's data.

use super::config::{flag, int, list, text};
use super::{Context, Outcome, StepKind};
use crate::evidence::{Kind, READ_ONLY};

/// The step.
pub const STEP: StepKind = StepKind {
    name: "disk",
    level: READ_ONLY,
    doc: "free space and inodes of queue, mailboxes, log, /tmp and data directory; read-only mounts; quotas",
    touches: &["df -Pk, df -Pi", "/proc/self/mounts", "quota -u mail_owner"],
    run,
    emits: &[
        Kind {
            name: "space-low",
            doc: "a file system that mail needs is full or nearly so",
            fields: &[
                text("what", "`queue`, `mailboxes`, `log`, `data`, `tmp`"),
                text("path", "the directory"),
                text("mount", "mount point of its file system"),
                int("free", "free kilobytes for ordinary users"),
                int("needed", "kilobytes that Postfix wants to be free; 0: just some"),
                int("percent", "how full it is"),
                flag("full", "less is free than Postfix needs for one message"),
                flag("refuses", "Postfix refuses mail at this level (queue_minfree, message_size_limit)"),
                list("largest", "what takes most space there, if it is cheap to say"),
            ],
        },
        Kind {
            name: "inodes-low",
            doc: "a file system that mail needs has no or hardly any inodes left",
            fields: &[
                text("what", "as above"),
                text("path", "the directory"),
                text("mount", "mount point"),
                int("free", "free inodes"),
                int("percent", "how many of 100 are used"),
                flag("full", "none are left"),
            ],
        },
        Kind {
            name: "mount-read-only",
            doc: "a directory that Postfix must write is on a read-only file system",
            fields: &[
                text("what", "as above"),
                text("path", "the directory"),
                text("mount", "mount point"),
                text("device", "what is mounted"),
                flag("fstab_rw", "fstab says read-write: the kernel made it read-only; absent: not known"),
            ],
        },
        Kind {
            name: "message-limit-over-space",
            doc: "one message of message_size_limit would not fit: Postfix wants 1.5 times as much free",
            fields: &[
                text("path", "queue_directory"),
                int("free", "free kilobytes"),
                int("limit", "message_size_limit in kilobytes"),
                int("size", "kilobytes of the whole file system"),
            ],
        },
        Kind {
            name: "quota-exceeded",
            doc: "a disk quota of the user that Postfix runs as is used up",
            fields: &[text("user", "the user"), text("mount", "file system"), text("text", "as quota prints it")],
        },
    ],
};

fn run(_ctx: &Context<'_>) -> Outcome {
    Outcome::default()
}
