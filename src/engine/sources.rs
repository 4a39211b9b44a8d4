//! Playbook and rule files of the administrator: reading them, and refusing what somebody else could have
//! written. They are trusted like a shell script of root's: a rule decides which commands are proposed.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::diagnostic::{Diagnostic, SourceFile};
use super::load;
use super::rule::Knowledge;

/// A rule file is some kilobytes; what is larger is something else.
const LARGEST: u64 = 1 << 20;

/// What was read, and what was refused.
#[derive(Debug, Default)]
pub struct Sources {
    /// the files, in the order in which they override each other
    pub files: Vec<SourceFile>,
    /// files that could not be read or are not safe to use
    pub refused: Vec<Diagnostic>,
}

impl Sources {
    /// Only the files that come with the program.
    pub fn embedded() -> Self {
        Sources { files: super::embedded::files(), refused: Vec::new() }
    }

    /// Adds the `*.toml` files of a directory and of its `rules/`, in the order of their names. A directory
    /// that does not exist adds nothing: /etc/postdoctor/playbooks.d is usually not there.
    pub fn add_directory(&mut self, dir: &Path) {
        let layer = self.next_layer();
        for dir in [dir.to_owned(), dir.join("rules")] {
            let mut paths: Vec<PathBuf> = match fs::read_dir(&dir) {
                Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    self.refuse(&dir, layer, "this directory cannot be read", &error.to_string());
                    continue;
                }
            };
            paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
            paths.sort();
            for path in paths {
                self.add(&path, layer, Trust::Needed);
            }
        }
    }

    /// Adds one file that will be used.
    pub fn add_file(&mut self, path: &Path) {
        self.add(path, self.next_layer(), Trust::Needed);
    }

    /// Adds files that are only checked, never used; who may write them does not matter.
    pub fn add_for_checking(&mut self, paths: &[PathBuf]) {
        let layer = self.next_layer();
        for path in paths {
            self.add(path, layer, Trust::NotNeeded);
        }
    }

    /// Loads them: what is sound, and what is wrong with the rest.
    pub fn load(self) -> (Knowledge, Vec<Diagnostic>) {
        let (knowledge, mut diagnostics) = load::load(&self.files);
        diagnostics.splice(0..0, self.refused);
        (knowledge, diagnostics)
    }

    fn next_layer(&self) -> u32 {
        self.files.iter().chain(self.refused.iter().map(|d| &d.file)).map(|file| file.layer).max().unwrap_or(0) + 1
    }

    fn add(&mut self, path: &Path, layer: u32, trust: Trust) {
        match read(path, trust) {
            Ok(text) => self.files.push(SourceFile::new(path.display().to_string(), text, layer)),
            Err((message, reason)) => self.refuse(path, layer, message, &reason),
        }
    }

    fn refuse(&mut self, path: &Path, layer: u32, message: &str, reason: &str) {
        self.refused.push(Diagnostic {
            file: SourceFile::new(path.display().to_string(), "", layer),
            span: None,
            message: message.to_owned(),
            label: reason.to_owned(),
        });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    Needed,
    NotNeeded,
}

/// The text of a file, or what is wrong with it and why.
fn read(path: &Path, trust: Trust) -> Result<String, (&'static str, String)> {
    const UNREADABLE: &str = "this file cannot be read";
    const UNSAFE: &str = "this file is refused: somebody else may change it";
    let unreadable = |error: std::io::Error| (UNREADABLE, error.to_string());
    // Without O_NONBLOCK a FIFO would hang us.
    let file: File = File::options()
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits())
        .open(path)
        .map_err(unreadable)?;
    // Of the open file: what stands at the path may be another one by now.
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err((UNREADABLE, "it is not a regular file".to_owned()));
    }
    if metadata.len() > LARGEST {
        return Err((UNREADABLE, format!("it is larger than {LARGEST} bytes")));
    }
    if trust == Trust::Needed
        && nix::unistd::geteuid().is_root()
        && let Some(reason) = unsafe_because(&metadata, "it").or_else(|| unsafe_place(path))
    {
        return Err((UNSAFE, reason));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Why somebody else could put another file at this path, if somebody could: by way of a directory above it, or
/// of the directory of a symbolic link to it.
fn unsafe_place(path: &Path) -> Option<String> {
    let real = fs::canonicalize(path).ok();
    let beside_link = path.parent().map(|dir| if dir == Path::new("") { Path::new(".") } else { dir });
    let beside_link = beside_link.and_then(|dir| fs::canonicalize(dir).ok()).map(|dir| dir.join("x"));
    [real, beside_link].into_iter().flatten().find_map(|path| {
        path.ancestors().skip(1).enumerate().find_map(|(above, dir)| {
            let metadata = fs::metadata(dir).ok()?;
            // Further up, the sticky bit keeps others from renaming what is not theirs (/tmp).
            let sticky = above > 0 && metadata.uid() == 0 && metadata.mode() & 0o1000 != 0;
            if sticky { None } else { unsafe_because(&metadata, &format!("its directory {}", dir.display())) }
        })
    })
}

/// Why something can be written by others than root, if it can.
fn unsafe_because(metadata: &Metadata, what: &str) -> Option<String> {
    let mode = metadata.mode();
    if metadata.uid() != 0 {
        Some(format!("{what} is owned by user {}, not by root", metadata.uid()))
    } else if mode & 0o002 != 0 {
        Some(format!("{what} is writable by everybody (mode {:04o})", mode & 0o7777))
    } else if mode & 0o020 != 0 && metadata.gid() != 0 {
        Some(format!("{what} is writable by group {} (mode {:04o})", metadata.gid(), mode & 0o7777))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn refused(dir: &Path) -> Vec<String> {
        let mut sources = Sources::default();
        sources.add_directory(dir);
        sources.refused.iter().map(|d| d.label.replace(&*dir.to_string_lossy(), "DIR")).collect()
    }

    #[test]
    fn a_missing_directory_is_no_error() {
        assert!(refused(Path::new("/nonexistent/playbooks.d")).is_empty());
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&dir.path().join("a.toml"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        fs::create_dir(dir.path().join("b.toml")).unwrap();
        assert_eq!(refused(dir.path()), ["it is not a regular file", "it is not a regular file"]);
    }

    #[test]
    fn what_others_may_write_is_refused_as_root() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("site.toml");
        fs::write(&file, "").unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        mode(dir.path(), 0o755);
        mode(&file, 0o644);
        assert!(refused(dir.path()).is_empty());
        mode(&file, 0o666);
        assert_eq!(refused(dir.path()), ["it is writable by everybody (mode 0666)"]);
        mode(&file, 0o664);
        std::os::unix::fs::chown(&file, None, Some(5)).unwrap();
        assert_eq!(refused(dir.path()), ["it is writable by group 5 (mode 0664)"]);
        mode(&file, 0o644);
        std::os::unix::fs::chown(&file, Some(1000), None).unwrap();
        assert_eq!(refused(dir.path()), ["it is owned by user 1000, not by root"]);
        std::os::unix::fs::chown(&file, Some(0), None).unwrap();
        mode(dir.path(), 0o1777);
        assert_eq!(refused(dir.path()), ["its directory DIR is writable by everybody (mode 1777)"]);
        mode(dir.path(), 0o755);
        assert!(refused(dir.path()).is_empty());
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        std::os::unix::fs::symlink("../site.toml", inner.join("link.toml")).unwrap();
        assert!(refused(&inner).is_empty());
        mode(dir.path(), 0o777);
        let inside = refused(&inner);
        assert!(inside[0].contains("writable by everybody (mode 0777)"), "{inside:?}");
        mode(dir.path(), 0o755);
        mode(&inner, 0o777);
        assert_eq!(refused(&inner), ["its directory DIR is writable by everybody (mode 0777)"]);
    }
}
