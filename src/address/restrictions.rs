//! What smtpd(8) would say to a client that names the address as recipient: all lists of all services, in order.
//!
//! Only what is certain decides. What depends on the client, the greeting, a login, DNS or a policy service is listed.

use super::desk::{Desk, Param};
use super::find::{Found, Strategy, find};
use super::list::{Names, style};
use super::model::{Judgement, ListJudgement, Route, Step, Verdict};
use super::recipients::{Listed, listed};
use super::rewrite::complete;
use super::route;
use super::words::of_hit;
use crate::evidence::Evidence;
use crate::postfix::mail_address::{domain, split};
use crate::postfix::master_cf::Service;
use crate::steps::config::restrictions::argument_of;

/// Classes in classes, at most.
const DEEPEST: usize = 8;

/// One row for each service that runs smtpd.
pub(super) fn judge(desk: &Desk<'_>, address: &str, sender: Option<&str>) -> Vec<Judgement> {
    let written = complete(desk, address, &mut Vec::new());
    let route = route::resolve(desk, &written);
    let services = desk.config.master.services.iter().filter(|s| s.program() == "smtpd");
    services.map(|service| Judge { desk, service, address, sender, route: &route }.service()).collect()
}

struct Judge<'j, 'a> {
    desk: &'j Desk<'a>,
    service: &'j Service,
    /// as the client says it
    address: &'j str,
    sender: Option<&'j str>,
    route: &'j Route,
}

/// What a walk through a list has found so far.
#[derive(Default)]
struct Walk {
    steps: Vec<Step>,
    depends: Vec<String>,
}

impl Judge<'_, '_> {
    fn param(&self, name: &str) -> Param {
        self.desk.of(name, Some(self.service))
    }

    fn service(&self) -> Judgement {
        let mut lists = Vec::new();
        // RFC 5321 wants it so: the bare name is taken from everybody, before any list.
        let always = self.address.eq_ignore_ascii_case("postmaster");
        for name in self.order().into_iter().filter(|_| !always) {
            let list = self.list(name);
            let ends = list.verdict == Verdict::Reject;
            if !list.steps.is_empty() || !list.depends.is_empty() {
                lists.push(list);
            }
            if ends {
                break;
            }
        }
        let rejected = lists.iter().any(|l| l.verdict == Verdict::Reject);
        if !rejected && !always {
            lists.extend(self.unlisted());
        }
        let (verdict, text) = sum(&lists);
        Judgement {
            service: format!("{}/{}", self.service.name, self.service.kind),
            at: self.desk.line_of(self.service),
            verdict,
            text,
            lists,
        }
    }

    /// In the order in which smtpd(8) goes through them.
    fn order(&self) -> Vec<&'static str> {
        let mut all = vec!["smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions"];
        let before = self.param("smtpd_relay_before_recipient_restrictions");
        let old = self.desk.config.version.is_some_and(|v| !v.at_least(3, 6));
        // Until 3.5 recipient restrictions came first; since 3.6 that depends on the parameter.
        if old || (before.known && !before.is_yes()) {
            all.extend(["smtpd_recipient_restrictions", "smtpd_relay_restrictions"]);
        } else {
            all.extend(["smtpd_relay_restrictions", "smtpd_recipient_restrictions"]);
        }
        all.extend(["smtpd_data_restrictions", "smtpd_end_of_data_restrictions"]);
        all
    }

    fn list(&self, name: &str) -> ListJudgement {
        let value = self.param(name);
        let mut walk = Walk::default();
        let verdict = self.walk(&value.items(), name, &mut walk, 0);
        let at = value.at.clone();
        for step in &mut walk.steps {
            if !step.at.contains(&at) {
                step.at.push(at.clone());
            }
        }
        ListJudgement { list: name.to_owned(), at, verdict, steps: walk.steps, depends: walk.depends }
    }

    /// Goes through a list until something is certain.
    fn walk(&self, items: &[String], list: &str, walk: &mut Walk, depth: usize) -> Verdict {
        let mut at = 0;
        let mut only_warns = false;
        while let Some(word) = items.get(at) {
            at += 1;
            if word == "warn_if_reject" {
                only_warns = true;
                continue;
            }
            let argument = argument_of(word).and_then(|_| items.get(at)).cloned();
            at += usize::from(argument.is_some());
            let verdict = self.one(word, argument.as_deref(), list, walk, depth);
            match verdict {
                Verdict::Reject if only_warns => {
                    if let Some(step) = walk.steps.last_mut() {
                        step.text.push_str(" (warn_if_reject: it is only logged)");
                    }
                }
                Verdict::Permit | Verdict::Reject => return verdict,
                Verdict::Dunno | Verdict::Unknown => {}
            }
            only_warns = false;
        }
        if walk.depends.is_empty() { Verdict::Dunno } else { Verdict::Unknown }
    }

    fn one(&self, word: &str, argument: Option<&str>, list: &str, walk: &mut Walk, depth: usize) -> Verdict {
        let domain = domain(&self.route.recipient);
        let class = self.route.class;
        let say = |walk: &mut Walk, text: String| walk.steps.push(Step::new(word, text));
        match word {
            "permit" => {
                say(walk, "permits".to_owned());
                Verdict::Permit
            }
            "reject" | "defer" => {
                say(walk, "refuses everybody who comes so far".to_owned());
                Verdict::Reject
            }
            "reject_unauth_destination"
            | "defer_unauth_destination"
            | "permit_auth_destination"
            | "check_relay_domains" => self.destination(word, class, &domain, walk),
            "reject_unlisted_recipient" => self.listed(word, walk),
            "reject_non_fqdn_recipient" => {
                let (_, given) = split(self.address);
                let complete = given.is_some_and(|d| d.starts_with('[') || d.trim_end_matches('.').contains('.'));
                if complete {
                    return Verdict::Dunno;
                }
                say(walk, "refuses it: the domain is not complete".to_owned());
                Verdict::Reject
            }
            "reject_unknown_recipient_domain" if class.is_some_and(|c| !matches!(c, "relay" | "default")) => {
                Verdict::Dunno
            }
            "reject_unknown_recipient_domain" => depends(walk, word, "DNS"),
            "reject_unverified_recipient" => depends(walk, word, "what the next hop answers"),
            "check_recipient_access" => {
                self.access(word, argument.unwrap_or_default(), &self.route.recipient, list, walk, depth)
            }
            "check_sender_access" => match self.sender {
                Some(sender) if !sender.is_empty() => {
                    let sender = complete(self.desk, sender, &mut Vec::new());
                    self.access(word, argument.unwrap_or_default(), &sender, list, walk, depth)
                }
                _ => depends(walk, &format!("{word} {}", argument.unwrap_or_default()), "the sender"),
            },
            "reject_non_fqdn_sender" => match self.sender {
                Some(sender) if sender.is_empty() || split(sender).1.is_some_and(|d| d.contains('.')) => Verdict::Dunno,
                Some(_) => {
                    say(walk, "refuses the sender: its domain is not complete".to_owned());
                    Verdict::Reject
                }
                None => depends(walk, word, "the sender"),
            },
            "permit_sasl_authenticated" if !self.param("smtpd_sasl_auth_enable").is_yes() => Verdict::Dunno,
            "permit_sasl_authenticated" => depends(walk, word, "whether the client has logged in"),
            // They concern how the client speaks, not the address.
            "reject_unauth_pipelining" | "reject_multi_recipient_bounce" | "sleep" => Verdict::Dunno,
            _ if self.is_class(word) && depth < DEEPEST => {
                let items = self.param(word).items();
                let before = walk.depends.len();
                let verdict = self.walk(&items, list, walk, depth + 1);
                if verdict == Verdict::Unknown && walk.depends.len() == before { Verdict::Dunno } else { verdict }
            }
            _ if argument.is_none() && word.contains(':') => {
                let (key, by) = match list {
                    "smtpd_recipient_restrictions" | "smtpd_relay_restrictions" => {
                        (Some(self.route.recipient.clone()), "check_recipient_access")
                    }
                    "smtpd_sender_restrictions" => {
                        (self.sender.map(|s| complete(self.desk, s, &mut Vec::new())), "check_sender_access")
                    }
                    _ => (None, ""),
                };
                match key {
                    Some(key) if !key.is_empty() => self.access(by, word, &key, list, walk, depth),
                    _ => depends(walk, word, "the client"),
                }
            }
            _ => {
                let shown = argument.map_or_else(|| word.to_owned(), |argument| format!("{word} {argument}"));
                depends(walk, &shown, what_of(word))
            }
        }
    }

    fn is_class(&self, word: &str) -> bool {
        self.param("smtpd_restriction_classes").items().iter().any(|c| c == word)
    }

    /// Whether this host takes mail for the domain at all.
    fn destination(&self, word: &str, class: Option<&'static str>, domain: &str, walk: &mut Walk) -> Verdict {
        let open = route::class_is_open(self.route);
        let Some(class) = class.filter(|_| !open) else {
            return depends(walk, word, "the address class, which is not known");
        };
        let (local, _) = split(&self.route.recipient);
        let routed = !local.starts_with('"') && local.contains(['@', '%', '!']);
        let ours = class != "default" && (!routed || self.param("allow_untrusted_routing").is_yes());
        let at: Vec<Evidence> =
            self.route.steps.iter().find(|s| s.by == "class").map(|s| s.at.clone()).unwrap_or_default();
        let step = |text: String| at.iter().cloned().fold(Step::new(word, text), Step::at);
        match (word, ours) {
            ("permit_auth_destination" | "check_relay_domains", true) => {
                walk.steps.push(step(format!("permits: {domain} is of class {class}")));
                Verdict::Permit
            }
            ("permit_auth_destination", false) | (_, true) => Verdict::Dunno,
            (_, false) => {
                let why = if routed { "it has a route in its user part" } else { "this host is no destination for it" };
                let reply = if word.starts_with("defer") { "puts it off" } else { "refuses it" };
                walk.steps.push(step(format!("{reply} (Relay access denied): {domain}: {why}")));
                Verdict::Reject
            }
        }
    }

    fn listed(&self, word: &str, walk: &mut Walk) -> Verdict {
        match listed(self.desk, self.service, self.route) {
            Listed::Yes => Verdict::Dunno,
            Listed::No(mut step) => {
                word.clone_into(&mut step.by);
                walk.steps.push(*step);
                Verdict::Reject
            }
            Listed::Unknown(what) => depends(walk, word, &what),
        }
    }

    /// `smtpd_reject_unlisted_recipient = yes`: as if the restriction stood at the end.
    fn unlisted(&self) -> Option<ListJudgement> {
        const NAME: &str = "smtpd_reject_unlisted_recipient";
        let value = self.param(NAME);
        let off = self.param("receive_override_options").items().iter().any(|o| o == "no_unknown_recipient_checks");
        if !value.is_yes() || off {
            return None;
        }
        let mut walk = Walk::default();
        let verdict = self.listed(NAME, &mut walk);
        let nothing = verdict == Verdict::Dunno;
        (!nothing).then(|| ListJudgement {
            list: NAME.to_owned(),
            at: value.at,
            verdict,
            steps: walk.steps,
            depends: walk.depends,
        })
    }

    /// An access(5) table with an address.
    fn access(&self, word: &str, table: &str, address: &str, list: &str, walk: &mut Walk, depth: usize) -> Verdict {
        let table = table.trim_start_matches('{').trim_end_matches('}').split(',').next().unwrap_or_default().trim();
        let with_dot = style(self.desk, "smtpd_access_maps") != Names::Parents;
        let found = find(self.desk, &[table.to_owned()], address, Strategy::Access, with_dot);
        let hit = match found {
            Found::No => return Verdict::Dunno,
            Found::Broken { why, ask } => {
                let step = Step::new(word, format!("puts it off: Server configuration error: {why}"));
                walk.steps.push(step.ask(ask));
                return Verdict::Reject;
            }
            Found::Unknown { why, ask } => {
                return depends(walk, &format!("{word} {table}"), &format!("{why}; ask: {ask}"));
            }
            Found::Hit(hit) => *hit,
        };
        let action = hit.value.clone();
        let text = format!("{address} -> {action}: {}", of_hit(&hit));
        let step = Step::new(word, text).hit(hit);
        let (first, rest) = action.split_once(char::is_whitespace).unwrap_or((&action, ""));
        let upper = first.to_ascii_uppercase();
        let number = first.bytes().all(|b| b.is_ascii_digit());
        let reply = number && first.len() == 3 && first.starts_with(['4', '5']);
        let dotted = first.len() > 4 && first.starts_with(['4', '5']) && first.as_bytes()[1] == b'.';
        let verdict = match upper.as_str() {
            "DUNNO" => Verdict::Dunno,
            "OK" | "RELAY" | "DISCARD" => Verdict::Permit,
            "REJECT" | "DEFER" | "HANGUP" => Verdict::Reject,
            "FILTER" | "HOLD" | "REDIRECT" | "BCC" | "PREPEND" | "INFO" | "WARN" | "DELAY" => {
                walk.steps.push(step);
                return Verdict::Dunno;
            }
            "DEFER_IF_PERMIT" | "DEFER_IF_REJECT" => {
                walk.steps.push(step);
                return Verdict::Unknown;
            }
            _ if reply || dotted => Verdict::Reject,
            _ if number => Verdict::Permit,
            // A restriction, or a class of them, as the result.
            _ if depth < DEEPEST => {
                walk.steps.push(step);
                let mut items = vec![first.to_owned()];
                items.extend(crate::postfix::expand::balanced_items(rest));
                return self.walk(&items, list, walk, depth + 1);
            }
            _ => Verdict::Unknown,
        };
        walk.steps.push(step);
        verdict
    }
}

fn depends(walk: &mut Walk, word: &str, on: &str) -> Verdict {
    let row = format!("{word}: {on}");
    if !walk.depends.contains(&row) {
        walk.depends.push(row);
    }
    Verdict::Unknown
}

/// What a restriction looks at that is not known here.
fn what_of(word: &str) -> &'static str {
    match word {
        "check_policy_service" => "what the policy service answers",
        "permit_mynetworks" | "permit_inet_interfaces" | "permit_naked_ip_address" => "the address of the client",
        "permit_tls_clientcerts" | "permit_tls_all_clientcerts" | "check_ccert_access" => {
            "the certificate of the client"
        }
        "permit_mx_backup" | "defer_if_permit" | "defer_if_reject" | "reject_plaintext_session" => {
            "DNS, TLS or an earlier failure"
        }
        _ if word.contains("helo") || word.ends_with("_hostname") && word.contains("invalid") => {
            "the name in the greeting"
        }
        _ if word.contains("sasl") || word.contains("login") => "the login of the client",
        _ if word.contains("sender") => "the sender",
        _ if word.contains("recipient") => "DNS",
        _ => "the client",
    }
}

/// The lists together.
fn sum(lists: &[ListJudgement]) -> (Verdict, String) {
    let names = |rows: &[String]| -> String {
        let mut words: Vec<&str> = rows.iter().map(|row| row.split(": ").next().unwrap_or(row)).collect();
        words.dedup();
        words.join(", ")
    };
    if let Some(list) = lists.iter().find(|l| l.verdict == Verdict::Reject) {
        let by = list.steps.last().map_or("", |s| s.by.as_str());
        let before: Vec<String> =
            list.depends.iter().filter(|d| d.starts_with("permit_") || d.starts_with("check_")).cloned().collect();
        let unless = if before.is_empty() {
            String::new()
        } else {
            format!(", unless {} lets it through before", names(&before))
        };
        let place = if by == list.list { String::new() } else { format!(" in {}", list.list) };
        return (Verdict::Reject, format!("refused by {by}{place}{unless}"));
    }
    let may: Vec<String> =
        lists.iter().flat_map(|l| &l.depends).filter(|d| !d.starts_with("permit_")).cloned().collect();
    if may.is_empty() {
        (Verdict::Permit, "accepted: nothing refuses it".to_owned())
    } else {
        (Verdict::Unknown, format!("nothing refuses it for certain; these may: {}", names(&may)))
    }
}
