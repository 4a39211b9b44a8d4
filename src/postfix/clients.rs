//! Lookup tables that are configured in main.cf itself: `ldap:NAME`, where NAME is no path, reads `NAME_server_host`
//! and so on. Which parameters each database client reads is a fact of the client.

use super::expand::balanced_items;

/// What each database client reads from main.cf as `NAME_suffix` if its table is given by a name and not by a path.
const CLIENTS: &[(&str, &[&str])] = &[
    (
        "ldap",
        &[
            "bind",
            "bind_dn",
            "bind_pw",
            "cache",
            "cache_expiry",
            "cache_size",
            "chase_referrals",
            "debuglevel",
            "dereference",
            "domain",
            "expansion_limit",
            "leaf_result_attribute",
            "query_filter",
            "recursion_limit",
            "result_attribute",
            "result_filter",
            "result_format",
            "sasl_authz_id",
            "sasl_mechs",
            "sasl_minssf",
            "sasl_realm",
            "scope",
            "search_base",
            "server_host",
            "server_port",
            "size_limit",
            "special_result_attribute",
            "start_tls",
            "terminal_result_attribute",
            "timeout",
            "tls_ca_cert_dir",
            "tls_ca_cert_file",
            "tls_cert",
            "tls_cipher_suite",
            "tls_key",
            "tls_random_file",
            "tls_require_cert",
            "version",
        ],
    ),
    (
        "mysql",
        &[
            "additional_conditions",
            "charset",
            "dbname",
            "domain",
            "expansion_limit",
            "hosts",
            "idle_interval",
            "option_file",
            "option_group",
            "password",
            "query",
            "require_result_set",
            "result_format",
            "retry_interval",
            "select_field",
            "table",
            "tls_CAfile",
            "tls_CApath",
            "tls_cert_file",
            "tls_ciphers",
            "tls_key_file",
            "tls_verify_cert",
            "user",
            "where_field",
        ],
    ),
    (
        "pgsql",
        &[
            "additional_conditions",
            "dbname",
            "domain",
            "encoding",
            "expansion_limit",
            "hosts",
            "idle_interval",
            "password",
            "query",
            "result_format",
            "retry_interval",
            "select_field",
            "select_function",
            "table",
            "user",
            "where_field",
        ],
    ),
    (
        "sqlite",
        &[
            "additional_conditions",
            "dbpath",
            "domain",
            "expansion_limit",
            "query",
            "result_format",
            "select_field",
            "table",
            "where_field",
        ],
    ),
    (
        "memcache",
        &[
            "backup",
            "data_size_limit",
            "domain",
            "flags",
            "key_digest",
            "key_format",
            "line_size_limit",
            "max_try",
            "memcache",
            "retry_pause",
            "timeout",
            "ttl",
        ],
    ),
    (
        "mongodb",
        &[
            "collection",
            "dbname",
            "domain",
            "expansion_limit",
            "projection",
            "query_filter",
            "result_attribute",
            "result_format",
            "uri",
        ],
    ),
];

/// Names of main.cf that the tables in an expanded value read.
pub(super) fn table_parameters(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut queue = balanced_items(text);
    let mut left = 10_000_u32;
    while let Some(item) = queue.pop() {
        left = left.saturating_sub(1);
        if left == 0 {
            break;
        }
        if let Some(inner) = item.strip_prefix('{') {
            queue.extend(balanced_items(inner.strip_suffix('}').unwrap_or(inner)));
            continue;
        }
        let mut rest = item.as_str();
        while let Some(inner) = rest.strip_prefix("proxy:").or_else(|| rest.strip_prefix("debug:")) {
            rest = inner;
        }
        let Some((kind, name)) = rest.split_once(':') else { continue };
        if let Some(inner) = name.strip_prefix('{') {
            // What stands in a pattern is no table.
            if !matches!(kind, "pcre" | "regexp") {
                queue.extend(balanced_items(inner.strip_suffix('}').unwrap_or(inner)));
            }
        } else if !name.starts_with(['/', '.'])
            && let Some((_, suffixes)) = CLIENTS.iter().find(|(client, _)| *client == kind)
        {
            out.extend(suffixes.iter().map(|suffix| format!("{name}_{suffix}")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_in_wrappers_and_not_in_patterns() {
        let names =
            table_parameters("proxy:ldap:users, unionmap:{static:x, pgsql:more} mysql:/a/path pcre:{{/x/ ldap:no}}");
        assert!(names.contains(&"users_server_host".to_owned()) && names.contains(&"more_hosts".to_owned()));
        assert!(!names.iter().any(|n| n.starts_with("no_") || n.contains('/')));
    }
}
