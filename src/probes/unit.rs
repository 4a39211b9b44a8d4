//! A unit of systemd: state, result, first error.

use super::common::arg;
use super::{Args, Context, Outcome, ProbeKind, bool, int, list, text};
use crate::evidence::{Field, READ_ONLY};
use crate::state::unit;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "unit",
    level: READ_ONLY,
    doc: "Asks systemd about a unit.",
    args: &[("name", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("exists", "the unit is known"),
    bool("active", "it runs"),
    bool("failed", "it failed"),
    bool("enabled", "it starts at boot"),
    bool("masked", "it is masked"),
    text("name", "its full name"),
    text("state", "`active`, `failed`, `inactive`, `activating`, `not-found`, `masked`"),
    text("sub_state", "sub state"),
    text("result", "`exit-code`, `timeout`, `start-limit-hit`, `oom-kill`, …"),
    text("error", "first error of its last run in the journal"),
    text("since", "since when"),
    int("restarts", "how often systemd restarted it"),
    list("drop_ins", "files that change it"),
];

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    let Some(name) = arg(args, "name") else { return out };
    let unit = match unit::show(host, name) {
        Ok(unit) => unit,
        Err(crate::host::Trouble::Missing) => return out,
        Err(why) => {
            out.unchecked(format!("unit {name}"), why, Some(format!("systemctl status {name}")));
            return out;
        }
    };
    out.set("exists", unit.exists());
    out.set("state", unit.state());
    out.set("name", unit.name());
    if !unit.exists() {
        return out;
    }
    out.set("active", unit.state() == "active");
    out.set("failed", unit.state() == "failed");
    out.set("enabled", unit.enabled());
    out.set("masked", unit.state() == "masked");
    out.set("sub_state", unit.get("SubState"));
    out.set("result", unit.get("Result"));
    out.set("since", unit.get("StateChangeTimestamp"));
    out.set_some("restarts", unit.get("NRestarts").parse::<i64>().ok());
    out.set("drop_ins", unit.get("DropInPaths").split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    out.saw(
        format!("systemctl show {}", unit.name()),
        format!("{} ({}), {}", unit.state(), unit.get("SubState"), unit.get("Result")),
    );
    if unit.state() != "active"
        && let Ok(lines) = unit::journal(host, unit.name(), 60)
        && let Some(error) = unit::first_error(&lines)
    {
        out.saw(format!("journalctl -u {}", unit.name()), &error);
        out.set("error", error);
    }
    out
}
