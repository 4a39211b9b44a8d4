//! What rules send a reader to exists: each `docs` value names a page of Postfix's documentation and an anchor in it.

use std::collections::HashMap;

use postdoctor::engine::sources::Sources;
use postdoctor::postfix::parameters;

/// The pages with their anchors.
fn pages() -> HashMap<&'static str, Vec<&'static str>> {
    let lines = include_str!("postfix-docs.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.collect()))
        })
        .collect()
}

#[test]
fn docs_name_pages_and_anchors_that_exist() {
    let pages = pages();
    let (knowledge, _) = Sources::embedded().load();
    let of_rules =
        knowledge.rules.iter().flat_map(|rule| rule.docs.iter().map(|link| (rule.defined_at.as_str(), link)));
    let of_steps = knowledge.playbooks.iter().flat_map(|playbook| &playbook.steps);
    let of_steps = of_steps.flat_map(|step| step.docs.iter().map(|link| (step.id.as_str(), link)));
    let mut wrong = Vec::new();
    for (at, link) in of_rules.chain(of_steps).filter(|(_, link)| !link.starts_with("http")) {
        let (page, anchor) = link.split_once('#').unwrap_or((link, ""));
        let Some(anchors) = pages.get(page) else {
            wrong.push(format!("{at}: there is no page {page}"));
            continue;
        };
        let parameter = page == "postconf.5.html" && parameters::known(anchor, None);
        // `#{parameter}` is filled in when the rule fires.
        if !anchor.is_empty() && !anchor.contains('{') && !parameter && !anchors.contains(&anchor) {
            wrong.push(format!("{at}: {page} has no anchor {anchor}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(pages.len() > 130);
}

#[test]
fn pages_are_written_and_compared() {
    let folder = tempfile::TempDir::new().unwrap();
    let run = |more: &[&str]| {
        let mut command = assert_cmd::cargo::cargo_bin_cmd!();
        command.args(["playbook", "docs", "--output"]).arg(folder.path().join("docs")).args(more).output().unwrap()
    };
    assert_eq!(run(&["--check"]).status.code(), Some(3), "nothing is there");
    assert!(run(&[]).status.success());
    assert!(run(&["--check"]).status.success());
    std::fs::write(folder.path().join("docs/tls.md"), format!("{}\nold", postdoctor::engine::docs::MARK)).unwrap();
    let differs = run(&["--check"]);
    let said = String::from_utf8_lossy(&differs.stdout).into_owned();
    assert_eq!(differs.status.code(), Some(3));
    assert!(said.contains("docs/tls.md: is not what the rules say"), "{said}");
    assert!(said.contains("playbook docs --output"), "it names the command that mends it: {said}");
    // A folder with files of others is left alone.
    std::fs::write(folder.path().join("docs/mine.txt"), "mine").unwrap();
    assert_eq!(run(&[]).status.code(), Some(3));
}

/// The pages in the tree say what the rules say. After a change of a rule: `cargo run -- playbook docs`.
#[test]
fn pages_in_the_tree_are_those_of_the_rules() {
    let (knowledge, _) = Sources::embedded().load();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/docs");
    let pages = postdoctor::engine::docs::pages(&knowledge);
    let there = std::fs::read_dir(&folder).unwrap().flatten().count();
    let differs: Vec<&String> = pages
        .iter()
        .filter(|(name, text)| std::fs::read_to_string(folder.join(name)).ok().as_ref() != Some(text))
        .map(|(name, _)| name)
        .collect();
    assert!(
        differs.is_empty() && there == pages.len(),
        "playbooks/docs is not what the rules say ({differs:?}, {there} files, {} pages); run: cargo run -- playbook docs",
        pages.len()
    );
}
