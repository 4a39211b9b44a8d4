//! Oddities of the file system that Postfix trips over: links to nothing, programs on a noexec mount, immutable
//! files, and a sendmail command of another program.

use super::view::View;
use crate::evidence::{Evidence, Observation};
use crate::host::{Run, Trouble};

pub(super) fn observe(view: &View<'_>) {
    links(view);
    noexec(view);
    immutable(view);
    sendmail(view);
}

fn links(view: &View<'_>) {
    let mut paths: Vec<(String, &str)> = vec![
        (view.config.clone(), "config_directory"),
        (view.queue.clone(), "queue_directory"),
        (view.data.clone(), "data_directory"),
        (view.daemons.clone(), "daemon_directory"),
        (format!("{}/main.cf", view.config), "main.cf"),
        (format!("{}/master.cf", view.config), "master.cf"),
    ];
    paths.push((
        view.instance.config.text("mail_spool_directory").trim_end_matches('/').to_owned(),
        "mail_spool_directory",
    ));
    for (path, what) in paths {
        if path.is_empty() || !matches!(view.host.stat(&path), Err(Trouble::Missing)) {
            continue;
        }
        let Ok(target) = view.host.read_link(&path) else { continue };
        view.emit(
            Observation::now("stale-symlink")
                .with("path", path.as_str())
                .with("target", target.as_str())
                .with("what", what)
                .seen(Evidence::new(&path, format!("{path} -> {target}, which does not exist"))),
        );
    }
}

/// `device mount-point type options` of the file system that holds a path.
pub(in crate::steps) fn mount_of(mounts: &str, path: &str) -> Option<(String, String, Vec<String>)> {
    let under = |point: &str| point == "/" || path == point || path.starts_with(&format!("{point}/"));
    mounts
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let [device, point, _, options, ..] = fields[..] else { return None };
            let point = point.replace("\\040", " ");
            under(&point).then(|| (device.to_owned(), point, options.split(',').map(str::to_owned).collect()))
        })
        // The last of the longest: later mounts hide earlier ones on the same point.
        .fold(None, |best: Option<(String, String, Vec<String>)>, next| match best {
            Some(best) if best.1.len() > next.1.len() => Some(best),
            _ => Some(next),
        })
}

fn noexec(view: &View<'_>) {
    let Ok(bytes) = view.host.read("/proc/self/mounts", 4 << 20) else { return };
    let mounts = String::from_utf8_lossy(&bytes);
    for path in [&view.daemons, &view.commands] {
        if path.is_empty() {
            continue;
        }
        let Some((device, point, options)) = mount_of(&mounts, path) else { continue };
        if options.iter().any(|o| o == "noexec") {
            view.emit(
                Observation::now("daemon-program")
                    .with("path", path.as_str())
                    .with("problem", "noexec-mount")
                    .with("command", format!("mount -o remount,exec {point}"))
                    .seen(Evidence::new("/proc/self/mounts", format!("{device} {point} {}", options.join(",")))),
            );
        }
    }
}

fn immutable(view: &View<'_>) {
    let mut paths: Vec<String> = ["", "incoming", "active", "deferred", "maildrop", "public", "private", "pid"]
        .iter()
        .map(|n| format!("{}/{n}", view.queue).trim_end_matches('/').to_owned())
        .collect();
    paths.push(view.data.clone());
    paths.retain(|p| p.starts_with('/'));
    let mut args = vec!["-d", "--"];
    args.extend(paths.iter().map(String::as_str));
    let Ok(ran) = view.host.run(&Run::new("lsattr", &args).limit(std::time::Duration::from_secs(3))) else { return };
    for line in ran.out().lines() {
        let Some((attributes, path)) = line.split_once(' ') else { continue };
        let path = path.trim();
        let fixed: String = attributes.chars().filter(|c| matches!(c, 'i' | 'a')).collect();
        if !fixed.is_empty() && paths.iter().any(|p| p == path) {
            view.emit(
                Observation::now("immutable")
                    .with("path", path)
                    .with("attributes", attributes)
                    .with("command", format!("chattr -{fixed} {path}"))
                    .seen(Evidence::new(format!("lsattr -d {path}"), line)),
            );
        }
    }
}

/// Where programs expect the sendmail command.
const SENDMAILS: &[&str] = &["/usr/sbin/sendmail", "/usr/lib/sendmail"];

fn sendmail(view: &View<'_>) {
    // Postfix's own: where the command directory is.
    let own = view.instance.config.text("sendmail_path");
    let own = if own.is_empty() { "/usr/sbin/sendmail".to_owned() } else { own };
    for path in SENDMAILS {
        let Some(target) = resolve(view, path) else { continue };
        let name = target.rsplit('/').next().unwrap_or_default();
        let foreign = [
            "exim",
            "msmtp",
            "ssmtp",
            "esmtp",
            "nullmailer",
            "dma",
            "opensmtpd",
            "smtpctl",
            "busybox",
            "sendmail.sendmail",
            "mailwrapper",
            "sendmail-mta",
        ];
        if foreign.iter().any(|f| name.starts_with(f)) || (name == "sendmail" && target.contains("sendmail-bin")) {
            view.emit(
                Observation::now("sendmail-replaced")
                    .with("path", *path)
                    .with("points_to", target.as_str())
                    .with("postfix_sendmail", own.as_str())
                    .seen(Evidence::new(*path, format!("{path} -> {target}"))),
            );
        }
    }
}

/// Where a path ends up, links followed.
fn resolve(view: &View<'_>, path: &str) -> Option<String> {
    let mut at = path.to_owned();
    view.host.stat(path).ok()?;
    for _ in 0..10 {
        let Ok(target) = view.host.read_link(&at) else { return Some(at) };
        at = if target.starts_with('/') {
            target
        } else {
            let parent = at.rsplit_once('/').map_or("", |p| p.0);
            format!("{parent}/{target}")
        };
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_point_holds_the_path() {
        let mounts = "/dev/a / ext4 rw 0 0\n/dev/b /var ext4 ro,noexec 0 0\n/dev/c /var/spool\\040x ext4 rw 0 0\n";
        assert_eq!(mount_of(mounts, "/var/spool/postfix").unwrap().0, "/dev/b");
        assert_eq!(mount_of(mounts, "/var/spool x/y").unwrap().0, "/dev/c");
        assert_eq!(mount_of(mounts, "/variable").unwrap().0, "/dev/a");
    }
}
