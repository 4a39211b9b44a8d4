//! The chroot jail of an instance, and how a daemon in it sees a path.

use crate::discover::Instance;
use crate::postfix::master_cf::Service;

/// The queue directory of an instance, with its chrooted services.
pub struct Jail<'a> {
    /// queue_directory without a trailing slash
    pub root: String,
    /// services that run chrooted, in file order
    pub services: Vec<&'a Service>,
}

/// What the configuration says.
pub fn of(instance: &Instance) -> Jail<'_> {
    let mut root = instance.config.text("queue_directory");
    while root.len() > 1 && root.ends_with('/') {
        root.pop();
    }
    if root.is_empty() {
        "/var/spool/postfix".clone_into(&mut root);
    }
    let services = instance.config.master.services.iter().filter(|s| instance.config.chrooted(s)).collect();
    Jail { root, services }
}

impl<'a> Jail<'a> {
    /// Where a path that a chrooted daemon opens lies on the host.
    pub fn inside(&self, path: &str) -> String {
        if path.starts_with('/') { format!("{}{path}", self.root) } else { format!("{}/{path}", self.root) }
    }
    /// Where the same path lies for a daemon that is not chrooted: its working directory is the queue directory.
    pub fn outside(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.root) }
    }
    /// For a path on the host that lies in the jail: as a chrooted daemon would name it, without leading slash,
    /// which works for daemons in and outside the jail.
    pub fn relative<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(self.root.as_str())?.strip_prefix('/')
    }
    /// The chrooted services that run one of these programs.
    pub fn running(&self, commands: &[&str]) -> Vec<&'a Service> {
        self.services.iter().filter(|s| commands.contains(&s.command.as_str())).copied().collect()
    }
}

/// `smtp/inet`, as `postconf -M` names it.
pub fn label(service: &Service) -> String {
    format!("{}/{}", service.name, service.kind)
}
