//! What a database client's complaint means: the words of MySQL, PostgreSQL, LDAP and SQLite behind a lookup table.
//!
//! Postfix passes them on unchanged. The same fault has other words in each of them, and one word may have several
//! meanings: PostgreSQL says "does not exist" of a database, a role, a table and a column.

use std::sync::LazyLock;

use regex::Regex;

/// What a complaint comes down to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// `down`, `socket`, `name`, `lost`, `silent`, `login`, `host-refused`, `database`, `connections`, `tls`, `grant`, `table`,
    /// `column`, `syntax`, `base`, `file`, `locked`
    pub why: &'static str,
    /// the account, table, column, database or search base that it names; empty: none
    pub object: String,
}

impl Meaning {
    /// Whether all tables on that server are struck, not this one alone.
    pub fn of_server(&self) -> bool {
        matches!(
            self.why,
            "down"
                | "socket"
                | "name"
                | "lost"
                | "silent"
                | "login"
                | "host-refused"
                | "database"
                | "connections"
                | "tls"
        )
    }
}

/// The first pattern that fits decides; the capture is the object.
const WORDS: &[(&str, &str)] = &[
    // PostgreSQL names the role in many of its refusals: the special ones come first.
    ("connections", "[Tt]oo many (?:connections|clients)|max_user_connections|remaining connection slots"),
    ("host-refused", "no pg_hba\\.conf entry for host \"?([^\",\\s]+)|[Hh]ost '([^']+)' is (?:not allowed|blocked)"),
    ("database", "[Uu]nknown database '([^']+)'|FATAL:\\s+database \"([^\"]+)\" does not exist"),
    (
        "grant",
        "(?:SELECT|EXECUTE) command denied to user .* for (?:table|routine|column) '?([^' ]+)|permission denied for (?:table|relation|view|schema|function|sequence) \"?([^\"\\s?]+)",
    ),
    ("database", "Access denied for user .* to database '([^']+)'|permission denied for database \"?([^\"\\s?]+)"),
    (
        "login",
        "Access denied for user '([^']*)'|authentication failed for user \"([^\"]+)\"|role \"([^\"]+)\" does not exist|no password supplied",
    ),
    ("login", "with dn (.*?): 49 \\(|Invalid credentials"),
    ("login", "with dn (.*?): (?:34|48|53) \\("),
    ("lost", "Lost connection|gone away|EOF detected|closed the connection|terminating connection|server closed"),
    ("tls", "(?:SSL|TLS)[^:]*(?:error|required|handshake)|certificate|STARTTLS|Confidentiality required"),
    ("base", "Search base '([^']*)' not found|No such object"),
    ("column", "[Uu]nknown column '([^']+)'|column \"?([^\"\\s]+)\"? does not exist|no such column: ([^\\s?]+)"),
    ("table", "Table '([^']+)' doesn.t exist|relation \"([^\"]+)\" does not exist|no such table: ([^\\s?]+)"),
    ("syntax", "error in your SQL syntax|syntax error|Bad search filter|unrecognized token|incomplete input"),
    ("name", "Unknown (?:MySQL |MariaDB )?server host '([^']+)'|could not translate host name \"([^\"]+)\""),
    ("silent", "[Tt]imed out|timeout|\\(110\\)|no answer in"),
    ("socket", "through socket '([^']+)'|on socket \"([^\"]+)\" failed"),
    (
        "down",
        "Can.t connect to|[Cc]onnection refused|could not connect|Can.t contact LDAP|is starting up|shutting down|No route|unreachable",
    ),
    ("locked", "database is locked|database table is locked|SQLITE_BUSY"),
    ("file", "unable to open database|file is not a database|[Cc]an.t open database|disk image is malformed"),
];

static PATTERNS: LazyLock<Vec<(&'static str, Regex)>> =
    LazyLock::new(|| WORDS.iter().filter_map(|(why, words)| Some((*why, Regex::new(words).ok()?))).collect());

/// What the words mean; none if nobody taught us.
pub fn meaning(text: &str) -> Option<Meaning> {
    PATTERNS.iter().find_map(|(why, words)| {
        let found = words.captures(text)?;
        let object = found.iter().skip(1).flatten().next().map_or("", |m| m.as_str());
        Some(Meaning { why, object: object.trim_matches(['"', '\'', '?']).to_owned() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_patterns_are_regexes() {
        assert_eq!(PATTERNS.len(), WORDS.len());
    }

    #[test]
    fn words_of_the_clients() {
        let said = |text: &str| meaning(text).map(|m| format!("{} {}", m.why, m.object)).unwrap_or_default();
        for (text, wanted) in [
            ("connect to mysql server 127.0.0.1: Can't connect to MySQL server on '127.0.0.1:3306' (111)", "down "),
            (
                "Can't connect to local server through socket '/run/mysqld/mysqld.sock' (2)",
                "socket /run/mysqld/mysqld.sock",
            ),
            ("Access denied for user 'mail'@'localhost' (using password: YES)", "login mail"),
            ("Access denied for user 'mail'@'localhost' to database 'mail2'", "database mail2"),
            ("Unknown database 'mial'", "database mial"),
            ("SELECT command denied to user 'mail'@'h' for table `m`.`alias`", "grant `m`.`alias`"),
            ("Table 'mail.alias' doesn't exist", "table mail.alias"),
            ("Unknown column 'path' in 'SELECT'", "column path"),
            ("Too many connections", "connections "),
            ("FATAL:  password authentication failed for user \"mail\"?", "login mail"),
            (
                "FATAL:  no pg_hba.conf entry for host \"10.0.0.5\", user \"m\", database \"m\", no encryption",
                "host-refused 10.0.0.5",
            ),
            ("FATAL:  database \"mail\" does not exist?", "database mail"),
            ("FATAL:  role \"mail\" does not exist", "login mail"),
            ("ERROR:  relation \"alias\" does not exist?LINE 1", "table alias"),
            ("ERROR:  column \"goto\" does not exist", "column goto"),
            ("ERROR:  permission denied for table alias?", "grant alias"),
            ("Unable to bind to server ldap://h with dn cn=a,dc=b: 49 (Invalid credentials)", "login cn=a,dc=b"),
            ("Unable to bind to server ldap://h with dn cn=a: -1 (Can't contact LDAP server)", "down "),
            ("Search base 'ou=x,dc=y' not found: 32: No such object", "base ou=x,dc=y"),
            ("Search error -5: Timed out ", "silent "),
            ("SQL prepare failed: no such table: aliases?", "table aliases"),
            ("Can't open database: unable to open database file?", "file "),
            ("fatal error from host h: SSL SYSCALL error: EOF detected?", "lost "),
            ("nothing that we know", ""),
        ] {
            assert_eq!(said(text), wanted, "{text}");
        }
    }
}
