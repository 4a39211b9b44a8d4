//! A quick hash, seeded anew in each run so that nobody can choose colliding lines.

use std::hash::{BuildHasher, Hasher, RandomState};

const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// Adds a value to a hash.
#[inline]
pub(super) fn add(hash: u64, value: u64) -> u64 {
    let product = u128::from(hash ^ value).wrapping_mul(u128::from(MIX));
    (product as u64) ^ ((product >> 64) as u64)
}

/// Adds bytes to a hash.
#[inline]
pub(super) fn add_bytes(mut hash: u64, bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        hash = add(hash, u64::from_le_bytes(*chunk));
    }
    let last = rest.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
    add(hash, last ^ ((bytes.len() as u64) << 56))
}

/// A seed that nobody knows.
pub(super) fn seed() -> u64 {
    RandomState::new().build_hasher().finish() | 1
}

/// For maps whose keys are such hashes already.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = add_bytes(self.0, bytes);
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// A map keyed by hashes.
pub(super) type Map<V> = std::collections::HashMap<u64, V, std::hash::BuildHasherDefault<Identity>>;

/// A set of hashes.
pub(super) type Set = std::collections::HashSet<u64, std::hash::BuildHasherDefault<Identity>>;
