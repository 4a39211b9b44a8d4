//! What a name in an expression or a `{placeholder}` stands for: captures and fields by their bare name, the
//! facts of host, instance and log, `main.NAME`, `service.*`, and the results of probes. A name without a
//! value was not collected: it is unknown, never false.

use std::collections::BTreeMap;

use super::expr;
use super::sighting::Sighting;
use crate::discover::{Instance, Server};
use crate::evidence::{Fields, Value};
use crate::postfix::master_cf::Service;

/// What is the same for all rules of a run.
pub struct World<'s> {
    /// the examined server
    pub server: &'s Server<'s>,
    /// `log.*` facts
    pub log: Fields,
}

impl World<'_> {
    /// The instance and the service in its master.cf that logged with this tag.
    pub fn service_of_tag(&self, tag: &str) -> (Option<usize>, Option<usize>) {
        let instances = &self.server.instances;
        let prefix = tag.split('/').next().unwrap_or_default();
        let named = |i: &Instance| i.config.text("syslog_name").split('/').next() == Some(prefix);
        let instance = instances.iter().position(named).or((instances.len() == 1).then_some(0));
        let service = instance.and_then(|i| instances[i].config.service_of_tag(tag));
        (instance, service)
    }
}

/// Results of the probes of one sighting, by their `as` name.
pub type ProbeFields = BTreeMap<String, Fields>;

/// The names that one sighting may use.
pub struct Names<'a> {
    world: &'a World<'a>,
    sighting: &'a Sighting<'a>,
    probes: Option<&'a ProbeFields>,
}

impl<'a> Names<'a> {
    /// The names of a sighting, with the results of its probes if they ran.
    pub fn of(world: &'a World<'a>, sighting: &'a Sighting<'a>, probes: Option<&'a ProbeFields>) -> Self {
        Names { world, sighting, probes }
    }

    fn instance(&self) -> Option<&Instance> {
        self.sighting.instance.map(|i| &self.world.server.instances[i])
    }

    fn service(&self) -> Option<(&Instance, &Service)> {
        let instance = self.instance()?;
        Some((instance, instance.config.master.services.get(self.sighting.service?)?))
    }

    fn parameter(&self, name: &str) -> Option<Value> {
        let instance = self.instance()?;
        if !instance.config_known {
            return None;
        }
        let service = self.service().map(|(_, s)| s);
        Some(Value::Text(instance.config.value(name, service)?.expanded.text))
    }

    fn service_fact(&self, name: &str) -> Option<Value> {
        let (instance, service) = self.service()?;
        Some(match name {
            "name" => service.name.as_str().into(),
            "type" => service.kind.as_str().into(),
            "command" => service.command.as_str().into(),
            "line" => i64::try_from(service.line).ok()?.into(),
            "chroot" => instance.config.chrooted(service).into(),
            "maxproc" => match service.maxproc.as_str() {
                "-" => instance.config.text("default_process_limit").parse::<i64>().ok()?.into(),
                number => number.parse::<i64>().ok()?.into(),
            },
            _ => return None,
        })
    }

    fn postfix_fact(&self, name: &str) -> Option<Value> {
        let instance = self.instance()?;
        let version = instance.config.version;
        Some(match name {
            "version" => {
                let v = version?;
                format!("{}.{}.{}", v.major, v.minor, v.patch).into()
            }
            "release" => version.map(|v| i64::from(v.major * 100 + v.minor))?.into(),
            "running" => match (&self.world.server.processes, instance.master_pid) {
                (_, Some(_)) => true.into(),
                (Some(_), None) => false.into(),
                (None, None) => return None,
            },
            "instance" => instance.name.as_str().into(),
            "config_dir" => instance.config_dir.as_str().into(),
            "config_known" => instance.config_known.into(),
            "queue_directory" | "mail_owner" | "setgid_group" | "daemon_directory" | "data_directory" => {
                Some(instance.config.text(name)).filter(|t| !t.is_empty())?.into()
            }
            _ => return None,
        })
    }
}

impl expr::Names for Names<'_> {
    fn get(&self, path: &str) -> Option<Value> {
        let Some((head, rest)) = path.split_once('.') else {
            return self.sighting.fields.get(path).cloned();
        };
        match head {
            "main" => self.parameter(rest),
            "service" => self.service_fact(rest),
            "postfix" => self.postfix_fact(rest),
            "log" => self.world.log.get(path).cloned(),
            "host" => self.world.server.facts.get(path).cloned(),
            probe => self.probes?.get(probe)?.get(rest).cloned(),
        }
    }

    fn is_set(&self, parameter: &str) -> Option<bool> {
        let instance = self.instance().filter(|i| i.config_known)?;
        let overridden = self.service().is_some_and(|(_, s)| s.overrides.iter().any(|o| o.name == parameter));
        Some(overridden || instance.config.is_set(parameter))
    }
}
