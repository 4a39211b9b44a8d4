//! What a user may do with a path, by the permission bits of it and of every directory above.
//!
//! Access lists can give more than the bits say: a refusal is asked again on the host itself, as that user,
//! where we may do that.

use crate::host::{Answer, Host, Run, Stat, Trouble};

/// What one wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// read
    Read,
    /// write (for a socket: connect)
    Write,
    /// execute a file, pass a directory
    Execute,
}

impl Want {
    fn bit(self) -> u32 {
        match self {
            Want::Read => 4,
            Want::Write => 2,
            Want::Execute => 1,
        }
    }
    fn flag(self) -> &'static str {
        match self {
            Want::Read => "-r",
            Want::Write => "-w",
            Want::Execute => "-x",
        }
    }
}

/// A user with all groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// login name
    pub name: String,
    /// user id
    pub uid: u32,
    /// primary and supplementary groups
    pub gids: Vec<u32>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// allowed
    Yes,
    /// this path does not let the user pass (the path itself or a directory above)
    Blocked(String),
    /// this path does not exist
    Missing(String),
    /// could not be told
    Unknown(Trouble),
}

impl Access {
    /// yes, no or unknown
    pub fn allowed(&self) -> Option<bool> {
        match self {
            Access::Yes => Some(true),
            Access::Blocked(_) | Access::Missing(_) => Some(false),
            Access::Unknown(_) => None,
        }
    }
}

/// Looks the user up, with the groups that /etc/group gives.
pub fn who(host: &dyn Host, name: &str) -> Answer<Who> {
    let user = host.user(name)?;
    let mut gids = vec![user.gid];
    if let Ok(bytes) = host.read("/etc/group", 1 << 20) {
        gids.extend(groups_of(&String::from_utf8_lossy(&bytes), name));
    }
    Ok(Who { name: name.to_owned(), uid: user.uid, gids })
}

fn groups_of(text: &str, name: &str) -> Vec<u32> {
    text.lines()
        .filter_map(|line| {
            let mut columns = line.split(':');
            let (gid, members) = (columns.nth(2)?, columns.next()?);
            members.split(',').any(|m| m == name).then(|| gid.parse().ok()).flatten()
        })
        .collect()
}

/// By the bits alone.
pub fn bits_allow(stat: &Stat, who: &Who, want: Want) -> bool {
    let bit = want.bit();
    if who.uid == 0 {
        return want != Want::Execute || stat.mode & 0o111 != 0 || stat.kind == crate::host::FileKind::Directory;
    }
    if stat.uid == who.uid {
        stat.mode >> 6 & bit != 0
    } else if who.gids.contains(&stat.gid) {
        stat.mode >> 3 & bit != 0
    } else {
        stat.mode & bit != 0
    }
}

/// Whether the user may do it, and which path component stands in the way.
pub fn check(host: &dyn Host, path: &str, who: &Who, want: Want) -> Access {
    let found = by_bits(host, path, who, want);
    if matches!(found, Access::Blocked(_)) && host.euid() == 0 && who.uid != 0 {
        let test = Run::new("test", &[want.flag(), path]).user(&who.name);
        if host.run(&test).is_ok_and(|ran| ran.ok()) {
            return Access::Yes;
        }
    }
    found
}

fn by_bits(host: &dyn Host, path: &str, who: &Who, want: Want) -> Access {
    for above in parents(path) {
        match host.stat(&above) {
            Ok(stat) if bits_allow(&stat, who, Want::Execute) => {}
            Ok(_) => return Access::Blocked(above),
            Err(Trouble::Missing) => return Access::Missing(above),
            Err(trouble) => return Access::Unknown(trouble),
        }
    }
    match host.stat(path) {
        Ok(stat) if bits_allow(&stat, who, want) => Access::Yes,
        Ok(_) => Access::Blocked(path.to_owned()),
        Err(Trouble::Missing) => Access::Missing(path.to_owned()),
        Err(trouble) => Access::Unknown(trouble),
    }
}

/// `/a/b/c` -> `/`, `/a`, `/a/b`.
pub fn parents(path: &str) -> Vec<String> {
    let mut all = vec!["/".to_owned()];
    let trimmed = path.trim_end_matches('/');
    all.extend(trimmed.match_indices('/').filter(|(at, _)| *at > 0).map(|(at, _)| trimmed[..at].to_owned()));
    all
}

/// `owner:group` by name where the host knows it, else by number.
pub fn owner(host: &dyn Host, stat: &Stat) -> String {
    format!("{}:{}", user_name(host, stat.uid), group_name(host, stat.gid))
}

/// The name of a user id.
pub fn user_name(host: &dyn Host, uid: u32) -> String {
    host.user_by_id(uid).map_or_else(|_| uid.to_string(), |u| u.name)
}

/// The name of a group id.
pub fn group_name(host: &dyn Host, gid: u32) -> String {
    host.group_by_id(gid).unwrap_or_else(|_| gid.to_string())
}

/// `0640`.
pub fn octal(stat: &Stat) -> String {
    format!("{:04o}", stat.mode)
}

/// As `ls -l` would say it in evidence: `root:root 0640`.
pub fn words(host: &dyn Host, stat: &Stat) -> String {
    format!("{} {}", owner(host, stat), octal(stat))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::FileKind;

    #[test]
    fn parents_of_a_path() {
        assert_eq!(parents("/a/b/c"), ["/", "/a", "/a/b"]);
        assert_eq!(parents("/a/"), ["/"]);
    }

    #[test]
    fn the_owner_is_judged_by_the_first_triplet_alone() {
        let stat = Stat { kind: FileKind::File, mode: 0o077, uid: 5, gid: 5, size: 0, mtime: 0, ino: 0 };
        let who = |uid, gids| Who { name: "x".into(), uid, gids };
        assert!(!bits_allow(&stat, &who(5, vec![5]), Want::Read));
        assert!(bits_allow(&stat, &who(6, vec![5]), Want::Read));
        assert!(bits_allow(&stat, &who(0, vec![0]), Want::Write));
    }

    #[test]
    fn supplementary_groups() {
        assert_eq!(groups_of("mail:x:8:postfix,dovecot\nadm:x:4:syslog\nsasl:x:45:postfix\n", "postfix"), [8, 45]);
    }
}
