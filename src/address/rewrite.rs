//! How trivial-rewrite(8) writes an address completely: source routes, `host!user`, `user%host`, a missing domain.

use super::desk::Desk;
use super::model::Step;
use crate::postfix::mail_address::{normal, split};

/// The complete form, with what was done to it. `program` is who asks: its `-o` settings count.
pub(super) fn complete(desk: &Desk<'_>, address: &str, steps: &mut Vec<Step>) -> String {
    const BY: &str = "trivial-rewrite";
    let mut address = normal(address.trim());
    if let Some(rest) = address.strip_prefix('@').and_then(|a| a.split_once(':')).map(|p| p.1.to_owned())
        && !rest.is_empty()
    {
        steps.push(Step::new("source route", format!("{address} -> {rest}")));
        address = rest;
    }
    if split(&address).1.is_none() {
        let plain = !address.starts_with('"');
        let swap = desk.by("swap_bangpath", BY);
        let percent = desk.by("allow_percent_hack", BY);
        let append = desk.by("append_at_myorigin", BY);
        let origin = desk.by("myorigin", BY);
        if plain && swap.is_yes() && address.contains('!') {
            let (host, user) = address.split_once('!').unwrap_or_default();
            let new = format!("{user}@{host}");
            steps.push(Step::new("swap_bangpath", format!("{address} -> {new}")).at(swap.at));
            address = new;
        } else if plain && percent.is_yes() && address.contains('%') {
            let (user, host) = address.rsplit_once('%').unwrap_or_default();
            let new = format!("{user}@{host}");
            steps.push(Step::new("allow_percent_hack", format!("{address} -> {new}")).at(percent.at));
            address = new;
        } else if append.is_yes() && !origin.is_empty() {
            let new = format!("{address}@{}", origin.text);
            let step = Step::new("append_at_myorigin", format!("{address} -> {new}")).at(origin.at);
            steps.push(if origin.known { step } else { step.ask("postconf -x myorigin") });
            address = new;
        }
    }
    if let Some(domain) = split(&address).1
        && !domain.is_empty()
        && !domain.contains('.')
        && !domain.starts_with('[')
    {
        let append = desk.by("append_dot_mydomain", BY);
        let mydomain = desk.by("mydomain", BY);
        if append.is_yes() && !mydomain.is_empty() {
            let new = format!("{address}.{}", mydomain.text);
            steps.push(Step::new("append_dot_mydomain", format!("{address} -> {new}")).at(append.at).at(mydomain.at));
            address = new;
        }
    }
    match address.strip_suffix('.') {
        Some(rest) if !rest.ends_with(['.', '@']) => rest.to_owned(),
        _ => address,
    }
}
