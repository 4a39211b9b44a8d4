//! Log sources (files, rotated and compressed ones, the journal, standard input) and the one-pass scanner.

pub mod scan;
pub mod source;
