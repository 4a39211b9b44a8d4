//! The engine: playbooks and rules are loaded and checked, steps run, observations become hypotheses,
//! probes confirm or refute them, and what is left is ranked. It never prints; it emits events.

mod check;
pub mod diagnostic;
pub mod embedded;
mod entry;
pub mod expr;
pub mod facts;
pub mod functions;
pub mod keys;
pub mod load;
mod lower;
pub mod rule;
pub mod scope;
pub mod selftest;
pub mod sources;
pub mod template;
pub mod vocabulary;
