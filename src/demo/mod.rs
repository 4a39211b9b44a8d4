//! The embedded sick server of `--demo`: a recording of a real Postfix with two independent faults under a
//! day of ordinary noise. It was recorded in the lab (`tests/lab/record-demo`), so the demo shows what the
//! program really says, without a Postfix at hand.

use std::borrow::Cow;

use crate::host::Snapshot;

/// Files of the folder `server`, by their path on the recorded host.
macro_rules! recorded {
    ($($path:literal,)*) => { &[$(($path, include_bytes!(concat!("server", $path)))),*] };
}

/// What was recorded of files; commands, metadata and connections are in the records.
const FILES: &[(&str, &[u8])] = include!("files.rs");

/// The host that was recorded.
pub fn host() -> Snapshot {
    let files = FILES.iter().map(|(path, bytes)| ((*path).to_owned(), Cow::Borrowed(*bytes)));
    Snapshot::in_memory("the demo server", files, include_str!("server/postdoctor.records"))
}
