//! What is wrong with a playbook or rule file, shown with file:line:column, the source line and a caret.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::evidence::printable;

/// A playbook or rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// its path, as it is shown
    pub name: String,
    /// what it says
    pub text: Arc<str>,
    /// 0: ours; a rule of a higher layer replaces one with the same id of a lower layer
    pub layer: u32,
}

impl SourceFile {
    /// A file of this layer.
    pub fn new(name: impl Into<String>, text: impl Into<Arc<str>>, layer: u32) -> Self {
        SourceFile { name: name.into(), text: text.into(), layer }
    }

    /// Line and column of a place in it, from 1; the column counts characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = memchr::memrchr(b'\n', before.as_bytes()).map_or(0, |newline| newline + 1);
        (memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// One error in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// where it is
    pub file: SourceFile,
    /// which bytes of it; none: the file as a whole (it may not be read)
    pub span: Option<Range<usize>>,
    /// what is wrong
    pub message: String,
    /// said beside the caret: `did you mean …`; may be empty
    pub label: String,
}

impl Diagnostic {
    /// As it is shown; `colour` for a terminal.
    pub fn render(&self, colour: bool) -> String {
        let message = printable(&self.message);
        let Some(span) = self.span.clone() else {
            let label = if self.label.is_empty() { String::new() } else { format!(": {}", printable(&self.label)) };
            return format!("error: {message}\n  --> {}{label}", printable(&self.file.name));
        };
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let label = printable(&self.label);
        let label = (!label.is_empty()).then_some(label.as_str());
        let snippet = Snippet::source(&*self.file.text)
            .path(printable(&self.file.name))
            .annotation(AnnotationKind::Primary.span(self.on_one_line(span)).label(label));
        let report = &[Level::ERROR.primary_title(message).element(snippet)];
        renderer.render(report)
    }

    /// Several lines under a caret help nobody: the first one is enough.
    fn on_one_line(&self, span: Range<usize>) -> Range<usize> {
        let text = &self.file.text;
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
        let line = text[start..end].find('\n').map_or(end, |newline| start + newline);
        start..line
    }
}

/// All of them, with the count and what follows from it.
pub fn render_all(diagnostics: &[Diagnostic], colour: bool) -> String {
    let mut shown = String::new();
    for diagnostic in diagnostics {
        let _ = writeln!(shown, "{}", diagnostic.render(colour));
    }
    let mut files: Vec<&str> = diagnostics.iter().map(|d| d.file.name.as_str()).collect();
    files.dedup();
    let errors = if diagnostics.len() == 1 { "1 error".to_owned() } else { format!("{} errors", diagnostics.len()) };
    let _ = match files.len() {
        0 => Ok(()),
        1 => writeln!(shown, "{errors}; the file is not used"),
        many => writeln!(shown, "{errors} in {many} files; they are not used"),
    };
    shown
}

/// `did you mean …` for a misspelled word; empty if nothing is near.
pub(super) fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    nearest(word, candidates).map_or_else(String::new, |near| format!("did you mean `{near}`?"))
}

/// The candidate nearest to a misspelled word, if one is near enough to be meant.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let near_enough = 1 + word.chars().count() / 4;
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= near_enough)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
