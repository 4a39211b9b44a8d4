//! Aliases and .forward files: circles, files that local(8) ignores, destinations that do not exist.

use std::collections::BTreeMap;

use super::users::{local_name, people};
use super::view::{View, octal};
use crate::evidence::{Evidence, Observation};
use crate::host::{FileKind, Trouble};
use crate::steps::config::{table_source, tables};

pub(super) fn observe(view: &View<'_>) {
    let mut edges: BTreeMap<String, Edge> = BTreeMap::new();
    aliases(view, &mut edges);
    forwards(view, &mut edges);
    circles(view, &edges);
}

/// Where mail for a name goes, and which file says so.
struct Edge {
    targets: Vec<String>,
    how: &'static str,
    path: String,
    row: Option<u64>,
}

fn aliases(view: &View<'_>, edges: &mut BTreeMap<String, Edge>) {
    let config = &view.instance.config;
    for item in crate::steps::config::look::items(&config.text("alias_maps")) {
        let Some((ty, path)) = item.split_once(':').filter(|(_, p)| p.starts_with('/')) else { continue };
        if tables::index_suffix(ty).is_none() && ty != "texthash" {
            continue;
        }
        let Ok(bytes) = view.host.read(path, 4 << 20) else { continue };
        let lines: Vec<String> = String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect();
        for entry in table_source::entries(&lines, true) {
            let targets = destinations(&entry.value);
            let alias = entry.key.to_lowercase();
            for target in &targets {
                alias_target(view, &alias, target, path, entry.row);
            }
            edges.entry(alias).or_insert(Edge { targets, how: "alias", path: path.to_owned(), row: Some(entry.row) });
        }
    }
}

/// Destinations of an alias or a .forward file: separated by commas, with quotes and comments.
fn destinations(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let (mut word, mut quoted) = (String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' | '\n' if !quoted => all.push(std::mem::take(&mut word)),
            _ => word.push(c),
        }
    }
    all.push(word);
    all.into_iter().map(|w| w.trim().to_owned()).filter(|w| !w.is_empty() && !w.starts_with('#')).collect()
}

fn alias_target(view: &View<'_>, alias: &str, target: &str, path: &str, row: u64) {
    let missing = |p: &str| matches!(view.host.stat(p), Err(Trouble::Missing));
    let problem = if let Some(list) = target.strip_prefix(":include:") {
        missing(list.trim()).then_some("include-missing")
    } else if let Some(command) = target.strip_prefix('|') {
        let program = command.split_whitespace().next().unwrap_or_default();
        (program.starts_with('/') && missing(program)).then_some("command-missing")
    } else {
        None
    };
    if let Some(problem) = problem {
        view.emit(
            Observation::now("alias-target")
                .with("alias", alias)
                .with("target", target)
                .with("problem", problem)
                .with("path", path)
                .with("row", i64::try_from(row).unwrap_or(0))
                .seen(Evidence::at(path, row, format!("{alias}: {target}"))),
        );
    }
}

/// local(8) reads $home/.forward as the user, and only if owner and mode are safe.
fn forwards(view: &View<'_>, edges: &mut BTreeMap<String, Edge>) {
    for user in people(view) {
        let path = format!("{}/.forward", user.home);
        let Ok(stat) = view.host.stat(&path) else { continue };
        let problem = if stat.kind != FileKind::File {
            Some("not-a-file")
        } else if stat.uid != user.uid && stat.uid != 0 {
            Some("owner")
        } else if stat.mode & 0o002 != 0 {
            Some("writable")
        } else if stat.mode & 0o400 == 0 && stat.uid == user.uid {
            Some("unreadable")
        } else {
            None
        };
        if let Some(problem) = problem {
            view.emit(
                Observation::now("forward-ignored")
                    .with("user", user.name.as_str())
                    .with("path", path.as_str())
                    .with("problem", problem)
                    .with("owner", view.user(stat.uid))
                    .with("mode", octal(stat.mode))
                    .with("command", format!("chown {0}: {path} && chmod 0644 {path}", user.name))
                    .seen(view.evidence(&path, &stat)),
            );
            continue;
        }
        let Ok(bytes) = view.host.read(&path, 64 << 10) else { continue };
        let targets = destinations(&String::from_utf8_lossy(&bytes));
        // An alias comes before .forward: the file counts only for what is left to the user himself.
        edges.entry(user.name.to_lowercase()).or_insert(Edge { targets, how: "forward", path, row: None });
    }
}

/// Mail to oneself (`alice, alice@else.where` in her own .forward) ends the search there and is no circle.
fn circles(view: &View<'_>, edges: &BTreeMap<String, Edge>) {
    let mut reported: Vec<Vec<String>> = Vec::new();
    for start in edges.keys() {
        let mut way = vec![start.clone()];
        follow(view, edges, &mut way, &mut reported, 0);
    }
    for circle in reported {
        let kinds: Vec<&str> = circle.iter().filter_map(|n| edges.get(n)).map(|e| e.how).collect();
        let how = match (kinds.contains(&"forward"), kinds.contains(&"alias")) {
            (true, true) => "alias and forward",
            (true, false) => "forward",
            _ => "alias",
        };
        let mut names = circle.clone();
        names.extend(circle.first().cloned());
        let mut seen = Observation::now("forward-loop")
            .with("names", names)
            .with("how", how)
            .with("path", edges.get(&circle[0]).map(|e| e.path.clone()).unwrap_or_default());
        for name in &circle {
            if let Some(edge) = edges.get(name) {
                let text = format!("{name}: {}", edge.targets.join(", "));
                seen = seen.seen(Evidence { line: edge.row, ..Evidence::new(edge.path.clone(), text) });
            }
        }
        view.emit(seen);
    }
}

fn follow(
    view: &View<'_>,
    edges: &BTreeMap<String, Edge>,
    way: &mut Vec<String>,
    reported: &mut Vec<Vec<String>>,
    depth: usize,
) {
    let Some(at) = way.last().cloned() else { return };
    let Some(edge) = edges.get(&at) else { return };
    if depth > 20 || reported.len() >= 20 {
        return;
    }
    // With a copy kept for oneself mail still goes round, but local(8) stops at the Delivered-To: of its own.
    for target in &edge.targets {
        if target.starts_with('\\') {
            continue;
        }
        let Some(next) = local_name(view, target) else { continue };
        if next == at {
            if edge.how == "alias" && edge.targets.len() == 1 && !edges_to_user(view, &next) {
                report(reported, vec![at.clone()]);
            }
            continue;
        }
        if let Some(index) = way.iter().position(|n| *n == next) {
            report(reported, way[index..].to_vec());
            continue;
        }
        way.push(next);
        follow(view, edges, way, reported, depth + 1);
        way.pop();
    }
}

/// `alice: alice` means the user; it is only a circle if there is none.
fn edges_to_user(view: &View<'_>, name: &str) -> bool {
    !matches!(view.host.user(name), Err(Trouble::Missing))
}

/// The same circle found from another of its names is not reported again.
fn report(reported: &mut Vec<Vec<String>>, mut circle: Vec<String>) {
    let least = circle.iter().enumerate().min_by(|a, b| a.1.cmp(b.1)).map_or(0, |(i, _)| i);
    circle.rotate_left(least);
    if !reported.contains(&circle) {
        reported.push(circle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_with_quotes() {
        assert_eq!(destinations("alice, \"|/bin/x a, b\", bob"), ["alice", "|/bin/x a, b", "bob"]);
        assert_eq!(destinations("a@b.c\n\\me\n"), ["a@b.c", "\\me"]);
    }

    #[test]
    fn a_circle_is_reported_once() {
        let mut all = Vec::new();
        report(&mut all, vec!["b".into(), "a".into()]);
        report(&mut all, vec!["a".into(), "b".into()]);
        assert_eq!(all, [["a".to_owned(), "b".to_owned()]]);
    }
}
