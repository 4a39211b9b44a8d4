//! What files may name: kinds of steps, observations and probes, and Postfix documents.

use crate::evidence::{Kind, READ_ONLY};
use crate::probes::{self, ProbeKind};
use crate::steps::{self, Outcome, StepKind};

/// The step that the engine does itself: it alone knows the patterns of all rules.
pub const LOG_SCAN: StepKind = StepKind {
    name: "log-scan",
    level: READ_ONLY,
    doc: "reads all logs once, for the patterns of all rules",
    touches: &["the logs"],
    run: |_| Outcome::default(),
    emits: crate::logs::silence::KINDS,
};

/// All kinds of steps.
pub fn step_kinds() -> impl Iterator<Item = &'static StepKind> {
    std::iter::once(&LOG_SCAN).chain(steps::KINDS)
}

/// The step kind of that name.
pub fn step_kind(name: &str) -> Option<&'static StepKind> {
    step_kinds().find(|kind| kind.name == name)
}

/// All kinds of observations that steps emit.
pub fn observations() -> impl Iterator<Item = &'static Kind> {
    step_kinds().flat_map(|step| step.emits)
}

/// The observation kind of that name.
pub fn observation(name: &str) -> Option<&'static Kind> {
    observations().find(|kind| kind.name == name)
}

/// All kinds of probes.
pub fn probe_kinds() -> impl Iterator<Item = &'static ProbeKind> {
    probes::KINDS.iter()
}

/// The probe kind of that name.
pub fn probe_kind(name: &str) -> Option<&'static ProbeKind> {
    probe_kinds().find(|kind| kind.name == name)
}

/// The full address of a document (`MILTER_README.html#workarounds`, or an address already); none: neither.
pub fn docs_address(link: &str) -> Option<String> {
    if link.contains(char::is_whitespace) {
        return None;
    }
    if link.starts_with("https://") || link.starts_with("http://") {
        return Some(link.to_owned());
    }
    let page = link.split_once('#').map_or(link, |(page, _)| page);
    let name = page.strip_suffix(".html")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (!name.is_empty() && name.chars().all(plain)).then(|| format!("https://www.postfix.org/{link}"))
}
