//! What SASL has to work with: plug-ins, mechanisms, the password source.

use super::common::{arg, instance, mail_owner};
use super::{Args, Context, Outcome, ProbeKind, bool, int, list, text};
use crate::discover::Instance;
use crate::evidence::{Evidence, Value};
use crate::evidence::{Field, READ_ONLY};
use crate::host::{Host, Run, Trouble};
use crate::state::{access, jail};

pub(super) const KIND: ProbeKind = ProbeKind {
    name: "sasl-library",
    level: READ_ONLY,
    doc: "Looks for the Cyrus SASL plug-ins, smtpd.conf and what they point to.",
    args: &[("side", false)],
    fields: FIELDS,
    run,
};

const FIELDS: &[Field] = &[
    text("type", "smtpd_sasl_type or smtp_sasl_type: `cyrus` or `dovecot`"),
    bool("plain", "the plug-in for PLAIN is there"),
    bool("login", "the plug-in for LOGIN is there"),
    list("mechs", "mechanisms whose plug-ins are there"),
    text("plugin_dir", "directory of the plug-ins"),
    text("package", "the package that brings them on this distribution"),
    bool("supported", "Postfix was built with this type (`postconf -a`, `postconf -A`)"),
    bool("conf_exists", "the configuration for smtpd is there"),
    text("conf", "its path"),
    list("conf_elsewhere", "copies where Postfix does not look"),
    text("pwcheck_method", "pwcheck_method in it"),
    list("mech_list", "mech_list in it"),
    text("auxprop_plugin", "auxprop_plugin in it"),
    bool("chrooted", "the SMTP server that does SASL runs chrooted"),
    bool("saslauthd_running", "the saslauthd process runs"),
    text("saslauthd_socket", "the socket that smtpd would open"),
    bool("saslauthd_reachable", "that socket exists and mail_owner may pass to it"),
    text("saslauthd_mech", "its mechanism (`-a`)"),
    bool("sasldb_exists", "the password database exists where smtpd looks"),
    bool("sasldb_readable", "mail_owner may read it"),
    text("sasldb", "its path"),
    bool("sasldb_stale", "the copy in the jail differs from the one outside"),
    int("sasldb_users", "entries in it, if it could be listed"),
    bool("dovecot_socket_exists", "the socket of dovecot exists where smtpd looks"),
    text("dovecot_socket", "its path"),
    bool("dovecot_running", "dovecot runs"),
];

/// Where distributions put the plug-ins of Cyrus SASL.
const PLUGIN_DIRS: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/sasl2",
    "/usr/lib/aarch64-linux-gnu/sasl2",
    "/usr/lib/arm-linux-gnueabihf/sasl2",
    "/usr/lib/i386-linux-gnu/sasl2",
    "/usr/lib/powerpc64le-linux-gnu/sasl2",
    "/usr/lib/s390x-linux-gnu/sasl2",
    "/usr/lib/riscv64-linux-gnu/sasl2",
    "/usr/lib64/sasl2",
    "/usr/lib/sasl2",
    "/usr/local/lib/sasl2",
];
const MECHANISMS: &[(&str, &[&str])] = &[
    ("plain", &["PLAIN"]),
    ("login", &["LOGIN"]),
    ("crammd5", &["CRAM-MD5"]),
    ("digestmd5", &["DIGEST-MD5"]),
    ("scram", &["SCRAM-SHA-1", "SCRAM-SHA-256"]),
    ("ntlm", &["NTLM"]),
    ("gssapiv2", &["GSSAPI"]),
    ("anonymous", &["ANONYMOUS"]),
    ("xoauth2", &["XOAUTH2"]),
];

fn run(ctx: &Context<'_>, args: &Args) -> Outcome {
    let mut out = Outcome::default();
    let host = ctx.server.host;
    let server = arg(args, "side") != Some("client");
    let Some(instance) = instance(ctx) else { return out };
    let kind = instance.config.text(if server { "smtpd_sasl_type" } else { "smtp_sasl_type" });
    let kind = if kind.is_empty() { "cyrus".to_owned() } else { kind };
    out.set("type", kind.as_str());
    if let Ok(ran) = host.run(&Run::new("postconf", &[if server { "-a" } else { "-A" }]))
        && ran.ok()
    {
        out.set("supported", ran.out().lines().any(|l| l.trim() == kind));
    }
    plugins(host, &mut out);
    if !server {
        return out;
    }
    let service = ctx.service.and_then(|i| instance.config.master.services.get(i)).filter(|s| s.command == "smtpd");
    let smtpd: Vec<_> = match service {
        Some(service) => vec![service],
        None => instance.config.master.services.iter().filter(|s| s.command == "smtpd").collect(),
    };
    let chrooted = smtpd.iter().any(|s| instance.config.chrooted(s));
    if !smtpd.is_empty() {
        out.set("chrooted", chrooted);
    }
    if kind == "dovecot" {
        dovecot(ctx, &mut out, instance, chrooted);
    } else {
        cyrus(ctx, &mut out, instance, chrooted);
    }
    out
}

fn plugins(host: &dyn Host, out: &mut Outcome) {
    let mut found: Vec<String> = Vec::new();
    let mut directory = None;
    for place in PLUGIN_DIRS {
        match host.list(place) {
            Ok(names) => {
                let has = names.iter().any(|n| n.contains(".so"));
                if directory.is_none() || has {
                    directory = Some(*place);
                }
                found.extend(names);
            }
            Err(Trouble::Missing) => {}
            // A folder that somebody packed does not hold libraries: unknown.
            Err(_) => return,
        }
    }
    let has = |stem: &str| found.iter().any(|n| n.starts_with(&format!("lib{stem}.so")));
    out.set("plain", has("plain"));
    out.set("login", has("login"));
    let mechs: Vec<String> =
        MECHANISMS.iter().filter(|(stem, _)| has(stem)).flat_map(|(_, m)| m.iter().map(|m| (*m).to_owned())).collect();
    let directory = directory.unwrap_or(PLUGIN_DIRS[0]);
    out.saw(directory, if mechs.is_empty() { "no plug-in for any mechanism".to_owned() } else { mechs.join(" ") });
    out.set("mechs", mechs);
    out.set("plugin_dir", directory);
    let release = host.read("/etc/os-release", 16 << 10).map(|b| String::from_utf8_lossy(&b).to_ascii_lowercase());
    if let Ok(release) = release {
        let is = |word: &str| release.lines().any(|l| l.starts_with("id") && l.contains(word));
        let package = if is("debian") {
            Some("libsasl2-modules")
        } else if is("rhel") || is("fedora") || is("suse") {
            Some("cyrus-sasl-plain")
        } else if is("alpine") || is("arch") {
            Some("cyrus-sasl")
        } else {
            None
        };
        out.set_some("package", package);
    }
}

fn exists(host: &dyn Host, path: &str) -> Option<bool> {
    match host.stat(path) {
        Ok(_) => Some(true),
        Err(Trouble::Missing) => Some(false),
        Err(_) => None,
    }
}

fn running(ctx: &Context<'_>, name: &str) -> Option<bool> {
    ctx.server.processes.as_ref().map(|all| all.iter().any(|p| super::process::is(p, name)))
}

fn dovecot(ctx: &Context<'_>, out: &mut Outcome, instance: &Instance, chrooted: bool) {
    let host = ctx.server.host;
    let path = instance.config.text("smtpd_sasl_path");
    let jail = jail::of(instance);
    let path = path.strip_prefix("unix:").unwrap_or(&path);
    out.set_some("dovecot_running", running(ctx, "dovecot"));
    if path.starts_with("inet:") || path.is_empty() {
        return;
    }
    let path = if chrooted { jail.inside(path) } else { jail.outside(path) };
    out.set_some("dovecot_socket_exists", exists(host, &path));
    if exists(host, &path) == Some(false) {
        out.saw(path.as_str(), "does not exist");
    }
    out.set("dovecot_socket", path);
}

fn cyrus(ctx: &Context<'_>, out: &mut Outcome, instance: &Instance, chrooted: bool) {
    let host = ctx.server.host;
    out.set_some("saslauthd_running", running(ctx, "saslauthd"));
    let name = match instance.config.text("smtpd_sasl_path") {
        name if name.is_empty() => "smtpd".to_owned(),
        name => name,
    };
    let set = instance.config.text("cyrus_sasl_config_path");
    let mut places: Vec<String> = set.split(':').filter(|p| !p.is_empty()).map(str::to_owned).collect();
    if places.is_empty() {
        // Debian's library is told /etc/postfix/sasl before its own places.
        places = ["/etc/postfix/sasl", "/etc/sasl2", "/usr/lib/sasl2", "/usr/lib64/sasl2"].map(str::to_owned).to_vec();
        places.extend(PLUGIN_DIRS.iter().map(|p| (*p).to_owned()));
    }
    let file = |place: &String| format!("{place}/{name}.conf");
    let found = places.iter().map(file).find(|f| exists(host, f) == Some(true));
    let known = places.iter().map(file).all(|f| exists(host, &f).is_some());
    if known || found.is_some() {
        out.set("conf_exists", found.is_some());
    }
    let elsewhere: Vec<String> =
        ["/etc/postfix/sasl", "/etc/sasl2", "/usr/lib/sasl2", "/usr/lib64/sasl2", "/etc/postfix"]
            .iter()
            .map(|p| format!("{p}/smtpd.conf"))
            .filter(|f| Some(f) != found.as_ref() && exists(host, f) == Some(true))
            .collect();
    out.set("conf_elsewhere", elsewhere);
    let Some(conf) = found else {
        if known {
            out.saw(format!("{name}.conf"), format!("not in {}", places[..places.len().min(4)].join(", ")));
        }
        // Without a file the library asks auxprop, so the sasldb file.
        return sasldb(ctx, out, instance, chrooted, "/etc/sasldb2");
    };
    out.set("conf", conf.as_str());
    let Ok(bytes) = host.read(&conf, 64 << 10) else { return };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let value = |key: &str| setting(&text, key);
    for key in ["pwcheck_method", "auxprop_plugin"] {
        if let Some((line, value)) = value(key) {
            out.evidence.push(Evidence::at(&conf, line, format!("{key}: {value}")));
            out.set(if key == "pwcheck_method" { "pwcheck_method" } else { "auxprop_plugin" }, value);
        }
    }
    if let Some((_, list)) = value("mech_list") {
        out.set("mech_list", list.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    }
    let method = value("pwcheck_method").map_or_else(|| "auxprop".to_owned(), |(_, v)| v);
    if method.contains("saslauthd") {
        saslauthd(ctx, out, instance, chrooted, value("saslauthd_path").map(|(_, v)| v));
    }
    let plugin = value("auxprop_plugin").map_or_else(|| "sasldb".to_owned(), |(_, v)| v);
    if method.contains("auxprop") && plugin.contains("sasldb") {
        let path = value("sasldb_path").map_or_else(|| "/etc/sasldb2".to_owned(), |(_, v)| v);
        sasldb(ctx, out, instance, chrooted, &path);
    }
}

/// `key: value`, with its line.
fn setting(text: &str, key: &str) -> Option<(u64, String)> {
    text.lines().zip(1..).find_map(|(line, number)| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key && !line.starts_with('#')).then(|| (number, value.trim().to_owned()))
    })
}

fn saslauthd(ctx: &Context<'_>, out: &mut Outcome, instance: &Instance, chrooted: bool, path: Option<String>) {
    let host = ctx.server.host;
    let jail = jail::of(instance);
    let path = path.unwrap_or_else(|| "/var/run/saslauthd/mux".to_owned());
    let path = if path.ends_with("/mux") { path } else { format!("{path}/mux") };
    let real = if chrooted { jail.inside(&path) } else { path };
    if exists(host, &real) == Some(false) {
        out.saw(real.as_str(), "does not exist");
    }
    if let Ok(who) = access::who(host, &mail_owner(ctx)) {
        let found = access::check(host, &real, &who, access::Want::Write);
        if let access::Access::Blocked(by) = &found
            && let Ok(stat) = host.stat(by)
        {
            out.saw(by.as_str(), format!("{} does not let {} pass", access::words(host, &stat), who.name));
        }
        out.set_some("saslauthd_reachable", found.allowed());
    }
    out.set("saslauthd_socket", real);
    if let Some(processes) = &ctx.server.processes
        && let Some(process) = processes.iter().find(|p| p.name == "saslauthd")
        && let Some(at) = process.args.iter().position(|a| a == "-a")
    {
        out.set_some("saslauthd_mech", process.args.get(at + 1).cloned());
    }
}

fn sasldb(ctx: &Context<'_>, out: &mut Outcome, instance: &Instance, chrooted: bool, path: &str) {
    let host = ctx.server.host;
    let jail = jail::of(instance);
    let real = if chrooted { jail.inside(path) } else { path.to_owned() };
    out.set("sasldb", real.as_str());
    out.set_some("sasldb_exists", exists(host, &real));
    if exists(host, &real) == Some(false) {
        out.saw(real.as_str(), "does not exist");
    }
    if let Ok(who) = access::who(host, &mail_owner(ctx)) {
        let found = access::check(host, &real, &who, access::Want::Read);
        if let access::Access::Blocked(by) = &found
            && let Ok(stat) = host.stat(by)
        {
            out.saw(by.as_str(), access::words(host, &stat));
        }
        if !matches!(found, access::Access::Missing(_)) {
            out.set_some("sasldb_readable", found.allowed());
        }
    }
    if chrooted && let (Ok(a), Ok(b)) = (host.read(path, 8 << 20), host.read(&real, 8 << 20)) {
        out.set("sasldb_stale", a != b);
    }
    if exists(host, &real) == Some(true)
        && let Ok(ran) = host.run(&Run::new("sasldblistusers2", &["-f", &real]))
        && ran.ok()
    {
        // Names only, and of those only how many: users are nobody's business in a report.
        let users = ran.out().lines().filter(|l| l.contains(": userPassword")).count();
        out.set("sasldb_users", Value::Int(users as i64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_smtpd_conf() {
        let text = "# pwcheck_method: old\npwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\n";
        assert_eq!(setting(text, "pwcheck_method").unwrap(), (2, "saslauthd".into()));
        assert!(setting(text, "saslauthd_path").is_none());
    }
}
