//! The files behind the lookup tables: supported type, presence, freshness, readability.

use super::look::{Look, nearest};
use super::table_source::{self, Entry};
use super::tables::{self, TYPES, TableRef, is_table_parameter};
use crate::evidence::{Evidence, Observation, PROBE_HOST};
use crate::host::{Run, Stat, Trouble};

/// Sources up to this size are compared with their indexed file key by key.
const COMPARE_LIMIT: u64 = 512 << 10;

pub(super) fn observe(look: &Look<'_>) {
    let supported = tables::supported(look);
    let references = tables::references(look);
    let mut done: Vec<(String, String)> = Vec::new();
    for table in &references {
        types(look, table, supported.as_deref());
        if table.is_cache() {
            continue;
        }
        // alias_maps and alias_database name the same file: one finding is enough.
        let seen_as = (table.spelled.clone(), if table.is_aliases() { String::new() } else { table.parameter.clone() });
        if done.contains(&seen_as) {
            continue;
        }
        let content_done = done.iter().any(|d| d.0 == table.spelled);
        done.push(seen_as);
        present(look, table);
        readable(look, table);
        if !content_done {
            fresh(look, table);
        }
        table_source::observe(look, table);
    }
    plain_files(look);
    without_type(look);
}

fn types(look: &Look<'_>, table: &TableRef, supported: Option<&[String]>) {
    let is_a_type = TYPES.contains(&table.ty.as_str());
    // Without `postconf -m` only a type that no Postfix has is certainly wrong.
    let missing = match supported {
        Some(supported) => !supported.contains(&table.ty),
        None => !is_a_type,
    };
    if !missing {
        return;
    }
    let has = |ty: &str| supported.is_some_and(|s| s.iter().any(|t| t == ty));
    let replacement = match table.ty.as_str() {
        "hash" | "btree" | "dbm" | "sdbm" => ["lmdb", "cdb", "hash", "texthash"].into_iter().find(|t| has(t)),
        "lmdb" | "cdb" => ["hash", "lmdb", "cdb", "texthash"].into_iter().find(|t| has(t)),
        "pcre" => Some("regexp"),
        _ if !is_a_type => nearest(&table.ty, TYPES.iter().copied()),
        _ => None,
    };
    let (package, install) = package(&table.ty, &look.fact("host.family"));
    look.emit(
        table.place.mark(
            Observation::now("table-type-unsupported")
                .with("table", table.spelled.as_str())
                .with("type", table.ty.as_str())
                .with("parameter", table.parameter.as_str())
                .with("package", package)
                .with("install", install)
                .with("replacement", replacement.unwrap_or_default())
                .with("is_a_type", is_a_type),
        ),
    );
}

/// Package that adds a table type, and the command that installs it. Empty: built in, or not packaged.
fn package(ty: &str, family: &str) -> (String, String) {
    if !matches!(ty, "pcre" | "mysql" | "pgsql" | "ldap" | "sqlite" | "lmdb" | "cdb" | "mongodb") {
        return Default::default();
    }
    let name = match (family, ty) {
        ("suse", "pgsql") => "postfix-postgresql".to_owned(),
        _ => format!("postfix-{ty}"),
    };
    let install = match family {
        "debian" => format!("apt install {name}"),
        "rhel" => format!("dnf install {name}"),
        "suse" => format!("zypper install {name}"),
        "alpine" => format!("apk add {name}"),
        "arch" => format!("pacman -S {name}"),
        _ => String::new(),
    };
    (name, install)
}

fn present(look: &Look<'_>, table: &TableRef) {
    let Some(path) = table.path() else { return };
    let indexed = table.indexed();
    let opened = indexed.as_deref().unwrap_or(path);
    if !look.is_missing(opened) {
        return;
    }
    let source_exists = indexed.is_some() && look.host.stat(path).is_ok();
    let command = if indexed.is_some() { table.build_command(look) } else { String::new() };
    let seen = Observation::now("table-missing")
        .with("table", table.spelled.as_str())
        .with("type", table.ty.as_str())
        .with("path", path)
        .with("indexed", indexed.clone().unwrap_or_default())
        .with("parameter", table.parameter.as_str())
        .with("source_exists", source_exists)
        .with("nearest", if source_exists { String::new() } else { sibling(look, path) })
        .with("command", command)
        .seen(Evidence::new(opened, "No such file or directory"));
    look.emit(table.place.mark(seen));
}

/// A file beside the missing one that was probably meant.
fn sibling(look: &Look<'_>, path: &str) -> String {
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    let Ok(names) = look.host.list(if dir.is_empty() { "/" } else { dir }) else { return String::new() };
    let stem = |n: &str| n.trim_end_matches(".db").trim_end_matches(".cdb").trim_end_matches(".lmdb").to_owned();
    let stems: Vec<String> = names.iter().map(|n| stem(n)).filter(|n| n != name).collect();
    let swap: String = if name.contains('-') { name.replace('-', "_") } else { name.replace('_', "-") };
    let found = stems.iter().find(|n| **n == swap).map(String::as_str);
    found.or_else(|| nearest(name, stems.iter().map(String::as_str))).map(|n| format!("{dir}/{n}")).unwrap_or_default()
}

fn stat(look: &Look<'_>, path: &str) -> Option<Stat> {
    match look.host.stat(path) {
        Ok(stat) => Some(stat),
        Err(Trouble::Denied) => {
            look.not_checked(format!("table {path}"), "permission denied", Some(format!("sudo ls -l {path}")));
            None
        }
        Err(_) => None,
    }
}

/// Times alone lie in both directions: `touch` and package scripts make a source look newer, and an edit within
/// the same second does not show. So keys and values are compared where that is cheap.
fn fresh(look: &Look<'_>, table: &TableRef) {
    let (Some(path), Some(indexed)) = (table.path(), table.indexed()) else { return };
    let (Some(source), Some(index)) = (stat(look, path), stat(look, &indexed)) else { return };
    let newer = source.mtime - index.mtime;
    let compared =
        (look.allowed >= PROBE_HOST && source.size <= COMPARE_LIMIT).then(|| compare(look, table, path)).flatten();
    let keys = compared.clone().unwrap_or_default();
    if newer <= 0 && keys.is_empty() {
        return;
    }
    let mut seen = Observation::now("table-stale")
        .with("table", table.spelled.as_str())
        .with("type", table.ty.as_str())
        .with("path", path)
        .with("indexed", indexed.as_str())
        .with("parameter", table.parameter.as_str())
        .with("keys", keys.clone())
        .with("seconds", newer)
        .with("command", table.build_command(look))
        .seen(Evidence::new(path, format!("{path} is newer than {indexed} by {newer} s")));
    if newer <= 0 {
        seen.evidence.pop();
    }
    if compared.is_some() {
        seen = seen.with("proven", !keys.is_empty());
    }
    for key in keys.iter().take(3) {
        seen = seen.seen(Evidence::new(
            format!("postmap -q {} {}", crate::host::quote(key), table.spelled),
            format!("{key} stands in {path} with another value, or is not in {indexed} at all"),
        ));
    }
    look.emit(table.place.mark(seen));
}

/// Keys of the source that the indexed file lacks or has with another value. None: could not be compared.
fn compare(look: &Look<'_>, table: &TableRef, path: &str) -> Option<Vec<String>> {
    let lines = look.lines(path).ok()?;
    let entries: Vec<Entry> = table_source::entries(&lines, table.is_aliases());
    let mut asked = String::new();
    for entry in &entries {
        // A key with a newline or of nothing cannot be asked for.
        if !entry.key.is_empty() {
            asked.push_str(&entry.key);
            asked.push('\n');
        }
    }
    if asked.is_empty() {
        return Some(Vec::new());
    }
    let ran = look.run(&Run::new("postmap", &["-q", "-", &table.spelled]).stdin(asked)).ok()?;
    // Status 1 says only that some key was not found; words on stderr say that the table could not be opened.
    if ran.truncated || String::from_utf8_lossy(&ran.stderr).contains("fatal") {
        return None;
    }
    let out = ran.out();
    let found: std::collections::HashMap<String, String> =
        out.lines().filter_map(|l| l.split_once('\t')).map(|(k, v)| (k.to_lowercase(), squeeze(v))).collect();
    let mut seen = std::collections::HashSet::new();
    let mut differ = Vec::new();
    for entry in &entries {
        let key = entry.key.to_lowercase();
        if key.is_empty() || !seen.insert(key.clone()) {
            continue;
        }
        let same = match found.get(&key) {
            None => false,
            // postalias rewrites addresses and quotes; only the presence counts where it may have.
            Some(value) => {
                table.is_aliases() && entry.value.contains(['"', '(', '<', '|', '/', ':', '\\'])
                    || *value == squeeze(&entry.value)
                    || entries.iter().filter(|e| e.key.to_lowercase() == key).count() > 1
            }
        };
        if !same && differ.len() < 20 {
            differ.push(entry.key.clone());
        }
    }
    Some(differ)
}

fn squeeze(value: &str) -> String {
    value.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Most daemons open their tables as root; proxymap(8) opens them as mail_owner.
fn readable(look: &Look<'_>, table: &TableRef) {
    if !table.proxied {
        return;
    }
    let Some(path) = table.indexed().or_else(|| table.path().map(str::to_owned)) else { return };
    let owner = look.text("mail_owner");
    let Some(blocked) = super::access::blocked(look.host, &path, &owner, super::access::READ) else { return };
    look.emit(
        table.place.mark(
            Observation::now("table-unreadable")
                .with("table", table.spelled.as_str())
                .with("path", path.as_str())
                .with("parameter", table.parameter.as_str())
                .with("user", owner.as_str())
                .with("why", blocked.why.as_str())
                .with("blocked_by", blocked.path.as_str())
                .with(
                    "command",
                    if blocked.path == path {
                        format!("chgrp {owner} {path} && chmod g+r {path}")
                    } else {
                        format!("chmod o+x {}", blocked.path)
                    },
                )
                .seen(Evidence::new(blocked.path.as_str(), blocked.why.as_str())),
        ),
    );
}

/// `/path` in a list of domains or networks is read when the daemon starts: it must exist.
fn plain_files(look: &Look<'_>) {
    for used in look.uses() {
        let file = tables::MIXED_LISTS.contains(&used.name.as_str()) || used.name == "myorigin";
        if !file {
            continue;
        }
        for item in used.items() {
            let path = item.trim_start_matches('!');
            if !path.starts_with('/') || !look.is_missing(path) {
                continue;
            }
            look.emit(
                used.place.mark(
                    Observation::now("table-missing")
                        .with("table", path)
                        .with("type", "")
                        .with("path", path)
                        .with("indexed", "")
                        .with("parameter", used.name.as_str())
                        .with("source_exists", false)
                        .with("nearest", sibling(look, path))
                        .with("command", "")
                        .seen(Evidence::new(path, "No such file or directory")),
                ),
            );
        }
    }
}

fn without_type(look: &Look<'_>) {
    for used in look.uses().iter().filter(|u| is_table_parameter(&u.name)) {
        for item in used.items() {
            if item.starts_with('/') || (!item.contains([':', '{', '$']) && !item.is_empty()) {
                let ty = look.text("default_database_type");
                let ty = if ty.is_empty() { "hash".to_owned() } else { ty };
                let source = if used.name.ends_with("_checks") { "regexp".to_owned() } else { ty };
                look.emit(
                    used.place.mark(
                        Observation::now("table-without-type")
                            .with("parameter", used.name.as_str())
                            .with("value", item.as_str())
                            .with("wanted", format!("{source}:{item}")),
                    ),
                );
            }
        }
    }
}
