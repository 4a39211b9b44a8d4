//! `postdoctor explain`: a rule by its id, or each log line on standard input.

use std::io::{BufRead, Read, Write};

use anyhow::Context;

use super::args::{Args, Format};
use super::{exit, open};
use crate::engine::explain::{Explainer, Explanation, rule_in_words};
use crate::evidence::{Fields, printable};

/// Bytes of a line that are looked at; the rest of a longer one is dropped.
const LONGEST: u64 = 64 << 10;

/// Explains; the status is 0 if there was something to say, 3 if no rule has that id.
pub fn run(args: &Args, id: Option<&str>, out: &mut dyn Write) -> anyhow::Result<u8> {
    let knowledge = open::knowledge(args)?;
    let explanations = match id {
        None | Some("-") => {
            let mut explainer = Explainer::new(&knowledge);
            lines(std::io::stdin().lock())?.iter().map(|l| explainer.line(l)).collect()
        }
        Some(id) => {
            // A finding is named rule/cause; the rule explains all its causes.
            let wanted = id.split('/').next().unwrap_or(id);
            let rule = knowledge.rules.iter().find(|r| r.id == wanted);
            let rule =
                rule.with_context(|| open::no_such("rule", wanted, knowledge.rules.iter().map(|r| r.id.as_str())))?;
            vec![rule_in_words(rule, &Fields::new())]
        }
    };
    match args.format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &serde_json::json!({ "lines": explanations }))?;
            writeln!(out)?;
        }
        Format::Text => {
            for explanation in &explanations {
                write(explanation, out)?;
            }
        }
    }
    Ok(exit::HEALTHY)
}

/// All lines of the input; bad bytes replaced, empty lines left out.
fn lines(mut input: impl BufRead) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut bytes = Vec::new();
        if input.by_ref().take(LONGEST).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(lines);
        }
        if bytes.last() != Some(&b'\n') {
            input.skip_until(b'\n')?;
        }
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        if !line.is_empty() {
            lines.push(line);
        }
    }
}

fn write(e: &Explanation, out: &mut dyn Write) -> std::io::Result<()> {
    let width = crate::ui::width();
    if !e.line.is_empty() {
        writeln!(out, "{}", printable(&e.line))?;
    }
    let Some(rule) = &e.rule else { return writeln!(out, "  No rule knows this line.\n") };
    let severity = e.severity.map(|s| format!("{s:?}").to_lowercase()).unwrap_or_default();
    writeln!(out, "{} ({severity}, {rule})", e.title)?;
    let wrap = |text: &str, indent: &str| {
        textwrap::fill(text, textwrap::Options::new(width).initial_indent(indent).subsequent_indent("     "))
    };
    writeln!(out, "{}", wrap(&e.meaning, "     "))?;
    for (name, items) in
        [("Causes, most usual first", &e.causes), ("Look at", &e.look_at), ("Fix", &e.fix), ("Read", &e.docs)]
    {
        if !items.is_empty() {
            writeln!(out, "  {name}")?;
        }
        for item in items {
            writeln!(out, "{}", wrap(item, "   - "))?;
        }
    }
    writeln!(out)
}
