//! Reads sources one after the other and hands out blocks of whole lines.
//!
//! Blocks are small enough to stay in a processor's cache between reading and scanning. A compressed file is
//! decompressed here, in one thread, while others scan. What is damaged ends its source: what came before
//! counts, and the trouble is noted.

use std::io::{Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::paste;
use super::source::{self, LogSource};
use crate::host::{FileKind, Host, Run};

/// Bytes of a block.
pub(crate) const BLOCK: usize = 256 << 10;
/// Bytes that are kept of a line.
pub(crate) const LONGEST_LINE: usize = 64 << 10;

/// Where a block comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    /// index of its source
    pub source: usize,
    /// number of the block over all sources, from 0
    pub number: u64,
    /// when its source was last written
    pub anchor: Timestamp,
    /// bytes of the buffer that it takes
    pub len: usize,
}

/// Hands out the blocks of all sources in order.
pub(crate) struct Feed<'h> {
    host: &'h dyn Host,
    sources: &'h [LogSource],
    now: Timestamp,
    at: usize,
    current: Option<Open>,
    blocks: u64,
    /// what went wrong, by source
    pub troubles: Vec<(String, String)>,
    /// lines whose end was skipped here
    pub cut_lines: u64,
    /// bytes as stored, read so far
    pub stored: Arc<AtomicU64>,
}

struct Open {
    reader: Box<dyn Read + Send>,
    anchor: Timestamp,
    /// the start of a line whose end is still to come
    carry: Vec<u8>,
    /// the rest of a gigantic line is being skipped
    skipping: bool,
}

impl<'h> Feed<'h> {
    pub(crate) fn new(host: &'h dyn Host, sources: &'h [LogSource], now: Timestamp) -> Self {
        Feed {
            host,
            sources,
            now,
            at: 0,
            current: None,
            blocks: 0,
            troubles: Vec::new(),
            cut_lines: 0,
            stored: Arc::default(),
        }
    }

    /// Fills `buffer` with the next whole lines. None: all sources are read.
    pub(crate) fn next(&mut self, buffer: &mut Vec<u8>) -> Option<Block> {
        loop {
            if self.current.is_none() {
                let source = self.sources.get(self.at)?;
                match open(self.host, self.sources, source, self.now, &self.stored) {
                    Ok(open) => self.current = Some(open),
                    Err(why) => {
                        self.troubles.push((source.name().to_owned(), why));
                        self.at += 1;
                        continue;
                    }
                }
            }
            let Some(open) = &mut self.current else { continue };
            let (len, ended, cut) = fill(open, buffer);
            let anchor = open.anchor;
            self.cut_lines += u64::from(cut);
            let source = self.at;
            if let Some(why) = ended {
                if let Err(why) = why {
                    self.troubles.push((self.sources[source].name().to_owned(), why));
                }
                self.current = None;
                self.at += 1;
            }
            if len > 0 {
                let number = self.blocks;
                self.blocks += 1;
                return Some(Block { source, number, anchor, len });
            }
        }
    }
}

/// Fills the buffer up to the last line end. Gives how many bytes of it are lines, whether the source ended (and
/// how), and whether a line was cut.
fn fill(open: &mut Open, buffer: &mut Vec<u8>) -> (usize, Option<Result<(), String>>, bool) {
    // Once only: its bytes are overwritten, and clearing them each time would cost as much as reading.
    buffer.resize(BLOCK + 1, 0);
    let mut len = open.carry.len();
    buffer[..len].copy_from_slice(&open.carry);
    open.carry.clear();
    loop {
        let (filled, ended) = read_full(&mut *open.reader, &mut buffer[len..BLOCK]);
        len += filled;
        if open.skipping {
            match memchr::memchr(b'\n', &buffer[..len]) {
                Some(end) => {
                    buffer.copy_within(end + 1..len, 0);
                    len -= end + 1;
                    open.skipping = false;
                }
                None => len = 0,
            }
        }
        if ended.is_some() {
            // The last line may lack its end.
            if len > 0 && buffer[len - 1] != b'\n' {
                buffer[len] = b'\n';
                len += 1;
            }
            return (len, ended, false);
        }
        if let Some(end) = memchr::memrchr(b'\n', &buffer[..len]) {
            open.carry.extend_from_slice(&buffer[end + 1..len]);
            return (end + 1, None, false);
        }
        if len >= BLOCK {
            buffer[LONGEST_LINE] = b'\n';
            open.skipping = true;
            return (LONGEST_LINE + 1, None, true);
        }
    }
}

fn read_full(reader: &mut dyn Read, mut space: &mut [u8]) -> (usize, Option<Result<(), String>>) {
    let mut filled = 0;
    while !space.is_empty() {
        match reader.read(space) {
            Ok(0) => return (filled, Some(Ok(()))),
            Ok(n) => {
                filled += n;
                space = &mut space[n..];
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return (filled, Some(Err(format!("damaged or cut short: {e}")))),
        }
    }
    (filled, None)
}

fn open(
    host: &dyn Host,
    all: &[LogSource],
    source: &LogSource,
    now: Timestamp,
    stored: &Arc<AtomicU64>,
) -> Result<Open, String> {
    let counted = |reader: Box<dyn Read + Send>| Counted { reader, count: Arc::clone(stored) };
    let opened = |reader: Box<dyn Read + Send>, anchor| Open { reader, anchor, carry: Vec::new(), skipping: false };
    match source {
        LogSource::Stdin => {
            let reader = decompress(host, None, counted(Box::new(std::io::stdin())))?;
            Ok(opened(reader, now))
        }
        LogSource::Journal => {
            // Beside files it only tells what came after them; it has most of their lines too.
            let since = source::newest_write(host, all).map(|t| t + 1);
            let reader = host.stream(&source::journalctl(since)).map_err(|t| t.to_string())?;
            Ok(opened(Box::new(counted(reader)), now))
        }
        LogSource::File { path, .. } => {
            let stat = host.stat(path).ok();
            let reader = host.open(path, 0).map_err(|t| t.to_string())?;
            // A log that is written while it is read ends where it ended when it was opened.
            let reader: Box<dyn Read + Send> = match &stat {
                Some(s) if s.kind == FileKind::File && s.size > 0 => Box::new(reader.take(s.size)),
                _ => reader,
            };
            let written = stat.and_then(|s| Timestamp::from_second(s.mtime).ok()).filter(|t| t.as_second() > 0);
            let mut reader = decompress(host, Some(path), counted(reader))?;
            if host.is_post() {
                reader = mended(reader).map_err(|e| format!("damaged or cut short: {e}"))?;
            }
            Ok(opened(reader, written.unwrap_or(now).min(now)))
        }
    }
}

/// What was posted, made readable; more than anybody posts is left as it is.
fn mended(mut reader: Box<dyn Read + Send>) -> std::io::Result<Box<dyn Read + Send>> {
    let mut text = Vec::new();
    reader.by_ref().take(paste::LARGEST as u64 + 1).read_to_end(&mut text)?;
    if text.len() > paste::LARGEST {
        return Ok(Box::new(Cursor::new(text).chain(reader)));
    }
    Ok(Box::new(Cursor::new(paste::mend(&text).into_owned())))
}

/// Looks at the magic bytes; the name may lie.
fn decompress(host: &dyn Host, path: Option<&str>, mut raw: Counted) -> Result<Box<dyn Read + Send>, String> {
    let mut magic = [0; 6];
    let (n, _) = read_full(&mut raw, &mut magic);
    let magic = &magic[..n];
    let tool = if magic.starts_with(b"\xfd7zXZ\0") {
        Some(Run::new("xz", &["-dc"]))
    } else if magic.starts_with(b"\x28\xb5\x2f\xfd") {
        Some(Run::new("zstd", &["-dcq"]))
    } else {
        None
    };
    if let Some(mut run) = tool {
        let Some(path) = path else { return Err(format!("compressed; pipe it through {}", run.line())) };
        run.args.extend(["--".to_owned(), path.to_owned()]);
        run.limit = Duration::from_mins(10);
        run.cap = usize::MAX;
        let program = run.program.clone();
        return host.stream(&run).map_err(|t| format!("{program}: {t}"));
    }
    let all = Cursor::new(magic.to_vec()).chain(raw);
    Ok(if magic.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::read::MultiGzDecoder::new(all))
    } else if magic.starts_with(b"BZh") {
        Box::new(bzip2::read::MultiBzDecoder::new(all))
    } else {
        Box::new(all)
    })
}

/// Counts the bytes that pass.
struct Counted {
    reader: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = self.reader.read(buf)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
