//! Lookup tables as the configuration names them: which type, which file, where it is set.

use super::look::{Look, Place, Use};
use crate::host::{Run, Trouble};

/// All table types that Postfix has or had.
pub(crate) const TYPES: &[&str] = &[
    "btree",
    "cdb",
    "cidr",
    "dbm",
    "environ",
    "fail",
    "hash",
    "inline",
    "internal",
    "ldap",
    "lmdb",
    "memcache",
    "mongodb",
    "mysql",
    "netinfo",
    "nis",
    "nisplus",
    "pcre",
    "pgsql",
    "pipemap",
    "proxy",
    "randmap",
    "regexp",
    "sdbm",
    "socketmap",
    "sqlite",
    "static",
    "tcp",
    "texthash",
    "unionmap",
    "unix",
];

/// Types that Postfix reads from a file that `postmap` builds, and that file's suffix.
pub(crate) fn index_suffix(ty: &str) -> Option<&'static str> {
    match ty {
        "hash" | "btree" => Some(".db"),
        "lmdb" => Some(".lmdb"),
        "cdb" => Some(".cdb"),
        "dbm" | "sdbm" => Some(".pag"),
        _ => None,
    }
}

/// Types whose name is a path that Postfix reads as text.
pub(crate) fn reads_text(ty: &str) -> bool {
    matches!(ty, "pcre" | "regexp" | "cidr" | "texthash")
}

/// Types whose name is a path of a file with connection parameters.
pub(crate) fn reads_parameters(ty: &str) -> bool {
    matches!(ty, "mysql" | "pgsql" | "ldap" | "sqlite" | "memcache" | "mongodb")
}

/// A table that some parameter names.
#[derive(Debug, Clone)]
pub(crate) struct TableRef {
    /// as written, `proxy:` left out
    pub(crate) spelled: String,
    pub(crate) ty: String,
    /// what stands after the type
    pub(crate) name: String,
    /// it goes through proxymap(8)
    pub(crate) proxied: bool,
    pub(crate) parameter: String,
    pub(crate) place: Place,
}

impl TableRef {
    /// The path of its source file, if the type has one.
    pub(crate) fn path(&self) -> Option<&str> {
        let file = index_suffix(&self.ty).is_some() || reads_text(&self.ty) || reads_parameters(&self.ty);
        (file && self.name.starts_with('/')).then_some(self.name.as_str())
    }
    /// The indexed file that Postfix opens.
    pub(crate) fn indexed(&self) -> Option<String> {
        Some(format!("{}{}", self.path()?, index_suffix(&self.ty)?))
    }
    /// It holds aliases in the format of sendmail.
    pub(crate) fn is_aliases(&self) -> bool {
        matches!(self.parameter.as_str(), "alias_maps" | "alias_database")
    }
    /// Postfix itself writes it: it need not exist, and it has no source.
    pub(crate) fn is_cache(&self) -> bool {
        let p = self.parameter.as_str();
        p.ends_with("_cache_database")
            || p.ends_with("_cache_map")
            || p.ends_with("_cache_maps")
            || p.ends_with("verify_map")
            || p == "postscreen_cache_map"
            || p.contains("fast_flush")
            || p == "smtpd_policy_cache"
    }
    /// The command that builds its indexed file.
    pub(crate) fn build_command(&self, look: &Look<'_>) -> String {
        let config = if look.instance.name == "-" || look.instance.name.is_empty() {
            String::new()
        } else {
            format!(" -c {}", look.instance.config_dir)
        };
        if self.is_aliases() {
            let listed = look.items("alias_database").iter().any(|t| t.ends_with(&self.spelled));
            if listed && config.is_empty() {
                return "newaliases".to_owned();
            }
            return format!("postalias{config} {}", self.spelled);
        }
        format!("postmap{config} {}", self.spelled)
    }
}

/// Whether a parameter is a list of tables, so that a word without a type is a mistake there.
pub(crate) fn is_table_parameter(name: &str) -> bool {
    (name.ends_with("_maps") || name.ends_with("_checks") || matches!(name, "alias_database" | "address_verify_map"))
        && !matches!(name, "proxy_read_maps" | "proxy_write_maps" | "proxymap_read_maps")
}

/// Lists of domains, hosts or users in which a word may be a table, a file or a plain name.
pub(crate) const MIXED_LISTS: &[&str] = &[
    "mydestination",
    "relay_domains",
    "virtual_alias_domains",
    "virtual_mailbox_domains",
    "mynetworks",
    "inet_interfaces",
    "authorized_flush_users",
    "authorized_mailq_users",
    "authorized_submit_users",
    "smtpd_client_event_limit_exceptions",
    "smtpd_sasl_exceptions_networks",
    "debug_peer_list",
    "fast_flush_domains",
    "masquerade_domains",
    "permit_mx_backup_networks",
    "postscreen_access_list",
    "smtpd_authorized_xclient_hosts",
    "smtpd_authorized_xforward_hosts",
    "smtpd_authorized_verp_clients",
    "local_header_rewrite_clients",
];

/// All tables that are named somewhere, each with the place of its parameter.
pub(crate) fn references(look: &Look<'_>) -> Vec<TableRef> {
    let mut all = Vec::new();
    let mut uses = look.uses();
    // Their defaults name tables, and local(8) stops without them.
    for name in ["alias_maps", "alias_database"] {
        uses.extend(look.value(name, None).filter(|u| u.place.line.is_none()));
    }
    for used in &uses {
        for item in words(used) {
            all.extend(reference(&item, used));
        }
    }
    all
}

/// The words of a value, groups opened.
fn words(used: &Use) -> Vec<String> {
    let inner = |item: String| {
        // `{ type:table, option=value }` and `unionmap:{a:b, c:d}`.
        let grouped = item.starts_with('{') || item.starts_with("unionmap:{") || item.starts_with("pipemap:{");
        if grouped {
            let open = item.find('{').map_or(0, |i| i + 1);
            let close = item.rfind('}').unwrap_or(item.len()).max(open);
            super::look::items(&item[open..close])
        } else {
            vec![item]
        }
    };
    used.items().into_iter().flat_map(inner).collect()
}

fn reference(item: &str, used: &Use) -> Option<TableRef> {
    let mut proxied = false;
    let mut rest = item.trim_start_matches('!');
    while let Some(inner) = rest.strip_prefix("proxy:") {
        proxied = true;
        rest = inner;
    }
    let (ty, name) = rest.split_once(':')?;
    let listed = is_table_parameter(&used.name);
    // In other parameters `unix:` and `tcp:` are sockets, and anything else is a transport.
    let known = TYPES.contains(&ty) && (listed || !matches!(ty, "unix" | "tcp" | "fail" | "static"));
    let plausible = listed && !ty.is_empty() && ty.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (known || plausible).then(|| TableRef {
        spelled: rest.to_owned(),
        ty: ty.to_owned(),
        name: name.to_owned(),
        proxied,
        parameter: used.name.clone(),
        place: used.place.clone(),
    })
}

/// The table types that this Postfix has (`postconf -m`), if it can be asked.
pub(crate) fn supported(look: &Look<'_>) -> Option<Vec<String>> {
    let run = Run::new("postconf", &["-m"]);
    match look.run(&run) {
        Ok(ran) if ran.ok() => {
            let all: Vec<String> = ran.out().split_whitespace().map(str::to_owned).collect();
            (!all.is_empty()).then_some(all)
        }
        Ok(_) | Err(Trouble::NotCollected | Trouble::Missing) => None,
        Err(trouble) => {
            look.not_checked("table types of this Postfix", trouble.to_string(), Some("postconf -m".to_owned()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(name: &str, value: &str) -> Use {
        Use {
            name: name.to_owned(),
            raw: value.to_owned(),
            value: value.to_owned(),
            undefined: Vec::new(),
            cycle: false,
            place: Place::default(),
        }
    }

    fn found(name: &str, value: &str) -> Vec<String> {
        let used = used(name, value);
        words(&used).iter().filter_map(|w| reference(w, &used)).map(|t| t.spelled).collect()
    }

    #[test]
    fn tables_are_told_from_sockets_and_transports() {
        assert_eq!(
            found("alias_maps", "hash:/etc/aliases, proxy:mysql:/etc/x.cf"),
            ["hash:/etc/aliases", "mysql:/etc/x.cf"]
        );
        assert!(found("smtpd_milters", "unix:/run/x inet:localhost:8891").is_empty());
        assert!(found("content_filter", "smtp-amavis:[127.0.0.1]:10024").is_empty());
        assert_eq!(found("virtual_alias_maps", "hsh:/etc/x"), ["hsh:/etc/x"]);
        assert_eq!(
            found("smtpd_client_restrictions", "check_client_access { hash:/etc/x, search_order=a }"),
            ["hash:/etc/x"]
        );
    }
}
