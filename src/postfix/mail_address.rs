//! Mail addresses: taken apart, written completely, and what is none. Pure text; domains and tables are others' matter.
//!
//! The form is the one in which a lookup table has its keys: `user+extension@domain`, quoted only where it must be.

/// Users that Postfix never takes apart at the recipient delimiter.
const WHOLE: &[&str] = &["postmaster", "mailer-daemon", "double-bounce"];

/// What makes a text no address that Postfix could deliver to; none if it is one.
pub fn problem(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("it is empty".to_owned());
    }
    if text.len() > 1000 {
        return Some("it is longer than 1,000 bytes".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Some("it has a control character".to_owned());
    }
    if unquoted(text).any(|(_, c)| c.is_whitespace()) {
        return Some("it has a blank outside quotes".to_owned());
    }
    if let Some((_, c)) = unquoted(text).find(|(_, c)| matches!(c, '<' | '>' | ',' | ';' | '(' | ')')) {
        return Some(format!("it has a `{c}` outside quotes"));
    }
    if text.matches('"').count() % 2 == 1 {
        return Some("a quote is not closed".to_owned());
    }
    if !text.starts_with('@') && unquoted(text).filter(|(_, c)| *c == '@').count() > 1 {
        return Some("it has more than one @".to_owned());
    }
    let (local, domain) = split(text);
    if local.is_empty() {
        return Some("there is nothing before the @".to_owned());
    }
    match domain {
        Some("") => Some("there is nothing after the @".to_owned()),
        Some(domain) => domain_problem(domain.strip_suffix('.').unwrap_or(domain)),
        None => None,
    }
}

fn domain_problem(domain: &str) -> Option<String> {
    if let Some(inner) = domain.strip_prefix('[') {
        let inner = inner.strip_suffix(']').map(|i| i.strip_prefix("IPv6:").unwrap_or(i));
        let is_address = inner.is_some_and(|i| i.parse::<std::net::IpAddr>().is_ok());
        return (!is_address).then(|| format!("`{domain}` is no address in brackets"));
    }
    if domain.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    if domain.len() > 255 || domain.split('.').any(|label| label.len() > 63) {
        return Some(format!("`{domain}` is too long for a domain"));
    }
    if domain.split('.').any(str::is_empty) {
        return Some(format!("`{domain}` has two dots in a row or begins with one"));
    }
    let bad = domain.split('.').any(|label| label.starts_with('-') || label.ends_with('-'));
    let odd = domain.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_')));
    match odd {
        Some(c) => Some(format!("`{c}` cannot stand in a domain")),
        None => bad.then(|| format!("a part of `{domain}` begins or ends with a hyphen")),
    }
}

/// The characters outside quotes, with their place.
fn unquoted(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut quoted, mut escaped) = (false, false);
    text.char_indices().filter(move |(_, c)| {
        if escaped {
            escaped = false;
            return false;
        }
        match c {
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ => return !quoted,
        }
        false
    })
}

/// The part before the last `@` outside quotes, and the part behind it.
pub fn split(address: &str) -> (&str, Option<&str>) {
    match unquoted(address).filter(|(_, c)| *c == '@').last() {
        Some((at, _)) => (&address[..at], Some(&address[at + 1..])),
        None => (address, None),
    }
}

/// The domain, in small letters; empty if there is none.
pub fn domain(address: &str) -> String {
    split(address).1.unwrap_or_default().to_ascii_lowercase()
}

/// User and extension with its delimiter: `ada+news` is `ada` and `+news`. None: there is no extension.
pub fn split_extension<'a>(
    local: &'a str,
    delimiters: &str,
    owner_request_special: bool,
) -> Option<(&'a str, &'a str)> {
    let lower = local.to_ascii_lowercase();
    if WHOLE.contains(&lower.as_str()) {
        return None;
    }
    let request = lower.len() > 8 && lower.ends_with("-request");
    if owner_request_special && delimiters.contains('-') && (lower.starts_with("owner-") || request) {
        return None;
    }
    let at = local.find(|c| delimiters.contains(c)).filter(|at| *at > 0)?;
    Some(local.split_at(at))
}

/// `"ada"@x` and `ada@x` are one address: quotes that nothing needs are taken off.
pub fn normal(address: &str) -> String {
    let (local, domain) = split(address);
    let Some(inner) = local.strip_prefix('"').and_then(|l| l.strip_suffix('"')) else { return address.to_owned() };
    let plain = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let atom = !inner.is_empty() && inner.chars().all(plain) && !inner.split('.').any(str::is_empty);
    if !atom {
        return address.to_owned();
    }
    domain.map_or_else(|| inner.to_owned(), |domain| format!("{inner}@{domain}"))
}

/// The destinations in the value of an alias, in a .forward file or in a virtual alias: separated by commas or line ends.
/// `"|command with, commas"` and `|"command"` come without the quotes; comments in parentheses are left out.
pub fn destinations(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let (mut word, mut quoted, mut escaped, mut depth) = (String::new(), false, false, 0_u32);
    for c in text.chars() {
        if escaped {
            word.push(c);
            escaped = false;
            continue;
        }
        match c {
            // `\user` is a word of its own; in quotes the backslash escapes.
            '\\' if quoted => escaped = true,
            '"' => {
                quoted = !quoted;
                // Quotes in the middle of a word belong to an address such as `"a b"@example.com`.
                word.push(c);
            }
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            ',' | '\n' if !quoted && depth == 0 => all.push(std::mem::take(&mut word)),
            _ if depth > 0 => {}
            _ => word.push(c),
        }
    }
    all.push(word);
    all.iter().map(|word| destination(word.trim())).filter(|word| !word.is_empty()).collect()
}

/// The addresses in a result of virtual(5) or canonical(5): commas and blanks separate them.
pub fn addresses(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let separators: Vec<usize> =
        unquoted(text).filter(|(_, c)| *c == ',' || c.is_whitespace()).map(|(at, _)| at).collect();
    for (at, c) in text.char_indices() {
        if separators.contains(&at) {
            all.push(String::new());
        } else if let Some(last) = all.last_mut() {
            last.push(c);
        }
    }
    all.iter().filter(|word| !word.is_empty()).map(|word| destination(word)).collect()
}

fn destination(word: &str) -> String {
    let whole = word.strip_prefix('"').and_then(|w| w.strip_suffix('"')).filter(|w| !w.contains('"'));
    if let Some(inner) = whole {
        return inner.trim().to_owned();
    }
    if let Some(command) = word.strip_prefix('|') {
        return format!("|{}", command.trim().trim_matches('"'));
    }
    // `Ada <ada@example.com>`
    match (word.rfind('<'), word.ends_with('>')) {
        (Some(at), true) => word[at + 1..word.len() - 1].to_owned(),
        _ => normal(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address() {
        for good in ["ada", "ada@corp.example", "\"a b\"@x.example", "a@[192.0.2.1]", "a@[IPv6:::1]", "ada@x.", "a%b@c"]
        {
            assert_eq!(problem(good), None, "{good}");
        }
        for bad in [
            "",
            "a b@x",
            "@x.example",
            "a@",
            "a@x..y",
            "a@-x.example",
            "a@b@c!",
            "\"a@x",
            "a\u{1b}@x",
            "a@[x]",
            "a,b@x",
        ] {
            assert!(problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn addresses_come_apart() {
        assert_eq!(split("\"a@b\"@x.example"), ("\"a@b\"", Some("x.example")));
        assert_eq!(split_extension("ada+news+x", "+-", true), Some(("ada", "+news+x")));
        assert_eq!(split_extension("owner-list", "-", true), None);
        assert_eq!(split_extension("list-request", "-", true), None);
        assert_eq!(split_extension("+x", "+", true), None);
        assert_eq!(split_extension("Postmaster", "s", true), None);
        assert_eq!(normal("\"ada\"@x"), "ada@x");
        assert_eq!(normal("\"a b\"@x"), "\"a b\"@x");
    }

    #[test]
    fn addresses_of_virtual() {
        assert_eq!(addresses("a@x, \"b c\"@y  d@z"), ["a@x", "\"b c\"@y", "d@z"]);
    }

    #[test]
    fn destinations_of_aliases() {
        assert_eq!(destinations("ben, cleo@x.example"), ["ben", "cleo@x.example"]);
        assert_eq!(destinations("\"|/bin/x a, b\", \\ada"), ["|/bin/x a, b", "\\ada"]);
        assert_eq!(destinations("|\"/bin/x -f\"\n:include:/etc/list"), ["|/bin/x -f", ":include:/etc/list"]);
        assert_eq!(destinations("Ada <ada@x> (mother), /var/mail/all"), ["ada@x", "/var/mail/all"]);
    }
}
