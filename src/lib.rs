//! postdoctor finds out why Postfix does not do what it should.
//!
//! It walks Postfix's own DEBUG_README from the least invasive step to the most, turns what it sees into
//! hypotheses, proves or refutes them by probes, and reports the root cause with the next command to type.
//!
//! # How data flows
//!
//! ```text
//! discover -> plan -> observe -> match rules -> form hypotheses -> confirm or refute by probes -> rank -> report
//! ```
//!
//! # The house
//!
//! An arrow only goes down: `cli -> ui -> engine, address -> steps, probes -> state -> discover, logs -> host -> postfix`.
//!
//! | module | what it holds | what it must not know |
//! |---|---|---|
//! | [`postfix`] | what Postfix is: pure parsers and models | I/O of any kind |
//! | [`evidence`] | the words that steps, rules and report share: evidence, observation, level | everything else |
//! | [`host`] | the boundary: every read and every command on the examined machine | rules, reports |
//! | [`discover`] | what runs on the host: instances, configuration, platform | rules |
//! | [`logs`] | log sources and the one-pass scanner | rules (it gets patterns), terminals |
//! | [`state`] | readings of the host that steps and probes share | rules, ranking |
//! | [`steps`] | observers: each looks at one area and emits observations | rules, ranking |
//! | [`probes`] | small experiments that confirm or refute a cause | rules, ranking |
//! | [`address`] | where mail for an address goes, and which line decides it | rules, ranking |
//! | [`engine`] | playbooks and rules, hypotheses, ranking | terminals: it emits events |
//! | [`report`] | the report model and its writers | the engine |
//! | [`ui`] | the only place that talks to a terminal | rules |
//! | [`cli`] | arguments; one file per command; no logic | |
//!
//! # Invariants
//!
//! * Parsers never fail: they return what they understood and the list of problems.
//! * What was not seen is never taken for fine. A fact that was not collected is *unknown*, never false.
//! * Knowledge about faults lives in `playbooks/`, not here. Rust holds mechanisms.
//! * Commands are started in [`host`] alone, without a shell, with a time limit that kills the process group.
//! * Our own trouble never looks like Postfix's: it goes to `not_checked` or to stderr, not into findings.

pub mod address;
pub mod cli;
pub mod demo;
pub mod discover;
pub mod engine;
pub mod evidence;
pub mod host;
pub mod logs;
pub mod postfix;
pub mod probes;
pub mod report;
pub mod state;
pub mod steps;
pub mod ui;
