//! For unit tests: the observations of the step over two files, on a host of which nothing else is known.

use super::look::Look;
use super::{OBSERVERS, STEP};
use crate::discover::{Instance, Server};
use crate::evidence::{Level, Observation};
use crate::host::{Host, Snapshot};
use crate::logs::source::LogSource;
use crate::postfix::config::Config;
use crate::postfix::main_cf::MainCf;
use crate::postfix::master_cf::MasterCf;
use crate::postfix::version::Version;

/// Postfix 3.7 with these files.
pub(crate) fn instance(main: &str, master: &str) -> Instance {
    Instance {
        name: "-".to_owned(),
        config_dir: "/etc/postfix".to_owned(),
        config: Config {
            main: MainCf::parse("/etc/postfix/main.cf", main.as_bytes()),
            master: MasterCf::parse("/etc/postfix/master.cf", master.as_bytes()),
            version: Version::parse("3.7.11"),
            ..Config::default()
        },
        postconf: None,
        postconf_complaints: Vec::new(),
        master_pid: None,
        started: None,
        config_known: true,
    }
}

/// All observations of the step `config`.
pub(crate) fn observe_config(main: &str, master: &str) -> Vec<Observation> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("main.cf"), main).unwrap();
    std::fs::write(folder.path().join("master.cf"), master).unwrap();
    let host = Snapshot::open(folder.path()).unwrap();
    observe_on(&host, main, master, 0)
}

/// The same on a given host.
pub(crate) fn observe_on(host: &dyn Host, main: &str, master: &str, allowed: Level) -> Vec<Observation> {
    let server = Server::of_logs(host, Vec::<LogSource>::new());
    let instance = instance(main, master);
    let look = Look::new(&server, &instance, allowed);
    for observe in OBSERVERS {
        observe(&look);
    }
    let seen = look.finish().observations;
    for observation in &seen {
        assert_declared(observation);
    }
    seen
}

/// An observation whose kind or field is not declared would be lost to the rules.
fn assert_declared(seen: &Observation) {
    let kind = STEP.emits.iter().find(|k| k.name == seen.kind);
    let kind = kind.unwrap_or_else(|| panic!("kind {} is not declared", seen.kind));
    for (name, value) in &seen.fields {
        let field = kind.fields.iter().find(|f| f.name == name);
        let field = field.unwrap_or_else(|| panic!("{}.{name} is not declared", seen.kind));
        assert_eq!(field.ty, value.kind(), "{}.{name}", seen.kind);
    }
}

/// Those of one kind.
pub(crate) fn only<'o>(seen: &'o [Observation], kind: &str) -> Vec<&'o Observation> {
    seen.iter().filter(|o| o.kind == kind).collect()
}
