//! The engine: playbooks and rules are loaded and checked, steps run, observations become hypotheses,
//! probes confirm or refute them, and what is left is ranked. It never prints; it emits events.

pub mod expr;
pub mod facts;
pub mod functions;
pub mod rule;
pub mod template;
