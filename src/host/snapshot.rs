//! A host made of files: a tree like a root file system, a flat folder in which somebody put what a user
//! posted, what [`super::Recording`] saved, or bytes in memory.
//!
//! Its hardest duty is to say "not collected". What nobody packed is not missing: in a flat folder nothing is
//! ever missing, and in a tree only what its own directory shows to be absent.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::live::{kind_of, list_of, open_regular, stat_of};
use super::recording::Inline;
use super::records::{FILE, Records, ask_connect, ask_resolve, ask_run};
use super::{Answer, Connected, FileKind, Host, HostKind, Peer, Question, Ran, Resolved, Run, Stat, Trouble, User};
use crate::evidence::Fields;

/// Where the files of a flat folder are taken to lie.
const MAIN_CF: &str = "/etc/postfix/main.cf";
const MASTER_CF: &str = "/etc/postfix/master.cf";
const LOGS: &str = "/var/log";

/// Nothing can be concluded from what is absent here: a copy of the files of a machine never has it, because it
/// only exists while the machine runs, or because tar leaves sockets out.
const FLEETING: [&str; 9] = [
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/var/run",
    "/tmp",
    "/var/spool/postfix/private",
    "/var/spool/postfix/public",
    "/var/spool/postfix/pid",
];

/// Files instead of a machine.
#[derive(Debug)]
pub struct Snapshot {
    name: String,
    files: Files,
    records: Records,
    /// output of `postconf -n`, if somebody saved it
    postconf: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Files {
    Tree(PathBuf),
    Listed(BTreeMap<String, Content>),
}

#[derive(Debug)]
enum Content {
    File(PathBuf),
    Bytes(Cow<'static, [u8]>),
}

impl Snapshot {
    /// Opens a folder.
    pub fn open(directory: &Path) -> Answer<Snapshot> {
        let directory = std::fs::canonicalize(directory)?;
        let names = list_of(&directory)?;
        let records = match open_regular(&directory.join(FILE)) {
            Ok(mut file) => {
                let mut bytes = Vec::new();
                file.by_ref().take(1 << 30).read_to_end(&mut bytes)?;
                Records::parse(&String::from_utf8_lossy(&bytes))
            }
            Err(_) => Records::default(),
        };
        let like_root = ["etc", "var", "proc", "usr"].iter().any(|d| directory.join(d).is_dir());
        let name = format!("snapshot {}", directory.display());
        if like_root || !records.is_empty() {
            return Ok(Snapshot { name, files: Files::Tree(directory), records, postconf: None });
        }
        let (files, postconf) = flat(&directory, &names);
        Ok(Snapshot { name, files: Files::Listed(files), records, postconf })
    }

    /// A host in memory: contents by absolute path, and records as the recorder writes them.
    pub fn in_memory(
        name: &str,
        files: impl IntoIterator<Item = (String, Cow<'static, [u8]>)>,
        records: &str,
    ) -> Snapshot {
        let files = files.into_iter().map(|(path, bytes)| (path, Content::Bytes(bytes))).collect();
        Snapshot {
            name: name.to_owned(),
            files: Files::Listed(files),
            records: Records::parse(records),
            postconf: None,
        }
    }

    /// The file or directory in the tree, with symbolic links resolved inside of it. Every component is looked
    /// at, so that no link leads out of the tree into the machine that this program runs on.
    fn locate(&self, path: &str, follow: bool) -> Answer<PathBuf> {
        let Files::Tree(root) = &self.files else { return Err(Trouble::NotCollected) };
        let mut left: Vec<String> = parts(path).rev().collect();
        let mut at: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part == ".." {
                at.pop();
                continue;
            }
            let here = root.join(at.join("/")).join(&part);
            let Ok(meta) = std::fs::symlink_metadata(&here) else { return Err(self.absent(&at, left.is_empty())) };
            if meta.is_symlink() && (follow || !left.is_empty()) {
                links += 1;
                if links > 40 {
                    return Err(Trouble::Other("too many symbolic links".to_owned()));
                }
                let target = std::fs::read_link(&here)?.to_string_lossy().into_owned();
                if target.starts_with('/') {
                    at.clear();
                }
                left.extend(parts(&target).rev());
            } else if meta.is_dir() || left.is_empty() {
                at.push(part);
            } else {
                return Err(Trouble::Missing);
            }
        }
        Ok(root.join(at.join("/")))
    }

    /// What it means that something is not in this directory of the tree.
    fn absent(&self, directory: &[String], last: bool) -> Trouble {
        let path = format!("/{}", directory.join("/"));
        let fleeting = FLEETING.iter().any(|f| Path::new(&path).starts_with(f));
        // A recording has just what was asked, and the top of a tree is always a choice of directories.
        if last && !directory.is_empty() && !fleeting && self.records.is_empty() {
            Trouble::Missing
        } else {
            Trouble::NotCollected
        }
    }

    fn content(&self, path: &str) -> Answer<Box<dyn ReadSeek>> {
        match &self.files {
            Files::Tree(_) => Ok(Box::new(ours(open_regular(&self.locate(path, true)?))?)),
            Files::Listed(files) => match files.get(path) {
                Some(Content::File(file)) => Ok(Box::new(ours(open_regular(file))?)),
                Some(Content::Bytes(bytes)) => Ok(Box::new(Cursor::new(bytes.clone()))),
                None => Err(Trouble::NotCollected),
            },
        }
    }

    fn size(&self, path: &str) -> Answer<u64> {
        let mut content = self.content(path)?;
        Ok(content.seek(SeekFrom::End(0))?)
    }

    /// Size and time are known of a file, its owner and mode are not: they are those of the copy. Logs are the
    /// exception, because there only size and time matter.
    fn stat_of_copy(&self, path: &str, follow: bool) -> Answer<Stat> {
        let kind = self.copied_kind(path, follow)?;
        if !Path::new(path).starts_with(LOGS) {
            return Err(Trouble::NotCollected);
        }
        let mtime = match &self.files {
            Files::Tree(_) => stat_of(&std::fs::symlink_metadata(self.locate(path, follow)?)?).mtime,
            Files::Listed(_) => 0,
        };
        let size = if kind == FileKind::File { self.size(path)? } else { 0 };
        let mode = if kind == FileKind::Directory { 0o755 } else { 0o640 };
        Ok(Stat { kind, mode, uid: 0, gid: 0, size, mtime, ino: 0 })
    }

    fn copied_kind(&self, path: &str, follow: bool) -> Answer<FileKind> {
        match &self.files {
            Files::Tree(_) => Ok(kind_of(&std::fs::symlink_metadata(self.locate(path, follow)?)?)),
            Files::Listed(files) if files.contains_key(path) => Ok(FileKind::File),
            Files::Listed(files) if files.keys().any(|f| Path::new(f).starts_with(path)) => Ok(FileKind::Directory),
            Files::Listed(_) => Err(Trouble::NotCollected),
        }
    }

    /// A line of the user or group database whose column `at` is `wanted`.
    fn database(&self, file: &str, at: usize, wanted: &str) -> Answer<Vec<String>> {
        let text = self.read(file, 4 << 20).map_err(|_| Trouble::NotCollected)?;
        String::from_utf8_lossy(&text)
            .lines()
            .map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>())
            .find(|columns| columns.get(at).is_some_and(|c| c == wanted))
            .ok_or(Trouble::Missing)
    }

    fn passwd(&self, at: usize, wanted: &str) -> Answer<User> {
        let columns = self.database("/etc/passwd", at, wanted)?;
        let number = |at: usize| columns.get(at).and_then(|c| c.parse().ok()).ok_or(Trouble::Missing);
        Ok(User {
            name: columns[0].clone(),
            uid: number(2)?,
            gid: number(3)?,
            home: columns.get(5).cloned().unwrap_or_default(),
        })
    }
}

trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

/// That *we* may not read a file of the folder says nothing about the host.
fn ours<T>(answer: Answer<T>) -> Answer<T> {
    answer.map_err(|t| if t == Trouble::Denied { Trouble::NotCollected } else { t })
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = String> + use<'_> {
    path.split('/').filter(|p| !p.is_empty() && *p != ".").map(str::to_owned)
}

/// The files of a flat folder by the path that they have on a host, and the output of `postconf -n`.
fn flat(directory: &Path, names: &[String]) -> (BTreeMap<String, Content>, Option<Vec<u8>>) {
    let mut files = BTreeMap::new();
    let mut postconf = None;
    for name in names {
        let file = directory.join(name);
        // A link that leads out of the folder would show files of the machine that this program runs on.
        if !std::fs::canonicalize(&file).is_ok_and(|real| real.starts_with(directory) && real.is_file()) {
            continue;
        }
        let lower = name.to_ascii_lowercase();
        let path = match lower.as_str() {
            "main.cf" => MAIN_CF.to_owned(),
            "master.cf" => MASTER_CF.to_owned(),
            "postconf-n.txt" | "postconf-n" | "postconf.txt" | "postconf_-n" => {
                let mut bytes = Vec::new();
                if let Ok(mut open) = open_regular(&file) {
                    let _ = open.by_ref().take(4 << 20).read_to_end(&mut bytes);
                }
                postconf = Some(bytes);
                continue;
            }
            "postconf-m.txt" | "postconf-m" if !names.iter().any(|n| n == "master.cf") => MASTER_CF.to_owned(),
            _ if is_log(&lower) => format!("{LOGS}/{name}"),
            _ => continue,
        };
        files.insert(path, Content::File(file));
    }
    // `postconf -n` alone is as good as a main.cf.
    if let Some(bytes) = &postconf
        && !files.contains_key(MAIN_CF)
    {
        files.insert(MAIN_CF.to_owned(), Content::Bytes(bytes.clone().into()));
    }
    (files, postconf)
}

fn is_log(name: &str) -> bool {
    let names = ["mail", "syslog", "messages", "journal", "postfix"];
    let ending = name.rsplit('.').next().unwrap_or_default();
    !["json", "cf", "md"].contains(&ending)
        && (names.iter().any(|n| name.starts_with(n)) || name.contains(".log") || name.ends_with("log"))
}

impl Host for Snapshot {
    fn kind(&self) -> HostKind {
        HostKind::Snapshot
    }
    fn is_post(&self) -> bool {
        matches!(self.files, Files::Listed(_)) && self.records.is_empty()
    }
    fn describe(&self) -> String {
        match self.records.get::<String>("describe") {
            Some(Ok(of)) => format!("{} of {of}", self.name),
            _ => self.name.clone(),
        }
    }
    fn stat(&self, path: &str) -> Answer<Stat> {
        self.records.get(&format!("stat {path}")).unwrap_or_else(|| self.stat_of_copy(path, true))
    }
    fn lstat(&self, path: &str) -> Answer<Stat> {
        self.records.get(&format!("lstat {path}")).unwrap_or_else(|| self.stat_of_copy(path, false))
    }
    fn kind_of(&self, path: &str) -> Answer<FileKind> {
        let stat = || self.records.get::<Stat>(&format!("stat {path}")).map(|a| a.map(|s| s.kind));
        let kind = self.records.get(&format!("kind {path}")).or_else(stat);
        kind.unwrap_or_else(|| self.copied_kind(path, true))
    }
    fn read_link(&self, path: &str) -> Answer<String> {
        self.records.get(&format!("link {path}")).unwrap_or_else(|| {
            let place = self.locate(path, false)?;
            Ok(std::fs::read_link(place)?.to_string_lossy().into_owned())
        })
    }
    fn read(&self, path: &str, limit: u64) -> Answer<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(path, 0)?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
    fn open(&self, path: &str, offset: u64) -> Answer<Box<dyn Read + Send>> {
        if let Some(answer) = self.records.get::<Inline>(&format!("read {path}")) {
            let bytes = answer?.0;
            let offset = bytes.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
            return Ok(Box::new(Cursor::new(bytes[offset..].to_vec())));
        }
        let mut content = self.content(path)?;
        content.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(content))
    }
    fn list(&self, path: &str) -> Answer<Vec<String>> {
        if let Some(answer) = self.records.get(&format!("list {path}")) {
            return answer;
        }
        match &self.files {
            Files::Tree(_) if !self.records.is_empty() => Err(Trouble::NotCollected),
            Files::Tree(_) => {
                let names = list_of(&self.locate(path, true)?)?;
                let fleeting = FLEETING.iter().any(|f| Path::new(path).starts_with(f));
                if names.is_empty() && fleeting { Err(Trouble::NotCollected) } else { Ok(names) }
            }
            Files::Listed(files) => {
                // Of any other directory a part of the names would look like all of them.
                if !Path::new(path).starts_with(LOGS) {
                    return Err(Trouble::NotCollected);
                }
                let inside = files.keys().filter_map(|f| Path::new(f).strip_prefix(path).ok());
                let names: BTreeSet<_> = inside.filter_map(|f| f.components().next()).collect();
                Ok(names.iter().map(|n| n.as_os_str().to_string_lossy().into_owned()).collect())
            }
        }
    }
    fn run(&self, run: &Run) -> Answer<Ran> {
        if let Some(answer) = self.records.get(&ask_run(run)) {
            return answer;
        }
        match &self.postconf {
            Some(stdout) if run.program == "postconf" && run.args.last().is_some_and(|a| a == "-n") => {
                Ok(Ran { status: 0, stdout: stdout.clone(), stderr: Vec::new(), truncated: false })
            }
            _ => Err(Trouble::NotCollected),
        }
    }
    fn stream(&self, run: &Run) -> Answer<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.run(run)?.stdout)))
    }
    fn connect(&self, peer: &Peer, _limit: Duration, _listen: Duration) -> Answer<Connected> {
        self.records.get(&ask_connect(peer, &[])).unwrap_or(Err(Trouble::NotCollected))
    }
    fn talk(&self, peer: &Peer, words: &[u8], _limit: Duration, _listen: Duration) -> Answer<Connected> {
        self.records.get(&ask_connect(peer, words)).unwrap_or(Err(Trouble::NotCollected))
    }
    fn resolve(&self, question: &Question) -> Answer<Resolved> {
        self.records.get(&ask_resolve(question)).unwrap_or(Err(Trouble::NotCollected))
    }
    fn user(&self, name: &str) -> Answer<User> {
        self.records.get(&format!("user {name}")).unwrap_or_else(|| self.passwd(0, name))
    }
    fn user_by_id(&self, uid: u32) -> Answer<User> {
        self.records.get(&format!("uid {uid}")).unwrap_or_else(|| self.passwd(2, &uid.to_string()))
    }
    fn group(&self, name: &str) -> Answer<u32> {
        self.records.get(&format!("group {name}")).unwrap_or_else(|| {
            let columns = self.database("/etc/group", 0, name)?;
            columns.get(2).and_then(|c| c.parse().ok()).ok_or(Trouble::Missing)
        })
    }
    fn group_by_id(&self, gid: u32) -> Answer<String> {
        self.records
            .get(&format!("gid {gid}"))
            .unwrap_or_else(|| Ok(self.database("/etc/group", 2, &gid.to_string())?[0].clone()))
    }
    fn now(&self) -> Answer<jiff::Timestamp> {
        self.records.get("now").unwrap_or(Err(Trouble::NotCollected))
    }
    fn system(&self) -> Answer<Fields> {
        self.records.get("system").unwrap_or(Err(Trouble::NotCollected))
    }
    fn euid(&self) -> u32 {
        self.records.get("euid").and_then(Result::ok).unwrap_or(0)
    }
}
