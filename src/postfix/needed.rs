//! Services that this configuration needs and that master.cf does not have, or has only in a comment.

use super::config::Config;
use super::master_cf::Service;

/// A service that is asked for though it is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingService {
    /// its name
    pub name: String,
    /// what needs it: a parameter or a program
    pub needed_by: String,
    /// the line of main.cf that asks for it, if one does
    pub line: Option<u64>,
    /// the line of master.cf where it stands in a comment
    pub commented_out: Option<u64>,
    /// no mail flows without it; else only some does not
    pub essential: bool,
}

/// Without these Postfix accepts, queues or bounces nothing. By the parameter that holds the name.
const ALWAYS: &[(&str, &str, bool)] = &[
    ("cleanup_service_name", "every message that enters", true),
    ("queue_service_name", "every delivery", true),
    ("rewrite_service_name", "every address", true),
    ("bounce_service_name", "non-delivery notices", true),
    ("defer_service_name", "every delivery that is put off", true),
    ("pickup_service_name", "mail from local programs", true),
    ("error_service_name", "mail that cannot be delivered", true),
    ("trace_service_name", "delivery reports", false),
    ("showq_service_name", "the mailq command", false),
];

/// Lists what is missing. Nothing is said of a configuration without any service: its master.cf was not seen.
pub fn missing_services(config: &Config) -> Vec<MissingService> {
    if config.master.services.is_empty() {
        return Vec::new();
    }
    let mut search = Search { config, found: Vec::new() };
    for (parameter, needed_by, essential) in ALWAYS {
        let name = config.text(parameter);
        search.need(&name, needed_by, None, *essential);
    }
    search.need("retry", "destinations that are put off", None, false);
    search.transports();
    search.by_feature();
    search.found
}

struct Search<'a> {
    config: &'a Config,
    found: Vec<MissingService>,
}

impl Search<'_> {
    fn need(&mut self, name: &str, needed_by: &str, line: Option<u64>, essential: bool) {
        self.need_kind(name, |s| s.kind != "inet", needed_by, line, essential);
    }

    fn need_kind(
        &mut self,
        name: &str,
        fits: impl Fn(&Service) -> bool,
        needed_by: &str,
        line: Option<u64>,
        essential: bool,
    ) {
        let master = &self.config.master;
        // A name with `$` left in it was not to be told.
        let there = name.is_empty() || name.contains('$') || master.services.iter().any(|s| s.name == name && fits(s));
        if there || self.found.iter().any(|f| f.name == name) {
            return;
        }
        let comment = master.commented_out.iter().find(|c| c.name == name && c.kind != "inet");
        self.found.push(MissingService {
            name: name.to_owned(),
            needed_by: needed_by.to_owned(),
            line,
            commented_out: comment.map(|c| c.line),
            essential,
        });
    }

    /// `transport:nexthop` values of main.cf and of the overrides.
    fn transports(&mut self) {
        let config = self.config;
        for (parameter, only_with) in [
            ("default_transport", None),
            ("local_transport", Some("mydestination")),
            ("virtual_transport", Some("virtual_mailbox_domains")),
            ("relay_transport", Some("relay_domains")),
            ("mailbox_transport", Some("mydestination")),
            ("fallback_transport", Some("mydestination")),
            ("content_filter", None),
        ] {
            if only_with.is_some_and(|list| config.text(list).is_empty()) {
                continue;
            }
            let Some(value) = config.value(parameter, None) else { continue };
            let line = config.main.get(parameter).map(|s| s.line);
            let name = transport(&value.expanded.text);
            self.need(name, parameter, line, matches!(parameter, "default_transport" | "content_filter"));
        }
        for service in &config.master.services {
            for set in service.overrides.iter().filter(|o| o.name == "content_filter") {
                let text = config.expand(&set.value, Some(service)).text;
                self.need(transport(&text), "content_filter", None, true);
            }
        }
    }

    fn by_feature(&mut self) {
        let config = self.config;
        let services = &config.master.services;
        let runs = |program: &str| services.iter().any(|s| s.program() == program);
        let line_with = |word: &str| config.main.settings.iter().find(|s| s.value.contains(word)).map(|s| s.line);
        if runs("postscreen") {
            self.need_kind("smtpd", |s| s.kind == "pass", "postscreen", None, true);
            if let Some(set) = config.main.get("postscreen_dnsbl_sites").filter(|s| !s.value.is_empty()) {
                self.need(&config.text("dnsblog_service_name"), "postscreen_dnsbl_sites", Some(set.line), true);
            }
        }
        for (parameter, program) in [("smtpd_tls_security_level", "smtpd"), ("smtp_tls_security_level", "smtp")] {
            for service in services.iter().filter(|s| s.program() == program) {
                let level = config.value(parameter, Some(service)).map(|v| v.expanded.text).unwrap_or_default();
                if !(level.is_empty() || level == "none" || level.contains('$')) {
                    let line = config.main.get(parameter).map(|s| s.line);
                    self.need(&config.text("tlsmgr_service_name"), parameter, line, false);
                }
            }
        }
        if let Some(line) = line_with("proxy:") {
            self.need(&config.text("proxymap_service_name"), "a proxy: table", Some(line), true);
        }
        if let Some(line) = line_with("reject_unverified_") {
            self.need(&config.text("address_verify_service_name"), "reject_unverified_…", Some(line), false);
        }
        if runs("smtpd") {
            self.need("anvil", "smtpd's limits per client", None, false);
        }
        if let Some(set) = config.main.get("maillog_file").filter(|s| !s.value.is_empty()) {
            self.need(&config.text("postlog_service_name"), "maillog_file", Some(set.line), true);
        }
    }
}

/// The transport in `transport:nexthop`.
fn transport(value: &str) -> &str {
    value.split_once(':').map_or(value, |(name, _)| name).trim()
}

#[cfg(test)]
mod tests {
    use super::super::main_cf::MainCf;
    use super::super::master_cf::MasterCf;
    use super::super::version::Version;
    use super::*;

    const STOCK: &str = "smtp inet n - y - - smtpd\npickup unix n - y 60 1 pickup\ncleanup unix n - y - 0 cleanup\n\
        qmgr unix n - n 300 1 qmgr\nrewrite unix - - y - - trivial-rewrite\nbounce unix - - y - 0 bounce\n\
        defer unix - - y - 0 bounce\ntrace unix - - y - 0 bounce\nsmtp unix - - y - - smtp\nshowq unix n - y - - showq\n\
        error unix - - y - - error\nretry unix - - y - - error\nlocal unix - n n - - local\nanvil unix - - y - 1 anvil\n";

    fn missing(main: &str, master: &str) -> Vec<(String, Option<u64>, Option<u64>)> {
        let config = Config {
            main: MainCf::parse("main.cf", main.as_bytes()),
            master: MasterCf::parse("master.cf", master.as_bytes()),
            version: Version::parse("3.7.11"),
            built_in: [("myhostname".to_owned(), "mail.example.com".to_owned())].into(),
        };
        missing_services(&config).into_iter().map(|m| (m.name, m.line, m.commented_out)).collect()
    }

    #[test]
    fn a_stock_configuration_lacks_nothing() {
        assert_eq!(missing("compatibility_level = 3.6\n", STOCK), []);
        assert_eq!(missing("", ""), []);
    }

    #[test]
    fn what_is_asked_for_and_not_there() {
        let main = "compatibility_level = 3.6\ncontent_filter = smtp-amavis:[127.0.0.1]:10024\n\
            virtual_mailbox_domains = proxy:mysql:/x\nvirtual_transport = lmtp:unix:private/dovecot-lmtp\n\
            maillog_file = /dev/stdout\nsmtp_tls_security_level = may\n";
        let master = STOCK.replace("cleanup", "#cleanup").replace("trace unix", "# trace unix");
        let names: Vec<_> = missing(main, &master);
        assert_eq!(names[0], ("cleanup".to_owned(), None, Some(3)));
        let names: Vec<_> = names.iter().map(|m| m.0.as_str()).collect();
        assert_eq!(names, ["cleanup", "trace", "lmtp", "smtp-amavis", "tlsmgr", "proxymap", "postlog"]);
    }
}
