//! The step `chroot`: which services run in the jail, which must not, and what the jail lacks or has stale of
//! what those services use. DEBUG_README says to try without chroot first; this says beforehand what that would show.

mod files;
mod kinds;
mod outside;
pub(crate) mod uses;

use super::{Context, Outcome, StepKind};
use crate::discover::Instance;
use crate::evidence::{Evidence, Observation, READ_ONLY};
use crate::host::Host;
use crate::postfix::master_cf::Service;
use crate::state::jail::{self, Jail};

/// The step.
pub const STEP: StepKind = StepKind {
    name: "chroot",
    level: READ_ONLY,
    doc: "services in the chroot jail: those that must not be there, and what the jail lacks or has stale",
    touches: &[
        "master.cf, main.cf",
        "queue_directory/etc, lib, dev; /etc/resolv.conf, hosts, services, nsswitch.conf, localtime",
        "sockets and files that chrooted services are configured to use",
        "getconf GNU_LIBC_VERSION",
        "at level 2: one question to each name server if the jail's differ",
    ],
    run,
    emits: kinds::KINDS,
};

fn run(ctx: &Context<'_>) -> Outcome {
    let mut out = Outcome::default();
    let mut count = 0;
    for instance in ctx.server.instances.iter().filter(|i| i.config_known) {
        let jail = jail::of(instance);
        count += jail.services.len();
        must_not(ctx.server.host, instance, &jail, &mut out);
        if !jail.services.is_empty() {
            files::look(ctx, instance, &jail, &mut out);
            outside::look(ctx, instance, &jail, &mut out);
        }
    }
    out.looked_at = Some(format!("{count} chrooted services"));
    out
}

/// Where the services are defined.
fn master_cf(instance: &Instance) -> String {
    let file = &instance.config.master.file;
    if file.is_empty() { format!("{}/master.cf", instance.config_dir) } else { file.clone() }
}

/// The entry as evidence.
fn entry(instance: &Instance, service: &Service) -> Evidence {
    let text = format!(
        "{} {} {} {} {} {} {} {}",
        service.name,
        service.kind,
        service.private,
        service.unpriv,
        service.chroot,
        service.wakeup,
        service.maxproc,
        service.command
    );
    Evidence::at(master_cf(instance), service.line, text)
}

/// What programs need outside of the jail, so that they cannot run in it.
fn needs_outside(program: &str) -> Option<&'static str> {
    Some(match program {
        "local" => "mailboxes, home directories, .forward files and the commands of aliases",
        "virtual" => "the mailboxes below virtual_mailbox_base",
        "pipe" | "spawn" => "the command that it runs",
        "proxymap" => "lookup tables, which it opens after it entered the jail",
        "postlogd" => "the log file",
        _ => return None,
    })
}

/// Whether mail can come to the service: programs that every Postfix uses, and those that some setting names.
fn in_use(host: &dyn Host, instance: &Instance, service: &Service) -> bool {
    if matches!(service.program(), "proxymap" | "postlogd") {
        return true;
    }
    let names = [format!("{}:", service.name), format!("private/{}", service.name)];
    let mentions = |text: &str| {
        text.split([' ', '\t', ',', '=', '{', '}']).any(|w| names.iter().any(|n| w.starts_with(n.as_str())))
    };
    let bare = |name: &str| instance.config.text(name) == service.name;
    let transports = [
        "local_transport",
        "virtual_transport",
        "mailbox_transport",
        "relay_transport",
        "default_transport",
        "fallback_transport",
    ];
    transports.iter().any(|t| bare(t) || mentions(&instance.config.text(t)))
        || instance.config.main.settings.iter().any(|s| mentions(&s.value))
        || instance.config.master.services.iter().flat_map(|s| &s.overrides).any(|o| mentions(&o.value))
        || instance.config.items("transport_maps").iter().any(|item| {
            item.split_once(':')
                .filter(|(_, path)| path.starts_with('/'))
                .and_then(|(_, path)| host.read(path, 256 << 10).ok())
                .is_some_and(|bytes| mentions(&String::from_utf8_lossy(&bytes)))
        })
}

fn must_not(host: &dyn Host, instance: &Instance, jail: &Jail<'_>, out: &mut Outcome) {
    for service in &jail.services {
        let Some(needs) = needs_outside(service.program()) else { continue };
        out.observations.push(
            Observation::now("must-not-be-chrooted")
                .of_instance(&instance.name)
                .of_service(&service.name)
                .with("service", jail::label(service))
                .with("name", service.name.as_str())
                .with("command", service.command.as_str())
                .with("line", service.line as i64)
                .with("by_default", service.chroot == "-")
                .with("in_use", in_use(host, instance, service))
                .with("needs", needs)
                .seen(entry(instance, service)),
        );
    }
}
