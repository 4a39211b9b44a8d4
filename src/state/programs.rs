//! Programs that mail servers put beside Postfix, where they are configured to listen, and which unit serves an
//! address that nobody listens on now.

use crate::host::{Host, Run};

/// A program that listens for Postfix.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// name of the process
    pub process: &'static str,
    /// unit name
    pub unit: &'static str,
    /// usual ports
    pub ports: &'static [u16],
    /// what its socket paths contain
    pub paths: &'static [&'static str],
    /// configuration files, or directories of them
    pub files: &'static [&'static str],
    /// the words in them that stand before an address
    pub keys: &'static [&'static str],
}

/// The usual ones.
pub const PROGRAMS: &[Program] = &[
    Program {
        process: "opendkim",
        unit: "opendkim",
        ports: &[8891, 12301, 54321],
        paths: &["opendkim"],
        files: &["/etc/opendkim.conf", "/etc/default/opendkim", "/etc/sysconfig/opendkim"],
        keys: &["Socket", "SOCKET"],
    },
    Program {
        process: "opendmarc",
        unit: "opendmarc",
        ports: &[8893, 54321],
        paths: &["opendmarc"],
        files: &["/etc/opendmarc.conf", "/etc/default/opendmarc"],
        keys: &["Socket", "SOCKET"],
    },
    Program {
        process: "rspamd",
        unit: "rspamd",
        ports: &[11332, 11333],
        paths: &["rspamd"],
        files: &["/etc/rspamd/local.d/worker-proxy.inc", "/etc/rspamd/worker-proxy.inc"],
        keys: &["bind_socket"],
    },
    Program {
        process: "postgrey",
        unit: "postgrey",
        ports: &[10023, 60000],
        paths: &["postgrey"],
        files: &["/etc/default/postgrey", "/etc/sysconfig/postgrey"],
        keys: &["--inet", "--unix"],
    },
    Program {
        process: "amavisd",
        unit: "amavis",
        ports: &[10024, 10026, 9998],
        paths: &["amavis"],
        files: &["/etc/amavis/conf.d", "/etc/amavisd/amavisd.conf"],
        keys: &["$inet_socket_port"],
    },
    Program {
        process: "clamav-milter",
        unit: "clamav-milter",
        ports: &[7357],
        paths: &["clamav-milter", "clamav/milter"],
        files: &["/etc/clamav/clamav-milter.conf", "/etc/mail/clamav-milter.conf"],
        keys: &["MilterSocket"],
    },
    Program {
        process: "spamass-milter",
        unit: "spamass-milter",
        ports: &[],
        paths: &["spamass"],
        files: &["/etc/default/spamass-milter", "/etc/sysconfig/spamass-milter"],
        keys: &["SOCKET"],
    },
    Program {
        process: "milter-greylist",
        unit: "milter-greylist",
        ports: &[],
        paths: &["milter-greylist"],
        files: &["/etc/milter-greylist/greylist.conf", "/etc/mail/greylist.conf"],
        keys: &["socket"],
    },
    Program {
        process: "dovecot",
        unit: "dovecot",
        ports: &[24, 12345, 12340],
        paths: &["dovecot", "private/auth", "/lmtp", "quota-status"],
        files: &["/etc/dovecot/dovecot.conf", "/etc/dovecot/conf.d", "/etc/dovecot/local.conf"],
        keys: &["unix_listener", "inet_listener"],
    },
    Program {
        process: "saslauthd",
        unit: "saslauthd",
        ports: &[],
        paths: &["saslauthd"],
        files: &["/etc/default/saslauthd", "/etc/sysconfig/saslauthd"],
        keys: &["-m"],
    },
    Program { process: "mysqld", unit: "mariadb", ports: &[3306], paths: &["mysqld", "mysql"], files: &[], keys: &[] },
    Program {
        process: "postgres",
        unit: "postgresql",
        ports: &[5432],
        paths: &["postgresql", ".s.PGSQL"],
        files: &[],
        keys: &[],
    },
    Program { process: "slapd", unit: "slapd", ports: &[389, 636], paths: &["ldapi", "slapd"], files: &[], keys: &[] },
    Program { process: "spamd", unit: "spamassassin", ports: &[783], paths: &["spamd"], files: &[], keys: &[] },
    Program { process: "clamsmtpd", unit: "clamsmtp", ports: &[10026], paths: &["clamsmtp"], files: &[], keys: &[] },
    Program { process: "dkimproxy", unit: "dkimproxy", ports: &[10027, 10028], paths: &[], files: &[], keys: &[] },
    Program { process: "mailman", unit: "mailman3", ports: &[8024], paths: &["mailman"], files: &[], keys: &[] },
    Program {
        process: "cyrus-master",
        unit: "cyrus-imapd",
        ports: &[2003],
        paths: &["cyrus", "lmtp"],
        files: &[],
        keys: &[],
    },
    Program {
        process: "postsrsd",
        unit: "postsrsd",
        ports: &[10001, 10002],
        paths: &["postsrsd", "srs"],
        files: &["/etc/postsrsd.conf", "/etc/default/postsrsd"],
        keys: &["socketmap", "SRS_FORWARD_PORT", "SRS_REVERSE_PORT"],
    },
    Program {
        process: "policyd-rate-limit",
        unit: "policyd-rate-limit",
        ports: &[8552],
        paths: &["policyd-rate-limit"],
        files: &[],
        keys: &[],
    },
    Program {
        process: "mta-sts-daemon",
        unit: "postfix-mta-sts-resolver",
        ports: &[8461],
        paths: &["mta-sts"],
        files: &[],
        keys: &[],
    },
];

/// A place where a program is configured to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    /// file
    pub file: String,
    /// line
    pub line: u64,
    /// as Postfix would write it: `inet:127.0.0.1:8891`, `unix:/run/x.sock`
    pub address: String,
}

/// The program that usually serves this port or path.
pub fn of(port: Option<u16>, path: Option<&str>) -> Option<&'static Program> {
    let by_path = path.and_then(|path| PROGRAMS.iter().find(|p| p.paths.iter().any(|part| path.contains(part))));
    by_path.or_else(|| port.and_then(|port| PROGRAMS.iter().find(|p| p.ports.contains(&port))))
}

/// Where its files say that it listens.
pub fn configured(host: &dyn Host, program: &Program) -> Vec<Configured> {
    let mut found = Vec::new();
    for path in program.files {
        let files = match host.list(path) {
            Ok(names) => names.iter().map(|n| format!("{path}/{n}")).collect(),
            Err(_) => vec![(*path).to_owned()],
        };
        for file in files {
            if let Ok(bytes) = host.read(&file, 256 << 10) {
                found.extend(addresses(&file, &String::from_utf8_lossy(&bytes), program.keys));
            }
        }
    }
    found
}

fn addresses(file: &str, text: &str, keys: &[&str]) -> Vec<Configured> {
    text.lines()
        .zip(1..)
        .filter_map(|(line, number)| {
            let line = line.trim();
            if line.starts_with(['#', ';']) {
                return None;
            }
            let rest = keys.iter().find_map(|key| after(line, key))?;
            address(rest).map(|address| Configured { file: file.to_owned(), line: number, address })
        })
        .collect()
}

fn after<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    let at = line.find(key)?;
    let before = line[..at].chars().next_back();
    let rest = &line[at + key.len()..];
    let bounded = rest.starts_with(|c: char| c.is_whitespace() || "=:\"".contains(c));
    (bounded && !before.is_some_and(char::is_alphanumeric))
        .then(|| rest.trim_start_matches([' ', '\t', '=', ':', '"', '\'']))
}

/// `inet:8891@localhost`, `local:/run/x`, `/run/x`, `127.0.0.1:11332`, `10023` in Postfix's words.
fn address(word: &str) -> Option<String> {
    let word = word.split([' ', '\t', '"', '\'', ';', '{', ',', ')']).find(|w| !w.is_empty())?;
    match super::address::parse(word)? {
        super::address::Address::Unix(path) if path.contains("$(") => None,
        super::address::Address::Unix(path) => Some(format!("unix:{path}")),
        super::address::Address::Inet { host, port, .. } => {
            let host = match host.as_str() {
                "" | "*" | "0.0.0.0" => "127.0.0.1",
                other => other,
            };
            Some(if host.contains(':') { format!("inet:[{host}]:{port}") } else { format!("inet:{host}:{port}") })
        }
    }
}

/// The unit whose command line names this port or socket, by its file under /etc/systemd/system.
pub fn unit_naming(host: &dyn Host, wanted: &[String]) -> Option<String> {
    let directory = "/etc/systemd/system";
    let names = host.list(directory).ok()?;
    names.into_iter().filter(|n| n.strip_suffix(".service").is_some()).take(300).find(|name| {
        host.read(&format!("{directory}/{name}"), 64 << 10).is_ok_and(|bytes| {
            String::from_utf8_lossy(&bytes)
                .lines()
                .filter(|l| l.starts_with("Exec") || l.starts_with("ListenStream") || l.starts_with("Environment"))
                .any(|l| l.split([' ', '=', ',', '"']).any(|word| wanted.iter().any(|w| word == w || ends_in(word, w))))
        })
    })
}

/// `127.0.0.1:10023` names port `10023`, `unix:/run/x` names `/run/x`; `110023` does not name `10023`.
fn ends_in(word: &str, wanted: &str) -> bool {
    word.strip_suffix(wanted).is_some_and(|before| before.ends_with([':', '@', '=']))
}

/// Whether the program file or its unit is installed.
pub fn installed(host: &dyn Host, program: &Program) -> Option<bool> {
    let places = [
        "/usr/sbin",
        "/usr/bin",
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    ];
    let mut unknown = false;
    for place in places {
        let name = if place.ends_with("system") {
            format!("{place}/{}.service", program.unit)
        } else {
            format!("{place}/{}", program.process)
        };
        match host.stat(&name) {
            Ok(_) => return Some(true),
            Err(crate::host::Trouble::Missing) => {}
            Err(_) => unknown = true,
        }
    }
    (!unknown).then_some(false)
}

/// Addresses of a host name by the host's own name service, `localhost` and numbers without asking.
pub fn addresses_of(host: &dyn Host, name: &str) -> Option<Vec<std::net::IpAddr>> {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    if let Ok(ip) = name.parse() {
        return Some(vec![ip]);
    }
    let ran = host.run(&Run::new("getent", &["ahosts", "--", name]).limit(std::time::Duration::from_secs(5)));
    match ran {
        Ok(ran) => {
            let mut all: Vec<IpAddr> = Vec::new();
            for line in ran.out().lines() {
                let word = line.split_whitespace().next().unwrap_or_default();
                if let Ok(ip) = word.split('%').next().unwrap_or_default().parse()
                    && !all.contains(&ip)
                {
                    all.push(ip);
                }
            }
            Some(all)
        }
        Err(_) if name == "localhost" || name.is_empty() => {
            Some(vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)])
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, program: &str) -> Vec<String> {
        let p = PROGRAMS.iter().find(|p| p.process == program).unwrap();
        addresses("f", text, p.keys).into_iter().map(|c| c.address).collect()
    }

    #[test]
    fn reads_where_programs_listen() {
        assert_eq!(
            found("#Socket inet:1@localhost\nSocket\t\t\tinet:8891@localhost\n", "opendkim"),
            ["inet:localhost:8891"]
        );
        assert_eq!(found("SOCKET=\"local:/run/x/x.sock\"\n", "opendkim"), ["unix:/run/x/x.sock"]);
        assert_eq!(found("POSTGREY_OPTS=\"--inet=10023 --delay=60\"\n", "postgrey"), ["inet:127.0.0.1:10023"]);
        assert_eq!(found("bind_socket = \"localhost:11332\";\n", "rspamd"), ["inet:localhost:11332"]);
        assert_eq!(
            found("  unix_listener /var/spool/postfix/private/auth {\n", "dovecot"),
            ["unix:/var/spool/postfix/private/auth"]
        );
        assert!(found("SOCKET=local:$(RUNDIR)/opendkim.sock\n", "opendkim").is_empty());
    }

    #[test]
    fn knows_programs_by_path_before_port() {
        assert_eq!(of(Some(8891), None).unwrap().process, "opendkim");
        assert_eq!(of(None, Some("private/auth")).unwrap().process, "dovecot");
        assert!(of(Some(1), Some("/x")).is_none());
    }

    #[test]
    fn a_port_is_a_whole_word() {
        assert!(ends_in("127.0.0.1:10023", "10023") && ends_in("--inet=10023", "10023"));
        assert!(!ends_in("110023", "10023"));
    }
}
