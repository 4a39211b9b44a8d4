//! master.cf, and the output of `postconf -M`, with line numbers.
//!
//! What Postfix would refuse or misread is listed in [`MasterCf::problems`]. The kinds are stable: steps and rules
//! refer to them.
//!
//! | kind | what it means | what Postfix does |
//! |---|---|---|
//! | `too-few-fields` | an entry with less than eight columns | master stops: fatal |
//! | `lost-indent` | an option (`-o name=value`, `user=…`) at the start of a line | takes it for a service: fatal |
//! | `stray-leading-blank` | an indented line that looks like a service | takes it for arguments of the service above |
//! | `orphan-continuation` | the first text of the file is indented | ignores it with a warning |
//! | `unknown-service-type` | the second column is none of inet, unix, unix-dgram, fifo, pass | fatal |
//! | `bad-private`, `bad-unprivileged`, `bad-chroot` | a column that is none of y, n, - | fatal |
//! | `bad-wakeup`, `bad-maxproc` | a column that is no number | fatal |
//! | `inet-private` | a service of type inet that is not `n` in the private column | fatal |
//! | `missing-command` | `-` in the command column | fatal |
//! | `duplicate-service` | the same name and type again | warns, and uses the later one |
//! | `override-with-spaces` | `-o name = value` or `-o name=a, b` without braces | the value ends at the blank; the daemon refuses the rest |
//! | `override-without-equals` | `-o name` | the daemon stops: fatal |
//! | `override-missing-value` | `-o` at the end | the daemon stops: fatal |
//! | `unexpected-argument` | an argument of a daemon that takes none | the daemon stops: fatal |
//! | `trailing-comment` | `# text` after other text | takes it for arguments |
//! | `unbalanced-brace` | `{` without `}` or text after `}` | fatal |
//! | `nul-byte` | a NUL byte in the entry | ignores what follows it |
//! | `carriage-return` | DOS line ends (reported once) | harmless |
//! | `missing-final-newline` | the last line has no end | harmless until text is appended |

use super::Problem;
use super::expand::balanced;
use super::lines::{Logical, is_space, logical_lines};
use super::main_cf::{excerpt, fold, split_name_value};
use super::master_words::{COLUMNS, KINDS, Token, is_option, looks_like_argument, service_words, takes_value, tokens};

/// An `-o name=value` of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// parameter name
    pub name: String,
    /// value as `postconf -P` shows it
    pub value: String,
    /// line where it stands
    pub line: u64,
}

/// One service entry. Columns are as written, `-` included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// `smtp`, `127.0.0.1:10025`, `private/x`
    pub name: String,
    /// `inet`, `unix`, `unix-dgram`, `fifo`, `pass`
    pub kind: String,
    /// private column
    pub private: String,
    /// unprivileged column
    pub unpriv: String,
    /// chroot column
    pub chroot: String,
    /// wake-up column
    pub wakeup: String,
    /// process limit column
    pub maxproc: String,
    /// program name (`smtpd`)
    pub command: String,
    /// all arguments as Postfix takes them apart: `-oname=value` is two, and braces are taken off
    pub args: Vec<String>,
    /// the `-o` among them
    pub overrides: Vec<Override>,
    /// first line
    pub line: u64,
    /// last line
    pub end_line: u64,
}

/// A service that is switched off by a `#`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentedOut {
    /// service name
    pub name: String,
    /// service type
    pub kind: String,
    /// program name
    pub command: String,
    /// line
    pub line: u64,
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MasterCf {
    /// path, for messages
    pub file: String,
    /// in file order
    pub services: Vec<Service>,
    /// services in comments, in file order
    pub commented_out: Vec<CommentedOut>,
    /// what looked wrong, in line order
    pub problems: Vec<Problem>,
}

/// Programs that take arguments of their own after the options.
const TAKES_ARGUMENTS: &[&str] = &["pipe", "spawn"];

impl Service {
    /// The value that `-o` gives a parameter here: the last one counts.
    pub fn override_of(&self, name: &str) -> Option<&Override> {
        self.overrides.iter().rev().find(|o| o.name == name)
    }

    /// The overrides that count: of those that are given twice the last one.
    pub fn overrides_in_force(&self) -> impl Iterator<Item = &Override> {
        self.overrides
            .iter()
            .enumerate()
            .filter(|(index, o)| !self.overrides[index + 1..].iter().any(|later| later.name == o.name))
            .map(|(_, o)| o)
    }

    /// The program without its directory.
    pub fn program(&self) -> &str {
        self.command.rsplit('/').next().unwrap_or(&self.command)
    }

    /// Whether clients outside Postfix's own processes cannot reach it (`-` means yes).
    pub fn is_private(&self) -> bool {
        self.private != "n"
    }

    /// Whether it runs as `mail_owner` (`-` means yes).
    pub fn is_unprivileged(&self) -> bool {
        self.unpriv != "n"
    }

    /// Seconds between wake-ups; 0 means never (`-` means 0).
    pub fn wakeup_seconds(&self) -> u64 {
        self.wakeup.trim_end_matches('?').parse().unwrap_or(0)
    }

    /// The process limit of its own; none means `default_process_limit`, 0 means no limit.
    pub fn process_limit(&self) -> Option<u64> {
        self.maxproc.parse().ok()
    }

    /// The entry as `postconf -M` shows it, with one blank between the columns.
    pub fn postconf_line(&self) -> String {
        let columns: [&str; COLUMNS] = [
            &self.name,
            &self.kind,
            &self.private,
            &self.unpriv,
            &self.chroot,
            &self.wakeup,
            &self.maxproc,
            &self.command,
        ];
        let mut line = columns.join(" ");
        let mut options = true;
        let mut args = self.args.iter();
        while let Some(arg) = args.next() {
            let first_argument = options && !is_option(arg);
            options &= !first_argument;
            let value = (options && takes_value(arg)).then(|| args.next()).flatten();
            line.push(' ');
            // `postconf` forgets the braces of the first argument.
            if options || first_argument {
                line.push_str(arg);
            } else {
                push_word(&mut line, arg);
            }
            if let Some(value) = value {
                line.push(' ');
                push_word(&mut line, value);
            }
        }
        line
    }
}

fn push_word(line: &mut String, word: &str) {
    if word.contains([' ', '\t', '\r', '\n']) {
        line.push('{');
        line.push_str(word);
        line.push('}');
    } else {
        line.push_str(word);
    }
}

impl MasterCf {
    /// Parses the bytes of a master.cf.
    pub fn parse(file: &str, bytes: &[u8]) -> MasterCf {
        let mut cf = MasterCf { file: file.to_owned(), ..MasterCf::default() };
        for logical in logical_lines(bytes) {
            cf.entry(&logical);
        }
        cf.comments(bytes);
        cf.whole_file(bytes);
        cf.duplicates();
        cf.problems.sort_by_key(|p| p.line);
        cf
    }

    /// The service in force of that name and type: the last one.
    pub fn get(&self, name: &str, kind: &str) -> Option<&Service> {
        self.services.iter().rev().find(|s| s.name == name && s.kind == kind)
    }

    fn problem(&mut self, line: u64, kind: &str, text: String) {
        self.problems.push(Problem { line, kind: kind.to_owned(), text });
    }

    fn entry(&mut self, logical: &Logical) {
        let first = logical.first_line();
        if let Some(line) = logical.nul {
            self.problem(line, "nul-byte", "a NUL byte; Postfix ignores the text after it".to_owned());
        }
        let tokens = tokens(logical);
        let Some(first_token) = tokens.first() else { return };
        if logical.orphan {
            let text = format!("\"{}\" is indented but continues nothing", excerpt(&first_token.text));
            return self.problem(first, "orphan-continuation", text);
        }
        let known_kind = tokens.get(1).is_some_and(|t| KINDS.contains(&t.text.as_str()));
        if !known_kind && looks_like_argument(&first_token.text) {
            let text = format!(
                "\"{}\" begins in column 1, so it is no argument of the service above",
                excerpt(&first_token.text)
            );
            return self.problem(first, "lost-indent", text);
        }
        if tokens.len() < COLUMNS {
            let text = format!(
                "{} has {} columns; a service has at least {COLUMNS}",
                excerpt(&first_token.text),
                tokens.len()
            );
            return self.problem(first, "too-few-fields", text);
        }
        let mut fields = tokens.into_iter();
        let mut column = || fields.next().map(|t| t.text).unwrap_or_default();
        let mut service = Service {
            name: column(),
            kind: column(),
            private: column(),
            unpriv: column(),
            chroot: column(),
            wakeup: column(),
            maxproc: column(),
            command: column(),
            line: first,
            end_line: logical.last_line(),
            ..Service::default()
        };
        self.check_columns(&service);
        let stray = self.stray_services(logical, &service);
        let args = self.arguments(&mut service, fields.collect(), &stray);
        service.args = args;
        self.services.push(service);
    }

    fn check_columns(&mut self, service: &Service) {
        let name = excerpt(&service.name);
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let bool_column = |s: &str| matches!(s, "y" | "n" | "-");
        let mut bad = |kind: &str, column: &str, value: &str| {
            self.problems.push(Problem {
                line: service.line,
                kind: kind.to_owned(),
                text: format!("{name}: \"{}\" is no {column}", excerpt(value)),
            });
        };
        if !KINDS.contains(&service.kind.as_str()) {
            bad("unknown-service-type", "service type", &service.kind);
        }
        for (kind, column, value) in [
            ("bad-private", "value of the private column", &service.private),
            ("bad-unprivileged", "value of the unpriv column", &service.unpriv),
            ("bad-chroot", "value of the chroot column", &service.chroot),
        ] {
            if !bool_column(value) {
                bad(kind, column, value);
            }
        }
        let wakeup = service.wakeup.strip_suffix('?').unwrap_or(&service.wakeup);
        if wakeup != "-" && (wakeup.is_empty() || !digits(wakeup)) {
            bad("bad-wakeup", "wake-up time", &service.wakeup);
        }
        if service.maxproc != "-" && !digits(&service.maxproc) {
            bad("bad-maxproc", "process limit", &service.maxproc);
        }
        if service.command == "-" {
            bad("missing-command", "program name", &service.command);
        }
        if service.kind == "inet" && bool_column(&service.private) && service.is_private() {
            self.problem(
                service.line,
                "inet-private",
                format!("{name}: a service of type inet must have n in the private column"),
            );
        }
    }

    /// Brings the arguments into the form of `postconf -M`, and collects the overrides.
    fn arguments(&mut self, service: &mut Service, tokens: Vec<Token>, stray: &[u64]) -> Vec<String> {
        let mut args = Vec::new();
        let mut queue: std::collections::VecDeque<Token> = tokens.into();
        let mut after_option = false;
        let mut commented = false;
        while let Some(token) = queue.front().filter(|t| is_option(&t.text)).cloned() {
            queue.pop_front();
            // `-vo name=value` is `-v -o name=value`.
            if let Some(at) = token.text[1..].find('o').map(|at| at + 1).filter(|&at| at > 1) {
                let rest = Token { text: format!("-{}", &token.text[at..]), line: token.line };
                queue.push_front(rest);
                args.push(token.text[..at].to_owned());
                continue;
            }
            if !takes_value(&token.text) {
                args.push(token.text);
                after_option = false;
                continue;
            }
            args.push("-o".to_owned());
            after_option = true;
            let value = if token.text.len() > 2 {
                Some(Token { text: token.text[2..].to_owned(), line: token.line })
            } else {
                queue.pop_front()
            };
            let Some(value) = value else {
                self.problem(
                    token.line,
                    "override-missing-value",
                    format!("{}: -o without name=value", excerpt(&service.name)),
                );
                break;
            };
            let text = if value.text.starts_with('{') {
                let inner = self.unbrace(&value);
                split_name_value(&inner).map_or(inner.clone(), |(name, value)| format!("{name}={value}"))
            } else {
                value.text.clone()
            };
            match split_name_value(&text) {
                Ok((name, text)) => {
                    service.overrides.push(Override { name: name.to_owned(), value: fold(text), line: value.line });
                }
                Err(_) if queue.front().is_some_and(|t| t.text.starts_with('=')) => {}
                Err(_) => self.problem(
                    value.line,
                    "override-without-equals",
                    format!("{}: -o {} has no \"=\"", excerpt(&service.name), excerpt(&text)),
                ),
            }
            args.push(text);
        }
        let no_arguments = !TAKES_ARGUMENTS.contains(&service.program());
        // A stray service line was reported as such already.
        if let Some(extra) = queue.front().filter(|t| !stray.contains(&t.line)) {
            let name = excerpt(&service.name);
            let word = excerpt(&extra.text);
            let line = extra.line;
            if extra.text.starts_with('#') {
                commented = true;
                self.problem(line, "trailing-comment", format!("{name}: \"#\" after other text begins no comment"));
            } else if after_option && (no_arguments || extra.text == "=") {
                let set = args.last().map(|a| excerpt(a)).unwrap_or_default();
                self.problem(
                    line,
                    "override-with-spaces",
                    format!("{name}: the value of -o {set} ends before \"{word}\"; a value with blanks needs {{ }}"),
                );
            } else if no_arguments {
                self.problem(
                    line,
                    "unexpected-argument",
                    format!("{name}: {} takes no argument \"{word}\"", excerpt(&service.command)),
                );
            }
        }
        for token in queue {
            if token.text.starts_with('#') && !commented {
                commented = true;
                self.problem(
                    token.line,
                    "trailing-comment",
                    format!("{}: \"#\" after other text begins no comment", excerpt(&service.name)),
                );
            }
            let text = if token.text.starts_with('{') { self.unbrace(&token) } else { token.text };
            args.push(text);
        }
        args
    }

    fn unbrace(&mut self, token: &Token) -> String {
        let text = &token.text;
        let space = |c: char| u8::try_from(c).is_ok_and(is_space);
        let Some(end) = balanced(text, b'{', b'}') else {
            self.problem(token.line, "unbalanced-brace", format!("\"{}\" has no closing brace", excerpt(text)));
            return text[1..].trim_matches(space).to_owned();
        };
        if end + 1 < text.len() {
            let text = format!("text after the closing brace in \"{}\"", excerpt(text));
            self.problem(token.line, "unbalanced-brace", text);
        }
        text[1..end].trim_matches(space).to_owned()
    }

    /// An indented line that reads like a service of its own.
    fn stray_services(&mut self, logical: &Logical, above: &Service) -> Vec<u64> {
        let mut lines = Vec::new();
        for (line, part) in logical.parts().skip(1) {
            let part = String::from_utf8_lossy(part);
            if let Some(words) = service_words(&part) {
                let text = format!(
                    "{} {} is indented, so it is part of the service {}",
                    words[0],
                    words[1],
                    excerpt(&above.name)
                );
                self.problem(line, "stray-leading-blank", text);
                lines.push(line);
            }
        }
        lines
    }

    fn comments(&mut self, bytes: &[u8]) {
        for (index, raw) in bytes.split(|&b| b == b'\n').enumerate() {
            let Some(start) = raw.iter().position(|&b| !is_space(b)).filter(|&s| raw[s] == b'#') else { continue };
            let text = String::from_utf8_lossy(&raw[start..raw.len().min(start + 400)]);
            let text = text.trim_start_matches('#');
            if let Some(words) = service_words(text) {
                self.commented_out.push(CommentedOut {
                    name: words[0].to_owned(),
                    kind: words[1].to_owned(),
                    command: words[7].to_owned(),
                    line: index as u64 + 1,
                });
            }
        }
    }

    fn whole_file(&mut self, bytes: &[u8]) {
        if bytes.last().is_some_and(|&b| b != b'\n') {
            let line = memchr::memchr_iter(b'\n', bytes).count() as u64 + 1;
            self.problem(line, "missing-final-newline", "the last line has no line end".to_owned());
        }
        if let Some(at) = memchr::memmem::find(bytes, b"\r\n") {
            let line = memchr::memchr_iter(b'\n', &bytes[..at]).count() as u64 + 1;
            self.problem(line, "carriage-return", "lines end in CR LF, as DOS writes them".to_owned());
        }
    }

    fn duplicates(&mut self) {
        let mut seen = std::collections::HashMap::new();
        let mut found = Vec::new();
        for service in &self.services {
            if let Some(first) = seen.insert((&service.name, &service.kind), service.line) {
                found.push(Problem {
                    line: service.line,
                    kind: "duplicate-service".to_owned(),
                    text: format!(
                        "{} {} stands in line {first} already",
                        excerpt(&service.name),
                        excerpt(&service.kind)
                    ),
                });
            }
        }
        self.problems.extend(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(cf: &MasterCf) -> Vec<(u64, &str)> {
        cf.problems.iter().map(|p| (p.line, p.kind.as_str())).collect()
    }

    #[test]
    fn columns_overrides_and_arguments() {
        let cf = MasterCf::parse(
            "master.cf",
            b"# service type\nsmtp      inet  n       -       y       -       -       smtpd\n\
              #submission inet n - y - - smtpd\n\
              submission inet n - n - 20 smtpd -v\n  -o syslog_name=postfix/submission\n  # inside\n\
              \x20 -o { smtpd_recipient_restrictions = permit_sasl_authenticated, reject }\n\t-osmtpd_tls_wrappermode=yes\n\
              pickup unix n - y 60? 1 pickup\n\
              filter unix - n n - - pipe\n  flags=Rq user=filter null_sender= argv=/usr/local/bin/f { -a b } -f ${sender}\n",
        );
        assert!(cf.problems.is_empty(), "{:?}", cf.problems);
        assert_eq!(cf.commented_out[0].name, "submission");
        let sub = cf.get("submission", "inet").unwrap();
        assert_eq!((sub.line, sub.end_line), (4, 8));
        let overrides: Vec<_> = sub.overrides.iter().map(|o| (o.name.as_str(), o.value.as_str(), o.line)).collect();
        assert_eq!(
            overrides,
            [
                ("syslog_name", "postfix/submission", 5),
                ("smtpd_recipient_restrictions", "permit_sasl_authenticated, reject", 7),
                ("smtpd_tls_wrappermode", "yes", 8),
            ]
        );
        assert_eq!(
            sub.postconf_line(),
            "submission inet n - n - 20 smtpd -v -o syslog_name=postfix/submission \
             -o {smtpd_recipient_restrictions=permit_sasl_authenticated, reject} -o smtpd_tls_wrappermode=yes"
        );
        assert_eq!(sub.process_limit(), Some(20));
        assert_eq!(cf.get("pickup", "unix").unwrap().wakeup_seconds(), 60);
        assert_eq!(cf.get("filter", "unix").unwrap().args[4], "-a b");
    }

    #[test]
    fn what_postfix_refuses_is_reported_at_its_line() {
        let cf = MasterCf::parse(
            "master.cf",
            b"smtp inet n - y - - smtpd\n-o smtpd_tls_wrappermode=yes\n\
              submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable = yes\n\
              smtps inet n - y - - smtpd\n  -o smtpd_client_restrictions=permit_mynetworks, reject\n\
              relay unix - - y - smtp\n\
              a tcp n - y - - smtpd\nb inet y q y x? many smtpd\n\
              c unix - n n - - local # deliver\nmaildrop unix - n n - - pipe\nflags=DRhu user=vmail argv=/usr/bin/maildrop\n\
              retry unix - - y - - error\n discard unix - - y - - discard\nsmtp inet n - n - - smtpd -o { x = y\n",
        );
        assert_eq!(
            kinds(&cf),
            [
                (2, "lost-indent"),
                (4, "override-with-spaces"),
                (6, "override-with-spaces"),
                (7, "too-few-fields"),
                (8, "unknown-service-type"),
                (9, "bad-unprivileged"),
                (9, "bad-wakeup"),
                (9, "bad-maxproc"),
                (9, "inet-private"),
                (10, "trailing-comment"),
                (12, "lost-indent"),
                (14, "stray-leading-blank"),
                (15, "unbalanced-brace"),
                (15, "duplicate-service"),
            ]
            .into_iter()
            .collect::<Vec<_>>()
        );
    }

    #[test]
    fn odd_arguments() {
        let cf = MasterCf::parse("master.cf", b"a unix - - n - - smtp -vo a=b -D -- -o c=d\n");
        assert_eq!(cf.services[0].args, ["-v", "-o", "a=b", "-D", "--", "-o", "c=d"]);
        assert_eq!(cf.services[0].overrides.len(), 1);
        let cf = MasterCf::parse("master.cf", b"a unix - - n - - smtp -o\n");
        assert_eq!(kinds(&cf), [(1, "override-missing-value")]);
    }
}
