//! What people post when they ask for help: a few lines of log, perhaps main.cf or master.cf. Each folder of
//! `tests/hosts` is one post, examined with `--auto --snapshot`; `expect.toml` says what the answer must be.

use std::path::Path;
use std::process::Command;

use postdoctor::report::model::Report;
use serde::Deserialize;

use crate::lab::case::Wanted;
use crate::lab::check;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// the cause, or why nothing is wrong, in words
    what: String,
    /// nothing is wrong
    #[serde(default)]
    healthy: bool,
    /// the first finding
    #[serde(default)]
    top: Wanted,
}

#[test]
fn posts_are_answered() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hosts");
    let only = std::env::var("HOSTS_ONLY").unwrap_or_default();
    let mut wrong = Vec::new();
    let mut count = 0;
    let mut folders = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    folders.sort();
    for post in folders.iter().filter(|path| path.is_dir() && path.to_string_lossy().contains(&only)) {
        count += 1;
        let name = post.file_name().unwrap().to_string_lossy();
        for trouble in examine(post) {
            wrong.push(format!("{name}: {trouble}"));
        }
    }
    assert!(wrong.is_empty(), "of {count} posts, these are answered wrongly:\n{}", wrong.join("\n"));
}

fn examine(post: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(post.join("expect.toml")).unwrap();
    let expect: Expect = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", post.display()));
    assert!(!expect.what.is_empty(), "{}: what is it?", post.display());
    let ran = Command::new(env!("CARGO_BIN_EXE_postdoctor"))
        .args(["--auto", "--format", "json", "--snapshot"])
        .arg(post)
        .output()
        .unwrap();
    let report: Report = match serde_json::from_slice(&ran.stdout) {
        Ok(report) => report,
        Err(error) => return vec![format!("no report: {error}: {}", String::from_utf8_lossy(&ran.stderr).trim())],
    };
    let status = ran.status.code().map_or_else(|| "none".to_owned(), |code| code.to_string());
    if expect.healthy {
        // So little may have been posted that nobody can call the server healthy: 3 will do.
        return check::alarms(&report, if status == "3" { "0" } else { &status });
    }
    // That something is harmless does not make the rest healthy.
    let status = if expect.top.harmless && status == "3" { "0".to_owned() } else { status };
    let mut trouble = check::judge(&report, &expect.top, None);
    trouble.extend(check::wrong_status(&status, &expect.top));
    trouble
}
