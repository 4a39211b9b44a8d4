//! Who is behind the address of a milter, a policy server, a SASL or LMTP socket or a content filter.

use super::{Args, Context, Outcome, ProbeKind, bool, int, text};
use crate::evidence::{Field, PROBE_HOST};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "endpoint",
    level: PROBE_HOST,
    doc: "Does somebody listen at this address, and may the daemon reach it? Knows the jail, units and address families.",
    args: &[("address", true), ("service", false), ("protocol", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("reachable", "a connection was accepted"),
    bool("refused", "nobody took the connection"),
    bool("timeout", "no answer to the connection attempt within 3 s"),
    bool("missing", "the socket does not exist where it was looked for (outside the jail)"),
    bool("denied", "no permission for the socket (as the user who looks)"),
    bool("unreachable", "no route to the address"),
    bool("listening", "something listens on that very address (for a socket: a process has it open)"),
    bool("listening_elsewhere", "something listens on that port, but at another address or family only"),
    text("listener_process", "name of the program that listens there or elsewhere"),
    text("listener_address", "where it listens instead, as `inet:ADDRESS:PORT`"),
    bool("is_postfix", "the listener is Postfix itself"),
    text("kind", "`inet` or `unix`"),
    text("host", "the host part of an inet address"),
    int("port", "the port of an inet address"),
    bool("local", "the inet address is one of this host's"),
    bool("resolves", "the host name has an address"),
    bool(
        "family_mismatch",
        "the name resolves to a family on which nobody listens, while somebody listens on the other",
    ),
    text("path", "the socket as seen from outside the jail"),
    text("inside_path", "the path outside the jail that a chrooted daemon would really open"),
    bool("exists_outside_jail", "the socket exists at `path`"),
    bool("exists_inside_jail", "the socket exists at `inside_path`"),
    bool("chrooted", "the service that uses it runs chrooted"),
    text("service", "the service that uses it, as in master.cf"),
    int("service_line", "its line in master.cf"),
    text("owner", "owner:group of the socket"),
    text("mode", "permissions of the socket, octal"),
    bool(
        "daemon_may_connect",
        "the user mail_owner may connect to the socket by its permissions and those of the directories above",
    ),
    text("blocked_by", "the path component that mail_owner may not pass"),
    text("says", "what it said first"),
    bool("hangs", "it accepts connections but does not answer a request"),
    text("program", "the program that usually or by its configuration serves this address"),
    bool("program_installed", "that program or its unit is there"),
    bool("program_running", "a process of that program runs"),
    text("unit", "the unit that should serve it"),
    text("unit_state", "`active`, `failed`, `inactive`, `activating`, `not-found`, `masked`"),
    text("unit_error", "its first error in the journal"),
    bool("unit_enabled", "the unit starts at boot"),
    text("configured_address", "the address in the configuration of that program, as Postfix would write it"),
    text("configured_at", "file:line of it"),
    bool("configured_differs", "the program is configured to listen elsewhere"),
    text("suggestion", "the address that would work, as Postfix would write it"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
