//! Classes of messages: two messages of one class differ only in numbers, hosts, addresses and ids, and so belong
//! to the same pattern, with the captures in the same places. A regex has to be run for the first of a class alone.
//!
//! A message is cut into *atoms*, runs of letters, digits, dots, hyphens and underscores, and the bytes between
//! them. An atom with a digit or a dot varies: only its kind counts. All else counts as it is, and so do SMTP
//! replies, enhanced status codes, ports, and every atom that stands in a pattern. Where a pattern that comes into
//! question looks for a part of an atom (`google\.com` with anything before it), the class is *refined*: which such
//! parts a message has counts too.

use aho_corasick::{AhoCorasick, MatchKind};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::atoms::Atoms;
use super::hash::{self, Map, Set};
use super::parts::Parts;

/// Classes remembered by one thread.
const MOST: usize = 16 << 10;
/// Atoms and bytes between them that a message may have; a longer one has no class.
const ITEMS: usize = 768;
/// Letters that a word may have.
const LONGEST_WORD: usize = 24;

/// Words of 64 bits in the sieve for atoms that count.
const SIEVE: usize = 1024;

const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const DOT: u8 = 4;
const JOINT: u8 = 8;

const KINDS: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = match b as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b'.' => DOT,
            b'-' | b'_' => JOINT,
            _ => 0,
        };
        b += 1;
    }
    table
};

/// What patterns look for inside of atoms.
pub(super) struct Special {
    /// atoms that count as they are, by their `word`
    atoms: Set,
    /// one bit for each of them: most others are told by it
    sieve: [u64; SIEVE],
    /// parts of atoms, by pattern
    parts: Vec<Vec<Vec<u8>>>,
    /// those of patterns that may have no more than that to go by
    lone: Option<AhoCorasick>,
}

/// What is remembered of a class.
#[derive(Debug, Clone)]
pub(super) struct Entry<T> {
    pub value: T,
    pub hits: u32,
}

/// The classes that a thread has met.
pub(super) struct Classes<T> {
    seed: u64,
    known: Map<Entry<T>>,
    atoms: Box<Atoms>,
    /// where atoms begin (even) and end (odd)
    items: Box<[u32; ITEMS]>,
    count: usize,
    ranges: [(usize, usize); 2],
}

impl<T> Classes<T> {
    pub(super) fn new() -> Self {
        Classes {
            seed: hash::seed(),
            known: Map::default(),
            atoms: Box::new(Atoms::new()),
            items: Box::new([0; ITEMS]),
            count: 0,
            ranges: [(0, 0); 2],
        }
    }

    /// The class of a message with this tag, going by these parts of it; none if it is too long to have one.
    pub(super) fn of(&mut self, special: &Special, tag: &[u8], message: &[u8], parts: &Parts) -> Option<u64> {
        let mut h = hash::add_bytes(self.seed, tag);
        if let Some(lone) = &special.lone {
            h = refine(h, lone, message);
        }
        self.count = 0;
        self.ranges = parts.ranges;
        for (from, to) in parts.ranges {
            if from < to {
                h = self.add(special, message, from, to, h)?;
            }
        }
        Some(if parts.verbatim < message.len() { hash::add_bytes(h, &message[parts.verbatim..]) } else { h })
    }

    /// Adds a part of a message to the hash, and where its atoms begin and end to the items.
    #[inline]
    fn add(&mut self, special: &Special, message: &[u8], from: usize, to: usize, mut h: u64) -> Option<u64> {
        let text = &message[from..to];
        let first = self.count + 2;
        let count = self.atoms.read(text, from, &mut self.items[..], first)?;
        // A part begins as if an empty atom had ended.
        self.items[first - 2..first].fill(from as u32);
        self.count = count;
        let mut last = 0;
        let (pairs, _) = self.items[first..count].as_chunks::<2>();
        for [start, end] in pairs {
            let (start, end) = (*start as usize - from, *end as usize - from);
            if start > last {
                h = hash::add(h, word(text, last, start));
            }
            last = end;
            let word = word(text, start, end);
            let (vary, all) = self.atoms.vary(start, end);
            let letters = vary != all || end - start > 64;
            h = if vary == 0 && end - start <= LONGEST_WORD || special.keeps(text, start, end, letters, word) {
                hash::add(h, word)
            } else {
                let network = if start > 0 && text[start - 1] == b'[' { network(&text[start..end]) } else { 0 };
                // A number, an address or version, anything else.
                let sort = match letters {
                    false if text[start..end].contains(&b'.') => 2,
                    false => 1,
                    true => 3,
                };
                hash::add(h, 0x100 | sort | network)
            };
        }
        Some(if last < text.len() { hash::add(h, word(text, last, text.len())) } else { h })
    }

    pub(super) fn get(&mut self, class: u64) -> Option<&mut Entry<T>> {
        let entry = self.known.get_mut(&class)?;
        entry.hits = entry.hits.wrapping_add(1);
        Some(entry)
    }

    pub(super) fn put(&mut self, class: u64, value: T) {
        if self.known.len() < MOST {
            self.known.insert(class, Entry { value, hits: 0 });
        }
    }

    /// What finds this offset of the message last seen by `of` in others of its class: an item, and a few bytes on
    /// from it. None: it is within an atom, or in no part that counts.
    pub(super) fn item(&self, offset: usize) -> Option<u16> {
        if !self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&offset)) {
            return None;
        }
        let items = &self.items[..self.count];
        let item = items.partition_point(|o| *o as usize <= offset).checked_sub(1)?;
        let on = offset - items[item] as usize;
        // On from the end of an atom are bytes that are the same in the whole class.
        let fixed = on == 0 || (item % 2 == 1 && on < 16);
        fixed.then(|| u16::try_from(item << 4 | on).ok()).flatten()
    }

    /// The offset that this stands for in the message last seen by `of`.
    pub(super) fn offset(&self, item: u16) -> usize {
        let (item, on) = (usize::from(item >> 4), usize::from(item & 15));
        self.items[..self.count].get(item).map_or(0, |o| *o as usize + on)
    }
}

impl Special {
    /// `patterns`: with each the sets of literals of which one each is in what it matches.
    pub(super) fn new<'a>(patterns: impl Iterator<Item = (&'a Hir, &'a [Vec<Vec<u8>>])>) -> Self {
        let mut atoms = Set::default();
        let (mut all, mut lone) = (Vec::new(), Vec::new());
        for (hir, sets) in patterns {
            let mut parts = Vec::new();
            collect(hir, false, false, &mut atoms, &mut parts);
            // All that tells a line of it may be such a part: no word of the class leads to the pattern.
            let may_be_part = |l: &Vec<u8>| l.iter().all(|b| KINDS[usize::from(*b)] != 0) && varies(l);
            if sets.iter().all(|set| set.iter().any(may_be_part)) {
                lone.extend(parts.iter().cloned());
            }
            all.push(parts);
        }
        let mut sieve = [0; SIEVE];
        for word in &atoms {
            sieve[(word >> 6) as usize % SIEVE] |= 1 << (word % 64);
        }
        Special { atoms, sieve, parts: all, lone: automaton(lone) }
    }

    /// Whether this pattern looks for parts of atoms.
    pub(super) fn has_parts(&self, pattern: usize) -> bool {
        self.parts.get(pattern).is_some_and(|p| !p.is_empty())
    }

    /// Finds the parts that these patterns look for.
    pub(super) fn refiner(&self, patterns: &[usize]) -> Option<AhoCorasick> {
        automaton(patterns.iter().filter_map(|p| self.parts.get(*p)).flatten().cloned().collect())
    }

    #[inline]
    fn keeps(&self, message: &[u8], start: usize, end: usize, letters: bool, word: u64) -> bool {
        if !letters && end - start <= 7 {
            match &message[start..end] {
                // SMTP replies and ports.
                [b'2' | b'4' | b'5', _, _] | [b'2' | b'4' | b'5', b'.', b'0'..=b'9', b'.', ..] => return true,
                _ if start >= 2 && message[start - 1] == b':' && message[start - 2] == b']' => return true,
                _ => {}
            }
        }
        self.sieve[(word >> 6) as usize % SIEVE] & (1 << (word % 64)) != 0 && self.atoms.contains(&word)
    }
}

/// The bytes of an atom as one number. Read eight at a time: most atoms are no longer, and a copy of a few bytes
/// costs more than what it saves.
#[inline]
fn word(message: &[u8], start: usize, end: usize) -> u64 {
    let len = end - start;
    let eight = |at: usize| message.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let salt = (len as u64) << 56;
    if len < 8 {
        let bytes = match eight(start) {
            Some(bytes) => bytes & ((1 << (len * 8)) - 1),
            None => message[start..end].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)),
        };
        return hash::add(bytes, salt);
    }
    let mut h = salt;
    let mut at = start;
    while at + 8 < end {
        h = hash::add(h, eight(at).unwrap_or_default());
        at += 8;
    }
    hash::add(h, eight(end - 8).unwrap_or_default())
}

/// Tells private networks and this host from the rest: patterns do too, by ranges.
fn network(address: &[u8]) -> u64 {
    let code = match address {
        [b'1', b'0', b'.', ..] => 1,
        [b'1', b'2', b'7', b'.', ..] => 2,
        [b'1', b'9', b'2', b'.', b'1', b'6', b'8', b'.', ..] => 3,
        [b'1', b'7', b'2', b'.', b'1', b'6'..=b'9', b'.', ..]
        | [b'1', b'7', b'2', b'.', b'2', b'0'..=b'9', b'.', ..]
        | [b'1', b'7', b'2', b'.', b'3', b'0' | b'1', b'.', ..] => 4,
        [b'1', b'0', b'0', b'.', ..] => 5,
        [b'1', b'6', b'9', b'.', b'2', b'5', b'4', b'.', ..] => 6,
        [b'f', b'c' | b'd', ..] => 7,
        [b'f', b'e', b'8', b'0', ..] => 8,
        _ => 0,
    };
    code << 16
}

fn automaton(mut parts: Vec<Vec<u8>>) -> Option<AhoCorasick> {
    parts.sort();
    parts.dedup();
    let build = || AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(&parts).ok();
    (!parts.is_empty()).then(build).flatten()
}

/// Adds what parts are in atoms that vary.
pub(super) fn refine(class: u64, parts: &AhoCorasick, message: &[u8]) -> u64 {
    let mut h = hash::add(class, 1);
    for m in parts.find_iter(message) {
        let before = message[..m.start()].iter().rev().take_while(|b| KINDS[usize::from(**b)] != 0).count();
        let after = message[m.end()..].iter().take_while(|b| KINDS[usize::from(**b)] != 0).count();
        if varies(&message[m.start() - before..m.end() + after]) {
            h = hash::add(h, u64::from(m.pattern().as_u32()));
        }
    }
    h
}

fn varies(atom: &[u8]) -> bool {
    atom.len() > LONGEST_WORD || atom.iter().any(|b| KINDS[usize::from(*b)] & (DIGIT | DOT) != 0)
}

/// Collects the atoms of a regex. `left`, `right`: an atom may go on beyond that edge of this part.
fn collect(hir: &Hir, left: bool, right: bool, atoms: &mut Set, parts: &mut Vec<Vec<u8>>) {
    match hir.kind() {
        HirKind::Literal(literal) => {
            let text = &literal.0;
            let mut at = 0;
            while at < text.len() {
                let len = text[at..].iter().take_while(|b| KINDS[usize::from(**b)] != 0).count();
                let atom = &text[at..at + len];
                let open = (at == 0 && left) || (at + len == text.len() && right);
                if len > 0 {
                    note(atom, open, atoms, parts);
                }
                at += len.max(1);
            }
        }
        HirKind::Capture(c) => collect(&c.sub, left, right, atoms, parts),
        HirKind::Repetition(r) => {
            let own = r.max != Some(1) && r.max != Some(0);
            collect(&r.sub, left || (own && edge(&r.sub, true)), right || (own && edge(&r.sub, false)), atoms, parts);
        }
        HirKind::Alternation(subs) => {
            for sub in subs {
                collect(sub, left, right, atoms, parts);
            }
        }
        HirKind::Concat(subs) => {
            for (i, sub) in subs.iter().enumerate() {
                let before = reach(subs[..i].iter().rev(), true, left);
                let after = reach(subs[i + 1..].iter(), false, right);
                collect(sub, before, after, atoms, parts);
            }
        }
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => {}
    }
}

fn note(atom: &[u8], open: bool, atoms: &mut Set, parts: &mut Vec<Vec<u8>>) {
    let numeric = atom.iter().all(|b| KINDS[usize::from(*b)] & (DIGIT | DOT) != 0);
    // Status codes are kept, and private networks told apart, without this.
    let code = atom.starts_with(b"2.") || atom.starts_with(b"4.") || atom.starts_with(b"5.") || network(atom) != 0;
    if !open {
        if varies(atom) {
            atoms.insert(word(atom, 0, atom.len()));
        }
    } else if atom.len() >= 3 && !(numeric && (atom.len() <= 3 || code)) {
        parts.push(atom.to_vec());
    }
}

/// Whether an atom may go on into these neighbours.
fn reach<'a>(neighbours: impl Iterator<Item = &'a Hir>, last: bool, beyond: bool) -> bool {
    for n in neighbours {
        if matches!(n.kind(), HirKind::Look(_)) {
            return false;
        }
        if edge(n, last) {
            return true;
        }
        if n.properties().minimum_len().is_some_and(|len| len > 0) {
            return false;
        }
    }
    beyond
}

/// Whether the first (or last) byte that a part matches may go on an atom so that it varies.
fn edge(hir: &Hir, last: bool) -> bool {
    // Letters that go on with letters are one word; it is what makes an atom vary that counts.
    let varying = |b: u8| KINDS[usize::from(b)] & !LETTER != 0;
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(l) => (if last { l.0.last() } else { l.0.first() }).is_some_and(|b| varying(*b)),
        // What also matches a blank (`.*`) is there to leave words out, not to go on within one.
        HirKind::Class(Class::Unicode(c)) => {
            let has = |ch: char| c.iter().any(|r| r.start() <= ch && r.end() >= ch);
            !has(' ') && (has('.') || (has('5') && !has('a')))
        }
        HirKind::Class(Class::Bytes(c)) => {
            let has = |b: u8| c.iter().any(|r| r.start() <= b && r.end() >= b);
            !has(b' ') && (has(b'.') || (has(b'5') && !has(b'a')))
        }
        HirKind::Capture(c) => edge(&c.sub, last),
        HirKind::Repetition(r) => edge(&r.sub, last),
        HirKind::Alternation(subs) => subs.iter().any(|s| edge(s, last)),
        HirKind::Concat(subs) => {
            if last {
                reach(subs.iter().rev(), true, false)
            } else {
                reach(subs.iter(), false, false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::scan::parts::Looked;

    fn special(regexes: &[&str]) -> Special {
        let parsed: Vec<Hir> = regexes.iter().map(|r| regex_syntax::parse(r).unwrap()).collect();
        Special::new(parsed.iter().map(|h| (h, &[][..])))
    }

    fn same(regexes: &[&str], a: &str, b: &str) -> Option<bool> {
        let special = special(regexes);
        let mut classes = Classes::<()>::new();
        let parts = |text: &str| Looked::default().parts(text.as_bytes(), false);
        let a = classes.of(&special, b"smtp", a.as_bytes(), &parts(a))?;
        let b = classes.of(&special, b"smtp", b.as_bytes(), &parts(b))?;
        Some(a == b)
    }

    #[test]
    fn what_varies_and_what_does_not() {
        let t = |a, b| same(&[], a, b).unwrap();
        assert!(t("warning: host a1.example[192.0.2.1]: x", "warning: host b.example.org[198.51.100.7]: x"));
        assert!(!t("450 4.7.1 x", "550 4.7.1 x"));
        assert!(!t("450 4.7.1 x", "450 4.2.1 x"));
        assert!(!t("to a[1.2.3.4]:25: x", "to a[1.2.3.4]:587: x"));
        assert!(!t("from unknown[1.2.3.4]", "from mx.example[1.2.3.4]"));
        assert!(!t("relay=none, x", "relay=local, x"));
        assert!(t("delay=1.5, x", "delay=22.75, x"));
    }

    #[test]
    fn what_patterns_look_for_is_kept() {
        assert_eq!(same(&[r"from \S+\[127\.0\.0\.1\]"], "from a.b[127.0.0.1]", "from a.b[127.0.0.2]"), Some(false));
        assert_eq!(
            same(&[r"from \S*google\.com\["], "from a.b[127.0.0.1]", "from mx.google.com[1.2.3.4]"),
            Some(false)
        );
        assert_eq!(same(&[r"from \S*outlook\S*"], "from outlook", "from outlook"), Some(true));
        assert_eq!(same(&[r"from \S*outlook\S*"], "from outlook.x", "from outlooc.y"), Some(false));
        assert_eq!(
            same(&[r"(?:warning|fatal): timeouts? (?<n>\d+)"], "warning: timeout 1", "warning: timeout 2"),
            Some(true)
        );
    }
}
