//! Finds the atoms of a message, eight bytes at a time.
//!
//! An *atom* is a run of letters, digits, dots, hyphens and underscores. For every byte a bit says whether it is in
//! one, so that where an atom begins and ends is found by counting zeros, not by looking at each byte.

/// A longer part of a message has no class.
pub(super) const LONGEST: usize = 2048;
const WORDS: usize = LONGEST / 64 + 1;

/// What the bytes of a part of a message are, a bit for each.
pub(super) struct Atoms {
    /// an atom begins or ends here
    edges: [u64; WORDS],
    /// a digit or dot
    vary: [u64; WORDS],
}

impl Atoms {
    pub(super) fn new() -> Self {
        Atoms { edges: [0; WORDS], vary: [0; WORDS] }
    }

    /// Looks at a text and adds the offsets at which atoms begin and end, in turns, to the items. None: it is too
    /// long, or has too many.
    #[inline]
    pub(super) fn read(&mut self, text: &[u8], from: usize, items: &mut [u32], mut count: usize) -> Option<usize> {
        if text.len() >= LONGEST {
            return None;
        }
        let mut before = 0;
        let mut words = 0;
        let (blocks, rest) = text.as_chunks::<64>();
        let mut last = [0; 64];
        // Bytes of nothing are in no atom: the text ends as if a blank came after it.
        last[..rest.len()].copy_from_slice(rest);
        for block in blocks.iter().chain([&last]) {
            let (atom, vary) = sort(block);
            self.edges[words] = atom ^ (atom << 1 | before);
            self.vary[words] = vary;
            before = atom >> 63;
            words += 1;
        }
        for (word, edges) in self.edges[..words].iter().enumerate() {
            let mut edges = *edges;
            let base = (from + word * 64) as u32;
            let room = items.get_mut(count..count + edges.count_ones() as usize)?;
            for item in &mut *room {
                *item = base + edges.trailing_zeros();
                edges &= edges.wrapping_sub(1);
            }
            count += room.len();
        }
        Some(count)
    }

    /// The bits of the bytes of this atom that are digits or dots, for its first 64 bytes, and a mask of those bytes.
    #[inline]
    pub(super) fn vary(&self, start: usize, end: usize) -> (u64, u64) {
        let (word, bit) = (start / 64, start % 64);
        let mask = u64::MAX >> (64 - (end - start).min(64));
        let mut bits = self.vary[word] >> bit;
        if bit + (end - start) > 64 {
            bits |= self.vary[word + 1] << 1 << (63 - bit);
        }
        (bits & mask, mask)
    }
}

/// For each byte a bit: in an atom; a digit or dot. Loops without branches, which compilers turn into vectors.
#[inline]
#[expect(clippy::needless_bitwise_bool, reason = "a lazy operator is a branch")]
fn sort(block: &[u8; 64]) -> (u64, u64) {
    let (mut atom, mut vary) = ([0u8; 64], [0u8; 64]);
    for ((b, atom), vary) in block.iter().zip(&mut atom).zip(&mut vary) {
        // From dot to nine, without the slash.
        let figure = (b.wrapping_sub(b'.') < 12) & (*b != b'/');
        let letter = (b | 0x20).wrapping_sub(b'a') < 26;
        *vary = u8::from(figure);
        *atom = u8::from(figure | letter | (*b == b'-') | (*b == b'_'));
    }
    (bits(&atom), bits(&vary))
}

/// Bytes that are 0 or 1 as bits.
#[inline]
fn bits(bytes: &[u8; 64]) -> u64 {
    let (eights, _) = bytes.as_chunks::<8>();
    let bits = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    eights.iter().rev().fold(0, |all, eight| all << 8 | bits(eight))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atoms(text: &[u8]) -> Vec<(usize, usize, bool, bool)> {
        let mut atoms = Atoms::new();
        let mut items = [0; 512];
        let count = atoms.read(text, 0, &mut items, 0).unwrap();
        let ends =
            items[..count].chunks(2).map(|pair| (pair[0] as usize, pair.get(1).map_or(text.len(), |e| *e as usize)));
        let sorts = |(start, end)| {
            let (bits, mask) = atoms.vary(start, end);
            (start, end, bits != 0, bits == mask)
        };
        ends.map(sorts).collect()
    }

    #[test]
    fn as_by_looking_at_each_byte() {
        let is = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let varies = |b: u8| b.is_ascii_digit() || b == b'.';
        for len in [1usize, 7, 8, 9, 63, 64, 65, 127, 128, 130, 200] {
            for b in 0..=255u8 {
                for every in [1, 2, 3, 65] {
                    let text: Vec<u8> = (0..len).map(|i| if i % every == 0 { b } else { b"a 1"[i % 3] }).collect();
                    let mut right = Vec::new();
                    let mut at = 0;
                    while at < len {
                        let end = text[at..].iter().position(|b| !is(*b)).map_or(len, |n| at + n);
                        if end > at {
                            let first = &text[at..end.min(at + 64)];
                            right.push((at, end, first.iter().any(|b| varies(*b)), first.iter().all(|b| varies(*b))));
                        }
                        at = end + 1;
                    }
                    assert_eq!(atoms(&text), right, "{b} {len} {every}");
                }
            }
        }
        assert_eq!(Atoms::new().read(&[b'a'; LONGEST], 0, &mut [0; 4], 0), None);
        assert_eq!(Atoms::new().read(b"a b c d", 0, &mut [0; 4], 0), None);
    }
}
