//! The rules as Markdown: one page for each area and an index, for those who read before something breaks.
//!
//! Everything comes from the TOML; nothing is written here that a page could contradict.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::rule::{Cause, Knowledge, Rule, Trigger};
use super::vocabulary;

/// The first line of every page.
pub const MARK: &str =
    "<!-- Written by `postdoctor playbook docs` from playbooks/rules. Change the rules, not this page. -->";
/// Example lines that are shown of a rule; one with many patterns has many.
const EXAMPLES: usize = 3;

/// All pages: name of the file, and its text.
pub fn pages(knowledge: &Knowledge) -> BTreeMap<String, String> {
    let mut areas: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    for rule in &knowledge.rules {
        areas.entry(&rule.area).or_default().push(rule);
    }
    for rules in areas.values_mut() {
        rules.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
    }
    let mut pages: BTreeMap<String, String> =
        areas.iter().map(|(area, rules)| (format!("{area}.md"), page(area, rules))).collect();
    pages.insert("README.md".to_owned(), index(&areas));
    pages
}

fn index(areas: &BTreeMap<&str, Vec<&Rule>>) -> String {
    let rules: usize = areas.values().map(Vec::len).sum();
    let causes: usize = areas.values().flatten().map(|rule| rule.causes.len()).sum();
    let mut out = format!(
        "{MARK}\n\n# What postdoctor knows\n\n{rules} rules with {causes} causes in {} areas. `{{name}}` stands for what \
         the log line or the server says.\n",
        areas.len()
    );
    for (area, rules) in areas {
        let _ = write!(out, "\n## [{area}]({area}.md)\n\n");
        for rule in rules {
            let _ = writeln!(out, "- [{}]({area}.md#{}): {}", rule.id, rule.id, plain(&rule.title));
        }
    }
    out
}

fn page(area: &str, rules: &[&Rule]) -> String {
    let mut out = format!("{MARK}\n\n# {area}\n\n[All areas](README.md)\n");
    for rule in rules {
        describe(rule, &mut out);
    }
    out
}

fn describe(rule: &Rule, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\n## {}\n\n**{}** ({})\n", rule.id, plain(&rule.title), word(rule.severity));
    if !rule.meaning.is_empty() {
        let _ = write!(out, "\n{}\n", plain(&rule.meaning));
    }
    match &rule.trigger {
        Trigger::Log { .. } => block("Seen in the log as", rule.examples.iter().take(EXAMPLES), out),
        Trigger::Observed(kind) => {
            let doc = vocabulary::observation(kind).map_or("", |kind| kind.doc);
            let _ = write!(out, "\nSeen on the server (`{kind}`): {}\n", plain(doc));
        }
        Trigger::Config(condition) => block("Seen in the configuration", std::iter::once(condition), out),
    }
    if rule.consequence {
        out.push_str("\nThis follows from something else: look for what came before it.\n");
    }
    if !rule.causes.is_empty() {
        out.push_str("\nCauses, the most usual first:\n");
        for (number, cause) in (1..).zip(&rule.causes) {
            describe_cause(number, cause, rule, out);
        }
    }
    list("Look at", rule.look_at.iter().map(|line| command_or_words(line)), out);
    let links = rule.docs.iter().filter_map(|link| Some(format!("[{link}]({})", vocabulary::docs_address(link)?)));
    list("Read", links, out);
}

fn describe_cause(number: usize, cause: &Cause, rule: &Rule, out: &mut String) {
    let head = format!("{number}. ");
    let indent = " ".repeat(head.len());
    let title = cause.title.as_ref().map(|title| format!("**{}** ", plain(title))).unwrap_or_default();
    let severity = cause.severity.filter(|severity| *severity != rule.severity);
    let severity = severity.map(|severity| format!(" ({})", word(severity))).unwrap_or_default();
    let _ = write!(out, "\n{head}{title}{} `{}`{severity}\n", plain(&cause.cause), cause.id);
    if !cause.summary.is_empty() {
        let _ = write!(out, "\n{indent}{}\n", plain(&cause.summary));
    }
    if !cause.fix.is_empty() {
        let _ = write!(out, "\n{indent}Type:\n\n");
        for command in &cause.fix {
            let _ = writeln!(out, "{indent}    {}", one_line(command));
        }
    }
    if !cause.verify.is_empty() {
        let _ = write!(out, "\n{indent}Then: {}\n", plain(&cause.verify));
    }
}

fn block<'l>(title: &str, lines: impl Iterator<Item = &'l String>, out: &mut String) {
    let lines: Vec<String> = lines.map(|line| format!("    {}\n", one_line(line))).collect();
    if !lines.is_empty() {
        let _ = write!(out, "\n{title}:\n\n{}", lines.concat());
    }
}

fn list(title: &str, lines: impl Iterator<Item = String>, out: &mut String) {
    let lines: Vec<String> = lines.map(|line| format!("- {line}\n")).collect();
    if !lines.is_empty() {
        let _ = write!(out, "\n{title}:\n\n{}", lines.concat());
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join(" ")
}

/// What can be typed stands in backquotes; a sentence begins with a capital letter or ends with a full stop.
fn command_or_words(line: &str) -> String {
    let line = one_line(line);
    let typed =
        line.starts_with(|c: char| c.is_ascii_lowercase() || c == '/') && !line.ends_with('.') && !line.contains('`');
    if typed { format!("`{line}`") } else { plain(&line) }
}

/// Text in which nothing is markup but what stands in backquotes.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut code = false;
    for c in one_line(text).trim().chars() {
        match c {
            '`' => code = !code,
            '<' | '>' | '*' | '[' | ']' | '\\' | '|' | '#' if !code => out.push('\\'),
            _ => {}
        }
        out.push(c);
    }
    out
}

fn word(severity: crate::report::model::Severity) -> String {
    format!("{severity:?}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_only_in_backquotes() {
        assert_eq!(plain("to=<a> and `b <c>`\nd *e*"), r"to=\<a\> and `b <c>` d \*e\*");
    }

    #[test]
    fn every_rule_is_on_the_page_of_its_area_and_in_the_index() {
        let (knowledge, _) = super::super::sources::Sources::embedded().load();
        let pages = pages(&knowledge);
        for rule in &knowledge.rules {
            let page = &pages[&format!("{}.md", rule.area)];
            assert!(page.contains(&format!("\n## {}\n", rule.id)), "{}", rule.id);
            assert!(pages["README.md"].contains(&format!("{}.md#{})", rule.area, rule.id)), "{}", rule.id);
        }
    }
}
