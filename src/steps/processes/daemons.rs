//! The daemons of a running master: there, alive, of the installed version, within their limits; and what the
//! kernel did to them.

use crate::discover::{Instance, Process};
use crate::evidence::{Evidence, Observation, Value};
use crate::host::Trouble;
use crate::probes::service::of_service;
use crate::state::jail::label;
use crate::state::kernel::{self, About};
use crate::steps::{Context, Outcome};

/// Looks at all daemons of the instance.
pub(super) fn look(ctx: &Context<'_>, instance: &Instance, out: &mut Outcome) {
    let (Some(processes), Some(master)) = (&ctx.server.processes, instance.master_pid) else { return };
    let own: Vec<&Process> = processes.iter().filter(|p| p.ppid == master || p.pid == master).collect();
    always_there(ctx, instance, &own, out);
    stuck(ctx, instance, &own, out);
    replaced(ctx, instance, &own, out);
    doubled(ctx, instance, processes, master, out);
    limits(ctx, instance, &own, out);
    resources(ctx, instance, out);
}

fn minutes(ctx: &Context<'_>, instance: &Instance) -> Option<i64> {
    Some((ctx.server.host.now().ok()?.as_second() - instance.started?.as_second()) / 60)
}

fn always_there(ctx: &Context<'_>, instance: &Instance, own: &[&Process], out: &mut Outcome) {
    let seconds = ctx.server.host.now().ok().zip(instance.started).map(|(n, s)| n.as_second() - s.as_second());
    // Master wakes both up as soon as it runs.
    if seconds.is_some_and(|s| s < 3) {
        return;
    }
    for daemon in ["qmgr", "pickup"] {
        let service = instance.config.master.services.iter().find(|s| s.name == daemon);
        let programs = [daemon, if daemon == "qmgr" { "nqmgr" } else { "postdrop" }];
        // A service of another program under that name is somebody's own making.
        let command = service.map_or(daemon, |s| s.program());
        if !programs.contains(&command) || own.iter().any(|p| p.name == command) {
            continue;
        }
        // Instances for submission only have no queue manager of their own.
        if service.is_none() && own.len() <= 1 {
            continue;
        }
        let path = format!("{}/{command}", instance.config.text("daemon_directory"));
        let mut seen = Observation::now("daemon-missing")
            .of_instance(&instance.name)
            .of_service(daemon)
            .with("daemon", daemon)
            .with("in_master_cf", service.is_some())
            .with("path", path.as_str())
            .seen(Evidence::new("ps", format!("no process {command} of this master")));
        if let Some(service) = service {
            seen = seen.with("line", service.line as i64);
        }
        if let Some(minutes) = minutes(ctx, instance) {
            seen = seen.with("minutes", minutes);
        }
        match ctx.server.host.stat(&path) {
            Ok(stat) => seen = seen.with("executable", stat.mode & 0o111 != 0),
            Err(Trouble::Missing) => seen = seen.with("executable", false),
            Err(_) => {}
        }
        out.observations.push(seen);
    }
}

fn stuck(ctx: &Context<'_>, instance: &Instance, own: &[&Process], out: &mut Outcome) {
    let mut told: Vec<(String, char)> = Vec::new();
    for process in own {
        let key = (process.name.clone(), process.state);
        if told.contains(&key) {
            continue;
        }
        match process.state {
            'Z' | 'D' => {
                // A process may be in either state for a moment: look again.
                std::thread::sleep(std::time::Duration::from_millis(300));
                if state_now(ctx, process.pid) != Some(process.state) {
                    continue;
                }
                let count = own.iter().filter(|p| p.name == process.name && p.state == process.state).count();
                out.observations.push(
                    Observation::now("daemon-stuck")
                        .of_instance(&instance.name)
                        .with("daemon", process.name.as_str())
                        .with("pid", i64::from(process.pid))
                        .with("state", process.state.to_string())
                        .with("count", count as i64)
                        .seen(process.evidence()),
                );
            }
            'T' | 't' => out.observations.push(
                Observation::now("daemon-stopped")
                    .of_instance(&instance.name)
                    .of_service(&process.name)
                    .with("daemon", process.name.as_str())
                    .with("pid", i64::from(process.pid))
                    .with("traced", process.state == 't')
                    .seen(process.evidence()),
            ),
            _ => continue,
        }
        told.push(key);
    }
}

fn state_now(ctx: &Context<'_>, pid: u32) -> Option<char> {
    let bytes = ctx.server.host.read(&format!("/proc/{pid}/stat"), 4096).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.rsplit_once(')')?.1.trim_start().chars().next()
}

fn replaced(ctx: &Context<'_>, instance: &Instance, own: &[&Process], out: &mut Outcome) {
    let gone: Vec<&&Process> = own
        .iter()
        .filter(|p| ctx.server.host.read_link(&format!("/proc/{}/exe", p.pid)).is_ok_and(|t| t.ends_with(" (deleted)")))
        .collect();
    if gone.is_empty() {
        return;
    }
    let mut names: Vec<String> = gone.iter().map(|p| p.name.clone()).collect();
    names.sort();
    names.dedup();
    let mut seen = Observation::now("program-replaced")
        .of_instance(&instance.name)
        .with("master", gone.iter().any(|p| Some(p.pid) == instance.master_pid))
        .with("count", gone.len() as i64)
        .with("daemons", names);
    for process in gone.iter().take(3) {
        seen = seen.seen(Evidence::new(format!("/proc/{}/exe", process.pid), format!("{} (deleted)", process.name)));
    }
    out.observations.push(seen);
}

fn doubled(ctx: &Context<'_>, instance: &Instance, all: &[Process], master: u32, out: &mut Outcome) {
    let host = ctx.server.host;
    let link = |pid: u32, what: &str| host.read_link(&format!("/proc/{pid}/{what}")).ok();
    // The same working directory in another mount namespace is a container's own queue.
    let (Some(queue), Some(space)) = (link(master, "cwd"), link(master, "ns/mnt")) else { return };
    let same: Vec<&Process> = all
        .iter()
        .filter(|p| p.name == "master" && p.state != 'Z')
        .filter(|p| link(p.pid, "cwd").as_ref() == Some(&queue) && link(p.pid, "ns/mnt").as_ref() == Some(&space))
        .collect();
    if same.len() > 1 {
        let mut seen = Observation::now("master-doubled")
            .of_instance(&instance.name)
            .with("queue", queue)
            .with("pids", same.iter().map(|p| p.pid.to_string()).collect::<Vec<_>>());
        for process in same {
            seen = seen.seen(process.evidence());
        }
        out.observations.push(seen);
    }
}

/// Whether an inet service has as many processes as it may, and whether it was told of stress.
fn limits(ctx: &Context<'_>, instance: &Instance, own: &[&Process], out: &mut Outcome) {
    let default = instance.config.text("default_process_limit").parse::<i64>().unwrap_or(100);
    for service in &instance.config.master.services {
        let mine: Vec<&&Process> = own
            .iter()
            .filter(|p| {
                p.name == service.program() && p.args.iter().any(|a| a == "-n") && of_service(&p.args, &service.name)
            })
            .collect();
        let stressed = mine.iter().filter(|p| p.args.iter().any(|a| a == "stress=yes")).count();
        if stressed > 0 {
            out.observations.push(
                Observation::now("stress")
                    .of_instance(&instance.name)
                    .of_service(&service.name)
                    .with("service", label(service))
                    .with("count", stressed as i64)
                    .seen(mine[0].evidence()),
            );
        }
        // A limit of one is how master.cf makes a service work alone.
        let limit = if service.maxproc == "-" { default } else { service.maxproc.parse().unwrap_or(0) };
        let busy = service.kind == "inet" && service.program() == "smtpd" && limit > 0 && mine.len() as i64 >= limit;
        if !busy {
            continue;
        }
        let mut seen = Observation::now("processes-at-limit")
            .of_instance(&instance.name)
            .of_service(&service.name)
            .with("service", label(service))
            .with("command", service.command.as_str())
            .with("line", service.line as i64)
            .with("running", mine.len() as i64)
            .with("limit", limit)
            .with("by_default", service.maxproc == "-")
            .with("default_limit", default)
            .seen(Evidence::new("ps", format!("{} processes {} -n {}", mine.len(), service.command, service.name)));
        if let Some(port) = crate::state::address::port_number(service.name.rsplit(':').next().unwrap_or_default())
            && let Some(count) = connections(ctx, port)
        {
            seen = seen
                .with("connections", count)
                .seen(Evidence::new("ss -tn", format!("{count} connections at port {port}")));
        }
        out.observations.push(seen);
    }
}

/// Established connections to a port of this host.
fn connections(ctx: &Context<'_>, port: u16) -> Option<i64> {
    let filter = format!("sport = :{port}");
    let ran = ctx.server.host.run(&crate::host::Run::new("ss", &["-Htn", "state", "established", &filter])).ok()?;
    ran.ok().then(|| ran.out().lines().count() as i64)
}

fn resources(ctx: &Context<'_>, instance: &Instance, out: &mut Outcome) {
    let Some(kind) = crate::probes::kind("limits") else { return };
    let context = crate::probes::Context {
        server: ctx.server,
        instance: Some(instance),
        service: None,
        allowed: ctx.allowed,
        log: ctx.log,
    };
    for program in ["master", "qmgr", "smtpd"] {
        let found = (kind.run)(&context, &crate::probes::Args::from([("program".to_owned(), program.to_owned())]));
        let int = |name: &str| match found.fields.get(name) {
            Some(Value::Int(n)) => Some(*n),
            _ => None,
        };
        let mut near = |limit: &str, used: Option<i64>, maximum: Option<i64>| {
            if let (Some(used), Some(maximum)) = (used, maximum)
                && maximum > 0
                && used.saturating_mul(10) >= maximum.saturating_mul(9)
            {
                let mut seen = Observation::now("limit-near")
                    .of_instance(&instance.name)
                    .with("limit", limit)
                    .with("program", program)
                    .with("used", used)
                    .with("maximum", maximum)
                    .seen(Evidence::new(
                        format!("/proc, limits of {program}"),
                        format!("{limit}: {used} of {maximum}"),
                    ));
                if let Some(killed) = int("cgroup_oom_kills") {
                    seen = seen.with("killed", killed);
                }
                out.observations.push(seen);
            }
        };
        near("open files", int("fd_used"), int("fd_limit"));
        if program == "master" {
            near("processes of the control group", int("cgroup_pids"), int("cgroup_pids_max"));
            near("open files of the system", int("system_fd_used"), int("system_fd_limit"));
        }
    }
}

/// What the kernel said about programs of Postfix.
pub(super) fn kernel(ctx: &Context<'_>, out: &mut Outcome) {
    let (lines, source) = match kernel::lines(ctx.server.host) {
        Ok(found) => found,
        Err(why @ Trouble::Denied) => {
            out.not_checked.push(crate::evidence::NotChecked {
                what: "kernel messages".to_owned(),
                why: why.to_string(),
                settle: Some("sudo dmesg -T".to_owned()),
            });
            return;
        }
        Err(_) => return,
    };
    let programs: Vec<String> = ctx
        .server
        .instances
        .iter()
        .flat_map(|i| &i.config.master.services)
        .map(|s| s.program().to_owned())
        .chain(["master", "postdrop", "sendmail", "postqueue"].map(str::to_owned))
        .collect();
    let signalled = ctx.log.is_some_and(|log| {
        let samples = log.groups.iter().flat_map(|g| &g.samples).chain(log.unknown.iter().map(|c| &c.sample));
        samples.take(5000).any(|s| s.text.contains("killed by signal"))
    });
    let week = ctx.server.host.now().ok().map(|n| n.as_second() - 7 * 86400);
    let recent = |s: &kernel::Said| s.seconds.zip(week).is_none_or(|(at, week)| at >= week);
    let said: Vec<kernel::Said> = kernel::judge(&lines)
        .into_iter()
        .filter(|s| recent(s) && (programs.contains(&s.program) || s.about == About::Disk))
        .collect();
    let mut told: Vec<(About, String)> = Vec::new();
    for one in &said {
        let key = (one.about, one.program.clone());
        if told.contains(&key) {
            continue;
        }
        let what = match one.about {
            About::Oom => "oom",
            About::Segfault => "segfault",
            About::AppArmor => "apparmor",
            About::SeLinux => "selinux",
            About::Seccomp => "seccomp",
            About::Disk => "disk",
        };
        let count = said.iter().filter(|s| (s.about, &s.program) == (one.about, &one.program)).count();
        let mut seen = Observation::now("kernel-trouble")
            .with("what", what)
            .with("program", one.program.as_str())
            .with("text", one.text.as_str())
            .with("count", count as i64)
            .with("in_log", signalled)
            .seen(Evidence::new(source, &one.text));
        if let Some(path) = &one.denied {
            seen = seen.with("path", path.as_str());
        }
        told.push(key);
        out.observations.push(seen);
    }
}
