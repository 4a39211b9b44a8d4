//! Where mail for an address goes, and what decides it: `postdoctor explain-address`.
//!
//! The order is that of Postfix. cleanup(8) rewrites an address before it is queued (`rewrite`, `mapping`),
//! trivial-rewrite(8) finds the address class, the transport and the next hop (`route`, `nexthop`), a delivery agent ends it
//! or sends it on (`deliver`, `local`), and smtpd(8) judges it before all that (`restrictions`). Each writes down its
//! [`Step`]s, with the line that decides. Lookup tables are asked in one place (`tables`), by the keys of `find`.
//!
//! What cannot be known is said, with the command that tells: a table that cannot be asked is neither a hit nor a miss.

mod deliver;
mod desk;
mod find;
mod list;
mod local;
mod mapping;
mod model;
mod nexthop;
mod own;
mod recipients;
mod restrictions;
mod rewrite;
mod route;
mod tables;
pub mod text;
mod words;

pub use model::{Delivery, End, Final, Hit, Judgement, ListJudgement, Mapped, Route, Step, Trace, Verdict};

use crate::discover::{Instance, Server};
use crate::evidence::Level;
use desk::Desk;

/// Forwarded mail is followed so often; Postfix itself stops at a `Delivered-To:` that it has seen.
const MOST_HOPS: usize = 12;

/// Follows the address through one instance. `sender` is the envelope sender, if one was given.
pub fn trace(server: &Server<'_>, instance: &Instance, allowed: Level, address: &str, sender: Option<&str>) -> Trace {
    let mut desk = Desk::new(server.host, instance, allowed);
    let (sender_steps, sender_written) = match sender {
        Some(sender) => {
            let mapped = mapping::sender(&desk, sender);
            (mapped.0, Some(mapped.1))
        }
        None => (Vec::new(), None),
    };
    desk.sender.clone_from(&sender_written);
    let mapped = follow(&desk, address, &[]);
    let judged = restrictions::judge(&desk, address, sender);
    Trace {
        address: address.to_owned(),
        instance: instance.name.clone(),
        sender: sender.map(str::to_owned),
        sender_written,
        sender_steps,
        goes_to: model::finals(&mapped),
        mapped,
        restrictions: judged,
    }
}

/// One pass through the queue: the address as it is queued, and where each recipient goes.
fn follow(desk: &Desk<'_>, address: &str, before: &[String]) -> Mapped {
    let mut mapped = mapping::recipient(desk, address);
    if before.len() >= MOST_HOPS {
        return mapped;
    }
    if let Some((end, target)) = mapped.stuck.clone() {
        let recipient = address.to_owned();
        let delivery = Delivery { recipient: recipient.clone(), end, target, steps: Vec::new(), onward: None };
        mapped.routes.push(Route { recipient, deliveries: vec![delivery], ..Route::default() });
        return mapped;
    }
    let recipients = std::mem::take(&mut mapped.recipients);
    for recipient in &recipients {
        let mut route = route::resolve(desk, recipient);
        deliver::deliver(desk, &mut route, before);
        mapped.routes.push(route);
    }
    mapped.recipients = recipients;
    mapped
}
