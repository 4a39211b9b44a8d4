//! Names that Postfix does not have, names that are set twice, and lines that are not read as they were meant.

use super::look::{Look, Place, entry};
use crate::evidence::{Evidence, Observation};
use crate::postfix::master_cf::Service;
use crate::postfix::unused;

pub(super) fn observe(look: &Look<'_>) {
    unknown(look);
    twice_in_main(look);
    twice_in_master(look);
    main_syntax(look);
    master_syntax(look);
}

/// What a parameter is about, in the words of the rules: which symptoms it can account for.
pub(super) fn area_of(name: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|w| name.contains(w));
    if has(&["sasl"]) {
        "sasl"
    } else if has(&["_tls_", "tls_"]) || name.starts_with("tls") {
        "tls"
    } else if has(&["milter", "content_filter", "header_checks", "body_checks", "mime_", "policy", "receive_override"])
    {
        "filters"
    } else if has(&["mydestination", "virtual", "alias", "recipient_maps", "mailbox", "local_", "luser", "canonical"]) {
        "recipients"
    } else if has(&[
        "relay",
        "transport",
        "mynetworks",
        "fallback",
        "restrictions",
        "smtpd_client",
        "mydomain",
        "myorigin",
    ]) {
        "relay"
    } else if has(&["inet_", "interfaces", "bind_address", "myhostname", "dns", "helo_name", "proxy_"]) {
        "network"
    } else if has(&["_maps", "_map", "database", "_checks"]) {
        "tables"
    } else if has(&["limit", "timeout", "backoff", "lifetime", "_time", "_delay", "concurrency", "rate"]) {
        "limits"
    } else {
        "other"
    }
}

/// The line of an `-o` or of a setting.
fn line_of(look: &Look<'_>, service: Option<usize>, line: u64, name: &str, value: &str) -> Place {
    let service = service.and_then(|index| look.config.master.services.get(index));
    match service {
        Some(service) => Place {
            file: look.config.master.file.clone(),
            line: Some(line),
            entry: entry(service),
            service: service.name.clone(),
            text: format!("-o {name}={value}"),
        },
        None => Place {
            file: look.config.main.file.clone(),
            line: Some(line),
            text: format!("{name} = {value}"),
            ..Place::default()
        },
    }
}

fn unknown(look: &Look<'_>) {
    for found in unused::unused_parameters(look.config) {
        // What Postfix itself says counts more than our table: `unused parameter: NAME=VALUE`.
        let wanted = format!("unused parameter: {}=", found.name);
        let complaint = look.instance.postconf_complaints.iter().find(|c| c.contains(&wanted));
        let place = line_of(look, found.service, found.line, &found.name, &found.value);
        let nearest = found.did_you_mean.as_deref().unwrap_or_default();
        let other_release = found.other_release.map_or_else(String::new, |parameter| match parameter.until {
            Some(until) => format!("up to {}.{}", until.major, until.minor),
            None => format!("{}.{} and later", parameter.since.major, parameter.since.minor),
        });
        let mut seen = place.mark(
            Observation::now("parameter-unknown")
                .with("name", found.name.as_str())
                .with("value", found.value.as_str())
                .with("nearest", nearest)
                .with("other_release", other_release)
                .with("area", area_of(if nearest.is_empty() { &found.name } else { nearest })),
        );
        if let Some(complaint) = complaint {
            seen = seen.seen(Evidence::new("postconf", complaint));
        }
        look.emit(seen);
    }
    for found in unused::undefined_names(look.config) {
        let value = found
            .service
            .and_then(|i| look.config.master.services.get(i))
            .and_then(|s| s.override_of(&found.used_in).map(|o| o.value.clone()))
            .or_else(|| look.config.main.get(&found.used_in).map(|s| s.value.clone()))
            .unwrap_or_default();
        let place = line_of(look, found.service, found.line, &found.used_in, &value);
        look.emit(
            place.mark(
                Observation::now("name-undefined")
                    .with("name", found.name.as_str())
                    .with("parameter", found.used_in.as_str())
                    .with("nearest", found.did_you_mean.as_deref().unwrap_or_default())
                    .with("area", area_of(&found.used_in)),
            ),
        );
    }
}

fn twice_in_main(look: &Look<'_>) {
    let settings = &look.config.main.settings;
    for (index, first) in settings.iter().enumerate() {
        // Compare with the one in force, and report each lost setting once.
        let Some(last) = settings[index + 1..].iter().rev().find(|s| s.name == first.name) else { continue };
        report_twice(look, &first.name, (&first.value, first.line), (&last.value, last.line), None);
    }
}

fn twice_in_master(look: &Look<'_>) {
    for service in &look.config.master.services {
        for (index, first) in service.overrides.iter().enumerate() {
            let Some(last) = service.overrides[index + 1..].iter().rev().find(|o| o.name == first.name) else {
                continue;
            };
            report_twice(look, &first.name, (&first.value, first.line), (&last.value, last.line), Some(service));
        }
    }
}

fn report_twice(look: &Look<'_>, name: &str, first: (&str, u64), then: (&str, u64), service: Option<&Service>) {
    let kept = super::look::items(then.0);
    let lost: Vec<String> = super::look::items(first.0).into_iter().filter(|i| !kept.contains(i)).collect();
    let (file, dash) = match service {
        Some(_) => (&look.config.master.file, "-o "),
        None => (&look.config.main.file, ""),
    };
    let mut seen = Observation::now("parameter-twice")
        .with("name", name)
        .with("first_value", first.0)
        .with("first_line", i64::try_from(first.1).unwrap_or(0))
        .with("last_value", then.0)
        .with("last_line", i64::try_from(then.1).unwrap_or(0))
        .with("differ", super::look::items(first.0) != kept)
        .with("lost", lost)
        .with("area", area_of(name))
        .with("file", file.as_str())
        .with("entry", service.map(entry).unwrap_or_default())
        .seen(Evidence::at(file, first.1, format!("{dash}{name} = {}", first.0)))
        .seen(Evidence::at(file, then.1, format!("{dash}{name} = {}", then.0)));
    if let Some(service) = service {
        seen = seen.of_service(&service.name);
    }
    look.emit(seen);
}

/// Problems that have an observation of their own, or that a rule on another observation covers.
const ELSEWHERE: &[&str] = &["set-twice", "set-twice-same", "missing-final-newline", "postconf-message"];

fn main_syntax(look: &Look<'_>) {
    let main = &look.config.main;
    let physical = look.lines(&main.file).ok();
    for problem in main.problems.iter().filter(|p| !ELSEWHERE.contains(&p.kind.as_str())) {
        let setting = main.settings.iter().find(|s| s.line <= problem.line && problem.line <= s.end_line);
        let content = physical
            .as_ref()
            .and_then(|l| l.get(usize::try_from(problem.line).ok()?.checked_sub(1)?).cloned())
            .or_else(|| setting.map(|s| format!("{} = {}", s.name, s.value)))
            .unwrap_or_default();
        let place =
            Place { file: main.file.clone(), line: Some(problem.line), text: content.clone(), ..Place::default() };
        match (problem.kind.as_str(), setting) {
            ("trailing-comment", Some(setting)) => {
                let wanted = setting.value.split('#').next().unwrap_or_default().trim_end();
                look.emit(
                    place.mark(
                        Observation::now("trailing-comment")
                            .with("parameter", setting.name.as_str())
                            .with("value", setting.value.as_str())
                            .with("wanted", wanted)
                            .with("area", area_of(&setting.name)),
                    ),
                );
            }
            ("quoted-value", Some(setting)) => {
                let wanted = setting.value.trim_matches(['"', '\'']);
                look.emit(
                    place.mark(
                        Observation::now("value-quoted")
                            .with("parameter", setting.name.as_str())
                            .with("value", setting.value.as_str())
                            .with("wanted", wanted)
                            .with("area", area_of(&setting.name)),
                    ),
                );
            }
            ("stray-leading-blank" | "two-settings-on-a-line", Some(setting)) => {
                let (before, value) = content.rsplit_once('=').unwrap_or((&content, ""));
                let swallowed = before.split_whitespace().next_back().unwrap_or_default();
                look.emit(
                    place.mark_main(
                        Observation::now("swallowed-setting")
                            .with("parameter", setting.name.as_str())
                            .with("swallowed", swallowed)
                            .with("swallowed_value", value.trim())
                            .with("area", area_of(swallowed)),
                    ),
                );
            }
            _ => look.emit(
                place.mark_main(
                    Observation::now("main-cf-syntax")
                        .with("problem", problem.kind.as_str())
                        .with("text", problem.text.as_str())
                        .with("content", content),
                ),
            ),
        }
    }
}

fn master_syntax(look: &Look<'_>) {
    let master = &look.config.master;
    let physical = look.lines(&master.file).ok();
    for problem in &master.problems {
        let content = physical
            .as_ref()
            .and_then(|l| l.get(usize::try_from(problem.line).ok()?.checked_sub(1)?).cloned())
            .unwrap_or_default();
        let service = master.services.iter().rev().find(|s| s.line <= problem.line).map(entry).unwrap_or_default();
        let place = Place {
            file: master.file.clone(),
            line: Some(problem.line),
            entry: service,
            text: content.clone(),
            ..Place::default()
        };
        look.emit(
            place.mark(
                Observation::now("master-cf-syntax")
                    .with("problem", problem.kind.as_str())
                    .with("text", problem.text.as_str())
                    .with("content", content.trim()),
            ),
        );
    }
}
