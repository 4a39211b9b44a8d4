//! Answers that a host gave, kept as JSON lines: `{"ask": "stat /etc/postfix", "answer": {"Ok": {…}}}`.
//!
//! The recorder writes them and the snapshot reads them, so both use the same names for the same questions.
//! Contents of files are not in here but lie in the tree beside it, where people can read them.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Answer, Peer, Question, Run};

/// Name of the file in a snapshot.
pub(super) const FILE: &str = "postdoctor.records";
/// More than this is not kept: an examination asks some thousand questions.
const MOST: usize = 500_000;

/// Answers by question.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Records(BTreeMap<String, Value>);

#[derive(Serialize, Deserialize)]
struct Line {
    ask: String,
    answer: Value,
}

impl Records {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The answer, if this was asked.
    pub(super) fn get<T: DeserializeOwned>(&self, ask: &str) -> Option<Answer<T>> {
        Answer::<T>::deserialize(self.0.get(ask)?).ok()
    }
    /// Keeps the first answer: a replay sees the host as it was when it was first looked at.
    pub(super) fn keep<T: Serialize>(&mut self, ask: String, answer: &Answer<T>) {
        if self.0.len() < MOST
            && !self.0.contains_key(&ask)
            && let Ok(value) = serde_json::to_value(answer)
        {
            self.0.insert(ask, value);
        }
    }
    /// Reads JSON lines; what cannot be read is left out, and then was not collected.
    pub(super) fn parse(text: &str) -> Records {
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        Records(lines.map(|line| (line.ask, line.answer)).collect())
    }
    /// As JSON lines, in the order of the questions, so that two recordings can be compared.
    pub(super) fn to_text(&self) -> String {
        let line = |(ask, answer): (&String, &Value)| {
            serde_json::to_string(&Line { ask: ask.clone(), answer: answer.clone() }).unwrap_or_default() + "\n"
        };
        self.0.iter().map(line).collect()
    }
}

/// The question that a command is. Limits are not part of it: they belong to the run, not to the host.
pub(super) fn ask_run(run: &Run) -> String {
    let mut words = vec!["run".to_owned()];
    words.extend(run.env.iter().map(|(name, value)| format!("{name}={}", super::quote(value))));
    words.extend(run.user.iter().map(|user| format!("as {user}:")));
    words.push(run.line());
    if !run.stdin.is_empty() {
        words.push(format!("<<< {}", String::from_utf8_lossy(&run.stdin)));
    }
    words.join(" ")
}

pub(super) fn ask_connect(peer: &Peer, words: &[u8]) -> String {
    let peer = match peer {
        Peer::Tcp(address) => format!("connect inet:{address}"),
        Peer::Unix(path) => format!("connect unix:{path}"),
    };
    if words.is_empty() { peer } else { format!("{peer} <<< {}", String::from_utf8_lossy(words)) }
}

pub(super) fn ask_resolve(question: &Question) -> String {
    format!("resolve {} {} @{}", question.qtype, question.name, question.server)
}
