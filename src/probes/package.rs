//! A package: there, whole, its libraries found.

use super::{Args, Context, Outcome, ProbeKind, bool, list, text};
use crate::evidence::{Field, PROBE_HOST};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "package",
    level: PROBE_HOST,
    doc: "Asks the package manager whether a package is there and unchanged.",
    args: &[("name", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    text("name", "the package"),
    bool("installed", "it is installed"),
    text("version", "its version"),
    bool("damaged", "files differ from those that were packed"),
    list("damaged_files", "which; configuration files left out"),
    list("missing_files", "files of it that are not there"),
    bool("lib_errors", "a program of it lacks a library"),
    list("missing_libs", "the libraries that are not found"),
    text("manager", "`dpkg`, `rpm`, `apk`, `pacman`"),
    text("reinstall", "the command that brings the files back"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
