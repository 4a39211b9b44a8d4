//! Which files a syslog daemon writes mail to, from its configuration: syslogd and rsyslog selectors, rsyslog's
//! RainerScript where the file name is literal, syslog-ng destinations, arguments of busybox syslogd.

/// A file that gets lines of the mail facility.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// absolute path
    pub path: String,
    /// also lines of severity info: the file has all that Postfix logs
    pub all: bool,
    /// lines of other facilities too (`/var/log/messages`)
    pub mixed: bool,
}

/// Targets of syslogd or rsyslog selectors (`mail.*  -/var/log/mail.log`), and the files it includes.
pub(crate) fn selectors(text: &str) -> (Vec<Target>, Vec<String>) {
    let mut targets = Vec::new();
    let mut includes = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let (Some(first), Some(second)) = (words.next(), words.next()) else { continue };
        if first.eq_ignore_ascii_case("$IncludeConfig") || first == "include" {
            includes.push(second.trim_matches(['"', '\'']).to_owned());
            continue;
        }
        if let Some(at) = line.find("include(")
            && let Some(file) = quoted_after(&line[at..], "file")
        {
            includes.push(file);
        }
        let action = line[first.len()..].trim();
        let path = match action.strip_prefix('-').unwrap_or(action) {
            plain if plain.starts_with('/') => plain.split([' ', ';', '\t', '#']).next().unwrap_or(plain).to_owned(),
            script if script.contains("omfile") => match quoted_after(script, "file") {
                Some(path) if path.starts_with('/') => path,
                _ => continue,
            },
            _ => continue,
        };
        if let Some((all, mixed)) = wants_mail(first) {
            targets.push(Target { path, all, mixed });
        }
    }
    (targets, includes)
}

/// Whether a selector lets mail through: with all severities, with other facilities.
fn wants_mail(selector: &str) -> Option<(bool, bool)> {
    let mut result = None;
    for part in selector.split(';') {
        let Some((facilities, severity)) = part.split_once('.') else { continue };
        let names: Vec<&str> = facilities.split(',').collect();
        let star = names.contains(&"*");
        if !star && !names.contains(&"mail") {
            continue;
        }
        if severity == "none" || severity.starts_with('!') {
            result = None;
            continue;
        }
        let all = matches!(severity, "*" | "info" | "debug");
        result = Some((all, star));
    }
    result
}

fn quoted_after(text: &str, name: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = lower[from..].find(name) {
        let rest = text[from + at + name.len()..].trim_start();
        if let Some(rest) = rest.strip_prefix('=') {
            let rest = rest.trim_start();
            let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            return rest[1..].split(quote).next().map(str::to_owned);
        }
        from += at + name.len();
    }
    None
}

/// Targets of syslog-ng: destinations in a log path with a filter on the mail facility, or one that is called
/// after mail.
pub(crate) fn syslog_ng(text: &str) -> Vec<Target> {
    let code: String = text.lines().map(|l| l.split('#').next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut filters: Vec<(String, bool)> = Vec::new();
    let mut files: Vec<(String, String)> = Vec::new();
    let mut targets = Vec::new();
    for (kind, name, body) in blocks(&code) {
        match kind {
            "filter" if body.contains("facility") && body.contains("mail") && !body.contains("not") => {
                let all = !["level(", "severity("].iter().any(|l| body.contains(l)) || body.contains("info");
                filters.push((name.to_owned(), all));
            }
            "destination" => {
                if let Some(at) = body.find("file(")
                    && let Some(path) = body[at + 5..].split(['"', '\'']).nth(1)
                {
                    files.push((name.to_owned(), path.to_owned()));
                }
            }
            "log" => {
                let named = |keyword: &str| -> Vec<String> {
                    body.split(';')
                        .filter_map(|s| s.trim().strip_prefix(keyword)?.trim().strip_prefix('('))
                        .map(|s| s.trim_end_matches(')').trim().to_owned())
                        .collect()
                };
                let used = named("filter");
                let Some((_, all)) = filters.iter().find(|(f, _)| used.contains(f)) else { continue };
                for d in named("destination") {
                    if let Some((_, path)) = files.iter().find(|(n, _)| *n == d)
                        && path.starts_with('/')
                        && !path.contains('$')
                    {
                        targets.push(Target { path: path.clone(), all: *all, mixed: false });
                    }
                }
            }
            _ => {}
        }
    }
    targets
}

/// `keyword name { body };` of a syslog-ng configuration, `log { body };` included.
fn blocks(code: &str) -> Vec<(&str, &str, &str)> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(open) = rest.find('{') {
        let head = rest[..open].rsplit([';', '}']).next().unwrap_or_default().trim();
        let mut depth = 0usize;
        let close = rest[open..].char_indices().find_map(|(i, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            (depth == 0).then_some(open + i)
        });
        let Some(close) = close else { break };
        let mut words = head.split_whitespace();
        let kind = words.next().unwrap_or_default();
        found.push((kind, words.next().unwrap_or_default(), &rest[open + 1..close]));
        rest = &rest[close + 1..];
    }
    found
}

/// The file of `syslogd -O FILE` (busybox); none given: /var/log/messages.
pub(crate) fn busybox(args: &[String]) -> Target {
    let given = args.iter().enumerate().find_map(|(i, a)| match a.strip_prefix("-O") {
        Some("") => args.get(i + 1).cloned(),
        Some(path) => Some(path.to_owned()),
        None => None,
    });
    Target { path: given.unwrap_or_else(|| "/var/log/messages".to_owned()), all: true, mixed: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str, all: bool, mixed: bool) -> Target {
        Target { path: path.to_owned(), all, mixed }
    }

    #[test]
    fn rsyslog_and_syslogd() {
        let text = "# x\n$IncludeConfig /etc/rsyslog.d/*.conf\ninclude(file=\"/etc/x/*.conf\" mode=\"optional\")\n\
            *.*;auth,authpriv.none\t\t-/var/log/syslog\nmail.*\t-/var/log/mail.log\nmail.err /var/log/mail.err\n\
            *.info;mail.none;authpriv.none /var/log/messages\nmail.* @loghost\n\
            mail.* action(type=\"omfile\" file=\"/srv/mail\")\nkern.* /var/log/kern.log\n*.emerg :omusrmsg:*\n";
        let (targets, includes) = selectors(text);
        assert_eq!(
            targets,
            [
                target("/var/log/syslog", true, true),
                target("/var/log/mail.log", true, false),
                target("/var/log/mail.err", false, false),
                target("/srv/mail", true, false),
            ]
        );
        assert_eq!(includes, ["/etc/rsyslog.d/*.conf", "/etc/x/*.conf"]);
    }

    #[test]
    fn other_daemons() {
        let ng = "filter f_mail { facility(mail) and not filter(f_debug); };\nfilter f_m { facility(mail); };\n\
            destination d_mail { file(\"/var/log/mail.log\" perm(0640)); };\nlog { source(s_src); filter(f_m); destination(d_mail); };";
        assert_eq!(syslog_ng(ng), [target("/var/log/mail.log", true, false)]);
        assert_eq!(syslog_ng("}{{;log {"), []);
        assert_eq!(busybox(&["syslogd".to_owned(), "-O".to_owned(), "/tmp/x".to_owned()]).path, "/tmp/x");
        assert_eq!(busybox(&[]).path, "/var/log/messages");
    }
}
