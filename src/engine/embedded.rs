//! The playbooks and rules that come with the program, as they stand in `playbooks/`.

use super::diagnostic::SourceFile;

macro_rules! embed {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../playbooks/", $path)))),*]
    };
}

/// Name below `playbooks/` and text of each file. Rules of equal priority are tried in this order.
pub static FILES: &[(&str, &str)] = embed![
    "debug-readme.toml",
    "rules/addresses.toml",
    "rules/bounce.toml",
    "rules/chroot.toml",
    "rules/commands.toml",
    "rules/config.toml",
    "rules/content-filter.toml",
    "rules/crash.toml",
    "rules/daemon-internals.toml",
    "rules/daemon-limits.toml",
    "rules/database-tables.toml",
    "rules/databases.toml",
    "rules/delivery.toml",
    "rules/disk.toml",
    "rules/dns-replies.toml",
    "rules/dns.toml",
    "rules/dovecot.toml",
    "rules/families.toml",
    "rules/files.toml",
    "rules/indexed-files.toml",
    "rules/install-scripts.toml",
    "rules/ldap-tables.toml",
    "rules/limits.toml",
    "rules/logging.toml",
    "rules/lookup-tables.toml",
    "rules/loops.toml",
    "rules/main-cf-values.toml",
    "rules/map-syntax.toml",
    "rules/master-cf-lines.toml",
    "rules/master-cf.toml",
    "rules/master.toml",
    "rules/milter-protocol.toml",
    "rules/milter.toml",
    "rules/network-state.toml",
    "rules/network.toml",
    "rules/noise.toml",
    "rules/outside-mail.toml",
    "rules/outside-system.toml",
    "rules/outside.toml",
    "rules/permissions.toml",
    "rules/policy.toml",
    "rules/postscreen.toml",
    "rules/process.toml",
    "rules/processes.toml",
    "rules/queue-records.toml",
    "rules/queue.toml",
    "rules/receivers-big.toml",
    "rules/receivers-gateways.toml",
    "rules/receivers.toml",
    "rules/relay-config.toml",
    "rules/relay.toml",
    "rules/resources.toml",
    "rules/sasl-client.toml",
    "rules/sasl.toml",
    "rules/silent.toml",
    "rules/smtp-clients.toml",
    "rules/smtp-sending.toml",
    "rules/smtpd-rejects.toml",
    "rules/smtpd-replies.toml",
    "rules/sockets.toml",
    "rules/system-calls.toml",
    "rules/systemd.toml",
    "rules/tables.toml",
    "rules/tls-policy.toml",
    "rules/tls-setup.toml",
    "rules/tls.toml",
];

/// The files, as the lowest layer.
pub fn files() -> Vec<SourceFile> {
    FILES.iter().map(|(name, text)| SourceFile::new(format!("playbooks/{name}"), *text, 0)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::engine::{diagnostic, load, selftest};

    #[test]
    fn every_file_of_the_directory_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
        let mut there = BTreeSet::new();
        for dir in ["", "rules/"] {
            for entry in std::fs::read_dir(root.join(dir)).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "toml") {
                    there.insert(format!("{dir}{}", path.file_name().unwrap().to_string_lossy()));
                }
            }
        }
        let embedded: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(there, embedded, "list the files of playbooks/ in src/engine/embedded.rs");
    }

    #[test]
    fn nothing_is_wrong_with_ours() {
        // As strictly as an administrator's: some checks of ours are left out at each start.
        let strict = files().into_iter().map(|file| SourceFile { layer: 1, ..file }).collect::<Vec<_>>();
        let (knowledge, diagnostics) = load::load(&strict);
        assert!(diagnostics.is_empty(), "{}", diagnostic::render_all(&diagnostics, false));
        let failures: Vec<_> = selftest::run(&knowledge).into_iter().filter(|tried| tried.failure.is_some()).collect();
        assert!(failures.is_empty(), "{failures:#?}");
    }
}
