//! Observers: each looks at one area of a server and emits observations; none judges, that is what the rules do.
//!
//! A playbook names a step by its `kind`; [`KINDS`] is the table of what there is. The kinds of observations
//! that the steps can emit, with their typed fields, are in [`vocabulary`].

pub mod chroot;
pub mod config;
pub mod databases;
pub mod disk;
pub mod files;
pub mod network;
pub mod processes;
pub mod queue;

use crate::discover::Server;
use crate::evidence::{Kind, Level, NotChecked, Observation};
use crate::logs::scan::LogScan;

/// What a step works on.
pub struct Context<'a> {
    /// the discovered server
    pub server: &'a Server<'a>,
    /// no step does more than this level
    pub allowed: Level,
    /// what the log says over all, when the log scan ran before
    pub log: Option<&'a LogScan>,
}

/// What a step found out.
#[derive(Default)]
pub struct Outcome {
    /// what was seen
    pub observations: Vec<Observation>,
    /// what could not be looked at
    pub not_checked: Vec<NotChecked>,
    /// how many things were looked at, in words for the report (`23 services`), if it says something
    pub looked_at: Option<String>,
}

/// A kind of step that a playbook may name.
pub struct StepKind {
    /// for instance `chroot`
    pub name: &'static str,
    /// its level of invasiveness
    pub level: Level,
    /// what it looks at
    pub doc: &'static str,
    /// which files and commands it touches, for `plan`
    pub touches: &'static [&'static str],
    /// does it
    pub run: fn(&Context<'_>) -> Outcome,
    /// the observations it can emit
    pub emits: &'static [Kind],
}

/// The steps that a playbook may name.
pub static KINDS: &[StepKind] = &[
    config::STEP,
    files::STEP,
    chroot::STEP,
    processes::STEP,
    databases::STEP,
    network::STEP,
    disk::STEP,
    queue::STEP,
];
