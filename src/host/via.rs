//! A host behind a command prefix: `ssh mx1`, `docker exec mail`, `chroot DIR`, `nsenter -t PID -a`.
//!
//! Only small tools are used there, in the forms that busybox knows as well. Each command may cost a round trip,
//! so a directory is looked at as a whole, and what was seen is remembered for a short time.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::patience::Patience;
use super::system::from_proc;
use super::{Answer, Connected, FileKind, Host, HostKind, Peer, Question, Ran, Resolved, Run, Stat, Trouble, User};
use super::{exec, quote};
use crate::evidence::Fields;

/// How long what was seen is taken for true: long enough for one examination, too short for a change to be missed.
const FRESH: Duration = Duration::from_secs(30);
/// Files up to this size are remembered.
const SMALL: usize = 1 << 20;
/// What `stat` prints: mode and type in hexadecimal, user, group, bytes, time, inode, name.
const FORMAT: &str = "%f %u %g %s %Y %i %n";

/// The machine or container that a command prefix leads to.
pub struct Via {
    typed: String,
    prefix: Vec<String>,
    /// the prefix hands its arguments to a shell on the other side, so that they need quotes
    quoted: bool,
    /// commands may outlive the prefix: the other side has a time limit of its own
    timeout: Option<String>,
    euid: u32,
    directories: Mutex<HashMap<String, (Instant, Answer<Directory>)>>,
    files: Mutex<HashMap<String, (Instant, Vec<u8>)>>,
    switch: OnceLock<Switch>,
    patience: Patience,
    /// where ssh keeps the socket of its shared connection
    sockets: Option<tempfile::TempDir>,
}

type Directory = HashMap<String, Stat>;

/// How another user is taken on.
#[derive(Clone, Copy)]
enum Switch {
    Setpriv,
    Runuser,
    Su,
    Nothing,
}

impl Via {
    /// Tries the prefix; the trouble is that of the prefix itself, in its own words.
    pub fn open(prefix: &str) -> Answer<Via> {
        let words = exec::split_words(prefix).ok_or_else(|| Trouble::Other("a quote is not closed".to_owned()))?;
        if words.is_empty() {
            return Err(Trouble::Other("the prefix is empty".to_owned()));
        }
        let at = words.iter().position(|w| Path::new(w).file_name().is_some_and(|name| name == "ssh"));
        // `sudo ssh mx1` is ssh as well, `docker exec ssh sh` is not.
        let ssh = at.filter(|&at| words[..at].iter().all(|w| w == "sudo" || w == "doas" || w.starts_with('-')));
        let mut via = Via {
            typed: prefix.trim().to_owned(),
            prefix: words,
            quoted: ssh.is_some(),
            timeout: None,
            euid: u32::MAX,
            directories: Mutex::default(),
            files: Mutex::default(),
            switch: OnceLock::new(),
            patience: Patience::default(),
            sockets: None,
        };
        if let Some(at) = ssh {
            via.share_connection(at);
        }
        let mut first = Run::new("id", &["-u"]);
        first.limit = Duration::from_secs(20);
        let ran = via.run(&first)?;
        let id = ran.out().trim().parse();
        via.euid = match id {
            Ok(id) if ran.ok() => id,
            _ => {
                let words = ran.err().trim().to_owned();
                let words = if words.is_empty() { format!("exit status {}", ran.status) } else { words };
                return Err(Trouble::Other(crate::evidence::printable(&words)));
            }
        };
        // These two start their command as our own child, which dies with its group.
        let local = ["chroot", "nsenter", "unshare", "sudo", "env"];
        let first = Path::new(&via.prefix[0]).file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if via.quoted || !local.contains(&first) {
            let limits = via.run(&Run::new("timeout", &["5", "true"])).is_ok_and(|ran| ran.ok());
            via.timeout = limits.then(|| "timeout".to_owned());
        }
        Ok(via)
    }

    /// One connection for all commands, and no question that nobody could answer: commands run in the
    /// background, where ssh would wait for a password until the time is over.
    fn share_connection(&mut self, at: usize) {
        let mut options = vec!["BatchMode=yes".to_owned(), "ConnectTimeout=10".to_owned()];
        if let Ok(directory) = tempfile::Builder::new().prefix("pd").tempdir() {
            options.push("ControlMaster=auto".to_owned());
            options.push(format!("ControlPath={}/%C", directory.path().display()));
            options.push("ControlPersist=60".to_owned());
            self.sockets = Some(directory);
        }
        let rest = self.prefix.split_off(at + 1);
        self.prefix.extend(options.into_iter().flat_map(|option| ["-o".to_owned(), option]));
        self.prefix.extend(rest);
    }

    /// The whole command of this machine.
    fn argv(&self, run: &Run) -> Answer<Vec<String>> {
        let mut remote: Vec<String> = vec!["env".into(), "-i".into(), format!("PATH={}", exec::search_path())];
        remote.extend(["LC_ALL=C".to_owned(), "HOME=/".to_owned()]);
        remote.extend(run.env.iter().map(|(name, value)| format!("{name}={value}")));
        if let Some(timeout) = &self.timeout {
            // Later than ours, so that this side can tell that the time was over.
            remote.extend([timeout.clone(), (run.limit.as_secs() + 2).to_string()]);
        }
        if let Some(user) = &run.user {
            remote.extend(self.switch_user(user)?);
        }
        remote.push(run.program.clone());
        remote.extend(run.args.iter().cloned());
        let mut argv = self.prefix.clone();
        if self.quoted {
            argv.extend(remote.iter().map(|word| quote(word)));
        } else {
            argv.extend(remote);
        }
        Ok(argv)
    }

    fn switch_user(&self, name: &str) -> Answer<Vec<String>> {
        let user = self.user(name)?;
        if user.uid == self.euid {
            return Ok(Vec::new());
        }
        if self.euid != 0 {
            return Err(Trouble::Denied);
        }
        let works = |program: &str, args: &[&str]| self.run(&Run::new(program, args)).is_ok_and(|ran| ran.ok());
        let switch = *self.switch.get_or_init(|| {
            if works("setpriv", &["--reuid=0", "--regid=0", "--init-groups", "--", "true"]) {
                Switch::Setpriv
            } else if works("runuser", &["-u", "root", "--", "true"]) {
                Switch::Runuser
            } else if works("su", &["-s", "/usr/bin/env", "root", "--", "true"]) {
                Switch::Su
            } else {
                Switch::Nothing
            }
        });
        let ids = (format!("--reuid={}", user.uid), format!("--regid={}", user.gid));
        let switching: Vec<&str> = match switch {
            Switch::Setpriv => vec!["setpriv", &ids.0, &ids.1, "--init-groups", "--"],
            Switch::Runuser => vec!["runuser", "-u", name, "--"],
            // `env` in place of the shell: su gives it the words as they are.
            Switch::Su => vec!["su", "-s", "/usr/bin/env", name, "--"],
            Switch::Nothing => return Err(Trouble::NotCollected),
        };
        Ok(switching.into_iter().map(str::to_owned).collect())
    }

    /// Runs a small tool and takes its complaint for the answer where it fails.
    fn ask(&self, program: &str, args: &[&str], cap: usize) -> Answer<Ran> {
        let mut run = Run::new(program, args);
        run.cap = cap;
        let ran = self.run(&run)?;
        if ran.ok() || ran.truncated {
            return Ok(ran);
        }
        Err(complaint(&ran))
    }

    fn stat_one(&self, path: &str, follow: bool) -> Answer<Stat> {
        let args = if follow { vec!["-L", "-c", FORMAT, path] } else { vec!["-c", FORMAT, path] };
        let ran = self.ask("stat", &args, SMALL)?;
        let unknown = || Trouble::Other("stat prints another form".to_owned());
        let out = ran.out();
        parse_stat(out.lines().next().unwrap_or_default()).map(|(stat, _)| stat).ok_or_else(unknown)
    }

    /// All entries of a directory; an error if it cannot be looked at as a whole.
    fn directory(&self, path: &str) -> Answer<Directory> {
        let mut known = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, answer)) = known.get(path)
            && seen.elapsed() < FRESH
        {
            return answer.clone();
        }
        let answer = self.find(path);
        known.insert(path.to_owned(), (Instant::now(), answer.clone()));
        answer
    }

    fn find(&self, path: &str) -> Answer<Directory> {
        let mut run = Run::new("find", &["-H", path, "-maxdepth", "1", "-exec", "stat", "-c", FORMAT, "{}", "+"]);
        run.cap = SMALL;
        let ran = self.run(&run)?;
        let out = ran.out();
        // Nothing at all: the complaint is about the directory. Else it is about an entry, one that went away
        // meanwhile for instance, and the list cannot be trusted to be complete.
        if !ran.ok() && out.is_empty() {
            return Err(complaint(&ran));
        }
        if !ran.ok() || ran.truncated {
            return Err(Trouble::NotCollected);
        }
        let inside = format!("{}/", path.trim_end_matches('/'));
        let entry = |line: &str| {
            let (stat, name) = parse_stat(line)?;
            let name = name.strip_prefix(&inside)?;
            (!name.is_empty()).then(|| (name.to_owned(), stat))
        };
        Ok(out.lines().filter_map(entry).collect())
    }

    /// From the directory if that is possible, else by a command of its own.
    fn look(&self, path: &str, follow: bool) -> Answer<Stat> {
        let path = if path == "/" { path } else { path.trim_end_matches('/') };
        if let Some((parent, name)) = path.rsplit_once('/')
            && !one_by_one(path)
            && !name.is_empty()
        {
            let parent = if parent.is_empty() { "/" } else { parent };
            match self.directory(parent) {
                Ok(entries) => match entries.get(name) {
                    Some(stat) if stat.kind != FileKind::Symlink || !follow => return Ok(stat.clone()),
                    Some(_) => {}
                    None => return Err(Trouble::Missing),
                },
                Err(Trouble::Missing) => return Err(Trouble::Missing),
                Err(_) => {}
            }
        }
        self.stat_one(path, follow)
    }

    /// FIFOs and devices are not read. In /proc everything is a file, and each look costs.
    fn readable(&self, path: &str) -> Answer<()> {
        if path.starts_with("/proc/") {
            return Ok(());
        }
        match self.stat(path)?.kind {
            FileKind::File => Ok(()),
            FileKind::Directory => Err(Trouble::Other("it is a directory".to_owned())),
            _ => Err(Trouble::Other("it is not a regular file".to_owned())),
        }
    }

    /// A line of the user or group database.
    fn database(&self, which: &str, key: &str) -> Answer<Vec<String>> {
        let columns = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
        let at = if key.bytes().all(|b| b.is_ascii_digit()) { 2 } else { 0 };
        let file = self.read(&format!("/etc/{which}"), 4 << 20);
        if let Ok(file) = &file {
            let text = String::from_utf8_lossy(file);
            let line = text.lines().map(columns).find(|columns| columns.get(at).is_some_and(|c| c == key));
            if let Some(line) = line {
                return Ok(line);
            }
        }
        // Directory servers and the like are only known to the system's own lookup.
        match self.run(&Run::new("getent", &[which, key])) {
            Ok(ran) if ran.ok() => Ok(columns(ran.out().lines().next().unwrap_or_default())),
            Ok(ran) if ran.status == 2 => Err(Trouble::Missing),
            Err(Trouble::Missing) if file.is_ok() => Err(Trouble::Missing),
            _ => Err(Trouble::NotCollected),
        }
    }

    fn passwd(&self, key: &str) -> Answer<User> {
        let columns = self.database("passwd", key)?;
        let number = |at: usize| columns.get(at).and_then(|c| c.parse().ok()).ok_or(Trouble::Missing);
        Ok(User {
            name: columns.first().cloned().unwrap_or_default(),
            uid: number(2)?,
            gid: number(3)?,
            home: columns.get(5).cloned().unwrap_or_default(),
        })
    }
}

/// Directories that change all the time or are no directories, and paths whose parent is not what it seems.
fn one_by_one(path: &str) -> bool {
    ["/proc", "/sys", "/dev"].iter().any(|d| Path::new(path).starts_with(d)) || path.contains("/.")
}

/// What a small tool meant when it failed.
fn complaint(ran: &Ran) -> Trouble {
    let words = ran.err();
    if words.contains("No such file or directory") || words.contains("Not a directory") {
        Trouble::Missing
    } else if words.contains("Permission denied") {
        Trouble::Denied
    } else {
        let line = words.lines().next().unwrap_or("it failed");
        Trouble::Other(crate::evidence::printable(line))
    }
}

/// A line in our [`FORMAT`], and the name in it.
fn parse_stat(line: &str) -> Option<(Stat, &str)> {
    let mut columns = line.splitn(7, ' ');
    let mode = u32::from_str_radix(columns.next()?, 16).ok()?;
    let kind = match mode & 0o170_000 {
        0o100_000 => FileKind::File,
        0o040_000 => FileKind::Directory,
        0o120_000 => FileKind::Symlink,
        0o140_000 => FileKind::Socket,
        0o010_000 => FileKind::Fifo,
        _ => FileKind::Other,
    };
    let stat = Stat {
        kind,
        mode: mode & 0o7777,
        uid: columns.next()?.parse().ok()?,
        gid: columns.next()?.parse().ok()?,
        size: columns.next()?.parse().ok()?,
        mtime: columns.next()?.parse().ok()?,
        ino: columns.next()?.parse().ok()?,
    };
    Some((stat, columns.next()?))
}

impl Host for Via {
    fn kind(&self) -> HostKind {
        HostKind::Via
    }
    fn describe(&self) -> String {
        self.typed.clone()
    }
    fn stat(&self, path: &str) -> Answer<Stat> {
        self.look(path, true)
    }
    fn lstat(&self, path: &str) -> Answer<Stat> {
        self.look(path, false)
    }
    fn read_link(&self, path: &str) -> Answer<String> {
        let ran = self.run(&Run::new("readlink", &[path]))?;
        // It fails without a word: say what is the matter with the path.
        if !ran.ok() {
            self.lstat(path)?;
            return Err(if ran.err().contains("Permission") { Trouble::Denied } else { complaint(&ran) });
        }
        let out = ran.out();
        Ok(out.strip_suffix('\n').unwrap_or(&out).to_owned())
    }
    fn read(&self, path: &str, limit: u64) -> Answer<Vec<u8>> {
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        if let Some((seen, bytes)) = self.files.lock().unwrap_or_else(PoisonError::into_inner).get(path)
            && seen.elapsed() < FRESH
        {
            return Ok(bytes[..bytes.len().min(wanted)].to_vec());
        }
        self.readable(path)?;
        let bytes = self.ask("head", &["-c", &limit.to_string(), path], wanted)?.stdout;
        // Only a file that was read to its end may answer for other limits.
        if bytes.len() < wanted.min(SMALL) && !path.starts_with("/proc/") {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            if files.len() < 1000 {
                files.insert(path.to_owned(), (Instant::now(), bytes.clone()));
            }
        }
        Ok(bytes)
    }
    fn open(&self, path: &str, offset: u64) -> Answer<Box<dyn Read + Send>> {
        self.readable(path)?;
        // The first byte tells whether we may read at all; a stream could only tell at its end.
        self.ask("head", &["-c", "1", path], 16)?;
        let start = format!("+{}", offset + 1);
        let run = if offset == 0 { Run::new("cat", &[path]) } else { Run::new("tail", &["-c", &start, path]) };
        self.stream(&run.limit(Duration::from_mins(1)))
    }
    fn list(&self, path: &str) -> Answer<Vec<String>> {
        let whole = if one_by_one(path) { Err(Trouble::NotCollected) } else { self.directory(path) };
        let mut names: Vec<String> = match whole {
            Ok(entries) if self.stat(path)?.kind == FileKind::Directory => entries.into_keys().collect(),
            Err(Trouble::Missing) => return Err(Trouble::Missing),
            _ => {
                let inside = format!("{}/", path.trim_end_matches('/'));
                let ran = self.ask("ls", &["-1A", &inside], 64 << 20)?;
                ran.out().lines().map(str::to_owned).collect()
            }
        };
        names.sort_unstable();
        Ok(names)
    }
    fn run(&self, run: &Run) -> Answer<Ran> {
        let ran = self.patience.run(run, || exec::run(&self.argv(run)?, run)).map_err(|trouble| match trouble {
            // The prefix is missing, not the program.
            Trouble::Missing | Trouble::Denied => Trouble::Other(format!("{}: {trouble}", self.prefix[0])),
            other => other,
        })?;
        let words = ran.err();
        let from_us = ["env:", "timeout:", "setpriv:", "runuser:"].iter().any(|p| words.starts_with(p));
        match ran.status {
            127 if from_us => Err(Trouble::Missing),
            126 if from_us => Err(Trouble::Denied),
            _ => {
                drop(words);
                Ok(ran)
            }
        }
    }
    fn stream(&self, run: &Run) -> Answer<Box<dyn Read + Send>> {
        exec::stream(&self.argv(run)?, run)
    }
    fn connect(&self, _peer: &Peer, _limit: Duration, _listen: Duration) -> Answer<Connected> {
        // From here it would be another machine that connects.
        Err(Trouble::NotCollected)
    }
    fn resolve(&self, question: &Question) -> Answer<Resolved> {
        let start = Instant::now();
        let seconds = (question.limit.as_secs() / 2).max(1);
        let server = format!("@{}", question.server.ip());
        let (port, time) = (question.server.port().to_string(), format!("+time={seconds}"));
        let args = ["+noall", "+comments", "+answer", "+tries=2", &time, "-p", &port, &server];
        let mut run = Run::new("dig", &args).limit(question.limit + Duration::from_secs(2));
        run.args.extend([question.qtype.clone(), question.name.clone()]);
        let ran = match self.run(&run) {
            Err(Trouble::Missing) => return Err(Trouble::NotCollected),
            other => other?,
        };
        if ran.out().contains("connection refused") {
            return Err(Trouble::Other(format!("connection refused: no DNS server listens at {}", question.server)));
        }
        let millis = start.elapsed().as_millis() as u64;
        parse_dig(&ran.out(), &question.qtype, millis).ok_or(Trouble::TimedOut)
    }
    fn user(&self, name: &str) -> Answer<User> {
        self.passwd(name)
    }
    fn user_by_id(&self, uid: u32) -> Answer<User> {
        self.passwd(&uid.to_string())
    }
    fn group(&self, name: &str) -> Answer<u32> {
        let columns = self.database("group", name)?;
        columns.get(2).and_then(|c| c.parse().ok()).ok_or(Trouble::Missing)
    }
    fn group_by_id(&self, gid: u32) -> Answer<String> {
        self.database("group", &gid.to_string())?.into_iter().next().ok_or(Trouble::Missing)
    }
    fn now(&self) -> Answer<jiff::Timestamp> {
        let ran = self.ask("date", &["+%s"], 64)?;
        let bad = |why: &dyn std::fmt::Display| Trouble::Other(why.to_string());
        let seconds: i64 = ran.out().trim().parse().map_err(|e| bad(&e))?;
        jiff::Timestamp::from_second(seconds).map_err(|e| bad(&e))
    }
    fn system(&self) -> Answer<Fields> {
        let ran = self.ask("cat", &["/proc/loadavg", "/proc/meminfo", "/proc/stat"], SMALL)?;
        let out = ran.out();
        Ok(from_proc(&out, out.lines().next().unwrap_or_default(), &out))
    }
    fn euid(&self) -> u32 {
        self.euid
    }
}

/// The answer as dig prints it.
fn parse_dig(out: &str, qtype: &str, millis: u64) -> Option<Resolved> {
    let rcode = out.split_once("status: ")?.1.split(',').next()?.to_owned();
    let flags = out.split_once(";; flags:")?.1.split(';').next()?;
    let mut records = Vec::new();
    let mut ttl: Option<u32> = None;
    for line in out.lines().filter(|l| !l.starts_with(';')) {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        if columns.get(3).is_some_and(|t| t.eq_ignore_ascii_case(qtype)) {
            records.push(columns[4..].join(" "));
            let this = columns[1].parse().ok();
            ttl = ttl.into_iter().chain(this).min();
        }
    }
    let authentic = flags.split_ascii_whitespace().any(|f| f == "ad");
    Some(Resolved { rcode, records, authentic, ttl, millis })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_blanks_in_the_name() {
        let (stat, name) = parse_stat("41ed 0 12 4096 1700000000 99 /a b/c d").unwrap();
        assert_eq!((stat.kind, stat.mode, stat.gid, name), (FileKind::Directory, 0o755, 12, "/a b/c d"));
        assert!(parse_stat("rest of a name").is_none());
    }

    #[test]
    fn an_answer_of_dig() {
        let out = ";; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\n\
                   ;; flags: qr rd ra ad; QUERY: 1, ANSWER: 2\n\n;; ANSWER SECTION:\n\
                   example.net.\t300\tIN\tMX\t10 mx.example.net.\nexample.net.\t60\tIN\tMX\t20 mx2.example.net.\n";
        let reply = parse_dig(out, "MX", 3).unwrap();
        assert_eq!(reply.records, ["10 mx.example.net.", "20 mx2.example.net."]);
        assert_eq!((reply.rcode.as_str(), reply.authentic, reply.ttl), ("NOERROR", true, Some(60)));
        assert!(parse_dig(";; connection timed out; no servers could be reached", "MX", 3).is_none());
    }
}
