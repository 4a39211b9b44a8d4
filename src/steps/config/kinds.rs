//! The observations of the step `config`, with their typed fields: the vocabulary of the rules on settings,
//! tables and services. What an observation means, and whether it matters, is said there and not here.

use crate::evidence::{Field, Kind, Type};

pub(crate) const fn text(name: &'static str, doc: &'static str) -> Field {
    Field { name, ty: Type::Text, doc }
}
pub(crate) const fn int(name: &'static str, doc: &'static str) -> Field {
    Field { name, ty: Type::Int, doc }
}
pub(crate) const fn flag(name: &'static str, doc: &'static str) -> Field {
    Field { name, ty: Type::Bool, doc }
}
pub(crate) const fn list(name: &'static str, doc: &'static str) -> Field {
    Field { name, ty: Type::List, doc }
}
const FILE: Field = text("file", "main.cf or master.cf, full path");
const LINE: Field = int("line", "line in that file");
const ENTRY: Field = text("entry", "service in master.cf (`smtp/inet`); empty: main.cf");
const PARAMETER: Field = text("parameter", "name of the parameter");
const TABLE: Field = text("table", "as in the configuration: `hash:/etc/aliases`");
const TABLE_TYPE: Field = text("type", "table type: `hash`");
const PATH: Field = text("path", "path of the file");
const COMMAND: Field = text("command", "the command that mends it");
const AREA: Field =
    text("area", "what the parameter is about: relay, recipients, tls, sasl, tables, network, filters, limits, other");

/// All of them.
pub(crate) const KINDS: &[Kind] = &[
    // Every setting by itself: many rules need no more.
    Kind {
        name: "setting",
        doc: "a parameter is set, in main.cf or by `-o` in master.cf",
        fields: &[
            text("name", "name of the parameter"),
            text("value", "its value, expanded"),
            text("default", "the default of this version; absent: not known"),
            list("items", "the value as a list"),
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "limit",
        doc: "a parameter is set to a number or a time",
        fields: &[
            text("name", "name of the parameter"),
            int("number", "the number; a time in seconds"),
            text("value", "as written"),
            text("default", "the default as written"),
            int("default_number", "the default, in the same unit; absent: not known"),
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "dnsbl",
        doc: "a DNS list is asked about clients or senders",
        fields: &[
            text("zone", "its domain, lower case"),
            PARAMETER,
            text("restriction", "`reject_rbl_client`, …"),
            ENTRY,
            FILE,
            LINE,
        ],
    },
    // Names.
    Kind {
        name: "parameter-unknown",
        doc: "a parameter is set that Postfix does not have and nothing refers to",
        fields: &[
            text("name", "as written"),
            text("value", "its value"),
            text("nearest", "the parameter that was probably meant; empty: none is near"),
            text("other_release", "releases that have it (`3.9 and later`); empty: none"),
            AREA,
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "parameter-twice",
        doc: "a parameter is set twice in main.cf, or twice in one service; the last one wins",
        fields: &[
            text("name", "its name"),
            text("first_value", "the value that is lost"),
            int("first_line", "line of the value that is lost"),
            text("last_value", "the value in force"),
            int("last_line", "line of the value in force"),
            flag("differ", "the values differ"),
            list("lost", "items of the first value that the last one lacks"),
            AREA,
            ENTRY,
            FILE,
        ],
    },
    Kind {
        name: "name-undefined",
        doc: "a value refers to a $name that is not defined anywhere; it is replaced by nothing",
        fields: &[
            text("name", "the name"),
            PARAMETER,
            text("nearest", "the name that was probably meant; empty: none is near"),
            AREA,
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "value-cycle",
        doc: "a value refers to itself by its $names; Postfix stops with a fatal error",
        fields: &[PARAMETER, text("value", "as written"), FILE, LINE],
    },
    Kind {
        name: "value-bad",
        doc: "a value that Postfix does not accept for this parameter (a word for a number, …): the daemon that reads it stops",
        fields: &[
            PARAMETER,
            text("value", "as written"),
            text("wanted", "what it should be: `a number`, `yes or no`, `a time`"),
            ENTRY,
            FILE,
            LINE,
        ],
    },
    // Form of the files.
    Kind {
        name: "main-cf-syntax",
        doc: "a line of main.cf that Postfix does not read as it was meant",
        fields: &[
            text("problem", "stable name: `missing-equals`, `stray-leading-blank`, `trailing-comment`, …"),
            text("text", "what is wrong, in words"),
            text("content", "the line"),
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "master-cf-syntax",
        doc: "a line of master.cf that Postfix refuses or does not read as it was meant",
        fields: &[
            text("problem", "stable name: `lost-indentation`, `field-count`, `override-spaces`, …"),
            text("text", "what is wrong, in words"),
            text("content", "the line"),
            text("entry", "the service that it seems to belong to; empty: none"),
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "trailing-comment",
        doc: "text after a `#` in the middle of a line became part of the value",
        fields: &[
            PARAMETER,
            text("value", "the value with the comment"),
            text("wanted", "the value without it"),
            AREA,
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "value-quoted",
        doc: "quotes around a value; Postfix takes them as part of it",
        fields: &[
            PARAMETER,
            text("value", "as written"),
            text("wanted", "without the quotes"),
            AREA,
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "swallowed-setting",
        doc: "a line that begins with blanks looks like a setting of its own, but continues the one before",
        fields: &[
            PARAMETER,
            text("swallowed", "the name that was meant to be set"),
            text("swallowed_value", "what was meant to be its value"),
            AREA,
            FILE,
            LINE,
        ],
    },
    // Restrictions.
    Kind {
        name: "restriction-unknown",
        doc: "a word in a restriction list that is no restriction, class or table",
        fields: &[
            PARAMETER,
            text("word", "the word"),
            text("nearest", "the restriction that was probably meant; empty: none is near"),
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "restriction-unreachable",
        doc: "restrictions after one that always decides are never evaluated",
        fields: &[
            PARAMETER,
            text("after", "the one that always decides"),
            list("words", "those that are never evaluated"),
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "restriction-without-argument",
        doc: "a restriction that needs a table or another argument has none",
        fields: &[PARAMETER, text("word", "the restriction"), text("wants", "what is missing"), ENTRY, FILE, LINE],
    },
    Kind {
        name: "restrictions-reject-all",
        doc: "the restrictions of a service that the Internet may reach refuse every stranger",
        fields: &[PARAMETER, text("word", "what refuses"), ENTRY, FILE, LINE],
    },
    Kind {
        name: "relay-barrier-missing",
        doc: "no restriction list holds reject_unauth_destination or the like: smtpd refuses to run",
        fields: &[
            list("lists", "the lists that were looked at"),
            text("add_to", "the list to add it to"),
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "open-relay",
        doc: "strangers may relay through this server",
        fields: &[
            text("how", "what lets them: `mynetworks`, `permit`, `table`"),
            text("what", "the network or restriction"),
            PARAMETER,
            flag("reachable", "the service listens on an address that is not loopback"),
            ENTRY,
            FILE,
            LINE,
        ],
    },
    // Networks.
    Kind {
        name: "network-pattern",
        doc: "an entry of mynetworks (or a like list) that does not mean what it seems to",
        fields: &[
            PARAMETER,
            text("pattern", "the entry"),
            text("problem", "`host-bits`, `bad-mask`, `no-brackets`, `unparsable`, `too-wide`"),
            text("wanted", "what was probably meant; empty: not known"),
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "loopback-not-trusted",
        doc: "mynetworks lacks a loopback address from which local programs may connect",
        fields: &[
            text("address", "`[::1]/128` or `127.0.0.0/8`"),
            text("mynetworks", "the value in force"),
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "address-absent",
        doc: "a parameter names an address that no interface of this host has",
        fields: &[PARAMETER, text("address", "the address"), list("have", "addresses of this host"), ENTRY, FILE, LINE],
    },
    Kind {
        name: "family-absent",
        doc: "inet_protocols asks for an address family of which this host has no address beyond loopback, or leaves out the only one",
        fields: &[
            text("value", "inet_protocols"),
            text("family", "`IPv4` or `IPv6`"),
            text("problem", "`only-absent`, `half-absent`, `left-out` (the family is there, but not asked for)"),
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "loopback-only",
        doc: "Postfix listens on loopback only, though the MX record of a domain of its own points here",
        fields: &[
            text("value", "inet_interfaces or the address in master.cf"),
            text("domain", "a domain whose MX is this host"),
            text("mx", "the MX record"),
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "hostname-odd",
        doc: "the name that Postfix tells to others is not a fully qualified host name, or is odd in another way",
        fields: &[
            PARAMETER,
            text("value", "its value"),
            text("problem", "`single-label`, `localhost`, `empty`, `address`, `bad-characters`, `is-mail-domain`"),
            flag("explicit", "set in main.cf, not derived"),
            FILE,
            LINE,
        ],
    },
    // Address classes.
    Kind {
        name: "domain-in-two-classes",
        doc: "a domain belongs to two address classes; Postfix takes the first and ignores the other",
        fields: &[
            text("domain", "the domain"),
            text("first", "parameter of the class that wins"),
            text("second", "parameter of the class that is ignored"),
            text("first_as", "how it stands there (`$myhostname`, a table)"),
            text("second_as", "how it stands there"),
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "virtual-delivery-incomplete",
        doc: "virtual(8) delivers, but a parameter that it needs is empty",
        fields: &[PARAMETER, text("domains", "virtual_mailbox_domains"), FILE, LINE],
    },
    Kind {
        name: "virtual-uid-too-low",
        doc: "virtual_uid_maps gives a user id below virtual_minimum_uid: virtual(8) refuses to deliver",
        fields: &[int("uid", "the user id"), int("minimum", "virtual_minimum_uid"), FILE, LINE],
    },
    // Tables.
    Kind {
        name: "table-type-unsupported",
        doc: "this Postfix does not know the table type",
        fields: &[
            TABLE,
            TABLE_TYPE,
            PARAMETER,
            text("package", "package of the distribution that adds it; empty: none"),
            text("install", "the command that installs it; empty: none"),
            text("replacement", "a type that this Postfix has and that reads the same source; empty: none"),
            flag("is_a_type", "Postfix has such a type at all (false: misspelled)"),
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "table-missing",
        doc: "a lookup table is named that does not exist, or was not built from its source",
        fields: &[
            TABLE,
            TABLE_TYPE,
            PATH,
            text("indexed", "the indexed file that Postfix opens; empty: it reads the source itself"),
            PARAMETER,
            flag("source_exists", "the source is there"),
            text("nearest", "a file in the same directory with a similar name; empty: none"),
            COMMAND,
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "table-stale",
        doc: "the source of a table was edited after the indexed file was built",
        fields: &[
            TABLE,
            TABLE_TYPE,
            PATH,
            text("indexed", "the indexed file"),
            PARAMETER,
            list("keys", "keys of the source that the indexed file lacks or has with another value, at most 20"),
            flag("proven", "such a key was found; absent: the content could not be compared"),
            int("seconds", "how much newer the source is"),
            COMMAND,
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "table-syntax",
        doc: "a line of a table's source is not read as it was meant",
        fields: &[
            TABLE,
            TABLE_TYPE,
            PATH,
            PARAMETER,
            int("row", "line in the table's source"),
            text(
                "problem",
                "`no-value`, `leading-blank`, `bad-regex`, `no-delimiter`, `bad-network`, `host-bits`, `no-colon`, `duplicate-key`, `unclosed-if`",
            ),
            text("text", "what is wrong, in words"),
            text("content", "the line"),
        ],
    },
    Kind {
        name: "table-wrong-type",
        doc: "the content of a table is written for another table type",
        fields: &[
            TABLE,
            TABLE_TYPE,
            PATH,
            PARAMETER,
            text("looks_like", "the type it is written for"),
            text("content", "a line that shows it"),
            int("row", "its line"),
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "table-without-type",
        doc: "a table is named without `type:`",
        fields: &[PARAMETER, text("value", "as written"), text("wanted", "with a type"), ENTRY, FILE, LINE],
    },
    Kind {
        name: "table-unreadable",
        doc: "the daemon that needs a table may not read it",
        fields: &[
            TABLE,
            PATH,
            PARAMETER,
            text("user", "the user that reads it"),
            text("why", "owner and mode of the file or directory that is in the way"),
            text("blocked_by", "that file or directory"),
            COMMAND,
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "table-swallows",
        doc: "one entry of a table takes the mail of all users of a domain of this host",
        fields: &[
            TABLE,
            PATH,
            PARAMETER,
            int("row", "line in the table"),
            text("key", "the key"),
            text("value", "where it sends the mail"),
            text("what", "`wildcard`, `catch-all-local`, `catch-all-virtual`"),
            text("domains", "the domains of this host that it takes"),
        ],
    },
    Kind {
        name: "sasl-realm-unknown",
        doc: "the realm that smtpd adds to user names is none of those in the password database of Cyrus SASL",
        fields: &[
            text("realm", "the realm in force"),
            text("realms", "the realms of the database"),
            text("setting", "where the realm comes from"),
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "table-rejects-all",
        doc: "a pattern that matches everything refuses, discards or holds every message",
        fields: &[
            TABLE,
            PATH,
            PARAMETER,
            int("row", "line in the table"),
            text("pattern", "the pattern"),
            text("action", "what it does, first word, upper case"),
            text("content", "the line"),
        ],
    },
    // Sizes.
    Kind {
        name: "limits-contradict",
        doc: "two size limits contradict each other",
        fields: &[
            text("smaller", "the parameter that is too small"),
            int("smaller_number", "its value in bytes"),
            text("larger", "the parameter that asks for more"),
            int("larger_number", "its value in bytes"),
            text("program", "the daemon that stops for it; empty: none does"),
            FILE,
            LINE,
        ],
    },
    // TLS and SASL.
    Kind {
        name: "tls-forced-on-25",
        doc: "the public SMTP service demands TLS: servers without it cannot deliver",
        fields: &[text("setting", "what demands it"), ENTRY, FILE, LINE],
    },
    Kind {
        name: "wrappermode-odd",
        doc: "TLS wrapper mode on a port for STARTTLS, or no wrapper mode on port 465",
        fields: &[
            text("problem", "`on-starttls-port`, `off-on-465`, `client-needs-it`, `client-has-it`"),
            text("port", "the port"),
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "tls-without-certificate",
        doc: "a server with TLS has no certificate",
        fields: &[text("level", "smtpd_tls_security_level"), ENTRY, FILE, LINE],
    },
    Kind {
        name: "auth-hidden",
        doc: "AUTH is on, but clients never see it",
        fields: &[text("problem", "`auth-only-without-tls`, `no-mechanism-without-tls`"), ENTRY, FILE, LINE],
    },
    Kind {
        name: "sasl-type-unsupported",
        doc: "this Postfix was built without the SASL type that is configured",
        fields: &[
            PARAMETER,
            text("type", "as configured"),
            list("supported", "what this Postfix has"),
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "sasl-off-on-submission",
        doc: "a submission service lets only authenticated clients relay, but AUTH is off",
        fields: &[ENTRY, FILE, LINE],
    },
    Kind {
        name: "sasl-client-without-passwords",
        doc: "the SMTP client shall authenticate, but has no password table",
        fields: &[ENTRY, FILE, LINE],
    },
    Kind {
        name: "sasl-client-off",
        doc: "a password table is set for the SMTP client, but smtp_sasl_auth_enable is off",
        fields: &[text("table", "smtp_sasl_password_maps"), text("relayhost", "relayhost; empty: none"), FILE, LINE],
    },
    Kind {
        name: "sasl-client-key-missing",
        doc: "the password table has no entry for relayhost as it is written",
        fields: &[
            text("relayhost", "as configured"),
            list("near", "keys of the table that were probably meant"),
            TABLE,
            PATH,
            COMMAND,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "sasl-client-plaintext-forbidden",
        doc: "smtp_sasl_security_options forbids plaintext mechanisms (the default), and no TLS is required",
        fields: &[text("options", "the value in force"), text("relayhost", "as configured"), FILE, LINE],
    },
    Kind {
        name: "tls-verify-without-ca",
        doc: "the SMTP client must verify certificates, but trusts no CA",
        fields: &[text("level", "smtp_tls_security_level"), ENTRY, FILE, LINE],
    },
    // Routing.
    Kind {
        name: "relayhost-form",
        doc: "relayhost is not written as Postfix wants it",
        fields: &[
            text("relayhost", "as written"),
            text(
                "problem",
                "`spaces`, `list`, `url`, `port-in-brackets`, `unclosed-bracket`, `bare-address`, `self`, `email`",
            ),
            text("wanted", "what was probably meant; empty: not known"),
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "relayhost-without-brackets",
        doc: "relayhost has no brackets and its name has an MX record that points elsewhere: mail goes there and not to the host of that name",
        fields: &[
            text("relayhost", "as written"),
            text("wanted", "with brackets"),
            list("mx", "hosts that the MX records name"),
            text("address", "address of the name itself"),
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "relayhost-unresolvable",
        doc: "relayhost has neither MX nor address record",
        fields: &[
            text("relayhost", "as written"),
            text("name", "the name"),
            text("rcode", "answer of the DNS server"),
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "route-to-self",
        doc: "relayhost or a transport sends mail to this very server",
        fields: &[PARAMETER, text("nexthop", "as written"), text("address", "the address of this host"), FILE, LINE],
    },
    Kind {
        name: "transport-missing",
        doc: "a transport is used that master.cf does not have",
        fields: &[
            text("transport", "its name"),
            PARAMETER,
            text("value", "as written"),
            text("nearest", "a service of master.cf with a similar name; empty: none"),
            int("commented_line", "line of master.cf where it is commented out; absent: none"),
            ENTRY,
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "reinjection-filtered",
        doc: "the SMTP service that takes mail back from the content filter sends it to the filter again",
        fields: &[ENTRY, text("filter", "content_filter"), FILE, LINE],
    },
    // Services.
    Kind {
        name: "service-missing",
        doc: "a service that Postfix needs is not in master.cf",
        fields: &[
            text("entry", "`cleanup/unix`"),
            text("program", "the program that it runs"),
            text("needed_for", "what does not work without it"),
            flag("vital", "no mail flows without it"),
            int("commented_line", "line of master.cf where it is commented out; absent: none"),
            text("usual", "the usual entry, to copy"),
            FILE,
        ],
    },
    Kind {
        name: "program-missing",
        doc: "a service runs a program that is not in daemon_directory or cannot be executed",
        fields: &[
            text("entry", "`smtp/inet`"),
            text("program", "as written"),
            PATH,
            text("problem", "`missing`, `not-executable`"),
            text("nearest", "a program with a similar name; empty: none"),
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "process-limit",
        doc: "the process limit of a service is explicit",
        fields: &[
            text("entry", "`smtp/inet`"),
            text("program", "its program"),
            int("maxproc", "the limit"),
            text("wanted", "`1` or `0` where the program needs just that, else `-`"),
            flag("public", "it takes connections from other hosts"),
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "column-odd",
        doc: "a column of master.cf is set to something that does not work for this program",
        fields: &[
            text("entry", "`local/unix`"),
            text("program", "its program"),
            text("column", "`unpriv`, `wakeup`, `private`"),
            text("value", "as written"),
            text("wanted", "what it should be"),
            text("effect", "what does not work"),
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "pipe-program-missing",
        doc: "pipe(8) or spawn(8) shall run a program that does not exist or cannot be executed",
        fields: &[
            text("entry", "`maildrop/unix`"),
            text("program", "its path"),
            text("problem", "`missing`, `not-executable`"),
            FILE,
            LINE,
        ],
    },
    Kind {
        name: "command-missing",
        doc: "mailbox_command or another parameter names a program that does not exist",
        fields: &[PARAMETER, text("program", "its path"), text("problem", "`missing`, `not-executable`"), FILE, LINE],
    },
    Kind {
        name: "user-unknown",
        doc: "the configuration names a user or group that this host does not have",
        fields: &[text("what", "`user` or `group`"), text("user", "the name"), PARAMETER, ENTRY, FILE, LINE],
    },
    // The files against what runs.
    Kind {
        name: "config-newer-than-daemons",
        doc: "a configuration file was changed after Postfix was last started or reloaded",
        fields: &[text("file", "the file"), int("seconds", "how long after"), text("needs", "`reload` or `restart`")],
    },
    Kind {
        name: "value-differs",
        doc: "postconf gives another value than the file that was read",
        fields: &[text("name", "the parameter"), text("ours", "by the file"), text("theirs", "by postconf"), FILE],
    },
    Kind {
        name: "postconf-complains",
        doc: "postconf prints a warning or stops",
        fields: &[text("text", "what it says"), flag("fatal", "it stopped")],
    },
];
