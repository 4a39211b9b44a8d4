//! Where mail goes: the form of relayhost, transports that master.cf does not have, mail sent to this server
//! itself, and content filters that get their own mail back.

use std::net::IpAddr;

use super::look::{Look, Place, Use, nearest, split_address};
use super::networks::{ask, mx_hosts};
use super::security::host_of;
use super::table_source;
use super::tables;
use crate::evidence::{Evidence, Observation};
use crate::postfix::master_cf::CommentedOut;

pub(super) fn observe(look: &Look<'_>) {
    relayhost(look);
    transports(look);
    reinjection(look);
}

fn relayhost(look: &Look<'_>) {
    let Some(used) = look.value("relayhost", None) else { return };
    let value = used.value.trim();
    if value.is_empty() {
        return;
    }
    if let Some((problem, wanted)) = form(value) {
        emit_form(look, &used.place, value, problem, &wanted);
        return;
    }
    let name = host_of(value).to_owned();
    if is_self(look, &name) && to_own_port(look, value) {
        look.emit(
            used.place.mark_main(
                Observation::now("route-to-self")
                    .with("parameter", "relayhost")
                    .with("nexthop", value)
                    .with("address", name.as_str()),
            ),
        );
        return;
    }
    by_dns(look, &used, value, &name);
}

fn emit_form(look: &Look<'_>, place: &Place, value: &str, problem: &str, wanted: &str) {
    look.emit(place.mark_main(
        Observation::now("relayhost-form").with("relayhost", value).with("problem", problem).with("wanted", wanted),
    ));
}

/// What is wrong with the way a next hop is written, and what was probably meant.
fn form(value: &str) -> Option<(&'static str, String)> {
    if let Some((_, rest)) = value.split_once("://") {
        return Some(("url", format!("[{}]", rest.trim_end_matches('/').split(':').next().unwrap_or(rest))));
    }
    if value.contains('@') {
        return Some(("email", format!("[{}]", value.rsplit('@').next().unwrap_or_default())));
    }
    // Since 3.? several destinations may be listed; with blanks alone it is a slip.
    if value.contains(',') {
        return Some(("list", String::new()));
    }
    if value.contains(char::is_whitespace) {
        let mut words = value.split_whitespace();
        let (host, port) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let wanted = if port.trim_start_matches(':').bytes().all(|b| b.is_ascii_digit()) && !port.is_empty() {
            format!("[{}]:{}", host.trim_matches(['[', ']', ':']), port.trim_start_matches(':'))
        } else {
            String::new()
        };
        return Some(("spaces", wanted));
    }
    if value.starts_with('[') != value.contains(']') || value.matches('[').count() > 1 {
        return Some(("unclosed-bracket", format!("[{}]", value.trim_matches(['[', ']']))));
    }
    if let Some(inner) = value.strip_prefix('[').and_then(|v| v.strip_suffix(']'))
        && inner.parse::<IpAddr>().is_err()
        && !inner.to_ascii_lowercase().starts_with("ipv6:")
        && let Some((host, port)) = inner.rsplit_once(':')
    {
        return Some(("port-in-brackets", format!("[{host}]:{port}")));
    }
    let bare = value.rsplit_once(':').filter(|(_, p)| p.parse::<u16>().is_ok()).map_or(value, |p| p.0);
    if !value.starts_with('[') && (bare.parse::<IpAddr>().is_ok() || value.parse::<IpAddr>().is_ok()) {
        let wanted = if value.parse::<IpAddr>().is_ok() {
            format!("[{value}]")
        } else {
            value.rsplit_once(':').map(|(h, p)| format!("[{h}]:{p}")).unwrap_or_default()
        };
        return Some(("bare-address", wanted));
    }
    None
}

fn is_self(look: &Look<'_>, name: &str) -> bool {
    if name.eq_ignore_ascii_case(&look.text("myhostname")) {
        return true;
    }
    let interfaces = look.items("inet_interfaces");
    interfaces.iter().chain(&look.items("proxy_interfaces")).any(|i| i.trim_matches(['[', ']']) == name)
}

/// The SMTP client refuses to talk to an own address on port 25 only.
fn to_own_port(look: &Look<'_>, nexthop: &str) -> bool {
    let port = nexthop.rsplit_once("]:").or_else(|| nexthop.rsplit_once(':')).map_or("25", |p| p.1);
    let port = if port == "smtp" { "25" } else { port };
    // An own service that listens on a port of its own is a content filter or another instance.
    port == "25" && look.config.master.services.iter().any(|s| s.kind == "inet" && super::look::port(&s.name) == "25")
}

fn by_dns(look: &Look<'_>, used: &Use, value: &str, name: &str) {
    if name.parse::<IpAddr>().is_ok() || !name.contains('.') || used.place.line.is_none() {
        return;
    }
    let bracketed = value.starts_with('[');
    let Some((a_code, a)) = ask(look, name, "A") else { return };
    let aaaa = ask(look, name, "AAAA").map(|r| r.1).unwrap_or_default();
    let mx_answer = ask(look, name, "MX");
    let mx = mx_answer.as_ref().map(|r| mx_hosts(&r.1)).unwrap_or_default();
    let address = a.first().or(aaaa.first());
    let failed = |code: &str| code == "SERVFAIL" || code == "REFUSED";
    if address.is_none() && (bracketed || mx.is_empty()) && !failed(&a_code) {
        // The host's own hosts file may know the name.
        let in_hosts = look.lines("/etc/hosts").is_ok_and(|l| {
            l.iter().any(|l| {
                l.split('#').next().unwrap_or_default().split_whitespace().skip(1).any(|w| w.eq_ignore_ascii_case(name))
            })
        });
        if !in_hosts {
            look.emit(
                used.place
                    .mark_main(
                        Observation::now("relayhost-unresolvable")
                            .with("relayhost", value)
                            .with("name", name)
                            .with("rcode", a_code.as_str()),
                    )
                    .seen(Evidence::new(format!("A {name}"), &a_code)),
            );
        }
        return;
    }
    let Some(address) = address.filter(|_| !bracketed) else { return };
    if !mx.is_empty() && !mx.iter().any(|m| m.eq_ignore_ascii_case(name)) {
        let port = value.strip_prefix(name).unwrap_or_default();
        look.emit(
            used.place
                .mark_main(
                    Observation::now("relayhost-without-brackets")
                        .with("relayhost", value)
                        .with("wanted", format!("[{name}]{port}"))
                        .with("mx", mx.clone())
                        .with("address", address.as_str()),
                )
                .seen(Evidence::new(format!("MX {name}"), mx.join(", ")))
                .seen(Evidence::new(format!("A {name}"), address)),
        );
    }
}

/// Parameters whose value is `transport` or `transport:nexthop`.
const TRANSPORTS: &[&str] = &[
    "default_transport",
    "relay_transport",
    "local_transport",
    "virtual_transport",
    "mailbox_transport",
    "fallback_transport",
    "error_transport",
    "content_filter",
    "address_verify_default_transport",
    "address_verify_local_transport",
    "address_verify_relay_transport",
    "address_verify_virtual_transport",
];

/// Tables whose values are transports.
const TRANSPORT_TABLES: &[&str] =
    &["transport_maps", "mailbox_transport_maps", "fallback_transport_maps", "sender_dependent_default_transport_maps"];

fn transports(look: &Look<'_>) {
    if look.config.master.services.is_empty() {
        return;
    }
    let commented = &look.config.master.commented_out;
    for used in look.uses().iter().filter(|u| TRANSPORTS.contains(&u.name.as_str())) {
        let transport = used.value.split(':').next().unwrap_or_default().trim();
        missing(look, transport, &used.value, &used.name, &used.place, None, commented);
    }
    for name in ["default_transport", "relay_transport", "local_transport", "virtual_transport"] {
        if let Some(used) = look.value(name, None).filter(|u| u.place.line.is_none()) {
            let transport = used.value.split(':').next().unwrap_or_default().trim().to_owned();
            // Services that are missing by default are told by the step's look at services.
            if !super::services::is_standard(&transport) {
                missing(look, &transport, &used.value, name, &used.place, None, commented);
            }
        }
    }
    for table in tables::references(look) {
        if !TRANSPORT_TABLES.contains(&table.parameter.as_str()) {
            continue;
        }
        for (value, at) in values(look, &table) {
            let Some((transport, nexthop)) = value.split_once(':') else { continue };
            missing(look, transport.trim(), &value, &table.parameter, &table.place, Some(at.clone()), commented);
            let name = host_of(nexthop);
            if !nexthop.is_empty() && is_self(look, name) && to_own_port(look, nexthop) && smtp_like(look, transport) {
                let mut seen = table.place.mark_main(
                    Observation::now("route-to-self")
                        .with("parameter", table.parameter.as_str())
                        .with("nexthop", value.as_str())
                        .with("address", name),
                );
                seen.evidence.push(at);
                look.emit(seen);
            }
        }
    }
}

fn smtp_like(look: &Look<'_>, transport: &str) -> bool {
    transport.is_empty() || look.config.master.services.iter().any(|s| s.name == transport && s.command == "smtp")
}

fn values(look: &Look<'_>, table: &tables::TableRef) -> Vec<(String, Evidence)> {
    if table.ty == "inline" {
        let inner = table.name.trim_start_matches('{').trim_end_matches('}');
        return super::look::items(inner)
            .iter()
            .filter_map(|pair| pair.trim_matches(['{', '}']).split_once('='))
            .map(|(_, v)| (v.trim().to_owned(), table.place.evidence()))
            .collect();
    }
    if table.ty == "static" {
        return vec![(table.name.clone(), table.place.evidence())];
    }
    let Some(path) = table.path() else { return Vec::new() };
    if !(tables::index_suffix(&table.ty).is_some() || table.ty == "texthash") {
        return Vec::new();
    }
    let Ok(lines) = look.lines(path) else { return Vec::new() };
    table_source::entries(&lines, false)
        .into_iter()
        .take(5000)
        .map(|e| (e.value.clone(), Evidence::at(path, e.row, format!("{} {}", e.key, e.value))))
        .collect()
}

fn missing(
    look: &Look<'_>,
    transport: &str,
    value: &str,
    parameter: &str,
    place: &Place,
    at: Option<Evidence>,
    commented: &[CommentedOut],
) {
    if transport.is_empty() || transport.contains('$') {
        return;
    }
    let services = &look.config.master.services;
    // A transport is a service by its name; inet services do not count, private sockets do.
    if services.iter().any(|s| s.name == transport && s.kind != "inet") {
        return;
    }
    let near = nearest(transport, services.iter().filter(|s| s.kind != "inet").map(|s| s.name.as_str()));
    let mut seen = place.mark(
        Observation::now("transport-missing")
            .with("transport", transport)
            .with("parameter", parameter)
            .with("value", value)
            .with("nearest", near.unwrap_or_default()),
    );
    seen.evidence.extend(at);
    if let Some(off) = commented.iter().find(|c| c.name == transport && c.kind != "inet") {
        seen = seen.with("commented_line", i64::try_from(off.line).unwrap_or(0)).seen(Evidence::at(
            &look.config.master.file,
            off.line,
            format!("#{} {} … {}", off.name, off.kind, off.command),
        ));
    }
    look.emit(seen);
}

/// The service that takes mail back from the content filter must not filter it again.
fn reinjection(look: &Look<'_>) {
    let Some(filter) = look.value("content_filter", None).filter(|f| !f.value.trim().is_empty()) else { return };
    for service in look.smtpd_services().into_iter().filter(|s| s.kind == "inet") {
        let (host, port) = split_address(&service.name);
        let local = host.is_some_and(super::look::is_loopback);
        if !local || super::look::port(port) == "25" {
            continue;
        }
        let overridden =
            look.config.value("content_filter", Some(service)).map(|v| v.expanded.text).unwrap_or_default();
        let no_filter = look
            .config
            .value("receive_override_options", Some(service))
            .is_some_and(|v| v.expanded.text.contains("no_header_body_checks") && overridden.trim().is_empty());
        if !overridden.trim().is_empty() && !no_filter {
            let place = look.service_place(service);
            look.emit(
                place
                    .mark(Observation::now("reinjection-filtered").with("filter", filter.value.as_str()))
                    .seen(filter.place.evidence()),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{observe_config, only};
    use super::*;

    #[test]
    fn forms_of_relayhost() {
        assert_eq!(form("[relay.example.org]:587"), None);
        assert_eq!(form("relay.example.org"), None);
        assert_eq!(form("[192.0.2.1]"), None);
        assert_eq!(form("[relay.example.org:587]"), Some(("port-in-brackets", "[relay.example.org]:587".to_owned())));
        assert_eq!(form("relay.example.org 587"), Some(("spaces", "[relay.example.org]:587".to_owned())));
        assert_eq!(form("192.0.2.1"), Some(("bare-address", "[192.0.2.1]".to_owned())));
        assert_eq!(form("smtp://relay.example.org"), Some(("url", "[relay.example.org]".to_owned())));
        assert_eq!(form("[relay.example.org"), Some(("unclosed-bracket", "[relay.example.org]".to_owned())));
        assert_eq!(form("[IPv6:2001:db8::1]"), None);
    }

    #[test]
    fn a_transport_must_be_a_service() {
        let master = "smtp inet n - y - - smtpd\nsmtp unix - - y - - smtp\ndovecot unix - n n - - pipe\n";
        let seen = observe_config("virtual_transport = dovcot\nrelay_transport = smtp:[x.y]\n", master);
        let found = only(&seen, "transport-missing");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].fields["nearest"].to_string(), "dovecot");
    }

    #[test]
    fn the_way_back_from_a_filter() {
        let master = "smtp inet n - y - - smtpd\n127.0.0.1:10025 inet n - y - - smtpd\nscan unix - - y - - smtp\n";
        let seen = observe_config("content_filter = scan:[127.0.0.1]:10024\n", master);
        assert_eq!(only(&seen, "reinjection-filtered").len(), 1);
        let seen = observe_config(
            "content_filter = scan:[127.0.0.1]:10024\n",
            "127.0.0.1:10025 inet n - y - - smtpd\n  -o content_filter=\nscan unix - - y - - smtp\n",
        );
        assert!(only(&seen, "reinjection-filtered").is_empty());
    }
}
