//! Where an address goes: class, aliases, .forward, loops.

use super::common::{arg, instance};
use super::{Args, Context, Outcome, ProbeKind, bool, list, text};
use crate::discover::Instance;
use crate::evidence::Evidence;
use crate::evidence::{Field, PROBE_HOST};
use crate::host::{Host, Run, Trouble};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "address",
    level: PROBE_HOST,
    doc: "Which address class and transport, and do aliases and .forward files run in circles?",
    args: &[("address", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    text("class", "`local`, `virtual alias`, `virtual mailbox`, `relay`, `default`"),
    text("domain", "the domain of the address"),
    text("user", "the part before the @, extension removed"),
    text("transport", "the transport by its class"),
    bool("user_exists", "a local user of that name exists"),
    bool("alias_exists", "an alias of that name exists in a source file of alias_maps"),
    text("alias_value", "what it expands to"),
    text("alias_at", "file:line"),
    bool("alias_newer", "the alias file was changed after its index"),
    bool("forward_exists", "the user has a .forward file"),
    text("forward", "its path"),
    text("forward_value", "what stands there"),
    bool("loop", "following aliases and .forward files leads back to where it began"),
    list("loop_path", "the addresses of the circle"),
    bool("virtual_exists", "virtual_alias_maps has the address"),
];

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    let (Some(address), Some(instance)) = (arg(args, "address"), instance(ctx)) else { return out };
    let address = address.trim_matches(['<', '>', '"']).to_ascii_lowercase();
    let (local, domain) = split(&address, instance);
    let user = base(&local, instance);
    out.set("domain", domain.as_str());
    out.set("user", user.as_str());
    let class = class(ctx, instance, &domain);
    if let Some((class, transport)) = &class {
        out.set("class", *class);
        out.set("transport", instance.config.text(transport));
    }
    match host.user(&user) {
        Ok(_) => out.set("user_exists", true),
        Err(Trouble::Missing) => out.set("user_exists", false),
        Err(_) => {}
    }
    let aliases = Aliases::read(host, instance);
    if aliases.known {
        out.set("alias_exists", aliases.all.contains_key(&user));
        out.set("alias_newer", aliases.stale);
    }
    if let Some((value, file, line)) = aliases.all.get(&user) {
        out.set("alias_value", value.as_str());
        out.set("alias_at", format!("{file}:{line}"));
        out.evidence.push(Evidence::at(file, *line, format!("{user}: {value}")));
    }
    if let Some((path, value)) = forward(host, &user) {
        out.set("forward_exists", true);
        out.set("forward", path.as_str());
        out.set("forward_value", value);
    }
    let circle = circle(host, instance, &aliases, &user);
    out.set("loop", !circle.is_empty());
    if !circle.is_empty() {
        out.saw("aliases and .forward files", circle.join(" -> "));
        for name in &circle {
            if let Some((path, value)) = forward(host, name) {
                out.saw(path, value);
            }
        }
        out.set("loop_path", circle);
    }
    if ctx.allowed >= PROBE_HOST {
        virtual_aliases(host, instance, &mut out, &address, &domain);
    }
    out
}

fn split(address: &str, instance: &Instance) -> (String, String) {
    match address.rsplit_once('@') {
        Some((local, domain)) => (local.to_owned(), domain.to_owned()),
        None => (address.to_owned(), instance.config.text("mydomain")),
    }
}

/// The local part without its extension.
pub(super) fn base(local: &str, instance: &Instance) -> String {
    let delimiters = instance.config.text("recipient_delimiter");
    match local.find(|c| delimiters.contains(c)) {
        Some(at) if at > 0 => local[..at].to_owned(),
        _ => local.to_owned(),
    }
}

/// Whether a list parameter names the domain; none: it names a table that could not be asked.
fn lists(ctx: &Context<'_>, instance: &Instance, parameter: &str, domain: &str) -> Option<bool> {
    let mut unknown = false;
    for item in instance.config.items(parameter) {
        let item = item.trim();
        if item.eq_ignore_ascii_case(domain) || item == "static:all" {
            return Some(true);
        }
        if item.contains(':') && !item.starts_with('[') {
            if ctx.allowed < PROBE_HOST {
                unknown = true;
            } else {
                match query(ctx.server.host, instance, item, domain) {
                    Some(found) if !found.is_empty() => return Some(true),
                    Some(_) => {}
                    None => unknown = true,
                }
            }
        }
    }
    (!unknown).then_some(false)
}

/// The class of the domain with the parameter that names its transport, in Postfix's order.
pub(super) fn class(ctx: &Context<'_>, instance: &Instance, domain: &str) -> Option<(&'static str, &'static str)> {
    if !instance.config_known {
        return None;
    }
    if domain.starts_with('[') {
        return Some(("local", "local_transport"));
    }
    for (parameter, class, transport) in [
        ("mydestination", "local", "local_transport"),
        ("virtual_alias_domains", "virtual alias", "local_transport"),
        ("virtual_mailbox_domains", "virtual mailbox", "virtual_transport"),
        ("relay_domains", "relay", "relay_transport"),
    ] {
        if lists(ctx, instance, parameter, domain)? {
            return Some((class, transport));
        }
    }
    Some(("default", "default_transport"))
}

/// `postmap -q`: none is "could not be asked", an empty list "not there".
fn query(host: &dyn Host, instance: &Instance, table: &str, key: &str) -> Option<Vec<String>> {
    let table = table.trim_start_matches("proxy:");
    let run = Run::new("postmap", &["-c", &instance.config_dir, "-q", key, table]).limit(Duration::from_secs(5));
    let ran = host.run(&run).ok()?;
    if ran.ok() {
        Some(vec![crate::evidence::printable(ran.out().trim())])
    } else if ran.err().trim().is_empty() {
        Some(Vec::new())
    } else {
        None
    }
}

fn virtual_aliases(host: &dyn Host, instance: &Instance, out: &mut Outcome, address: &str, domain: &str) {
    let mut known = true;
    for table in instance.config.items("virtual_alias_maps") {
        for key in [address.to_owned(), format!("@{domain}")] {
            match query(host, instance, &table, &key) {
                Some(found) if !found.is_empty() => {
                    out.saw(format!("postmap -q {key} {table}"), found.join(" "));
                    return out.set("virtual_exists", true);
                }
                Some(_) => {}
                None => known = false,
            }
        }
    }
    if known {
        out.set("virtual_exists", false);
    }
}

/// All aliases from the source files of alias_maps: name to value, file and line.
struct Aliases {
    all: BTreeMap<String, (String, String, u64)>,
    known: bool,
    stale: bool,
}

impl Aliases {
    fn read(host: &dyn Host, instance: &Instance) -> Aliases {
        let mut aliases = Aliases { all: BTreeMap::new(), known: true, stale: false };
        for table in instance.config.items("alias_maps") {
            let table = table.trim_start_matches("proxy:");
            let Some((kind, path)) = table.split_once(':').filter(|(_, p)| p.starts_with('/')) else {
                aliases.known &= table.starts_with("nis:");
                continue;
            };
            match host.read(path, 4 << 20) {
                Ok(bytes) => parse(&String::from_utf8_lossy(&bytes), path, &mut aliases.all),
                Err(_) => aliases.known = false,
            }
            let ending = if matches!(kind, "hash" | "btree") { "db" } else { kind };
            if let (Ok(source), Ok(index)) = (host.stat(path), host.stat(&format!("{path}.{ending}"))) {
                aliases.stale |= source.mtime > index.mtime;
            }
        }
        aliases
    }
}

fn parse(text: &str, file: &str, all: &mut BTreeMap<String, (String, String, u64)>) {
    let mut last: Option<String> = None;
    for (line, number) in text.lines().zip(1..) {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((value, ..)) = last.as_ref().and_then(|name| all.get_mut(name)) {
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            let name = name.trim().trim_matches('"').to_ascii_lowercase();
            all.insert(name.clone(), (value.trim().to_owned(), file.to_owned(), number));
            last = Some(name);
        }
    }
}

/// The user's .forward with its words on one line.
fn forward(host: &dyn Host, user: &str) -> Option<(String, String)> {
    let home = host.user(user).ok()?.home;
    let path = format!("{home}/.forward");
    let bytes = host.read(&path, 64 << 10).ok()?;
    let words = String::from_utf8_lossy(&bytes)
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .collect::<Vec<_>>()
        .join(", ");
    Some((path, crate::evidence::printable(&words)))
}

/// Follows aliases and .forward files of local users; the circle that leads back to where it began, if there is one.
fn circle(host: &dyn Host, instance: &Instance, aliases: &Aliases, start: &str) -> Vec<String> {
    let next = |user: &str| -> Vec<String> {
        let value = match aliases.all.get(user) {
            Some((value, ..)) => value.clone(),
            None => forward(host, user).map(|(_, v)| v).unwrap_or_default(),
        };
        targets(&value, user, instance)
    };
    let mut path = vec![start.to_owned()];
    walk(&next, &mut path, 0)
}

fn walk(next: &dyn Fn(&str) -> Vec<String>, path: &mut Vec<String>, depth: u32) -> Vec<String> {
    let Some(last) = path.last().cloned() else { return Vec::new() };
    if depth > 20 {
        return Vec::new();
    }
    for target in next(&last).into_iter().take(50) {
        if let Some(at) = path.iter().position(|p| *p == target) {
            let mut circle = path[at..].to_vec();
            circle.push(target);
            return circle;
        }
        path.push(target);
        let found = walk(next, path, depth + 1);
        if !found.is_empty() {
            return found;
        }
        path.pop();
    }
    Vec::new()
}

/// The local users among the targets. A name that stands for itself (`\\alice`, an alias `alice: alice`) ends there.
fn targets(value: &str, user: &str, instance: &Instance) -> Vec<String> {
    let domains = instance.config.items("mydestination");
    let domains: Vec<String> = domains.iter().map(|d| d.to_ascii_lowercase()).collect();
    let mine = |domain: &str| domains.iter().any(|d| d == domain) || domain == instance.config.text("myhostname");
    let mut found: Vec<String> = value
        .split(',')
        .map(|t| t.trim().trim_matches('"').to_ascii_lowercase())
        .filter(|t| !t.is_empty() && !t.starts_with(['|', '/', '\\', ':']))
        .filter_map(|t| match t.split_once('@') {
            Some((local, domain)) => mine(domain).then(|| base(local, instance)),
            None => Some(base(&t, instance)),
        })
        .collect();
    found.retain(|t| t != user);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_circle_and_no_more() {
        let next = |u: &str| match u {
            "bob" => vec!["carol".to_owned(), "alice".to_owned()],
            "alice" => vec!["bob".to_owned()],
            _ => Vec::new(),
        };
        assert_eq!(walk(&next, &mut vec!["bob".into()], 0), ["bob", "alice", "bob"]);
        assert!(walk(&next, &mut vec!["carol".into()], 0).is_empty());
    }

    #[test]
    fn reads_aliases_with_continued_lines() {
        let mut all = BTreeMap::new();
        parse("# x: y\nSales: bob,\n  carol\nroot: alice\n", "/etc/aliases", &mut all);
        assert_eq!(all["sales"].0, "bob,  carol");
        assert_eq!(all["root"].2, 4);
    }
}
