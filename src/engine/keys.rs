//! The keys that the tables of a file may have, declared once: reading checks a table against them, and the
//! JSON Schema for editors is made from them. playbooks/README.md tells the same for people.

/// What the value of a key looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// a text that is not empty
    Text,
    /// one text or a list of texts
    Texts,
    /// one of these words
    OneOf(&'static [&'static str]),
    /// `true` or `false`
    Bool,
    /// a whole number in this range
    Int(i64, i64),
    /// one table or a list of them
    Tables,
}

/// A key of a table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// its name
    pub name: &'static str,
    /// its value
    pub shape: Shape,
    /// must be there
    pub required: bool,
    /// what it means
    pub doc: &'static str,
}

const fn must(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, required: true, doc }
}
const fn may(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, required: false, doc }
}

/// Names of severities, least first.
pub const SEVERITIES: &[&str] = &["info", "warning", "error", "critical"];
/// Names of confidences, surest first.
pub const CONFIDENCES: &[&str] = &["confirmed", "likely", "possible"];

/// Keys of `[playbook]`.
pub const PLAYBOOK: &[Key] =
    &[must("id", Shape::Text, "name of the playbook"), must("title", Shape::Text, "what it is, in one line")];

/// Keys of `[[step]]`.
pub const STEP: &[Key] = &[
    must("id", Shape::Text, "name of the step"),
    must("kind", Shape::Text, "a step kind that the program has"),
    must("title", Shape::Text, "what it looks at, in one line"),
    may("level", Shape::Int(0, 6), "level of invasiveness; never below the kind's own, which is the default"),
    must("why", Shape::Text, "why it is done"),
    may("docs", Shape::Texts, "names of Postfix documents, or full addresses"),
    may("when", Shape::Text, "a condition over facts; false or unknown: not run, with the reason"),
];

/// Keys of `[[rule]]`.
pub const RULE: &[Key] = &[
    must("id", Shape::Text, "says what is wrong, not the remedy"),
    must("area", Shape::Text, "`milter`, `dns`, `chroot`, …"),
    must("severity", Shape::OneOf(SEVERITIES), "of the symptom"),
    must("title", Shape::Text, "one line with {placeholders}; occurrences with the same title are one group"),
    may("meaning", Shape::Text, "what the message or state means, two or three sentences"),
    may("log", Shape::Texts, "regular expressions, matched in the text from the program tag on"),
    may("program", Shape::Texts, "with log: only lines of these programs"),
    may("priority", Shape::Int(-1000, 1000), "with log: a line belongs to the rule of the highest priority"),
    may("observed", Shape::Text, "instead of log: a kind of observation that a step emits"),
    may("config", Shape::Text, "instead of log: a condition over facts, tried once per instance"),
    may("when", Shape::Text, "fires only if this is true or unknown"),
    may("key", Shape::Texts, "captures or fields that tell groups apart, if the title does not"),
    may("probe", Shape::Tables, "small experiments; their results are named by `as`"),
    may("consequence", Shape::Bool, "never a root cause: folds under an earlier finding"),
    may(
        "follows",
        Shape::Texts,
        "with consequence: programs, services or tables, as `{name}` or written out, whose trouble it is",
    ),
    may("explains", Shape::Texts, "ids of rules, or `area:NAME`, whose findings this one accounts for"),
    may("look_at", Shape::Texts, "what to look at, commands first"),
    may("docs", Shape::Texts, "names of Postfix documents, or full addresses"),
    may("example", Shape::Texts, "with log: lines that must match"),
    may("near_miss", Shape::Texts, "with log: lines that must not match"),
    may("cause", Shape::Tables, "the causes, `[[rule.cause]]`, most usual first"),
];

/// Keys of `[[rule.cause]]`.
pub const CAUSE: &[Key] = &[
    must("id", Shape::Text, "name of the cause within the rule"),
    may("when", Shape::Text, "true: this is it; false: refuted; unknown: it stays possible"),
    may("refuted_when", Shape::Text, "true: refuted, and listed under what was ruled out"),
    may("confidence", Shape::OneOf(CONFIDENCES), "what it is if `when` is true; `confirmed` if not said"),
    may("title", Shape::Text, "replaces the title of the rule"),
    may("severity", Shape::OneOf(SEVERITIES), "replaces the severity of the rule"),
    must("cause", Shape::Text, "the cause in words"),
    may("summary", Shape::Text, "what to do, one sentence"),
    may("fix", Shape::Texts, "what to type, one command each"),
    may("verify", Shape::Text, "how to see that it helped"),
    may("explains", Shape::Texts, "as for the rule, for this cause alone"),
];
