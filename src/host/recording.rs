//! A host that keeps every answer of another one, so that the examination can be replayed from a folder.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::records::{FILE, Records, ask_connect, ask_resolve, ask_run};
use super::{Answer, Connected, FileKind, Host, HostKind, Peer, Question, Ran, Resolved, Run, Stat, Trouble, User};
use crate::evidence::Fields;

/// How much of one file is kept.
const FILE_CAP: usize = 16 << 20;
/// How much of all files is kept.
const TOTAL_CAP: usize = 128 << 20;

/// Passes every question on and keeps the answer.
pub struct Recording<'h> {
    host: &'h dyn Host,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    records: Records,
    files: BTreeMap<String, Vec<u8>>,
    bytes: usize,
}

impl Kept {
    /// Keeps the longest piece of a file that was seen.
    fn file(&mut self, path: &str, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(FILE_CAP)];
        let known = self.files.get(path).map(Vec::len);
        if known.is_some_and(|known| known >= bytes.len()) || self.bytes + bytes.len() > TOTAL_CAP {
            return;
        }
        self.bytes += bytes.len() - known.unwrap_or(0);
        self.files.insert(path.to_owned(), bytes.to_vec());
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'h> Recording<'h> {
    /// Records what `host` answers.
    pub fn new(host: &'h dyn Host) -> Self {
        let recording = Recording { host, kept: Arc::default() };
        recording.keep("describe".to_owned(), Ok(host.describe())).ok();
        recording.keep("euid".to_owned(), Ok(host.euid())).ok();
        recording
    }

    fn keep<T: serde::Serialize>(&self, ask: String, answer: Answer<T>) -> Answer<T> {
        lock(&self.kept).records.keep(ask, &answer);
        answer
    }

    /// Writes a folder that [`super::Snapshot`] reads: the files as a tree, all other answers beside it. The
    /// folder must not exist yet; nobody else can read it.
    pub fn save(&self, directory: &Path) -> std::io::Result<()> {
        let mut folders = std::fs::DirBuilder::new();
        folders.mode(0o700);
        folders.create(directory)?;
        folders.recursive(true);
        let kept = lock(&self.kept);
        let mut records = kept.records.clone();
        for (path, bytes) in &kept.files {
            // A private key would be a private key in every copy of the folder; that it could be read is enough.
            if bytes.windows(12).any(|w| w == b"PRIVATE KEY-") {
                records.keep(format!("read {path}"), &Answer::<Inline>::Err(Trouble::NotCollected));
                continue;
            }
            let placed = place(directory, path).is_some_and(|file| {
                file.parent().is_some_and(|parent| folders.create(parent).is_ok()) && write(&file, bytes).is_ok()
            });
            if !placed {
                records.keep(format!("read {path}"), &Ok(Inline(bytes.clone())));
            }
        }
        write(&directory.join(FILE), records.to_text().as_bytes())
    }
}

/// Contents of a file that cannot lie in the tree.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Inline(#[serde(with = "super::bytes")] pub(super) Vec<u8>);

/// Where the file lies in the tree. Files of /proc and /sys stay in the records: they are many and tiny.
fn place(directory: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let inside = path.strip_prefix("/").ok()?;
    let plain = inside.components().all(|c| matches!(c, Component::Normal(_)));
    (plain && !inside.starts_with("proc") && !inside.starts_with("sys") && inside != Path::new(FILE))
        .then(|| directory.join(inside))
}

fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::File::options().write(true).create_new(true).mode(0o600).open(file)?.write_all(bytes)
}

impl Host for Recording<'_> {
    fn kind(&self) -> HostKind {
        self.host.kind()
    }
    fn is_post(&self) -> bool {
        self.host.is_post()
    }
    fn describe(&self) -> String {
        self.host.describe()
    }
    fn stat(&self, path: &str) -> Answer<Stat> {
        self.keep(format!("stat {path}"), self.host.stat(path))
    }
    fn lstat(&self, path: &str) -> Answer<Stat> {
        self.keep(format!("lstat {path}"), self.host.lstat(path))
    }
    fn kind_of(&self, path: &str) -> Answer<FileKind> {
        self.keep(format!("kind {path}"), self.host.kind_of(path))
    }
    fn read_link(&self, path: &str) -> Answer<String> {
        self.keep(format!("link {path}"), self.host.read_link(path))
    }
    fn read(&self, path: &str, limit: u64) -> Answer<Vec<u8>> {
        let answer = self.host.read(path, limit);
        match &answer {
            Ok(bytes) => lock(&self.kept).file(path, bytes),
            Err(trouble) => {
                lock(&self.kept).records.keep(format!("read {path}"), &Answer::<Inline>::Err(trouble.clone()));
            }
        }
        answer
    }
    fn open(&self, path: &str, offset: u64) -> Answer<Box<dyn Read + Send>> {
        match self.host.open(path, offset) {
            Ok(inner) if offset == 0 => {
                let (path, kept) = (path.to_owned(), Arc::clone(&self.kept));
                Ok(Box::new(Tee { inner, seen: Vec::new(), done: move |bytes| lock(&kept).file(&path, bytes) }))
            }
            Ok(inner) => Ok(inner),
            Err(trouble) => {
                lock(&self.kept).records.keep(format!("read {path}"), &Answer::<Inline>::Err(trouble.clone()));
                Err(trouble)
            }
        }
    }
    fn list(&self, path: &str) -> Answer<Vec<String>> {
        self.keep(format!("list {path}"), self.host.list(path))
    }
    fn run(&self, run: &Run) -> Answer<Ran> {
        self.keep(ask_run(run), self.host.run(run))
    }
    fn stream(&self, run: &Run) -> Answer<Box<dyn Read + Send>> {
        let ask = ask_run(run);
        match self.host.stream(run) {
            Ok(inner) => {
                let kept = Arc::clone(&self.kept);
                let done = move |bytes: &[u8]| {
                    let ran = Ran { status: 0, stdout: bytes.to_vec(), stderr: Vec::new(), truncated: false };
                    let mut kept = lock(&kept);
                    if kept.bytes + bytes.len() <= TOTAL_CAP {
                        kept.bytes += bytes.len();
                        kept.records.keep(ask.clone(), &Ok(ran));
                    }
                };
                Ok(Box::new(Tee { inner, seen: Vec::new(), done }))
            }
            Err(trouble) => {
                lock(&self.kept).records.keep(ask, &Answer::<Ran>::Err(trouble.clone()));
                Err(trouble)
            }
        }
    }
    fn connect(&self, peer: &Peer, limit: Duration, listen: Duration) -> Answer<Connected> {
        self.keep(ask_connect(peer, &[]), self.host.connect(peer, limit, listen))
    }
    fn talk(&self, peer: &Peer, words: &[u8], limit: Duration, listen: Duration) -> Answer<Connected> {
        self.keep(ask_connect(peer, words), self.host.talk(peer, words, limit, listen))
    }
    fn resolve(&self, question: &Question) -> Answer<Resolved> {
        self.keep(ask_resolve(question), self.host.resolve(question))
    }
    fn user(&self, name: &str) -> Answer<User> {
        self.keep(format!("user {name}"), self.host.user(name))
    }
    fn user_by_id(&self, uid: u32) -> Answer<User> {
        self.keep(format!("uid {uid}"), self.host.user_by_id(uid))
    }
    fn group(&self, name: &str) -> Answer<u32> {
        self.keep(format!("group {name}"), self.host.group(name))
    }
    fn group_by_id(&self, gid: u32) -> Answer<String> {
        self.keep(format!("gid {gid}"), self.host.group_by_id(gid))
    }
    fn now(&self) -> Answer<jiff::Timestamp> {
        self.keep("now".to_owned(), self.host.now())
    }
    fn system(&self) -> Answer<Fields> {
        self.keep("system".to_owned(), self.host.system())
    }
    fn euid(&self) -> u32 {
        self.host.euid()
    }
}

/// Hands a stream through and keeps its beginning.
struct Tee<F: FnMut(&[u8])> {
    inner: Box<dyn Read + Send>,
    seen: Vec<u8>,
    done: F,
}

impl<F: FnMut(&[u8])> Read for Tee<F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let room = FILE_CAP.saturating_sub(self.seen.len());
        self.seen.extend_from_slice(&buffer[..n.min(room)]);
        Ok(n)
    }
}

impl<F: FnMut(&[u8])> Drop for Tee<F> {
    fn drop(&mut self) {
        (self.done)(&self.seen);
    }
}
