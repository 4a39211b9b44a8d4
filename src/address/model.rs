//! What is found out about an address, for the writers and as JSON.

use serde::Serialize;

use crate::evidence::Evidence;

/// Everything about one address.
#[derive(Debug, Clone, Serialize)]
pub struct Trace {
    /// as it was asked
    pub address: String,
    /// the instance of Postfix
    pub instance: String,
    /// the envelope sender that was given
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// the same as it is queued
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender_written: Option<String>,
    /// the answer: where mail for the address ends, as far as this host decides it
    pub goes_to: Vec<Final>,
    /// what rewrites the sender
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sender_steps: Vec<Step>,
    /// the way through the queue
    #[serde(flatten)]
    pub mapped: Mapped,
    /// what the SMTP servers would say, one row for each service
    pub restrictions: Vec<Judgement>,
}

/// One address as it is written to the queue.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Mapped {
    /// what rewrites the recipient
    pub steps: Vec<Step>,
    /// what is queued
    pub recipients: Vec<String>,
    /// the way of each of them
    pub routes: Vec<Route>,
    /// where cleanup(8) gives up: how it ends
    #[serde(skip)]
    pub(super) stuck: Option<(End, String)>,
}

/// The way of one queued recipient.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Route {
    /// the recipient; trivial-rewrite(8) may write it anew
    pub recipient: String,
    /// `local`, `virtual alias`, `virtual mailbox`, `relay` or `default`; none: it could not be told
    pub class: Option<&'static str>,
    /// name of a service of type unix in master.cf
    pub transport: Option<String>,
    /// what that service gets to know about where to
    pub nexthop: Option<String>,
    /// what decides class, transport and next hop
    pub steps: Vec<Step>,
    /// what the delivery agent does
    pub deliveries: Vec<Delivery>,
    /// where no transport was found: how it ends
    #[serde(skip)]
    pub(super) stuck: Option<(End, String)>,
}

/// What a delivery agent does with a recipient.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// the recipient, after aliases
    pub recipient: String,
    /// how it ends here
    pub end: End,
    /// a path, a command, a host, an address, or the reason
    pub target: String,
    /// what decides it
    pub steps: Vec<Step>,
    /// for a forwarded recipient: its way as a new message
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onward: Option<Box<Mapped>>,
}

/// How a delivery ends on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// appended to a mailbox file
    Mailbox,
    /// a file of its own in a maildir
    Maildir,
    /// given to a command
    Command,
    /// appended to a file that an alias names
    File,
    /// sent to another host or program by SMTP or LMTP
    Host,
    /// given to another service of master.cf
    Transport,
    /// queued again as a new message
    Forward,
    /// returned to the sender
    Bounce,
    /// kept in the queue and tried again
    Defer,
    /// thrown away
    Discard,
    /// it could not be told
    Unknown,
}

/// One row of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Final {
    /// the recipient in the end
    pub recipient: String,
    /// see [`Route::transport`]
    pub transport: Option<String>,
    /// see [`Route::nexthop`]
    pub nexthop: Option<String>,
    /// how it ends
    pub end: End,
    /// see [`Delivery::target`]
    pub target: String,
    /// parameters that could not be asked and may decide otherwise
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<String>,
}

/// One thing that decides.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Step {
    /// the parameter or the mechanism: `virtual_alias_maps`, `class`
    pub by: String,
    /// what it does here, in words
    pub text: String,
    /// lines that decide, the nearest first
    pub at: Vec<Evidence>,
    /// the entry of a table that matched
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hit: Option<Hit>,
    /// it is not known; this command would tell
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<String>,
    /// what follows holds only if this has no say
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
}

/// An entry of a lookup table that matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// `hash:/etc/postfix/virtual`
    pub table: String,
    /// the key that was found
    pub key: String,
    /// which form of the address it is: `full address`, `@domain`, …
    pub form: &'static str,
    /// the result
    pub value: String,
    /// what of the address did not match: `+news`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub extension: String,
    /// where it stands in the source of the table
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Evidence>,
    /// the source says something else than the table: it was not rebuilt
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<String>,
}

/// What one SMTP service says to the address.
#[derive(Debug, Clone, Serialize)]
pub struct Judgement {
    /// `smtp/inet`
    pub service: String,
    /// its line in master.cf
    pub at: Evidence,
    /// the sum of the lists
    pub verdict: Verdict,
    /// the sum in words
    pub text: String,
    /// the lists in the order in which they are evaluated
    pub lists: Vec<ListJudgement>,
}

/// One list of restrictions.
#[derive(Debug, Clone, Serialize)]
pub struct ListJudgement {
    /// `smtpd_recipient_restrictions`
    pub list: String,
    /// where it is set
    pub at: Evidence,
    /// what is certain
    pub verdict: Verdict,
    /// the restriction that decides, with its reason
    pub steps: Vec<Step>,
    /// restrictions before that one that may decide otherwise, with what they depend on
    pub depends: Vec<String>,
}

/// What a restriction or a list says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// lets it through
    Permit,
    /// refuses it
    Reject,
    /// has no opinion
    Dunno,
    /// it depends on what is not known here
    Unknown,
}

/// The ends of all ways, each once.
pub(super) fn finals(mapped: &Mapped) -> Vec<Final> {
    let mut all = Vec::new();
    collect(mapped, &[], &mut all);
    all
}

fn collect(mapped: &Mapped, open: &[String], all: &mut Vec<Final>) {
    let open = with_open(open, &mapped.steps);
    for route in &mapped.routes {
        let open = with_open(&open, &route.steps);
        for delivery in &route.deliveries {
            let unless = with_open(&open, &delivery.steps);
            if let Some(onward) = &delivery.onward
                && !onward.routes.is_empty()
            {
                collect(onward, &unless, all);
                continue;
            }
            let row = Final {
                recipient: delivery.recipient.clone(),
                transport: route.transport.clone(),
                nexthop: route.nexthop.clone(),
                end: delivery.end,
                target: delivery.target.clone(),
                unless,
            };
            if !all.contains(&row) {
                all.push(row);
            }
        }
    }
}

/// The names so far and those of the steps that are open.
fn with_open(before: &[String], steps: &[Step]) -> Vec<String> {
    let mut all = before.to_vec();
    for step in steps.iter().filter(|step| step.open) {
        if !all.contains(&step.by) {
            all.push(step.by.clone());
        }
    }
    all
}

impl Step {
    /// A step with its words.
    pub(super) fn new(by: impl Into<String>, text: impl Into<String>) -> Self {
        Step { by: by.into(), text: text.into(), ..Step::default() }
    }
    /// With a line that decides.
    pub(super) fn at(mut self, at: Evidence) -> Self {
        if !self.at.contains(&at) {
            self.at.push(at);
        }
        self
    }
    /// With the entry that matched; its line comes first.
    pub(super) fn hit(mut self, hit: Hit) -> Self {
        if let Some(at) = &hit.at {
            self.at.insert(0, at.clone());
        }
        self.hit = Some(hit);
        self
    }
    /// With the mark that it may decide otherwise.
    pub(super) fn open(mut self) -> Self {
        self.open = true;
        self
    }
    /// A step that could not be taken.
    pub(super) fn ask(mut self, command: impl Into<String>) -> Self {
        self.ask = Some(command.into());
        self
    }
}
