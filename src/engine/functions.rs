//! The functions of conditions. Each can be written as a function, a filter, a test or a method; a call with an
//! unknown argument is unknown, and so is a call that makes no sense for its argument (`int("x")`).

use regex::RegexBuilder;

use super::expr::Names;
use crate::evidence::{Type, Value};
use crate::postfix::networks;
use crate::postfix::version::Version;

/// The one test whose answer is known for an unknown argument; it is evaluated by the expressions themselves.
pub const DEFINED: &str = "defined";

/// A function that conditions may call.
pub struct Function {
    /// its name
    pub name: &'static str,
    /// for each argument the types that it may have
    pub params: &'static [&'static [Type]],
    /// the type of what it gives
    pub gives: Type,
    /// what it does
    pub doc: &'static str,
    /// does it; arguments have the declared number and types
    pub call: fn(&[Value], &dyn Names) -> Option<Value>,
}

/// The function of that name. `startingwith` and `endingwith` are what minijinja calls them as tests.
pub fn find(name: &str) -> Option<&'static Function> {
    let name = match name {
        "startingwith" => "startswith",
        "endingwith" => "endswith",
        other => other,
    };
    FUNCTIONS.iter().find(|function| function.name == name)
}

const TEXT: &[Type] = &[Type::Text];
const LIST: &[Type] = &[Type::List];

/// All functions.
pub static FUNCTIONS: &[Function] = &[
    Function {
        name: "since",
        params: &[TEXT],
        gives: Type::Bool,
        doc: "since(\"3.6\"): the Postfix version is that or newer",
        call: |args, names| {
            let Some(Value::Text(version)) = names.get("postfix.version") else { return None };
            Some((Version::parse(&version)? >= Version::parse(text(args, 0)?)?).into())
        },
    },
    Function {
        name: "set",
        params: &[TEXT],
        gives: Type::Bool,
        doc: "set(\"relayhost\"): the parameter is set in main.cf",
        call: |args, names| names.is_set(text(args, 0)?).map(Value::Bool),
    },
    Function {
        name: DEFINED,
        params: &[&[Type::Bool, Type::Int, Type::Text, Type::List]],
        gives: Type::Bool,
        doc: "ep.unit is defined: the value is known",
        call: |_, _| Some(true.into()),
    },
    Function {
        name: "int",
        params: &[TEXT],
        gives: Type::Int,
        doc: "int(main.smtpd_timeout): the number that the text is",
        call: |args, _| text(args, 0)?.trim().parse::<i64>().ok().map(Value::Int),
    },
    Function {
        name: "seconds",
        params: &[TEXT],
        gives: Type::Int,
        doc: "seconds(\"5d\"): a Postfix time in seconds (s, m, h, d, w; without a unit: seconds)",
        call: |args, _| seconds(text(args, 0)?).map(Value::Int),
    },
    Function {
        name: "items",
        params: &[TEXT],
        gives: Type::List,
        doc: "items(main.mydestination): a list with commas or blanks; { … } groups stay together",
        call: |args, _| Some(items(text(args, 0)?).into()),
    },
    Function {
        name: "length",
        params: &[&[Type::Text, Type::List]],
        gives: Type::Int,
        doc: "characters of a text, items of a list",
        call: |args, _| match args {
            [Value::List(list)] => Some(Value::Int(list.len() as i64)),
            [Value::Text(text)] => Some(Value::Int(text.chars().count() as i64)),
            _ => None,
        },
    },
    Function {
        name: "lower",
        params: &[TEXT],
        gives: Type::Text,
        doc: "in lower case",
        call: |args, _| Some(text(args, 0)?.to_lowercase().into()),
    },
    Function {
        name: "upper",
        params: &[TEXT],
        gives: Type::Text,
        doc: "in upper case",
        call: |args, _| Some(text(args, 0)?.to_uppercase().into()),
    },
    Function {
        name: "trim",
        params: &[TEXT],
        gives: Type::Text,
        doc: "without blanks at both ends",
        call: |args, _| Some(text(args, 0)?.trim().into()),
    },
    Function {
        name: "startswith",
        params: &[TEXT, TEXT],
        gives: Type::Bool,
        doc: "why is startswith(\"Connection\")",
        call: |args, _| Some(text(args, 0)?.starts_with(text(args, 1)?).into()),
    },
    Function {
        name: "endswith",
        params: &[TEXT, TEXT],
        gives: Type::Bool,
        doc: "path is endswith(\".db\")",
        call: |args, _| Some(text(args, 0)?.ends_with(text(args, 1)?).into()),
    },
    Function {
        name: "matches",
        params: &[TEXT, TEXT],
        gives: Type::Bool,
        doc: "why is matches(\"refused|timed out\"): the regular expression is found in the text",
        call: |args, _| {
            let regex = RegexBuilder::new(text(args, 1)?).size_limit(1 << 20).build().ok()?;
            Some(regex.is_match(text(args, 0)?).into())
        },
    },
    Function {
        name: "within",
        params: &[TEXT, TEXT],
        gives: Type::Bool,
        doc: "within(ip, main.mynetworks): the list of networks contains the address; unknown where a table or file may decide",
        call: |args, _| networks::contains(text(args, 1)?, text(args, 0)?.parse().ok()?).map(Value::Bool),
    },
    Function {
        name: "first",
        params: &[LIST],
        gives: Type::Text,
        doc: "the first item; unknown if there is none",
        call: |args, _| list(args)?.first().map(|item| item.as_str().into()),
    },
    Function {
        name: "last",
        params: &[LIST],
        gives: Type::Text,
        doc: "the last item; unknown if there is none",
        call: |args, _| list(args)?.last().map(|item| item.as_str().into()),
    },
];

fn text(args: &[Value], index: usize) -> Option<&str> {
    match args.get(index) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

fn list(args: &[Value]) -> Option<&[String]> {
    match args.first() {
        Some(Value::List(list)) => Some(list),
        _ => None,
    }
}

fn seconds(time: &str) -> Option<i64> {
    let time = time.trim();
    let digits = time.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match time.get(digits.len()..)? {
        "" | "s" | "S" => 1,
        "m" | "M" => 60,
        "h" | "H" => 3600,
        "d" | "D" => 86_400,
        "w" | "W" => 604_800,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

fn items(list: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut item = String::new();
    let mut depth = 0_usize;
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (c == ',' || c.is_whitespace()) {
            items.push(std::mem::take(&mut item));
        } else {
            item.push(c);
        }
    }
    items.push(item);
    items.retain(|item| !item.is_empty());
    items
}
