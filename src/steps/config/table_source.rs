//! The text of a lookup table: keys and values, lines that are not read as they were meant, patterns that match
//! everything, and content that is written for another table type.

use super::look::Look;
use super::tables::{TableRef, index_suffix, reads_text};
use crate::evidence::{Evidence, Observation, PROBE_HOST};
use crate::host::Run;

/// A key with its value, as postmap or postalias read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: String,
    /// first line, from 1
    pub(crate) row: u64,
}

/// Logical lines: a line that begins with blanks continues the one before; comments and empty lines do not count.
pub(crate) fn logical(lines: &[String]) -> Vec<(u64, String)> {
    let mut all: Vec<(u64, String)> = Vec::new();
    for (row, line) in (1u64..).zip(lines) {
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if line.starts_with([' ', '\t'])
            && let Some((_, last)) = all.last_mut()
        {
            last.push(' ');
            last.push_str(trimmed.trim_end());
        } else {
            all.push((row, line.trim_end().to_owned()));
        }
    }
    all
}

/// The entries of a source of an indexed table, or of aliases.
pub(crate) fn entries(lines: &[String], aliases: bool) -> Vec<Entry> {
    logical(lines)
        .into_iter()
        .filter_map(|(row, line)| {
            let (key, value) = if aliases { split_alias(&line)? } else { line.split_once([' ', '\t'])? };
            Some(Entry { key: key.trim().trim_matches('"').to_owned(), value: value.trim().to_owned(), row })
        })
        .collect()
}

/// `name: value`, with a name that may be quoted.
fn split_alias(line: &str) -> Option<(&str, &str)> {
    let quoted = line.starts_with('"').then(|| line[1..].find('"').map(|i| i + 2)).flatten().unwrap_or(0);
    let colon = line.get(quoted..)?.find(':')? + quoted;
    Some((&line[..colon], &line[colon + 1..]))
}

pub(super) fn observe(look: &Look<'_>, table: &TableRef) {
    let Some(path) = table.path() else { return };
    if !reads_text(&table.ty) && index_suffix(&table.ty).is_none() {
        return;
    }
    let Ok(lines) = look.lines(path) else { return };
    if wrong_type(look, table, path, &lines) {
        return;
    }
    match table.ty.as_str() {
        "pcre" | "regexp" | "cidr" => patterns(look, table, path, &lines),
        _ if table.is_aliases() => aliases(look, table, path, &lines),
        _ => {
            pairs(look, table, path, &lines);
            swallows(look, table, path, &lines);
        }
    }
    as_postfix_reads_it(look, table, path, &lines);
}

fn syntax(look: &Look<'_>, table: &TableRef, path: &str, row: u64, problem: &str, text: &str, content: &str) {
    look.emit(
        Observation::now("table-syntax")
            .with("table", table.spelled.as_str())
            .with("type", table.ty.as_str())
            .with("path", path)
            .with("parameter", table.parameter.as_str())
            .with("row", i64::try_from(row).unwrap_or(0))
            .with("problem", problem)
            .with("text", text)
            .with("content", content)
            .seen(Evidence::at(path, row, content)),
    );
}

fn leading_blank(look: &Look<'_>, table: &TableRef, path: &str, lines: &[String]) {
    let first = (1u64..).zip(lines).find(|(_, l)| !l.trim().is_empty() && !l.trim_start().starts_with('#'));
    if let Some((row, line)) = first
        && line.starts_with([' ', '\t'])
    {
        syntax(look, table, path, row, "leading-blank", "the first entry begins with a blank", line);
    }
}

fn pairs(look: &Look<'_>, table: &TableRef, path: &str, lines: &[String]) {
    leading_blank(look, table, path, lines);
    let mut seen: std::collections::HashMap<String, u64> = std::collections::HashMap::new();
    for (row, line) in logical(lines) {
        let Some((key, value)) = line.split_once([' ', '\t']) else {
            syntax(look, table, path, row, "no-value", "a key without a value", &line);
            continue;
        };
        // Address and transport keys never end in a colon: this is written as in an aliases file.
        if key.ends_with(':') && key.len() > 1 && !key.contains("::") && !value.trim().is_empty() {
            syntax(
                look,
                table,
                path,
                row,
                "colon",
                "a colon after the key, as in an aliases file, is part of the key",
                &line,
            );
        }
        if let Some(first) = seen.insert(key.to_lowercase(), row) {
            let text = format!("the key stands in line {first} as well; postmap warns and keeps the first");
            syntax(look, table, path, row, "duplicate-key", &text, &line);
        }
    }
}

/// Entries for a whole domain or for everything that take mail from users of this host without a word.
fn swallows(look: &Look<'_>, table: &TableRef, path: &str, lines: &[String]) {
    let all = entries(lines, false);
    let has = |key: &str| all.iter().any(|e| e.key.eq_ignore_ascii_case(key));
    let own = |name: &str| {
        let items = look.items(name).into_iter().filter(|d| d.contains('.') && !d.contains(['/', ':']));
        items.filter(|d| !d.starts_with("localhost")).collect::<Vec<_>>()
    };
    let tell = |entry: &Entry, what: &str, domains: Vec<String>| {
        look.emit(
            Observation::now("table-swallows")
                .with("table", table.spelled.as_str())
                .with("path", path)
                .with("parameter", table.parameter.as_str())
                .with("row", i64::try_from(entry.row).unwrap_or(0))
                .with("key", entry.key.as_str())
                .with("value", entry.value.as_str())
                .with("what", what)
                .with("domains", domains.join(", "))
                .seen(Evidence::at(path, entry.row, format!("{} {}", entry.key, entry.value))),
        );
    };
    for entry in &all {
        if table.parameter == "transport_maps" && entry.key == "*" {
            let mut open = own("mydestination");
            open.retain(|d| !has(d) && !d.match_indices('.').any(|(at, _)| has(&d[at..])));
            if !open.is_empty() {
                tell(entry, "wildcard", open);
            }
        } else if table.parameter == "virtual_alias_maps"
            && let Some(domain) = entry.key.strip_prefix('@').map(str::to_ascii_lowercase)
            && !entry.value.to_ascii_lowercase().contains(&entry.key.to_ascii_lowercase())
        {
            // Mailboxes of such a domain are kept by entries that map an address to itself.
            let kept = all.iter().any(|e| e.key.ends_with(&entry.key) && e.key == e.value);
            let class = ["mydestination", "virtual_mailbox_domains"].iter().find(|c| own(c).contains(&domain));
            if let Some(class) = class.filter(|_| !kept) {
                tell(
                    entry,
                    if *class == "mydestination" { "catch-all-local" } else { "catch-all-virtual" },
                    vec![domain],
                );
            }
        }
    }
}

fn aliases(look: &Look<'_>, table: &TableRef, path: &str, lines: &[String]) {
    leading_blank(look, table, path, lines);
    for (row, line) in logical(lines) {
        match split_alias(&line) {
            None => syntax(look, table, path, row, "no-colon", "an alias without a colon after its name", &line),
            Some((_, value)) if value.trim().is_empty() => {
                syntax(look, table, path, row, "no-value", "an alias without a destination", &line);
            }
            Some((name, _)) if name.contains('@') && !name.contains('"') => {
                syntax(
                    look,
                    table,
                    path,
                    row,
                    "domain-in-alias",
                    "alias names are local: name@domain never matches here",
                    &line,
                );
            }
            Some(_) => {}
        }
    }
}

fn patterns(look: &Look<'_>, table: &TableRef, path: &str, lines: &[String]) {
    let mut open: Vec<u64> = Vec::new();
    for (row, line) in logical(lines) {
        let lower = line.to_ascii_lowercase();
        if lower.starts_with("if ") || lower.starts_with("if\t") || lower.starts_with("if/") || lower.starts_with("if!")
        {
            open.push(row);
            continue;
        }
        if lower == "endif" || lower.starts_with("endif ") {
            if open.pop().is_none() {
                syntax(look, table, path, row, "unclosed-if", "endif without if", &line);
            }
            continue;
        }
        if let Some((pattern, action)) = split_pattern(&line, &table.ty) {
            if action.is_empty() {
                syntax(look, table, path, row, "no-value", "a pattern without a result", &line);
            } else if open.is_empty() && matches_everything(pattern, &table.ty, &table.parameter) {
                rejects_all(look, table, path, row, pattern, action, &line);
            }
        } else if table.ty != "cidr" {
            syntax(
                look,
                table,
                path,
                row,
                "no-delimiter",
                "the pattern has no delimiters, or the second one is missing",
                &line,
            );
        }
    }
    for row in open {
        let line = lines.get(usize::try_from(row).unwrap_or(1) - 1).map_or("", String::as_str);
        syntax(look, table, path, row, "unclosed-if", "if without endif", line);
    }
}

/// Pattern and result of a line of a pcre, regexp or cidr table.
fn split_pattern<'l>(line: &'l str, ty: &str) -> Option<(&'l str, &'l str)> {
    let line = line.strip_prefix('!').unwrap_or(line).trim_start();
    if ty == "cidr" {
        return Some(line.split_once([' ', '\t']).map_or((line, ""), |(p, r)| (p, r.trim())));
    }
    let delimiter = line.chars().next()?;
    if delimiter.is_alphanumeric() || delimiter.is_whitespace() {
        return None;
    }
    let mut escaped = false;
    for (at, c) in line.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == delimiter {
            let rest = &line[at + c.len_utf8()..];
            let flags = rest.find([' ', '\t']).unwrap_or(rest.len());
            return Some((&line[delimiter.len_utf8()..at], rest[flags..].trim()));
        }
    }
    None
}

fn matches_everything(pattern: &str, ty: &str, parameter: &str) -> bool {
    if ty == "cidr" {
        return super::networks::is_everybody(pattern);
    }
    if matches!(
        pattern,
        "" | "."
            | ".*"
            | ".+"
            | "^"
            | "$"
            | "^.*"
            | ".*$"
            | "^.*$"
            | "^.+$"
            | "^."
            | ".?"
            | "(.*)"
            | "^(.*)$"
            | "[^x]*"
    ) {
        return true;
    }
    // A header that every message has.
    parameter.ends_with("header_checks") && {
        let bare = pattern.trim_start_matches('^').trim_end_matches(['*', '.', '$', '+', ' ']).to_ascii_lowercase();
        matches!(bare.trim_end_matches(':'), "received" | "from" | "date" | "to" | "message-id" | "subject")
            && bare.len() > 1
    }
}

fn rejects_all(look: &Look<'_>, table: &TableRef, path: &str, row: u64, pattern: &str, action: &str, line: &str) {
    let word = action.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    let refuses = matches!(word.as_str(), "REJECT" | "DISCARD" | "HOLD" | "DEFER" | "DEFER_IF_PERMIT")
        || (word.len() == 3 && word.starts_with(['4', '5']) && word.bytes().all(|b| b.is_ascii_digit()));
    if !refuses {
        return;
    }
    look.emit(
        Observation::now("table-rejects-all")
            .with("table", table.spelled.as_str())
            .with("path", path)
            .with("parameter", table.parameter.as_str())
            .with("row", i64::try_from(row).unwrap_or(0))
            .with("pattern", pattern)
            .with("action", word)
            .with("content", line)
            .seen(Evidence::at(path, row, line))
            .seen(table.place.evidence()),
    );
}

/// A pattern file under an indexed type never matches, and a list of plain keys under pcre: is refused.
fn wrong_type(look: &Look<'_>, table: &TableRef, path: &str, lines: &[String]) -> bool {
    let all = logical(lines);
    let is_pattern = |l: &str| {
        let body = l.strip_prefix('!').unwrap_or(l);
        body.starts_with('/')
            && split_pattern(body, "pcre").is_some_and(|(p, r)| !p.is_empty() && !r.is_empty() && !p.contains(' '))
            && body[1..].find('/').is_some_and(|i| i < body.len() - 2)
            && !body.split_whitespace().next().is_some_and(|w| w.starts_with('/') && !w[1..].contains('/'))
    };
    let is_network = |l: &str| {
        l.split_whitespace().next().is_some_and(|w| {
            w.split_once('/').is_some_and(|(a, b)| {
                a.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok() && b.parse::<u8>().is_ok()
            })
        })
    };
    let mut looks_like = None;
    match table.ty.as_str() {
        "pcre" | "regexp" => {
            if !all.is_empty()
                && all
                    .iter()
                    .all(|(_, l)| split_pattern(l, "pcre").is_none() && !l.to_ascii_lowercase().starts_with("if"))
            {
                let (row, line) = &all[0];
                let ty = if is_network(line) { "cidr" } else { "hash" };
                looks_like = Some((ty, *row, line.clone()));
            }
        }
        "cidr" => {}
        _ => {
            if let Some((row, line)) = all.iter().find(|(_, l)| is_pattern(l)) {
                looks_like = Some(("pcre", *row, line.clone()));
            } else if let Some((row, line)) = all.iter().find(|(_, l)| is_network(l)) {
                looks_like = Some(("cidr", *row, line.clone()));
            }
        }
    }
    let Some((ty, row, line)) = looks_like else { return false };
    let ty = if ty == "hash" { index_type(look) } else { ty.to_owned() };
    look.emit(
        table
            .place
            .mark(
                Observation::now("table-wrong-type")
                    .with("table", table.spelled.as_str())
                    .with("type", table.ty.as_str())
                    .with("path", path)
                    .with("parameter", table.parameter.as_str())
                    .with("looks_like", ty)
                    .with("content", line.as_str())
                    .with("row", i64::try_from(row).unwrap_or(0)),
            )
            .seen(Evidence::at(path, row, &line)),
    );
    true
}

fn index_type(look: &Look<'_>) -> String {
    let ty = look.text("default_database_type");
    if ty.is_empty() { "hash".to_owned() } else { ty }
}

/// Lets Postfix read the table: it names the lines that it does not like.
fn as_postfix_reads_it(look: &Look<'_>, table: &TableRef, path: &str, lines: &[String]) {
    if look.allowed < PROBE_HOST || !reads_text(&table.ty) {
        return;
    }
    let Ok(ran) = look.run(&Run::new("postmap", &["-q", "postdoctor.invalid", &table.spelled])) else { return };
    let err = ran.err();
    for said in err.lines().filter(|l| l.contains("warning:") && l.contains("line ")) {
        let Some(row) = said
            .split("line ")
            .nth(1)
            .and_then(|r| r.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse::<u64>().ok()))
        else {
            continue;
        };
        let text = said.split("warning: ").nth(1).unwrap_or(said);
        let content = row.checked_sub(1).and_then(|at| lines.get(usize::try_from(at).ok()?)).map_or("", String::as_str);
        let problem = if text.contains("non-null host address bits") {
            "host-bits"
        } else if table.ty == "cidr" {
            "bad-network"
        } else {
            "bad-regex"
        };
        syntax(look, table, path, row, problem, text, content);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn continuation_and_comments() {
        let all = logical(&lines("# c\na b\n  c\n\nd e\n"));
        assert_eq!(all, [(2, "a b c".to_owned()), (5, "d e".to_owned())]);
    }

    #[test]
    fn aliases_have_colons_and_maybe_quotes() {
        let all = entries(&lines("root: alice\n\"a:b\": c, d\nx\n"), true);
        assert_eq!(all.len(), 2);
        assert_eq!(all[1].key, "a:b");
        assert_eq!(all[1].value, "c, d");
    }

    #[test]
    fn patterns_are_split_at_an_unescaped_delimiter() {
        assert_eq!(split_pattern(r"/a\/b/i REJECT x", "pcre"), Some((r"a\/b", "REJECT x")));
        assert_eq!(split_pattern("/open REJECT", "pcre"), None);
        assert_eq!(split_pattern("10.0.0.0/8 OK", "cidr"), Some(("10.0.0.0/8", "OK")));
        assert_eq!(split_pattern("ü/x", "pcre"), None);
    }

    #[test]
    fn what_matches_everything() {
        assert!(matches_everything(".*", "pcre", "header_checks"));
        assert!(matches_everything("^Subject:", "regexp", "header_checks"));
        assert!(!matches_everything("^Subject: viagra", "regexp", "header_checks"));
        assert!(!matches_everything("^Subject:", "regexp", "body_checks"));
        assert!(matches_everything("0.0.0.0/0", "cidr", "smtpd_client_restrictions"));
    }
}
