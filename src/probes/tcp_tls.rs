//! What a TLS peer shows: trust, names, time, protocol.

use super::common::{arg, instance};
use super::{Args, Context, Outcome, ProbeKind, bool, list, text};
use crate::evidence::printable;
use crate::evidence::{CONTACT_OTHERS, Field};
use crate::host::Run;
use crate::state::address::port_number;
use std::time::Duration;
use x509_parser::prelude::*;

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "tcp-tls",
    level: CONTACT_OTHERS,
    doc: "Looks at the certificate of a TLS peer, with posttls-finger or openssl.",
    args: &[("host", true), ("port", true), ("mode", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    bool("connected", "the TLS session came about"),
    bool("offers_starttls", "the peer offers STARTTLS"),
    bool("trusted", "the chain leads to a CA that this host knows"),
    bool("self_signed", "the certificate is signed by itself"),
    bool("unknown_issuer", "the issuer is not known here"),
    bool("expired", "its time is over"),
    bool("names_match", "it names the host"),
    list("names", "the names in it"),
    text("subject", "whom it names"),
    text("issuer", "who signed it"),
    text("not_after", "end of its time"),
    text("protocol", "`TLSv1.3`"),
    text("cipher", "cipher"),
    bool("wrapper", "the port speaks TLS at once (no STARTTLS)"),
    bool("ca_store", "a CA file or directory of this host was there to judge by"),
    text("error", "the words of the tool"),
];

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    let (Some(name), Some(port)) = (arg(args, "host"), arg(args, "port").and_then(port_number)) else { return out };
    let name = name.trim_matches(['[', ']']);
    if ctx.allowed < CONTACT_OTHERS || name.starts_with('-') {
        return out;
    }
    let wrapper = match arg(args, "mode") {
        Some("wrapper") => true,
        Some("starttls") => false,
        _ => port == 465,
    };
    let peer = if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") };
    let mut arguments = vec!["s_client", "-connect", &peer, "-servername", name, "-showcerts", "-verify_return_error"];
    arguments.pop();
    arguments.extend(["-verify", "9"]);
    if !wrapper {
        arguments.extend(["-starttls", "smtp"]);
    }
    let (file, path) = ctx_store(ctx);
    if let Some(file) = &file {
        arguments.extend(["-CAfile", file]);
    }
    if let Some(path) = &path {
        arguments.extend(["-CApath", path]);
    }
    let run = Run::new("openssl", &arguments).stdin(&b"QUIT\r\n"[..]).limit(Duration::from_secs(8));
    match host.run(&run) {
        Ok(ran) => judge(&mut out, &ran.out(), &ran.err(), name, &run.line()),
        Err(why) => {
            return {
                out.unchecked(format!("certificate of {peer}"), why, Some(run.line()));
                out
            };
        }
    }
    out.set("wrapper", wrapper && out.is("connected") == Some(true));
    out.set("ca_store", file.is_some() || path.is_some() || host.stat("/etc/ssl/certs").is_ok());
    out
}

/// The CA store that the SMTP client is told to use.
fn ctx_store(ctx: &Context<'_>) -> (Option<String>, Option<String>) {
    let Some(instance) = instance(ctx) else { return (None, None) };
    let set = |name: &str| Some(instance.config.text(name)).filter(|v| !v.is_empty());
    let there = |p: &String| ctx.server.host.stat(p).is_ok();
    (set("smtp_tls_CAfile").filter(there), set("smtp_tls_CApath").filter(there))
}

fn judge(out: &mut Outcome, text: &str, errors: &str, name: &str, source: &str) {
    let certificates: Vec<Vec<u8>> =
        Pem::iter_from_buffer(text.as_bytes()).filter_map(Result::ok).map(|p| p.contents).collect();
    let connected = text.contains("BEGIN CERTIFICATE");
    out.set("connected", connected);
    let all = || errors.lines().chain(text.lines());
    if !connected {
        let words = all().find(|l| {
            ["error", "refused", "wrong version", "unexpected", "timed out", "Didn't find STARTTLS"]
                .iter()
                .any(|w| l.contains(w))
        });
        if let Some(words) = words {
            out.saw(source, words.trim());
            out.set("error", printable(words.trim()));
        }
        out.set("offers_starttls", !all().any(|l| l.contains("STARTTLS") && l.contains("Didn't")));
        return;
    }
    out.set("offers_starttls", true);
    let code =
        all().filter_map(|l| l.trim().strip_prefix("Verify return code: ")).next_back().unwrap_or_default().to_owned();
    let number = code.split_whitespace().next().unwrap_or_default().to_owned();
    if !code.is_empty() {
        out.set("trusted", number == "0");
        out.set("self_signed", number == "18");
        out.set("unknown_issuer", matches!(number.as_str(), "2" | "19" | "20" | "21" | "27"));
        out.saw(source, format!("Verify return code: {code}"));
        if number != "0" {
            out.set("error", printable(&code));
        }
    }
    let protocol =
        all().find_map(|l| l.trim().strip_prefix("Protocol").map(|r| r.trim_start_matches([' ', ':']).to_owned()));
    let new: Option<[String; 2]> = all().find_map(|l| {
        l.strip_prefix("New, ")?.split(", Cipher is ").map(str::to_owned).collect::<Vec<_>>().try_into().ok()
    });
    if let Some([version, cipher]) = new {
        out.set("protocol", protocol.unwrap_or(version));
        out.set("cipher", cipher);
    }
    let Some((_, leaf)) = certificates.first().and_then(|der| X509Certificate::from_der(der).ok()) else { return };
    out.set("subject", printable(&leaf.subject().to_string()));
    out.set("issuer", printable(&leaf.issuer().to_string()));
    out.set("not_after", printable(&leaf.validity().not_after.to_string()));
    out.set("expired", number == "10" || !leaf.validity().is_valid() && leaf.validity().not_after < ASN1Time::now());
    let names = super::certificate::names(&leaf);
    out.set("names_match", super::certificate::matches(&names, name));
    out.saw(source, format!("{}; names {}", leaf.subject(), names.join(", ")));
    out.set("names", names);
}
