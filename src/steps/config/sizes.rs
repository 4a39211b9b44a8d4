//! Size limits that contradict each other.

use super::look::Look;
use crate::evidence::Observation;

pub(super) fn observe(look: &Look<'_>) {
    // local(8) and virtual(8) refuse to run with a mailbox limit below the message limit.
    let local = !look.text("mydestination").trim().is_empty();
    let virtual_set = look.config.is_set("virtual_mailbox_domains") || look.config.is_set("virtual_mailbox_maps");
    let virtual_used = virtual_set && look.text("virtual_transport").starts_with("virtual");
    pair(look, "mailbox_size_limit", "message_size_limit", if local { "local" } else { "" });
    pair(look, "virtual_mailbox_limit", "message_size_limit", if virtual_used { "virtual" } else { "" });
    // Postfix wants 1.5 times message_size_limit to be free anyway, so a smaller queue_minfree does nothing and a
    // huge one refuses mail early; only the latter can be told from the configuration.
    if let (Some(minfree), Some(limit)) = (bytes(look, "queue_minfree"), bytes(look, "message_size_limit"))
        && minfree > 0
        && look.config.is_set("queue_minfree")
        && minfree * 2 < limit * 3
    {
        emit(look, ("queue_minfree", minfree), ("message_size_limit", limit), "", "queue_minfree");
    }
}

fn bytes(look: &Look<'_>, name: &str) -> Option<i64> {
    look.text(name).trim().parse().ok()
}

fn pair(look: &Look<'_>, smaller: &str, larger: &str, program: &str) {
    let (Some(small), Some(large)) = (bytes(look, smaller), bytes(look, larger)) else { return };
    // 0: no limit.
    if small == 0 || (large != 0 && small >= large) {
        return;
    }
    if !look.config.is_set(smaller) && !look.config.is_set(larger) {
        return;
    }
    let at = if look.config.is_set(smaller) { smaller } else { larger };
    emit(look, (smaller, small), (larger, large), program, at);
}

fn emit(look: &Look<'_>, smaller: (&str, i64), larger: (&str, i64), program: &str, at: &str) {
    let other = if at == smaller.0 { larger.0 } else { smaller.0 };
    look.emit(
        look.place(at)
            .mark_main(
                Observation::now("limits-contradict")
                    .with("smaller", smaller.0)
                    .with("smaller_number", smaller.1)
                    .with("larger", larger.0)
                    .with("larger_number", larger.1)
                    .with("program", program),
            )
            .seen(look.place(other).evidence()),
    );
}

#[cfg(test)]
mod tests {
    use super::super::testing::{observe_config, only};

    #[test]
    fn a_raised_message_limit_meets_the_default_mailbox_limit() {
        let seen = observe_config("message_size_limit = 52428800\n", "");
        let found = only(&seen, "limits-contradict");
        assert_eq!(found[0].fields["smaller"].to_string(), "mailbox_size_limit");
        assert_eq!(found[0].fields["smaller_number"].to_string(), "51200000");
        let seen = observe_config("message_size_limit = 52428800\nmailbox_size_limit = 0\n", "");
        assert!(
            only(&seen, "limits-contradict").iter().all(|o| o.fields["smaller"].to_string() != "mailbox_size_limit")
        );
    }
}
