//! What a rule, or the rule behind a log line, means in words: for `postdoctor explain`. No host is looked at;
//! what only a host could tell stays open in the texts.

use serde::Serialize;

use super::expr::{self, Tri};
use super::patterns::{Words, patterns};
use super::rule::{Cause, Knowledge, Rule};
use super::template;
use crate::evidence::{Fields, Value};
use crate::logs::head;
use crate::logs::scan::matcher::{Matcher, Scratch};
use crate::postfix::log_line;
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
        let (patterns, rules) = patterns(knowledge, &Words::default());
        Explainer { knowledge, matcher: Matcher::new(&patterns), rules, scratch: Scratch::default() }
    }

    /// Explains one line, with or without time stamp and host name in front.
    pub fn line(&mut self, line: &str) -> Explanation {
        let body = head::take_off(line.as_bytes());
        let found = self.matcher.find(&body.text, &mut self.scratch);
        let Some(found) = found else { return Explanation { line: line.to_owned(), ..Explanation::default() } };
        let mut fields: Fields = found.named().into_iter().map(|(k, v)| (k, Value::Text(v))).collect();
        if let Some(tag) = log_line::find_tag(&body.text) {
            let tag = String::from_utf8_lossy(&body.text[..tag.name_end]).into_owned();
            fields.insert("program".into(), Value::Text(tag.rsplit('/').next().unwrap_or_default().to_owned()));
            fields.insert("tag".into(), Value::Text(tag));
        }
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
    let causes = possible_causes(rule, fields);
    let mut fix: Vec<String> = Vec::new();
    for line in causes.iter().flat_map(|c| &c.fix).filter_map(type_in) {
        if !fix.contains(&line.text) {
            fix.push(line.text);
        }
    }
    let proven = causes.first().filter(|c| truth(c, fields) == Tri::True);
    Explanation {
        line: String::new(),
        rule: Some(rule.id.clone()),
        severity: Some(proven.and_then(|c| c.severity).unwrap_or(rule.severity)),
        title: say(proven.and_then(|c| c.title.as_ref()).unwrap_or(&rule.title)),
        meaning: say(&rule.meaning),
        causes: causes.into_iter().map(cause).collect(),
        look_at: rule.look_at.iter().filter_map(type_in).map(|l| l.text).collect(),
        fix,
        docs: rule.docs.iter().map(|d| super::rank::address(d)).collect(),
    }
}

/// What the line alone says of a cause.
fn truth(cause: &Cause, fields: &Fields) -> Tri {
    cause.when.as_deref().map_or(Tri::Unknown, |when| expr::truth(when, fields))
}

/// The causes that the line leaves possible, most usual first. What its own words prove comes first, and nothing
/// that would only stand in for it comes behind; a cause that only a host can settle stays.
fn possible_causes<'k>(rule: &'k Rule, fields: &Fields) -> Vec<&'k Cause> {
    let refuted = |c: &Cause| c.refuted_when.as_deref().is_some_and(|when| expr::truth(when, fields) == Tri::True);
    let left: Vec<&Cause> = rule.causes.iter().filter(|c| truth(c, fields) != Tri::False && !refuted(c)).collect();
    match left.iter().position(|c| truth(c, fields) == Tri::True) {
        Some(at) => std::iter::once(left[at]).chain(left[..at].iter().copied()).collect(),
        None => left,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{embedded, load};

    #[test]
    fn the_line_itself_chooses_among_causes() {
        let (knowledge, _) = load::load(&embedded::files());
        let mut explainer = Explainer::new(&knowledge);
        let of_google = |said: &str| {
            format!(
                "postfix/smtp[7]: 2C1: to=<a@gmail.com>, relay=gmail-smtp-in.l.google.com[142.250.110.26]:25, delay=1, \
                 delays=0/0/0/1, dsn=5.7.26, status=bounced (host gmail-smtp-in.l.google.com[142.250.110.26] said: {said})"
            )
        };
        let spf =
            explainer.line(&of_google("550-5.7.26 Your email has been blocked because the sender is unauthenticated."));
        assert!(spf.title.contains("not authenticated"), "{}", spf.title);
        assert!(!spf.causes.iter().any(|cause| cause.contains("PTR")), "{:?}", spf.causes);
        // Without a line nothing is ruled out.
        let rule = knowledge.rules.iter().find(|r| r.id == "receiver-google").unwrap();
        assert!(rule_in_words(rule, &Fields::new()).causes.len() > 3);
    }
}
