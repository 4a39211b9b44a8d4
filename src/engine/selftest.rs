//! `playbook test`: each rule about log lines against its examples and near misses, as the log scan would
//! sort them: a line belongs to the rule of the highest priority that matches, then to the first one.

use regex::{RegexSet, RegexSetBuilder};

use super::rule::{Knowledge, Rule, Trigger};

/// One line that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// id of the rule
    pub rule: String,
    /// the line
    pub line: String,
    /// an example; else a near miss
    pub example: bool,
    /// what is wrong; none: as it should be
    pub failure: Option<String>,
}

/// Tries all lines of all rules.
pub fn run(knowledge: &Knowledge) -> Vec<Tried> {
    let Ok(sorter) = Sorter::new(&knowledge.rules) else {
        let failure = Some("the patterns of all rules together are too large".to_owned());
        return vec![Tried { rule: String::new(), line: String::new(), example: true, failure }];
    };
    let mut tried = Vec::new();
    for (index, rule) in knowledge.rules.iter().enumerate() {
        for (line, example) in lines(rule) {
            let matching = sorter.matching(line);
            let failure = if example {
                match matching.first() {
                    Some(&owner) if owner == index => None,
                    _ if !matching.contains(&index) => Some("its own pattern does not match it".to_owned()),
                    Some(&owner) => Some(format!("the rule `{}` claims it", knowledge.rules[owner].id)),
                    None => Some("no pattern matches it".to_owned()),
                }
            } else {
                matching.contains(&index).then(|| "its pattern matches the near miss".to_owned())
            };
            tried.push(Tried { rule: rule.id.clone(), line: line.to_owned(), example, failure });
        }
    }
    tried
}

/// The program of a log line that begins with its tag: `smtpd` of `postfix/submission/smtpd[12]: …`.
pub fn program(line: &str) -> Option<&str> {
    let (tag, rest) = line.split_at(line.find(['[', ':', ' '])?);
    let rest = match rest.strip_prefix('[') {
        Some(pid) => pid.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix(']')?,
        None => rest,
    };
    let program = tag.rsplit('/').next()?;
    (rest.starts_with(": ") && !program.is_empty()).then_some(program)
}

/// Sorts lines to rules.
pub struct Sorter<'k> {
    rules: &'k [Rule],
    set: RegexSet,
    /// rule of each pattern of the set
    owners: Vec<usize>,
}

impl<'k> Sorter<'k> {
    /// Compiles the patterns of all rules.
    pub fn new(rules: &'k [Rule]) -> Result<Self, regex::Error> {
        let (mut patterns, mut owners) = (Vec::new(), Vec::new());
        for (index, rule) in rules.iter().enumerate() {
            if let Trigger::Log { patterns: own, .. } = &rule.trigger {
                patterns.extend(own);
                owners.resize(patterns.len(), index);
            }
        }
        let set = RegexSetBuilder::new(patterns).size_limit(256 << 20).build()?;
        Ok(Sorter { rules, set, owners })
    }

    /// The rules that match a line (from its tag on), the one that it belongs to first.
    pub fn matching(&self, line: &str) -> Vec<usize> {
        let program = program(line).unwrap_or_default();
        let mut matching: Vec<(i32, usize)> = self
            .set
            .matches(line)
            .into_iter()
            .filter_map(|pattern| {
                let owner = self.owners[pattern];
                match &self.rules[owner].trigger {
                    Trigger::Log { programs, priority, .. }
                        if programs.is_empty() || programs.iter().any(|one| one == program) =>
                    {
                        Some((-priority, owner))
                    }
                    _ => None,
                }
            })
            .collect();
        matching.sort_unstable();
        matching.dedup();
        matching.into_iter().map(|(_, owner)| owner).collect()
    }
}

fn lines(rule: &Rule) -> impl Iterator<Item = (&str, bool)> {
    let examples = rule.examples.iter().map(|line| (line.as_str(), true));
    examples.chain(rule.near_misses.iter().map(|line| (line.as_str(), false)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_program() {
        assert_eq!(program("postfix/submission/smtpd[12]: x"), Some("smtpd"));
        assert_eq!(program("dovecot: auth: x"), Some("dovecot"));
        assert_eq!(program("warning: x"), Some("warning"));
        assert_eq!(program("no program here"), None);
        assert_eq!(program("smtpd[x]: y"), None);
    }
}
