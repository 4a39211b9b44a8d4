//! Literals that a regex cannot do without: a line that has none of them need not be tried.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use regex_syntax::hir::{Hir, HirKind};

/// Shorter ones are in every line.
const SHORTEST: usize = 3;
/// More alternatives than this are no filter.
const MOST: usize = 32;

/// Literals of which one is in every line that matches.
pub(super) type Set = Vec<Vec<u8>>;

/// Literals that a line must have to match: one of the first set if there is such a set that tells lines apart, and
/// one of each of the others.
pub(super) fn sets(hir: &Hir) -> (Option<Set>, Vec<Set>) {
    let Known { best, mut sets, .. } = of(hir);
    sets.retain(|set| set.iter().all(|l| l.len() >= SHORTEST));
    (best.filter(|set| worth(set) > 0), sets)
}

/// What is known about a part of a regex.
#[derive(Default)]
struct Known {
    /// exactly these texts match
    exact: Option<Vec<Vec<u8>>>,
    /// every match begins with one of these
    prefix: Option<Vec<Vec<u8>>>,
    /// one of these is in every match
    best: Option<Vec<Vec<u8>>>,
    /// of each of these one is in every match
    sets: Vec<Vec<Vec<u8>>>,
}

fn of(hir: &Hir) -> Known {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => known(vec![Vec::new()]),
        HirKind::Literal(literal) => known(vec![literal.0.to_vec()]),
        HirKind::Class(class) => class.literal().map_or(Known::default(), |l| known(vec![l])),
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Repetition(r) if r.min == 0 => Known::default(),
        HirKind::Repetition(r) => {
            let sub = of(&r.sub);
            let once = r.min == 1 && r.max == Some(1);
            Known { exact: sub.exact.filter(|_| once), ..sub }
        }
        HirKind::Alternation(subs) => {
            let subs: Vec<Known> = subs.iter().map(of).collect();
            let all = |pick: fn(&Known) -> Option<&Vec<Vec<u8>>>| -> Option<Vec<Vec<u8>>> {
                let mut set = Vec::new();
                for sub in &subs {
                    set.extend(pick(sub)?.iter().cloned());
                }
                set.sort();
                set.dedup();
                (set.len() <= MOST).then_some(set)
            };
            let best = all(|k| k.best.as_ref());
            Known {
                exact: all(|k| k.exact.as_ref()),
                prefix: all(|k| k.prefix.as_ref()),
                sets: best.clone().into_iter().collect(),
                best,
            }
        }
        HirKind::Concat(subs) => concat(subs),
    }
}

fn known(set: Vec<Vec<u8>>) -> Known {
    let best = set.iter().all(|l| l.len() >= SHORTEST).then(|| set.clone());
    Known { exact: Some(set.clone()), prefix: Some(set), sets: best.clone().into_iter().collect(), best }
}

/// Neighbours with exact texts are joined, so that `(?:warning|error): open` gives `warning: open`, `error: open`.
fn concat(subs: &[Hir]) -> Known {
    let join = |run: &[Vec<u8>], next: &[Vec<u8>]| -> Vec<Vec<u8>> {
        run.iter().flat_map(|a| next.iter().map(move |b| [a.as_slice(), b].concat())).collect()
    };
    let mut sets: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut prefix: Option<Vec<Vec<u8>>> = None;
    let mut run: Vec<Vec<u8>> = vec![Vec::new()];
    let mut whole = true;
    for sub in subs {
        let k = of(sub);
        if let Some(exact) = &k.exact
            && run.len() * exact.len() <= MOST
        {
            run = join(&run, exact);
            continue;
        }
        let begun = k.prefix.filter(|p| run.len() * p.len() <= MOST).map_or_else(|| run.clone(), |p| join(&run, &p));
        if whole {
            prefix = Some(begun.clone());
        }
        whole = false;
        sets.push(begun);
        sets.extend(k.sets);
        sets.extend(k.best);
        run = k.exact.unwrap_or_else(|| vec![Vec::new()]);
    }
    sets.push(run.clone());
    sets.retain(|set| set.iter().all(|l| l.len() >= SHORTEST));
    let best = sets.iter().filter(|s| worth(s) > 0).max_by_key(|s| worth(s)).cloned();
    Known { exact: whole.then(|| run.clone()), prefix: if whole { Some(run) } else { prefix }, best, sets }
}

/// How well a set of literals tells lines apart; 0: not at all.
fn worth(set: &[Vec<u8>]) -> usize {
    let shortest = set.iter().map(|l| specific(l)).min().unwrap_or(0);
    if shortest < SHORTEST { 0 } else { shortest * 16 / (set.len() + 15) + 1 }
}

/// What is in many lines, and how many letters it counts for.
const COMMON: &[(&str, usize)] = &[
    ("postfix/", 0),
    ("postfix", 0),
    ("smtpd[", 0),
    ("smtp[", 0),
    ("NOQUEUE: ", 0),
    (", dsn=", 0),
    (" from=<", 0),
    (" to=<", 0),
    ("to=<", 0),
    (", relay=", 0),
    (", delay=", 0),
    ("delays=", 0),
    ("proto=ESMTP", 0),
    ("]: ", 0),
    (" from ", 0),
    (" for ", 0),
    (" to ", 0),
    ("warning: ", 2),
    ("status=deferred (", 3),
    ("status=deferred", 3),
    ("reject: RCPT", 3),
    ("reject:", 3),
];

static COMMON_WORDS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(COMMON.iter().map(|(word, _)| word)).ok()
});

/// Length of a literal without the words that are in most lines.
fn specific(literal: &[u8]) -> usize {
    let common: usize = COMMON_WORDS
        .as_ref()
        .into_iter()
        .flat_map(|words| words.find_iter(literal))
        .map(|m| m.len() - COMMON[m.pattern().as_usize()].1)
        .sum();
    literal.len() - common
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(regex: &str) -> Vec<String> {
        let hir = regex_syntax::parse(regex).unwrap();
        sets(&hir).0.unwrap_or_default().into_iter().map(|l| String::from_utf8(l).unwrap()).collect()
    }

    #[test]
    fn inner_literals() {
        assert_eq!(
            set(r"warning: connect to Milter service (?<e>\S+): (?<why>.+)"),
            ["warning: connect to Milter service "]
        );
        assert_eq!(set(r"(?:fatal|error): open \S+: No such file"), [": No such file"]);
        assert_eq!(
            set(r"lost connection after (?:AUTH|STARTTLS) from"),
            ["lost connection after AUTH from", "lost connection after STARTTLS from"]
        );
        assert_eq!(set(r"\S+ \d+"), Vec::<String>::new());
        assert_eq!(set(r"(?i)abc"), Vec::<String>::new());
        assert_eq!(set(r"status=deferred \((?:.*)Host not found"), ["Host not found"]);
        assert_eq!(set(r"a+bcd(?:efg)?"), ["bcd"]);
    }
}
