//! A log and its rotated older parts: which names belong together, and in which order they were written.

/// Orders the names of `directory`'s files that are `base` or older parts of it, oldest first.
pub(crate) fn members(base: &str, names: &[String]) -> Vec<String> {
    let mut found: Vec<((u8, i64), &String)> =
        names.iter().filter_map(|name| Some((age(name.strip_prefix(base)?)?, name))).collect();
    // Both schemes in one directory: whoever changed the scheme left the dated or the numbered ones as the older.
    found.sort();
    found.into_iter().map(|(_, name)| name.clone()).collect()
}

/// What a suffix says of the age: smaller is older. None: not a part of the family.
fn age(suffix: &str) -> Option<(u8, i64)> {
    let suffix = [".gz", ".bz2", ".xz", ".zst"].iter().find_map(|z| suffix.strip_suffix(z)).unwrap_or(suffix);
    if suffix.is_empty() {
        return Some((9, 0));
    }
    if suffix == ".old" {
        return Some((2, 0));
    }
    let rest = suffix.strip_prefix(['.', '-'])?;
    let (digits, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
    if !tail.is_empty() && !tail.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_' | b'T')) {
        return None;
    }
    match digits.len() {
        1..=3 if tail.is_empty() => Some((1, -digits.parse::<i64>().ok()?)),
        4.. => {
            let all: String = rest.chars().filter(char::is_ascii_digit).take(17).collect();
            // Padded, so that a date with an hour sorts within its day.
            Some((0, format!("{all:0<17}").parse().ok()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::members;

    fn of(base: &str, names: &[&str]) -> Vec<String> {
        members(base, &names.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn rotated() {
        assert_eq!(
            of(
                "mail.log",
                &["mail.log", "mail.log.1", "mail.log.10.gz", "mail.log.2.gz", "mail.log.swp", "mail.logs", "mail.err"]
            ),
            ["mail.log.10.gz", "mail.log.2.gz", "mail.log.1", "mail.log"]
        );
        assert_eq!(
            of(
                "maillog",
                &["maillog", "maillog-20261101", "maillog-20261108.xz", "maillog-20260101-1699999", "maillog.old"]
            ),
            ["maillog-20260101-1699999", "maillog-20261101", "maillog-20261108.xz", "maillog.old", "maillog"]
        );
        assert_eq!(of("mail", &["mail", "mail.log", "mail.err", "mail-x", "mail.1"]), ["mail.1", "mail"]);
    }
}
