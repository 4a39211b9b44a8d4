//! The step `queue`: mail that lies in the queue directories and does not move. Postfix logs nothing about mail on
//! hold, about files whose time of the next attempt is days ahead, or about a maildrop that nobody empties.
//!
//! The directories are only listed and their files' times read, a bounded number of them: no message is opened.

use super::config::{int, text};
use super::{Context, Outcome, StepKind};
use crate::discover::Instance;
use crate::evidence::{Evidence, Kind, NotChecked, Observation, READ_ONLY};
use crate::host::{FileKind, Host, Trouble};

/// The step.
pub const STEP: StepKind = StepKind {
    name: "queue",
    level: READ_ONLY,
    doc: "mail that does not move: on hold, in maildrop or incoming for minutes, damaged, due only days ahead",
    touches: &["names and times of the files below queue_directory: hold, corrupt, maildrop, incoming, deferred"],
    run,
    emits: &[
        Kind {
            name: "queue-waits",
            doc: "files lie in a queue directory in which they should not stay",
            fields: &[
                text("queue", "`hold`, `corrupt`, `maildrop`, `incoming`"),
                text("path", "the directory"),
                int("count", "how many files (at most 2,000 are counted)"),
                int("minutes", "age of the oldest"),
                text("id", "queue id of one of them"),
            ],
        },
        Kind {
            name: "queue-times-ahead",
            doc: "deferred mail whose next attempt is further ahead than Postfix ever sets it",
            fields: &[
                text("path", "the directory"),
                int("count", "how many files (at most 2,000 are looked at)"),
                int("hours", "the furthest, in hours from now"),
                text("id", "queue id of one of them"),
            ],
        },
    ],
};

/// Files looked at in one queue.
const LIMIT: usize = 2000;
/// Mail older than this has been left lying, in seconds: pickup and the queue manager look every minute or five.
const PATIENCE: i64 = 600;

fn run(ctx: &Context<'_>) -> Outcome {
    let mut all = Outcome::default();
    let Ok(now) = ctx.server.host.now().map(jiff::Timestamp::as_second) else { return all };
    let mut looked = 0;
    for instance in ctx.server.instances.iter().filter(|i| i.config_known) {
        let mut seen = Vec::new();
        looked += waits(ctx.server.host, instance, now, &mut seen, &mut all.not_checked);
        looked += ahead(ctx.server.host, instance, now, &mut seen);
        all.observations.extend(seen.into_iter().map(|o| o.of_instance(&instance.name)));
    }
    all.looked_at = Some(format!("{looked} queue files"));
    all
}

struct File {
    id: String,
    mtime: i64,
}

/// The files of a queue with its hashed subdirectories.
fn files(host: &dyn Host, directory: &str, depth: usize, found: &mut Vec<File>) -> Result<(), Trouble> {
    for name in host.list(directory)? {
        if found.len() >= LIMIT {
            break;
        }
        let path = format!("{directory}/{name}");
        let Ok(stat) = host.lstat(&path) else { continue };
        match stat.kind {
            FileKind::Directory if depth < 4 => files(host, &path, depth + 1, found)?,
            FileKind::File => found.push(File { id: name, mtime: stat.mtime }),
            _ => {}
        }
    }
    Ok(())
}

fn directory(instance: &Instance, queue: &str) -> String {
    format!("{}/{queue}", instance.config.text("queue_directory").trim().trim_end_matches('/'))
}

fn waits(
    host: &dyn Host,
    instance: &Instance,
    now: i64,
    seen: &mut Vec<Observation>,
    not_checked: &mut Vec<NotChecked>,
) -> usize {
    let mut looked = 0;
    for queue in ["hold", "corrupt", "maildrop", "incoming"] {
        let path = directory(instance, queue);
        let mut found = Vec::new();
        match files(host, &path, 0, &mut found) {
            Ok(()) => {}
            Err(Trouble::Denied) => {
                not_checked.push(NotChecked {
                    what: path.clone(),
                    why: "permission denied".to_owned(),
                    settle: Some(format!("sudo ls {}", crate::host::quote(&path))),
                });
                continue;
            }
            Err(_) => continue,
        }
        looked += found.len();
        // What passes through is not stuck; what is on hold or damaged stays.
        if matches!(queue, "maildrop" | "incoming") {
            found.retain(|f| now - f.mtime > PATIENCE);
        }
        let Some(oldest) = found.iter().min_by_key(|f| f.mtime) else { continue };
        let minutes = (now - oldest.mtime).max(0) / 60;
        seen.push(
            Observation::now("queue-waits")
                .with("queue", queue)
                .with("path", path.as_str())
                .with("count", found.len() as i64)
                .with("minutes", minutes)
                .with("id", oldest.id.as_str())
                .seen(Evidence::new(
                    format!("ls {path}"),
                    format!("{} files, the oldest ({}) since {minutes} minutes", found.len(), oldest.id),
                )),
        );
    }
    looked
}

/// A deferred file carries the time of its next attempt, which is at most maximal_backoff_time away.
fn ahead(host: &dyn Host, instance: &Instance, now: i64, seen: &mut Vec<Observation>) -> usize {
    let path = directory(instance, "deferred");
    let mut found = Vec::new();
    if files(host, &path, 0, &mut found).is_err() {
        return 0;
    }
    let looked = found.len();
    let backoff = instance.config.seconds("maximal_backoff_time").and_then(|s| i64::try_from(s).ok()).unwrap_or(4000);
    // A limit that was just lowered, and a rough clock, are no fault.
    let furthest_usual = now + 2 * backoff.max(4000) + 3600;
    found.retain(|f| f.mtime > furthest_usual);
    if let Some(last) = found.iter().max_by_key(|f| f.mtime) {
        let hours = (last.mtime - now) / 3600;
        seen.push(
            Observation::now("queue-times-ahead")
                .with("path", path.as_str())
                .with("count", found.len() as i64)
                .with("hours", hours)
                .with("id", last.id.as_str())
                .seen(Evidence::new(
                    format!("ls -l {path}"),
                    format!("{} files with a time in the future, up to {hours} hours ({})", found.len(), last.id),
                )),
        );
    }
    looked
}
