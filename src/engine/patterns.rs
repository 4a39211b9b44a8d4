//! The log patterns of all rules, for the scanner, and the way back from a pattern to its rule.
//!
//! A pattern may hold the word `OWN_DOMAIN`: the mail domains of the examined server, known only at the start of a
//! run. Without it a refusal of one's own mail would drown in the group of a thousand refusals of strangers.

use std::collections::BTreeSet;

use super::rule::{Knowledge, Rule, Trigger};
use crate::discover::{Instance, Server};
use crate::logs::scan::Pattern;
use crate::steps::config::look::items;

/// The word in a pattern that stands for the server's own domains.
const OWN_DOMAIN: &str = "OWN_DOMAIN";
/// Domains put into a pattern, at most: more make the scan slow.
const DOMAIN_LIMIT: usize = 200;
/// Parameters whose items are domains of this server.
const CLASSES: &[&str] = &["mydestination", "virtual_mailbox_domains", "virtual_alias_domains", "relay_domains"];

/// What the words in patterns stand for.
#[derive(Debug, Clone, Default)]
pub struct Words {
    own_domains: BTreeSet<String>,
}

impl Words {
    /// As the configuration of this server says.
    pub fn of(server: &Server<'_>) -> Self {
        let mut own_domains = BTreeSet::new();
        for instance in server.instances.iter().filter(|i| i.config_known) {
            own_domains.extend(domains(server, instance));
        }
        Words { own_domains: own_domains.into_iter().take(DOMAIN_LIMIT).collect() }
    }

    /// For examples, and where no server is looked at.
    pub fn sample() -> Self {
        Words { own_domains: ["lab.test", "corp.example"].map(str::to_owned).into() }
    }

    /// The pattern with its words filled in; none if a word stands for nothing.
    fn fill(&self, regex: &str) -> Option<String> {
        if !regex.contains(OWN_DOMAIN) {
            return Some(regex.to_owned());
        }
        let all: Vec<String> = self.own_domains.iter().map(|d| regex_syntax::escape(d)).collect();
        (!all.is_empty()).then(|| regex.replace(OWN_DOMAIN, &format!("(?i:{})", all.join("|"))))
    }
}

/// The domains that an instance is responsible for, as far as main.cf names them. The domain part of the host name
/// alone is not enough: on a rented machine it is the provider's, and so are its neighbours.
fn domains(server: &Server<'_>, instance: &Instance) -> Vec<String> {
    let config = &instance.config;
    let mut origin = config.text("myorigin");
    if origin.starts_with('/') {
        origin = server.host.read(&origin, 4096).map_or_else(
            |_| String::new(),
            |bytes| String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().trim().to_owned(),
        );
    }
    let mut found: Vec<String> = CLASSES.iter().flat_map(|name| items(&config.text(name))).collect();
    found.push(origin);
    if config.is_set("mydomain") {
        found.push(config.text("mydomain"));
    }
    found.retain(|d| is_domain(d));
    found.into_iter().map(|d| d.to_ascii_lowercase()).collect()
}

fn is_domain(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let usual = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
    text.contains('.') && text.bytes().all(usual) && !text.starts_with(['.', '-']) && !text.starts_with("localhost")
}

/// Patterns in rule order; the second list holds, for each, the index of its rule.
pub fn patterns(knowledge: &Knowledge, words: &Words) -> (Vec<Pattern>, Vec<usize>) {
    let numbered = knowledge.rules.iter().enumerate();
    numbered.flat_map(|(index, rule)| of_rule(rule, words).into_iter().map(move |pattern| (pattern, index))).unzip()
}

/// The patterns of one rule.
pub fn of_rule(rule: &Rule, words: &Words) -> Vec<Pattern> {
    let Trigger::Log { patterns, programs, priority } = &rule.trigger else { return Vec::new() };
    let pattern =
        |regex: String| Pattern { regex, programs: programs.clone(), key: rule.group_key(), priority: *priority };
    patterns.iter().filter_map(|regex| words.fill(regex)).map(pattern).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_about_own_domains_needs_one() {
        let none = Words::default();
        assert_eq!(none.fill("a"), Some("a".to_owned()));
        assert_eq!(none.fill("@(?<domain>OWN_DOMAIN)>"), None);
        let some = Words { own_domains: ["b.example".to_owned()].into() };
        assert_eq!(some.fill("@(?<domain>OWN_DOMAIN)>").unwrap(), r"@(?<domain>(?i:b\.example))>");
    }

    #[test]
    fn what_is_no_domain_is_not_put_into_patterns() {
        assert!(is_domain("Example.COM"));
        for text in ["localhost.example.com", "hash:/etc/postfix/x.y", "$mydomain.x", "host", ".example.com"] {
            assert!(!is_domain(text), "{text}");
        }
    }
}
