//! The machine that this program runs on.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::patience::Patience;
use super::{Answer, Connected, FileKind, Host, HostKind, Peer, Question, Ran, Resolved, Run, Stat, Trouble, User};
use super::{dns, exec};

/// How long the user database may take; behind it may be a directory server that does not answer.
const USERS: Duration = Duration::from_secs(5);

/// This machine.
#[derive(Debug, Default)]
pub struct Live {
    patience: Patience,
}

impl Host for Live {
    fn kind(&self) -> HostKind {
        HostKind::Live
    }
    fn describe(&self) -> String {
        "this machine".to_owned()
    }
    fn stat(&self, path: &str) -> Answer<Stat> {
        Ok(stat_of(&std::fs::metadata(path)?))
    }
    fn lstat(&self, path: &str) -> Answer<Stat> {
        Ok(stat_of(&std::fs::symlink_metadata(path)?))
    }
    fn read_link(&self, path: &str) -> Answer<String> {
        Ok(std::fs::read_link(path)?.to_string_lossy().into_owned())
    }
    fn read(&self, path: &str, limit: u64) -> Answer<Vec<u8>> {
        let mut bytes = Vec::new();
        open_regular(Path::new(path))?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
    fn open(&self, path: &str, offset: u64) -> Answer<Box<dyn Read + Send>> {
        let mut file = open_regular(Path::new(path))?;
        if offset > 0 {
            file.seek(SeekFrom::Start(offset))?;
        }
        Ok(Box::new(file))
    }
    fn list(&self, path: &str) -> Answer<Vec<String>> {
        list_of(Path::new(path))
    }
    fn run(&self, run: &Run) -> Answer<Ran> {
        self.patience.run(run, || exec::run(&argv(run)?, run))
    }
    fn stream(&self, run: &Run) -> Answer<Box<dyn Read + Send>> {
        exec::stream(&argv(run)?, run)
    }
    fn connect(&self, peer: &Peer, limit: Duration, listen: Duration) -> Answer<Connected> {
        self.talk(peer, &[], limit, listen)
    }
    fn talk(&self, peer: &Peer, words: &[u8], limit: Duration, listen: Duration) -> Answer<Connected> {
        Ok(match peer {
            Peer::Tcp(address) => tcp(*address, words, limit, listen),
            Peer::Unix(path) => unix(path, words, limit, listen),
        })
    }
    fn resolve(&self, question: &Question) -> Answer<Resolved> {
        dns::resolve(question)
    }
    fn user(&self, name: &str) -> Answer<User> {
        let name = name.to_owned();
        user_of(within(USERS, move || nix::unistd::User::from_name(&name))?)
    }
    fn user_by_id(&self, uid: u32) -> Answer<User> {
        user_of(within(USERS, move || nix::unistd::User::from_uid(uid.into()))?)
    }
    fn group(&self, name: &str) -> Answer<u32> {
        let name = name.to_owned();
        Ok(group_of(within(USERS, move || nix::unistd::Group::from_name(&name))?)?.gid.as_raw())
    }
    fn group_by_id(&self, gid: u32) -> Answer<String> {
        Ok(group_of(within(USERS, move || nix::unistd::Group::from_gid(gid.into()))?)?.name)
    }
    fn now(&self) -> Answer<jiff::Timestamp> {
        Ok(jiff::Timestamp::now())
    }
    fn system(&self) -> Answer<crate::evidence::Fields> {
        within(USERS, super::system::of_this_machine)
    }
    fn euid(&self) -> u32 {
        nix::unistd::geteuid().as_raw()
    }
}

/// Metadata in our own words.
pub(super) fn stat_of(meta: &Metadata) -> Stat {
    Stat {
        kind: kind_of(meta),
        mode: meta.mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
        size: meta.len(),
        mtime: meta.mtime(),
        ino: meta.ino(),
    }
}

pub(super) fn kind_of(meta: &Metadata) -> FileKind {
    let kind = meta.file_type();
    if kind.is_file() {
        FileKind::File
    } else if kind.is_dir() {
        FileKind::Directory
    } else if kind.is_symlink() {
        FileKind::Symlink
    } else if kind.is_socket() {
        FileKind::Socket
    } else if kind.is_fifo() {
        FileKind::Fifo
    } else {
        FileKind::Other
    }
}

/// Opens a regular file and nothing else: opening a FIFO waits for ever, opening a device may do something.
pub(super) fn open_regular(path: &Path) -> Answer<File> {
    let refuse = |meta: &Metadata| match kind_of(meta) {
        FileKind::File => Ok(()),
        FileKind::Directory => Err(Trouble::Other("it is a directory".to_owned())),
        _ => Err(Trouble::Other("it is not a regular file".to_owned())),
    };
    refuse(&std::fs::metadata(path)?)?;
    // Between the two looks somebody may put a FIFO there: O_NONBLOCK makes that harmless.
    let file = File::options().read(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(path)?;
    refuse(&file.metadata()?)?;
    Ok(file)
}

/// Sorted names.
pub(super) fn list_of(path: &Path) -> Answer<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

fn argv(run: &Run) -> Answer<Vec<String>> {
    let program = exec::find(&run.program)?.to_string_lossy().into_owned();
    let mut words = run.user.as_deref().map_or(Ok(Vec::new()), exec::switch_user)?;
    words.push(program);
    words.extend(run.args.iter().cloned());
    Ok(words)
}

/// Does something that may hang, in a thread that is left behind if it does.
pub(super) fn within<T: Send + 'static>(limit: Duration, job: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
    let (sender, result) = channel();
    std::thread::spawn(move || drop(sender.send(job())));
    result.recv_timeout(limit).map_err(|_| Trouble::TimedOut)
}

fn user_of(found: nix::Result<Option<nix::unistd::User>>) -> Answer<User> {
    let user = found.map_err(|e| Trouble::Other(e.to_string()))?.ok_or(Trouble::Missing)?;
    let home = user.dir.to_string_lossy().into_owned();
    Ok(User { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), home })
}

fn group_of(found: nix::Result<Option<nix::unistd::Group>>) -> Answer<nix::unistd::Group> {
    found.map_err(|e| Trouble::Other(e.to_string()))?.ok_or(Trouble::Missing)
}

fn tcp(address: SocketAddr, say: &[u8], limit: Duration, listen: Duration) -> Connected {
    let start = Instant::now();
    match TcpStream::connect_timeout(&address, limit.max(Duration::from_millis(1))) {
        Ok(mut stream) => {
            let _ = stream.set_write_timeout(Some(limit));
            let millis = start.elapsed().as_millis() as u64;
            // A peer that hangs up at once makes this fail; what it said before that is the answer.
            let _ = stream.write_all(say);
            let said = first_words(stream, listen, TcpStream::set_read_timeout);
            Connected::Open { millis, said }
        }
        Err(e) => match e.kind() {
            ErrorKind::ConnectionRefused => Connected::Refused,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Connected::TimedOut,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => {
                Connected::Unreachable(words(&e))
            }
            _ if e.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32) => Connected::Unreachable(words(&e)),
            _ => Connected::Failed(words(&e)),
        },
    }
}

fn unix(path: &str, say: &[u8], limit: Duration, listen: Duration) -> Connected {
    let start = Instant::now();
    let (path, say) = (path.to_owned(), say.to_owned());
    // A listener with a full backlog makes connect wait, and std has no limit for that.
    let attempt = within(limit + listen, move || {
        let mut stream = UnixStream::connect(&path)?;
        let millis = start.elapsed().as_millis() as u64;
        stream.set_write_timeout(Some(limit))?;
        let _ = stream.write_all(&say);
        let said = first_words(stream, listen, UnixStream::set_read_timeout);
        std::io::Result::Ok(Connected::Open { millis, said })
    });
    match attempt {
        Err(_) => Connected::TimedOut,
        Ok(Ok(open)) => open,
        Ok(Err(e)) => match e.kind() {
            ErrorKind::ConnectionRefused => Connected::Refused,
            ErrorKind::NotFound | ErrorKind::NotADirectory => Connected::Missing,
            ErrorKind::PermissionDenied => Connected::Denied,
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Connected::TimedOut,
            _ => Connected::Failed(words(&e)),
        },
    }
}

/// The system's words without the number that Rust adds.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// What the peer says first: until a line is complete, the time is over, or 1 KiB came.
fn first_words<S: Read>(
    mut stream: S,
    listen: Duration,
    limit: impl Fn(&S, Option<Duration>) -> std::io::Result<()>,
) -> Vec<u8> {
    let deadline = Instant::now() + listen;
    let mut said = Vec::new();
    let mut block = [0; 1024];
    while said.len() < block.len() && !said.contains(&b'\n') {
        let left = deadline.saturating_duration_since(Instant::now());
        // A limit of zero would mean none at all.
        if left.is_zero() || limit(&stream, Some(left)).is_err() {
            break;
        }
        match stream.read(&mut block) {
            Ok(0) | Err(_) => break,
            Ok(n) => said.extend_from_slice(&block[..n.min(1024 - said.len())]),
        }
    }
    said
}
