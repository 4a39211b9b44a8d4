//! Conditions: expressions in minijinja's syntax (Ansible's `when:`), with three values.
//!
//! Only the parser is minijinja's. Its evaluator takes an undefined name for an error or for false; here what
//! was not collected is *unknown*, and unknown goes through `and`, `or` and `not` as it must: `false and
//! unknown` is false, `true or unknown` is true, the rest stays unknown. Types were checked when the file was
//! loaded (see `check`); should a value have another type than declared, the answer is unknown, never a guess.

use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, CallArg, CompareOpKind, Expr, UnaryOpKind};
use minijinja::value::ValueKind;

use super::functions;
use crate::evidence::{Fields, Value};

/// True, false, or not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tri {
    /// it holds
    True,
    /// it does not hold
    False,
    /// something that decides it was not collected
    Unknown,
}

impl From<Option<bool>> for Tri {
    fn from(known: Option<bool>) -> Self {
        match known {
            Some(true) => Tri::True,
            Some(false) => Tri::False,
            None => Tri::Unknown,
        }
    }
}

/// What expressions and placeholders look names up in. Lookups happen only when they decide something, so a
/// costly value may be computed on demand.
pub trait Names {
    /// The value of a dotted name (`endpoint`, `ep.refused`, `host.kind`, `main.relayhost`); none: unknown.
    fn get(&self, path: &str) -> Option<Value>;

    /// Whether main.cf sets this parameter; none: unknown. This is `set("NAME")`.
    fn is_set(&self, _parameter: &str) -> Option<bool> {
        None
    }
}

impl Names for Fields {
    fn get(&self, path: &str) -> Option<Value> {
        Fields::get(self, path).cloned()
    }
}

/// Whether the condition holds. A source that does not parse is unknown; loading refuses such sources.
pub fn truth(source: &str, names: &dyn Names) -> Tri {
    Tri::from(match value(source, names) {
        Some(Value::Bool(holds)) => Some(holds),
        _ => None,
    })
}

/// The value of the expression; none: unknown.
pub fn value(source: &str, names: &dyn Names) -> Option<Value> {
    eval(&parse(source).ok()?, names)
}

/// The names in a condition that have no value, in the order in which they stand: what would settle it.
pub fn unknown_names(source: &str, names: &dyn Names) -> Vec<String> {
    let mut unknown = Vec::new();
    if let Ok(expr) = parse(source) {
        visit(&expr, &mut |part| {
            if let Some(path) = path(part)
                && names.get(&path).is_none()
                && !unknown.contains(&path)
            {
                unknown.push(path);
            }
        });
    }
    unknown
}

/// Why a source is not an expression, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// in words
    pub(super) message: String,
    /// byte range in the source
    pub(super) range: Range<usize>,
}

/// Conditions are a line or two; a longer one is a mistake or an attack on the parser.
const LONGEST: usize = 4000;
/// Each operator may nest one deeper, and the parser guards only some of them against an exhausted stack.
const MOST_OPERATORS: usize = 250;

/// Parses a source.
pub(super) fn parse(source: &str) -> Result<Expr<'_>, SyntaxError> {
    let signs = source.matches(|c: char| "-+*/%~|.([{<>=!".contains(c)).count();
    let words = source.split_whitespace().filter(|word| ["not", "and", "or", "is", "in", "if"].contains(word)).count();
    if source.len() > LONGEST || signs + words > MOST_OPERATORS {
        return Err(SyntaxError { message: "the expression is too long".to_owned(), range: 0..0 });
    }
    minijinja::machinery::parse_expr(source).map_err(|error| SyntaxError {
        message: error.detail().unwrap_or("this is no expression").to_owned(),
        range: error.range().unwrap_or(0..source.len()),
    })
}

/// The dotted name that this expression is, if it is one. `main["a-b"]` is the same as `main.a-b` would be.
pub(super) fn path(expr: &Expr<'_>) -> Option<String> {
    match expr {
        Expr::Var(var) => Some(var.id.to_owned()),
        Expr::GetAttr(attr) => Some(format!("{}.{}", path(&attr.expr)?, attr.name)),
        Expr::GetItem(item) => match &item.subscript_expr {
            Expr::Const(key) => Some(format!("{}.{}", path(&item.expr)?, key.value.as_str()?)),
            _ => None,
        },
        _ => None,
    }
}

/// A literal as a value of ours; none for what conditions have no use for (`none`, fractions).
pub(super) fn literal(value: &minijinja::Value) -> Option<Value> {
    match value.kind() {
        ValueKind::Bool => Some(Value::Bool(value.is_true())),
        ValueKind::Number if value.is_integer() => value.as_i64().map(Value::Int),
        ValueKind::String => value.as_str().map(Value::from),
        _ => None,
    }
}

/// A function, filter, test or method call: they all mean the same, `lower(x)`, `x | lower`, `x is lower`.
pub(super) struct Invocation<'e, 's> {
    pub(super) name: &'e str,
    pub(super) args: Vec<&'e Expr<'s>>,
    /// a splat or a named argument, which no function of ours takes
    pub(super) odd: bool,
}

/// What is called here, if something is.
pub(super) fn invocation<'e, 's>(expr: &'e Expr<'s>) -> Option<Invocation<'e, 's>> {
    let (name, subject, args) = match expr {
        Expr::Call(call) => match &call.expr {
            Expr::Var(var) => (var.id, None, &call.args),
            Expr::GetAttr(attr) => (attr.name, Some(&attr.expr), &call.args),
            _ => return None,
        },
        Expr::Filter(filter) => (filter.name, filter.expr.as_ref(), &filter.args),
        Expr::Test(test) => (test.name, Some(&test.expr), &test.args),
        _ => return None,
    };
    let positional = |arg: &'e CallArg<'s>| match arg {
        CallArg::Pos(expr) => Some(expr),
        _ => None,
    };
    let odd = args.iter().any(|arg| positional(arg).is_none());
    Some(Invocation { name, args: subject.into_iter().chain(args.iter().filter_map(positional)).collect(), odd })
}

/// Calls `see` for each part from left to right. The parts of a dotted name are not visited, nor is the name
/// of a function.
fn visit<'s>(expr: &Expr<'s>, see: &mut dyn FnMut(&Expr<'s>)) {
    see(expr);
    if path(expr).is_some() {
        return;
    }
    if let Some(called) = invocation(expr) {
        called.args.into_iter().for_each(|arg| visit(arg, see));
        return;
    }
    match expr {
        Expr::UnaryOp(op) => visit(&op.expr, see),
        Expr::BinOp(op) => {
            visit(&op.left, see);
            visit(&op.right, see);
        }
        Expr::Compare(chain) => {
            visit(&chain.expr, see);
            chain.ops.iter().for_each(|op| visit(&op.expr, see));
        }
        Expr::IfExpr(choice) => {
            visit(&choice.test_expr, see);
            visit(&choice.true_expr, see);
            choice.false_expr.iter().for_each(|other| visit(other, see));
        }
        Expr::List(list) => list.items.iter().for_each(|item| visit(item, see)),
        Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| visit(item, see)),
        _ => {}
    }
}

fn eval(expr: &Expr<'_>, names: &dyn Names) -> Option<Value> {
    if let Some(path) = path(expr) {
        return names.get(&path);
    }
    if let Some(called) = invocation(expr) {
        return call(&called, names);
    }
    match expr {
        Expr::Const(constant) => literal(&constant.value),
        Expr::UnaryOp(op) => match (&op.op, eval(&op.expr, names)?) {
            (UnaryOpKind::Not, Value::Bool(holds)) => Some(Value::Bool(!holds)),
            (UnaryOpKind::Neg, Value::Int(number)) => number.checked_neg().map(Value::Int),
            _ => None,
        },
        Expr::BinOp(op) => binary(op.op, &op.left, &op.right, names),
        Expr::Compare(chain) => {
            let mut left = &chain.expr;
            let mut all = Some(true);
            for step in &chain.ops {
                all = both(all, compare(step.op, left, &step.expr, names));
                left = &step.expr;
            }
            all.map(Value::Bool)
        }
        Expr::IfExpr(choice) => match eval(&choice.test_expr, names)? {
            Value::Bool(true) => eval(&choice.true_expr, names),
            Value::Bool(false) => eval(choice.false_expr.as_ref()?, names),
            _ => None,
        },
        Expr::List(list) => texts(&list.items, names),
        Expr::Tuple(tuple) => texts(&tuple.items, names),
        _ => None,
    }
}

fn texts(items: &[Expr<'_>], names: &dyn Names) -> Option<Value> {
    let text = |item| match eval(item, names)? {
        Value::Text(text) => Some(text),
        _ => None,
    };
    items.iter().map(text).collect::<Option<Vec<_>>>().map(Value::List)
}

fn call(called: &Invocation<'_, '_>, names: &dyn Names) -> Option<Value> {
    if called.name == functions::DEFINED {
        return Some(Value::Bool(eval(called.args.first()?, names).is_some()));
    }
    if called.name == "in" {
        let [item, list] = called.args[..] else { return None };
        return contains(list, item, names).map(Value::Bool);
    }
    let function = functions::find(called.name)?;
    let args = called.args.iter().map(|arg| eval(arg, names)).collect::<Option<Vec<_>>>()?;
    (function.call)(&args, names)
}

/// Kleene's `and`.
fn both(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// Kleene's `or`.
fn either(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    both(left.map(|l| !l), right.map(|r| !r)).map(|neither| !neither)
}

fn holds(expr: &Expr<'_>, names: &dyn Names) -> Option<bool> {
    match eval(expr, names)? {
        Value::Bool(holds) => Some(holds),
        _ => None,
    }
}

fn binary(op: BinOpKind, left: &Expr<'_>, right: &Expr<'_>, names: &dyn Names) -> Option<Value> {
    let compared = match op {
        BinOpKind::ScAnd | BinOpKind::ScOr => {
            // The right side is looked at only if the left one does not decide: names are lazy.
            let first = holds(left, names);
            let decided = matches!((op, first), (BinOpKind::ScAnd, Some(false)) | (BinOpKind::ScOr, Some(true)));
            let second = if decided { None } else { holds(right, names) };
            let result = if matches!(op, BinOpKind::ScAnd) { both(first, second) } else { either(first, second) };
            return result.map(Value::Bool);
        }
        BinOpKind::Eq => CompareOpKind::Eq,
        BinOpKind::Ne => CompareOpKind::Ne,
        BinOpKind::Lt => CompareOpKind::Lt,
        BinOpKind::Lte => CompareOpKind::Lte,
        BinOpKind::Gt => CompareOpKind::Gt,
        BinOpKind::Gte => CompareOpKind::Gte,
        BinOpKind::In => CompareOpKind::In,
        _ => return arithmetic(op, &eval(left, names)?, &eval(right, names)?),
    };
    compare(compared, left, right, names).map(Value::Bool)
}

fn arithmetic(op: BinOpKind, left: &Value, right: &Value) -> Option<Value> {
    let (Value::Int(l), Value::Int(r)) = (left, right) else {
        return matches!(op, BinOpKind::Concat).then(|| Value::Text(format!("{left}{right}")));
    };
    match op {
        BinOpKind::Add => l.checked_add(*r),
        BinOpKind::Sub => l.checked_sub(*r),
        BinOpKind::Mul => l.checked_mul(*r),
        BinOpKind::FloorDiv => l.checked_div_euclid(*r),
        BinOpKind::Rem => l.checked_rem_euclid(*r),
        _ => None,
    }
    .map(Value::Int)
}

fn compare(op: CompareOpKind, left: &Expr<'_>, right: &Expr<'_>, names: &dyn Names) -> Option<bool> {
    match op {
        CompareOpKind::In => return contains(right, left, names),
        CompareOpKind::NotIn => return contains(right, left, names).map(|inside| !inside),
        _ => {}
    }
    let (left, right) = (eval(left, names)?, eval(right, names)?);
    match (op, &left, &right) {
        (CompareOpKind::Eq, l, r) if l.kind() == r.kind() => Some(l == r),
        (CompareOpKind::Ne, l, r) if l.kind() == r.kind() => Some(l != r),
        (CompareOpKind::Lt, Value::Int(l), Value::Int(r)) => Some(l < r),
        (CompareOpKind::Lte, Value::Int(l), Value::Int(r)) => Some(l <= r),
        (CompareOpKind::Gt, Value::Int(l), Value::Int(r)) => Some(l > r),
        (CompareOpKind::Gte, Value::Int(l), Value::Int(r)) => Some(l >= r),
        _ => None,
    }
}

/// `item in list`: one of a literal list of any type, one of a list, or a part of a text.
fn contains(list: &Expr<'_>, item: &Expr<'_>, names: &dyn Names) -> Option<bool> {
    let literal = match list {
        Expr::List(list) => Some(&list.items),
        Expr::Tuple(tuple) => Some(&tuple.items),
        _ => None,
    };
    if let Some(items) = literal {
        let mut found = Some(false);
        for one in items {
            found = either(found, compare(CompareOpKind::Eq, item, one, names));
        }
        return found;
    }
    match (eval(list, names)?, eval(item, names)?) {
        (Value::List(list), Value::Text(item)) => Some(list.contains(&item)),
        (Value::Text(text), Value::Text(part)) => Some(text.contains(&part)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Fields {
        let mut fields = Fields::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("yes", true.into());
        put("no", false.into());
        put("count", 3.into());
        put("ep.unit", "opendkim.service".into());
        put("main.relayhost", "".into());
        put("list", Value::List(vec!["a".into(), "b".into()]));
        put("postfix.version", "3.7.11".into());
        fields
    }

    #[track_caller]
    fn is(source: &str, expected: Tri) {
        assert_eq!(truth(source, &names()), expected, "{source}");
    }

    #[test]
    fn unknown_goes_through_as_kleene_says() {
        is("no and x", Tri::False);
        is("x and no", Tri::False);
        is("yes or x", Tri::True);
        is("x or yes", Tri::True);
        is("yes and x", Tri::Unknown);
        is("x or no", Tri::Unknown);
        is("not x", Tri::Unknown);
        is("not (x and no)", Tri::True);
        is("x == x", Tri::Unknown);
        is("x in [\"a\"]", Tri::Unknown);
        is("ep.unit in [x, \"opendkim.service\"]", Tri::True);
        is("1 < count < x", Tri::Unknown);
        is("5 < count < x", Tri::False);
        is("x is defined", Tri::False);
        is("ep.unit is defined and not x is defined", Tri::True);
        is("yes if x else no", Tri::Unknown);
    }

    #[test]
    fn values_compare_by_type() {
        is("count > 2 and count <= 3 and count != 4", Tri::True);
        is("count in [1, 3]", Tri::True);
        is("count not in [1, 3]", Tri::False);
        is("count == \"3\"", Tri::Unknown);
        is("main.relayhost == ''", Tri::True);
        is("\"a\" in list and \"c\" not in list", Tri::True);
        is("\"dkim\" in ep.unit", Tri::True);
        is("count + 2 * 3 - 1 == 8 and 7 // 2 == 3 and 7 % 2 == 1 and -count == -3", Tri::True);
        is("count // 0 == 1", Tri::Unknown);
        is("9223372036854775807 + count > 0", Tri::Unknown);
    }

    #[test]
    fn functions_in_all_their_forms() {
        is("startswith(ep.unit, \"open\") and ep.unit.startswith(\"open\")", Tri::True);
        is("ep.unit is startswith(\"open\") and ep.unit is not endswith(\".socket\")", Tri::True);
        is("ep.unit | upper | length == 16 and length(list) == 2", Tri::True);
        is(r#"ep.unit is matches("^open\w+\.service$")"#, Tri::True);
        is("x | lower == \"a\"", Tri::Unknown);
        is("int(\"42\") == 42 and int(\" 7 \") == 7", Tri::True);
        is("int(\"4x\") == 4", Tri::Unknown);
        is("seconds(\"5d\") == 432000 and seconds(\"30\") == 30", Tri::True);
        is("\"b\" in items(\"a, b  c\")", Tri::True);
        is("items(\"a { b, c } d\") | length == 3", Tri::True);
        is("list | first == \"a\"", Tri::True);
    }

    #[test]
    fn says_what_would_settle_it() {
        let unknown = unknown_names("count > 1 and (ep.refused or x) and lower(x) == main.y", &names());
        assert_eq!(unknown, ["ep.refused", "x", "main.y"]);
    }
}
