//! The only place that starts commands: never through a shell, with an absolute path, a clean environment, the
//! working directory `/`, an own process group, a time limit that kills the whole group, and an output cap.
//!
//! Output goes through pipes of our own and threads that may be left behind, because a grandchild that has left
//! the group (a daemon that was started by accident) can hold a pipe open for ever: whoever waits for the end of
//! file then hangs although the command itself has long ended.

use std::io::{PipeReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{Answer, Ran, Run, Trouble};

/// Where programs are searched beside PATH: an ordinary user often lacks the sbin directories, and nobody has
/// those in which some distributions keep Postfix's own daemons.
pub const SEARCH: [&str; 9] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/lib/postfix/sbin",
    "/usr/libexec/postfix",
    "/usr/lib/postfix/bin",
];

/// How long output may still drip in when the command itself has ended.
const GRACE: Duration = Duration::from_millis(250);
/// How long a killed command gets to go away; one in uninterruptible sleep is left to the system.
const REAP: Duration = Duration::from_millis(500);

/// The PATH that commands get.
pub(super) fn search_path() -> String {
    SEARCH.join(":")
}

/// Runs the words as a command of this machine.
pub(super) fn run(argv: &[String], run: &Run) -> Answer<Ran> {
    let deadline = Instant::now() + run.limit;
    let mut child = Child::start(argv, run)?;
    let (sender, events) = channel();
    let out = collect(child.stdout.take(), run.cap, 0, &sender);
    let err = collect(child.stderr.take(), run.cap, 1, &sender);
    drop(sender);
    let mut kept = [Vec::new(), Vec::new()];
    let mut truncated = false;
    let mut ended = None;
    let mut open = usize::from(out) + usize::from(err);
    // Both pipes closed means that the command is about to end; a command that ended with a pipe still open has
    // left somebody behind. Neither alone may be waited for without a limit.
    while open > 0 || ended.is_none() {
        if ended.is_none() {
            ended = child.poll()?;
            if ended.is_some() && open > 0 {
                take(&events, &mut kept, &mut truncated, &mut open, Instant::now() + GRACE);
                if open > 0 {
                    child.kill();
                }
                break;
            }
        }
        let now = Instant::now();
        if truncated || now >= deadline {
            break;
        }
        if open > 0 {
            // Short waits at first: most commands end within a few milliseconds.
            let nap = (now + Duration::from_millis(20)).min(deadline);
            take(&events, &mut kept, &mut truncated, &mut open, nap);
        } else {
            ended = child.wait_until(deadline)?;
            if ended.is_none() {
                break;
            }
        }
    }
    let [stdout, stderr] = kept;
    if let Some(status) = ended {
        return Ok(Ran { status, stdout, stderr, truncated });
    }
    child.kill();
    let status = child.wait_until(Instant::now() + REAP)?.unwrap_or(128 + Signal::SIGKILL as i32);
    if truncated { Ok(Ran { status, stdout, stderr, truncated }) } else { Err(Trouble::TimedOut) }
}

/// Runs the words and hands out standard output as it comes.
pub(super) fn stream(argv: &[String], run: &Run) -> Answer<Box<dyn Read + Send>> {
    let mut child = Child::start(argv, run)?;
    let (sender, blocks) = sync_channel(4);
    if let Some(pipe) = child.stdout.take() {
        pump(pipe, sender);
    }
    let (sender, complaints) = channel();
    collect(child.stderr.take(), 4096, 1, &sender);
    Ok(Box::new(Stream { child, blocks, complaints, limit: run.limit, block: Vec::new(), at: 0, over: false }))
}

/// Splits a command prefix into words as a shell would, with quotes and backslashes but without any expansion.
/// `None`: a quote is not closed.
pub fn split_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\' | '$' | '`') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

/// The absolute path of a program of this machine.
pub(super) fn find(program: &str) -> Answer<PathBuf> {
    if program.contains('/') && !program.starts_with('/') {
        return Err(Trouble::Missing);
    }
    if program.starts_with('/') {
        return executable(Path::new(program));
    }
    let own = std::env::var_os("PATH").unwrap_or_default();
    // A relative entry of PATH would make the working directory a source of programs.
    let own = std::env::split_paths(&own).filter(|p| p.is_absolute());
    let places: Vec<PathBuf> = own.chain(SEARCH.iter().map(PathBuf::from)).collect();
    let joined = std::env::join_paths(&places).map_err(|e| Trouble::Other(e.to_string()))?;
    match which::which_in(program, Some(joined), "/") {
        Ok(path) => Ok(path),
        // A program that is there without permission is another fault than one that is not installed.
        Err(_) if places.iter().any(|p| p.join(program).is_file()) => Err(Trouble::Denied),
        Err(_) => Err(Trouble::Missing),
    }
}

fn executable(path: &Path) -> Answer<PathBuf> {
    std::fs::metadata(path)?;
    match nix::unistd::access(path, nix::unistd::AccessFlags::X_OK) {
        Ok(()) => Ok(path.to_owned()),
        Err(_) => Err(Trouble::Denied),
    }
}

/// The words that switch to `user` on this machine, to be put before a command; empty for ourselves.
pub(super) fn switch_user(user: &str) -> Answer<Vec<String>> {
    let lookup = |e: nix::Error| Trouble::Other(e.to_string());
    let wanted = nix::unistd::User::from_name(user).map_err(lookup)?;
    let wanted = wanted.ok_or_else(|| Trouble::Other(format!("there is no user {user}")))?;
    if wanted.uid == nix::unistd::geteuid() {
        return Ok(Vec::new());
    }
    if !nix::unistd::geteuid().is_root() {
        return Err(Trouble::Denied);
    }
    if let Ok(path) = find("setpriv") {
        let ids = [format!("--reuid={}", wanted.uid), format!("--regid={}", wanted.gid)];
        let path = path.to_string_lossy().into_owned();
        return Ok([path].into_iter().chain(ids).chain(["--init-groups".to_owned(), "--".to_owned()]).collect());
    }
    let path = find("runuser")?.to_string_lossy().into_owned();
    Ok(vec![path, "-u".to_owned(), user.to_owned(), "--".to_owned()])
}

/// A started command in its own process group, which does not outlive this value.
struct Child {
    handle: duct::Handle,
    group: Option<Pid>,
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
}

impl Child {
    #[expect(clippy::disallowed_methods, reason = "this is the place where commands are started")]
    fn start(argv: &[String], run: &Run) -> Answer<Child> {
        let Some((program, rest)) = argv.split_first() else { return Err(Trouble::Missing) };
        let program = find(program)?;
        let (stdout, out) = std::io::pipe()?;
        let (stderr, err) = std::io::pipe()?;
        let mut environment: Vec<(String, String)> =
            vec![("PATH".into(), search_path()), ("LC_ALL".into(), "C".into()), ("HOME".into(), "/".into())];
        environment.extend(run.env.iter().cloned());
        let expression = duct::cmd(program, rest)
            .dir("/")
            .full_env(environment)
            .unchecked()
            .stdout_file(out)
            .stderr_file(err)
            .before_spawn(|command| {
                std::os::unix::process::CommandExt::process_group(command, 0);
                Ok(())
            });
        let (expression, input) = if run.stdin.is_empty() {
            (expression.stdin_null(), None)
        } else {
            let (read, write) = std::io::pipe()?;
            (expression.stdin_file(read), Some(write))
        };
        let handle = expression.start()?;
        // The expression owns the writing ends; while they are open here, there is no end of file.
        drop(expression);
        if let Some(mut pipe) = input {
            let bytes = run.stdin.clone();
            // A command that does not read its input makes this fail, which says nothing about the command.
            std::thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        let group = handle.pids().first().map(|&pid| Pid::from_raw(pid as i32));
        Ok(Child { handle, group, stdout: Some(stdout), stderr: Some(stderr) })
    }

    /// The exit status, if it has ended.
    fn poll(&self) -> Answer<Option<i32>> {
        Ok(self.handle.try_wait()?.map(|output| status(output.status)))
    }

    fn wait_until(&self, deadline: Instant) -> Answer<Option<i32>> {
        Ok(self.handle.wait_deadline(deadline)?.map(|output| status(output.status)))
    }

    fn kill(&self) {
        if let Some(group) = self.group {
            // Nobody left in the group is what we want, so this may fail.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

fn status(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// What came from a pipe: a piece, the news that the cap is reached, or the end.
enum Event {
    Piece(usize, Vec<u8>),
    Full,
    End,
}

/// Reads a pipe in a thread of its own; the number tells the pipes apart.
fn collect(pipe: Option<PipeReader>, cap: usize, number: usize, events: &Sender<Event>) -> bool {
    let Some(mut pipe) = pipe else { return false };
    let events = events.clone();
    std::thread::spawn(move || {
        let mut left = cap;
        let mut block = vec![0; 64 << 10];
        loop {
            match pipe.read(&mut block) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
                Ok(n) => {
                    if events.send(Event::Piece(number, block[..n.min(left)].to_vec())).is_err() {
                        return;
                    }
                    if n > left {
                        // The pipe stays open meanwhile: closing it would let the command die of a broken pipe
                        // before it is known that we are the reason.
                        let _ = events.send(Event::Full);
                        return;
                    }
                    left -= n;
                }
            }
        }
        let _ = events.send(Event::End);
    });
    true
}

/// Takes what came until `deadline`, until all pipes are closed, or until the cap.
fn take(events: &Receiver<Event>, kept: &mut [Vec<u8>; 2], truncated: &mut bool, open: &mut usize, deadline: Instant) {
    while *open > 0 && !*truncated {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Piece(number, bytes)) => kept[number].extend_from_slice(&bytes),
            Ok(Event::Full) => *truncated = true,
            Ok(Event::End) => *open -= 1,
            Err(RecvTimeoutError::Timeout) => return,
            Err(RecvTimeoutError::Disconnected) => *open = 0,
        }
    }
}

/// Sends a pipe block by block; ends when nobody listens any more.
fn pump(mut pipe: PipeReader, blocks: SyncSender<Vec<u8>>) {
    std::thread::spawn(move || {
        loop {
            let mut block = vec![0; 256 << 10];
            match pipe.read(&mut block) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return,
                Ok(n) => {
                    block.truncate(n);
                    if blocks.send(block).is_err() {
                        return;
                    }
                }
            }
        }
    });
}

/// The output of a running command; the command dies with it.
struct Stream {
    child: Child,
    blocks: Receiver<Vec<u8>>,
    complaints: Receiver<Event>,
    limit: Duration,
    block: Vec<u8>,
    at: usize,
    over: bool,
}

impl Stream {
    /// What there is to say when the output has ended.
    fn verdict(&self) -> std::io::Result<usize> {
        let status = self.child.handle.wait_timeout(REAP)?.map_or(0, |output| status(output.status));
        if status == 0 {
            return Ok(0);
        }
        let mut kept = [Vec::new(), Vec::new()];
        take(&self.complaints, &mut kept, &mut false, &mut 1, Instant::now() + GRACE);
        let words = String::from_utf8_lossy(&kept[1]).trim().to_owned();
        if words.is_empty() { Ok(0) } else { Err(std::io::Error::other(words)) }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.over {
            return Ok(0);
        }
        if self.at == self.block.len() {
            match self.blocks.recv_timeout(self.limit) {
                Ok(block) => (self.block, self.at) = (block, 0),
                Err(RecvTimeoutError::Timeout) => {
                    self.over = true;
                    self.child.kill();
                    return Err(std::io::ErrorKind::TimedOut.into());
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.over = true;
                    return self.verdict();
                }
            }
        }
        let n = buffer.len().min(self.block.len() - self.at);
        buffer[..n].copy_from_slice(&self.block[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.child.kill();
        // Reaps it; a zombie would stay until the next command.
        let _ = self.child.handle.wait_timeout(REAP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_split_like_a_shell_does() {
        let words = |t| split_words(t).map(|w| w.join("|"));
        assert_eq!(words("ssh  mx1").as_deref(), Some("ssh|mx1"));
        assert_eq!(words(r#"ssh -o "A B" '' x\ y "q\"r""#).as_deref(), Some(r#"ssh|-o|A B||x y|q"r"#));
        assert_eq!(words("ssh 'mx1"), None);
    }
}
