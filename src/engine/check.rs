//! Checks conditions and texts against the names that are known where they stand, before anything runs.
//!
//! Types are inferred, and what has no sense in them is an error: `count > "3"` is silently true in most
//! template languages, and `ep.refused == 1` silently false.

use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, CompareOpKind, Expr, UnaryOpKind};
use regex_syntax::hir::{Hir, HirKind};

use super::diagnostic::did_you_mean;
use super::expr::{self, Invocation};
use super::functions::{self, FUNCTIONS};
use super::scope::{self, Scope};
use super::template::{Piece, pieces};
use crate::evidence::{Type, Value};
use crate::postfix::version::Version;

/// What is wrong with a condition or text; the range counts from its first byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) label: String,
}

/// Checks a condition: it must be true or false.
pub(super) fn condition(source: &str, scope: &Scope) -> Vec<Problem> {
    let parsed = match expr::parse(source) {
        Ok(parsed) => parsed,
        Err(error) => {
            return vec![Problem { range: error.range, message: error.message, label: String::new() }];
        }
    };
    let mut checker = Checker { scope, problems: Vec::new() };
    checker.expect(&parsed, Type::Bool);
    checker.problems
}

/// Checks the placeholders of a text.
pub(super) fn text(source: &str, scope: &Scope) -> Vec<Problem> {
    let problem = |piece| match piece {
        Piece::Text(_) => None,
        Piece::Wrong { range, why } => Some(Problem { range, message: why.to_owned(), label: String::new() }),
        Piece::Name { name, range } => {
            scope.type_of(name).err().map(|unknown| Problem { range, message: unknown.message, label: unknown.label })
        }
    };
    pieces(source).into_iter().filter_map(problem).collect()
}

/// Checks a regular expression; gives the names of its captures.
pub(super) fn regex(source: &str) -> Result<Vec<String>, Problem> {
    // As the log scan reads it: bytes, not characters.
    let parsed = regex_syntax::ParserBuilder::new().utf8(false).build().parse(source);
    let (message, span) = match parsed {
        Ok(parsed) => {
            let mut names = Vec::new();
            captures(&parsed, &mut names);
            return Ok(names);
        }
        Err(regex_syntax::Error::Parse(error)) => (error.kind().to_string(), *error.span()),
        Err(regex_syntax::Error::Translate(error)) => (error.kind().to_string(), *error.span()),
        Err(other) => {
            return Err(Problem { range: 0..source.len(), message: other.to_string(), label: String::new() });
        }
    };
    let message = format!("bad regular expression: {message}");
    Err(Problem { range: span.start.offset..span.end.offset, message, label: String::new() })
}

/// The names of the captures of a regular expression that is right.
pub(super) fn capture_names(source: &str) -> Vec<String> {
    let groups = source.match_indices("(?<").map(|(at, open)| &source[at + open.len()..]);
    groups.filter_map(|rest| rest.split_once('>')).map(|(name, _)| name.to_owned()).collect()
}

/// Names of captures. The parser limits how deep they nest.
fn captures(part: &Hir, names: &mut Vec<String>) {
    match part.kind() {
        HirKind::Capture(capture) => {
            names.extend(capture.name.as_deref().map(str::to_owned));
            captures(&capture.sub, names);
        }
        HirKind::Repetition(repetition) => captures(&repetition.sub, names),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            for part in parts {
                captures(part, names);
            }
        }
        _ => {}
    }
}

struct Checker<'a> {
    scope: &'a Scope,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn add(&mut self, range: Range<usize>, message: impl Into<String>, label: impl Into<String>) {
        self.problems.push(Problem { range, message: message.into(), label: label.into() });
    }

    /// An expression that must have this type.
    fn expect(&mut self, expr: &Expr<'_>, wanted: Type) {
        let Some(found) = self.infer(expr).filter(|found| *found != wanted) else { return };
        let hint = match (wanted, found) {
            (Type::Bool, Type::Text) => "compare it: `… != \"\"`",
            (Type::Bool, Type::Int) => "compare it: `… > 0`",
            (Type::Bool, Type::List) => "ask for its length: `… | length > 0`",
            (Type::Int, Type::Text) => "`int(…)` makes it a number",
            _ => "",
        };
        self.add(span(expr), format!("here stands {}, not {}", words(found), words(wanted)), hint);
    }

    /// The type of an expression; none: it is wrong, and that was said.
    fn infer(&mut self, expr: &Expr<'_>) -> Option<Type> {
        if let Some(path) = expr::path(expr) {
            return match self.scope.type_of(&path) {
                Ok(ty) => ty,
                Err(unknown) => {
                    self.add(span(expr), unknown.message, unknown.label);
                    None
                }
            };
        }
        if let Some(called) = expr::invocation(expr) {
            return self.call(expr, &called);
        }
        match expr {
            Expr::Const(constant) => {
                let literal = expr::literal(&constant.value);
                if literal.is_none() {
                    self.add(span(expr), "only texts, whole numbers, true and false can be written here", "");
                }
                literal.map(|value| value.kind())
            }
            Expr::UnaryOp(op) => {
                let ty = if matches!(op.op, UnaryOpKind::Not) { Type::Bool } else { Type::Int };
                self.expect(&op.expr, ty);
                Some(ty)
            }
            Expr::BinOp(op) => self.binary(op.op, &op.left, &op.right),
            Expr::Compare(chain) => {
                let mut left = &chain.expr;
                for step in &chain.ops {
                    self.compare(step.op, left, &step.expr);
                    left = &step.expr;
                }
                Some(Type::Bool)
            }
            Expr::IfExpr(choice) => {
                self.expect(&choice.test_expr, Type::Bool);
                let ty = self.infer(&choice.true_expr);
                match (&choice.false_expr, ty) {
                    (Some(other), Some(ty)) => self.expect(other, ty),
                    (Some(other), None) => {
                        self.infer(other);
                    }
                    (None, _) => self.add(span(expr), "an `if` needs an `else` here", ""),
                }
                ty
            }
            Expr::List(list) => Some(self.list(&list.items)),
            Expr::Tuple(tuple) => Some(self.list(&tuple.items)),
            Expr::Slice(_) | Expr::Map(_) | Expr::GetItem(_) | Expr::GetAttr(_) => {
                self.add(span(expr), "conditions know no such thing", "use `first`, `last`, `in` or `items()`");
                None
            }
            _ => {
                self.add(span(expr), "this cannot be called", "");
                None
            }
        }
    }

    fn list(&mut self, items: &[Expr<'_>]) -> Type {
        for item in items {
            self.expect(item, Type::Text);
        }
        Type::List
    }

    fn binary(&mut self, op: BinOpKind, left: &Expr<'_>, right: &Expr<'_>) -> Option<Type> {
        let comparison = match op {
            BinOpKind::Eq => CompareOpKind::Eq,
            BinOpKind::Ne => CompareOpKind::Ne,
            BinOpKind::Lt => CompareOpKind::Lt,
            BinOpKind::Lte => CompareOpKind::Lte,
            BinOpKind::Gt => CompareOpKind::Gt,
            BinOpKind::Gte => CompareOpKind::Gte,
            BinOpKind::In => CompareOpKind::In,
            BinOpKind::ScAnd | BinOpKind::ScOr => {
                self.expect(left, Type::Bool);
                self.expect(right, Type::Bool);
                return Some(Type::Bool);
            }
            BinOpKind::Concat => {
                self.infer(left);
                self.infer(right);
                return Some(Type::Text);
            }
            BinOpKind::Div | BinOpKind::Pow => {
                self.add(span(left).start..span(right).end, "numbers are whole here", "divide with `//`");
                return None;
            }
            BinOpKind::Add | BinOpKind::Sub | BinOpKind::Mul | BinOpKind::FloorDiv | BinOpKind::Rem => {
                self.expect(left, Type::Int);
                self.expect(right, Type::Int);
                return Some(Type::Int);
            }
        };
        self.compare(comparison, left, right);
        Some(Type::Bool)
    }

    fn compare(&mut self, op: CompareOpKind, left: &Expr<'_>, right: &Expr<'_>) {
        if matches!(op, CompareOpKind::In | CompareOpKind::NotIn) {
            return self.contains(left, right);
        }
        let (Some(l), Some(r)) = (self.infer(left), self.infer(right)) else { return };
        let whole = span(left).start..span(right).end;
        if l != r {
            let hint = match (l, r) {
                (Type::Bool, _) | (_, Type::Bool) => "a yes-or-no value stands alone: `ep.refused`, `not ep.refused`",
                (Type::Int, Type::Text) | (Type::Text, Type::Int) => {
                    "a number has no quotes; `int(…)` makes a number of a text"
                }
                _ => "",
            };
            self.add(whole, format!("{} is compared with {}", words(l), words(r)), hint);
        } else if !matches!(op, CompareOpKind::Eq | CompareOpKind::Ne) && l != Type::Int {
            let hint = if l == Type::Text { "`int(…)` and `seconds(…)` make numbers of texts" } else { "" };
            self.add(whole, format!("only numbers are more or less, not {}", words(l)), hint);
        }
    }

    /// `item in list`
    fn contains(&mut self, item: &Expr<'_>, list: &Expr<'_>) {
        let one = self.infer(item);
        let literal = match list {
            Expr::List(list) => Some(&list.items),
            Expr::Tuple(tuple) => Some(&tuple.items),
            _ => None,
        };
        if let Some(items) = literal {
            for other in items {
                match one {
                    Some(ty) => self.expect(other, ty),
                    None => drop(self.infer(other)),
                }
            }
            return;
        }
        match (one, self.infer(list)) {
            (None, _) | (_, None) | (Some(Type::Text), Some(Type::Text | Type::List)) => {}
            (Some(item_type), Some(Type::Text | Type::List)) => {
                self.add(span(item), format!("{} cannot be in a list of texts", words(item_type)), "");
            }
            (Some(_), Some(other)) => self.add(span(list), format!("nothing is in {}", words(other)), ""),
        }
    }

    fn call(&mut self, expr: &Expr<'_>, called: &Invocation<'_, '_>) -> Option<Type> {
        let (name, args) = (called.name, &called.args);
        if let ("in", [item, list]) = (name, args.as_slice()) {
            self.contains(item, list);
            return Some(Type::Bool);
        }
        let Some(function) = functions::find(name) else {
            let near = did_you_mean(name, FUNCTIONS.iter().map(|function| function.name));
            self.add(span(expr), format!("unknown function `{name}`"), near);
            return None;
        };
        if called.odd || args.len() != function.params.len() {
            self.add(span(expr), format!("`{name}` is used with a wrong number of arguments"), function.doc);
            return Some(function.gives);
        }
        for (arg, types) in args.iter().zip(function.params) {
            match (self.infer(arg), *types) {
                (Some(found), [only]) if found != *only => {
                    self.add(span(arg), format!("`{name}` wants {}, not {}", words(*only), words(found)), function.doc);
                }
                (Some(found), types) if !types.contains(&found) => {
                    self.add(span(arg), format!("`{name}` cannot be used on {}", words(found)), function.doc);
                }
                _ => {}
            }
        }
        if let Some(last) = args.last() {
            self.literal(name, last);
        }
        Some(function.gives)
    }

    /// Arguments that are known now are checked now.
    fn literal(&mut self, function: &str, arg: &Expr<'_>) {
        let text = match arg {
            Expr::Const(constant) => match expr::literal(&constant.value) {
                Some(Value::Text(text)) => Some(text),
                _ => None,
            },
            _ => None,
        };
        match (function, text) {
            ("matches" | "since" | "set", None) => {
                self.add(span(arg), format!("`{function}` wants a text in quotes here"), "");
            }
            ("matches", Some(pattern)) if pattern.contains('\u{8}') => {
                self.add(span(arg), "`\\b` is a backspace in a text", "write `\\\\b` for a word boundary");
            }
            ("matches", Some(pattern)) => {
                if let Err(problem) = regex(&pattern) {
                    self.add(span(arg), problem.message, "");
                }
            }
            ("since", Some(version)) if Version::parse(&version).is_none() => {
                self.add(span(arg), format!("`{version}` is no version"), "write `3.6`");
            }
            ("set", Some(name)) => {
                if let Some(unknown) = scope::unknown_parameter(&name) {
                    self.add(span(arg), unknown.message, unknown.label);
                }
            }
            _ => {}
        }
    }
}

/// A type in a sentence.
fn words(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "a yes-or-no value",
        Type::Int => "a number",
        Type::Text => "a text",
        Type::List => "a list",
    }
}

/// Where an expression stands. The parser's own places begin too early for operators.
fn span(expr: &Expr<'_>) -> Range<usize> {
    let own = expr.span();
    let own = own.start_offset as usize..own.end_offset as usize;
    let from = |part: &Expr<'_>| span(part).start..own.end.max(span(part).end);
    match expr {
        Expr::BinOp(op) => span(&op.left).start..span(&op.right).end,
        Expr::Compare(chain) => from(&chain.expr),
        Expr::GetAttr(attr) => from(&attr.expr),
        Expr::GetItem(item) => from(&item.expr),
        Expr::Filter(filter) => filter.expr.as_ref().map_or(own.clone(), from),
        Expr::Test(test) => from(&test.expr),
        Expr::Call(call) => from(&call.expr),
        Expr::IfExpr(choice) => span(&choice.true_expr).start..own.end,
        _ => own,
    }
}
