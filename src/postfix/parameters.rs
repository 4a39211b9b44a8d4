//! The parameters that Postfix knows, their defaults, and since when: embedded as a table, so that a pasted
//! configuration can be judged without a Postfix at hand.

use super::version::Version;

/// Whether Postfix of that version has the parameter (service-dependent ones such as `smtp_destination_…` or
/// `NAME_transport_limit` included by their suffix). No version: any version.
pub fn known(_name: &str, _version: Option<Version>) -> bool {
    todo!()
}

/// The built-in default, unexpanded, of the parameter in that version (the newest if none is given).
pub fn default(_name: &str, _version: Option<Version>) -> Option<&'static str> {
    todo!()
}

/// The known name nearest to a misspelled one.
pub fn nearest(_name: &str) -> Option<&'static str> {
    todo!()
}
