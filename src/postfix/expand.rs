//! Expansion of `$name`, `${name?{a}:{b}}`, `${name:default}` and comparisons in parameter values.
//!
//! As in Postfix, `${name?…}` looks at the *unexpanded* value of `name`, the branch that is not taken is not looked
//! at, and a name without value gives nothing. Unlike Postfix, trouble does not end the program: it is listed, and
//! the text that could not be expanded stays as it is.

/// A value with its macros replaced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expanded {
    /// the result
    pub text: String,
    /// names that are not defined anywhere
    pub undefined: Vec<String>,
    /// known parameters whose value nobody told us (`myhostname` of a pasted configuration); they stand in `text`
    /// as `$name`
    pub unknown: Vec<String>,
    /// `$a=$b $b=$a`: expansion was stopped
    pub cycle: bool,
    /// syntax trouble, in words
    pub problems: Vec<String>,
}

/// What is known of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// its value, to be expanded in turn
    Value(String),
    /// its value, which Postfix does not expand (`forward_path`, `mailbox_command`, …)
    Raw(String),
    /// the parameter exists, but its value was not collected
    Unknown,
    /// there is no such parameter
    Undefined,
}

/// Expands `value`; `lookup` gives the unexpanded value of a parameter.
pub fn expand(value: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Expanded {
    expand_with(value, &|name| lookup(name).map_or(Lookup::Undefined, Lookup::Value))
}

/// Expands `value`, telling apart what is not defined and what is not known.
pub fn expand_with(value: &str, lookup: &dyn Fn(&str) -> Lookup) -> Expanded {
    let mut expander = Expander { lookup: Some(lookup), ..Expander::default() };
    let text = expander.run(value, MOST_DEPTH);
    Expanded { text, ..expander.result }
}

/// All names that `value` refers to, those in both branches of a condition included, without looking anything up.
pub fn references(value: &str) -> Vec<String> {
    let mut expander = Expander::default();
    expander.run(value, MOST_DEPTH);
    expander.seen
}

/// Postfix itself gives up at 100 levels; deeper nesting is no configuration but an attack on our stack.
const MOST_DEPTH: u32 = 60;
/// `$a$a` in each of 60 levels would otherwise never end.
const MOST_STEPS: u32 = 20_000;
/// The same in bytes.
const MOST_TEXT: usize = 4 << 20;

#[derive(Default)]
struct Expander<'a> {
    /// none: only list the names
    lookup: Option<&'a dyn Fn(&str) -> Lookup>,
    result: Expanded,
    seen: Vec<String>,
    active: Vec<String>,
    steps: u32,
    made: usize,
    unknown_uses: u32,
}

impl Expander<'_> {
    fn trouble(&mut self, text: String) {
        if self.result.problems.len() < 20 && !self.result.problems.contains(&text) {
            self.result.problems.push(text);
        }
    }

    fn exhausted(&mut self, depth: u32) -> bool {
        self.steps += 1;
        let over = depth == 0 || self.steps > MOST_STEPS || self.made > MOST_TEXT;
        if over {
            self.trouble("the expansion is too deep or too long".to_owned());
        }
        over
    }

    fn run(&mut self, value: &str, depth: u32) -> String {
        if self.exhausted(depth) {
            return String::new();
        }
        let mut out = String::new();
        let mut rest = value;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let from = &rest[at..];
            let after = &from[1..];
            if let Some(tail) = after.strip_prefix('$') {
                out.push('$');
                rest = tail;
                continue;
            }
            let Some((body, used)) = macro_body(after) else {
                self.trouble(format!("\"{}\" has no closing brace", super::main_cf::excerpt(from)));
                out.push_str(from);
                rest = "";
                break;
            };
            rest = &after[used..];
            if body.is_empty() {
                self.trouble("a \"$\" without a name; write \"$$\" for a literal one".to_owned());
                out.push_str(&from[..=used]);
                continue;
            }
            let text = self.expression(body, depth - 1);
            out.push_str(&text.unwrap_or_else(|| from[..=used].to_owned()));
        }
        out.push_str(rest);
        self.made += out.len();
        out
    }

    /// The value of what stands between `${` and `}`; none if it cannot be told.
    fn expression(&mut self, body: &str, depth: u32) -> Option<String> {
        let body = body.trim_start_matches(SPACE);
        let (subject, rest) = if body.starts_with('{') {
            let (truth, rest) = self.comparison(body, depth)?;
            let subject = match truth {
                Truth::Known(true) => Subject::Text("true".to_owned()),
                Truth::Known(false) => Subject::Text(String::new()),
                Truth::Unknown => Subject::Unknown,
            };
            (subject, rest)
        } else {
            self.name(body)?
        };
        let Some(operator) = rest.chars().next() else {
            return self.plain(body, subject, depth);
        };
        let operand = &rest[1..];
        if operator == '?' {
            let (yes, rest) = self.operand(operand)?;
            let no = match rest.strip_prefix(':') {
                Some(rest) => self.last_operand(rest)?,
                None if rest.is_empty() => "",
                None => return self.unexpected(rest),
            };
            self.choose(&subject, yes, no, depth)
        } else if operator == ':' {
            let no = self.last_operand(operand)?;
            self.choose_default(&subject, no, depth)
        } else {
            self.unexpected(rest)
        }
    }

    fn unexpected<T>(&mut self, rest: &str) -> Option<T> {
        self.trouble(format!("unexpected text in a ${{…}} expression: \"{}\"", super::main_cf::excerpt(rest)));
        None
    }

    /// `${name}`: the name and what follows it.
    fn name<'b>(&mut self, body: &'b str) -> Option<(Subject, &'b str)> {
        let end = body.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(body.len());
        let (name, rest) = body.split_at(end);
        let rest = rest.trim_start_matches(SPACE);
        if !(rest.is_empty() || rest.starts_with(['?', ':'])) {
            return self.unexpected(rest);
        }
        self.seen.push(name.to_owned());
        let subject = match self.lookup.map_or(Lookup::Undefined, |lookup| lookup(name)) {
            Lookup::Value(value) => Subject::Named(name.to_owned(), value),
            Lookup::Raw(value) => Subject::Text(value),
            Lookup::Unknown => Subject::Unknown,
            Lookup::Undefined => Subject::Undefined,
        };
        Some((subject, rest))
    }

    fn plain(&mut self, body: &str, subject: Subject, depth: u32) -> Option<String> {
        match subject {
            Subject::Text(text) => Some(text),
            Subject::Named(name, value) => self.recurse(name, &value, depth),
            Subject::Unknown => {
                self.note_unknown(body);
                None
            }
            Subject::Undefined => {
                let name = body.trim();
                // `$1` is meant for a lookup table, not for us.
                if !name.bytes().all(|b| b.is_ascii_digit()) && !self.result.undefined.iter().any(|n| n == name) {
                    self.result.undefined.push(name.to_owned());
                }
                Some(String::new())
            }
        }
    }

    fn recurse(&mut self, name: String, value: &str, depth: u32) -> Option<String> {
        if self.active.contains(&name) {
            self.result.cycle = true;
            self.trouble(format!("${name} refers to itself"));
            return None;
        }
        self.active.push(name);
        let text = self.run(value, depth);
        self.active.pop();
        Some(text)
    }

    fn note_unknown(&mut self, body: &str) {
        self.unknown_uses += 1;
        let name = body.trim();
        if !name.starts_with('{') && !self.result.unknown.iter().any(|n| n == name) {
            self.result.unknown.push(name.to_owned());
        }
    }

    fn choose(&mut self, subject: &Subject, yes: &str, no: &str, depth: u32) -> Option<String> {
        if self.lookup.is_none() {
            self.run(yes, depth);
            self.run(no, depth);
            return None;
        }
        match subject.truth() {
            Truth::Known(true) => Some(self.run(yes, depth)),
            Truth::Known(false) => Some(self.run(no, depth)),
            Truth::Unknown => None,
        }
    }

    /// `${name:text}` gives nothing, not the value, where `name` has one.
    fn choose_default(&mut self, subject: &Subject, no: &str, depth: u32) -> Option<String> {
        if self.lookup.is_none() {
            self.run(no, depth);
            return None;
        }
        match subject.truth() {
            Truth::Known(true) => Some(String::new()),
            Truth::Known(false) => Some(self.run(no, depth)),
            Truth::Unknown => None,
        }
    }

    /// `{text}` or all of the rest; then what follows.
    fn operand<'b>(&mut self, text: &'b str) -> Option<(&'b str, &'b str)> {
        let braced = text.trim_start_matches(SPACE);
        if braced.starts_with('{') { self.braced(braced) } else { Some((text, "")) }
    }

    fn last_operand<'b>(&mut self, text: &'b str) -> Option<&'b str> {
        let (operand, rest) = self.operand(text)?;
        if rest.is_empty() { Some(operand) } else { self.unexpected(rest) }
    }

    fn braced<'b>(&mut self, text: &'b str) -> Option<(&'b str, &'b str)> {
        let Some(end) = balanced(text, b'{', b'}') else {
            self.trouble(format!("\"{}\" has no closing brace", super::main_cf::excerpt(text)));
            return None;
        };
        Some((&text[1..end], text[end + 1..].trim_start_matches(SPACE)))
    }

    /// `{a} == {b}`, and what follows.
    fn comparison<'b>(&mut self, body: &'b str, depth: u32) -> Option<(Truth, &'b str)> {
        let (left, rest) = self.braced(body)?;
        let end = rest.find(|c| !"<>!=?+-*/~&|%".contains(c)).unwrap_or(rest.len());
        let (operator, rest) = rest.split_at(end);
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (suffix, rest) = rest.split_at(end);
        let accept: fn(std::cmp::Ordering) -> bool = match operator {
            "==" => std::cmp::Ordering::is_eq,
            "!=" => std::cmp::Ordering::is_ne,
            "<" => std::cmp::Ordering::is_lt,
            "<=" => std::cmp::Ordering::is_le,
            ">=" => std::cmp::Ordering::is_ge,
            ">" => std::cmp::Ordering::is_gt,
            _ => {
                self.trouble(format!("\"{}\" is no comparison", super::main_cf::excerpt(body)));
                return None;
            }
        };
        let rest = rest.trim_start_matches(SPACE);
        if !rest.starts_with('{') {
            return self.unexpected(rest);
        }
        let (right, rest) = self.braced(rest)?;
        let unknown_before = self.unknown_uses;
        let (left, right) = (self.run(left, depth), self.run(right, depth));
        if self.unknown_uses > unknown_before {
            return Some((Truth::Unknown, rest));
        }
        let order = match suffix {
            "" => compare(&left, &right),
            "level" => {
                let (Some(left), Some(right)) = (level(&left), level(&right)) else {
                    if self.lookup.is_some() {
                        self.trouble("a compatibility level that is no number".to_owned());
                    }
                    return Some((Truth::Unknown, rest));
                };
                left.cmp(&right)
            }
            _ => {
                self.trouble(format!("\"{operator}{suffix}\" is no comparison"));
                return None;
            }
        };
        Some((Truth::Known(accept(order)), rest))
    }
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    Known(bool),
    Unknown,
}

enum Subject {
    Text(String),
    Named(String, String),
    Unknown,
    Undefined,
}

impl Subject {
    fn truth(&self) -> Truth {
        match self {
            Subject::Text(text) | Subject::Named(_, text) => Truth::Known(!text.is_empty()),
            Subject::Unknown => Truth::Unknown,
            Subject::Undefined => Truth::Known(false),
        }
    }
}

/// What stands after a `$`: the name or the inside of the braces, and how many bytes it takes.
fn macro_body(after: &str) -> Option<(&str, usize)> {
    let (open, close) = match after.bytes().next() {
        Some(b'{') => (b'{', b'}'),
        Some(b'(') => (b'(', b')'),
        _ => {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            return Some((&after[..end], end));
        }
    };
    let end = balanced(after, open, close)?;
    Some((&after[1..end], end + 1))
}

/// The comma or blank separated words of a list value; `{ … }` stays together, braces included.
pub fn balanced_items(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' | ' ' | '\t' | '\r' | '\n' if depth == 0 => {
                if !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

/// The offset of the brace that closes the one at the start of `text`.
pub(super) fn balanced(text: &str, open: u8, close: u8) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, b) in text.bytes().enumerate() {
        if b == open {
            depth += 1;
        } else if b == close {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// Numbers compare as numbers, everything else byte by byte.
fn compare(left: &str, right: &str) -> std::cmp::Ordering {
    let number = |s: &str| if s.bytes().all(|b| b.is_ascii_digit()) { s.parse::<u64>().ok() } else { None };
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => left.cmp(right),
    }
}

/// A compatibility level: `2`, `3.6`, `3.6.1`.
pub(super) fn level(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.trim().split('.').map(|p| p.parse::<u32>().ok());
    let major = parts.next()??;
    let mut next = || parts.next().map_or(Some(0), |p| p.filter(|&n| n < 1024));
    let level = (major, next()?, next()?);
    parts.next().is_none().then_some(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> Option<String> {
        let value = match name {
            "myhostname" => "mail.$mydomain",
            "mydomain" => "example.com",
            "empty" => "",
            "a" => "$b",
            "b" => "${a}",
            "compatibility_level" => "3.6",
            "bomb0" => "xxxxxxxxxxxxxxxx",
            _ => {
                let n: u32 = name.strip_prefix("bomb")?.parse().ok()?;
                return Some(format!("$bomb{0}$bomb{0}$bomb{0}", n - 1));
            }
        };
        Some(value.to_owned())
    }

    fn text(value: &str) -> String {
        expand(value, &table).text
    }

    #[test]
    fn every_form_of_reference() {
        for (value, expected) in [
            ("$myhostname", "mail.example.com"),
            ("${ mydomain }.", "example.com."),
            ("$(mydomain)x", "example.comx"),
            ("$mydomain/x-$empty-", "example.com/x--"),
            ("a$$b", "a$b"),
            ("${mydomain?yes $mydomain}", "yes example.com"),
            ("${empty?yes}${empty:no}", "no"),
            ("${mydomain:no}", ""),
            ("${nothing:{fall back}}", "fall back"),
            ("${empty?{yes}:{no}}", "no"),
            ("${mydomain? {yes} : {no} }", "yes"),
            ("${{$mydomain} == {example.com} ? {x} : {y}}", "x"),
            ("${{2} < {10} ? {x} : {y}}", "x"),
            ("${{a2} < {a10} ? {x} : {y}}", "y"),
            ("${{$compatibility_level} <level {1} ? {old} : {new}}", "new"),
            ("${{a} != {b}}", "true"),
            ("${mydomain??foo:{b}ar}", "?foo:{b}ar"),
            ("", ""),
        ] {
            let expanded = expand(value, &table);
            assert_eq!(expanded.text, expected, "{value}");
            assert!(expanded.problems.is_empty(), "{value}: {:?}", expanded.problems);
        }
    }

    #[test]
    fn undefined_names_are_listed_once_and_digits_never() {
        let expanded = expand("$nope $1 ${nope} ${nope?x} ${2}", &table);
        assert_eq!(expanded.undefined, ["nope"]);
    }

    #[test]
    fn cycles_and_bombs_end() {
        let expanded = expand("x $a y", &table);
        assert!(expanded.cycle);
        assert_eq!(expanded.text, "x ${a} y");
        let bomb = expand("$bomb50", &table);
        assert!(!bomb.problems.is_empty() && bomb.text.len() < 64 << 20);
        text(&"${a?".repeat(10_000));
        text(&"${{".repeat(10_000));
        text(&format!("{}{}", "${x:".repeat(5_000), "}".repeat(5_000)));
    }

    #[test]
    fn broken_syntax_is_told_and_left_as_it_is() {
        for value in ["${x", "$ 5", "${a b}", "${{a} = {b}}", "${x?{a} b}", "$", "${}", "${{a} == b}"] {
            let expanded = expand(value, &table);
            assert_eq!(expanded.problems.len(), 1, "{value}: {expanded:?}");
            assert_eq!(expanded.text, value);
        }
    }

    #[test]
    fn what_is_not_known_stays_in_the_text() {
        let expanded =
            expand_with("$myhostname, ${myhostname?{a}:{b}} ${{$myhostname} == {x}?{c}:{d}}", &|_| Lookup::Unknown);
        assert_eq!(expanded.text, "$myhostname, ${myhostname?{a}:{b}} ${{$myhostname} == {x}?{c}:{d}}");
        assert_eq!(expanded.unknown, ["myhostname"]);
    }

    #[test]
    fn references_come_from_both_branches() {
        assert_eq!(
            references("$a ${b?{$c}:{$d}} ${{$e}<{$f}?{$g}} ${h:$i} $$j"),
            ["a", "b", "c", "d", "e", "f", "g", "h", "i"]
        );
    }
}
