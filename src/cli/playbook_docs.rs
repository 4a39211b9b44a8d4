//! `postdoctor playbook docs`: the built-in rules as Markdown pages, and whether the pages that exist are those.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::args::Args;
use super::exit;
use crate::engine::docs;
use crate::engine::sources::Sources;

/// Where the pages lie in the source tree.
const HOME: &str = "playbooks/docs";

/// Writes the pages, or compares; the status is 3 if one differs.
pub fn run(args: &Args, check: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    let folder = folder(args)?;
    let (knowledge, _) = Sources::embedded().load();
    let pages = docs::pages(&knowledge);
    let there = present(&folder)?;
    let extra: Vec<&String> = there.iter().filter(|name| !pages.contains_key(*name)).collect();
    if check {
        let same = |name: &str, text: &str| std::fs::read_to_string(folder.join(name)).is_ok_and(|is| is == text);
        let mut wrong: Vec<String> =
            extra.iter().map(|name| format!("{}: no area has this name", folder.join(name).display())).collect();
        for name in pages.iter().filter(|(name, text)| !same(name, text)).map(|(name, _)| name) {
            let what = if there.contains(name) { "is not what the rules say" } else { "is missing" };
            wrong.push(format!("{}: {what}", folder.join(name).display()));
        }
        if wrong.is_empty() {
            writeln!(out, "{} pages, as the rules say", pages.len())?;
            return Ok(exit::HEALTHY);
        }
        for line in &wrong {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "`postdoctor playbook docs --output {}` writes them anew", folder.display())?;
        return Ok(exit::UNKNOWN);
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for name in extra {
        std::fs::remove_file(folder.join(name))?;
    }
    for (name, text) in &pages {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    writeln!(out, "{} pages in {}", pages.len(), folder.display())?;
    Ok(exit::HEALTHY)
}

/// The folder that was named, or that of the source tree if this is one.
fn folder(args: &Args) -> anyhow::Result<PathBuf> {
    if args.output != "-" {
        return Ok(PathBuf::from(&args.output));
    }
    if !Path::new("playbooks/rules").is_dir() {
        bail!("say where the pages are: --output DIR (in the source tree that is {HOME})");
    }
    Ok(PathBuf::from(HOME))
}

/// The pages that lie there. A folder with anything else in it is not ours to clear.
fn present(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", folder.display())),
    };
    let names: BTreeSet<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    if let Some(other) = names.iter().find(|name| !ours(folder, name)) {
        bail!("{} holds something else: {other}; name a folder for these pages alone", folder.display());
    }
    Ok(names)
}

/// Whether a file was written by us: then it may be written anew, or removed.
fn ours(folder: &Path, name: &str) -> bool {
    let markdown = Path::new(name).extension().is_some_and(|extension| extension == "md");
    markdown && std::fs::read_to_string(folder.join(name)).is_ok_and(|text| text.starts_with(docs::MARK))
}
