//! What a rule, or the rule behind a log line, means in words: for `postdoctor explain`. No host is looked at;
//! what only a host could tell stays open in the texts.

use serde::Serialize;

use super::patterns::patterns;
use super::rule::{Cause, Knowledge, Rule};
use super::template;
use crate::evidence::{Fields, Value};
use crate::logs::head;
use crate::logs::scan::matcher::{Matcher, Scratch};
use crate::report::model::Severity;

/// One line explained. `rule` is none for a line that no rule knows; the rest is then empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Explanation {
    /// the line as given
    pub line: String,
    /// id of the rule
    pub rule: Option<String>,
    /// its severity
    pub severity: Option<Severity>,
    /// one line
    pub title: String,
    /// what the message means
    pub meaning: String,
    /// possible causes, most usual first
    pub causes: Vec<String>,
    /// what to look at
    pub look_at: Vec<String>,
    /// what to type, for the causes in their order
    pub fix: Vec<String>,
    /// full addresses
    pub docs: Vec<String>,
}

/// Explains log lines.
pub struct Explainer<'k> {
    knowledge: &'k Knowledge,
    matcher: Matcher,
    rules: Vec<usize>,
    scratch: Scratch,
}

impl<'k> Explainer<'k> {
    /// An explainer for these rules.
    pub fn new(knowledge: &'k Knowledge) -> Self {
        let (patterns, rules) = patterns(knowledge);
        Explainer { knowledge, matcher: Matcher::new(&patterns), rules, scratch: Scratch::default() }
    }

    /// Explains one line, with or without time stamp and host name in front.
    pub fn line(&mut self, line: &str) -> Explanation {
        let body = head::take_off(line.as_bytes());
        let found = self.matcher.find(&body.text, &mut self.scratch);
        let Some(found) = found else { return Explanation { line: line.to_owned(), ..Explanation::default() } };
        let fields: Fields = found.named().into_iter().map(|(k, v)| (k, Value::Text(v))).collect();
        let rule = &self.knowledge.rules[self.rules[found.pattern]];
        Explanation { line: line.to_owned(), ..rule_in_words(rule, &fields) }
    }
}

/// A rule in words, with what is known of its placeholders.
pub fn rule_in_words(rule: &Rule, fields: &Fields) -> Explanation {
    let say = |text: &str| template::render(text, fields).text.replace("(unknown)", "…");
    let type_in = |text: &String| Some(template::render_command(text, fields)).filter(template::Rendered::complete);
    let cause =
        |c: &Cause| if c.summary.is_empty() { say(&c.cause) } else { format!("{} {}", say(&c.cause), say(&c.summary)) };
    let mut fix: Vec<String> = Vec::new();
    for line in rule.causes.iter().flat_map(|c| &c.fix).filter_map(type_in) {
        if !fix.contains(&line.text) {
            fix.push(line.text);
        }
    }
    Explanation {
        line: String::new(),
        rule: Some(rule.id.clone()),
        severity: Some(rule.severity),
        title: say(&rule.title),
        meaning: say(&rule.meaning),
        causes: rule.causes.iter().map(cause).collect(),
        look_at: rule.look_at.iter().map(|l| say(l)).collect(),
        fix,
        docs: rule.docs.iter().map(|d| super::rank::address(d)).collect(),
    }
}
