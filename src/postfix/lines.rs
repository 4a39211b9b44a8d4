//! Logical lines, the way Postfix reads main.cf, master.cf and table sources: comment lines and blank lines
//! vanish wherever they stand, and a line that begins with white space continues the one before it.

/// A logical line and where its parts come from.
#[derive(Debug, Clone)]
pub(super) struct Logical {
    /// the joined bytes, up to the first NUL (Postfix's C strings end there)
    pub(super) text: Vec<u8>,
    /// physical lines that contributed: offset in `text`, line number
    pub(super) pieces: Vec<(usize, u64)>,
    /// line of the first NUL byte, if there is one
    pub(super) nul: Option<u64>,
    /// the first text of all begins with white space: Postfix drops this logical line
    pub(super) orphan: bool,
}

impl Logical {
    pub(super) fn first_line(&self) -> u64 {
        self.pieces.first().map_or(1, |p| p.1)
    }
    pub(super) fn last_line(&self) -> u64 {
        self.pieces.last().map_or(1, |p| p.1)
    }
    /// The line in which this offset of `text` stands.
    pub(super) fn line_at(&self, offset: usize) -> u64 {
        let after = self.pieces.partition_point(|p| p.0 <= offset);
        self.pieces[..after].last().map_or(1, |p| p.1)
    }
    /// The text that each physical line contributed, with its number.
    pub(super) fn parts(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.pieces.iter().enumerate().map(|(i, &(start, line))| {
            let end = self.pieces.get(i + 1).map_or(self.text.len(), |p| p.0);
            (line, self.text.get(start..end).unwrap_or_default())
        })
    }
}

/// White space as C's `isspace` has it; `u8::is_ascii_whitespace` lacks the vertical tab.
pub(super) fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// Splits a file into logical lines.
pub(super) fn logical_lines(bytes: &[u8]) -> Vec<Logical> {
    let mut out = Vec::new();
    let mut current: Option<Logical> = None;
    for (index, raw) in bytes.split(|&b| b == b'\n').enumerate() {
        let line = index as u64 + 1;
        let Some(start) = raw.iter().position(|&b| !is_space(b)) else { continue };
        if raw[start] == b'#' {
            continue;
        }
        if start == 0 || current.is_none() {
            out.extend(current.take());
            current = Some(Logical { text: raw.to_vec(), pieces: vec![(0, line)], nul: None, orphan: start > 0 });
        } else if let Some(logical) = current.as_mut() {
            logical.pieces.push((logical.text.len(), line));
            logical.text.extend_from_slice(raw);
        }
    }
    out.extend(current);
    for logical in &mut out {
        if let Some(at) = memchr::memchr(0, &logical.text) {
            logical.nul = Some(logical.line_at(at));
            logical.text.truncate(at);
            logical.pieces.retain(|p| p.0 < at.max(1));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(input: &str) -> Vec<(String, u64, u64)> {
        logical_lines(input.as_bytes())
            .iter()
            .map(|l| (String::from_utf8_lossy(&l.text).into_owned(), l.first_line(), l.last_line()))
            .collect()
    }

    #[test]
    fn comments_and_blank_lines_do_not_end_an_entry() {
        assert_eq!(
            texts("# c\na = b\n# inside\n\n  c\n\t# indented comment\n \nd = e"),
            [("a = b  c".to_owned(), 2, 5), ("d = e".to_owned(), 8, 8)]
        );
    }

    #[test]
    fn a_nul_byte_ends_the_logical_line() {
        let lines = logical_lines(b"a = b\0c\n d\ne = f\n");
        assert_eq!(lines[0].text, b"a = b");
        assert_eq!((lines[0].nul, lines[0].last_line()), (Some(1), 1));
        assert_eq!(lines[1].text, b"e = f");
    }

    #[test]
    fn text_that_continues_nothing_is_an_orphan() {
        let lines = logical_lines(b"  x = y\nz = 1\n");
        assert!(lines[0].orphan && !lines[1].orphan);
    }
}
