//! The log patterns of all rules, for the scanner, and the way back from a pattern to its rule.

use super::rule::{Knowledge, Rule, Trigger};
use crate::logs::scan::Pattern;

/// Patterns in rule order; the second list holds, for each, the index of its rule.
pub fn patterns(knowledge: &Knowledge) -> (Vec<Pattern>, Vec<usize>) {
    let numbered = knowledge.rules.iter().enumerate();
    numbered.flat_map(|(index, rule)| of_rule(rule).into_iter().map(move |pattern| (pattern, index))).unzip()
}

/// The patterns of one rule.
pub fn of_rule(rule: &Rule) -> Vec<Pattern> {
    let Trigger::Log { patterns, programs, priority } = &rule.trigger else { return Vec::new() };
    let pattern = |regex: &String| Pattern {
        regex: regex.clone(),
        programs: programs.clone(),
        key: rule.group_key(),
        priority: *priority,
    };
    patterns.iter().map(pattern).collect()
}
