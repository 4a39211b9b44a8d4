//! Whether Dovecot knows a recipient, and what it makes of the address before it looks.
//!
//! Its answer "User doesn't exist" repeats the address as it came, not the name that was looked up:
//! `auth_username_format` may have cut the domain off, or not.

use super::common::arg;
use super::{Args, Context, Outcome, ProbeKind, bool, text};
use crate::evidence::PROBE_HOST;
use crate::host::{Host, Run};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "dovecot-user",
    level: PROBE_HOST,
    doc: "Asks Dovecot's user database for an address, and for its local part alone (doveadm user, doveconf).",
    args: &[("address", true)],
    fields: &[
        bool("known", "Dovecot knows the address"),
        bool("known_local_part", "it knows the name without the domain"),
        text("local_part", "that name"),
        text("username_format", "auth_username_format"),
        bool("cuts_domain", "that setting leaves the domain away"),
        bool("system_users", "a userdb takes the accounts of the system (driver passwd)"),
    ],
    run,
};

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    let Some(address) = arg(args, "address").map(|a| a.trim_matches(['<', '>'])) else { return out };
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
    out.set("local_part", local);
    let run = Run::new("doveconf", &["-h", "auth_username_format"]);
    if let Ok(ran) = host.run(&run)
        && ran.ok()
    {
        let format = ran.out().trim().to_owned();
        out.saw(run.line(), &format);
        let whole = ["%u", "%d", "%Lu", "%Ld", "%{user}", "%{domain}", "%{user | "].iter().any(|w| format.contains(w));
        out.set("cuts_domain", !whole && (format.contains('n') || format.contains("username")));
        out.set("username_format", format);
    }
    let run = Run::new("doveconf", &["-n", "userdb"]);
    if let Ok(ran) = host.run(&run)
        && ran.ok()
    {
        out.set("system_users", ran.out().lines().any(|l| l.trim() == "driver = passwd"));
    }
    let knows = known(host, address, &mut out.evidence);
    out.set_some("known", knows);
    if local != address {
        let knows = known(host, local, &mut out.evidence);
        out.set_some("known_local_part", knows);
    }
    out
}

/// None: it could not be asked (no doveadm, Dovecot is down, its database fails).
fn known(host: &dyn Host, name: &str, evidence: &mut Vec<crate::evidence::Evidence>) -> Option<bool> {
    if name.starts_with('-') {
        return None;
    }
    let run = Run::new("doveadm", &["user", name]);
    let ran = host.run(&run).ok()?;
    // 67 (EX_NOUSER): it is not there.
    let known = match ran.status {
        0 => true,
        67 => false,
        _ => return None,
    };
    evidence.push(crate::evidence::Evidence::new(run.line(), if known { "found" } else { "not found" }));
    Some(known)
}
