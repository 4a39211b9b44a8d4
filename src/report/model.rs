//! The report model, the stable JSON of `schema_version` 1. Fields may be added, never renamed or removed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, Fields, Level, NotChecked, Scope};

/// How bad it is. Ordered: `Info` is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// worth knowing; nothing needs to be done
    Info,
    /// works, but will hurt
    Warning,
    /// some mail is lost, delayed or refused
    Error,
    /// no mail flows
    Critical,
}

/// How sure it is. Ordered: `Possible` is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// one of several causes that fit
    Possible,
    /// the usual cause; nothing speaks against it
    Likely,
    /// proven by a probe, or said by Postfix in so many words
    Confirmed,
}

/// Whether it still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// holds now
    Current,
    /// has ended
    Resolved,
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fix {
    /// one sentence
    pub summary: String,
    /// what to type, in order
    pub commands: Vec<String>,
    /// how to see that it helped
    pub verify: String,
}

/// A rival cause that was not chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rival {
    /// `rule/cause`
    pub id: String,
    /// the cause in words
    pub cause: String,
    /// what to do if it is this one
    pub fix: Vec<String>,
}

/// A cause or an unexplained symptom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// 1 is the top
    pub rank: usize,
    /// `rule/cause`, or `rule` for a symptom without a known cause
    pub id: String,
    /// area of the rule
    pub area: String,
    /// how bad
    pub severity: Severity,
    /// how sure
    pub confidence: Confidence,
    /// current or resolved
    pub status: Status,
    /// one line
    pub title: String,
    /// what it is and why we are sure, in words
    pub cause: String,
    /// what was seen
    pub evidence: Vec<Evidence>,
    /// what to do
    pub fix: Fix,
    /// ids of the findings folded under this one, with how often (`id × n`)
    pub explains: Vec<Explained>,
    /// full addresses
    pub docs: Vec<String>,
    /// other causes that fit as well, most usual first
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rivals: Vec<Rival>,
    /// what would make it sure, when it is not
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to_be_sure: Option<String>,
    /// first and last time seen, and how often
    pub first: Option<Timestamp>,
    /// see `first`
    pub last: Option<Timestamp>,
    /// see `first`
    pub count: u64,
    /// what it concerns
    pub scope: Scope,
}

/// A symptom folded under its cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// id of the folded finding
    pub id: String,
    /// its title
    pub title: String,
    /// how often it was seen
    pub count: u64,
}

/// A cause that was looked for and refuted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuledOut {
    /// `rule/cause`
    pub id: String,
    /// the cause in words
    pub cause: String,
    /// why it is not that
    pub why: String,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepResult {
    /// looked, nothing wrong
    Pass,
    /// looked, something is wrong
    Finding,
    /// looked, cannot say
    Inconclusive,
    /// not done
    NotRun,
    /// no permission
    Denied,
    /// took too long
    Timeout,
    /// our own trouble
    Error,
}

/// One step of the playbook as it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// id in the playbook
    pub id: String,
    /// its title
    pub title: String,
    /// level of invasiveness
    pub level: Level,
    /// what became of it
    pub result: StepResult,
    /// why, when it did not run or cannot say
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// what it looked at (`48,213 log lines`)
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub looked_at: Option<String>,
    /// wall-clock seconds
    pub seconds: f64,
}

/// A log message that no rule knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownMessage {
    /// a sample
    pub text: String,
    /// how often
    pub count: u64,
    /// when first
    pub first: Option<Timestamp>,
    /// file and line of the sample
    pub source: String,
    /// line in it
    pub line: u64,
}

/// The verdict over all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// nothing above info
    Healthy,
    /// warnings
    Warning,
    /// errors
    Error,
    /// no mail flows
    Critical,
    /// too little could be seen to say healthy
    Incomplete,
}

/// One instance in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceReport {
    /// name
    pub name: String,
    /// configuration directory
    pub config_dir: String,
    /// `mail_version`
    pub version: Option<String>,
    /// its master runs
    pub running: Option<bool>,
    /// since when
    pub started: Option<Timestamp>,
    /// how many settings and services its files hold
    pub settings: usize,
    /// see `settings`
    pub services: usize,
}

/// Name and version of this program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `postdoctor`
    pub name: String,
    /// of Cargo.toml
    pub version: String,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// 1
    pub schema_version: u32,
    /// this program
    pub tool: Tool,
    /// when
    pub generated_at: Timestamp,
    /// facts of the host
    pub host: Fields,
    /// the instances
    pub instances: Vec<InstanceReport>,
    /// the verdict
    pub verdict: Verdict,
    /// by rank
    pub findings: Vec<Finding>,
    /// refuted causes
    pub ruled_out: Vec<RuledOut>,
    /// what could not be seen
    pub not_checked: Vec<NotChecked>,
    /// the steps
    pub steps: Vec<StepReport>,
    /// clusters that no rule knows
    pub unknown_messages: Vec<UnknownMessage>,
}
