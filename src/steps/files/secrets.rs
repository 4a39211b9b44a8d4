//! Keys, certificates and password tables that the configuration names.

use x509_parser::pem::Pem;

use super::view::{View, octal};
use crate::evidence::{Evidence, Observation};
use crate::host::{FileKind, Trouble};
use crate::postfix::master_cf::Service;
use crate::steps::config::tables::index_suffix;

/// Parameters that name a private key.
const KEYS: &[&str] = &[
    "smtpd_tls_key_file",
    "smtpd_tls_eckey_file",
    "smtpd_tls_dkey_file",
    "smtp_tls_key_file",
    "smtp_tls_eckey_file",
    "lmtp_tls_key_file",
];
/// Parameters that name a certificate.
const CERTIFICATES: &[&str] = &[
    "smtpd_tls_cert_file",
    "smtpd_tls_eccert_file",
    "smtpd_tls_dcert_file",
    "smtp_tls_cert_file",
    "smtp_tls_eccert_file",
];
/// Parameters that name a list of files with keys and certificates.
const CHAINS: &[&str] = &["smtpd_tls_chain_files", "smtp_tls_chain_files"];
/// Parameters that name a file or directory of CA certificates.
const TRUST: &[&str] =
    &["smtp_tls_CAfile", "smtpd_tls_CAfile", "smtp_tls_CApath", "smtpd_tls_CApath", "lmtp_tls_CAfile"];
/// Tables with passwords.
const PASSWORDS: &[&str] = &["smtp_sasl_password_maps", "lmtp_sasl_password_maps"];

const EXPIRES_SOON_DAYS: i64 = 14;

/// A file that the configuration names, with the place that names it.
struct Named {
    parameter: String,
    path: String,
    service: String,
    entry: String,
    file: String,
    line: Option<u64>,
}

pub(super) fn observe(view: &View<'_>) {
    for named in named(view) {
        let parameter = named.parameter.as_str();
        if KEYS.contains(&parameter) || CHAINS.contains(&parameter) {
            world_readable(view, &named, "private key");
        }
        tls_file(view, &named);
    }
    passwords(view);
}

fn named(view: &View<'_>) -> Vec<Named> {
    let config = &view.instance.config;
    let mut all: Vec<Named> = Vec::new();
    let mut add = |parameter: &str, value: &str, service: Option<&Service>, file: &str, line: Option<u64>| {
        for item in value.split([',', ' ', '\t']).filter(|i| i.starts_with('/')) {
            if !all.iter().any(|n| n.path == item && n.parameter == parameter) {
                all.push(Named {
                    parameter: parameter.to_owned(),
                    path: item.to_owned(),
                    service: service.map(|s| s.name.clone()).unwrap_or_default(),
                    entry: service.map(crate::steps::config::look::entry).unwrap_or_default(),
                    file: file.to_owned(),
                    line,
                });
            }
        }
    };
    let parameters = KEYS.iter().chain(CERTIFICATES).chain(CHAINS).chain(TRUST);
    for parameter in parameters {
        // A key is by default in the file of the certificate; only what is set counts here.
        if let Some(setting) = config.main.get(parameter) {
            add(parameter, &config.text(parameter), None, &config.main.file, Some(setting.line));
        }
        for service in &config.master.services {
            if let Some(given) = service.override_of(parameter)
                && let Some(value) = config.value(parameter, Some(service))
            {
                add(parameter, &value.expanded.text, Some(service), &config.master.file, Some(given.line));
            }
        }
    }
    all
}

fn configured(named: &Named) -> Evidence {
    let dash = if named.entry.is_empty() { "" } else { "-o " };
    Evidence {
        line: named.line,
        ..Evidence::new(named.file.clone(), format!("{dash}{} = {}", named.parameter, named.path))
    }
}

fn world_readable(view: &View<'_>, named: &Named, what: &str) {
    let Some(Ok(stat)) = view.stat(&named.path) else { return };
    // A directory above that nobody else may enter protects the file as well.
    let hidden = named
        .path
        .match_indices('/')
        .skip(1)
        .any(|(at, _)| view.host.stat(&named.path[..at]).is_ok_and(|s| s.mode & 0o001 == 0));
    if stat.mode & 0o004 != 0 && stat.kind == FileKind::File && !hidden {
        view.emit(
            Observation::now("secret-readable")
                .with("path", named.path.as_str())
                .with("mode", octal(stat.mode))
                .with("what", what)
                .with("parameter", named.parameter.as_str())
                .with("command", format!("chmod o= {}", named.path))
                .seen(view.evidence(&named.path, &stat))
                .seen(configured(named)),
        );
    }
}

fn tls_file(view: &View<'_>, named: &Named) {
    let emit = |problem: &str, text: &str| {
        let mut seen = Observation::now("tls-file")
            .with("path", named.path.as_str())
            .with("parameter", named.parameter.as_str())
            .with("problem", problem)
            .with("entry", named.entry.as_str())
            .with("file", named.file.as_str())
            .seen(Evidence::new(&named.path, text))
            .seen(configured(named));
        if let Some(line) = named.line {
            seen = seen.with("line", i64::try_from(line).unwrap_or(0));
        }
        if !named.service.is_empty() {
            seen = seen.of_service(&named.service);
        }
        view.emit(seen);
    };
    let Some(found) = view.stat(&named.path) else { return };
    let Ok(stat) = found else { return emit("missing", "No such file or directory") };
    let directory = named.parameter.ends_with("CApath");
    if directory {
        if stat.kind != FileKind::Directory {
            emit("not-a-directory", "not a directory");
        }
        return;
    }
    if stat.kind == FileKind::Directory {
        return emit("directory", "is a directory");
    }
    if stat.size == 0 {
        return emit("empty", "0 bytes");
    }
    let bytes = match view.host.read(&named.path, 4 << 20) {
        Ok(bytes) => bytes,
        Err(Trouble::Denied) => {
            view.not_checked(
                format!("content of {}", named.path),
                "permission denied",
                Some(format!("sudo openssl x509 -noout -enddate -in {}", named.path)),
            );
            return;
        }
        Err(_) => return,
    };
    // Only labels are looked at; nothing of a key is kept.
    let text = String::from_utf8_lossy(&bytes);
    let has_certificate = text.contains("-----BEGIN CERTIFICATE") || text.contains("-----BEGIN TRUSTED CERTIFICATE");
    let has_key = text.contains("PRIVATE KEY-----");
    if !text.contains("-----BEGIN ") {
        return emit("not-pem", "no PEM block in it");
    }
    if KEYS.contains(&named.parameter.as_str()) && !has_key {
        return emit("no-key", "no private key in it");
    }
    if (CERTIFICATES.contains(&named.parameter.as_str()) || TRUST.contains(&named.parameter.as_str()))
        && !has_certificate
    {
        return emit("no-certificate", "no certificate in it");
    }
    if CERTIFICATES.contains(&named.parameter.as_str()) || CHAINS.contains(&named.parameter.as_str()) {
        dates(view, named, &bytes);
    }
}

fn dates(view: &View<'_>, named: &Named, bytes: &[u8]) {
    let Ok(now) = view.host.now() else { return };
    let Some(pem) = Pem::iter_from_buffer(bytes).flatten().find(|p| p.label.ends_with("CERTIFICATE")) else { return };
    let Ok(certificate) = pem.parse_x509() else { return };
    let validity = certificate.validity();
    let (from, until, now) = (validity.not_before.timestamp(), validity.not_after.timestamp(), now.as_second());
    let (problem, days) = if now > until {
        ("expired", (now - until) / 86400)
    } else if now < from {
        ("not-yet", (from - now) / 86400)
    } else if (until - now) / 86400 < EXPIRES_SOON_DAYS {
        ("expires-soon", (until - now) / 86400)
    } else {
        return;
    };
    let subject = crate::evidence::printable(&certificate.subject().to_string());
    let date = jiff::Timestamp::from_second(until).map(|t| t.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
    view.emit(
        Observation::now("certificate-date")
            .with("path", named.path.as_str())
            .with("parameter", named.parameter.as_str())
            .with("problem", problem)
            .with("days", days)
            .with("until", date.as_str())
            .with("subject", subject.as_str())
            .seen(Evidence::new(&named.path, format!("{subject}, valid until {date}")))
            .seen(configured(named)),
    );
}

fn passwords(view: &View<'_>) {
    let config = &view.instance.config;
    for parameter in PASSWORDS {
        let Some(setting) = config.main.get(parameter) else { continue };
        for item in config.text(parameter).split([',', ' ', '\t']) {
            let item = item.trim_start_matches("proxy:");
            let Some((ty, path)) = item.split_once(':').filter(|(_, p)| p.starts_with('/')) else { continue };
            let mut paths = vec![path.to_owned()];
            paths.extend(index_suffix(ty).map(|suffix| format!("{path}{suffix}")));
            for path in paths {
                let named = Named {
                    parameter: (*parameter).to_owned(),
                    path,
                    service: String::new(),
                    entry: String::new(),
                    file: config.main.file.clone(),
                    line: Some(setting.line),
                };
                world_readable(view, &named, "passwords");
            }
        }
    }
}
