//! `playbook test`: each rule about log lines against its examples and near misses, sorted by the very matcher
//! of the log scan: a line belongs to the rule of the highest priority that matches, then to the first one.

use super::patterns::{Words, of_rule, patterns};
use super::rule::{Knowledge, Rule};
use crate::logs::scan::Pattern;
use crate::logs::scan::matcher::{Matcher, Scratch};

/// One line that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// id of the rule
    pub rule: String,
    /// where the rule is defined
    pub defined_at: String,
    /// the line
    pub line: String,
    /// an example; else a near miss
    pub example: bool,
    /// what is wrong; none: as it should be
    pub failure: Option<String>,
}

/// Tries all lines of all rules.
pub fn run(knowledge: &Knowledge) -> Vec<Tried> {
    let (all, owners) = patterns(knowledge, &Words::sample());
    let matcher = Matcher::new(&all);
    let owner = |line: &str| {
        let found = matcher.find(line.as_bytes(), &mut Scratch::default())?;
        Some(knowledge.rules[owners[found.pattern]].id.as_str())
    };
    let mut tried = Vec::new();
    for rule in &knowledge.rules {
        let own = of_rule(rule, &Words::sample());
        let examples = rule.examples.iter().map(|line| {
            let failure = match owner(line) {
                Some(id) if id == rule.id => None,
                Some(id) if matches(&own, line) => Some(format!("the rule `{id}` claims it")),
                _ => why_not(&own, line),
            };
            (line, true, failure)
        });
        let near_misses = rule.near_misses.iter().map(|line| {
            let failure = matches(&own, line).then(|| "the near miss is matched by the pattern".to_owned());
            (line, false, failure)
        });
        tried.extend(examples.chain(near_misses).map(|(line, example, failure)| Tried {
            rule: rule.id.clone(),
            defined_at: rule.defined_at.clone(),
            line: line.clone(),
            example,
            failure,
        }));
    }
    tried
}

/// What is wrong with an example of this rule, if one looks at this rule alone.
pub(super) fn example_fails(rule: &Rule, line: &str) -> Option<String> {
    why_not(&of_rule(rule, &Words::sample()), line)
}

/// Whether the rule matches a line that it must not.
pub(super) fn near_miss_fails(rule: &Rule, line: &str) -> bool {
    matches(&of_rule(rule, &Words::sample()), line)
}

fn why_not(own: &[Pattern], line: &str) -> Option<String> {
    if matches(own, line) {
        return None;
    }
    let of_any_program: Vec<Pattern> =
        own.iter().map(|pattern| Pattern { programs: Vec::new(), ..pattern.clone() }).collect();
    let message = if matches(&of_any_program, line) {
        "the example is of another program than `program` says"
    } else {
        "the example is not matched by the pattern"
    };
    Some(message.to_owned())
}

fn matches(patterns: &[Pattern], line: &str) -> bool {
    Matcher::new(patterns).find(line.as_bytes(), &mut Scratch::default()).is_some()
}
