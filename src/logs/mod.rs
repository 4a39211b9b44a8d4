//! Log sources (files, rotated and compressed ones, the journal, standard input) and the one-pass scanner.

mod family;
pub(crate) mod head;
mod paste;
mod reader;
pub mod scan;
pub mod silence;
pub mod source;
mod syslog_conf;
pub mod timestamp;
