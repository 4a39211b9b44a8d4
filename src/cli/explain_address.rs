//! `postdoctor explain-address`: where mail for an address goes, and what decides it.

use std::io::Write;

use anyhow::bail;

use super::args::{Args, Format};
use super::{exit, open};
use crate::address;
use crate::discover;
use crate::postfix::mail_address;
use crate::ui;

/// Explains each address; the status is 3 if one is none, or if there is no configuration.
pub fn run(args: &Args, addresses: &[String], sender: Option<&str>, out: &mut dyn Write) -> anyhow::Result<u8> {
    let addresses: Vec<String> = addresses.iter().map(|one| bare(one)).collect();
    let sender = sender.map(bare);
    let all = addresses.iter().map(|one| ("address", one)).chain(
        // `<>` is the sender of bounces.
        sender.iter().filter(|s| !s.is_empty()).map(|one| ("sender", one)),
    );
    let wrong: Vec<String> = all
        .filter_map(|(what, one)| {
            Some(format!("not an {what}: {}: {}", crate::evidence::printable(one), mail_address::problem(one)?))
        })
        .map(|text| text.replace("an sender", "a sender"))
        .collect();
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    let host = open::host(args)?;
    let server = discover::discover(host.as_ref(), &open::places(args));
    let known: Vec<_> = server.instances.iter().filter(|i| i.config_known).collect();
    if known.is_empty() {
        bail!("{}", without_configuration(args, &server));
    }
    let traces: Vec<_> = known
        .iter()
        .flat_map(|instance| addresses.iter().map(move |one| (*instance, one)))
        .map(|(instance, one)| address::trace(&server, instance, args.allow, one, sender.as_deref()))
        .collect();
    if args.format == Format::Json {
        serde_json::to_writer_pretty(&mut *out, &serde_json::json!({ "schema_version": 1, "addresses": traces }))?;
        writeln!(out)?;
        return Ok(exit::HEALTHY);
    }
    for trace in &traces {
        if known.len() > 1 {
            writeln!(out, "Instance {}", trace.instance)?;
        }
        address::text::write(trace, ui::width(), out)?;
    }
    Ok(exit::HEALTHY)
}

/// As people paste it: `<ada@example.com>`, `mailto:ada@example.com`.
fn bare(text: &str) -> String {
    let text = text.trim();
    let text = text.strip_prefix("mailto:").unwrap_or(text);
    let text = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text);
    text.to_owned()
}

fn without_configuration(args: &Args, server: &discover::Server<'_>) -> String {
    if server.instances.is_empty() {
        return open::nothing_found(args, server);
    }
    let rows = server.not_checked.iter().filter(|row| row.what.contains("main.cf") || row.what.contains("settings"));
    let rows: Vec<String> = rows
        .map(|row| {
            format!(
                "
  {}: {}",
                row.what, row.why
            )
        })
        .collect();
    format!("the configuration of Postfix cannot be read, so nothing can be said about addresses{}", rows.concat())
}
