//! TLS and SASL settings that do not work together, of the SMTP server and of the SMTP client.

use super::look::{Look, Place, entry, port};
use super::table_source;
use super::tables;
use crate::evidence::{Evidence, Observation, PROBE_HOST};
use crate::host::{Run, Trouble};
use crate::postfix::master_cf::Service;

pub(super) fn observe(look: &Look<'_>) {
    let server_types = sasl_types(look, "-a");
    let client_types = sasl_types(look, "-A");
    for service in look.smtpd_services() {
        server_tls(look, service);
        server_sasl(look, service, server_types.as_deref());
    }
    sasl_realm(look);
    let clients: Vec<&Service> =
        look.config.master.services.iter().filter(|s| matches!(s.command.as_str(), "smtp" | "lmtp")).collect();
    if clients.is_empty() {
        client(look, None, client_types.as_deref());
    }
    for service in clients.into_iter().filter(|s| s.command == "smtp") {
        client(look, Some(service), client_types.as_deref());
    }
}

/// Where Cyrus SASL looks for the settings of `smtpd`.
const CYRUS_CONFIG: &[&str] = &["/etc/postfix/sasl/smtpd.conf", "/etc/sasl2/smtpd.conf", "/usr/lib/sasl2/smtpd.conf"];

/// Users are kept with a realm; smtpd looks a name without one up in its own realm. If no user has that, nobody can
/// log in, and the log says no more than for a wrong password.
fn sasl_realm(look: &Look<'_>) {
    let services: Vec<&Service> = look.smtpd_services();
    let uses = |s: &&&Service| {
        yes(look, "smtpd_sasl_auth_enable", Some(s)) && text(look, "smtpd_sasl_type", Some(s)) == "cyrus"
    };
    let Some(service) = services.iter().find(uses) else { return };
    let config = CYRUS_CONFIG.iter().find_map(|path| look.host.read(path, 64 << 10).ok());
    let config = config.map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
    if !config.contains("sasldb") {
        return;
    }
    let realm = text(look, "smtpd_sasl_local_domain", Some(service));
    let (realm, setting) = if realm.is_empty() {
        (text(look, "myhostname", Some(service)), "myhostname")
    } else {
        (realm, "smtpd_sasl_local_domain")
    };
    let Ok(ran) = look.run(&Run::new("sasldblistusers2", &[])) else { return };
    let out = ran.out();
    let mut realms: Vec<&str> = out
        .lines()
        .filter_map(|l| l.split_once(": ").map_or(Some(l), |(user, _)| Some(user)))
        .filter_map(|user| user.trim().rsplit_once('@').map(|(_, realm)| realm))
        .collect();
    realms.sort_unstable();
    realms.dedup();
    if realms.is_empty() || realms.iter().any(|r| r.eq_ignore_ascii_case(&realm)) {
        return;
    }
    let seen = Observation::now("sasl-realm-unknown")
        .with("realm", realm.as_str())
        .with("realms", realms.join(", "))
        .with("setting", setting)
        .seen(Evidence::new("sasldblistusers2", format!("realms of the users: {}", realms.join(", "))));
    look.emit(of(place(look, setting, Some(service)).mark(seen), service));
}

fn yes(look: &Look<'_>, name: &str, service: Option<&Service>) -> bool {
    text(look, name, service).eq_ignore_ascii_case("yes")
}

fn text(look: &Look<'_>, name: &str, service: Option<&Service>) -> String {
    look.config.value(name, service).map(|v| v.expanded.text).unwrap_or_default()
}

/// Where the value comes from, else the service itself.
fn place<'a>(look: &Look<'a>, name: &str, service: Option<&'a Service>) -> Place {
    match (look.value(name, service), service) {
        (Some(used), _) if used.place.line.is_some() => used.place,
        (_, Some(service)) => look.service_place(service),
        (Some(used), None) => used.place,
        (None, None) => Place::default(),
    }
}

/// The SASL types of this Postfix (`postconf -a`, `-A`), if it can be asked.
fn sasl_types(look: &Look<'_>, option: &str) -> Option<Vec<String>> {
    match look.run(&Run::new("postconf", &[option])) {
        Ok(ran) if ran.ok() => Some(ran.out().split_whitespace().map(str::to_owned).collect()),
        Ok(_) | Err(Trouble::NotCollected | Trouble::Missing) => None,
        Err(trouble) => {
            look.not_checked("SASL types of this Postfix", trouble.to_string(), Some(format!("postconf {option}")));
            None
        }
    }
}

/// Marks with the service that is concerned, wherever the value stands.
fn of(seen: Observation, service: &Service) -> Observation {
    seen.with("entry", entry(service)).of_service(&service.name)
}

/// TLS is offered or wanted: by level, or by the parameters of old.
fn tls_level(look: &Look<'_>, service: &Service) -> String {
    let level = text(look, "smtpd_tls_security_level", Some(service)).to_ascii_lowercase();
    if !level.is_empty() {
        return level;
    }
    if yes(look, "smtpd_enforce_tls", Some(service)) {
        "encrypt".to_owned()
    } else if yes(look, "smtpd_use_tls", Some(service)) {
        "may".to_owned()
    } else {
        "none".to_owned()
    }
}

fn server_tls<'a>(look: &Look<'a>, service: &'a Service) {
    let level = tls_level(look, service);
    let wrapper = yes(look, "smtpd_tls_wrappermode", Some(service));
    let public_25 = look.is_public(service) && (service.kind == "pass" || port(&service.name) == "25");
    if public_25 && level == "encrypt" && !wrapper {
        let setting = if text(look, "smtpd_tls_security_level", Some(service)).is_empty() {
            "smtpd_enforce_tls"
        } else {
            "smtpd_tls_security_level"
        };
        let value = text(look, setting, Some(service));
        let seen = Observation::now("tls-forced-on-25").with("setting", format!("{setting} = {value}"));
        look.emit(of(place(look, setting, Some(service)).mark(seen), service));
    }
    if service.kind == "inet" {
        let number = port(&service.name);
        let problem = match (number, wrapper) {
            ("25" | "587" | "2525", true) => Some("on-starttls-port"),
            ("465", false) => Some("off-on-465"),
            _ => None,
        };
        if let Some(problem) = problem {
            let seen = Observation::now("wrappermode-odd").with("problem", problem).with("port", number);
            look.emit(of(place(look, "smtpd_tls_wrappermode", Some(service)).mark(seen), service));
        }
    }
    if level != "none" || wrapper {
        let files = ["smtpd_tls_cert_file", "smtpd_tls_eccert_file", "smtpd_tls_dcert_file", "smtpd_tls_chain_files"];
        let none = |name: &&str| {
            let value = text(look, name, Some(service));
            value.trim().is_empty() || value.trim() == "none"
        };
        let any = files.iter().any(|name| !none(name));
        if !any && look.instance.config_known {
            let seen = Observation::now("tls-without-certificate").with("level", level.as_str());
            look.emit(of(place(look, "smtpd_tls_security_level", Some(service)).mark(seen), service));
        }
    }
    let auth = yes(look, "smtpd_sasl_auth_enable", Some(service));
    if auth && level == "none" && !wrapper {
        if yes(look, "smtpd_tls_auth_only", Some(service)) {
            let seen = Observation::now("auth-hidden").with("problem", "auth-only-without-tls");
            look.emit(of(place(look, "smtpd_tls_auth_only", Some(service)).mark(seen), service));
        }
        let options = text(look, "smtpd_sasl_security_options", Some(service));
        if options.contains("noplaintext") {
            let seen = Observation::now("auth-hidden").with("problem", "no-mechanism-without-tls");
            look.emit(of(place(look, "smtpd_sasl_security_options", Some(service)).mark(seen), service));
        }
    }
}

fn server_sasl<'a>(look: &Look<'a>, service: &'a Service, types: Option<&[String]>) {
    let auth = yes(look, "smtpd_sasl_auth_enable", Some(service));
    if auth {
        unsupported(look, "smtpd_sasl_type", Some(service), types);
        return;
    }
    // Only who authenticates may relay, and nobody can.
    let relay = text(look, "smtpd_relay_restrictions", Some(service));
    let words = super::look::items(&relay);
    let asks =
        |list: &[String]| list.iter().any(|w| w == "permit_sasl_authenticated") && list.iter().any(|w| w == "reject");
    let client = super::look::items(&text(look, "smtpd_client_restrictions", Some(service)));
    let recipient = super::look::items(&text(look, "smtpd_recipient_restrictions", Some(service)));
    let is_submission = service.kind == "inet" && matches!(port(&service.name), "587" | "465");
    if is_submission && look.is_public(service) && (asks(&words) || asks(&client) || asks(&recipient)) {
        let seen = Observation::now("sasl-off-on-submission");
        look.emit(of(place(look, "smtpd_sasl_auth_enable", Some(service)).mark(seen), service));
    }
}

fn unsupported<'a>(look: &Look<'a>, parameter: &str, service: Option<&'a Service>, types: Option<&[String]>) {
    let configured = text(look, parameter, service);
    let Some(types) = types else { return };
    if configured.is_empty() || types.contains(&configured) {
        return;
    }
    let mut seen = place(look, parameter, service).mark(
        Observation::now("sasl-type-unsupported")
            .with("parameter", parameter)
            .with("type", configured)
            .with("supported", types.to_vec()),
    );
    if let Some(service) = service {
        seen = of(seen, service);
    }
    look.emit(seen);
}

fn client<'a>(look: &Look<'a>, service: Option<&'a Service>, types: Option<&[String]>) {
    let marked = |seen: Observation, at: &str| {
        let seen = place(look, at, service).mark(seen);
        match service {
            Some(service) => of(seen, service),
            None => seen,
        }
    };
    let auth = yes(look, "smtp_sasl_auth_enable", service);
    let passwords = text(look, "smtp_sasl_password_maps", service);
    let relayhost = look.text("relayhost");
    let level = text(look, "smtp_tls_security_level", service).to_ascii_lowercase();
    if auth {
        unsupported(look, "smtp_sasl_type", service, types);
        if passwords.trim().is_empty() {
            look.emit(marked(Observation::now("sasl-client-without-passwords"), "smtp_sasl_auth_enable"));
        }
        let options = text(look, "smtp_sasl_security_options", service);
        let opportunistic = matches!(level.as_str(), "" | "none" | "may");
        if opportunistic && options.contains("noplaintext") && !relayhost.trim().is_empty() {
            let explicit = look.config.is_set("smtp_sasl_security_options");
            // With TLS other options hold; without it plaintext mechanisms are not used.
            if level != "may"
                || explicit && text(look, "smtp_sasl_tls_security_options", service).contains("noplaintext")
            {
                look.emit(
                    place(look, "smtp_sasl_security_options", service).mark_main(
                        Observation::now("sasl-client-plaintext-forbidden")
                            .with("options", options)
                            .with("relayhost", relayhost.as_str()),
                    ),
                );
            }
        }
    } else if service.is_none_or(|s| s.name == "smtp") && !passwords.trim().is_empty() {
        look.emit(look.place("smtp_sasl_password_maps").mark_main(
            Observation::now("sasl-client-off").with("table", passwords.as_str()).with("relayhost", relayhost.as_str()),
        ));
    }
    if auth && service.is_none_or(|s| s.name == "smtp") {
        password_key(look, &relayhost);
    }
    if matches!(level.as_str(), "verify" | "secure") {
        let none = |n: &str| text(look, n, service).trim().is_empty();
        if none("smtp_tls_CAfile")
            && none("smtp_tls_CApath")
            && !yes(look, "tls_append_default_CA", service)
            && none("smtp_tls_trust_anchor_file")
        {
            let seen = Observation::now("tls-verify-without-ca").with("level", level.as_str());
            look.emit(marked(seen, "smtp_tls_security_level"));
        }
    }
    let wrapper = yes(look, "smtp_tls_wrappermode", service);
    let to_465 = relayhost.ends_with(":465") || relayhost.ends_with(":smtps") || relayhost.ends_with(":submissions");
    let is_default = service.is_none_or(|s| s.name == "smtp");
    if is_default && !relayhost.is_empty() && to_465 != wrapper && (to_465 || relayhost.contains(':')) {
        let problem = if to_465 { "client-needs-it" } else { "client-has-it" };
        let number = relayhost.rsplit_once(':').map_or("25", |p| p.1);
        let at = if to_465 { "relayhost" } else { "smtp_tls_wrappermode" };
        look.emit(marked(Observation::now("wrappermode-odd").with("problem", problem).with("port", number), at));
    }
}

/// The key of the password table must be written exactly like relayhost: brackets, port and all.
fn password_key(look: &Look<'_>, relayhost: &str) {
    let relayhost = relayhost.trim();
    if relayhost.is_empty() || relayhost.contains(char::is_whitespace) {
        return;
    }
    let references = tables::references(look);
    let mut maps = references.iter().filter(|t| t.parameter == "smtp_sasl_password_maps");
    let (Some(table), None) = (maps.next(), maps.next()) else { return };
    let Some(path) = table.path() else { return };
    // Keys of the file, or the answer of Postfix where the file cannot be read: passwords are never kept.
    let Ok(lines) = look.lines(path) else { return };
    if !(tables::index_suffix(&table.ty).is_some() || table.ty == "texthash") {
        return;
    }
    let keys: Vec<String> = table_source::entries(&lines, false).into_iter().map(|e| e.key).collect();
    if look.text("smtp_sender_dependent_authentication").eq_ignore_ascii_case("yes")
        && keys.iter().any(|k| k.contains('@'))
    {
        return;
    }
    // Postfix asks for the next hop as written, and then for the name of the host without brackets and port.
    let bare = |k: &str| host_of(k).to_ascii_lowercase();
    let matches = |key: &String| {
        key.eq_ignore_ascii_case(relayhost) || (key.eq_ignore_ascii_case(&bare(relayhost)) && !key.contains(['[', ':']))
    };
    if keys.iter().any(matches) {
        return;
    }
    let near: Vec<String> = keys
        .iter()
        .filter(|k| {
            let (a, b) = (bare(k), bare(relayhost));
            a == b || a.ends_with(&format!(".{b}")) || b.ends_with(&format!(".{a}")) || strsim::levenshtein(&a, &b) <= 2
        })
        .cloned()
        .collect();
    // An entry for another name may serve the host that MX records name; without brackets that cannot be told.
    if near.is_empty() && !relayhost.starts_with('[') && !keys.is_empty() {
        return;
    }
    let mut seen = look.place("relayhost").mark_main(
        Observation::now("sasl-client-key-missing")
            .with("relayhost", relayhost)
            .with("near", near.clone())
            .with("table", table.spelled.as_str())
            .with("path", path)
            .with("command", table.build_command(look)),
    );
    for entry in table_source::entries(&lines, false).iter().filter(|e| near.contains(&e.key)) {
        seen = seen.seen(Evidence::at(path, entry.row, format!("{} (value not shown)", entry.key)));
    }
    if look.allowed >= PROBE_HOST
        && let Ok(ran) = look.run(&Run::new("postmap", &["-q", relayhost, &table.spelled]))
        && ran.ok()
    {
        return;
    }
    look.emit(seen);
}

/// The name in `[name]:port`, `name:port`, `[name]`, `name`.
pub(super) fn host_of(nexthop: &str) -> &str {
    let nexthop = nexthop.trim();
    if let Some(rest) = nexthop.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    nexthop.split(':').next().unwrap_or(nexthop)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{observe_config, only};
    use super::*;

    #[test]
    fn tls_demanded_on_port_25_is_seen_there_only() {
        let master =
            "smtp inet n - y - - smtpd\nsubmission inet n - y - - smtpd\n  -o smtpd_tls_security_level=encrypt\n";
        let seen = observe_config("smtpd_tls_cert_file = /x\n", master);
        assert!(only(&seen, "tls-forced-on-25").is_empty());
        let seen = observe_config("smtpd_tls_security_level = encrypt\nsmtpd_tls_cert_file = /x\n", master);
        assert_eq!(only(&seen, "tls-forced-on-25").len(), 1);
    }

    #[test]
    fn wrapper_mode_and_ports() {
        let seen = observe_config("", "smtps inet n - y - - smtpd\n");
        assert_eq!(only(&seen, "wrappermode-odd")[0].fields["problem"].to_string(), "off-on-465");
        let seen = observe_config("relayhost = [relay.example.org]:465\n", "smtp unix - - y - - smtp\n");
        assert_eq!(only(&seen, "wrappermode-odd")[0].fields["problem"].to_string(), "client-needs-it");
    }

    #[test]
    fn host_names_in_next_hops() {
        assert_eq!(host_of("[a.b]:587"), "a.b");
        assert_eq!(host_of("a.b:25"), "a.b");
        assert_eq!(host_of("a.b"), "a.b");
    }

    #[test]
    fn passwords_without_auth() {
        let seen =
            observe_config("smtp_sasl_password_maps = hash:/x\nrelayhost = [a.b]\n", "smtp unix - - y - - smtp\n");
        assert_eq!(only(&seen, "sasl-client-off").len(), 1);
    }
}
