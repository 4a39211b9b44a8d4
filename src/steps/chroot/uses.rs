//! Sockets that a service is configured to use: milters, policy servers, SASL, LMTP, databases.

use crate::discover::Instance;
use crate::host::Host;
use crate::postfix::config::Source;
use crate::postfix::master_cf::Service;

/// One use of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    /// label of the service that connects
    pub(crate) service: usize,
    /// parameter that names it
    pub(crate) parameter: String,
    /// file and line where that is set
    pub(crate) at: Option<(String, u64)>,
    /// `milter`, `policy`, `sasl`, `lmtp`, `database`
    pub(crate) what: &'static str,
    /// address as written
    pub(crate) address: String,
}

const RESTRICTIONS: [&str; 8] = [
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
    "smtpd_etrn_restrictions",
];
const TRANSPORTS: [&str; 8] = [
    "content_filter",
    "mailbox_transport",
    "fallback_transport",
    "local_transport",
    "virtual_transport",
    "relay_transport",
    "default_transport",
    "transport_maps",
];

/// All uses, for all services that are configured.
pub(crate) fn of(host: &dyn Host, instance: &Instance) -> Vec<Use> {
    let mut found = Vec::new();
    for (index, service) in instance.config.master.services.iter().enumerate() {
        match service.program() {
            "smtpd" => smtpd(host, instance, index, service, &mut found),
            "cleanup" => {
                named(instance, index, service, "non_smtpd_milters", "milter", &milters, &mut found);
                tables(host, instance, index, service, CLEANUP_TABLES, &mut found);
            }
            "trivial-rewrite" => tables(host, instance, index, service, REWRITE_TABLES, &mut found),
            "smtp" | "lmtp" => tables(host, instance, index, service, CLIENT_TABLES, &mut found),
            _ => {}
        }
    }
    for parameter in TRANSPORTS {
        transports(host, instance, parameter, &mut found);
    }
    found
}

/// Content filters and next hops on this host by TCP: `smtp:[127.0.0.1]:10024`, `smtpd_proxy_filter`.
pub(crate) fn inet_transports(instance: &Instance) -> Vec<Use> {
    let services = &instance.config.master.services;
    let mut found = Vec::new();
    for parameter in TRANSPORTS {
        let Some(value) = instance.config.value(parameter, None) else { continue };
        for word in value.expanded.text.split([' ', '\t', ',']) {
            let Some((name, next)) =
                word.split_once(':').filter(|(n, next)| !n.is_empty() && !next.starts_with("unix:"))
            else {
                continue;
            };
            let next = next.strip_prefix("inet:").unwrap_or(next);
            if let Some(index) = services.iter().position(|s| s.name == name && matches!(s.program(), "smtp" | "lmtp"))
                && next.rsplit_once(':').is_some()
            {
                let at = place(instance, &value.source);
                let (parameter, address) = (parameter.to_owned(), format!("inet:{next}"));
                found.push(Use { service: index, parameter, at, what: "filter", address });
            }
        }
    }
    for (index, service) in services.iter().enumerate().filter(|(_, s)| s.program() == "smtpd") {
        let Some(value) = instance.config.value("smtpd_proxy_filter", Some(service)) else { continue };
        let text = value.expanded.text.trim().trim_start_matches("inet:").to_owned();
        if !text.is_empty() && !text.contains(' ') {
            let text = if text.bytes().all(|b| b.is_ascii_digit()) { format!("127.0.0.1:{text}") } else { text };
            let at = place(instance, &value.source);
            found.push(Use {
                service: index,
                parameter: "smtpd_proxy_filter".to_owned(),
                at,
                what: "filter",
                address: format!("inet:{text}"),
            });
        }
    }
    found
}

const SMTPD_TABLES: &[&str] = &[
    "local_recipient_maps",
    "virtual_alias_maps",
    "virtual_mailbox_maps",
    "relay_recipient_maps",
    "smtpd_sender_login_maps",
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "mynetworks",
    "recipient_canonical_maps",
    "canonical_maps",
];
const CLEANUP_TABLES: &[&str] = &[
    "virtual_alias_maps",
    "canonical_maps",
    "sender_canonical_maps",
    "recipient_canonical_maps",
    "recipient_bcc_maps",
    "sender_bcc_maps",
    "always_bcc",
];
const REWRITE_TABLES: &[&str] = &[
    "transport_maps",
    "virtual_mailbox_domains",
    "virtual_alias_domains",
    "relay_domains",
    "mydestination",
    "relocated_maps",
    "sender_dependent_relayhost_maps",
    "sender_dependent_default_transport_maps",
];
const CLIENT_TABLES: &[&str] = &["smtp_sasl_password_maps", "smtp_generic_maps", "smtp_tls_policy_maps"];

fn smtpd(host: &dyn Host, instance: &Instance, index: usize, service: &Service, found: &mut Vec<Use>) {
    named(instance, index, service, "smtpd_milters", "milter", &milters, found);
    let value = |name: &str| instance.config.value(name, Some(service)).map(|v| v.expanded.text).unwrap_or_default();
    if value("smtpd_sasl_auth_enable") == "yes" && value("smtpd_sasl_type") == "dovecot" {
        let path = |text: &str| {
            vec![if text.starts_with("inet:") {
                text.to_owned()
            } else {
                format!("unix:{}", text.trim_start_matches("unix:"))
            }]
        };
        named(instance, index, service, "smtpd_sasl_path", "sasl", &path, found);
    }
    for parameter in RESTRICTIONS {
        named(instance, index, service, parameter, "policy", &policies, found);
    }
    for class in instance.config.items("smtpd_restriction_classes") {
        named(instance, index, service, &class, "policy", &policies, found);
    }
    tables(host, instance, index, service, SMTPD_TABLES, found);
}

/// All addresses that `read` finds in the value of a parameter.
fn named(
    instance: &Instance,
    index: usize,
    service: &Service,
    parameter: &str,
    what: &'static str,
    read: &dyn Fn(&str) -> Vec<String>,
    found: &mut Vec<Use>,
) {
    let Some(value) = instance.config.value(parameter, Some(service)) else { return };
    let at = place(instance, &value.source);
    for address in read(&value.expanded.text) {
        found.push(Use { service: index, parameter: parameter.to_owned(), at: at.clone(), what, address });
    }
}

/// File and line of a value.
pub(crate) fn place(instance: &Instance, source: &Source) -> Option<(String, u64)> {
    let name = |given: &str, usual: &str| {
        if given.is_empty() { format!("{}/{usual}", instance.config_dir) } else { given.to_owned() }
    };
    match source {
        Source::MainCf(line) => Some((name(&instance.config.main.file, "main.cf"), *line)),
        Source::MasterCf(line) => Some((name(&instance.config.master.file, "master.cf"), *line)),
        Source::Default => None,
    }
}

/// `inet:h:1, { unix:/x, connect_timeout=5s }`
fn milters(text: &str) -> Vec<String> {
    text.split(['{', '}', ',', ' ', '\t']).filter(|w| w.contains(':') && !w.contains('=')).map(str::to_owned).collect()
}

/// The address after each `check_policy_service`, with or without braces.
pub(crate) fn policies(text: &str) -> Vec<String> {
    text.split("check_policy_service")
        .skip(1)
        .filter_map(|rest| rest.split(['{', ',', ' ', '\t', '}']).find(|w| !w.is_empty()).map(str::to_owned))
        .filter(|w| w.contains(':') || w.contains('/'))
        .collect()
}

/// `service:unix:/path` in transports and in the text behind transport_maps: the service that connects is named.
fn transports(host: &dyn Host, instance: &Instance, parameter: &str, found: &mut Vec<Use>) {
    let Some(value) = instance.config.value(parameter, None) else { return };
    let mut texts = vec![(value.expanded.text.clone(), place(instance, &value.source))];
    if parameter == "transport_maps" {
        for item in instance.config.items(parameter) {
            if let Some((_, path)) =
                item.trim_start_matches("proxy:").split_once(':').filter(|(_, p)| p.starts_with('/'))
                && let Ok(bytes) = host.read(path, 256 << 10)
            {
                for (line, number) in String::from_utf8_lossy(&bytes).lines().zip(1..) {
                    if line.contains(":unix:") && !line.starts_with('#') {
                        texts.push((line.to_owned(), Some((path.to_owned(), number))));
                    }
                }
            }
        }
    }
    for (text, at) in texts {
        for word in text.split([' ', '\t', ',', '=', '{', '}']) {
            let Some((name, path)) = word.split_once(":unix:") else { continue };
            let services = &instance.config.master.services;
            if let Some(index) = services.iter().position(|s| s.name == name && s.kind == "unix") {
                let address = format!("unix:{path}");
                found.push(Use {
                    service: index,
                    parameter: parameter.to_owned(),
                    at: at.clone(),
                    what: "lmtp",
                    address,
                });
            }
        }
    }
}

/// Databases behind `mysql:/file`, `pgsql:/file`, `ldap:/file`, `socketmap:unix:…` that are not asked through the proxy.
fn tables(
    host: &dyn Host,
    instance: &Instance,
    index: usize,
    service: &Service,
    parameters: &[&str],
    found: &mut Vec<Use>,
) {
    for parameter in parameters {
        let Some(value) = instance.config.value(parameter, Some(service)) else { continue };
        for word in value.expanded.text.split([' ', '\t', ',', '{', '}']) {
            if let Some(rest) = word.strip_prefix("socketmap:unix:") {
                let path = rest.rsplit_once(':').map_or(rest, |(path, _)| path);
                found.push(Use {
                    service: index,
                    parameter: (*parameter).to_owned(),
                    at: place(instance, &value.source),
                    what: "database",
                    address: format!("unix:{path}"),
                });
                continue;
            }
            let Some((kind, file)) =
                word.split_once(':').filter(|(k, f)| matches!(*k, "mysql" | "pgsql" | "ldap") && f.starts_with('/'))
            else {
                continue;
            };
            let Ok(bytes) = host.read(file, 64 << 10) else { continue };
            for (line, address) in database_sockets(kind, &String::from_utf8_lossy(&bytes)) {
                found.push(Use {
                    service: index,
                    parameter: (*parameter).to_owned(),
                    at: Some((file.to_owned(), line)),
                    what: "database",
                    address,
                });
            }
        }
    }
}

/// Sockets in the file of a database table; `localhost` means the socket for MySQL.
fn database_sockets(kind: &str, text: &str) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    let mut hosts_seen = false;
    for (line, number) in text.lines().zip(1..) {
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
        let key = key.trim();
        if !matches!(key, "hosts" | "server_host") {
            continue;
        }
        hosts_seen = true;
        for word in value.split([' ', '\t', ',']).filter(|w| !w.is_empty()) {
            if let Some(path) = word.strip_prefix("unix:") {
                found.push((number, format!("unix:{path}")));
            } else if let Some(path) = word.strip_prefix("ldapi://") {
                found.push((number, format!("unix:{}", path.replace("%2f", "/").replace("%2F", "/"))));
            } else if kind == "mysql" && word == "localhost" {
                found.push((number, "unix:/var/run/mysqld/mysqld.sock".to_owned()));
            }
        }
    }
    if !hosts_seen && kind == "mysql" {
        found.push((1, "unix:/var/run/mysqld/mysqld.sock".to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_lists() {
        assert_eq!(milters("inet:h:1, { unix:/x, connect_timeout=5s } local:y"), ["inet:h:1", "unix:/x", "local:y"]);
        assert_eq!(
            policies(
                "permit_mynetworks, check_policy_service unix:private/spf, check_policy_service { inet:h:1, timeout=1s }"
            ),
            ["unix:private/spf", "inet:h:1"]
        );
    }

    #[test]
    fn mysql_takes_localhost_for_the_socket() {
        let s = |t: &str| database_sockets("mysql", t).into_iter().map(|(_, a)| a).collect::<Vec<_>>();
        assert_eq!(s("user = x\nhosts = 127.0.0.1\n"), Vec::<String>::new());
        assert_eq!(s("hosts = localhost\n"), ["unix:/var/run/mysqld/mysqld.sock"]);
        assert_eq!(s("hosts = unix:/run/my.sock\n"), ["unix:/run/my.sock"]);
    }
}
