//! Literals that a regex cannot do without: a line that has none of them need not be tried.

use regex_syntax::hir::{Hir, HirKind};

/// Shorter ones are in every line.
const SHORTEST: usize = 3;
/// More alternatives than this are no filter.
const MOST: usize = 32;

/// One of the returned literals is in every text that `regex` matches. None: no such set is known.
pub(super) fn required(regex: &str) -> Option<Vec<Vec<u8>>> {
    let hir = regex_syntax::ParserBuilder::new().utf8(false).build().parse(regex).ok()?;
    let set = of(&hir).best?;
    (worth(&set) > 0).then_some(set)
}

/// What is known about a part of a regex.
struct Known {
    /// exactly these texts match
    exact: Option<Vec<Vec<u8>>>,
    /// one of these is in every match
    best: Option<Vec<Vec<u8>>>,
}

fn of(hir: &Hir) -> Known {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Known { exact: Some(vec![Vec::new()]), best: None },
        HirKind::Literal(literal) => known(vec![literal.0.to_vec()]),
        HirKind::Class(class) => class.literal().map_or(Known { exact: None, best: None }, |l| known(vec![l])),
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Repetition(r) if r.min == 0 => Known { exact: None, best: None },
        HirKind::Repetition(r) => {
            let sub = of(&r.sub);
            let once = r.min == 1 && r.max == Some(1);
            Known { exact: sub.exact.filter(|_| once), best: sub.best }
        }
        HirKind::Alternation(subs) => {
            let subs: Vec<Known> = subs.iter().map(of).collect();
            let all = |pick: fn(&Known) -> &Option<Vec<Vec<u8>>>| -> Option<Vec<Vec<u8>>> {
                let mut set = Vec::new();
                for sub in &subs {
                    set.extend(pick(sub).as_ref()?.iter().cloned());
                }
                set.sort();
                set.dedup();
                (set.len() <= MOST).then_some(set)
            };
            Known { exact: all(|k| &k.exact), best: all(|k| &k.best) }
        }
        HirKind::Concat(subs) => concat(subs),
    }
}

fn known(set: Vec<Vec<u8>>) -> Known {
    let best = set.iter().all(|l| l.len() >= SHORTEST).then(|| set.clone());
    Known { exact: Some(set), best }
}

/// Neighbours with exact texts are joined, so that `(?:warning|error): open` gives `warning: open`, `error: open`.
fn concat(subs: &[Hir]) -> Known {
    let mut best: Option<Vec<Vec<u8>>> = None;
    let mut run: Vec<Vec<u8>> = vec![Vec::new()];
    let mut whole = true;
    let mut offer = |set: Option<Vec<Vec<u8>>>| {
        if let Some(set) = set
            && worth(&set) > best.as_ref().map_or(0, |b| worth(b))
        {
            best = Some(set);
        }
    };
    for sub in subs {
        let k = of(sub);
        match k.exact {
            Some(exact) if run.len() * exact.len() <= MOST => {
                run = run.iter().flat_map(|a| exact.iter().map(move |b| [a.as_slice(), b].concat())).collect();
            }
            Some(exact) => {
                whole = false;
                offer(Some(std::mem::replace(&mut run, exact)));
            }
            None => {
                whole = false;
                offer(Some(std::mem::replace(&mut run, vec![Vec::new()])));
                offer(k.best);
            }
        }
    }
    offer(Some(run.clone()));
    Known { exact: whole.then_some(run), best }
}

/// How well a set of literals tells lines apart; 0: not at all.
fn worth(set: &[Vec<u8>]) -> usize {
    let shortest = set.iter().map(|l| specific(l)).min().unwrap_or(0);
    if shortest < SHORTEST { 0 } else { shortest * 16 / (set.len() + 15) + 1 }
}

/// Length of a literal without the words that are in most lines.
fn specific(literal: &[u8]) -> usize {
    let mut text = String::from_utf8_lossy(literal).into_owned();
    for common in [
        "postfix/",
        "postfix",
        "smtpd[",
        "smtp[",
        "NOQUEUE: ",
        ", dsn=",
        " from=<",
        " to=<",
        "to=<",
        ", relay=",
        ", delay=",
        "delays=",
        "proto=ESMTP",
        "]: ",
        " from ",
        " for ",
        " to ",
    ] {
        text = text.replace(common, "");
    }
    for (usual, weight) in [
        ("warning: ", "wa"),
        ("status=deferred (", "sta"),
        ("status=deferred", "sta"),
        ("reject: RCPT", "rej"),
        ("reject:", "rej"),
    ] {
        text = text.replace(usual, weight);
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(regex: &str) -> Vec<String> {
        required(regex).unwrap_or_default().into_iter().map(|l| String::from_utf8(l).unwrap()).collect()
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
        assert_eq!(set("("), Vec::<String>::new());
    }
}
