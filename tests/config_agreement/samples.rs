//! Configurations as they are found in the wild.

use super::{Postconf, compare};

const STOCK_MASTER: &str = "\
smtp      inet  n       -       y       -       -       smtpd
#smtp      inet  n       -       y       -       1       postscreen
#submission inet n       -       y       -       -       smtpd
#  -o syslog_name=postfix/submission
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       y       1000?   1       tlsmgr
rewrite   unix  -       -       y       -       -       trivial-rewrite
bounce    unix  -       -       y       -       0       bounce
defer     unix  -       -       y       -       0       bounce
trace     unix  -       -       y       -       0       bounce
smtp      unix  -       -       y       -       -       smtp
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=postfix/$service_name
#       -o smtp_helo_timeout=5 -o smtp_connect_timeout=5
showq     unix  n       -       y       -       -       showq
error     unix  -       -       y       -       -       error
retry     unix  -       -       y       -       -       error
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       y       -       -       lmtp
anvil     unix  -       -       y       -       1       anvil
postlog   unix-dgram n  -       n       -       1       postlogd
";

/// main.cf, and what follows the stock entries in master.cf.
const SAMPLES: &[(&str, &str, &str)] = &[
    (
        "Debian internet site",
        r"# See /usr/share/postfix/main.cf.dist for a commented, more complete version

smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no
append_dot_mydomain = no
readme_directory = no
compatibility_level = 3.6

# TLS parameters
smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem
smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key
smtpd_tls_security_level=may
smtp_tls_CApath=/etc/ssl/certs
smtp_tls_security_level=may
smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache

smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
myhostname = mail.example.com
alias_maps = hash:/etc/aliases
alias_database = hash:/etc/aliases
myorigin = /etc/mailname
mydestination = $myhostname, example.com, mail.example.com, localhost.example.com, , localhost
relayhost =
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
mailbox_size_limit = 0
recipient_delimiter = +
inet_interfaces = all
inet_protocols = all
",
        "",
    ),
    (
        "submission with overrides in every form",
        "mua_client_restrictions = permit_sasl_authenticated, reject\nmyhostname = mx.example.org\n\
         unused_here = 1\nsmtpd_restriction_classes = insiders_only\ninsiders_only = check_sender_access hash:/x, reject\n",
        r"submission inet n       -       n       -       -       smtpd -v
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  # a comment in the entry
  -o { smtpd_recipient_restrictions = permit_mynetworks,
       permit_sasl_authenticated, reject }

  -osmtpd_sasl_auth_enable=yes -o {smtpd_sender_restrictions=}
  -o smtpd_client_restrictions=$mua_client_restrictions
  -o smtpd_helo_restrictions=$mua_helo_restrictions
  -o smtpd_misspelled_name=x -o own=1 -o smtpd_banner=$own
smtps     inet  n       -       -       -       10      smtpd
  -o smtpd_tls_wrappermode=yes
127.0.0.1:10025 inet n  -       n       -       -       smtpd -o content_filter= -o receive_override_options=no_unknown_recipient_checks
[::1]:10026 inet n - n - - smtpd
",
    ),
    (
        "pipes, spawn and their parameters",
        "dovecot_destination_recipient_limit = 1\npolicy_time_limit = 3600\ndovecot_time_limit = 60\n\
         nothing_destination_recipient_limit = 1\npolicy_destination_rate_delay = 1s\n\
         smtp_destination_rate_delay = 2s\nslow_destination_concurrency_limit = 2\nslow_transport_rate_delay = 1s\n\
         default_transport = slow\nvirtual_transport = dovecot\n",
        r"dovecot   unix  -       n       n       -       -       pipe
  flags=DRhu user=vmail:vmail argv=/usr/lib/dovecot/deliver -f ${sender} -d ${recipient}
policy    unix  -       n       n       -       0       spawn
  user=nobody argv=/usr/bin/policyd-spf
filter    unix  -       n       n       -       10      pipe
  flags=Rq user=filter null_sender=
  argv=/usr/local/bin/filter -f ${sender} -- { two words } ${recipient}
slow      unix  -       -       n       -       1       smtp
  -o smtp_bind_address=192.0.2.1 -o { smtp_helo_name = out  .example.com }
",
    ),
    (
        "continuations, comments and blanks everywhere",
        "\n\n# first\nmynetworks =\n  # a list\n  127.0.0.0/8,\n\n\t10.0.0.0/8\n# end of list\n   192.168.0.0/16\n\
         relayhost=[smtp.example.net]:587\nsmtpd_recipient_restrictions\t=\tpermit_mynetworks\n   ,\n   reject_unauth_destination # not a comment\n\
         myorigin   =    $mydomain   \nmydomain = example.net\r\nsmtp_sasl_password_maps =\r\n  hash:/etc/postfix/sasl\r\n\
         relayhost = [second.example.net]\nlocal_recipient_maps =\n   ",
        "",
    ),
    (
        "conditions and references",
        "mydomain = example.com\nmyhostname = host.$mydomain\nmyorigin = $(mydomain)\nindexed = ${default_database_type}:${config_directory}/\n\
         alias_maps = ${indexed}aliases, nis:$$x\ncanonical_maps = ${relayhost?{${indexed}canon}:{static:none}}\n\
         smtpd_banner = ${mydomain?yes}${nothing:none}${{$mydomain} == {example.com} ? {same} : {other}}\n\
         smtp_helo_name = ${ myhostname }\nsmtpd_client_port_logging = ${stress?{yes}:{no}}\n\
         mailbox_command = /usr/bin/procmail -a \"$EXTENSION\" $unknown\nforward_path = $home/.f${recipient_delimiter}$extension\n\
         header_checks = pcre:{{/^Subject: (.*)/ WARN $1}}\nmydestination = $myhostnam, $unknowable\nluser_relay = $user@other\n\
         compatibility_level = 3.6\n",
        "",
    ),
    // Since 3.6.
    (
        "levels",
        "relay_domains = ${{$compatibility_level} <level {2} ? {$mydestination} : {x}}\ncompatibility_level = 3.6\n",
        "",
    ),
    (
        "tables in main.cf",
        "virtual_alias_maps = proxy:ldap:users, mysql:/etc/postfix/mysql.cf, pgsql:more\nusers_server_host = ldap.example.com\n\
         users_search_base = dc=example, dc=com\nusers_serverhost = typo\nmore_hosts = db\nmore_server_host = db\n\
         transport_maps = unionmap:{static:x, ldap:nested} pcre:{{/x/ ldap:never}}\nnested_bind_dn = cn=x\n",
        "",
    ),
    (
        "old names and free names",
        "postscreen_blacklist_action = enforce\nvirtual_maps = hash:/x\nsmtpd_per_record_deadline = yes\nlmtp_per_record_deadline = no\n\
         authorized_verp_clients = 127.0.0.1\nmy-own.name = 5\nsmtpd_tls_CAfile = /x\nSMTPD_BANNER = x\ntls_preempt_cipherlist = yes\n\
         smtpd_forbid_bare_newline = yes\nsmtp_tls_dane_insecure_mx_policy = may\n",
        "",
    ),
    ("empty", "", ""),
    (
        "odd bytes",
        "myhostname = a\u{a0}b.example\nmydomain = exam\u{e4}ple\nmynetworks = 1\x0b2 3\x0c4\nrelayhost = x\0y\n",
        "",
    ),
];

#[test]
fn realistic_configurations_read_as_postconf_reads_them() {
    let Some(postconf) = Postconf::find() else { return };
    for (name, main, extra) in SAMPLES {
        let master = format!("{STOCK_MASTER}{extra}");
        if *name == "levels" && !postconf.version.at_least(3, 6) {
            continue;
        }
        eprintln!("{name}");
        compare(&postconf, main.as_bytes(), master.as_bytes());
    }
}

#[test]
fn the_files_of_the_distribution_read_as_postconf_reads_them() {
    let Some(postconf) = Postconf::find() else { return };
    let read = |path: &str| {
        let path = postconf.root.as_ref().map_or(path.into(), |root| root.join(path.trim_start_matches('/')));
        std::fs::read(path).unwrap_or_default()
    };
    for main in ["/usr/share/postfix/main.cf.dist", "/usr/share/postfix/main.cf.debian", "/etc/postfix/main.cf"] {
        for master in ["/usr/share/postfix/master.cf.dist", "/etc/postfix/master.cf"] {
            compare(&postconf, &read(main), &read(master));
        }
    }
}

#[test]
fn what_postconf_refuses_has_a_problem() {
    let Some(postconf) = Postconf::find() else { return };
    let master = |line: &str| format!("{STOCK_MASTER}{line}\n");
    for main in ["garbage\n", "= x\n", "a b = c\n", "x = 1\nrelayhost\n", "relayhost: x\n"] {
        assert!(!compare(&postconf, main.as_bytes(), STOCK_MASTER.as_bytes()), "{main}");
    }
    for line in [
        "-o smtpd_tls_wrappermode=yes",
        "smtps inet n - y - smtpd",
        "smtps tcp n - y - - smtpd",
        "smtps inet n - maybe - - smtpd",
        "smtps inet no - y - - smtpd",
        "smtps inet n - y soon - smtpd",
        "smtps inet n - y - many smtpd",
        "flags=DRhu user=vmail argv=/usr/bin/maildrop",
    ] {
        assert!(!compare(&postconf, b"", master(line).as_bytes()), "{line}");
    }
}

/// The table that stands in for `postconf -d` where there is none says what `postconf -d` says.
#[test]
fn the_defaults_are_those_of_the_release() {
    use postdoctor::postfix::parameters;
    let Some(postconf) = Postconf::find() else { return };
    let theirs = &postconf.defaults;
    assert!(theirs.len() > 700);
    for (name, value) in theirs {
        let row = parameters::get(name).unwrap_or_else(|| panic!("{name} is not in the table"));
        assert!(row.exists_in(Some(postconf.version)), "{name}: {row:?}");
        if !row.of_machine {
            assert_eq!(parameters::default(name, Some(postconf.version)), Some(value.as_str()), "{name}");
        }
    }
    let more: Vec<&str> = parameters::all()
        .iter()
        .filter(|p| p.exists_in(Some(postconf.version)) && !theirs.contains_key(p.name))
        .map(|p| p.name)
        .collect();
    assert!(more.is_empty(), "{more:?}");
}
