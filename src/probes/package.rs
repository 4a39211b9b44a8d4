//! A package: there, whole, its libraries found.

use super::common::{arg, instance};
use super::{Args, Context, Outcome, ProbeKind, bool, list, text};
use crate::evidence::{Field, PROBE_HOST};
use crate::host::{Host, Run, Trouble};
use std::time::Duration;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "package",
    level: PROBE_HOST,
    doc: "Asks the package manager whether a package is there and unchanged.",
    args: &[("name", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    text("name", "the package"),
    bool("installed", "it is installed"),
    text("version", "its version"),
    bool("damaged", "files differ from those that were packed"),
    list("damaged_files", "which; configuration files left out"),
    list("missing_files", "files of it that are not there"),
    bool("lib_errors", "a program of it lacks a library"),
    list("missing_libs", "the libraries that are not found"),
    text("manager", "`dpkg`, `rpm`, `apk`, `pacman`"),
    text("reinstall", "the command that brings the files back"),
];

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    let name = arg(args, "name").unwrap_or("postfix");
    if name.starts_with('-') {
        return out;
    }
    libraries(ctx, &mut out, name);
    let package = if name.contains('/') || is_daemon(ctx, name) { "postfix" } else { name };
    out.set("name", package);
    if dpkg(host, &mut out, package) || rpm(host, &mut out, package) {
        return out;
    }
    for (manager, program, arguments) in [("apk", "apk", ["info", "-e"]), ("pacman", "pacman", ["-Q", "--"])] {
        if let Ok(ran) = host.run(&Run::new(program, &[arguments[0], arguments[1], package])) {
            out.set("manager", manager);
            out.set("installed", ran.ok());
            return out;
        }
    }
    out
}

/// The name of a daemon or command of Postfix rather than of a package.
fn is_daemon(ctx: &Context<'_>, name: &str) -> bool {
    let Some(instance) = instance(ctx) else { return false };
    let directory = instance.config.text("daemon_directory");
    !directory.is_empty() && ctx.server.host.stat(&format!("{directory}/{name}")).is_ok()
}

fn dpkg(host: &dyn Host, out: &mut Outcome, package: &str) -> bool {
    let query = Run::new("dpkg-query", &["-W", "-f=${db:Status-Status} ${Version}", "--", package]);
    let Ok(ran) = host.run(&query) else { return false };
    out.set("manager", "dpkg");
    let text = ran.out().into_owned();
    let installed = ran.ok() && text.starts_with("installed");
    out.set("installed", installed);
    out.saw(query.line(), if installed { text.trim() } else { "not installed" });
    out.set("reinstall", format!("apt-get install --reinstall {package}"));
    if !installed {
        out.set("reinstall", format!("apt-get install {package}"));
        return true;
    }
    out.set_some("version", text.split_whitespace().nth(1).map(str::to_owned));
    verify(host, out, &Run::new("dpkg", &["--verify", package]));
    true
}

fn rpm(host: &dyn Host, out: &mut Outcome, package: &str) -> bool {
    let query = Run::new("rpm", &["-q", "--qf", "%{VERSION}-%{RELEASE}", "--", package]);
    let Ok(ran) = host.run(&query) else { return false };
    out.set("manager", "rpm");
    out.set("installed", ran.ok());
    out.set("reinstall", format!("dnf {} {package}", if ran.ok() { "reinstall" } else { "install" }));
    out.saw(query.line(), if ran.ok() { ran.out().into_owned() } else { "not installed".to_owned() });
    if ran.ok() {
        out.set("version", ran.out().trim());
        verify(host, out, &Run::new("rpm", &["-V", "--nomtime", "--", package]));
    }
    true
}

/// Both managers print `??5?????? c /etc/x` for each file that differs.
fn verify(host: &dyn Host, out: &mut Outcome, run: &Run) {
    let run = run.clone().limit(Duration::from_secs(8));
    match host.run(&run) {
        Ok(ran) => {
            let (damaged, missing) = differing(&ran.out());
            for file in damaged.iter().chain(&missing).take(5) {
                out.saw(run.line(), format!("{file} is not as it was packed"));
            }
            out.set("damaged", !damaged.is_empty() || !missing.is_empty());
            out.set("damaged_files", damaged);
            out.set("missing_files", missing);
        }
        Err(Trouble::NotCollected | Trouble::Missing) => {}
        Err(why) => out.unchecked("files of the package", why, Some(run.line())),
    }
}

fn differing(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut damaged, mut missing) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let Some(at) = line.find(" /") else { continue };
        let (flags, path) = (line[..at].trim(), line[at + 1..].trim());
        // Documentation is often left out on purpose in containers; configuration is meant to be changed.
        let left_out = ["/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/lintian/"];
        if flags.ends_with(" c") || left_out.iter().any(|d| path.starts_with(d)) {
            continue;
        }
        if flags.starts_with("missing") {
            missing.push(path.to_owned());
        } else if flags.contains('5') || flags.contains('L') {
            damaged.push(path.to_owned());
        }
    }
    (damaged, missing)
}

/// Shared libraries that a program of Postfix needs and that the host does not have.
fn libraries(ctx: &Context<'_>, out: &mut Outcome, name: &str) {
    let host = ctx.server.host;
    let directory = instance(ctx).map(|i| i.config.text("daemon_directory")).unwrap_or_default();
    let candidates = if name.starts_with('/') {
        vec![name.to_owned()]
    } else if name == "postfix" {
        vec![format!("{directory}/master"), format!("{directory}/smtpd"), "/usr/sbin/postconf".to_owned()]
    } else {
        vec![format!("{directory}/{name}"), format!("/usr/sbin/{name}")]
    };
    let mut missing = Vec::new();
    let mut looked = false;
    for file in candidates.iter().filter(|f| host.stat(f).is_ok()) {
        // Some implementations of ldd start the program; for the files of a package that root installed that is no risk.
        if let Ok(ran) = host.run(&Run::new("ldd", &[file.as_str()]).limit(Duration::from_secs(5))) {
            looked |= ran.ok();
            for line in ran.out().lines().filter(|l| l.contains("not found")) {
                let library = line.split_whitespace().next().unwrap_or_default().to_owned();
                out.saw(format!("ldd {file}"), line.trim());
                if !missing.contains(&library) {
                    missing.push(library);
                }
            }
        }
    }
    if looked || !missing.is_empty() {
        out.set("lib_errors", !missing.is_empty());
        out.set("missing_libs", missing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_is_meant_to_differ() {
        let text = "??5?????? c /etc/postfix/main.cf\n??5??????   /usr/lib/postfix/sbin/smtpd\nmissing     /usr/sbin/postmap\nmissing     /usr/share/doc/postfix/x\n";
        let (damaged, missing) = differing(text);
        assert_eq!(damaged, ["/usr/lib/postfix/sbin/smtpd"]);
        assert_eq!(missing, ["/usr/sbin/postmap"]);
    }
}
