//! Texts with `{placeholders}`: titles, causes, commands and the arguments of probes. `{{` and `}}` are braces.

use std::ops::Range;

use super::expr::Names;
use crate::evidence::{Value, printable};
use crate::host::quote;

/// A text with its placeholders filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// the text; what is not known reads `(unknown)`
    pub text: String,
    /// names without a value
    pub unknown: Vec<String>,
}

impl Rendered {
    /// All placeholders were known.
    pub fn complete(&self) -> bool {
        self.unknown.is_empty()
    }
}

/// Fills in a sentence.
pub fn render(text: &str, names: &dyn Names) -> Rendered {
    fill(text, names, |value, _| printable(&value.to_string()))
}

/// Fills in a command that somebody will paste into a shell. Values come from logs that strangers write, so
/// each is quoted as its place in the command needs.
///
/// A line that is nothing but one placeholder is a whole command that a step or probe has put together: its words
/// stay words, as long as a shell sees nothing but words in it.
pub fn render_command(text: &str, names: &dyn Names) -> Rendered {
    if let [Piece::Name { name, .. }] = pieces(text).as_slice()
        && let Some(Value::Text(command)) = names.get(name)
        && only_words(&command)
    {
        return Rendered { text: command, unknown: Vec::new() };
    }
    fill(text, names, |value, before| {
        let shell = Quotes::at_end_of(before);
        match value {
            Value::List(items) => items.iter().map(|i| shell.protect(&printable(i))).collect::<Vec<_>>().join(" "),
            other => shell.protect(&printable(&other.to_string())),
        }
    })
}

fn only_words(command: &str) -> bool {
    !command.is_empty() && command.chars().all(|c| c.is_ascii_alphanumeric() || "@%+=:,./_- ".contains(c))
}

fn fill(text: &str, names: &dyn Names, show: impl Fn(&Value, &str) -> String) -> Rendered {
    let mut rendered = Rendered { text: String::new(), unknown: Vec::new() };
    for piece in pieces(text) {
        match piece {
            Piece::Text(plain) => rendered.text.push_str(plain),
            Piece::Name { name, .. } => {
                if let Some(value) = names.get(name) {
                    let shown = show(&value, &rendered.text);
                    rendered.text.push_str(&shown);
                } else {
                    rendered.text.push_str("(unknown)");
                    rendered.unknown.push(name.to_owned());
                }
            }
            Piece::Wrong { range, .. } => rendered.text.push_str(&text[range]),
        }
    }
    rendered
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// as it stands
    Text(&'t str),
    /// a placeholder; the range includes the braces
    Name {
        /// dotted name
        name: &'t str,
        /// where
        range: Range<usize>,
    },
    /// a brace that opens or closes nothing
    Wrong {
        /// where
        range: Range<usize>,
        /// in words
        why: &'static str,
    },
}

/// Takes a text apart; nothing of it is lost.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(['{', '}']) {
        let brace = at + found;
        if at < brace {
            pieces.push(Piece::Text(&text[at..brace]));
        }
        let rest = &text[brace..];
        at = if rest.starts_with("{{") || rest.starts_with("}}") {
            pieces.push(Piece::Text(&rest[..1]));
            brace + 2
        } else if rest.starts_with('}') {
            pieces.push(Piece::Wrong { range: brace..brace + 1, why: "a brace that closes nothing; write `}}`" });
            brace + 1
        } else {
            let end = rest.find('}').filter(|&end| is_name(&rest[1..end]));
            if let Some(end) = end {
                pieces.push(Piece::Name { name: &rest[1..end], range: brace..brace + end + 1 });
                brace + end + 1
            } else {
                let why = "a placeholder is a name in braces; for a brace write `{{`";
                pieces.push(Piece::Wrong { range: brace..brace + 1, why });
                brace + 1
            }
        };
    }
    if at < text.len() {
        pieces.push(Piece::Text(&text[at..]));
    }
    pieces
}

/// A dotted name, as in placeholders.
fn is_name(text: &str) -> bool {
    text.split('.').all(|part| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// Which quotes are open at some place of a shell command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Single,
    Double,
}

impl Quotes {
    fn at_end_of(command: &str) -> Self {
        let mut state = Quotes::None;
        let mut chars = command.chars();
        while let Some(c) = chars.next() {
            state = match (state, c) {
                (Quotes::None, '\'') => Quotes::Single,
                (Quotes::None, '"') => Quotes::Double,
                (Quotes::Single, '\'') | (Quotes::Double, '"') => Quotes::None,
                (Quotes::None | Quotes::Double, '\\') => {
                    chars.next();
                    state
                }
                _ => state,
            };
        }
        state
    }

    fn protect(self, word: &str) -> String {
        match self {
            Quotes::None => quote(word),
            Quotes::Single => word.replace('\'', r"'\''"),
            Quotes::Double => word.chars().fold(String::new(), |mut safe, c| {
                if "$`\"\\!".contains(c) {
                    safe.push('\\');
                }
                safe.push(c);
                safe
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Fields;

    fn names() -> Fields {
        Fields::from([
            ("path".to_owned(), "/etc/postfix/main.cf".into()),
            ("evil".to_owned(), "a'; rm $(x) \u{1b}[2J".into()),
            ("ep.unit".to_owned(), "opendkim.service".into()),
            ("files".to_owned(), Value::List(vec!["a".into(), "b c".into()])),
            ("gone".to_owned(), false.into()),
        ])
    }

    #[test]
    fn fills_in_what_is_known() {
        let rendered = render("{path}: {ep.unit}, {files}, {gone}, {what.else} {{x}}", &names());
        assert_eq!(rendered.text, "/etc/postfix/main.cf: opendkim.service, a, b c, no, (unknown) {x}");
        assert_eq!(rendered.unknown, ["what.else"]);
        assert!(!rendered.complete());
    }

    #[test]
    fn quotes_what_strangers_wrote() {
        let command = |text| render_command(text, &names()).text;
        assert_eq!(command("ls {path} {files}"), "ls /etc/postfix/main.cf a 'b c'");
        assert_eq!(command("ls {evil}"), r"ls 'a'\''; rm $(x) ?[2J'");
        assert_eq!(command("postconf -e 'x = {evil}'"), r"postconf -e 'x = a'\''; rm $(x) ?[2J'");
        assert_eq!(command("postconf -e \"x = {evil}\""), r#"postconf -e "x = a'; rm \$(x) ?[2J""#);
        assert_eq!(command("echo \"\\\"\" {evil}"), r#"echo "\"" 'a'\''; rm $(x) ?[2J'"#);
    }

    #[test]
    fn braces_that_are_no_placeholders_stay() {
        assert_eq!(render("a { b } {c-d} }", &names()).text, "a { b } {c-d} }");
        assert_eq!(pieces("{}").len(), 2);
    }
}
