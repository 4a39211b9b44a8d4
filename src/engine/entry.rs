//! Reads the tables of a TOML file against their declared keys, keeping places. serde would stop at the first
//! error of a file; here each wrong key is reported and left out, and the reading goes on.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, SourceFile, did_you_mean};
use super::keys::{Key, Shape};

/// Collects what is wrong with one file.
pub(super) struct Problems<'f> {
    pub(super) file: &'f SourceFile,
    pub(super) found: Vec<Diagnostic>,
}

impl<'f> Problems<'f> {
    pub(super) fn of(file: &'f SourceFile) -> Self {
        Problems { file, found: Vec::new() }
    }

    pub(super) fn add(&mut self, span: Range<usize>, message: impl Into<String>, label: impl Into<String>) {
        let (message, label) = (message.into(), label.into());
        self.found.push(Diagnostic { file: self.file.clone(), span: Some(span), message, label });
    }
}

/// A text of a file and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) value: String,
    /// with its quotes
    pub(super) span: Range<usize>,
    /// where its first byte stands, if it stands in the file as it is, without escapes
    verbatim: Option<usize>,
}

impl Text {
    fn new(value: &str, span: Range<usize>, file: &str) -> Self {
        let written = file.get(span.clone()).unwrap_or_default();
        let quotes = if written.starts_with("'''") || written.starts_with("\"\"\"") { 3 } else { 1 };
        // A newline right after three quotes is not part of the text.
        let verbatim = (quotes..quotes + 3)
            .find(|&skip| written.get(skip..).is_some_and(|rest| rest.starts_with(value)))
            .map(|skip| span.start + skip);
        Text { value: value.to_owned(), span, verbatim }
    }

    /// The id of an entry that has none.
    pub(super) fn nameless(header: Range<usize>) -> Self {
        Text { value: String::new(), span: header, verbatim: None }
    }

    /// The place of a part of the value; the whole text where escapes hide it.
    pub(super) fn part(&self, range: Range<usize>) -> Range<usize> {
        match self.verbatim {
            Some(start) if range.end <= self.value.len() => start + range.start..start + range.end,
            _ => self.span.clone(),
        }
    }
}

/// A table, with those of its values that have the declared shape.
pub(super) struct Entry<'t> {
    /// where it begins: its header
    pub(super) header: Range<usize>,
    file: &'t SourceFile,
    values: BTreeMap<&'static str, &'t Spanned<DeValue<'t>>>,
    /// keys that are there with a wrong value
    wrong: Vec<&'static str>,
}

impl<'t> Entry<'t> {
    /// Checks the table against its keys.
    pub(super) fn read(
        what: &'static str,
        keys: &'static [Key],
        header: Range<usize>,
        table: &'t DeTable<'t>,
        problems: &mut Problems<'t>,
    ) -> Self {
        let (mut values, mut wrong) = (BTreeMap::new(), Vec::new());
        for (name, value) in table {
            let word: &str = name.get_ref();
            let Some(key) = keys.iter().find(|key| key.name == word) else {
                let near = did_you_mean(word, keys.iter().map(|key| key.name));
                problems.add(name.span(), format!("a {what} has no key `{word}`"), near);
                continue;
            };
            if let Err(expected) = fits(key.shape, value) {
                let (message, label) = expected.say(word);
                problems.add(value.span(), message, label);
                wrong.push(key.name);
                continue;
            }
            values.insert(key.name, value);
        }
        for key in keys.iter().filter(|key| key.required) {
            if !table.keys().any(|name| name.get_ref() == key.name) {
                problems.add(header.clone(), format!("this {what} has no `{}`", key.name), key.doc);
            }
        }
        Entry { header, file: problems.file, values, wrong }
    }

    /// The key stands there, with a good value or a wrong one.
    pub(super) fn mentions(&self, key: &str) -> bool {
        self.values.contains_key(key) || self.wrong.contains(&key)
    }

    /// The place of a key's value.
    pub(super) fn span(&self, key: &str) -> Option<Range<usize>> {
        self.values.get(key).map(|value| value.span())
    }

    pub(super) fn text(&self, key: &str) -> Option<Text> {
        self.texts(key).into_iter().next()
    }

    /// The text alone, empty if it is not there.
    pub(super) fn string(&self, key: &str) -> String {
        self.text(key).map(|text| text.value).unwrap_or_default()
    }

    pub(super) fn texts(&self, key: &str) -> Vec<Text> {
        let Some(value) = self.values.get(key) else { return Vec::new() };
        each(value)
            .filter_map(|one| one.get_ref().as_str().map(|s| Text::new(s, one.span(), &self.file.text)))
            .collect()
    }

    pub(super) fn strings(&self, key: &str) -> Vec<String> {
        self.texts(key).into_iter().map(|text| text.value).collect()
    }

    pub(super) fn bool(&self, key: &str) -> Option<bool> {
        self.values.get(key).and_then(|value| value.get_ref().as_bool())
    }

    pub(super) fn int(&self, key: &str) -> Option<i64> {
        self.values.get(key).and_then(|value| integer(value.get_ref()))
    }

    /// The tables of a list of tables, each with its place.
    pub(super) fn tables(&self, key: &str) -> Vec<(Range<usize>, &'t DeTable<'t>)> {
        self.values.get(key).copied().map(tables).unwrap_or_default()
    }
}

/// The tables that a value is: one, or a list of them.
pub(super) fn tables<'t>(value: &'t Spanned<DeValue<'t>>) -> Vec<(Range<usize>, &'t DeTable<'t>)> {
    each(value).filter_map(|one| one.get_ref().as_table().map(|table| (one.span(), table))).collect()
}

/// A number as TOML writes it.
fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A scalar of a probe's arguments as text: numbers and truth values may be written bare.
pub(super) fn argument(value: &Spanned<DeValue<'_>>, file: &SourceFile) -> Option<Text> {
    let bare = |value: String| Text { value, span: Range::default(), verbatim: None };
    match value.get_ref() {
        DeValue::String(text) => Some(Text::new(text, value.span(), &file.text)),
        DeValue::Boolean(truth) => Some(bare(truth.to_string())),
        number @ DeValue::Integer(_) => integer(number).map(|number| bare(number.to_string())),
        _ => None,
    }
}

/// The items of a list; a single value is a list of one.
fn each<'t>(value: &'t Spanned<DeValue<'t>>) -> Box<dyn Iterator<Item = &'t Spanned<DeValue<'t>>> + 't> {
    match value.get_ref() {
        DeValue::Array(items) => Box::new(items.iter()),
        _ => Box::new(std::iter::once(value)),
    }
}

/// Why a value does not fit.
enum Misfit {
    Expected(String),
    Empty,
    Word(String, &'static [&'static str]),
}

impl Misfit {
    fn say(self, key: &str) -> (String, String) {
        match self {
            Misfit::Expected(what) => (format!("`{key}` is {what}"), String::new()),
            Misfit::Empty => (format!("`{key}` is empty"), String::new()),
            Misfit::Word(word, words) => {
                let near = did_you_mean(&word, words.iter().copied());
                let label = if near.is_empty() { format!("one of {}", words.join(", ")) } else { near };
                (format!("`{key}` cannot be `{word}`"), label)
            }
        }
    }
}

fn fits(shape: Shape, value: &Spanned<DeValue<'_>>) -> Result<(), Misfit> {
    let expected = |what: &str| Err(Misfit::Expected(what.to_owned()));
    let text = |value: &DeValue<'_>| match value.as_str() {
        Some(text) if text.trim().is_empty() => Err(Misfit::Empty),
        Some(_) => Ok(()),
        None => expected("a text in quotes"),
    };
    match (shape, value.get_ref()) {
        (Shape::Text, value) => text(value),
        (Shape::Texts, DeValue::Array(items)) => {
            let fit = items.iter().try_for_each(|item| text(item.get_ref()));
            fit.or_else(
                |misfit| if matches!(misfit, Misfit::Empty) { Err(misfit) } else { expected("a list of texts") },
            )
        }
        (Shape::Texts, DeValue::String(_)) => text(value.get_ref()),
        (Shape::Texts, _) => expected("a text or a list of texts"),
        (Shape::OneOf(words), value) => match value.as_str() {
            Some(word) if words.contains(&word) => Ok(()),
            Some(word) => Err(Misfit::Word(word.to_owned(), words)),
            None => Err(Misfit::Expected(format!("one of {}", words.join(", ")))),
        },
        (Shape::Bool, value) => value.as_bool().map_or_else(|| expected("true or false"), |_| Ok(())),
        (Shape::Int(least, most), value) => match integer(value) {
            Some(number) if (least..=most).contains(&number) => Ok(()),
            _ => Err(Misfit::Expected(format!("a number from {least} to {most}"))),
        },
        (Shape::Tables, DeValue::Table(_)) => Ok(()),
        (Shape::Tables, DeValue::Array(items)) if items.iter().all(|item| item.get_ref().is_table()) => Ok(()),
        (Shape::Tables, _) => expected("a table or a list of tables"),
    }
}
