//! The files against what runs: configuration that was edited after the last reload, and values on which
//! postconf and our reading of the file differ.

use super::look::Look;
use crate::evidence::{Evidence, Observation};

pub(super) fn observe(look: &Look<'_>) {
    newer(look);
    differs(look);
    complaints(look);
}

/// `postfix reload` replaces the queue manager, so its age tells when that was.
fn newer(look: &Look<'_>) {
    let instance = look.instance;
    let Some(started) = instance.started else { return };
    let reloaded = look
        .server
        .processes
        .iter()
        .flatten()
        .filter(|p| Some(p.ppid) == instance.master_pid && p.name == "qmgr")
        .filter_map(|p| p.started)
        .max();
    let last = reloaded.map_or(started, |r| r.max(started)).as_second();
    for (file, needs) in [(&look.config.main.file, "reload"), (&look.config.master.file, "reload")] {
        let Ok(stat) = look.host.stat(file) else { continue };
        let seconds = stat.mtime - last;
        // A start takes a moment, and clocks of processes are rough.
        if seconds > 3 {
            look.emit(
                Observation::now("config-newer-than-daemons")
                    .with("file", file.as_str())
                    .with("seconds", seconds)
                    .with("needs", needs)
                    .seen(Evidence::new(file, format!("changed {seconds} s after the last start or reload"))),
            );
        }
    }
}

fn differs(look: &Look<'_>) {
    let Some(theirs) = &look.instance.postconf else { return };
    let fold = |v: &str| v.split_whitespace().collect::<Vec<_>>().join(" ");
    for (name, value) in theirs {
        let Some(ours) = look.config.main.get(name) else { continue };
        if fold(&ours.value) != fold(value) {
            look.emit(
                Observation::now("value-differs")
                    .with("name", name.as_str())
                    .with("ours", ours.value.as_str())
                    .with("theirs", value.as_str())
                    .with("file", look.config.main.file.as_str())
                    .seen(Evidence::at(&look.config.main.file, ours.line, format!("{name} = {}", ours.value)))
                    .seen(Evidence::new("postconf -n", format!("{name} = {value}"))),
            );
        }
    }
}

/// What has an observation of its own is left out here.
const ELSEWHERE: &[&str] = &["unused parameter", "overriding earlier entry", "undefined parameter"];

fn complaints(look: &Look<'_>) {
    for text in &look.instance.postconf_complaints {
        if ELSEWHERE.iter().any(|e| text.contains(e)) {
            continue;
        }
        let fatal = text.contains("fatal:") || text.contains("panic:") || text.contains("error while loading");
        look.emit(
            Observation::now("postconf-complains")
                .with("text", text.as_str())
                .with("fatal", fatal)
                .seen(Evidence::new("postconf", text)),
        );
    }
}
