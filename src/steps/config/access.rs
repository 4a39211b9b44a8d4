//! Whether a user of the host may use a path, judged by owners and modes of it and of all directories above.
//! Access lists and security modules are not seen here: "not blocked" means not blocked by permission bits.

use crate::host::{FileKind, Host, Stat, Trouble};

/// read permission
pub(crate) const READ: u32 = 4;
/// write permission
pub(crate) const WRITE: u32 = 2;
/// search (directories) or execute permission
pub(crate) const SEARCH: u32 = 1;

/// What is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocked {
    pub(crate) path: String,
    /// `root:root 0700`
    pub(crate) why: String,
    pub(crate) stat: Stat,
}

/// `root:adm 0640`
pub(crate) fn owner_and_mode(host: &dyn Host, stat: &Stat) -> String {
    format!("{}:{} {:04o}", user_name(host, stat.uid), group_name(host, stat.gid), stat.mode)
}

pub(crate) fn user_name(host: &dyn Host, uid: u32) -> String {
    host.user_by_id(uid).map_or_else(|_| uid.to_string(), |u| u.name)
}

pub(crate) fn group_name(host: &dyn Host, gid: u32) -> String {
    host.group_by_id(gid).unwrap_or_else(|_| gid.to_string())
}

/// Whether the bits give `want` to this user. Supplementary groups are read from /etc/group.
pub(crate) fn permits(stat: &Stat, uid: u32, gids: &[u32], want: u32) -> bool {
    if uid == 0 {
        return want & SEARCH == 0 || stat.kind == FileKind::Directory || stat.mode & 0o111 != 0;
    }
    let bits = if stat.uid == uid {
        stat.mode >> 6
    } else if gids.contains(&stat.gid) {
        stat.mode >> 3
    } else {
        stat.mode
    };
    bits & want == want
}

/// The groups of a user: the primary one and those of /etc/group.
pub(crate) fn groups_of(host: &dyn Host, name: &str, primary: u32) -> Vec<u32> {
    let mut all = vec![primary];
    if let Ok(bytes) = host.read("/etc/group", 4 << 20) {
        for line in String::from_utf8_lossy(&bytes).lines() {
            let fields: Vec<&str> = line.split(':').collect();
            if let [_, _, gid, members, ..] = fields[..]
                && members.split(',').any(|m| m == name)
                && let Ok(gid) = gid.parse()
            {
                all.push(gid);
            }
        }
    }
    all
}

/// What keeps `user` from using `path`; none if nothing does, or if it cannot be told.
pub(crate) fn blocked(host: &dyn Host, path: &str, user: &str, want: u32) -> Option<Blocked> {
    let known = host.user(user).ok()?;
    let groups = groups_of(host, &known.name, known.gid);
    blocked_for(host, path, known.uid, &groups, want)
}

/// The same for numbers, where there is no name.
pub(crate) fn blocked_for(host: &dyn Host, path: &str, uid: u32, gids: &[u32], want: u32) -> Option<Blocked> {
    for (at, _) in path.match_indices('/').skip(1) {
        let parent = &path[..at];
        match host.stat(parent) {
            Ok(stat) if !permits(&stat, uid, gids, SEARCH) => return Some(found(host, parent, stat)),
            Ok(_) => {}
            Err(Trouble::Missing | Trouble::Denied | Trouble::TimedOut | Trouble::NotCollected | Trouble::Other(_)) => {
                return None;
            }
        }
    }
    let stat = host.stat(path).ok()?;
    (!permits(&stat, uid, gids, want)).then(|| found(host, path, stat))
}

fn found(host: &dyn Host, path: &str, stat: Stat) -> Blocked {
    Blocked { path: path.to_owned(), why: owner_and_mode(host, &stat), stat }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_bits_count_for_the_owner_even_if_they_give_less() {
        let stat = Stat { kind: FileKind::File, mode: 0o044, uid: 7, gid: 8, size: 0, mtime: 0, ino: 0 };
        assert!(!permits(&stat, 7, &[8], READ));
        assert!(permits(&stat, 9, &[8], READ));
        assert!(permits(&stat, 9, &[9], READ));
        assert!(permits(&stat, 0, &[0], READ));
    }
}
