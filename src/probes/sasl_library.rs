//! What SASL has to work with: plug-ins, mechanisms, the password source.

use super::{Args, Context, Outcome, ProbeKind, bool, int, list, text};
use crate::evidence::{Field, READ_ONLY};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "sasl-library",
    level: READ_ONLY,
    doc: "Looks for the Cyrus SASL plug-ins, smtpd.conf and what they point to.",
    args: &[("side", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    text("type", "smtpd_sasl_type or smtp_sasl_type: `cyrus` or `dovecot`"),
    bool("plain", "the plug-in for PLAIN is there"),
    bool("login", "the plug-in for LOGIN is there"),
    list("mechs", "mechanisms whose plug-ins are there"),
    text("plugin_dir", "directory of the plug-ins"),
    text("package", "the package that brings them on this distribution"),
    bool("supported", "Postfix was built with this type (`postconf -a`, `postconf -A`)"),
    bool("conf_exists", "the configuration for smtpd is there"),
    text("conf", "its path"),
    list("conf_elsewhere", "copies where Postfix does not look"),
    text("pwcheck_method", "pwcheck_method in it"),
    list("mech_list", "mech_list in it"),
    text("auxprop_plugin", "auxprop_plugin in it"),
    bool("chrooted", "the SMTP server that does SASL runs chrooted"),
    bool("saslauthd_running", "the saslauthd process runs"),
    text("saslauthd_socket", "the socket that smtpd would open"),
    bool("saslauthd_reachable", "that socket exists and mail_owner may pass to it"),
    text("saslauthd_mech", "its mechanism (`-a`)"),
    bool("sasldb_exists", "the password database exists where smtpd looks"),
    bool("sasldb_readable", "mail_owner may read it"),
    text("sasldb", "its path"),
    bool("sasldb_stale", "the copy in the jail differs from the one outside"),
    int("sasldb_users", "entries in it, if it could be listed"),
    bool("dovecot_socket_exists", "the socket of dovecot exists where smtpd looks"),
    text("dovecot_socket", "its path"),
    bool("dovecot_running", "dovecot runs"),
];

fn run(_ctx: &Context<'_>, _args: &Args) -> Outcome {
    Outcome::default()
}
