//! The step `databases`: does each database behind a lookup table answer, and if not, what does it say?

use super::config::{flag, int, text};
use super::{Context, Outcome, StepKind};
use crate::discover::Instance;
use crate::evidence::{CONTACT_OTHERS, Evidence, Kind, NotChecked, Observation, PROBE_HOST};
use crate::host::{FileKind, Trouble};
use crate::state::access::{self, Access, Want};
use crate::state::address::{Address, parse};
use crate::state::databases::{self, Answer, Settings, Table};
use crate::state::programs;

/// The step.
pub const STEP: StepKind = StepKind {
    name: "databases",
    level: PROBE_HOST,
    doc: "asks each mysql:, pgsql:, ldap: and sqlite: table for a key that is not there, as Postfix would",
    touches: &[
        "the files of these tables; the SQLite databases (owner and mode)",
        "postmap -q postdoctor-test@DOMAIN TYPE:FILE (on other hosts at level 2)",
    ],
    run,
    emits: &[Kind {
        name: "database-fails",
        doc: "a lookup in a table that asks a database gives an error or no answer",
        fields: &[
            text("type", "`mysql`, `pgsql`, `ldap`, `sqlite`"),
            text("table", "the table"),
            text("tables", "all tables that fail for the same reason on the same server"),
            text("cf", "the file of the table, or main.cf"),
            text("parameter", "the parameter that names the table"),
            text("file", "where that is set"),
            int("line", "line there"),
            text("why", "what it comes down to: see the causes of the rule"),
            text("object", "the account, table, column, database or search base that the complaint names"),
            text("error", "the words of the client"),
            text("server", "its address, as the file names it"),
            text("account", "the account that Postfix uses"),
            text("database", "name of the database"),
            text("path", "SQLite: the database file"),
            text("owner", "SQLite: owner, group and mode"),
            text("user", "mail_owner"),
            text("setting", "the line of the file that decides it (never a password)"),
            int("setting_line", "its number"),
            text("program", "the server program"),
            text("mysql_client", "the command that talks to it as administrator; absent for other types"),
            text("pgsql_client", "the same"),
            text("sqlite_client", "the same"),
            text("unit", "the unit of the server"),
            flag("local", "the server is on this host"),
            flag("running", "a process of that program runs on this host"),
        ],
    }],
};

fn run(ctx: &Context<'_>) -> Outcome {
    let mut out = Outcome::default();
    let mut count = 0;
    for instance in ctx.server.instances.iter().filter(|i| i.config_known) {
        let tables = databases::tables(instance);
        count += tables.len();
        let mut failed: Vec<Failed> = Vec::new();
        for table in tables {
            let settings = Settings::read(ctx.server.host, &table.name);
            look(ctx, instance, &table, &settings.unwrap_or_default(), &mut failed, &mut out);
        }
        out.observations.extend(failed.into_iter().map(|f| f.finish(ctx, instance)));
    }
    if count > 0 {
        out.looked_at = Some(format!("{count} {} that ask a database", if count == 1 { "table" } else { "tables" }));
    }
    out
}

/// A table that failed, and those that share its fate.
struct Failed {
    table: Table,
    settings: Settings,
    /// server, account and database: what it has in common with others
    common: [String; 4],
    of_server: bool,
    why: String,
    object: String,
    error: String,
    asked: String,
    others: Vec<String>,
    evidence: Vec<Evidence>,
}

fn look(
    ctx: &Context<'_>,
    instance: &Instance,
    table: &Table,
    settings: &Settings,
    failed: &mut Vec<Failed>,
    out: &mut Outcome,
) {
    let host = ctx.server.host;
    let common = [
        table.kind.clone(),
        settings.servers(&table.kind).join(" "),
        settings.text(&["user", "bind_dn", "dbpath"]).to_owned(),
        settings.text(&["dbname", "search_base"]).to_owned(),
    ];
    if let Some(known) = failed.iter_mut().find(|f| f.of_server && f.common == common) {
        known.others.push(table.spelled());
        return;
    }
    let mut new = |why: &str, object: String, error: String, asked: String, of_server, evidence| {
        failed.push(Failed {
            table: table.clone(),
            settings: settings.clone(),
            common: common.clone(),
            of_server,
            why: why.to_owned(),
            object,
            error,
            asked,
            others: Vec::new(),
            evidence,
        });
    };
    if table.kind == "sqlite"
        && let Some((why, evidence)) = file(ctx, instance, settings.text(&["dbpath"]))
    {
        return new(why, String::new(), String::new(), String::new(), true, evidence);
    }
    if ctx.allowed < CONTACT_OTHERS && !here(settings, &table.kind) {
        return;
    }
    let question = databases::question(instance, table, Some(settings));
    match databases::ask(host, &question) {
        Answer::Works | Answer::Unknown(Trouble::Missing | Trouble::NotCollected) => {}
        Answer::Failed(error, meaning) => {
            let of_server = meaning.as_ref().is_some_and(crate::postfix::database_words::Meaning::of_server);
            // A table whose file or type is the trouble is told by the step `config`.
            if meaning.is_none() && (error.contains("unsupported dictionary") || error.contains("open ")) {
                return;
            }
            let (why, object) = meaning.map_or(("other", String::new()), |m| (m.why, m.object));
            new(why, object, error, question.line(), of_server, Vec::new());
        }
        Answer::Unknown(why) => out.not_checked.push(NotChecked {
            what: format!("whether {} answers", table.spelled()),
            why: why.to_string(),
            settle: Some(format!("sudo {}", question.line())),
        }),
    }
}

/// All its servers are on this host.
fn here(settings: &Settings, kind: &str) -> bool {
    settings.servers(kind).iter().all(|s| on_this_host(s))
}

fn on_this_host(address: &str) -> bool {
    match parse(address) {
        Some(Address::Inet { host, .. }) => {
            host == "localhost" || host.is_empty() || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        _ => true,
    }
}

/// A SQLite database is opened as `mail_owner`, while postmap asks it as root.
fn file(ctx: &Context<'_>, instance: &Instance, path: &str) -> Option<(&'static str, Vec<Evidence>)> {
    let host = ctx.server.host;
    if !path.starts_with('/') {
        return None;
    }
    let stat = match host.stat(path) {
        Ok(stat) => stat,
        Err(Trouble::Missing) => return Some(("file-missing", vec![Evidence::new(path, "does not exist")])),
        Err(_) => return None,
    };
    if stat.kind == FileKind::Directory {
        return Some(("file", vec![Evidence::new(path, "is a directory")]));
    }
    let who = access::who(host, &instance.config.text("mail_owner")).ok()?;
    match access::check(host, path, &who, Want::Read) {
        Access::Blocked(by) => {
            let words = host.stat(&by).map(|s| access::words(host, &s)).unwrap_or_default();
            Some(("file-closed", vec![Evidence::new(by, format!("{words} does not let {} read", who.name))]))
        }
        _ => None,
    }
}

impl Failed {
    fn finish(self, ctx: &Context<'_>, instance: &Instance) -> Observation {
        let host = ctx.server.host;
        let Failed { table, settings, .. } = self;
        let all: Vec<String> = std::iter::once(table.spelled()).chain(self.others).collect();
        let servers = settings.servers(&table.kind);
        let server = servers.first().cloned().unwrap_or_default();
        let cf =
            if table.name.starts_with('/') { table.name.clone() } else { format!("{}/main.cf", instance.config_dir) };
        let mut seen = Observation::now("database-fails")
            .of_instance(&instance.name)
            .with("type", table.kind.as_str())
            .with("table", table.spelled())
            .with("tables", all.join(", "))
            .with("cf", cf.as_str())
            .with("parameter", table.parameter.as_str())
            .with("why", self.why.as_str())
            .with("object", self.object)
            .with("error", self.error.as_str())
            .with("server", server.trim_start_matches("inet:"))
            .with("account", settings.text(&["user", "bind_dn"]))
            .with("database", settings.text(&["dbname", "search_base"]))
            .with("user", instance.config.text("mail_owner"))
            .with("local", servers.iter().all(|s| on_this_host(s)));
        if let Some((_, path)) = settings.get(&["dbpath"]) {
            seen = seen.with("path", path);
        }
        let (program, unit) = match table.kind.as_str() {
            "mysql" => (&["mariadbd", "mysqld"][..], "mariadb"),
            "pgsql" => (&["postgres"][..], "postgresql"),
            "ldap" => (&["slapd", "ns-slapd"][..], "slapd"),
            _ => (&["sqlite3"][..], ""),
        };
        // A line of a fix that names a client of another type is left out with its unknown placeholder.
        seen = match table.kind.as_str() {
            "mysql" => seen.with("mysql_client", "mariadb"),
            "pgsql" => seen.with("pgsql_client", "sudo -u postgres psql"),
            "sqlite" => seen.with("sqlite_client", "sqlite3"),
            _ => seen,
        };
        if let Some(processes) = &ctx.server.processes {
            let running = processes.iter().find(|p| program.iter().any(|name| p.name.starts_with(name)));
            seen = seen.with("running", running.is_some());
        }
        seen = seen.with("program", program[0]).with("unit", unit);
        if let Some((file, line)) = crate::steps::chroot::uses::place(instance, &table.source) {
            seen = seen.with("file", file.as_str()).with("line", line as i64);
            seen.evidence.push(Evidence::at(file, line, format!("{}: {}", table.parameter, table.spelled())));
        }
        let decides: &[&str] = match self.why.as_str() {
            "login" => &["user", "bind_dn"],
            "database" => &["dbname"],
            "base" => &["search_base"],
            "file-missing" | "file-closed" | "file" | "locked" => &["dbpath"],
            "table" | "column" | "grant" | "syntax" => &["query", "query_filter", "table", "select_field"],
            _ => &["hosts", "server_host"],
        };
        if let Some((line, value)) = settings.get(decides) {
            let name = decides.iter().find(|n| settings.get(&[n]).is_some()).copied().unwrap_or_default();
            let words = format!("{name} = {value}");
            seen = seen.with("setting", words.as_str()).with("setting_line", line as i64);
            seen.evidence.push(Evidence::at(&cf, line, words));
        }
        if let Ok(stat) = host.stat(settings.text(&["dbpath"])) {
            seen = seen.with("owner", access::words(host, &stat));
        }
        if !self.asked.is_empty() {
            seen.evidence.push(Evidence::new(self.asked, self.error));
        }
        if let Some(Address::Inet { port, .. }) = parse(&server)
            && let Ok(port) = port.parse::<u16>()
            && let Some(program) = programs::of(Some(port), None)
            && self.why == "down"
            && let Ok(all) = crate::state::listeners::tcp(host)
            && !all.iter().any(|l| l.port == port)
        {
            seen.evidence.push(Evidence::new("ss -ltn", format!("nothing listens on port {port} ({})", program.unit)));
        }
        seen.evidence.extend(self.evidence);
        seen
    }
}
