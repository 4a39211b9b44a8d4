//! regexp: and pcre: tables, read as Postfix does: the first pattern that matches, with `if` … `endif`, `!`, flags and `$1`.
//!
//! A pattern that the regex crate does not know (look-around, back references) makes the answer unknown: it might
//! have matched.

use regex::{Regex, RegexBuilder};

/// The answer of such a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// the result with its `$1` filled in, and the line of the pattern
    Found(String, u64),
    /// no pattern matches
    NotThere,
    /// the pattern in this line is not understood here
    Unknown(u64),
}

struct Pattern<'l> {
    negated: bool,
    regex: Option<Regex>,
    rest: &'l str,
}

/// Looks a key up in logical lines (line number and text).
pub fn look_up(lines: &[(u64, String)], key: &str) -> Answer {
    // Depth of blocks whose condition is false; what stands in them is skipped.
    let mut skipping = 0_u32;
    for (row, line) in lines {
        let lower = line.to_ascii_lowercase();
        let condition = lower.strip_prefix("if").is_some_and(|rest| rest.starts_with([' ', '\t', '/', '!']));
        if lower == "endif" || lower.starts_with("endif ") {
            skipping = skipping.saturating_sub(1);
        } else if condition && skipping > 0 {
            skipping += 1;
        } else if condition {
            let Some(pattern) = parse(line[2..].trim_start()) else { continue };
            let Some(regex) = pattern.regex else { return Answer::Unknown(*row) };
            skipping = u32::from(regex.is_match(key) == pattern.negated);
        } else if skipping == 0
            && let Some(pattern) = parse(line)
        {
            let Some(regex) = pattern.regex else { return Answer::Unknown(*row) };
            match regex.captures(key) {
                Some(_) if pattern.negated => {}
                Some(found) => return Answer::Found(fill_in(pattern.rest, &found), *row),
                None if pattern.negated => return Answer::Found(pattern.rest.to_owned(), *row),
                None => {}
            }
        }
    }
    Answer::NotThere
}

/// Lines whose result has a `$1`. Where that is not allowed (transport_maps, alias_maps, …) Postfix skips them.
pub fn substitutes(line: &str) -> bool {
    let result = parse(line).map_or("", |pattern| pattern.rest);
    result.replace("$$", "").contains('$')
}

fn parse(line: &str) -> Option<Pattern<'_>> {
    let body = line.strip_prefix('!').map_or(line, str::trim_start);
    let negated = body.len() != line.len();
    let delimiter = body.chars().next().filter(|c| !c.is_alphanumeric() && !c.is_whitespace())?;
    let mut escaped = false;
    let end = body.char_indices().skip(1).find(|(_, c)| {
        let ends = !escaped && *c == delimiter;
        escaped = !escaped && *c == '\\';
        ends
    })?;
    let after = &body[end.0 + delimiter.len_utf8()..];
    let flags = &after[..after.find([' ', '\t']).unwrap_or(after.len())];
    let pattern = body[delimiter.len_utf8()..end.0].replace(&format!("\\{delimiter}"), &delimiter.to_string());
    let regex = RegexBuilder::new(&pattern)
        // Without flags case does not matter; `i` turns that round.
        .case_insensitive(!flags.contains('i'))
        .multi_line(flags.contains('m'))
        .size_limit(1 << 20)
        .build()
        .ok();
    Some(Pattern { negated, regex, rest: after[flags.len()..].trim() })
}

/// `$1`, `${1}`, `$(1)` and `$$`.
fn fill_in(text: &str, found: &regex::Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix('$') {
            out.push('$');
            rest = tail;
            continue;
        }
        let open = rest.starts_with(['{', '(']);
        let number = &rest[usize::from(open)..];
        let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        let Ok(group) = number[..digits].parse::<usize>() else {
            out.push('$');
            continue;
        };
        out.push_str(found.get(group).map_or("", |m| m.as_str()));
        rest = &number[digits..];
        if open {
            rest = rest.strip_prefix(['}', ')']).unwrap_or(rest);
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(table: &str, key: &str) -> Answer {
        let lines: Vec<(u64, String)> = (1..).zip(table.lines().map(str::to_owned)).collect();
        look_up(&lines, key)
    }

    #[test]
    fn the_first_pattern_wins_and_fills_in() {
        let table = "/^(.*)-news@(.*)$/ ${1}@$2\n/^ada/ x$$1\n!/example$/ other";
        assert_eq!(ask(table, "Ada-News@x.example"), Answer::Found("Ada@x.example".to_owned(), 1));
        assert_eq!(ask(table, "ada@x.example"), Answer::Found("x$1".to_owned(), 2));
        assert_eq!(ask(table, "ben@x.test"), Answer::Found("other".to_owned(), 3));
        assert_eq!(ask(table, "ben@x.example"), Answer::NotThere);
        assert!(substitutes("/(a)/ x:$1") && !substitutes("/$1/ a$$1") && !substitutes("endif"));
    }

    #[test]
    fn blocks_and_what_is_not_understood() {
        let table = "if /@a\\.example$/\n/^x/ in-a\nif !/y/\n/./ no-y\nendif\nendif\n/^x/ out";
        assert_eq!(ask(table, "x@a.example"), Answer::Found("in-a".to_owned(), 2));
        assert_eq!(ask(table, "z@a.example"), Answer::Found("no-y".to_owned(), 4));
        assert_eq!(ask(table, "zy@a.example"), Answer::NotThere);
        assert_eq!(ask(table, "x@b.example"), Answer::Found("out".to_owned(), 7));
        assert_eq!(ask("/(?!x)a/ b", "a"), Answer::Unknown(1));
        assert_eq!(ask("/A/i b", "a"), Answer::NotThere);
    }
}
