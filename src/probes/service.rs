//! What master.cf says of a service.

use super::common::{arg, by_name, instance};
use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::evidence::Evidence;
use crate::evidence::{Field, READ_ONLY};
use crate::host::Trouble;
use crate::state::{access, jail};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "service",
    level: READ_ONLY,
    doc: "Looks a service up in master.cf.",
    args: &[("name", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("in_master_cf", "it is there"),
    bool("commented_out", "a line that starts with # would define it"),
    int("line", "its line, or the commented one"),
    text("name", "its name"),
    text("type", "`inet`, `unix`, …"),
    text("command", "the program"),
    bool("command_exists", "the program file exists in daemon_directory and can be executed"),
    text("command_path", "its path"),
    bool("chrooted", "it runs chrooted"),
    int("maxproc", "its process limit in force"),
    int("running", "how many processes of its program run"),
    bool("maxproc_default", "it uses default_process_limit"),
    bool("stress", "one of its processes was told `-o stress=yes`"),
    bool("wakeup", "it is woken up regularly"),
];

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let (Some(instance), Some(name)) = (instance(ctx), arg(args, "name")) else { return out };
    if !instance.config_known || instance.config.master.services.is_empty() {
        return out;
    }
    let host = ctx.server.host;
    let file = if instance.config.master.file.is_empty() {
        format!("{}/master.cf", instance.config_dir)
    } else {
        instance.config.master.file.clone()
    };
    let Some(service) = by_name(instance, name) else {
        out.set("in_master_cf", false);
        if let Ok(bytes) = host.read(&file, 1 << 20) {
            let text = String::from_utf8_lossy(&bytes);
            let line = commented(&text, name);
            out.set("commented_out", line.is_some());
            if let Some((number, text)) = line {
                out.set("line", number as i64);
                out.evidence.push(Evidence::at(&file, number, text));
            }
        }
        return out;
    };
    out.set("in_master_cf", true);
    out.set("commented_out", false);
    out.set("line", service.line as i64);
    out.set("name", service.name.as_str());
    out.set("type", service.kind.as_str());
    out.set("command", service.command.as_str());
    out.evidence.push(Evidence::at(
        &file,
        service.line,
        format!(
            "{} {} {} {} {} {} {} {} {}",
            service.name,
            service.kind,
            service.private,
            service.unpriv,
            service.chroot,
            service.wakeup,
            service.maxproc,
            service.command,
            service.args.join(" ")
        ),
    ));
    out.set("chrooted", instance.config.chrooted(service));
    out.set("wakeup", !matches!(service.wakeup.trim_end_matches('?'), "-" | "0"));
    out.set("maxproc_default", service.maxproc == "-");
    let limit =
        if service.maxproc == "-" { instance.config.text("default_process_limit") } else { service.maxproc.clone() };
    out.set_some("maxproc", limit.parse::<i64>().ok());
    let path = if service.command.starts_with('/') {
        service.command.clone()
    } else {
        format!("{}/{}", instance.config.text("daemon_directory"), service.command)
    };
    match host.stat(&path) {
        Ok(stat) => out.set("command_exists", stat.mode & 0o111 != 0),
        Err(Trouble::Missing) => out.set("command_exists", false),
        Err(_) => {}
    }
    if let Ok(stat) = host.stat(&path) {
        out.saw(path.as_str(), access::words(host, &stat));
    }
    out.set("command_path", path);
    if let Some(processes) = &ctx.server.processes {
        let own: Vec<_> = processes
            .iter()
            .filter(|p| p.name == service.command && instance.master_pid.is_none_or(|m| p.ppid == m))
            .filter(|p| of_service(&p.args, &service.name))
            .collect();
        out.set("running", own.len() as i64);
        out.set("stress", own.iter().any(|p| p.args.iter().any(|a| a == "stress=yes")));
        if let Ok(limit) = limit.parse::<usize>()
            && limit > 0
            && own.len() >= limit
        {
            out.saw("ps", format!("{} processes of {}, the limit is {limit}", own.len(), jail::label(service)));
        }
    }
    out
}

/// Daemons are started with `-n SERVICE`.
pub(crate) fn of_service(args: &[String], name: &str) -> bool {
    match args.iter().position(|a| a == "-n") {
        Some(at) => args.get(at + 1).is_some_and(|n| n == name || n.ends_with(&format!(":{name}"))),
        None => true,
    }
}

/// The line that would define the service if it did not start with `#`.
fn commented(text: &str, name: &str) -> Option<(u64, String)> {
    let name = name.split('/').next().unwrap_or(name);
    text.lines().zip(1..).find_map(|(line, number)| {
        let words: Vec<&str> = line.strip_prefix('#')?.split_whitespace().collect();
        let fits = words.len() >= 8
            && matches!(words[1], "inet" | "unix" | "fifo" | "pass" | "unix-dgram")
            && (words[0] == name || words[7] == name);
        fits.then(|| (number, line.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_commented_out() {
        let text =
            "# a comment\n#submission inet n       -       y       -       -       smtpd\nsmtp inet n - y - - smtpd\n";
        assert_eq!(commented(text, "submission").unwrap().0, 2);
        assert!(commented(text, "smtps").is_none());
    }

    #[test]
    fn tells_processes_of_one_service_from_another() {
        let args = |s: &str| s.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(of_service(&args("smtpd -n smtp -t inet -u"), "smtp"));
        assert!(!of_service(&args("smtpd -n submission -t inet"), "smtp"));
    }
}
