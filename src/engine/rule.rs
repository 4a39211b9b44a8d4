//! A rule and a playbook as understood: checked, with patterns and placeholders known to be good. What the
//! TOML file says is lowered to these types by `load`; the words are explained in playbooks/README.md.

use std::collections::BTreeMap;

use crate::evidence::Level;
use crate::report::model::{Confidence, Severity};

/// What sets a rule off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// A log line: regexes (any of them), and the programs it may come from (empty: any).
    Log {
        /// regexes, matched from the program tag on
        patterns: Vec<String>,
        /// program names
        programs: Vec<String>,
        /// higher wins
        priority: i32,
    },
    /// An observation of this kind.
    Observed(String),
    /// An expression over facts, tried once per instance.
    Config(String),
}

/// A probe that a rule asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeCall {
    /// kind of probe
    pub kind: String,
    /// name of its results in expressions
    pub name: String,
    /// arguments with placeholders
    pub args: BTreeMap<String, String>,
}

/// One possible cause of what a rule saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// id within the rule
    pub id: String,
    /// expression; none: nothing can confirm it
    pub when: Option<String>,
    /// expression
    pub refuted_when: Option<String>,
    /// confidence when `when` is true
    pub confidence: Confidence,
    /// replaces the rule's title
    pub title: Option<String>,
    /// replaces the rule's severity
    pub severity: Option<Severity>,
    /// in words
    pub cause: String,
    /// what to do, one sentence
    pub summary: String,
    /// commands
    pub fix: Vec<String>,
    /// how to see that it helped
    pub verify: String,
    /// rules it accounts for
    pub explains: Vec<String>,
}

/// One entry of the knowledge base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// id
    pub id: String,
    /// area
    pub area: String,
    /// severity of the symptom
    pub severity: Severity,
    /// title with placeholders
    pub title: String,
    /// what it means
    pub meaning: String,
    /// what sets it off
    pub trigger: Trigger,
    /// condition on the trigger
    pub when: Option<String>,
    /// names that tell groups apart (where the file says none: the placeholders of the title); empty: one group
    pub key: Vec<String>,
    /// probes
    pub probes: Vec<ProbeCall>,
    /// never a root cause
    pub consequence: bool,
    /// whose trouble a consequence is: programs, services, tables; with placeholders
    pub follows: Vec<String>,
    /// rules it accounts for
    pub explains: Vec<String>,
    /// what to look at
    pub look_at: Vec<String>,
    /// documents
    pub docs: Vec<String>,
    /// must match
    pub examples: Vec<String>,
    /// must not match
    pub near_misses: Vec<String>,
    /// causes, most usual first
    pub causes: Vec<Cause>,
    /// `file:line` where it is defined
    pub defined_at: String,
}

impl Rule {
    /// What tells groups of log lines apart; empty: all lines are one group.
    pub fn group_key(&self) -> Vec<String> {
        self.key.clone()
    }
}

/// One step of a playbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// id
    pub id: String,
    /// step kind
    pub kind: String,
    /// title
    pub title: String,
    /// level
    pub level: Level,
    /// why it is done
    pub why: String,
    /// documents
    pub docs: Vec<String>,
    /// condition over facts
    pub when: Option<String>,
}

/// A sequence of steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Playbook {
    /// id
    pub id: String,
    /// title
    pub title: String,
    /// the steps in order
    pub steps: Vec<Step>,
}

/// All that was loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// playbooks by id
    pub playbooks: Vec<Playbook>,
    /// rules in file order
    pub rules: Vec<Rule>,
}
