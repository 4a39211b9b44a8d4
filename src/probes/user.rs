//! A user: id, home, shell of delivery.

use super::common::{arg, instance};
use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::evidence::{Field, READ_ONLY};
use crate::host::Trouble;
use crate::state::jail;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "user",
    level: READ_ONLY,
    doc: "Looks a user up in the host's user database.",
    args: &[("name", true)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("exists", "it exists"),
    int("uid", "user id"),
    int("gid", "primary group id"),
    text("home", "home directory"),
    bool("home_exists", "the home directory exists"),
    bool("home_owned", "the home directory belongs to the user"),
    bool("in_jail_passwd", "the jail's etc/passwd has it"),
];

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    let Some(name) = arg(args, "name") else { return out };
    match host.user(name) {
        Ok(user) => {
            out.set("exists", true);
            out.set("uid", i64::from(user.uid));
            out.set("gid", i64::from(user.gid));
            out.set("home", user.home.as_str());
            match host.stat(&user.home) {
                Ok(stat) => {
                    out.set("home_exists", true);
                    out.set("home_owned", stat.uid == user.uid);
                }
                Err(Trouble::Missing) => out.set("home_exists", false),
                Err(_) => {}
            }
            out.saw(format!("getent passwd {name}"), format!("uid {}, home {}", user.uid, user.home));
        }
        Err(Trouble::Missing) => {
            out.set("exists", false);
            out.saw(format!("getent passwd {name}"), "no such user");
        }
        Err(_) => {}
    }
    if let Some(instance) = instance(ctx) {
        let path = jail::of(instance).inside("/etc/passwd");
        match host.read(&path, 4 << 20) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                out.set("in_jail_passwd", text.lines().any(|l| l.split(':').next() == Some(name)));
            }
            Err(Trouble::Missing) => out.set("in_jail_passwd", false),
            Err(_) => {}
        }
    }
    out
}
