//! Loads playbook and rule files: all errors of all files are found in one go, and only what is sound is used.
//!
//! A file of an administrator with an error is not used at all: half a file is not what they wrote. Of our own
//! files only the wrong entry is left out (the tests see to it that there is none).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rayon::prelude::*;
use toml::de::DeTable;

use super::diagnostic::{Diagnostic, SourceFile, did_you_mean};
use super::entry::{Entry, Problems, Text, tables};
use super::keys;
use super::lower;
use super::rule::{Knowledge, Playbook, Rule, Step};

/// What a file is made of.
const TABLES: &[&str] = &["playbook", "step", "rule"];

/// After so many syntax errors a file is something else than TOML.
const MOST_SYNTAX_ERRORS: usize = 20;

/// A rule or step as read, and whether anything is wrong with it.
struct Draft<T> {
    entry: T,
    id: Text,
    explains: Vec<Text>,
    sound: bool,
}

/// One file as read.
struct Draftsheet<'f> {
    problems: Problems<'f>,
    playbook: Option<Draft<Playbook>>,
    steps: Vec<Draft<Step>>,
    rules: Vec<Draft<Rule>>,
}

/// Loads the files; those of a higher layer add to and override those of a lower one by id. The diagnostics
/// stand in the order of files and lines.
pub fn load(files: &[SourceFile]) -> (Knowledge, Vec<Diagnostic>) {
    let mut sheets: Vec<Draftsheet<'_>> = files.par_iter().map(read).collect();
    refuse_duplicates(&mut sheets);
    refuse_unknown_explanations(&mut sheets);
    // Lower layers first, whatever the order of the files; within a layer the order stays.
    sheets.sort_by_key(|sheet| sheet.problems.file.layer);
    let mut knowledge = Knowledge::default();
    let mut diagnostics = Vec::new();
    // Where the next new rule goes: those of a higher layer stand before those of a lower one, so that of two
    // rules that match the same log line the administrator's wins.
    let (mut layer, mut place) = (0, 0);
    for mut sheet in sheets {
        if sheet.problems.file.layer != layer {
            (layer, place) = (sheet.problems.file.layer, 0);
        }
        sheet.problems.found.sort_by_key(|diagnostic| diagnostic.span.as_ref().map_or(0, |span| span.start));
        let usable = sheet.problems.found.is_empty() || sheet.problems.file.layer == 0;
        diagnostics.append(&mut sheet.problems.found);
        if usable {
            merge_rules(&mut knowledge, &mut place, sheet.rules);
            merge_playbook(&mut knowledge, sheet.playbook, sheet.steps);
        }
    }
    (knowledge, diagnostics)
}

fn merge_rules(knowledge: &mut Knowledge, place: &mut usize, rules: Vec<Draft<Rule>>) {
    for rule in rules.into_iter().filter(|rule| rule.sound).map(|rule| rule.entry) {
        if let Some(old) = knowledge.rules.iter_mut().find(|old| old.id == rule.id) {
            *old = rule;
        } else {
            knowledge.rules.insert(*place, rule);
            *place += 1;
        }
    }
}

fn merge_playbook(knowledge: &mut Knowledge, playbook: Option<Draft<Playbook>>, steps: Vec<Draft<Step>>) {
    let Some(playbook) = playbook.filter(|playbook| playbook.sound).map(|playbook| playbook.entry) else { return };
    let at = knowledge.playbooks.iter().position(|old| old.id == playbook.id).unwrap_or_else(|| {
        knowledge.playbooks.push(Playbook { steps: Vec::new(), ..playbook.clone() });
        knowledge.playbooks.len() - 1
    });
    let merged = &mut knowledge.playbooks[at];
    merged.title = playbook.title;
    for step in steps.into_iter().filter(|step| step.sound).map(|step| step.entry) {
        match merged.steps.iter_mut().find(|old| old.id == step.id) {
            Some(old) => *old = step,
            None => merged.steps.push(step),
        }
    }
}

fn read(file: &SourceFile) -> Draftsheet<'_> {
    let mut sheet = Draftsheet { problems: Problems::of(file), playbook: None, steps: Vec::new(), rules: Vec::new() };
    let (document, errors) = DeTable::parse_recoverable(&file.text);
    for error in errors.into_iter().take(MOST_SYNTAX_ERRORS) {
        let span = error.span().unwrap_or(0..0);
        // The usual mistake of who writes conditions: 'a == 'b''.
        let literal_ended = file.text.get(..span.start).is_some_and(|before| before.trim_end().ends_with('\''));
        let label = if literal_ended { "within '…' texts are written \"…\"" } else { "" };
        sheet.problems.add(span, error.message(), label);
    }
    if !sheet.problems.found.is_empty() {
        // What a broken file seems to say is no ground for more complaints.
        return sheet;
    }
    let document = document.into_inner();
    for (name, value) in &document {
        let word: &str = name.get_ref();
        if !TABLES.contains(&word) {
            let near = did_you_mean(word, TABLES.iter().copied());
            let label =
                if near.is_empty() { "a file has `[playbook]`, `[[step]]` and `[[rule]]`".into() } else { near };
            sheet.problems.add(name.span(), format!("a file has no `{word}`"), label);
            continue;
        }
        let found = tables(value);
        if found.is_empty() || (word == "playbook") != value.get_ref().is_table() {
            let form = if word == "playbook" { "[playbook]".to_owned() } else { format!("[[{word}]]") };
            sheet.problems.add(name.span(), format!("`{word}` is written `{form}`"), "");
            continue;
        }
        for (header, table) in found {
            draft(&mut sheet, word, header, table);
        }
    }
    if sheet.playbook.is_none()
        && let Some(step) = sheet.steps.first()
    {
        let span = step.id.span.clone();
        sheet.problems.add(span, "steps need a playbook that they belong to", "write `[playbook]` above them");
    }
    sheet
}

fn draft(sheet: &mut Draftsheet<'_>, word: &str, header: Range<usize>, table: &DeTable<'_>) {
    // The problems live as long as the file, the document only as long as this reading.
    let mut problems = Problems::of(sheet.problems.file);
    match word {
        "playbook" => {
            let entry = Entry::read("playbook", keys::PLAYBOOK, header, table, &mut problems);
            lower::check_id(&entry, &mut problems);
            let playbook = Playbook { id: entry.string("id"), title: entry.string("title"), steps: Vec::new() };
            sheet.playbook = Some(finish(playbook, &entry, Vec::new(), &problems));
        }
        "step" => {
            let entry = Entry::read("step", keys::STEP, header, table, &mut problems);
            let step = lower::step(&entry, &mut problems);
            sheet.steps.push(finish(step, &entry, Vec::new(), &problems));
        }
        _ => {
            let entry = Entry::read("rule", keys::RULE, header, table, &mut problems);
            let (rule, explains) = lower::rule(&entry, &mut problems);
            sheet.rules.push(finish(rule, &entry, explains, &problems));
        }
    }
    sheet.problems.found.append(&mut problems.found);
}

fn finish<T>(lowered: T, entry: &Entry<'_>, explains: Vec<Text>, problems: &Problems<'_>) -> Draft<T> {
    let id = entry.text("id").unwrap_or_else(|| Text::nameless(entry.header.clone()));
    Draft { entry: lowered, id, explains, sound: problems.found.is_empty() }
}

/// Within a layer an id stands once; a higher layer may override it.
fn refuse_duplicates(sheets: &mut [Draftsheet<'_>]) {
    let mut seen: BTreeMap<(u32, &str, String), String> = BTreeMap::new();
    for sheet in sheets {
        let file = sheet.problems.file;
        let playbook = sheet.playbook.as_ref().map(|playbook| playbook.id.value.clone()).unwrap_or_default();
        let steps = sheet.steps.iter_mut().map(|step| {
            let name = format!("{playbook}/{}", step.id.value);
            ("step", name, &step.id, &mut step.sound)
        });
        let rules = sheet.rules.iter_mut().map(|rule| ("rule", rule.id.value.clone(), &rule.id, &mut rule.sound));
        for (what, name, id, sound) in steps.chain(rules).filter(|(_, _, id, _)| !id.value.is_empty()) {
            let (line, _) = file.line_column(id.span.start);
            let here = format!("{}:{line}", file.name);
            if let Some(first) = seen.get(&(file.layer, what, name.clone())) {
                *sound = false;
                let message = format!("the {what} `{}` is defined twice", id.value);
                sheet.problems.add(id.span.clone(), message, format!("first at {first}"));
            } else {
                seen.insert((file.layer, what, name), here);
            }
        }
    }
}

/// `explains` names rules that exist, or areas that have rules.
fn refuse_unknown_explanations(sheets: &mut [Draftsheet<'_>]) {
    let rules = || sheets.iter().flat_map(|sheet| &sheet.rules);
    let ids: BTreeSet<String> = rules().map(|rule| rule.id.value.clone()).collect();
    let areas: BTreeSet<String> = rules().map(|rule| format!("area:{}", rule.entry.area)).collect();
    for sheet in sheets {
        for rule in &mut sheet.rules {
            for named in &rule.explains {
                let known = if named.value.starts_with("area:") { &areas } else { &ids };
                if !known.contains(&named.value) {
                    rule.sound = false;
                    let what = if named.value.starts_with("area:") { "area" } else { "rule" };
                    let near = did_you_mean(&named.value, known.iter().map(String::as_str));
                    let name = named.value.trim_start_matches("area:");
                    sheet.problems.add(
                        named.span.clone(),
                        format!("`explains` names an unknown {what} `{name}`"),
                        near,
                    );
                }
            }
        }
    }
}
