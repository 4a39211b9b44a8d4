//! What every part of the trace works with: the host, one instance, its settings with the line they stand in.

use super::tables::Tables;
use crate::discover::Instance;
use crate::evidence::{Evidence, Level};
use crate::host::Host;
use crate::postfix::config::{Config, Source};
use crate::postfix::expand::balanced_items;
use crate::postfix::master_cf::Service;

/// One instance on its way through.
pub(super) struct Desk<'a> {
    pub(super) host: &'a dyn Host,
    pub(super) config: &'a Config,
    pub(super) allowed: Level,
    pub(super) tables: Tables<'a>,
    /// the envelope sender as it is queued, if one was given
    pub(super) sender: Option<String>,
}

/// A parameter in force.
#[derive(Debug, Clone)]
pub(super) struct Param {
    /// expanded
    pub(super) text: String,
    /// false: the value is one of the machine, and nobody told it
    pub(super) known: bool,
    /// where it stands
    pub(super) at: Evidence,
}

impl Param {
    /// Items of a list; `{ … }` groups stay together.
    pub(super) fn items(&self) -> Vec<String> {
        balanced_items(&self.text)
    }
    /// `yes`
    pub(super) fn is_yes(&self) -> bool {
        self.text.eq_ignore_ascii_case("yes")
    }
    /// Nothing is set.
    pub(super) fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }
}

impl<'a> Desk<'a> {
    pub(super) fn new(host: &'a dyn Host, instance: &'a Instance, allowed: Level) -> Self {
        let mut aliases = instance.config.items("alias_maps");
        aliases.extend(instance.config.items("alias_database"));
        Desk {
            host,
            config: &instance.config,
            allowed,
            tables: Tables::new(host, &instance.config_dir, allowed, &aliases),
            sender: None,
        }
    }

    /// The parameter as the given service sees it.
    pub(super) fn of(&self, name: &str, service: Option<&Service>) -> Param {
        let main = || self.config.main.file.clone();
        let Some(value) = self.config.value(name, service) else {
            return Param {
                text: String::new(),
                known: false,
                at: Evidence::new(main(), format!("{name} (not known)")),
            };
        };
        let at = match value.source {
            Source::MainCf(line) => Evidence::at(main(), line, format!("{name} = {}", value.raw)),
            Source::MasterCf(line) => {
                Evidence::at(self.config.master.file.clone(), line, format!("-o {name}={}", value.raw))
            }
            Source::Default => Evidence::new(main(), format!("{name} = {} (by default)", value.raw)),
        };
        let mut text = value.expanded.text;
        // Debian's Postfix reads the name from the file.
        if name == "myorigin"
            && text.starts_with('/')
            && let Ok(bytes) = self.host.read(text.trim(), 4096)
        {
            String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().trim().clone_into(&mut text);
        }
        let known = value.expanded.unknown.is_empty() && !(name == "myorigin" && text.starts_with('/'));
        Param { text, known, at }
    }

    /// The parameter as the service of this program sees it: `cleanup`, `trivial-rewrite`, `local`.
    pub(super) fn by(&self, name: &str, program: &str) -> Param {
        self.of(name, self.service_of(program))
    }

    /// The first service that runs the program.
    pub(super) fn service_of(&self, program: &str) -> Option<&'a Service> {
        self.config.master.services.iter().find(|s| s.program() == program)
    }

    /// The delivery service of that name.
    pub(super) fn transport(&self, name: &str) -> Option<&'a Service> {
        self.config.master.services.iter().rev().find(|s| s.name == name && matches!(s.kind.as_str(), "unix" | "fifo"))
    }

    /// The line of a service in master.cf.
    pub(super) fn line_of(&self, service: &Service) -> Evidence {
        Evidence::at(self.config.master.file.clone(), service.line, service.postconf_line())
    }

    /// The user part without its extension.
    pub(super) fn split_extension<'t>(&self, local: &'t str) -> Option<(&'t str, &'t str)> {
        let delimiters = self.config.text("recipient_delimiter");
        let special = self.of("owner_request_special", None).is_yes();
        if delimiters.is_empty() {
            return None;
        }
        crate::postfix::mail_address::split_extension(local, &delimiters, special)
    }

    /// Whether unmatched extensions are kept in results of `canonical`, `virtual`, `alias`, `forward`, `include`, `generic`.
    pub(super) fn propagates(&self, what: &str) -> bool {
        self.of("propagate_unmatched_extensions", None).items().iter().any(|item| item.eq_ignore_ascii_case(what))
    }
}
