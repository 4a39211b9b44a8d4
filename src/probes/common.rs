//! What most probes ask first: which instance, which service, which user.

use super::{Args, Context};
use crate::discover::Instance;
use crate::postfix::master_cf::Service;

/// The instance that the symptom belongs to, else the first.
pub(super) fn instance<'a>(ctx: &Context<'a>) -> Option<&'a Instance> {
    ctx.instance.or_else(|| ctx.server.instances.first())
}

/// The service that is meant: by the argument `service`, else the one that logged.
pub(super) fn service<'a>(ctx: &Context<'a>, args: &Args) -> Option<&'a Service> {
    let instance = instance(ctx).filter(|i| i.config_known)?;
    match args.get("service").filter(|s| !s.is_empty()) {
        Some(name) => by_name(instance, name),
        None => ctx.service.and_then(|index| instance.config.master.services.get(index)),
    }
}

/// By `name/type`, name, tag of the log (`postfix/submission/smtpd`) or program.
pub(super) fn by_name<'a>(instance: &'a Instance, name: &str) -> Option<&'a Service> {
    let services = &instance.config.master.services;
    services
        .iter()
        .find(|s| name == format!("{}/{}", s.name, s.kind))
        .or_else(|| services.iter().find(|s| s.name == name))
        .or_else(|| services.iter().find(|s| s.name.strip_prefix("private/") == Some(name)))
        .or_else(|| instance.config.service_of_tag(name).and_then(|i| services.get(i)))
        .or_else(|| services.iter().find(|s| s.command == name))
}

/// `mail_owner` of the instance.
pub(super) fn mail_owner(ctx: &Context<'_>) -> String {
    let owner = instance(ctx).map(|i| i.config.text("mail_owner")).unwrap_or_default();
    if owner.is_empty() { "postfix".to_owned() } else { owner }
}

/// An argument that is there and not empty.
pub(super) fn arg<'a>(args: &'a Args, name: &str) -> Option<&'a str> {
    args.get(name).map(|v| v.trim()).filter(|v| !v.is_empty())
}
