//! Whether smtpd(8) knows a recipient: the tables of users of each address class.

use super::desk::Desk;
use super::find::{Found, Strategy, find};
use super::model::{Route, Step};
use crate::postfix::mail_address::split;
use crate::postfix::master_cf::Service;

/// What the tables say.
pub(super) enum Listed {
    Yes,
    /// with the words of the refusal
    No(Box<Step>),
    /// what it depends on
    Unknown(String),
}

fn no(step: Step) -> Listed {
    Listed::No(Box::new(step))
}

/// As `reject_unlisted_recipient` asks it.
pub(super) fn listed(desk: &Desk<'_>, service: &Service, route: &Route) -> Listed {
    let recipient = route.recipient.as_str();
    // An address that is mapped to another one is taken to exist.
    for name in ["recipient_canonical_maps", "canonical_maps", "virtual_alias_maps"] {
        match find(desk, &desk.of(name, Some(service)).items(), recipient, Strategy::Rewriting, false) {
            Found::No => {}
            Found::Hit(_) => return Listed::Yes,
            Found::Broken { why, .. } => return no(Step::new("", format!("puts it off: {name}: {why}"))),
            Found::Unknown { why, ask } => return Listed::Unknown(format!("{why}; ask: {ask}")),
        }
    }
    match route.transport.as_deref() {
        Some("error") => {
            return no(Step::new("", format!("refuses it: {}", route.nexthop.as_deref().unwrap_or_default())));
        }
        Some("retry") => {
            return no(Step::new("", format!("puts it off: {}", route.nexthop.as_deref().unwrap_or_default())));
        }
        _ => {}
    }
    let name = match route.class {
        Some("local") => "local_recipient_maps",
        Some("virtual mailbox") => "virtual_mailbox_maps",
        Some("relay") => "relay_recipient_maps",
        Some(_) => return Listed::Yes,
        None => return Listed::Unknown("the address class, which is not known".to_owned()),
    };
    let (user, _) = split(recipient);
    let reserved = ["postmaster", "mailer-daemon", "double-bounce"].iter().any(|r| user.eq_ignore_ascii_case(r));
    let maps = desk.of(name, Some(service));
    // An empty list: everything in the domain is accepted.
    if maps.is_empty() || (name == "local_recipient_maps" && reserved) {
        return Listed::Yes;
    }
    match find(desk, &maps.items(), recipient, Strategy::Rewriting, false) {
        Found::Hit(_) => Listed::Yes,
        Found::No => no(Step::new("", format!("refuses it (User unknown): {name} has no {recipient}")).at(maps.at)),
        Found::Broken { why, .. } => no(Step::new("", format!("puts it off: {name}: {why}")).at(maps.at)),
        Found::Unknown { why, ask } => Listed::Unknown(format!("{why}; ask: {ask}")),
    }
}
