//! master.cf: services that Postfix needs, the programs and users that they run as, process limits and columns.

use super::access;
use super::look::{Look, Place, nearest};
use super::tables;
use crate::evidence::{Evidence, Observation};
use crate::host::FileKind;
use crate::postfix::master_cf::Service;

pub(super) fn observe(look: &Look<'_>) {
    if look.config.master.services.is_empty() {
        return;
    }
    for standard in STANDARD {
        missing(look, standard);
    }
    let used = UsedNames::of(look);
    for service in &look.config.master.services {
        program(look, service);
        process_limit(look, service);
        columns(look, service);
        quotes(look, service);
        if matches!(service.program(), "pipe" | "spawn") && used.uses(&service.name) {
            external(look, service);
        }
    }
    users(look);
    commands(look);
}

/// A service of the master.cf that Postfix ships.
struct Standard {
    name: &'static str,
    program: &'static str,
    needed_for: &'static str,
    vital: bool,
    /// whether this configuration uses it
    used: fn(&Look<'_>) -> bool,
    /// private, unpriv, wake-up and process limit columns
    columns: (&'static str, &'static str, &'static str, &'static str),
}

fn always(_: &Look<'_>) -> bool {
    true
}
fn transport_is(look: &Look<'_>, parameter: &str, name: &str) -> bool {
    look.text(parameter).split(':').next() == Some(name)
}

const STANDARD: &[Standard] = &[
    Standard {
        name: "pickup",
        program: "pickup",
        needed_for: "mail that local programs and users send",
        vital: true,
        used: always,
        columns: ("n", "-", "60", "1"),
    },
    Standard {
        name: "cleanup",
        program: "cleanup",
        needed_for: "all new mail",
        vital: true,
        used: always,
        columns: ("n", "-", "-", "0"),
    },
    Standard {
        name: "qmgr",
        program: "qmgr",
        needed_for: "all deliveries",
        vital: true,
        used: always,
        columns: ("n", "-", "300", "1"),
    },
    Standard {
        name: "rewrite",
        program: "trivial-rewrite",
        needed_for: "all mail: it rewrites and routes addresses",
        vital: true,
        used: always,
        columns: ("-", "-", "-", "-"),
    },
    Standard {
        name: "bounce",
        program: "bounce",
        needed_for: "bounces; mail that cannot be delivered stays in the queue",
        vital: false,
        used: always,
        columns: ("-", "-", "-", "0"),
    },
    Standard {
        name: "defer",
        program: "bounce",
        needed_for: "mail that has to wait: its reason is noted there",
        vital: false,
        used: always,
        columns: ("-", "-", "-", "0"),
    },
    Standard {
        name: "trace",
        program: "bounce",
        needed_for: "delivery reports (`sendmail -bv`, success notifications)",
        vital: false,
        used: always,
        columns: ("-", "-", "-", "0"),
    },
    Standard {
        name: "error",
        program: "error",
        needed_for: "mail that must bounce",
        vital: false,
        used: always,
        columns: ("-", "-", "-", "-"),
    },
    Standard {
        name: "retry",
        program: "error",
        needed_for: "mail that must wait because its destination is down",
        vital: false,
        used: always,
        columns: ("-", "-", "-", "-"),
    },
    Standard {
        name: "showq",
        program: "showq",
        needed_for: "mailq and postqueue -p",
        vital: false,
        used: always,
        columns: ("n", "-", "-", "-"),
    },
    Standard {
        name: "smtp",
        program: "smtp",
        needed_for: "mail to other hosts",
        vital: false,
        used: |look| transport_is(look, "default_transport", "smtp"),
        columns: ("-", "-", "-", "-"),
    },
    Standard {
        name: "relay",
        program: "smtp",
        needed_for: "mail for relay_domains",
        vital: false,
        used: |look| transport_is(look, "relay_transport", "relay") && !look.text("relay_domains").trim().is_empty(),
        columns: ("-", "-", "-", "-"),
    },
    Standard {
        name: "local",
        program: "local",
        needed_for: "mail to local users",
        vital: false,
        used: |look| transport_is(look, "local_transport", "local") && !look.text("mydestination").trim().is_empty(),
        columns: ("-", "n", "-", "-"),
    },
    Standard {
        name: "virtual",
        program: "virtual",
        needed_for: "mail to virtual mailboxes",
        vital: false,
        used: |look| {
            transport_is(look, "virtual_transport", "virtual") && look.config.is_set("virtual_mailbox_domains")
        },
        columns: ("-", "n", "-", "-"),
    },
    Standard {
        name: "proxymap",
        program: "proxymap",
        needed_for: "tables that are read by proxy:",
        vital: false,
        used: |look| {
            tables::references(look).iter().any(|t| t.proxied) || look.text("local_recipient_maps").contains("proxy:")
        },
        columns: ("-", "-", "-", "-"),
    },
    Standard {
        name: "tlsmgr",
        program: "tlsmgr",
        needed_for: "TLS: keys, random numbers and session caches",
        vital: false,
        used: |look| {
            ["smtpd_tls_security_level", "smtp_tls_security_level"]
                .iter()
                .any(|p| !matches!(look.text(p).as_str(), "" | "none"))
        },
        columns: ("-", "-", "1000?", "1"),
    },
    Standard {
        name: "anvil",
        program: "anvil",
        needed_for: "connection counts and rate limits of the SMTP server",
        vital: false,
        used: |look| !look.smtpd_services().is_empty(),
        columns: ("-", "-", "-", "1"),
    },
    Standard {
        name: "verify",
        program: "verify",
        needed_for: "address verification (reject_unverified_…)",
        vital: false,
        used: |look| look.uses().iter().any(|u| u.value.contains("reject_unverified_")),
        columns: ("-", "-", "-", "1"),
    },
    Standard {
        name: "scache",
        program: "scache",
        needed_for: "the connection cache of the SMTP client",
        vital: false,
        used: always,
        columns: ("-", "-", "-", "1"),
    },
    Standard {
        name: "postlog",
        program: "postlogd",
        needed_for: "logging to maillog_file",
        vital: true,
        used: |look| !look.text("maillog_file").trim().is_empty(),
        columns: ("n", "-", "-", "1"),
    },
];

/// A service that Postfix ships, whose absence is reported as such.
pub(super) fn is_standard(name: &str) -> bool {
    STANDARD.iter().any(|s| s.name == name)
}

fn missing(look: &Look<'_>, standard: &Standard) {
    let master = &look.config.master;
    let there = master.services.iter().any(|s| s.name == standard.name && s.kind != "inet");
    // Address rewriting is not done by these on a host that only logs: they are used by every Postfix.
    if there || !(standard.used)(look) {
        return;
    }
    let kind = if standard.name == "postlog" { "unix-dgram" } else { "unix" };
    let (private, unpriv, wakeup, maxproc) = standard.columns;
    let usual = format!("{} {kind} {private} {unpriv} n {wakeup} {maxproc} {}", standard.name, standard.program);
    let mut seen = Observation::now("service-missing")
        .with("entry", format!("{}/{kind}", standard.name))
        .with("program", standard.program)
        .with("needed_for", standard.needed_for)
        .with("vital", standard.vital)
        .with("usual", usual)
        .with("file", master.file.as_str())
        .of_service(standard.name);
    if let Some(off) = master.commented_out.iter().find(|c| c.name == standard.name && c.kind != "inet") {
        seen = seen.with("commented_line", i64::try_from(off.line).unwrap_or(0)).seen(Evidence::at(
            &master.file,
            off.line,
            format!("#{} {} … {}", off.name, off.kind, off.command),
        ));
    } else {
        seen = seen.seen(Evidence::new(&master.file, format!("no entry {} {kind}", standard.name)));
    }
    look.emit(seen);
}

fn program(look: &Look<'_>, service: &Service) {
    let directory = look.text("daemon_directory");
    if directory.is_empty() && !service.command.starts_with('/') {
        return;
    }
    let path = look.program_path(&service.command);
    let Some(problem) = execution_problem(look, &path) else { return };
    let names = look.host.list(&directory).unwrap_or_default();
    // Nothing of Postfix there at all: that is another trouble, and not one of this service.
    if names.is_empty() {
        return;
    }
    let near = nearest(&service.command, names.iter().map(String::as_str));
    look.emit(
        look.service_place(service)
            .mark(
                Observation::now("program-missing")
                    .with("program", service.command.as_str())
                    .with("path", path.as_str())
                    .with("problem", problem)
                    .with("nearest", near.unwrap_or_default()),
            )
            .seen(Evidence::new(path, problem)),
    );
}

/// `missing` or `not-executable`; none if it is fine or cannot be told.
fn execution_problem(look: &Look<'_>, path: &str) -> Option<&'static str> {
    if look.is_missing(path) {
        return Some("missing");
    }
    let stat = look.host.stat(path).ok()?;
    (stat.kind != FileKind::File || stat.mode & 0o111 == 0).then_some("not-executable")
}

/// Programs of which there must be one process, because it keeps state.
const SINGLE: &[&str] =
    &["pickup", "qmgr", "nqmgr", "oqmgr", "tlsmgr", "scache", "anvil", "verify", "postscreen", "postlogd"];

fn process_limit(look: &Look<'_>, service: &Service) {
    let Ok(maxproc) = service.maxproc.parse::<i64>() else {
        // `-` means default_process_limit, which is not 1.
        if SINGLE[..4].contains(&service.program()) && service.maxproc == "-" {
            emit_limit(look, service, look.text("default_process_limit").trim().parse().unwrap_or(100), "1");
        }
        return;
    };
    let wanted = if SINGLE.contains(&service.program()) { "1" } else { "-" };
    emit_limit(look, service, maxproc, wanted);
}

fn emit_limit(look: &Look<'_>, service: &Service, maxproc: i64, wanted: &str) {
    look.emit(
        look.service_place(service).mark(
            Observation::now("process-limit")
                .with("program", service.program())
                .with("maxproc", maxproc)
                .with("wanted", wanted)
                .with("public", look.is_public(service)),
        ),
    );
}

fn columns(look: &Look<'_>, service: &Service) {
    let odd = |column: &str, value: &str, wanted: &str, effect: &str| {
        look.emit(
            look.service_place(service).mark(
                Observation::now("column-odd")
                    .with("program", service.program())
                    .with("column", column)
                    .with("value", value)
                    .with("wanted", wanted)
                    .with("effect", effect),
            ),
        );
    };
    if matches!(service.program(), "local" | "virtual" | "pipe" | "spawn") && service.is_unprivileged() {
        odd(
            "unpriv",
            &service.unpriv,
            "n",
            "it must start as root to act as the recipient; as mail_owner it cannot deliver",
        );
    }
    let public = ["pickup", "cleanup", "qmgr", "flush", "showq", "postlog"];
    if public.contains(&service.name.as_str()) && service.kind != "inet" && service.is_private() {
        odd(
            "private",
            &service.private,
            "n",
            "its socket is made in private/, where sendmail, postdrop and postqueue may not look",
        );
    }
}

fn quotes(look: &Look<'_>, service: &Service) {
    for given in &service.overrides {
        let value = given.value.trim();
        let quoted = value.len() > 1
            && ((value.starts_with('"') && value.ends_with('"')) || (value.starts_with('\'') && value.ends_with('\'')));
        if quoted {
            let place = Place {
                file: look.config.master.file.clone(),
                line: Some(given.line),
                entry: super::look::entry(service),
                service: service.name.clone(),
                text: format!("-o {}={}", given.name, given.value),
            };
            look.emit(
                place.mark(
                    Observation::now("value-quoted")
                        .with("parameter", given.name.as_str())
                        .with("value", value)
                        .with("wanted", value.trim_matches(['"', '\'']))
                        .with("area", super::names::area_of(&given.name)),
                ),
            );
        }
    }
}

/// Names of transports and sockets that some value or table mentions: the stock master.cf has entries for
/// programs that nobody installed, and those do no harm while nothing uses them.
struct UsedNames(String);

impl UsedNames {
    fn of(look: &Look<'_>) -> UsedNames {
        let mut text = String::new();
        for used in look.uses() {
            text.push_str(&used.value);
            text.push('\n');
        }
        for table in tables::references(look) {
            let may_route = table.parameter.contains("transport")
                || table.parameter.contains("restrictions")
                || table.parameter.contains("checks");
            if may_route && let Some(lines) = table.path().and_then(|p| look.lines(p).ok()) {
                text.extend(lines.iter().filter(|l| !l.starts_with('#')).flat_map(|l| [l.as_str(), "\n"]));
            }
        }
        UsedNames(text)
    }
    fn uses(&self, name: &str) -> bool {
        let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
        self.0.match_indices(name).any(|(at, _)| {
            !is_word(self.0[..at].chars().next_back()) && !is_word(self.0[at + name.len()..].chars().next())
        })
    }
}

/// What pipe(8) and spawn(8) run, and as whom.
fn external(look: &Look<'_>, service: &Service) {
    let place = look.service_place(service);
    if let Some(program) = service.args.iter().find_map(|a| a.strip_prefix("argv="))
        && program.starts_with('/')
        && let Some(problem) = execution_problem(look, program)
    {
        look.emit(
            place
                .mark(Observation::now("pipe-program-missing").with("program", program).with("problem", problem))
                .seen(Evidence::new(program, problem)),
        );
    }
    if let Some(given) = service.args.iter().find_map(|a| a.strip_prefix("user=")) {
        let (user, group) = given.split_once(':').unwrap_or((given, ""));
        unknown_user(look, "user", user, &format!("user= of {}", service.name), &place);
        if !group.is_empty() {
            unknown_user(look, "group", group, &format!("user= of {}", service.name), &place);
        }
    }
}

fn users(look: &Look<'_>) {
    for (parameter, what) in [("mail_owner", "user"), ("default_privs", "user"), ("setgid_group", "group")] {
        let Some(used) = look.value(parameter, None) else { continue };
        unknown_user(look, what, used.value.trim(), parameter, &used.place);
    }
}

fn unknown_user(look: &Look<'_>, what: &str, name: &str, parameter: &str, place: &Place) {
    if name.is_empty() || name.contains('$') || name.bytes().all(|b| b.is_ascii_digit()) {
        return;
    }
    let missing = if what == "user" {
        matches!(look.host.user(name), Err(crate::host::Trouble::Missing))
    } else {
        matches!(look.host.group(name), Err(crate::host::Trouble::Missing))
    };
    if missing {
        look.emit(
            place.mark(
                Observation::now("user-unknown").with("what", what).with("user", name).with("parameter", parameter),
            ),
        );
    }
}

/// Commands that local(8) runs for mailboxes.
fn commands(look: &Look<'_>) {
    for used in look.uses().iter().filter(|u| u.name == "mailbox_command") {
        let program = used.raw.split_whitespace().next().unwrap_or_default();
        if program.starts_with('/')
            && let Some(problem) = execution_problem(look, program)
        {
            look.emit(
                used.place
                    .mark_main(
                        Observation::now("command-missing")
                            .with("parameter", used.name.as_str())
                            .with("program", program)
                            .with("problem", problem),
                    )
                    .seen(Evidence::new(program, access_words(look, program, problem))),
            );
        }
    }
}

fn access_words(look: &Look<'_>, path: &str, problem: &str) -> String {
    look.host.stat(path).map_or_else(|_| problem.to_owned(), |s| access::owner_and_mode(look.host, &s))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{observe_config, only};

    const MASTER: &str = "pickup unix n - y 60 1 pickup\ncleanup unix n - y - 0 cleanup\n#qmgr unix n - n 300 1 qmgr\n\
        rewrite unix - - y - - trivial-rewrite\nlocal unix - - n - - local\n";

    #[test]
    fn a_commented_out_service_is_named_with_its_line() {
        let seen = observe_config("mydestination = x.test\n", MASTER);
        let found = only(&seen, "service-missing");
        let qmgr = found.iter().find(|o| o.fields["entry"].to_string() == "qmgr/unix").unwrap();
        assert_eq!(qmgr.fields["commented_line"].to_string(), "3");
        assert!(found.iter().all(|o| o.fields["entry"].to_string() != "cleanup/unix"));
    }

    #[test]
    fn local_must_start_as_root() {
        let seen = observe_config("", MASTER);
        assert_eq!(only(&seen, "column-odd")[0].fields["column"].to_string(), "unpriv");
    }

    #[test]
    fn one_queue_manager() {
        let seen = observe_config("", "qmgr unix n - n 300 5 qmgr\n");
        let found = only(&seen, "process-limit");
        assert_eq!(found[0].fields["wanted"].to_string(), "1");
        assert_eq!(found[0].fields["maxproc"].to_string(), "5");
    }
}
