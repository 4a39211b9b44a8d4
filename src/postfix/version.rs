//! Postfix versions and what depends on them.

/// A version such as 3.7.11 or 3.12-20260821.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 3
    pub major: u32,
    /// 7
    pub minor: u32,
    /// 11; 0 for snapshots
    pub patch: u32,
}

impl Version {
    /// Reads `mail_version`, a package version (`3.7.11-0+deb12u1`) or `3.6`.
    pub fn parse(_text: &str) -> Option<Version> {
        todo!()
    }
}
