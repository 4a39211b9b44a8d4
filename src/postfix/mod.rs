//! What Postfix is, as pure parsers and models: no I/O here. Parsers never fail; they return what they
//! understood plus the list of problems.

mod clients;
pub mod config;
pub mod database_words;
pub mod expand;
mod lines;
pub mod log_line;
pub mod mail_address;
pub mod main_cf;
pub mod master_cf;
mod master_words;
pub mod needed;
pub mod networks;
pub mod parameters;
pub mod pattern_table;
pub mod unused;
pub mod version;

/// Something a parser stumbled over.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// line, from 1
    pub line: u64,
    /// a stable name, for instance `missing-equals`, `stray-leading-blank`, `nul-byte`
    pub kind: String,
    /// what is wrong, in a few words
    pub text: String,
}
