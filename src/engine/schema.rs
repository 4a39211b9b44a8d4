//! The format of the files for editors (JSON Schema), with the whole vocabulary: what an author may name.

use serde_json::{Map, Value, json};

use super::facts;
use super::functions::FUNCTIONS;
use super::keys::{self, Key, Shape};
use super::vocabulary;
use crate::evidence::{Field, Type};

/// The JSON Schema of a file; `x-vocabulary` lists steps, observations, probes, facts and functions.
pub fn schema() -> Value {
    let mut rule = object(keys::RULE);
    rule["properties"]["cause"] = list_of(&object(keys::CAUSE));
    rule["properties"]["observed"]["enum"] = vocabulary::observations().map(|kind| kind.name).collect();
    rule["properties"]["probe"] = one_or_more(&probe());
    rule["oneOf"] = json!([{"required": ["log"]}, {"required": ["observed"]}, {"required": ["config"]}]);
    let mut step = object(keys::STEP);
    step["properties"]["kind"]["enum"] = vocabulary::step_kinds().map(|kind| kind.name).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A playbook or rule file of postdoctor",
        "type": "object",
        "properties": { "playbook": object(keys::PLAYBOOK), "step": list_of(&step), "rule": list_of(&rule) },
        "additionalProperties": false,
        "x-vocabulary": words(),
    })
}

fn object(keys: &[Key]) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn property(key: &Key) -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    let mut property = match key.shape {
        Shape::Text => text,
        Shape::Texts => one_or_more(&text),
        Shape::OneOf(words) => json!({ "enum": words }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Int(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::Tables => one_or_more(&json!({ "type": "object" })),
    };
    property["description"] = key.doc.into();
    property
}

fn probe() -> Value {
    let kinds = vocabulary::probe_kinds().map(|kind| {
        let required: Vec<&str> = kind.args.iter().filter(|(_, must)| *must).map(|(name, _)| *name).collect();
        let known = kind.args.iter().map(|(name, _)| ((*name).to_owned(), json!({})));
        let mut properties: Map<String, Value> = known.collect();
        properties.insert("kind".to_owned(), json!({ "const": kind.name, "description": kind.doc }));
        properties.insert("as".to_owned(), json!({ "type": "string" }));
        let required: Vec<&str> = ["kind", "as"].into_iter().chain(required).collect();
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    });
    json!({ "oneOf": kinds.collect::<Vec<_>>() })
}

fn list_of(item: &Value) -> Value {
    json!({ "type": "array", "items": item })
}

fn one_or_more(item: &Value) -> Value {
    json!({ "oneOf": [item, { "type": "array", "items": item }] })
}

fn words() -> Value {
    let steps = vocabulary::step_kinds().map(|kind| {
        json!({ "name": kind.name, "level": kind.level, "doc": kind.doc,
                "emits": kind.emits.iter().map(|kind| kind.name).collect::<Vec<_>>() })
    });
    let observations = vocabulary::observations()
        .map(|kind| json!({ "name": kind.name, "doc": kind.doc, "fields": fields(kind.fields) }));
    let probes = vocabulary::probe_kinds().map(|kind| {
        let args = kind.args.iter().map(|(name, must)| json!({ "name": name, "required": must }));
        json!({ "name": kind.name, "level": kind.level, "doc": kind.doc,
                "args": args.collect::<Vec<_>>(), "fields": fields(kind.fields) })
    });
    let functions = FUNCTIONS.iter().map(|function| {
        let types = |types: &&[Type]| types.iter().map(|ty| type_name(*ty)).collect::<Vec<_>>().join(" or ");
        json!({ "name": function.name, "takes": function.params.iter().map(types).collect::<Vec<_>>(),
                "gives": type_name(function.gives), "doc": function.doc })
    });
    json!({
        "steps": steps.collect::<Vec<_>>(),
        "observations": observations.collect::<Vec<_>>(),
        "probes": probes.collect::<Vec<_>>(),
        "facts": fields(facts::FACTS),
        "facts_of_log_rules": fields(facts::LOG_LINE),
        "facts_of_observations": fields(facts::OBSERVED),
        "facts_of_services": fields(facts::SERVICE),
        "functions": functions.collect::<Vec<_>>(),
    })
}

fn fields(fields: &[Field]) -> Vec<Value> {
    fields.iter().map(|field| json!({ "name": field.name, "type": type_name(field.ty), "doc": field.doc })).collect()
}

/// A type as it is called in lists.
pub fn type_name(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::Int => "int",
        Type::Text => "text",
        Type::List => "list",
    }
}
