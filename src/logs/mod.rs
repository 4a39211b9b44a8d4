//! Log sources (files, rotated and compressed ones, the journal, standard input) and the one-pass scanner.

pub(crate) mod head;
mod reader;
pub mod scan;
pub mod source;
pub mod timestamp;
