//! main.cf, and the output of `postconf -n`, with line numbers.
//!
//! What Postfix itself would refuse or silently misread is listed in [`MainCf::problems`]. The kinds are stable:
//! steps and rules refer to them.
//!
//! | kind | what it means | what Postfix does |
//! |---|---|---|
//! | `missing-equals` | a line that is no `name = value` | every program stops: fatal |
//! | `missing-name` | a line that begins with `=` | every program stops: fatal |
//! | `stray-leading-blank` | an indented `known_parameter = …` | takes it for more of the value above |
//! | `orphan-continuation` | the first text of the file is indented | ignores it with a warning |
//! | `trailing-comment` | `name = value # text` | takes `# text` for part of the value |
//! | `two-settings-on-a-line` | `name = value other_parameter = value` | takes all of it for one value |
//! | `set-twice` | set again further down, to another value | the last one counts; this line does not |
//! | `set-twice-same` | set again further down, to the same value | harmless |
//! | `double-equals` | `name == value` | the value begins with `=` |
//! | `quoted-value` | the whole value in quotes | the quotes belong to the value |
//! | `non-breaking-space` | U+00A0 pasted from a web page | it is no white space to Postfix |
//! | `nul-byte` | a NUL byte in the line | ignores what follows it |
//! | `carriage-return` | DOS line ends (reported once) | harmless in nearly all values |
//! | `missing-final-newline` | the last line has no end | harmless until text is appended |
//! | `not-utf8` | bytes that are not UTF-8 | harmless where no address is meant |
//! | `postconf-message` | output of `postconf` that went to stderr | (only in pasted text) |

use std::collections::HashMap;

use super::lines::{Logical, is_space, logical_lines};
use super::{Problem, parameters};

/// One `name = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// parameter name
    pub name: String,
    /// value as `postconf -n` shows it: continuation lines joined, white space as Postfix folds it, not expanded
    pub value: String,
    /// first line
    pub line: u64,
    /// last line
    pub end_line: u64,
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MainCf {
    /// path, for messages
    pub file: String,
    /// in file order, duplicates included
    pub settings: Vec<Setting>,
    /// what looked wrong, in line order
    pub problems: Vec<Problem>,
}

/// Values that are free text: a `#` in them is as good as any other character.
const FREE_TEXT: &[&str] = &[
    "smtpd_banner",
    "smtpd_reject_footer",
    "postscreen_reject_footer",
    "default_rbl_reply",
    "mail_name",
    "smtpd_expansion_filter",
    "postscreen_expansion_filter",
    "command_expansion_filter",
    "execution_directory_expansion_filter",
    "postscreen_greet_banner",
];

impl MainCf {
    /// Parses the bytes of a main.cf.
    pub fn parse(file: &str, bytes: &[u8]) -> MainCf {
        let mut cf = MainCf { file: file.to_owned(), ..MainCf::default() };
        for logical in logical_lines(bytes) {
            cf.entry(&logical);
        }
        cf.whole_file(bytes);
        cf.set_twice();
        cf.problems.sort_by_key(|p| p.line);
        cf
    }

    /// The setting in force: the last one of that name.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().rev().find(|s| s.name == name)
    }

    fn problem(&mut self, line: u64, kind: &str, text: String) {
        self.problems.push(Problem { line, kind: kind.to_owned(), text });
    }

    fn entry(&mut self, logical: &Logical) {
        let first = logical.first_line();
        if let Some(line) = logical.nul {
            self.problem(line, "nul-byte", "a NUL byte; Postfix ignores the text after it".to_owned());
        }
        let text = String::from_utf8_lossy(&logical.text);
        if matches!(text, std::borrow::Cow::Owned(_)) {
            self.problem(first, "not-utf8", "bytes that are not UTF-8".to_owned());
        }
        if logical.orphan {
            let text = format!("\"{}\" is indented but continues nothing; Postfix ignores it", excerpt(text.trim()));
            return self.problem(first, "orphan-continuation", text);
        }
        if text.is_empty() {
            return;
        }
        let (name, value) = match split_name_value(&text) {
            Ok(pair) => pair,
            Err(NotASetting::NoName) => {
                let text = format!("no parameter name before \"=\" in \"{}\"", excerpt(&text));
                return self.problem(first, "missing-name", text);
            }
            Err(NotASetting::NoEquals) if is_postconf_message(&text) => {
                return self.problem(first, "postconf-message", excerpt(&text));
            }
            Err(NotASetting::NoEquals) => {
                let text = format!("no \"=\" after the name in \"{}\"", excerpt(&text));
                return self.problem(first, "missing-equals", text);
            }
        };
        let value = fold(value);
        self.inspect(logical, name, &value);
        self.settings.push(Setting { name: name.to_owned(), value, line: first, end_line: logical.last_line() });
    }

    /// Looks for text that Postfix takes for a value though nobody meant it so.
    fn inspect(&mut self, logical: &Logical, name: &str, value: &str) {
        if value.starts_with('=') {
            self.problem(
                logical.first_line(),
                "double-equals",
                format!("{name} has two \"=\"; the second one is part of the value"),
            );
        }
        if value.contains('\u{a0}') {
            let line = logical
                .parts()
                .find(|(_, part)| String::from_utf8_lossy(part).contains('\u{a0}'))
                .map_or(logical.first_line(), |p| p.0);
            self.problem(
                line,
                "non-breaking-space",
                format!("{name} holds a non-breaking space, which does not separate words"),
            );
        }
        if is_quoted(value) && !name.ends_with("_command") && !FREE_TEXT.contains(&name) {
            self.problem(
                logical.first_line(),
                "quoted-value",
                format!("the quotes around the value of {name} are part of the value"),
            );
        }
        let mut depth = 0_usize;
        let mut comment_seen = FREE_TEXT.contains(&name);
        for (index, (line, part)) in logical.parts().enumerate() {
            let part = String::from_utf8_lossy(part);
            // The name itself is not to be taken for a setting inside the value.
            let part = if index == 0 { part.split_once('=').map_or("", |p| p.1) } else { &part };
            if index > 0
                && depth == 0
                && let Ok((inner, _)) = split_name_value(part)
                && parameters::known(inner, None)
            {
                self.problem(
                    line,
                    "stray-leading-blank",
                    format!("\"{inner} =\" is indented, so it is part of the value of {name}"),
                );
                comment_seen = true;
                continue;
            }
            self.inspect_words(name, line, part, &mut depth, &mut comment_seen);
        }
    }

    fn inspect_words(&mut self, name: &str, line: u64, part: &str, depth: &mut usize, comment_seen: &mut bool) {
        let mut previous = "";
        for word in part.split_ascii_whitespace() {
            if *depth == 0 && word.starts_with('#') && !*comment_seen {
                *comment_seen = true;
                self.problem(
                    line,
                    "trailing-comment",
                    format!("\"#\" after a value begins no comment; it is part of the value of {name}"),
                );
            }
            let inner = if word == "=" { Some(previous) } else { word.strip_suffix('=') };
            if *depth == 0
                && !*comment_seen
                && let Some(inner) = inner
                && parameters::known(inner, None)
            {
                self.problem(
                    line,
                    "two-settings-on-a-line",
                    format!("\"{inner} =\" stands on the line of {name} and is part of its value"),
                );
            }
            previous = word;
            for b in word.bytes() {
                match b {
                    b'{' => *depth += 1,
                    b'}' => *depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
        }
    }

    fn whole_file(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last()
            && *last != b'\n'
        {
            let line = memchr::memchr_iter(b'\n', bytes).count() as u64 + 1;
            self.problem(line, "missing-final-newline", "the last line has no line end".to_owned());
        }
        if let Some(at) = memchr::memmem::find(bytes, b"\r\n") {
            let line = memchr::memchr_iter(b'\n', &bytes[..at]).count() as u64 + 1;
            self.problem(line, "carriage-return", "lines end in CR LF, as DOS writes them".to_owned());
        }
    }

    fn set_twice(&mut self) {
        let mut last: HashMap<&str, &Setting> = HashMap::new();
        let mut found = Vec::new();
        for setting in self.settings.iter().rev() {
            if let Some(later) = last.get(setting.name.as_str()) {
                let (kind, text) = if later.value == setting.value {
                    ("set-twice-same", format!("{} is set to the same value in line {}", setting.name, later.line))
                } else {
                    ("set-twice", format!("{} is set again in line {}; that one counts", setting.name, later.line))
                };
                found.push(Problem { line: setting.line, kind: kind.to_owned(), text });
            } else {
                last.insert(&setting.name, setting);
            }
        }
        self.problems.extend(found);
    }
}

/// Why a logical line is no setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotASetting {
    /// nothing before the `=`
    NoName,
    /// no `=` right after the first word
    NoEquals,
}

/// Splits `name = value`; blanks around both are dropped.
pub(super) fn split_name_value(text: &str) -> Result<(&str, &str), NotASetting> {
    let space = |c: char| u8::try_from(c).is_ok_and(is_space);
    let text = text.trim_start_matches(space);
    if text.is_empty() || text.starts_with('=') {
        return Err(NotASetting::NoName);
    }
    let end = text.find(|c| c == '=' || space(c)).ok_or(NotASetting::NoEquals)?;
    let (name, rest) = text.split_at(end);
    let value = rest.trim_start_matches(space).strip_prefix('=').ok_or(NotASetting::NoEquals)?;
    Ok((name, value.trim_matches(space)))
}

/// White space as `postconf -n` prints it: one blank between words.
pub(super) fn fold(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for word in value.split([' ', '\t', '\r', '\n']).filter(|w| !w.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// The first characters of hostile text, for a message.
pub(super) fn excerpt(text: &str) -> String {
    const MOST: usize = 60;
    let mut out: String = text.chars().take(MOST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        out.push('…');
    }
    out
}

fn is_quoted(value: &str) -> bool {
    ['"', '\''].iter().any(|&q| {
        value.len() > 1 && value.strip_prefix(q).and_then(|v| v.strip_suffix(q)).is_some_and(|inner| !inner.contains(q))
    })
}

fn is_postconf_message(text: &str) -> bool {
    let first = text.split_ascii_whitespace().next().unwrap_or_default();
    first.ends_with("postconf:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(cf: &MainCf) -> Vec<(u64, &str)> {
        cf.problems.iter().map(|p| (p.line, p.kind.as_str())).collect()
    }

    #[test]
    fn continuation_lines_are_joined_and_folded() {
        let cf = MainCf::parse(
            "main.cf",
            b"# top\nmynetworks = 127.0.0.0/8\n  # a comment\n\n\t[::1]/128,\n  10.0.0.0/8\nrelayhost=\n",
        );
        assert_eq!(cf.get("mynetworks").unwrap().value, "127.0.0.0/8 [::1]/128, 10.0.0.0/8");
        assert_eq!((cf.settings[0].line, cf.settings[0].end_line), (2, 6));
        assert_eq!(cf.get("relayhost").unwrap().value, "");
        assert!(cf.problems.is_empty(), "{:?}", cf.problems);
    }

    #[test]
    fn what_postfix_misreads_is_reported_at_its_line() {
        let cf = MainCf::parse(
            "main.cf",
            b"relayhost = [a]:25 # via the provider\n myhostname = mail.example.com\ngarbage here\n= x\nmydomain == y\n\
              myorigin = \"a.example\"\ninet_protocols = ipv4 mydestination = localhost\n",
        );
        assert_eq!(
            kinds(&cf),
            [
                (1, "trailing-comment"),
                (2, "stray-leading-blank"),
                (3, "missing-equals"),
                (4, "missing-name"),
                (5, "double-equals"),
                (6, "quoted-value"),
                (7, "two-settings-on-a-line"),
            ]
        );
        assert_eq!(cf.get("relayhost").unwrap().value, "[a]:25 # via the provider myhostname = mail.example.com");
    }

    #[test]
    fn ordinary_values_raise_nothing() {
        let cf = MainCf::parse(
            "main.cf",
            b"smtpd_banner = $myhostname # 1 ESMTP\nalias_maps = pcre:{{/^#(.*)/ # $1}}\n\
              smtpd_milters = { inet:127.0.0.1:11332,\n  connect_timeout = 10s,\n  default_action = accept }\n\
              import_environment = MAIL_CONFIG TZ=UTC\n password = a#b\nmailbox_command = \"procmail\"\n",
        );
        assert!(cf.problems.is_empty(), "{:?}", cf.problems);
    }

    #[test]
    fn duplicates_stay_in_order_and_the_last_counts() {
        let cf = MainCf::parse("main.cf", b"a=1\nb=2\na=3\nb = 2\n");
        assert_eq!(cf.settings.len(), 4);
        assert_eq!(cf.get("a").unwrap().value, "3");
        assert_eq!(kinds(&cf), [(1, "set-twice"), (2, "set-twice-same")]);
    }

    #[test]
    fn odd_bytes_do_no_harm() {
        let cf = MainCf::parse("main.cf", b"a = b\r\nc = \xff\r\nd = e\xc2\xa0f\r\ng = h\0i");
        assert_eq!(cf.get("a").unwrap().value, "b");
        assert_eq!(cf.get("g").unwrap().value, "h");
        assert_eq!(
            kinds(&cf),
            [
                (1, "carriage-return"),
                (2, "not-utf8"),
                (3, "non-breaking-space"),
                (4, "nul-byte"),
                (4, "missing-final-newline"),
            ]
        );
        let long = [b"x = ".as_slice(), &b"y ".repeat(600_000)].concat();
        assert_eq!(MainCf::parse("main.cf", &long).settings[0].value.len(), 1_199_999);
    }
}
