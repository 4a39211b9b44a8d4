//! From what was seen to what may be wrong: a [`Sighting`] is one rule that fired, with everything that was
//! seen of it. Log groups, observations of steps and configuration facts all become sightings here.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::expr::Tri;
use super::names::{Names, World};
use super::rule::{Knowledge, Rule, Trigger};
use super::{expr, template};
use crate::evidence::{Evidence, Fields, Observation, Scope, Value};
use crate::logs::scan::{Group, LogScan};

/// A rule that fired.
#[derive(Debug, Clone)]
pub struct Sighting<'k> {
    /// the rule
    pub rule: &'k Rule,
    /// captures or fields, and the standard facts of a log trigger
    pub fields: Fields,
    /// index into the server's instances
    pub instance: Option<usize>,
    /// index into that instance's `master.services`
    pub service: Option<usize>,
    /// what it concerns
    pub scope: Scope,
    /// pids that logged it (log triggers)
    pub pids: Vec<u32>,
    /// tags under which it was logged: `postfix/submission/smtpd` (log triggers)
    pub tags: Vec<String>,
    /// what was seen
    pub evidence: Vec<Evidence>,
    /// first seen; none for a state that holds now
    pub first: Option<Timestamp>,
    /// last seen
    pub last: Option<Timestamp>,
    /// how often
    pub count: u64,
    /// place of its first line in the log; none for a state
    pub order: Option<u64>,
    /// for log triggers: seen since the last start of its instance
    pub after_last_start: bool,
}

/// All rules that fire, in the order of the rules. A condition that is unknown lets its rule fire: what was
/// not collected is no reason for silence.
pub fn sightings<'k>(
    knowledge: &'k Knowledge,
    world: &World<'_>,
    pattern_rules: &[usize],
    log: Option<&LogScan>,
    observations: &[Observation],
) -> Vec<Sighting<'k>> {
    let mut found: Vec<Sighting<'k>> = Vec::new();
    if let Some(log) = log {
        for group in log.groups.iter().filter(|g| !g.overflow) {
            let Some(rule) = pattern_rules.get(group.pattern).and_then(|&r| knowledge.rules.get(r)) else { continue };
            found.push(of_group(rule, group, world, log));
        }
    }
    for rule in &knowledge.rules {
        match &rule.trigger {
            Trigger::Observed(kind) => {
                found.extend(observations.iter().filter(|o| o.kind == *kind).map(|o| of_observation(rule, o, world)));
            }
            Trigger::Config(condition) => {
                for index in 0..world.server.instances.len() {
                    found.extend(of_config(rule, condition, index, world));
                }
            }
            Trigger::Log { .. } => {}
        }
    }
    let fires = |s: &Sighting<'_>| {
        s.rule.when.as_deref().is_none_or(|when| expr::truth(when, &Names::of(world, s, None)) != Tri::False)
    };
    found.retain(fires);
    merge(found, world)
}

fn of_group<'k>(rule: &'k Rule, group: &Group, world: &World<'_>, log: &LogScan) -> Sighting<'k> {
    let sample = group.samples.first().cloned().unwrap_or_default();
    let (instance, service) = world.service_of_tag(&sample.tag);
    let mut fields: Fields = group.captures.iter().map(|(k, v)| (k.clone(), Value::Text(v.clone()))).collect();
    fields.insert("count".into(), Value::Int(i64::try_from(group.count).unwrap_or(i64::MAX)));
    fields.insert("tag".into(), Value::Text(sample.tag.clone()));
    fields.insert("program".into(), Value::Text(sample.tag.rsplit('/').next().unwrap_or_default().to_owned()));
    fields.insert("after_last_start".into(), Value::Bool(group.after_last_start));
    if let Some(id) = &sample.queue_id {
        fields.insert("queue_id".into(), Value::Text(id.clone()));
    }
    if let Some(pid) = sample.pid {
        fields.insert("pid".into(), Value::Int(i64::from(pid)));
    }
    if let Some(domain) = group.captures.get("domain").map(|d| d.to_lowercase()) {
        let deliveries = log.deliveries.get(&domain).copied().unwrap_or_default();
        let recovered = deliveries.last_sent.zip(group.last).is_some_and(|(sent, failed)| sent > failed);
        fields.insert("recovered".into(), Value::Bool(recovered));
        fields.insert("domain_sent".into(), Value::Int(i64::try_from(deliveries.sent).unwrap_or(i64::MAX)));
    }
    let evidence = group
        .samples
        .iter()
        .enumerate()
        .map(|(n, s)| Evidence {
            line: (s.line > 0).then_some(s.line),
            first: if n == 0 { group.first } else { s.time },
            last: if n == 0 { group.last } else { s.time },
            count: if n == 0 { group.count } else { 1 },
            ..Evidence::new(s.source.clone(), &s.text)
        })
        .collect();
    Sighting {
        rule,
        fields,
        instance,
        service,
        scope: Scope {
            instance: instance.map(|i| world.server.instances[i].name.clone()),
            service: Some(sample.tag.clone()),
            pid: sample.pid,
            queue_id: sample.queue_id,
        },
        pids: group.pids.iter().map(|(pid, _)| *pid).collect(),
        tags: if group.tags.is_empty() { vec![sample.tag.clone()] } else { group.tags.clone() },
        evidence,
        first: group.first,
        last: group.last,
        count: group.count,
        order: Some(group.order),
        after_last_start: group.after_last_start,
    }
}

fn of_observation<'k>(rule: &'k Rule, seen: &Observation, world: &World<'_>) -> Sighting<'k> {
    let instance = match &seen.scope.instance {
        Some(name) => world.server.instances.iter().position(|i| i.name == *name),
        None => (world.server.instances.len() == 1).then_some(0),
    };
    let service = instance.zip(seen.scope.service.as_deref()).and_then(|(i, name)| {
        let services = &world.server.instances[i].config.master.services;
        services.iter().position(|s| name == s.name || name == format!("{}/{}", s.name, s.kind))
    });
    Sighting {
        rule,
        fields: seen.fields.clone(),
        instance,
        service,
        scope: seen.scope.clone(),
        pids: seen.scope.pid.into_iter().collect(),
        tags: Vec::new(),
        evidence: seen.evidence.clone(),
        first: seen.first,
        last: seen.last,
        count: seen.count,
        order: None,
        after_last_start: true,
    }
}

fn of_config<'k>(rule: &'k Rule, condition: &str, index: usize, world: &World<'_>) -> Option<Sighting<'k>> {
    let instance = &world.server.instances[index];
    let sighting = Sighting {
        rule,
        fields: Fields::new(),
        instance: Some(index),
        service: None,
        scope: Scope { instance: Some(instance.name.clone()), ..Scope::default() },
        pids: Vec::new(),
        tags: Vec::new(),
        evidence: Vec::new(),
        first: None,
        last: None,
        count: 1,
        order: None,
        after_last_start: true,
    };
    if !instance.config_known || expr::truth(condition, &Names::of(world, &sighting, None)) != Tri::True {
        return None;
    }
    // Against names that hold nothing every name of the condition is unknown: that lists them.
    let evidence = expr::unknown_names(condition, &Fields::new())
        .into_iter()
        .filter_map(|path| {
            let name = path.strip_prefix("main.")?;
            let file = &instance.config.main.file;
            let setting = instance.config.main.get(name)?;
            Some(Evidence::at(file.clone(), setting.line, format!("{} = {}", setting.name, setting.value)))
        })
        .collect();
    Some(Sighting { evidence, ..sighting })
}

/// Sightings of one rule that would carry the same title are one.
fn merge<'k>(found: Vec<Sighting<'k>>, world: &World<'_>) -> Vec<Sighting<'k>> {
    let mut merged: Vec<Sighting<'k>> = Vec::new();
    let mut places: BTreeMap<(String, Option<usize>, String), usize> = BTreeMap::new();
    for sighting in found {
        let title = if sighting.rule.key.is_empty() {
            template::render(&sighting.rule.title, &Names::of(world, &sighting, None)).text
        } else {
            sighting
                .rule
                .key
                .iter()
                .map(|k| sighting.fields.get(k).map(ToString::to_string).unwrap_or_default())
                .collect::<Vec<_>>()
                .join("\n")
        };
        let place = (sighting.rule.id.clone(), sighting.instance, title);
        if let Some(&at) = places.get(&place) {
            merged[at].absorb(sighting);
        } else {
            places.insert(place, merged.len());
            merged.push(sighting);
        }
    }
    merged
}

impl Sighting<'_> {
    /// Takes over what another sighting of the same thing saw.
    fn absorb(&mut self, other: Self) {
        const KEPT: usize = 6;
        self.count += other.count;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = [self.last, other.last].into_iter().flatten().max();
        self.order = [self.order, other.order].into_iter().flatten().min();
        self.after_last_start |= other.after_last_start;
        self.pids.extend(other.pids);
        self.tags.extend(other.tags);
        let room = KEPT.saturating_sub(self.evidence.len());
        self.evidence.extend(other.evidence.into_iter().take(room));
        for (name, value) in other.fields {
            self.fields.entry(name).or_insert(value);
        }
        if let Some(Value::Int(count)) = self.fields.get_mut("count") {
            *count = i64::try_from(self.count).unwrap_or(i64::MAX);
        }
    }
}
