//! Whether a lookup table can be used: its type, its source and index, and a query.

use super::common::{arg, instance, mail_owner};
use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::discover::Instance;
use crate::evidence::{Field, PROBE_HOST};
use crate::host::{Host, Run, Trouble};
use crate::state::access;
use std::time::Duration;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "table",
    level: PROBE_HOST,
    doc: "Opens a lookup table as Postfix does: type, files, age, and one key.",
    args: &[("table", true), ("key", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    text("type", "`hash`"),
    text("name", "what stands after the type"),
    bool("type_supported", "this Postfix knows the type (`postconf -m`)"),
    text("package", "the package that brings the type on this distribution"),
    bool("plugin_missing", "the type is registered, but its library is missing"),
    text("source", "the source file"),
    bool("source_exists", "the source file exists"),
    text("db", "the index file"),
    bool("db_exists", "the index exists"),
    bool("stale", "the source is newer than the index"),
    int("stale_minutes", "by how much"),
    bool("readable", "mail_owner may read what has to be read"),
    bool("found", "the key was found"),
    text("value", "what it gave"),
    bool("ok", "it could be opened and queried"),
    text("error", "the words of `postmap -q`"),
    bool("duplicate_types", "an index of another type exists beside (`x.db` for `lmdb:x`)"),
    text("rebuild", "the command that builds the index"),
];

/// Types whose index is a file of its own, with the ending that it gets.
const INDEXED: &[(&str, &str)] =
    &[("hash", "db"), ("btree", "db"), ("cdb", "cdb"), ("lmdb", "lmdb"), ("dbm", "pag"), ("sdbm", "pag")];
/// Types that read a text file themselves.
const TEXT: &[&str] =
    &["texthash", "regexp", "pcre", "cidr", "mysql", "pgsql", "ldap", "sqlite", "memcache", "mongodb"];

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    let Some(table) = arg(args, "table") else { return out };
    let table = table.trim_start_matches("proxy:").trim_end_matches([',', ':', ';']);
    let Some((kind, name)) = table.split_once(':').filter(|(kind, name)| !kind.is_empty() && !name.is_empty()) else {
        return out;
    };
    out.set("type", kind);
    out.set("name", name);
    let dir = instance(ctx).map(|i| i.config_dir.clone());
    supported(host, dir.as_deref(), &mut out, kind);
    let owner = mail_owner(ctx);
    if let Some((_, ending)) = INDEXED.iter().find(|(t, _)| *t == kind) {
        indexed(host, &mut out, kind, name, ending);
        readable(host, &mut out, &format!("{name}.{ending}"), &owner);
    } else if TEXT.contains(&kind) {
        out.set("source", name);
        out.set_some("source_exists", exists(host, name));
        readable(host, &mut out, name, &owner);
    }
    if ctx.allowed >= PROBE_HOST {
        query(host, instance(ctx), &mut out, table, arg(args, "key"));
    }
    out
}

fn exists(host: &dyn Host, path: &str) -> Option<bool> {
    match host.stat(path) {
        Ok(_) => Some(true),
        Err(Trouble::Missing) => Some(false),
        Err(_) => None,
    }
}

fn supported(host: &dyn Host, dir: Option<&str>, out: &mut Outcome, kind: &str) {
    let mut arguments = Vec::new();
    if let Some(dir) = dir {
        arguments.extend(["-c", dir]);
    }
    arguments.push("-m");
    let Ok(ran) = host.run(&Run::new("postconf", &arguments)) else { return };
    if !ran.ok() || ran.stdout.is_empty() {
        return;
    }
    let known = ran.out().lines().any(|l| l.trim() == kind);
    out.set("type_supported", known);
    if known {
        return;
    }
    out.saw(
        "postconf -m",
        format!("{kind} is not among: {}", ran.out().split_whitespace().collect::<Vec<_>>().join(" ")),
    );
    out.set_some("package", package(host, kind));
}

/// The package that brings a table type.
fn package(host: &dyn Host, kind: &str) -> Option<String> {
    let release = host.read("/etc/os-release", 16 << 10).ok()?;
    let text = String::from_utf8_lossy(&release).to_ascii_lowercase();
    let debian = ["mysql", "pgsql", "ldap", "pcre", "sqlite", "lmdb", "cdb", "mongodb"];
    let redhat = ["mysql", "pgsql", "ldap", "pcre", "sqlite", "lmdb", "cdb"];
    let alpine = ["mysql", "pgsql", "ldap", "pcre", "sqlite", "lmdb"];
    let is = |word: &str| text.lines().any(|l| l.starts_with("id") && l.contains(word));
    let has = (is("debian") && debian.contains(&kind))
        || ((is("rhel") || is("fedora") || is("suse")) && redhat.contains(&kind))
        || (is("alpine") && alpine.contains(&kind));
    let name = if is("suse") && kind == "pgsql" { "postgresql" } else { kind };
    has.then(|| format!("postfix-{name}"))
}

fn indexed(host: &dyn Host, out: &mut Outcome, kind: &str, name: &str, ending: &str) {
    let db = format!("{name}.{ending}");
    out.set("source", name);
    out.set("db", db.as_str());
    let (source, index) = (host.stat(name), host.stat(&db));
    out.set_some("source_exists", exists(host, name));
    out.set_some("db_exists", exists(host, &db));
    if let (Ok(source), Ok(index)) = (&source, &index) {
        out.set("stale", source.mtime > index.mtime);
        out.set("stale_minutes", (source.mtime - index.mtime).max(0) / 60);
        if source.mtime > index.mtime {
            out.saw(name, format!("is newer than {db} by {} s", source.mtime - index.mtime));
        }
    }
    if matches!(index, Err(Trouble::Missing)) {
        out.saw(db.as_str(), "does not exist");
        let other = INDEXED
            .iter()
            .filter(|(t, e)| *t != kind && *e != ending)
            .any(|(_, e)| host.stat(&format!("{name}.{e}")).is_ok());
        out.set("duplicate_types", other);
    }
    let aliases = name.ends_with("aliases");
    let quoted = crate::host::quote(&format!("{kind}:{name}"));
    out.set("rebuild", if aliases { format!("postalias {quoted}") } else { format!("postmap {quoted}") });
}

fn readable(host: &dyn Host, out: &mut Outcome, path: &str, owner: &str) {
    if let Ok(who) = access::who(host, owner) {
        let access = access::check(host, path, &who, access::Want::Read);
        if let access::Access::Blocked(by) = &access
            && let Ok(stat) = host.stat(by)
        {
            out.saw(by.as_str(), access::words(host, &stat));
        }
        if !matches!(access, access::Access::Missing(_)) {
            out.set_some("readable", access.allowed());
        }
    }
}

fn query(host: &dyn Host, instance: Option<&Instance>, out: &mut Outcome, table: &str, key: Option<&str>) {
    let key_or_test = key.unwrap_or("postdoctor-test-key");
    let mut arguments = Vec::new();
    if let Some(instance) = instance {
        arguments.extend(["-c", instance.config_dir.as_str()]);
    }
    arguments.extend(["-q", key_or_test, table]);
    let run = Run::new("postmap", &arguments).limit(Duration::from_secs(6));
    match host.run(&run) {
        Ok(ran) => {
            let complaint = ran
                .err()
                .lines()
                .find(|l| l.contains("fatal:") || l.contains("error:") || l.contains("warning:"))
                .map(crate::evidence::printable);
            let failed = !ran.ok() && complaint.is_some();
            out.set("ok", !failed);
            if let Some(complaint) = complaint {
                out.saw(run.line(), &complaint);
                let missing_library = complaint.contains("cannot open shared object") || complaint.contains("dlopen");
                out.set("plugin_missing", missing_library);
                out.set("error", complaint);
            }
            if key.is_some() && !failed {
                out.set("found", ran.ok());
                if ran.ok() {
                    let value = crate::evidence::printable(ran.out().trim());
                    // The value of a password map is a secret; only that there is one may be told.
                    if secret(table) {
                        out.saw(run.line(), "found (not shown)");
                    } else {
                        out.saw(run.line(), &value);
                        out.set("value", value);
                    }
                } else {
                    out.saw(run.line(), "not found");
                }
            }
        }
        Err(Trouble::TimedOut) => {
            out.set("ok", false);
            out.set("error", "no answer in 6 s");
            out.saw(run.line(), "no answer in 6 s");
        }
        Err(Trouble::Missing | Trouble::NotCollected) => {}
        Err(why) => out.unchecked(format!("table {table}"), why, Some(format!("sudo {}", run.line()))),
    }
}

fn secret(table: &str) -> bool {
    ["pass", "secret", "sasl", "cred"].iter().any(|w| table.to_ascii_lowercase().contains(w))
}
