//! The trace for a reader: first where it goes, then step by step why, each with the line that decides.

use std::io::{self, Write};

use super::model::{Delivery, End, Final, Judgement, Mapped, Route, Step, Trace, Verdict};
use crate::evidence::{Evidence, printable};

/// Where the text of a step begins.
const COLUMN: usize = 26;

/// Writes one trace for so many columns.
pub fn write(trace: &Trace, width: usize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", printable(&trace.address))?;
    for row in &trace.goes_to {
        paragraph(out, width, "  -> ", &answer(row))?;
    }
    if let (Some(sender), Some(written)) = (&trace.sender, &trace.sender_written) {
        let shown = |address: &str| if address.is_empty() { "<>".to_owned() } else { printable(address) };
        writeln!(out, "\n  Sender {}, queued as {}", shown(sender), shown(written))?;
        trace.sender_steps.iter().try_for_each(|step| write_step(out, width, 4, step))?;
    }
    writeln!(out)?;
    write_mapped(out, width, 2, &trace.mapped)?;
    if !trace.restrictions.is_empty() {
        writeln!(out, "  Over SMTP")?;
        let same = |a: &Judgement, b: &Judgement| a.text == b.text && a.lists.len() == b.lists.len();
        // Services that say the same stand together; submission and smtps usually do.
        for (index, judgement) in trace.restrictions.iter().enumerate() {
            if !trace.restrictions[..index].iter().any(|before| same(before, judgement)) {
                let all: Vec<&Judgement> = trace.restrictions[index..].iter().filter(|j| same(j, judgement)).collect();
                write_judgement(out, width, &all)?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// One row of the answer as a sentence.
fn answer(row: &Final) -> String {
    let target = printable(&row.target);
    let end = match row.end {
        End::Mailbox => format!("mailbox {target}"),
        End::Maildir => format!("maildir {target}"),
        End::Command => format!("command {target}"),
        End::File => format!("file {target}"),
        End::Host => format!("by SMTP to {target}"),
        End::Transport => format!("handed to {target}"),
        End::Forward => format!("forwarded to {target}"),
        End::Bounce => format!("returned: {target}"),
        End::Defer => format!("waits in the queue: {target}"),
        End::Discard => format!("thrown away: {target}"),
        End::Unknown => format!("not known: {target}"),
    };
    let by = match (&row.transport, &row.nexthop) {
        (Some(transport), Some(nexthop)) => format!("   ({transport}:{nexthop})"),
        _ => String::new(),
    };
    let unless = if row.unless.is_empty() {
        String::new()
    } else {
        format!(", unless {} says otherwise", row.unless.join(", "))
    };
    format!("{}   {end}{}{unless}", printable(&row.recipient), printable(&by))
}

fn write_mapped(out: &mut dyn Write, width: usize, indent: usize, mapped: &Mapped) -> io::Result<()> {
    mapped.steps.iter().try_for_each(|step| write_step(out, width, indent, step))?;
    if !mapped.steps.is_empty() {
        writeln!(out)?;
    }
    mapped.routes.iter().try_for_each(|route| write_route(out, width, indent, route))
}

fn write_route(out: &mut dyn Write, width: usize, indent: usize, route: &Route) -> io::Result<()> {
    writeln!(out, "{:indent$}{}", "", printable(&route.recipient))?;
    route.steps.iter().try_for_each(|step| write_step(out, width, indent + 2, step))?;
    let mut shown: Vec<&Step> = Vec::new();
    for delivery in &route.deliveries {
        write_delivery(out, width, indent + 2, delivery, &mut shown)?;
    }
    writeln!(out)
}

/// Steps that an earlier delivery of the same route has in common are not repeated.
fn write_delivery<'t>(
    out: &mut dyn Write,
    width: usize,
    indent: usize,
    delivery: &'t Delivery,
    shown: &mut Vec<&'t Step>,
) -> io::Result<()> {
    for step in &delivery.steps {
        if !shown.iter().any(|s| s.by == step.by && s.text == step.text) {
            write_step(out, width, indent, step)?;
            shown.push(step);
        }
    }
    if let Some(onward) = &delivery.onward {
        writeln!(out, "{:indent$}then, as a new message:", "")?;
        write_mapped(out, width, indent + 2, onward)?;
    }
    Ok(())
}

fn write_step(out: &mut dyn Write, width: usize, indent: usize, step: &Step) -> io::Result<()> {
    let head = format!("{:indent$}{}", "", step.by);
    // A long name stands on a line of its own only if it must.
    let head = if head.chars().count() + 2 > COLUMN { format!("{head}  ") } else { format!("{head:<COLUMN$}") };
    paragraph(out, width, &head, &printable(&step.text))?;
    for at in &step.at {
        writeln!(out, "{:COLUMN$}{}", "", line(at))?;
    }
    if let Some(ask) = &step.ask {
        writeln!(out, "{:COLUMN$}to know: {}", "", printable(ask))?;
    }
    Ok(())
}

/// `/etc/postfix/main.cf:12  relayhost = …`
fn line(at: &Evidence) -> String {
    let place = at.line.map_or_else(|| at.source.clone(), |line| format!("{}:{line}", at.source));
    let text: String = at.text.split_whitespace().collect::<Vec<_>>().join(" ");
    if at.line.is_none() && text.ends_with("(by default)") {
        text
    } else {
        format!("{place}  {text}").trim_end().to_owned()
    }
}

fn write_judgement(out: &mut dyn Write, width: usize, all: &[&Judgement]) -> io::Result<()> {
    let Some(judgement) = all.first() else { return Ok(()) };
    let names: Vec<&str> = all.iter().map(|j| j.service.as_str()).collect();
    let head = format!("    {}", names.join(", "));
    let head = if head.chars().count() + 2 > COLUMN { format!("{head}  ") } else { format!("{head:<COLUMN$}") };
    paragraph(out, width, &head, &printable(&judgement.text))?;
    for one in all {
        let place = one.at.line.map_or_else(|| one.at.source.clone(), |line| format!("{}:{line}", one.at.source));
        writeln!(out, "{:COLUMN$}{place}  {}", "", one.service)?;
    }
    for list in
        judgement.lists.iter().filter(|l| matches!(l.verdict, Verdict::Reject | Verdict::Permit) || !l.steps.is_empty())
    {
        for step in &list.steps {
            write_step(out, width, 6, step)?;
        }
    }
    Ok(())
}

fn paragraph(out: &mut dyn Write, width: usize, head: &str, text: &str) -> io::Result<()> {
    let pad = " ".repeat(COLUMN.min(head.chars().count().max(5)));
    let options = textwrap::Options::new(width).initial_indent(head).subsequent_indent(&pad).break_words(false);
    writeln!(out, "{}", textwrap::fill(text, options))
}
