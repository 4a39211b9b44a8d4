//! Which users of the host receive mail: those that the log shows with failures, those with a mailbox, a home
//! directory or a .forward file. Not everybody in a large directory service: the local password file is enough.

use super::view::View;
use crate::host::User;

/// Users looked at, at most.
const LIMIT: usize = 200;

/// People with a home directory of their own, from the password file of the host, and root.
pub(super) fn people(view: &View<'_>) -> Vec<User> {
    let Ok(bytes) = view.host.read("/etc/passwd", 4 << 20) else { return Vec::new() };
    let mut all = Vec::new();
    for line in String::from_utf8_lossy(&bytes).lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, ..] = fields[..] else { continue };
        let (Ok(uid), Ok(gid)) = (uid.parse::<u32>(), gid.parse::<u32>()) else { continue };
        // System accounts get no mail of their own; root's is forwarded or read.
        let person = uid == 0 || (1000..60000).contains(&uid);
        if person && home.starts_with('/') && all.len() < LIMIT {
            let user = User { name: name.to_owned(), uid, gid, home: home.trim_end_matches('/').to_owned() };
            all.push(user);
        }
    }
    all
}

/// The local user that an address or name of an alias means; none if it is not local or not known.
pub(super) fn local_name(view: &View<'_>, address: &str) -> Option<String> {
    let address = address.trim().trim_start_matches('\\').trim_matches(['<', '>', '"']);
    if address.is_empty() || address.starts_with(['|', '/', ':']) {
        return None;
    }
    let (name, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let delimiter = view.instance.config.text("recipient_delimiter");
    let name = name.split(|c| delimiter.contains(c)).next().unwrap_or(name);
    if !domain.is_empty() {
        let local = crate::steps::config::look::items(&view.instance.config.text("mydestination"));
        if !local.iter().any(|d| d.eq_ignore_ascii_case(domain)) {
            return None;
        }
    }
    Some(name.to_lowercase())
}
