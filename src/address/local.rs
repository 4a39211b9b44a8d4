//! local(8): aliases, .forward files, mailboxes, and what happens to users that do not exist.

use std::collections::BTreeSet;

use super::desk::Desk;
use super::find::{Found, find_name, trouble};
use super::follow;
use super::model::{Delivery, End, Hit, Route, Step};
use super::rewrite::complete;
use super::route;
use super::words::of_hit;
use crate::evidence::{Evidence, printable};
use crate::host::{FileKind, Trouble, User, quote};
use crate::postfix::expand::{Lookup, expand_with};
use crate::postfix::mail_address::{destinations, split};
use crate::postfix::master_cf::Service;

/// Aliases in aliases; Postfix stops at 100.
const DEEPEST: usize = 100;
/// Deliveries of one recipient that are followed; a mailing list may have thousands.
const MOST: usize = 500;

/// Where a name comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Queue,
    Alias,
    Forward,
    Include,
}

/// What local(8) carries along while it expands.
#[derive(Clone)]
struct Way {
    /// the alias or user whose expansion this is: it is not expanded again
    expanding: Option<String>,
    /// who gets the errors: set, it makes local(8) send mail for others through the queue again
    owner: Option<String>,
    from: From,
    extension: Option<String>,
    /// the aliases on the way here
    aliases: Vec<String>,
    depth: usize,
    steps: Vec<Step>,
}

struct Local<'d, 'a> {
    desk: &'d Desk<'a>,
    service: &'d Service,
    transport: String,
    nexthop: String,
    before: &'d [String],
    /// the recipient of the queue: a forwarded message carries it as `Delivered-To:`
    top: String,
    out: Vec<Delivery>,
    mailboxes: BTreeSet<String>,
    forwards: BTreeSet<String>,
    indirect: BTreeSet<String>,
}

/// All deliveries of the route.
pub(super) fn deliver(desk: &Desk<'_>, service: &Service, route: &Route, before: &[String]) -> Vec<Delivery> {
    let mut local = Local {
        desk,
        service,
        transport: route.transport.clone().unwrap_or_default(),
        nexthop: route.nexthop.clone().unwrap_or_default(),
        before,
        top: route.recipient.clone(),
        out: Vec::new(),
        mailboxes: BTreeSet::new(),
        forwards: BTreeSet::new(),
        indirect: BTreeSet::new(),
    };
    let way = Way {
        expanding: None,
        owner: None,
        from: From::Queue,
        extension: None,
        aliases: Vec::new(),
        depth: 0,
        steps: Vec::new(),
    };
    local.recipient(&route.recipient, way);
    local.out
}

impl Local<'_, '_> {
    fn text(&self, name: &str) -> super::desk::Param {
        self.desk.of(name, Some(self.service))
    }

    fn end(&mut self, recipient: &str, end: End, target: impl Into<String>, way: Way, step: Option<Step>) {
        let target = target.into();
        let again = |one: &Delivery| one.end == end && one.target == target;
        // Of a command or file that is named twice local(8) makes one delivery.
        if matches!(end, End::Command | End::File) && self.out.iter().any(again) {
            return;
        }
        let mut steps = way.steps;
        steps.extend(step);
        self.out.push(Delivery { recipient: recipient.to_owned(), end, target, steps, onward: None });
    }

    /// A broken table puts the mail off (true); one that cannot be asked leaves open what comes after.
    fn no_answer(&mut self, address: &str, by: &str, found: &Found, at: &Evidence, way: &mut Way) -> bool {
        let Some(step) = trouble(by, found) else { return false };
        way.steps.push(step.at(at.clone()));
        let broken = matches!(found, Found::Broken { .. });
        if broken {
            self.end(address, End::Defer, format!("{by} cannot be used"), way.clone(), None);
        }
        broken
    }

    fn recipient(&mut self, address: &str, mut way: Way) {
        if self.out.len() >= MOST {
            return;
        }
        way.depth += 1;
        if self.before.iter().any(|one| one.eq_ignore_ascii_case(address)) {
            let text = format!("mail forwarding loop for {address}");
            return self.end(address, End::Bounce, text, way, None);
        }
        let lower = address.to_lowercase();
        let (name, _) = split(&lower);
        if let Some(user) = name.strip_prefix('\\') {
            let user = user.to_owned();
            // The mark means "no alias, no .forward file"; it is no part of the name.
            return self.mailbox_or_unknown(&address[1..], &user, way);
        }
        let (user, extension) = match self.desk.split_extension(name) {
            // A slash could lead out of the directory of a .forward file.
            Some((user, extension)) if !extension.contains('/') => (user, Some(extension)),
            Some((user, _)) => (user, None),
            None => (name, None),
        };
        let full = if extension.is_some() { name } else { user };
        let (full, user, extension) = (full.to_owned(), user.to_owned(), extension.map(str::to_owned));
        way.extension = None;
        if self.alias(address, &full, &mut way) {
            return;
        }
        if let Some(extension) = &extension {
            if self.desk.propagates("alias") {
                way.extension = Some(extension.clone());
            }
            if self.alias(address, &user, &mut way) {
                return;
            }
        }
        way.extension = extension;
        let mine = way.owner.as_ref().is_none_or(|owner| owner.eq_ignore_ascii_case(&user));
        if !mine || way.from == From::Include {
            return self.again(address, way);
        }
        if !self.forward(address, &user, &full, &mut way) {
            self.mailbox_or_unknown(address, &user, way);
        }
    }

    /// Expands the name by alias_maps; false if there is no such alias.
    fn alias(&mut self, address: &str, name: &str, way: &mut Way) -> bool {
        if way.expanding.as_ref().is_some_and(|one| one.eq_ignore_ascii_case(name)) {
            return false;
        }
        let maps = self.text("alias_maps");
        let found = find_name(self.desk, &maps.items(), name);
        if self.no_answer(address, "alias_maps", &found, &maps.at, way) {
            return true;
        }
        let Found::Hit(hit) = found else { return false };
        // The same alias again on one way never ends; Postfix gives up after a hundred rounds.
        if way.depth > DEEPEST || way.aliases.iter().any(|one| one == name) {
            let text = format!("alias database loop: {} -> {name}", way.aliases.join(" -> "));
            self.end(address, End::Bounce, text, way.clone(), None);
            return true;
        }
        let mut inner = way.clone();
        inner.expanding = Some(name.to_owned());
        inner.from = From::Alias;
        inner.aliases.push(name.to_owned());
        let value = hit.value.clone();
        let text = format!("{name} -> {}: {}", printable(&value), of_hit(&hit));
        inner.steps.push(Step::new("alias_maps", text).at(maps.at.clone()).hit(*hit));
        self.owner_of(name, &mut inner);
        let targets = destinations(&value);
        if targets.is_empty() {
            self.end(address, End::Defer, format!("no recipient in alias {name}"), inner, None);
            return true;
        }
        for target in targets {
            self.target(address, &target, &inner);
        }
        true
    }

    /// `owner-list` of an alias `list` becomes the sender, and each member gets a message of his own.
    fn owner_of(&self, name: &str, way: &mut Way) {
        let maps = self.text("alias_maps");
        let owner = format!("owner-{name}");
        let special = self.text("owner_request_special").is_yes();
        if special && let Found::Hit(hit) = find_name(self.desk, &maps.items(), &owner) {
            let expand = self.text("expand_owner_alias").is_yes();
            let sender = complete(self.desk, if expand { &hit.value } else { &owner }, &mut Vec::new());
            let text = format!("the sender becomes {sender}: {}", of_hit(&hit));
            way.owner = Some(sender);
            way.steps.push(Step::new("owner_request_special", text).hit(*hit));
        } else if self.text("reset_owner_alias").is_yes() {
            way.owner = None;
        }
    }

    /// One destination of an alias, a .forward file or an included list.
    fn target(&mut self, address: &str, target: &str, way: &Way) {
        let allowed = |list: &str| {
            let kind = match way.from {
                From::Forward => "forward",
                From::Include => "include",
                _ => "alias",
            };
            self.text(list).items().iter().any(|item| item == kind)
        };
        if let Some(command) = target.strip_prefix('|') {
            if allowed("allow_mail_to_commands") {
                return self.end(address, End::Command, command.trim(), way.clone(), None);
            }
            let step = Step::new("allow_mail_to_commands", "mail to command is restricted");
            let at = self.text("allow_mail_to_commands").at;
            return self.end(address, End::Bounce, "mail to command is restricted", way.clone(), Some(step.at(at)));
        }
        if target.starts_with('/') || target.starts_with("~/") {
            if allowed("allow_mail_to_files") {
                return self.end(address, End::File, target, way.clone(), None);
            }
            let step = Step::new("allow_mail_to_files", "mail to file is restricted");
            let at = self.text("allow_mail_to_files").at;
            return self.end(address, End::Bounce, "mail to file is restricted", way.clone(), Some(step.at(at)));
        }
        if target.get(..9).is_some_and(|word| word.eq_ignore_ascii_case(":include:")) {
            return self.include(address, target[9..].trim(), way);
        }
        let mut written = complete(self.desk, target, &mut Vec::new());
        if let (Some(extension), Some((local, domain))) = (&way.extension, written.rsplit_once('@')) {
            written = format!("{local}{extension}@{domain}");
        }
        let next = route::resolve(self.desk, &written);
        match &next.transport {
            Some(transport) if *transport == self.transport => self.recipient(&next.recipient, way.clone()),
            _ => self.again(&written, way.clone()),
        }
    }

    fn include(&mut self, address: &str, path: &str, way: &Way) {
        let mut way = way.clone();
        way.from = From::Include;
        match self.desk.host.read(path, 4 << 20) {
            Ok(bytes) => {
                way.steps.push(Step::new(":include:", format!("the addresses in {path}")).at(Evidence::new(path, "")));
                for target in destinations(&without_comments(&bytes)) {
                    self.target(address, &target, &way);
                }
            }
            Err(Trouble::Missing) => {
                self.end(address, End::Defer, format!("unable to open include file {path}"), way, None);
            }
            Err(why) => {
                let step = Step::new(":include:", format!("not known: {path}: {why}"))
                    .ask(format!("sudo cat {}", quote(path)));
                self.end(address, End::Unknown, format!("the addresses in {path}"), way, Some(step));
            }
        }
    }

    /// The recipient gets a message of its own: it goes through the queue, and through virtual(5), once more.
    fn again(&mut self, address: &str, way: Way) {
        if !self.indirect.insert(address.to_lowercase()) {
            return;
        }
        let mut before = self.before.to_vec();
        before.push(self.top.clone());
        let onward = follow(self.desk, address, &before);
        self.out.push(Delivery {
            recipient: address.to_owned(),
            end: End::Forward,
            target: address.to_owned(),
            steps: way.steps,
            onward: Some(Box::new(onward)),
        });
    }

    /// The user's forward file; false if there is none that counts.
    fn forward(&mut self, address: &str, user: &str, name: &str, way: &mut Way) -> bool {
        let paths = self.text("forward_path");
        let Ok(person) = self.desk.host.user(user) else { return false };
        let Some((path, by_extension)) = self.forward_file(&paths.text, &person, address, way) else { return false };
        if !self.forwards.insert(path.clone()) {
            return false;
        }
        if let Some(why) = self.ignored(&path, &person) {
            let text = format!("{path} is ignored: {why}");
            way.steps.push(Step::new("forward_path", text).at(Evidence::new(path.as_str(), "")).at(paths.at));
            return false;
        }
        let bytes = match self.desk.host.read(&path, 1 << 20) {
            Ok(bytes) => bytes,
            Err(why) => {
                let step = Step::new("forward_path", format!("not known: {path}: {why}"))
                    .ask(format!("sudo cat {}", quote(&path)));
                self.end(address, End::Unknown, format!("what {path} says"), way.clone(), Some(step.at(paths.at)));
                return true;
            }
        };
        let targets = destinations(&without_comments(&bytes));
        if targets.is_empty() {
            return false;
        }
        let mut inner = way.clone();
        inner.expanding = Some(name.to_owned());
        inner.from = From::Forward;
        inner.owner = Some(user.to_owned());
        if by_extension || !self.desk.propagates("forward") {
            inner.extension = None;
        }
        let line = String::from_utf8_lossy(&bytes)
            .lines()
            .zip(1..)
            .find(|(l, _)| !l.trim().is_empty() && !l.starts_with('#'))
            .map(|(l, n)| (l.to_owned(), n));
        let at =
            line.map_or_else(|| Evidence::new(path.as_str(), ""), |(text, row)| Evidence::at(path.as_str(), row, text));
        let text = format!("{user} -> {}", printable(&targets.join(", ")));
        inner.steps.push(Step::new("forward_path", text).at(at).at(paths.at));
        for target in targets {
            self.target(address, &target, &inner);
        }
        true
    }

    /// The first file of forward_path that exists, and whether its name has the extension in it.
    fn forward_file(&self, paths: &str, person: &User, address: &str, way: &mut Way) -> Option<(String, bool)> {
        let (local, domain) = split(address);
        let extension = way.extension.clone();
        let extension = extension.as_deref();
        for path in paths.split([',', ' ', '\t']).filter(|p| !p.is_empty()) {
            let lookup = |name: &str| match name {
                "user" => Lookup::Raw(person.name.clone()),
                "home" => Lookup::Raw(person.home.clone()),
                "local" => Lookup::Raw(local.to_owned()),
                "domain" => Lookup::Raw(domain.unwrap_or_default().to_owned()),
                "recipient" => Lookup::Raw(address.to_owned()),
                "extension" => extension.map_or(Lookup::Undefined, |e| Lookup::Raw(without_delimiter(e))),
                "recipient_delimiter" => match extension {
                    Some(extension) => Lookup::Raw(extension.chars().take(1).collect()),
                    None => Lookup::Raw(self.desk.config.text("recipient_delimiter")),
                },
                _ => Lookup::Undefined,
            };
            let expanded = expand_with(path, &lookup);
            // A name without value: this path does not count.
            if !expanded.undefined.is_empty() {
                continue;
            }
            match self.desk.host.kind_of(&expanded.text) {
                Ok(_) => return Some((expanded.text, path.contains("extension"))),
                Err(Trouble::Missing) => {}
                Err(why) => {
                    let step =
                        Step::new("forward_path", format!("not known: whether there is {}: {why}", expanded.text));
                    way.steps.push(step.ask(format!("sudo ls -l {}", quote(&expanded.text))).open());
                }
            }
        }
        None
    }

    /// local(8) wants a plain file of the user or of root that others cannot write.
    fn ignored(&self, path: &str, person: &User) -> Option<String> {
        let stat = self.desk.host.lstat(path).ok()?;
        if stat.kind != FileKind::File {
            return Some("it is no plain file".to_owned());
        }
        if stat.uid != 0 && stat.uid != person.uid {
            return Some(format!("it belongs to user id {}, not to {}", stat.uid, person.name));
        }
        (stat.mode & 0o002 != 0).then(|| "everybody may write it".to_owned())
    }

    fn mailbox_or_unknown(&mut self, address: &str, user: &str, mut way: Way) {
        if !self.mailboxes.insert(address.to_lowercase()) {
            return;
        }
        if self.passes(address, user, "mailbox_transport_maps", "mailbox_transport", &mut way) {
            return;
        }
        match self.desk.host.user(user) {
            Ok(person) => self.mailbox(address, &person, way),
            Err(Trouble::Missing) => self.unknown(address, user, way),
            Err(why) => {
                let step = Step::new("user", format!("not known: whether the host has a user {user}: {why}"));
                let step = step.ask(format!("getent passwd {}", quote(user)));
                self.end(
                    address,
                    End::Unknown,
                    format!("the mailbox of {user}, if there is such a user"),
                    way,
                    Some(step),
                );
            }
        }
    }

    /// Hands over to another transport, if a table or a parameter says so.
    fn passes(&mut self, address: &str, user: &str, maps: &str, single: &str, way: &mut Way) -> bool {
        let tables = self.text(maps);
        let found = find_name(self.desk, &tables.items(), user);
        if self.no_answer(address, maps, &found, &tables.at, way) {
            return true;
        }
        if let Found::Hit(hit) = found {
            let (target, hit): (String, Hit) = (hit.value.clone(), *hit);
            let step = Step::new(maps, format!("{user} -> {target}: {}", of_hit(&hit))).at(tables.at).hit(hit);
            self.pass(address, &target, way, step);
            return true;
        }
        let parameter = self.text(single);
        if parameter.is_empty() {
            return false;
        }
        let step = Step::new(single, parameter.text.clone()).at(parameter.at);
        self.pass(address, &parameter.text, way, step);
        true
    }

    fn pass(&mut self, address: &str, target: &str, way: &Way, mut step: Step) {
        let (transport, nexthop) = target.split_once(':').unwrap_or((target, ""));
        let nexthop = if nexthop.is_empty() { self.nexthop.clone() } else { nexthop.to_owned() };
        if let Some(service) = self.desk.transport(transport) {
            step = step.at(self.desk.line_of(service));
        }
        self.end(address, End::Transport, format!("{transport}, next hop {nexthop}"), way.clone(), Some(step));
    }

    fn mailbox(&mut self, address: &str, person: &User, mut way: Way) {
        let maps = self.text("mailbox_command_maps");
        let found = find_name(self.desk, &maps.items(), &person.name);
        if self.no_answer(address, "mailbox_command_maps", &found, &maps.at, &mut way) {
            return;
        }
        if let Found::Hit(hit) = found {
            let command = hit.value.clone();
            let step = Step::new("mailbox_command_maps", of_hit(&hit)).at(maps.at).hit(*hit);
            return self.end(address, End::Command, command, way, Some(step));
        }
        let command = self.text("mailbox_command");
        if !command.is_empty() {
            let step = Step::new("mailbox_command", format!("for {}", person.name)).at(command.at);
            return self.end(address, End::Command, command.text, way, Some(step));
        }
        let home = self.text("home_mailbox");
        let spool = self.text("mail_spool_directory");
        let (path, by, at) = if home.is_empty() {
            (format!("{}/{}", spool.text.trim_end_matches('/'), person.name), "mail_spool_directory", spool.at.clone())
        } else {
            (format!("{}/{}", person.home, home.text), "home_mailbox", home.at.clone())
        };
        let maildir = if home.is_empty() { spool.text.ends_with('/') } else { home.text.ends_with('/') };
        let (end, path) = match (maildir, path.ends_with('/')) {
            (true, false) => (End::Maildir, format!("{path}/")),
            (true, true) => (End::Maildir, path),
            (false, _) => (End::Mailbox, path),
        };
        let step = Step::new(by, format!("the mailbox of {}", person.name)).at(at);
        self.end(address, end, path, way, Some(step));
    }

    fn unknown(&mut self, address: &str, user: &str, mut way: Way) {
        if self.passes(address, user, "fallback_transport_maps", "fallback_transport", &mut way) {
            return;
        }
        let luser = self.text("luser_relay");
        if !luser.is_empty() {
            let (local, domain) = split(address);
            let lookup = |name: &str| match name {
                "user" => Lookup::Raw(user.to_owned()),
                "local" => Lookup::Raw(local.to_owned()),
                "domain" => Lookup::Raw(domain.unwrap_or_default().to_owned()),
                "recipient" => Lookup::Raw(address.to_owned()),
                "extension" => way.extension.as_ref().map_or(Lookup::Undefined, |e| Lookup::Raw(without_delimiter(e))),
                _ => Lookup::Undefined,
            };
            let target = expand_with(&luser.text, &lookup).text;
            let mut inner = way.clone();
            inner.extension = None;
            inner
                .steps
                .push(Step::new("luser_relay", format!("there is no user {user}: {target} gets it")).at(luser.at));
            if !complete(self.desk, &target, &mut Vec::new()).eq_ignore_ascii_case(address) && inner.depth < DEEPEST {
                inner.depth += 1;
                return self.address(&target, &inner);
            }
        }
        if matches!(user, "postmaster" | "mailer-daemon") {
            return self.end(address, End::Discard, format!("required alias not found: {user}"), way, None);
        }
        let step = Step::new("user", format!("there is neither an alias nor a user {user}: it is returned"));
        self.end(address, End::Bounce, format!("unknown user: \"{user}\""), way, Some(step));
    }

    /// A plain address: luser_relay takes neither commands nor files.
    fn address(&mut self, target: &str, way: &Way) {
        let written = complete(self.desk, target, &mut Vec::new());
        let next = route::resolve(self.desk, &written);
        match &next.transport {
            Some(transport) if *transport == self.transport => self.recipient(&next.recipient, way.clone()),
            _ => self.again(&written, way.clone()),
        }
    }
}

/// `+news` is the extension `news`.
fn without_delimiter(extension: &str) -> String {
    extension.chars().skip(1).collect()
}

fn without_comments(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().filter(|l| !l.starts_with('#')).collect::<Vec<_>>().join("\n")
}
