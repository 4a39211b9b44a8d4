//! The log patterns of all rules, for the scanner, and the way back from a pattern to its rule.

use super::rule::{Knowledge, Rule, Trigger};
use crate::logs::scan::Pattern;

/// Patterns in rule order; the second list holds, for each, the index of its rule.
pub fn patterns(knowledge: &Knowledge) -> (Vec<Pattern>, Vec<usize>) {
    let of_rule = |(index, rule): (usize, &Rule)| match &rule.trigger {
        Trigger::Log { patterns, programs, priority } => patterns
            .iter()
            .map(|regex| {
                let key = rule.group_key();
                (Pattern { regex: regex.clone(), programs: programs.clone(), key, priority: *priority }, index)
            })
            .collect(),
        Trigger::Observed(_) | Trigger::Config(_) => Vec::new(),
    };
    knowledge.rules.iter().enumerate().flat_map(of_rule).unzip()
}
