//! Postfix versions and what depends on them.

use std::fmt;

/// A version such as 3.7.11 or 3.12-20260821.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// 3
    pub major: u32,
    /// 7
    pub minor: u32,
    /// 11; 0 for snapshots
    pub patch: u32,
}

impl Version {
    /// A version by its numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Version {
        Version { major, minor, patch }
    }

    /// Reads `mail_version`, a package version (`3.7.11-0+deb12u1`, `2:3.5.8-4.el9`) or `3.6`; `mail_version = `
    /// in front is skipped.
    pub fn parse(text: &str) -> Option<Version> {
        let text = text.rsplit_once('=').map_or(text, |p| p.1).trim();
        // An epoch, as dpkg and rpm put it in front.
        let text = match text.split_once(':') {
            Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()) => rest,
            _ => text,
        };
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = text[..end].split('.');
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?.parse().ok()?;
        let patch = numbers.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        Some(Version { major, minor, patch })
    }

    /// Whether this is `major.minor` or later.
    pub fn at_least(self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) >= (major, minor)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_a_version_is_written() {
        for (text, expected) in [
            ("3.7.11", Some((3, 7, 11))),
            ("3.7.11-0+deb12u1", Some((3, 7, 11))),
            ("2:3.5.8-4.el9", Some((3, 5, 8))),
            ("3.12-20260821", Some((3, 12, 0))),
            ("3.6", Some((3, 6, 0))),
            ("mail_version = 3.10.5\n", Some((3, 10, 5))),
            ("postfix", None),
            ("3", None),
            ("99999999999.1", None),
            ("", None),
        ] {
            assert_eq!(Version::parse(text).map(|v| (v.major, v.minor, v.patch)), expected, "{text}");
        }
        assert!(Version::new(3, 10, 0) > Version::new(3, 9, 9) && Version::new(3, 10, 0).at_least(3, 6));
    }
}
