//! The facts that conditions and texts may name: `host.*`, `postfix.*` and `log.*`, the `service.*` and the
//! plain facts of a log line. Declared with their types, so that a misspelled one is an error when a file is
//! loaded. Whoever collects them fills in what it can; a fact that is not there is unknown.

use crate::evidence::{Field, Type};

const fn bool(name: &'static str, doc: &'static str) -> Field {
    Field { name, ty: Type::Bool, doc }
}
const fn int(name: &'static str, doc: &'static str) -> Field {
    Field { name, ty: Type::Int, doc }
}
const fn text(name: &'static str, doc: &'static str) -> Field {
    Field { name, ty: Type::Text, doc }
}

/// Facts of the host, the instance and the log, by their full names.
pub const FACTS: &[Field] = &[
    text("host.kind", "`live`, `via` (through a command prefix) or `snapshot`"),
    bool("host.posted", "all that is known is what somebody posted: some log lines, perhaps main.cf"),
    text("host.name", "host name without domain, as the host says it"),
    text("host.os", "`linux`, `freebsd`, …"),
    text("host.os_id", "ID of os-release: `debian`, `ubuntu`, `rocky`, `alpine`, …"),
    text("host.os_version", "VERSION_ID of os-release: `12`"),
    text("host.family", "`debian`, `rhel`, `suse`, `alpine`, `arch`, `freebsd`; '' for others"),
    text("host.init", "`systemd`, `openrc`, `runit`, `sysv`, `none` (a container without init)"),
    bool("host.container", "it is a container"),
    text("host.selinux", "`enforcing`, `permissive`, `disabled`"),
    text("host.apparmor", "`enabled`, `disabled`"),
    int("host.memory_mb", "memory in MiB"),
    int("host.memory_free_mb", "memory that is available, in MiB"),
    int("host.swap_free_mb", "free swap space in MiB"),
    int("host.load_percent", "load of the last five minutes per processor, in percent"),
    int("host.cpus", "processors"),
    int("host.euid", "effective user id that examines; 0: permissions hide nothing"),
    bool("host.clock_synchronized", "the clock is synchronised"),
    text("postfix.version", "`mail_version`: `3.7.11`"),
    int("postfix.release", "major * 100 + minor: 307 for 3.7, 312 for 3.12"),
    bool("postfix.running", "its master runs"),
    text("postfix.instance", "name of the instance, `-` for the default one"),
    text("postfix.config_dir", "its configuration directory"),
    text("postfix.queue_directory", "its queue directory"),
    text("postfix.data_directory", "its data directory"),
    text("postfix.daemon_directory", "where the daemon programs are"),
    text("postfix.mail_owner", "the user that owns the queue"),
    text("postfix.setgid_group", "the group of postdrop and postqueue"),
    bool("postfix.config_known", "main.cf was there to read; if not, no setting is known"),
    bool("log.any", "there is at least one log line of this Postfix"),
    int("log.lines", "lines of Postfix in the time looked at"),
    int("log.sent", "deliveries with status=sent"),
    int("log.deferred", "deliveries with status=deferred"),
    int("log.bounced", "deliveries with status=bounced or expired"),
    int("log.connects", "connects to the SMTP server"),
    int("log.unknown_connects", "of them from hosts without a verified name"),
    int("log.nexthops_failing", "recipient domains with failures and no delivery since"),
    int("log.nexthops_delivering", "recipient domains whose last delivery succeeded"),
    bool("log.last_start_known", "the log shows when this instance was last started"),
    int("log.starts", "how often it was started in the time looked at"),
    int("log.minutes_since_last_line", "minutes from the last line to now"),
];

/// Plain facts of every log trigger, beside its captures (a capture with the same name hides the fact).
pub const LOG_LINE: &[Field] = &[
    int("count", "how many lines of this group"),
    text("program", "last part of the tag: `smtpd`"),
    text("tag", "`postfix/submission/smtpd`"),
    text("queue_id", "queue id of the first line"),
    int("pid", "process id of the first line"),
    bool("after_last_start", "seen since the last start of this instance"),
    int("domain_sent", "deliveries with status=sent to the captured `domain` that the log shows"),
    bool("recovered", "a later line shows success for the same `domain`; without a `domain`, of the same kind"),
];

/// Plain facts of an observation, beside its fields.
pub const OBSERVED: &[Field] = &[int("count", "how often it was seen; 1 for a state")];

/// The master.cf entry that logged or that the observation concerns.
pub const SERVICE: &[Field] = &[
    text("service.name", "first column: `smtp`, `submission`"),
    text("service.type", "`inet`, `unix`, `fifo`, `unix-dgram`, `pass`"),
    bool("service.chroot", "it runs chrooted, by its column and the version's default"),
    text("service.command", "the program: `smtpd`"),
    int("service.line", "line in master.cf"),
    int("service.maxproc", "process limit in force; 0: none"),
];
