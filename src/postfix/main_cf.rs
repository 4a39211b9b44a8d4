//! main.cf, and the output of `postconf -n`, with line numbers.

use super::Problem;

/// One `name = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// parameter name
    pub name: String,
    /// value as `postconf -n` shows it: continuation lines joined, white space as Postfix folds it, not expanded
    pub value: String,
    /// first line
    pub line: u64,
    /// last line
    pub end_line: u64,
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MainCf {
    /// path, for messages
    pub file: String,
    /// in file order, duplicates included
    pub settings: Vec<Setting>,
    /// what looked wrong
    pub problems: Vec<Problem>,
}

impl MainCf {
    /// Parses the bytes of a main.cf.
    pub fn parse(_file: &str, _bytes: &[u8]) -> MainCf {
        todo!()
    }
    /// The setting in force: the last one of that name.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().rev().find(|s| s.name == name)
    }
}
