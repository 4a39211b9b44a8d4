//! The patterns, made ready: which pattern does a line belong to?
//!
//! One Aho-Corasick automaton looks for the literals that patterns cannot do without; only the patterns whose
//! literal occurs are tried, the most important first. Regexes are compiled when they are first tried: most are
//! never needed.

use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use rayon::prelude::*;
use regex::bytes::{Captures, Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

use super::class::Special;
use super::parts::Looked;
use super::quiet::{Needs, Quiet};
use super::{Pattern, literals};
use crate::postfix::log_line;

/// All patterns of a scan. Patterns are numbered by *rank* here: the order in which they are tried.
pub struct Matcher {
    ranked: Vec<Ranked>,
    words: usize,
    literals: AhoCorasick,
    /// rank sets by literal
    of_literal: Vec<Vec<u32>>,
    /// ranks without any literal: always tried
    always: Vec<u32>,
    /// what patterns look for inside of words
    pub(super) special: Special,
    /// what they look for in the lines that most of a log consists of
    pub(super) quiet: Quiet,
    /// what they look into
    pub(super) looked: Looked,
    /// patterns that are no regex, with the reason
    pub broken: Vec<(usize, String)>,
}

struct Ranked {
    pattern: usize,
    regex: String,
    compiled: OnceLock<Option<Regex>>,
    programs: Vec<Vec<u8>>,
    key: Vec<String>,
}

/// What is found out about a pattern without trying it.
struct Analysis {
    hir: Hir,
    required: Option<literals::Set>,
    sets: Vec<literals::Set>,
}

fn analyse(regex: &str) -> Result<Analysis, String> {
    let hir = ParserBuilder::new().utf8(false).build().parse(regex).map_err(|e| e.to_string())?;
    let (required, sets) = literals::sets(&hir);
    Ok(Analysis { hir, required, sets })
}

/// Reusable memory of one thread.
#[derive(Default)]
pub struct Scratch {
    candidates: Vec<u64>,
}

/// The pattern that a line belongs to.
pub struct Found<'m, 't> {
    /// index as given
    pub pattern: usize,
    /// its captures
    pub captures: Captures<'t>,
    pub(super) rank: usize,
    matcher: &'m Matcher,
}

impl Matcher {
    /// Makes patterns ready. What is no regex is left out and listed in `broken`.
    pub fn new(patterns: &[Pattern]) -> Self {
        let mut broken = Vec::new();
        let mut order: Vec<usize> = (0..patterns.len()).collect();
        order.sort_by_key(|i| (-i64::from(patterns[*i].priority), *i));
        let mut ranked = Vec::new();
        let mut needles: Vec<Vec<u8>> = Vec::new();
        let mut of_literal: Vec<Vec<u32>> = Vec::new();
        let mut known = std::collections::HashMap::new();
        let mut always = Vec::new();
        let mut parsed = Vec::new();
        let analysed: Vec<_> = order.par_iter().map(|i| analyse(&patterns[*i].regex)).collect();
        for (i, analysis) in order.into_iter().zip(analysed) {
            let p = &patterns[i];
            let Analysis { hir, required, sets } = match analysis {
                Ok(analysis) => analysis,
                Err(e) => {
                    broken.push((i, e));
                    continue;
                }
            };
            let rank = ranked.len() as u32;
            match required {
                Some(set) => {
                    for literal in set {
                        let at = *known.entry(literal.clone()).or_insert_with(|| {
                            needles.push(literal);
                            of_literal.push(Vec::new());
                            needles.len() - 1
                        });
                        of_literal[at].push(rank);
                    }
                }
                None => always.push(rank),
            }
            let programs: Vec<Vec<u8>> = p.programs.iter().map(|s| s.clone().into_bytes()).collect();
            parsed.push((hir, Needs { programs: programs.clone(), sets }));
            ranked.push(Ranked {
                pattern: i,
                regex: p.regex.clone(),
                compiled: OnceLock::new(),
                programs,
                key: p.key.clone(),
            });
        }
        let automaton = || {
            // Few lines get as far as this; what counts is that it is built fast.
            AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(&needles)
        };
        let special = || Special::new(parsed.iter().map(|(hir, needs)| (hir, needs.sets.as_slice())));
        let (literals, (special, quiet)) =
            rayon::join(automaton, || rayon::join(special, || Quiet::new(parsed.iter().map(|(_, needs)| needs))));
        let literals = literals.unwrap_or_else(|_| {
            // Too many literals for any automaton cannot be; were it so, every pattern would be tried on every line.
            always = (0..ranked.len() as u32).collect();
            AhoCorasick::new([""; 0]).expect("no needles")
        });
        let looked = Looked::new(ranked.iter().map(|r: &Ranked| r.regex.as_str()));
        Matcher {
            looked,
            words: ranked.len().div_ceil(64),
            ranked,
            literals,
            of_literal,
            always,
            special,
            quiet,
            broken,
        }
    }

    /// What the pattern of this rank captures, if it matches.
    pub(super) fn captures<'m, 't>(&'m self, rank: usize, body: &'t [u8]) -> Option<Found<'m, 't>> {
        let captures = self.regex(rank)?.captures(body)?;
        Some(Found { pattern: self.ranked[rank].pattern, captures, rank, matcher: self })
    }

    /// The ranks that looked for a part of a word in the last `find`, as far as its answer (the rank, if there was
    /// one) may hang on them.
    pub(super) fn hangs_on(&self, scratch: &Scratch, found: Option<usize>) -> Vec<usize> {
        let last = found.unwrap_or(self.ranked.len());
        (0..self.ranked.len().min(last + 1))
            .filter(|rank| scratch.candidates[rank / 64] & (1 << (rank % 64)) != 0 && self.special.has_parts(*rank))
            .collect()
    }

    /// The number, as given, of the pattern of this rank.
    pub(super) fn pattern(&self, rank: usize) -> usize {
        self.ranked[rank].pattern
    }

    /// The pattern that `body` (`tag[pid]: message`) belongs to.
    pub fn find<'m, 't>(&'m self, body: &'t [u8], scratch: &mut Scratch) -> Option<Found<'m, 't>> {
        scratch.candidates.clear();
        scratch.candidates.resize(self.words, 0);
        let set = &mut scratch.candidates;
        let mut any = !self.always.is_empty();
        for rank in &self.always {
            set[*rank as usize / 64] |= 1 << (rank % 64);
        }
        for hit in self.literals.find_overlapping_iter(body) {
            any = true;
            for rank in &self.of_literal[hit.pattern().as_usize()] {
                set[*rank as usize / 64] |= 1 << (rank % 64);
            }
        }
        if !any {
            return None;
        }
        let program = log_line::find_tag(body).map_or(&b""[..], |t| {
            let tag = &body[..t.name_end];
            memchr::memrchr(b'/', tag).map_or(tag, |at| &tag[at + 1..])
        });
        for word in 0..self.words {
            let mut bits = scratch.candidates[word];
            while bits != 0 {
                let rank = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let r = &self.ranked[rank];
                if !r.programs.is_empty() && !r.programs.iter().any(|p| p == program) {
                    continue;
                }
                let Some(regex) = self.regex(rank) else { continue };
                if let Some(captures) = regex.captures(body) {
                    return Some(Found { pattern: r.pattern, captures, rank, matcher: self });
                }
            }
        }
        None
    }

    fn regex(&self, rank: usize) -> Option<&Regex> {
        let r = &self.ranked[rank];
        r.compiled.get_or_init(|| compile(&r.regex)).as_ref()
    }
}

impl<'t> Found<'_, 't> {
    /// The values of the key captures, in the order of the pattern's `key`; a capture that took no part is empty.
    pub fn key(&self) -> impl Iterator<Item = &'t [u8]> + '_ {
        self.matcher.ranked[self.rank]
            .key
            .iter()
            .map(|name| self.captures.name(name).map_or(&b""[..], |m| m.as_bytes()))
    }

    /// Where the key captures are; none if one took no part.
    pub(super) fn key_ranges(&self) -> impl Iterator<Item = Option<std::ops::Range<usize>>> + '_ {
        self.matcher.ranked[self.rank].key.iter().map(|name| self.captures.name(name).map(|m| m.range()))
    }

    /// All named captures that took part.
    pub fn named(&self) -> Vec<(String, String)> {
        let Some(regex) = self.matcher.regex(self.rank) else { return Vec::new() };
        regex
            .capture_names()
            .flatten()
            .filter_map(|name| {
                let text = self.captures.name(name)?.as_bytes();
                Some((name.to_owned(), crate::evidence::printable(&String::from_utf8_lossy(text))))
            })
            .collect()
    }
}

/// Bytes, so that a line in another encoding matches too; classes are ASCII unless the pattern needs more.
fn compile(regex: &str) -> Option<Regex> {
    let build = |unicode| RegexBuilder::new(regex).unicode(unicode).size_limit(4 << 20).dfa_size_limit(1 << 20).build();
    build(false).or_else(|_| build(true)).ok()
}
