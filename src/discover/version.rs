//! The version of Postfix where `postconf` cannot tell it: from the package database, or from the log.

use std::io::Read;

use memchr::memmem;

use crate::host::{Host, HostKind, Run};
use crate::logs::source::LogSource;
use crate::postfix::version::Version;

/// What master says when it starts.
const STARTED: &str = "daemon started -- version ";
/// Only this much of a log is searched.
const LIMIT: u64 = 64 << 20;

/// By the package databases of Debian, Alpine and the RPM world.
pub(super) fn of_package(host: &dyn Host) -> Option<Version> {
    let find = |path: &str, name: &str, version: &str| {
        let bytes = host.read(path, LIMIT).ok()?;
        let database = String::from_utf8_lossy(&bytes);
        let block = database.split("\n\n").find(|block| block.lines().any(|line| line == name))?;
        block.lines().find_map(|line| Version::parse(line.strip_prefix(version)?))
    };
    find("/var/lib/dpkg/status", "Package: postfix", "Version: ")
        .or_else(|| find("/lib/apk/db/installed", "P:postfix", "V:"))
        .or_else(|| {
            let ran = host.run(&Run::new("rpm", &["-q", "--qf", "%{VERSION}", "postfix"])).ok()?;
            ran.ok().then(|| Version::parse(&ran.out())).flatten()
        })
}

/// By the newest start that a plain log file shows.
pub(super) fn of_log(host: &dyn Host, sources: &[LogSource]) -> Option<Version> {
    // Over a command prefix the whole file would have to be fetched for it.
    if host.kind() == HostKind::Via {
        return None;
    }
    sources.iter().rev().find_map(|source| {
        let LogSource::File { path, size } = source else { return None };
        if *size > LIMIT {
            return None;
        }
        let mut bytes = Vec::new();
        host.open(path, 0).ok()?.take(LIMIT).read_to_end(&mut bytes).ok()?;
        let at = memmem::rfind(&bytes, STARTED.as_bytes())? + STARTED.len();
        let version = bytes[at..].split(|b| !b.is_ascii_alphanumeric() && !b".-".contains(b)).next()?;
        Version::parse(std::str::from_utf8(version).ok()?)
    })
}
