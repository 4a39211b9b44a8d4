//! Symptoms fold under their cause. A cause accounts for a symptom only where their scopes meet and where it
//! is not later than the symptom; a consequence never stands alone while something earlier can have caused it.

use super::consequence;
use super::judge::Hypothesis;
use crate::report::model::{Confidence, Severity, Status};

/// A hypothesis and what folded under it.
#[derive(Debug, Clone)]
pub struct Folded<'k> {
    /// the one on top
    pub top: Hypothesis<'k>,
    /// those it accounts for
    pub explains: Vec<Hypothesis<'k>>,
}

/// Folds symptoms and consequences under causes.
pub fn fold(hypotheses: Vec<Hypothesis<'_>>) -> Vec<Folded<'_>> {
    let parents = parents(&hypotheses);
    let mut slots: Vec<Option<Hypothesis<'_>>> = hypotheses.into_iter().map(Some).collect();
    let root_of = |mut index: usize| {
        while let Some(parent) = parents[index] {
            index = parent;
        }
        index
    };
    let roots: Vec<usize> = (0..slots.len()).map(root_of).collect();
    let mut folded = Vec::new();
    for index in 0..slots.len() {
        if roots[index] != index {
            continue;
        }
        let Some(mut top) = slots[index].take() else { continue };
        let explains: Vec<_> =
            (0..slots.len()).filter(|&i| i != index && roots[i] == index).filter_map(|i| slots[i].take()).collect();
        raise(&mut top, &explains);
        folded.push(Folded { top, explains });
    }
    folded
}

/// A state that accounts for a symptom is its proven cause, and as bad as the symptom.
fn raise(top: &mut Hypothesis<'_>, explains: &[Hypothesis<'_>]) {
    let current = explains.iter().filter(|e| e.status == Status::Current);
    let Some(worst) = current.map(|e| e.severity).max() else { return };
    // A setting that is harmless by itself, as `relayhost` without brackets, is not when it has a symptom.
    let is_state = top.sighting.order.is_none() && top.cause.is_some();
    if worst > Severity::Info && (top.severity > Severity::Info || is_state) {
        top.severity = top.severity.max(worst);
        if top.sighting.order.is_none() && top.cause.is_some() && top.confidence == Confidence::Likely {
            top.confidence = Confidence::Confirmed;
        }
    }
}

/// For each hypothesis the one that accounts for it.
fn parents(all: &[Hypothesis<'_>]) -> Vec<Option<usize>> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(strength(&all[i])));
    let mut place = vec![0; all.len()];
    for (at, &index) in order.iter().enumerate() {
        place[index] = at;
    }
    let parents = (0..all.len()).map(|child| {
        let mut claimed = order.iter().copied().filter(|&p| p != child && claims(&all[p], &all[child]));
        // Two that claim each other: the stronger keeps the place on top.
        claimed
            .find(|&p| !claims(&all[child], &all[p]) || place[p] < place[child])
            .or_else(|| all[child].sighting.rule.consequence.then(|| cause_of_consequence(all, child)).flatten())
            .or_else(|| consequence::last_words(all, child))
    });
    without_circles(parents.collect())
}

/// Takes out the link that would close a circle.
fn without_circles(mut parents: Vec<Option<usize>>) -> Vec<Option<usize>> {
    for start in 0..parents.len() {
        let (mut index, mut steps) = (start, 0);
        while let Some(parent) = parents[index] {
            steps += 1;
            if parent == start || steps > parents.len() {
                parents[index] = None;
                break;
            }
            index = parent;
        }
    }
    parents
}

/// What makes one of two rivals the cause: a confirmed one first, a state before a log line, the earlier.
fn strength(h: &Hypothesis<'_>) -> (bool, Confidence, bool, std::cmp::Reverse<u64>) {
    let root = !h.sighting.rule.consequence;
    (root, h.confidence, h.sighting.order.is_none(), std::cmp::Reverse(h.sighting.order.unwrap_or(0)))
}

/// Whether `cause` says that it accounts for `symptom`, and may.
fn claims(cause: &Hypothesis<'_>, symptom: &Hypothesis<'_>) -> bool {
    if cause.sighting.rule.id == symptom.sighting.rule.id || cause.status == Status::Resolved {
        return false;
    }
    let own = cause.cause.map(|c| c.explains.as_slice()).unwrap_or_default();
    let names = |list: &[String]| list.contains(&symptom.sighting.rule.id);
    let areas = |list: &[String]| {
        list.iter().any(|e| e.strip_prefix("area:").is_some_and(|area| area == symptom.sighting.rule.area))
    };
    let by_name = names(&cause.sighting.rule.explains) || names(own);
    // A claim by area is a guess: it yields to a cause that the symptom's own rule has proven, and ordinary noise
    // of strangers is no symptom of anything here.
    let by_area = (areas(&cause.sighting.rule.explains) || areas(own))
        && symptom.sighting.order.is_some()
        && symptom.severity > Severity::Info
        && !(symptom.confidence == Confidence::Confirmed && symptom.cause.is_some())
        && things_meet(cause, symptom);
    (by_name || by_area) && scopes_meet(cause, symptom) && not_later(cause, symptom)
}

fn scopes_meet(a: &Hypothesis<'_>, b: &Hypothesis<'_>) -> bool {
    let instances = match (&a.sighting.scope.instance, &b.sighting.scope.instance) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    };
    instances && domains_meet(a, b)
}

/// What concerns one mail domain does not account for trouble of another.
fn domains_meet(a: &Hypothesis<'_>, b: &Hypothesis<'_>) -> bool {
    let domain =
        |h: &Hypothesis<'_>| h.sighting.fields.get("domain").map(ToString::to_string).filter(|d| !d.is_empty());
    match (domain(a), domain(b)) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(&b),
        _ => true,
    }
}

/// A claim by area holds only for trouble with the same thing. Where both name a file, table or directory, one of
/// each must lie in the other; where both are about an smtpd of master.cf, it must be the same one.
fn things_meet(cause: &Hypothesis<'_>, symptom: &Hypothesis<'_>) -> bool {
    let (ours, theirs) = (paths(cause), paths(symptom));
    let related = |a: &String| theirs.iter().any(|b| a.starts_with(b.as_str()) || b.starts_with(a.as_str()));
    if !ours.is_empty() && !theirs.is_empty() && !ours.iter().any(related) {
        return false;
    }
    let text =
        |h: &Hypothesis<'_>, name: &str| h.sighting.fields.get(name).map(ToString::to_string).unwrap_or_default();
    let of_inet = text(cause, "entry").ends_with("/inet") && text(symptom, "program") == "smtpd";
    match (cause.sighting.service, symptom.sighting.service) {
        (Some(a), Some(b)) if of_inet => a == b,
        _ => true,
    }
}

/// The files that a sighting is about, without the type of a table and the suffix of an index. Where a setting
/// stands is not what it is about.
fn paths(h: &Hypothesis<'_>) -> Vec<String> {
    const SUFFIXES: &[&str] = &[".db", ".lmdb", ".cdb", ".pag", ".dir"];
    let mut found = Vec::new();
    for (name, value) in &h.sighting.fields {
        let value = value.to_string();
        if matches!(name.as_str(), "file" | "why" | "evidence") {
            continue;
        }
        let path = value.rsplit_once(":/").map_or(value.clone(), |(_, rest)| format!("/{rest}"));
        if !path.starts_with('/') || path.contains([' ', ',']) || path.len() < 2 {
            continue;
        }
        let bare = SUFFIXES.iter().find_map(|s| path.strip_suffix(s)).unwrap_or(&path);
        found.push(bare.trim_end_matches('/').to_owned());
    }
    found
}

/// A state that holds now may have held before; a log line must not be later than what it is to have caused.
fn not_later(cause: &Hypothesis<'_>, symptom: &Hypothesis<'_>) -> bool {
    match (cause.sighting.order, symptom.sighting.order) {
        (Some(cause_at), Some(symptom_at)) => {
            // Daemons race: the line of the cause can come a few seconds after its consequence.
            const RACE_SECONDS: i64 = 5;
            let close = cause.sighting.first.zip(symptom.sighting.first);
            cause_at <= symptom_at || close.is_some_and(|(c, s)| c.duration_since(s).as_secs() <= RACE_SECONDS)
        }
        _ => true,
    }
}

/// What a consequence folds under: something that is still so (or has ended) like it, and is not later.
fn cause_of_consequence(all: &[Hypothesis<'_>], child: usize) -> Option<usize> {
    let fits = |i: usize| {
        all[i].severity > Severity::Info
            && all[i].sighting.rule.id != all[child].sighting.rule.id
            && all[i].status == all[child].status
            && scopes_meet(&all[i], &all[child])
            && not_later(&all[i], &all[child])
    };
    consequence::cause(all, child, &fits)
}
