//! Turns the tables of a file into rules and steps, and checks all that can be told from one table alone.

use std::collections::{BTreeMap, BTreeSet};

use super::check;
use super::diagnostic::did_you_mean;
use super::entry::{Entry, Problems, Text, argument};
use super::facts;
use super::keys;
use super::rule::{Cause, ProbeCall, Rule, Step, Trigger};
use super::scope::Scope;
use super::selftest;
use super::template::{self, Piece};
use super::vocabulary;
use crate::evidence::Level;
use crate::postfix::log_line;
use crate::report::model::{Confidence, Severity};

/// A step of a playbook.
pub(super) fn step(entry: &Entry<'_>, problems: &mut Problems<'_>) -> Step {
    check_id(entry, problems);
    check_docs(entry, problems);
    let kind = vocabulary::step_kind(&entry.string("kind"));
    if let (None, Some(name)) = (kind, entry.text("kind")) {
        let near = did_you_mean(&name.value, vocabulary::step_kinds().map(|kind| kind.name));
        problems.add(name.span, format!("unknown step kind `{}`", name.value), near);
    }
    let least = kind.map_or(0, |kind| kind.level);
    let level = entry.int("level").and_then(|level| Level::try_from(level).ok()).unwrap_or(least);
    if let Some(kind) = kind
        && level < kind.level
        && let Some(span) = entry.span("level")
    {
        let message = format!("a step of kind `{}` is of level {} at least", kind.name, kind.level);
        problems.add(span, message, "");
    }
    Step {
        id: entry.string("id"),
        kind: entry.string("kind"),
        title: entry.string("title"),
        level,
        why: entry.string("why"),
        docs: entry.strings("docs"),
        when: condition(entry, "when", &Scope::facts(), problems),
    }
}

/// A rule, and what it says that it explains.
pub(super) fn rule(entry: &Entry<'_>, problems: &mut Problems<'_>) -> (Rule, Vec<Text>) {
    check_id(entry, problems);
    check_docs(entry, problems);
    let mut scope = Scope::facts();
    let trigger = trigger(entry, &mut scope, problems);
    let when = condition(entry, "when", &scope, problems);
    for key in entry.texts("key").into_iter().filter(|key| scope.type_of(&key.value).is_err()) {
        let near = did_you_mean(&key.value, scope.bare());
        problems.add(key.span, format!("`{}` is no capture or field of this rule", key.value), near);
    }
    for text in ["title", "meaning", "look_at", "follows"].into_iter().flat_map(|key| entry.texts(key)) {
        placeholders(&text, &scope, problems);
    }
    let probes = probes(entry, &mut scope, problems);
    let (causes, mut explains) = causes(entry, &scope, problems);
    explains.extend(entry.texts("explains"));
    let (line, _) = problems.file.line_column(entry.header.start);
    let rule = Rule {
        id: entry.string("id"),
        area: entry.string("area"),
        severity: severity(&entry.string("severity")).unwrap_or(Severity::Warning),
        title: entry.string("title"),
        meaning: entry.string("meaning"),
        trigger,
        when,
        key: if entry.mentions("key") { entry.strings("key") } else { title_names(&entry.string("title")) },
        probes,
        consequence: entry.bool("consequence").unwrap_or(false),
        follows: entry.strings("follows"),
        explains: entry.strings("explains"),
        look_at: entry.strings("look_at"),
        docs: entry.strings("docs"),
        examples: entry.strings("example"),
        near_misses: entry.strings("near_miss"),
        causes,
        defined_at: format!("{}:{line}", problems.file.name),
    };
    check_examples(entry, &rule, problems);
    (rule, explains)
}

/// What tells groups apart where a rule does not say it: the placeholders of its title.
fn title_names(title: &str) -> Vec<String> {
    let name = |piece| match piece {
        Piece::Name { name, .. } => Some(name.to_owned()),
        Piece::Text(_) | Piece::Wrong { .. } => None,
    };
    template::pieces(title).into_iter().filter_map(name).collect()
}

/// Ids are words with hyphens, in lower case: they are typed and stand in addresses.
pub(super) fn check_id(entry: &Entry<'_>, problems: &mut Problems<'_>) {
    let word = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    for key in ["id", "area"] {
        if let Some(id) = entry.text(key).filter(|id| !word(&id.value)) {
            let message = format!("the {key} `{}` is not of lower-case letters, digits and hyphens", id.value);
            problems.add(id.span, message, "");
        }
    }
}

fn check_docs(entry: &Entry<'_>, problems: &mut Problems<'_>) {
    for link in entry.texts("docs").into_iter().filter(|link| vocabulary::docs_address(&link.value).is_none()) {
        let message = format!("`{}` is neither a Postfix document nor an address", link.value);
        problems.add(link.span, message, "write `MILTER_README.html#workarounds` or `https://…`");
    }
}

fn trigger(entry: &Entry<'_>, scope: &mut Scope, problems: &mut Problems<'_>) -> Trigger {
    let triggers = ["log", "observed", "config"];
    let mut given = triggers.into_iter().filter(|key| entry.span(key).is_some());
    let (first, second) = (given.next(), given.next());
    if let (Some(first), Some(second)) = (first, second)
        && let Some(span) = entry.span(second)
    {
        problems.add(span, format!("a rule has one trigger, and this one has `{first}` already"), "");
    }
    if first != Some("log") {
        for key in ["program", "priority", "example", "near_miss"] {
            if let (Some(_), Some(span)) = (first, entry.span(key)) {
                problems.add(span, format!("`{key}` goes with `log` alone"), "");
            }
        }
    }
    match first {
        Some("log") => log_trigger(entry, scope, problems),
        Some("observed") => observed_trigger(entry, scope, problems),
        Some(_) => Trigger::Config(condition(entry, "config", scope, problems).unwrap_or_default()),
        None => {
            if triggers.iter().all(|key| !entry.mentions(key)) {
                let message = "nothing sets this rule off";
                problems.add(entry.header.clone(), message, "it needs `log`, `observed` or `config`");
            }
            Trigger::Config(String::new())
        }
    }
}

fn log_trigger(entry: &Entry<'_>, scope: &mut Scope, problems: &mut Problems<'_>) -> Trigger {
    scope.declare(facts::LOG_LINE);
    scope.service();
    for pattern in entry.texts("log") {
        // Parsing all patterns of ours at each start would be felt; a test does.
        let checked = match problems.file.layer {
            0 => Ok(check::capture_names(&pattern.value)),
            _ => check::regex(&pattern.value),
        };
        let captures = match checked {
            Ok(captures) => captures,
            Err(problem) => {
                problems.add(pattern.part(problem.range), problem.message, problem.label);
                scope.accept_any("");
                continue;
            }
        };
        for name in captures.iter().map(String::as_str) {
            if ["main", "host", "postfix", "log", "service"].contains(&name) || name.contains(['.', '[', ']']) {
                problems.add(pattern.span.clone(), format!("a capture cannot be named `{name}`"), "");
            } else {
                scope.capture(name);
            }
        }
    }
    Trigger::Log {
        patterns: entry.strings("log"),
        programs: entry.strings("program"),
        priority: entry.int("priority").and_then(|priority| i32::try_from(priority).ok()).unwrap_or(0),
    }
}

fn observed_trigger(entry: &Entry<'_>, scope: &mut Scope, problems: &mut Problems<'_>) -> Trigger {
    scope.declare(facts::OBSERVED);
    scope.service();
    let kind = entry.string("observed");
    if let Some(known) = vocabulary::observation(&kind) {
        scope.declare(known.fields);
    } else {
        let near = did_you_mean(&kind, vocabulary::observations().map(|kind| kind.name));
        let span = entry.span("observed").unwrap_or_default();
        problems.add(span, format!("unknown observation `{kind}`: no step emits it"), near);
        scope.accept_any("");
    }
    Trigger::Observed(kind)
}

fn probes(entry: &Entry<'_>, scope: &mut Scope, problems: &mut Problems<'_>) -> Vec<ProbeCall> {
    let mut calls = Vec::new();
    for (span, table) in entry.tables("probe") {
        let get = |key: &str| table.get(key).and_then(|value| argument(value, problems.file));
        let (Some(kind), Some(name)) = (get("kind"), get("as")) else {
            problems.add(span, "a probe has a `kind`, and a name for its results: `as`", "");
            if let Some(name) = get("as") {
                scope.accept_any(&name.value);
            }
            continue;
        };
        if scope.takes(&name.value) {
            problems.add(name.span.clone(), format!("`{}` is taken already", name.value), "");
        }
        let probe = vocabulary::probe_kind(&kind.value);
        if probe.is_none() {
            let near = did_you_mean(&kind.value, vocabulary::probe_kinds().map(|probe| probe.name));
            problems.add(kind.span.clone(), format!("unknown probe kind `{}`", kind.value), near);
        }
        let mut args = BTreeMap::new();
        for (key, value) in table.iter().filter(|(key, _)| !["kind", "as"].contains(&&**key.get_ref())) {
            let word: &str = key.get_ref();
            if let Some(probe) = probe
                && !probe.args.iter().any(|(known, _)| *known == word)
            {
                let near = did_you_mean(word, probe.args.iter().map(|(known, _)| *known));
                problems.add(key.span(), format!("the probe {} has no argument `{word}`", probe.name), near);
            }
            match argument(value, problems.file) {
                Some(text) => {
                    placeholders(&text, scope, problems);
                    args.insert(word.to_owned(), text.value);
                }
                None => problems.add(value.span(), format!("`{word}` is a text in quotes"), ""),
            }
        }
        if let Some(probe) = probe {
            for (missing, _) in probe.args.iter().filter(|(arg, must)| *must && !args.contains_key(*arg)) {
                problems.add(kind.span.clone(), format!("the probe {} needs `{missing}`", probe.name), "");
            }
            scope.probe(&name.value, probe.name, probe.fields);
        } else {
            scope.accept_any(&name.value);
        }
        calls.push(ProbeCall { kind: kind.value, name: name.value, args });
    }
    calls
}

fn causes(entry: &Entry<'_>, scope: &Scope, problems: &mut Problems<'_>) -> (Vec<Cause>, Vec<Text>) {
    let (mut causes, mut explains, mut ids) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (header, table) in entry.tables("cause") {
        let mut own = Problems::of(problems.file);
        let entry = Entry::read("cause", keys::CAUSE, header, table, &mut own);
        check_id(&entry, &mut own);
        if let Some(id) = entry.text("id").filter(|id| !ids.insert(id.value.clone())) {
            own.add(id.span, format!("this rule has a cause `{}` already", id.value), "");
        }
        for text in ["title", "cause", "summary", "fix", "verify"].into_iter().flat_map(|key| entry.texts(key)) {
            placeholders(&text, scope, &mut own);
        }
        explains.extend(entry.texts("explains"));
        causes.push(Cause {
            id: entry.string("id"),
            when: condition(&entry, "when", scope, &mut own),
            refuted_when: condition(&entry, "refuted_when", scope, &mut own),
            confidence: confidence(&entry.string("confidence")),
            title: entry.text("title").map(|title| title.value),
            severity: severity(&entry.string("severity")),
            cause: entry.string("cause"),
            summary: entry.string("summary"),
            fix: entry.strings("fix"),
            verify: entry.string("verify"),
            explains: entry.strings("explains"),
        });
        problems.found.append(&mut own.found);
    }
    (causes, explains)
}

/// A rule about log lines shows what it is about and what it is not about.
fn check_examples(entry: &Entry<'_>, rule: &Rule, problems: &mut Problems<'_>) {
    let Trigger::Log { patterns, .. } = &rule.trigger else { return };
    for key in ["example", "near_miss"] {
        if !entry.mentions(key) {
            let message = format!("the rule `{}` has no `{key}`", rule.id);
            problems.add(
                entry.header.clone(),
                message,
                "a rule with `log` shows a line that it matches and one that it does not",
            );
        }
    }
    for line in entry.texts("example").into_iter().chain(entry.texts("near_miss")) {
        if log_line::find_tag(line.value.as_bytes()).is_none() {
            let message = "a log line of a rule begins with its program";
            problems.add(line.span, message, "write `postfix/smtpd[1]: …`");
        }
    }
    // Ours are tried by `playbook test`; compiling all patterns at each start would be felt.
    if problems.file.layer == 0 || patterns.iter().any(|pattern| check::regex(pattern).is_err()) {
        return;
    }
    for example in entry.texts("example") {
        if let Some(why) = selftest::example_fails(rule, &example.value) {
            problems.add(example.span, format!("rule `{}`: {why}", rule.id), "");
        }
    }
    for near_miss in entry.texts("near_miss") {
        if selftest::near_miss_fails(rule, &near_miss.value) {
            let message = format!("rule `{}`: the near miss is matched by the pattern", rule.id);
            problems.add(near_miss.span, message, "");
        }
    }
}

fn condition(entry: &Entry<'_>, key: &str, scope: &Scope, problems: &mut Problems<'_>) -> Option<String> {
    let text = entry.text(key)?;
    for problem in check::condition(&text.value, scope) {
        problems.add(text.part(problem.range), problem.message, problem.label);
    }
    Some(text.value)
}

fn placeholders(text: &Text, scope: &Scope, problems: &mut Problems<'_>) {
    for problem in check::text(&text.value, scope) {
        problems.add(text.part(problem.range), problem.message, problem.label);
    }
}

fn severity(word: &str) -> Option<Severity> {
    match word {
        "info" => Some(Severity::Info),
        "warning" => Some(Severity::Warning),
        "error" => Some(Severity::Error),
        "critical" => Some(Severity::Critical),
        _ => None,
    }
}

fn confidence(word: &str) -> Confidence {
    match word {
        "likely" => Confidence::Likely,
        "possible" => Confidence::Possible,
        _ => Confidence::Confirmed,
    }
}
