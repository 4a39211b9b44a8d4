//! The lines that most of a log consists of: connects, disconnects, queue ids, message ids, removals. They are told
//! by a few comparisons, and only what a pattern may look for in just such a line is looked for in it.
//!
//! A stranger chooses host name, address and message id. A pattern is not looked for in those of a quiet line: a
//! message id that reads like an error is none.

use aho_corasick::{AhoCorasick, MatchKind};
use memchr::memmem::Finder;
use rayon::prelude::*;

use super::tag::Program;
use crate::postfix::log_line;

/// Finders beyond this number become one automaton.
const FEW: usize = 6;

/// A kind of quiet line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Connect,
    Disconnect,
    Client,
    MessageId,
    Queued,
    Removed,
}

/// A word of such a line.
#[derive(Clone, Copy)]
enum Word {
    /// this one
    Is(&'static str),
    /// `postfix/smtpd[123]:`
    Tag(&'static str),
    /// `4Xyz0bC1dFz9:`
    Id,
    /// this beginning, then `host.example[192.0.2.1]`
    Host(&'static str),
    /// this beginning, then `<local@example.org>,`
    Address(&'static str),
    /// this beginning, then a number
    Number(&'static str),
    /// `rcpt=0/1`
    Figure,
}

impl Word {
    fn begin(self) -> &'static str {
        match self {
            Word::Is(text) | Word::Host(text) | Word::Address(text) | Word::Number(text) => text,
            Word::Tag(_) | Word::Id | Word::Figure => "",
        }
    }

    /// Whether a text may stand in what comes after the beginning.
    fn may_hold(self, text: &[u8]) -> bool {
        let all = |f: fn(&u8) -> bool| text.iter().all(f);
        let some = |set: &[u8]| text.iter().any(|b| set.contains(b) || b.is_ascii_digit());
        if text.is_empty() {
            return true;
        }
        match self {
            Word::Is(_) => false,
            Word::Tag(program) => {
                all(|b| b.is_ascii_alphanumeric() || b"/-_.[]:@+".contains(b))
                    && (b"]:".ends_with(text)
                        || text.ends_with(b"]:")
                        || memchr::memmem::find(program.as_bytes(), text).is_some())
            }
            // No vowels but those of hexadecimal.
            Word::Id => {
                all(|b| {
                    b.is_ascii_digit()
                        || matches!(b, b'A' | b'E' | b':')
                        || (b.is_ascii_alphabetic() && !b"aeiouAEIOU".contains(b))
                }) && text.ends_with(b":")
                    && (some(b"") || text.len() < 3)
            }
            Word::Host(_) => {
                let dots = memchr::memchr_iter(b'.', text).count();
                let numeric = all(|b| b.is_ascii_digit() || *b == b'.');
                all(|b| b.is_ascii_alphanumeric() || b"-_.[]:".contains(b))
                    && (b"[]".contains(&text[0])
                        || text.starts_with(b"unknown")
                        || text.starts_with(b"localhost")
                        || dots > if numeric { 2 } else { 1 })
            }
            Word::Address(_) => all(|b| b.is_ascii_alphanumeric() || b"-_.+@<>,".contains(b)) && some(b"<>@"),
            Word::Number(_) => all(|b| b.is_ascii_digit() || b"/,.".contains(b)),
            Word::Figure => {
                all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"=/_".contains(b))
                    && some(b"=")
                    && !text.starts_with(b"status")
            }
        }
    }
}

use Word::{Address, Figure, Host, Id, Is, Number, Tag};

const SMTPD: &str = "postfix/smtpd[";
const CLEANUP: &str = "postfix/cleanup[";
const QMGR: &str = "postfix/qmgr[";

const SHAPES: &[(Kind, &[Word])] = &[
    (Kind::Connect, &[Tag(SMTPD), Is("connect"), Is("from"), Host("")]),
    (Kind::Disconnect, &[Tag(SMTPD), Is("disconnect"), Is("from"), Host(""), Figure, Figure, Figure, Figure, Figure]),
    (Kind::Client, &[Tag(SMTPD), Id, Host("client=")]),
    (Kind::MessageId, &[Tag(CLEANUP), Id, Address("message-id=")]),
    (Kind::Queued, &[Tag(QMGR), Id, Address("from="), Number("size="), Number("nrcpt="), Is("(queue"), Is("active)")]),
    (Kind::Removed, &[Tag(QMGR), Id, Is("removed")]),
];

/// What has to be looked for in quiet lines.
pub(super) struct Quiet {
    kinds: Vec<Look>,
}

enum Look {
    Few(Vec<Finder<'static>>),
    Many(AhoCorasick),
    /// patterns without a literal: no line is quiet
    All,
}

/// What is known of a pattern without trying it.
pub(super) struct Needs {
    /// only lines of these programs; empty: any
    pub programs: Vec<Vec<u8>>,
    /// of each of these sets one literal is in every line that it matches
    pub sets: Vec<Vec<Vec<u8>>>,
}

impl Quiet {
    pub(super) fn new<'n>(patterns: impl Iterator<Item = &'n Needs>) -> Self {
        let patterns: Vec<&Needs> = patterns.collect();
        let look = |kind, shape| look(kind, shape, &patterns);
        Quiet { kinds: SHAPES.par_iter().map(|(kind, shape)| look(*kind, shape)).collect() }
    }

    /// The kind of a line of this program, if it is a quiet one that no pattern can match.
    #[inline]
    pub(super) fn kind(&self, program: Program, body: &[u8], message: &[u8]) -> Option<Kind> {
        let kind = shape(program, message)?;
        let silent = match &self.kinds[kind as usize] {
            Look::Few(finders) => finders.iter().all(|f| f.find(body).is_none()),
            Look::Many(automaton) => !automaton.is_match(body),
            Look::All => false,
        };
        silent.then_some(kind)
    }
}

fn look(kind: Kind, shape: &[Word], patterns: &[&Needs]) -> Look {
    let program: &[u8] = match kind {
        Kind::Connect | Kind::Disconnect | Kind::Client => b"smtpd",
        Kind::MessageId => b"cleanup",
        Kind::Queued | Kind::Removed => b"qmgr",
    };
    // What stands in every line of this kind is nothing to look for.
    let always: Vec<&str> = shape.iter().map(|w| w.begin()).filter(|b| !b.is_empty()).collect();
    let always = always.join(" ");
    let mut literals: Vec<&[u8]> = Vec::new();
    for pattern in patterns.iter().filter(|p| p.programs.is_empty() || p.programs.iter().any(|p| p == program)) {
        let possible = pattern
            .sets
            .iter()
            .map(|set| -> Vec<&[u8]> { set.iter().map(Vec::as_slice).filter(|l| may_be_in(l, shape)).collect() });
        let in_all = |l: &&[u8]| memchr::memmem::find(always.as_bytes(), l.trim_ascii()).is_some();
        match possible.min_by_key(|set| (set.iter().filter(|l| in_all(l)).count(), set.len())) {
            Some(set) => literals.extend(set),
            None => return Look::All,
        }
    }
    literals.sort_unstable();
    literals.dedup();
    if literals.len() > FEW
        && let Ok(automaton) = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(&literals)
    {
        return Look::Many(automaton);
    }
    Look::Few(literals.iter().map(|l| Finder::new(l).into_owned()).collect())
}

#[inline]
fn shape(program: Program, message: &[u8]) -> Option<Kind> {
    let one_word = |rest: &[u8]| memchr::memchr(b' ', rest).is_none();
    match program {
        Program::Smtpd => match message.first()? {
            b'c' => one_word(message.strip_prefix(b"connect from ")?).then_some(Kind::Connect),
            b'd' => message.starts_with(b"disconnect from ").then_some(Kind::Disconnect),
            _ => one_word(after_id(message)?.strip_prefix(b"client=")?).then_some(Kind::Client),
        },
        Program::Cleanup => one_word(after_id(message)?.strip_prefix(b"message-id=")?).then_some(Kind::MessageId),
        Program::Qmgr => {
            let rest = after_id(message)?;
            if rest == b"removed" {
                return Some(Kind::Removed);
            }
            let rest = rest.strip_prefix(b"from=<")?.strip_suffix(b" (queue active)")?;
            let blank = memchr::memchr(b' ', rest)?;
            let rest = rest[blank + 1..].strip_prefix(b"size=")?;
            let blank = memchr::memchr(b' ', rest)?;
            let rest = rest[blank + 1..].strip_prefix(b"nrcpt=")?;
            rest.iter().all(u8::is_ascii_digit).then_some(Kind::Queued)
        }
        _ => None,
    }
}

#[inline]
fn after_id(message: &[u8]) -> Option<&[u8]> {
    let n = log_line::queue_id(message)?;
    message.get(n + 2..)
}

/// Whether a literal may stand in a line of this shape.
fn may_be_in(literal: &[u8], shape: &[Word]) -> bool {
    let parts: Vec<&[u8]> = literal.split(|b| *b == b' ').collect();
    let last = parts.len() - 1;
    (0..shape.len()).any(|from| {
        parts.iter().enumerate().all(|(i, part)| {
            let Some(&word) = shape.get(from + i) else { return false };
            match (i == 0, i == last) {
                (true, true) => inside(part, word),
                (true, false) => ends(part, word),
                (false, true) => begins(part, word),
                (false, false) => whole(part, word),
            }
        })
    })
}

fn whole(part: &[u8], word: Word) -> bool {
    part.strip_prefix(word.begin().as_bytes()).is_some_and(|rest| word.may_hold(rest))
}

fn begins(part: &[u8], word: Word) -> bool {
    word.begin().as_bytes().starts_with(part) || whole(part, word)
}

fn ends(part: &[u8], word: Word) -> bool {
    let begin = word.begin().as_bytes();
    (0..=begin.len()).any(|from| part.strip_prefix(&begin[from..]).is_some_and(|rest| word.may_hold(rest)))
}

fn inside(part: &[u8], word: Word) -> bool {
    ends(part, word) || memchr::memmem::find(word.begin().as_bytes(), part).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::scan::tag::Named;

    fn quiet(literals: &[&str]) -> Quiet {
        let needs = |l: &&str| Needs { programs: Vec::new(), sets: vec![vec![l.as_bytes().to_vec()]] };
        Quiet::new(literals.iter().map(needs).collect::<Vec<_>>().iter())
    }

    fn kind(q: &Quiet, program: &str, message: &str) -> Option<Kind> {
        let body = format!("postfix/{program}[1]: {message}");
        q.kind(Named::of(program.as_bytes()).program, body.as_bytes(), message.as_bytes())
    }

    #[test]
    fn kinds() {
        let q = quiet(&["warning: x", "lost connection after ", "status=deferred (", ": Connection refused"]);
        assert!(q.kinds.iter().all(|l| matches!(l, Look::Few(f) if f.is_empty())));
        assert_eq!(kind(&q, "smtpd", "connect from a.b[192.0.2.1]"), Some(Kind::Connect));
        assert_eq!(kind(&q, "smtpd", "connect from a b"), None);
        assert_eq!(
            kind(&q, "smtpd", "disconnect from a.b[192.0.2.1] ehlo=1 quit=1 commands=2"),
            Some(Kind::Disconnect)
        );
        assert_eq!(kind(&q, "smtpd", "A1B2C3D4: client=a.b[192.0.2.1]"), Some(Kind::Client));
        assert_eq!(kind(&q, "smtpd", "A1B2C3D4: client=a.b[192.0.2.1], sasl_method=PLAIN"), None);
        assert_eq!(kind(&q, "cleanup", "A1B2C3D4: message-id=<x@y>"), Some(Kind::MessageId));
        assert_eq!(kind(&q, "qmgr", "A1B2C3D4: from=<a@b>, size=12, nrcpt=1 (queue active)"), Some(Kind::Queued));
        assert_eq!(kind(&q, "qmgr", "A1B2C3D4: from=<a b>, size=12, nrcpt=1 (queue active)"), None);
        assert_eq!(kind(&q, "qmgr", "A1B2C3D4: removed"), Some(Kind::Removed));
        assert_eq!(kind(&q, "qmgr", "warning: x"), None);
    }

    #[test]
    fn what_a_pattern_looks_for_in_them_is_found() {
        let q = quiet(&["connect from unknown[", " auth=0/", "from=<>, size=", "]: client="]);
        assert_eq!(kind(&q, "smtpd", "connect from unknown[192.0.2.1]"), None);
        assert_eq!(kind(&q, "smtpd", "connect from mx.a[192.0.2.1]"), Some(Kind::Connect));
        assert_eq!(kind(&q, "smtpd", "disconnect from a[192.0.2.1] ehlo=1 auth=0/1 commands=1/2"), None);
        assert_eq!(kind(&q, "qmgr", "A1B2C3D4: from=<>, size=12, nrcpt=1 (queue active)"), None);
        assert_eq!(kind(&q, "qmgr", "A1B2C3D4: from=<a@b>, size=12, nrcpt=1 (queue active)"), Some(Kind::Queued));
        let q = quiet(&["connect from "]);
        assert_eq!(kind(&q, "smtpd", "connect from mx.a[192.0.2.1]"), None);
        assert_eq!(kind(&q, "smtpd", "disconnect from mx.a[192.0.2.1]"), None);
    }
}
