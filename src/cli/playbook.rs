//! `postdoctor playbook`: for those who write playbooks and rules.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::bail;
use serde_json::json;

use super::args::{Args, Format, Playbook as Wanted};
use super::{exit, open};
use crate::engine::diagnostic::render_all;
use crate::engine::functions::FUNCTIONS;
use crate::engine::rule::{Cause, Knowledge, Rule, Step, Trigger};
use crate::engine::sources::Sources;
use crate::engine::{facts, schema, selftest, vocabulary};
use crate::evidence::Field;
use crate::ui;

/// Does it; the status is 3 if something is wrong with a file.
pub fn run(args: &Args, wanted: &Wanted, out: &mut dyn Write) -> anyhow::Result<u8> {
    match wanted {
        Wanted::Check { files } => check(files, out),
        Wanted::Test => test(args, out),
        Wanted::List => list(args, out),
        Wanted::Docs { check } => super::playbook_docs::run(args, *check, out),
        Wanted::Explain { id } => explain(&known(args), id, out),
        Wanted::Schema => {
            writeln!(out, "{:#}", schema::schema())?;
            Ok(exit::HEALTHY)
        }
    }
}

/// All that is known: what comes with the program, and what the site adds.
fn known(args: &Args) -> Knowledge {
    let mut sources = Sources::embedded();
    sources.add_directory(Path::new(&args.playbooks));
    let (knowledge, diagnostics) = sources.load();
    if !diagnostics.is_empty() {
        ui::complain(&render_all(&diagnostics, false));
    }
    knowledge
}

fn check(files: &[String], out: &mut dyn Write) -> anyhow::Result<u8> {
    let paths: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
    let mut sources = Sources::embedded();
    sources.add_for_checking(&paths);
    let (knowledge, mut diagnostics) = sources.load();
    diagnostics.retain(|diagnostic| diagnostic.file.layer > 0);
    if !diagnostics.is_empty() {
        // Colour is taken out on the way where it is not wanted.
        write!(out, "{}", render_all(&diagnostics, true))?;
        return Ok(exit::UNKNOWN);
    }
    let of_these = |tried: &selftest::Tried| {
        tried.defined_at.rsplit_once(':').is_some_and(|(file, _)| files.iter().any(|one| one == file))
    };
    let failures = report_failures(selftest::run(&knowledge).iter().filter(|tried| of_these(tried)), out)?;
    if failures > 0 {
        return Ok(exit::UNKNOWN);
    }
    let files = if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) };
    writeln!(out, "{files}, no errors")?;
    Ok(exit::HEALTHY)
}

fn test(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut sources = Sources::embedded();
    sources.add_directory(Path::new(&args.playbooks));
    let (knowledge, diagnostics) = sources.load();
    if !diagnostics.is_empty() {
        write!(out, "{}", render_all(&diagnostics, true))?;
    }
    let tried = selftest::run(&knowledge);
    let failures = report_failures(tried.iter(), out)?;
    let rules = knowledge.rules.iter().filter(|rule| matches!(rule.trigger, Trigger::Log { .. })).count();
    let outcome = if failures == 0 { "all as they should be".to_owned() } else { format!("{failures} wrong") };
    writeln!(out, "{} lines of {rules} rules tried: {outcome}", tried.len())?;
    Ok(if failures == 0 && diagnostics.is_empty() { exit::HEALTHY } else { exit::UNKNOWN })
}

fn report_failures<'t>(
    tried: impl Iterator<Item = &'t selftest::Tried>,
    out: &mut dyn Write,
) -> std::io::Result<usize> {
    let mut failures = 0;
    for tried in tried {
        if let Some(failure) = &tried.failure {
            failures += 1;
            let what = if tried.example { "example" } else { "near miss" };
            writeln!(
                out,
                "error: rule `{}`: {failure}\n  --> {}\n  {what}: {}",
                tried.rule, tried.defined_at, tried.line
            )?;
        }
    }
    Ok(failures)
}

fn list(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let knowledge = known(args);
    if args.format == Format::Json {
        let step = |step: &Step| json!({ "id": step.id, "kind": step.kind, "level": step.level, "title": step.title });
        let playbooks = knowledge.playbooks.iter().map(|playbook| {
            json!({ "id": playbook.id, "title": playbook.title,
                    "steps": playbook.steps.iter().map(step).collect::<Vec<_>>() })
        });
        let rules = knowledge.rules.iter().map(|rule| {
            json!({ "id": rule.id, "area": rule.area, "severity": rule.severity, "title": rule.title,
                    "causes": rule.causes.iter().map(|cause| &cause.id).collect::<Vec<_>>(),
                    "defined_at": rule.defined_at })
        });
        let listed = json!({ "playbooks": playbooks.collect::<Vec<_>>(), "rules": rules.collect::<Vec<_>>() });
        writeln!(out, "{listed:#}")?;
        return Ok(exit::HEALTHY);
    }
    for playbook in &knowledge.playbooks {
        writeln!(out, "{}: {}", playbook.id, playbook.title)?;
        for step in &playbook.steps {
            writeln!(out, "  level {}  {:22} {}", step.level, step.id, step.title)?;
        }
        writeln!(out)?;
    }
    let mut areas: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    for rule in &knowledge.rules {
        areas.entry(&rule.area).or_default().push(rule);
    }
    let causes: usize = knowledge.rules.iter().map(|rule| rule.causes.len()).sum();
    writeln!(out, "{} rules with {causes} causes in {} areas", knowledge.rules.len(), areas.len())?;
    for (area, rules) in areas {
        writeln!(out, "\n  {area}")?;
        for rule in rules {
            writeln!(out, "    {:32} {:8} {}", rule.id, word(rule.severity), rule.title)?;
        }
    }
    Ok(exit::HEALTHY)
}

/// Explains whatever has that name: a rule or one of its causes, a step, or a word that rules may use.
fn explain(knowledge: &Knowledge, id: &str, out: &mut dyn Write) -> anyhow::Result<u8> {
    let of_rule = id.split('/').next().unwrap_or(id);
    if let Some(rule) = knowledge.rules.iter().find(|rule| rule.id == of_rule) {
        explain_rule(rule, out)?;
    } else if let Some(step) = knowledge.playbooks.iter().flat_map(|p| &p.steps).find(|step| step.id == id) {
        explain_step(step, out)?;
    } else if !explain_word(id, out)? {
        let names = knowledge.rules.iter().map(|rule| rule.id.as_str());
        let steps = knowledge.playbooks.iter().flat_map(|p| &p.steps).map(|step| step.id.as_str());
        let words = vocabulary::observations().map(|kind| kind.name).chain(vocabulary::probe_kinds().map(|k| k.name));
        bail!("{}", open::no_such("rule, step, observation or probe", id, names.chain(steps).chain(words)));
    }
    Ok(exit::HEALTHY)
}

fn explain_rule(rule: &Rule, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{}   {} · {}   {}", rule.id, rule.area, word(rule.severity), rule.defined_at)?;
    paragraph("  ", &rule.title, out)?;
    paragraph("  ", &rule.meaning, out)?;
    match &rule.trigger {
        Trigger::Log { patterns, programs, .. } => {
            let of = if programs.is_empty() { String::new() } else { format!(" of {}", programs.join(", ")) };
            section(&format!("Fires on log lines{of}"), patterns, out)?;
        }
        Trigger::Observed(kind) => section("Fires on the observation", std::slice::from_ref(kind), out)?,
        Trigger::Config(condition) => section("Fires if", std::slice::from_ref(condition), out)?,
    }
    section("And if", rule.when.as_slice(), out)?;
    section("For instance", &rule.examples, out)?;
    section("But not on", &rule.near_misses, out)?;
    let probes: Vec<String> = rule
        .probes
        .iter()
        .map(|probe| {
            let args: Vec<String> = probe.args.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            format!("{} = {} ({})", probe.name, probe.kind, args.join(", "))
        })
        .collect();
    section("Probes", &probes, out)?;
    if !rule.causes.is_empty() {
        writeln!(out, "\n  Causes, the most usual first")?;
        rule.causes.iter().try_for_each(|cause| explain_cause(cause, out))?;
    }
    section("Accounts for", &rule.explains, out)?;
    section("Look at", &rule.look_at, out)?;
    section("Read", &links(&rule.docs), out)
}

fn explain_cause(cause: &Cause, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "    {}", cause.id)?;
    paragraph("      ", &cause.cause, out)?;
    for (name, condition) in [("if", &cause.when), ("not if", &cause.refuted_when)] {
        if let Some(condition) = condition {
            writeln!(out, "      {name:8} {condition}")?;
        }
    }
    for (number, command) in cause.fix.iter().enumerate() {
        writeln!(out, "      {:8} {command}", if number == 0 { "fix" } else { "" })?;
    }
    if !cause.verify.is_empty() {
        writeln!(out, "      verify   {}", cause.verify)?;
    }
    Ok(())
}

fn explain_step(step: &Step, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{}   level {} · kind {}", step.id, step.level, step.kind)?;
    paragraph("  ", &step.title, out)?;
    paragraph("  ", &step.why, out)?;
    section("Only if", step.when.as_slice(), out)?;
    if let Some(kind) = vocabulary::step_kind(&step.kind) {
        let touches: Vec<String> = kind.touches.iter().map(|touched| (*touched).to_owned()).collect();
        section("Touches", &touches, out)?;
        let emits: Vec<String> = kind.emits.iter().map(|kind| format!("{}: {}", kind.name, kind.doc)).collect();
        section("Observes", &emits, out)?;
    }
    section("Read", &links(&step.docs), out)
}

/// A kind of observation or probe, a step kind, a fact or a function; false if there is none of that name.
fn explain_word(name: &str, out: &mut dyn Write) -> std::io::Result<bool> {
    if let Some(kind) = vocabulary::observation(name) {
        writeln!(out, "{name}   an observation: `observed = \"{name}\"`")?;
        paragraph("  ", kind.doc, out)?;
        section("Fields", &declared(kind.fields), out)?;
    } else if let Some(kind) = vocabulary::probe_kind(name) {
        writeln!(out, "{name}   a probe of level {}", kind.level)?;
        paragraph("  ", kind.doc, out)?;
        let args: Vec<String> =
            kind.args.iter().map(|(arg, must)| format!("{arg}{}", if *must { "" } else { " (optional)" })).collect();
        section("Arguments", &args, out)?;
        section("Results", &declared(kind.fields), out)?;
    } else if let Some(kind) = vocabulary::step_kind(name) {
        writeln!(out, "{name}   a kind of step of level {}", kind.level)?;
        paragraph("  ", kind.doc, out)?;
        let emits: Vec<String> = kind.emits.iter().map(|kind| format!("{}: {}", kind.name, kind.doc)).collect();
        section("Observes", &emits, out)?;
    } else if let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) {
        writeln!(out, "{name}   a function of conditions")?;
        paragraph("  ", function.doc, out)?;
    } else {
        let mut declared_facts = [facts::FACTS, facts::LOG_LINE, facts::SERVICE].into_iter().flatten();
        let Some(fact) = declared_facts.find(|fact| fact.name == name) else { return Ok(false) };
        writeln!(out, "{name}   a fact ({})", schema::type_name(fact.ty))?;
        paragraph("  ", fact.doc, out)?;
    }
    Ok(true)
}

fn declared(fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| format!("{} ({}): {}", field.name, schema::type_name(field.ty), field.doc)).collect()
}

fn links(docs: &[String]) -> Vec<String> {
    docs.iter().filter_map(|link| vocabulary::docs_address(link)).collect()
}

fn section(title: &str, lines: &[String], out: &mut dyn Write) -> std::io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n  {title}")?;
    lines.iter().try_for_each(|line| writeln!(out, "    {line}"))
}

fn paragraph(indent: &str, text: &str, out: &mut dyn Write) -> std::io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let options = textwrap::Options::new(ui::width()).initial_indent(indent).subsequent_indent(indent);
    writeln!(out, "{}", textwrap::fill(text, options))
}

fn word(severity: crate::report::model::Severity) -> String {
    format!("{severity:?}").to_lowercase()
}
