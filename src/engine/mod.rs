//! The engine: playbooks and rules are loaded and checked, steps run, observations become hypotheses,
//! probes confirm or refute them, and what is left is ranked. It never prints; it emits events.

mod check;
mod consequence;
pub mod diagnostic;
pub mod docs;
pub mod embedded;
mod entry;
pub mod events;
pub mod explain;
pub mod expr;
pub mod facts;
pub mod fold;
#[cfg(test)]
mod fold_tests;
pub mod functions;
pub mod judge;
pub mod keys;
pub mod load;
pub mod log_facts;
mod lower;
pub mod names;
pub mod patterns;
pub mod rank;
pub mod rule;
pub mod run;
pub mod schema;
pub mod scope;
pub mod selftest;
pub mod sighting;
pub mod sources;
pub mod template;
pub mod vocabulary;
