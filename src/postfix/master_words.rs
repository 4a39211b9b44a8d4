//! The words of master.cf: how a line falls into columns and arguments, and what a line looks like.

use super::lines::Logical;

pub(super) const KINDS: &[&str] = &["inet", "unix", "unix-dgram", "fifo", "pass"];
pub(super) const COLUMNS: usize = 8;

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: u64,
}

/// Blank-separated words; `{ … }` stays together.
pub(super) fn tokens(logical: &Logical) -> Vec<Token> {
    let bytes = &logical.text;
    let blank = |b: u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if blank(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        let mut depth = 0_usize;
        while at < bytes.len() {
            match bytes[at] {
                b'{' => depth += 1,
                b'}' if depth > 0 => depth -= 1,
                b if depth == 0 && blank(b) => break,
                _ => {}
            }
            at += 1;
        }
        out.push(Token { text: String::from_utf8_lossy(&bytes[start..at]).into_owned(), line: logical.line_at(start) });
    }
    out
}

/// The first eight words of a line that reads like a service.
pub(super) fn service_words(text: &str) -> Option<Vec<&str>> {
    let words: Vec<&str> = text.split_ascii_whitespace().take(COLUMNS).collect();
    let flag = |w: &str| matches!(w, "y" | "n" | "-");
    let number = |w: &str| w == "-" || w.trim_end_matches('?').bytes().all(|b| b.is_ascii_digit());
    let fits = words.len() == COLUMNS
        && KINDS.contains(&words[1])
        && words[2..5].iter().all(|w| flag(w))
        && words[5..7].iter().all(|w| number(w));
    fits.then_some(words)
}

pub(super) fn looks_like_argument(word: &str) -> bool {
    let name_and_value = word
        .split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    (word.starts_with('-') && word.len() > 1) || name_and_value
}

pub(super) fn is_option(word: &str) -> bool {
    word.starts_with('-') && word != "--"
}

pub(super) fn takes_value(option: &str) -> bool {
    option.as_bytes().get(1) == Some(&b'o')
}
