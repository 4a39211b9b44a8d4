//! A certificate file and its key, as a TLS peer would judge them.

use super::common::{arg, instance};
use super::{Args, Context, Outcome, ProbeKind, bool, int, list, text};
use crate::evidence::printable;
use crate::evidence::{Field, READ_ONLY};
use crate::host::{Host, Run, Trouble};
use x509_parser::prelude::*;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "certificate",
    level: READ_ONLY,
    doc: "Reads a certificate, its chain and its key.",
    args: &[("file", true), ("key", false), ("ca", false), ("name", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("exists", "the file exists"),
    bool("readable", "root can read it"),
    bool("parses", "it holds at least one certificate"),
    bool("expired", "its time is over"),
    bool("not_yet", "its time has not come"),
    text("not_after", "end of its time"),
    int("days_left", "days until then; negative when it is over"),
    text("subject", "whom it names"),
    text("issuer", "who signed it"),
    list("names", "host names in it"),
    bool("name_matches", "it names `name` (myhostname, if none is given)"),
    bool("self_signed", "it signed itself"),
    bool("chain_complete", "intermediate certificates are in the file or the leaf is signed by a root"),
    bool("chain_order", "each certificate in the file is signed by the next"),
    int("chain_length", "how many certificates the file holds"),
    bool("key_exists", "the key file exists"),
    bool("key_readable", "the key parses and is not encrypted"),
    bool("key_encrypted", "the key needs a pass phrase"),
    bool("key_matches", "key and certificate belong together"),
    bool("weak", "its key or signature is too weak for the default OpenSSL security level"),
    text("newer_elsewhere", "a newer certificate for the same name, on this host (for instance of certbot)"),
    bool("loaded_older", "the file is newer than the start of the master"),
];

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    let Some(file) = arg(args, "file") else { return out };
    let bytes = match host.read(file, 1 << 20) {
        Ok(bytes) => bytes,
        Err(Trouble::Missing) => {
            out.set("exists", false);
            out.saw(file, "does not exist");
            return out;
        }
        Err(Trouble::Denied) => {
            out.set("exists", true);
            out.unchecked(
                file,
                "permission denied",
                Some(format!("sudo openssl x509 -noout -text -in {}", crate::host::quote(file))),
            );
            return out;
        }
        Err(_) => return out,
    };
    out.set("exists", true);
    out.set("readable", true);
    let now = host.now().map(jiff::Timestamp::as_second).ok();
    let chain: Vec<Vec<u8>> = Pem::iter_from_buffer(&bytes)
        .filter_map(Result::ok)
        .filter(|p| p.label.ends_with("CERTIFICATE"))
        .map(|p| p.contents)
        .take(20)
        .collect();
    let parsed: Vec<X509Certificate<'_>> =
        chain.iter().filter_map(|der| X509Certificate::from_der(der).ok().map(|(_, c)| c)).collect();
    out.set("parses", !parsed.is_empty());
    out.set("chain_length", parsed.len() as i64);
    let Some(leaf) = parsed.first() else {
        out.saw(file, "holds no certificate that could be read");
        return out;
    };
    let (from, to) = (leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp());
    out.set("not_after", printable(&leaf.validity().not_after.to_string()));
    if let Some(now) = now {
        out.set("expired", to < now);
        out.set("not_yet", from > now);
        out.set("days_left", (to - now).div_euclid(86400));
    }
    out.set("subject", printable(&leaf.subject().to_string()));
    out.set("issuer", printable(&leaf.issuer().to_string()));
    let names = names(leaf);
    let wanted = arg(args, "name")
        .map_or_else(|| instance(ctx).map(|i| i.config.text("myhostname")).unwrap_or_default(), str::to_owned);
    if !wanted.is_empty() {
        out.set("name_matches", matches(&names, &wanted));
    }
    out.saw(file, format!("{}; valid until {}; names {}", leaf.subject(), leaf.validity().not_after, names.join(", ")));
    out.set("names", names);
    let self_signed = leaf.subject() == leaf.issuer();
    out.set("self_signed", self_signed);
    let order = parsed.windows(2).all(|w| w[0].issuer() == w[1].subject());
    out.set("chain_order", order);
    chain_complete(host, &mut out, args, file, self_signed || parsed.len() > 1 && order);
    if let Some(master) = instance(ctx).and_then(|i| i.started)
        && let Ok(stat) = host.stat(file)
    {
        out.set("loaded_older", stat.mtime > master.as_second());
    }
    renewed(host, &mut out, file, to);
    let key = arg(args, "key")
        .filter(|k| *k != file)
        .map(str::to_owned)
        .or_else(|| bytes.windows(12).any(|w| w == b" PRIVATE KEY").then(|| file.to_owned()));
    if let Some(key) = key {
        key_side(host, &mut out, file, &key);
    }
    out
}

/// Names that the certificate is for: the alternative names, else the common name.
pub(super) fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut names: Vec<String> = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|san| {
            san.value
                .general_names
                .iter()
                .filter_map(|n| match n {
                    GeneralName::DNSName(name) => Some(printable(name)),
                    _ => None,
                })
                .collect()
        })
        .unwrap_or_default();
    if names.is_empty() {
        names = certificate.subject().iter_common_name().filter_map(|c| c.as_str().ok()).map(printable).collect();
    }
    names
}

/// Whether one of the names, maybe with a wildcard as its first label, is this host.
pub(super) fn matches(names: &[String], host: &str) -> bool {
    names.iter().any(|name| {
        name.eq_ignore_ascii_case(host)
            || name
                .strip_prefix("*.")
                .is_some_and(|rest| host.split_once('.').is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(rest)))
    })
}

/// `openssl verify` with the rest of the file as intermediates and the host's CA store.
fn chain_complete(host: &dyn Host, out: &mut Outcome, args: &Args, file: &str, likely: bool) {
    let mut arguments = vec!["verify", "-untrusted", file];
    if let Some(ca) = arg(args, "ca") {
        arguments.extend(["-CAfile", ca]);
    }
    arguments.push(file);
    match host.run(&Run::new("openssl", &arguments)) {
        Ok(ran) => {
            let unknown_issuer =
                ran.err().contains("unable to get local issuer") || ran.err().contains("unable to get issuer");
            out.set("chain_complete", ran.ok() || !unknown_issuer || likely);
            out.set("weak", ran.err().contains("too weak") || ran.err().contains("too small"));
            if !ran.ok()
                && let Some(line) = ran.err().lines().find(|l| l.starts_with("error"))
            {
                out.saw(format!("openssl verify {file}"), line);
            }
        }
        Err(_) if likely => out.set("chain_complete", true),
        Err(_) => {}
    }
}

fn key_side(host: &dyn Host, out: &mut Outcome, file: &str, key: &str) {
    match host.stat(key) {
        Ok(_) => out.set("key_exists", true),
        Err(Trouble::Missing) => {
            out.saw(key, "does not exist");
            return out.set("key_exists", false);
        }
        Err(_) => return,
    }
    // The key itself never leaves openssl: only its public half is printed.
    let public = host.run(&Run::new("openssl", &["pkey", "-in", key, "-pubout", "-passin", "pass:"]));
    let of_certificate = host.run(&Run::new("openssl", &["x509", "-in", file, "-noout", "-pubkey"]));
    let (Ok(public), Ok(of_certificate)) = (public, of_certificate) else { return };
    if host.read(key, 1 << 20).is_err() {
        return;
    }
    out.set("key_readable", public.ok());
    if !public.ok() {
        let encrypted = host.read(key, 1 << 20).is_ok_and(|b| String::from_utf8_lossy(&b).contains("ENCRYPTED"));
        out.set("key_encrypted", encrypted);
        return out
            .saw(key, if encrypted { "is encrypted with a pass phrase" } else { "is no key that openssl can read" });
    }
    out.set("key_encrypted", false);
    let same = public.stdout == of_certificate.stdout;
    out.set("key_matches", same);
    out.saw(key, if same { format!("belongs to {file}") } else { format!("does not belong to {file}") });
}

/// A newer certificate in the places where renewal tools put them.
fn renewed(host: &dyn Host, out: &mut Outcome, file: &str, until: i64) {
    let live = "/etc/letsencrypt/live";
    let Ok(sites) = host.list(live) else { return };
    for site in sites.iter().take(50) {
        let path = format!("{live}/{site}/fullchain.pem");
        if path == file {
            continue;
        }
        let Ok(bytes) = host.read(&path, 1 << 20) else { continue };
        let Some(Ok(pem)) = Pem::iter_from_buffer(&bytes).next() else { continue };
        if let Ok((_, found)) = X509Certificate::from_der(&pem.contents)
            && found.validity().not_after.timestamp() > until
            && let Some(crate::evidence::Value::List(own)) = out.fields.get("names")
            && names(&found).iter().any(|n| own.contains(n))
        {
            out.saw(path.as_str(), format!("valid until {}", found.validity().not_after));
            return out.set("newer_elsewhere", path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let names = ["*.example.org".to_owned()];
        assert!(matches(&names, "mail.example.org"));
        assert!(!matches(&names, "a.b.example.org") && !matches(&names, "example.org"));
    }
}
