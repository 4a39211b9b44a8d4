//! Exit statuses, by the convention of monitoring plug-ins.

use crate::report::model::Verdict;

/// Nothing above `info`.
pub const HEALTHY: u8 = 0;
/// Warnings.
pub const WARNING: u8 = 1;
/// Errors, or no mail flows.
pub const ERROR: u8 = 2;
/// Could not examine: usage error, bad playbook, no Postfix found, too little to say anything.
pub const UNKNOWN: u8 = 3;

/// The status for a verdict.
pub fn status(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Healthy => HEALTHY,
        Verdict::Warning => WARNING,
        Verdict::Error | Verdict::Critical => ERROR,
        Verdict::Incomplete => UNKNOWN,
    }
}
