//! Words that several steps share.

use super::model::Hit;

/// `key "@corp.example" (@domain) of hash:/etc/postfix/virtual`
pub(super) fn of_hit(hit: &Hit) -> String {
    let key = if hit.form == hit.key || hit.table.starts_with("static:") {
        format!("key {}", hit.key)
    } else {
        format!("key {} ({})", hit.key, hit.form)
    };
    let stale = hit.stale.as_ref().map(|s| format!("; {s}")).unwrap_or_default();
    format!("{key} in {}{stale}", hit.table)
}
