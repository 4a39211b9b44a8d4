//! How often a program may keep an examination waiting: one that hangs costs its time limit once or twice, not
//! for each of the many questions it could answer.
//!
//! Only a program that never ended is given up. One that ended before hangs because of what it was asked (a
//! directory server that is down behind one table), which says nothing about the next question.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::{Answer, Ran, Run, Trouble};

/// One time is enough here: whatever it is asked, it reads the same two files.
const ONCE: &str = "postconf";

/// What one host knows about its programs.
#[derive(Debug, Default)]
pub(super) struct Patience(Mutex<HashMap<String, Record>>);

#[derive(Debug, Default)]
struct Record {
    ended: bool,
    timed_out: u32,
}

impl Patience {
    /// Runs it, unless its program was waited for in vain before. That is not [`Trouble::TimedOut`]: nobody may
    /// take it for what this very command did.
    pub(super) fn run(&self, run: &Run, start: impl FnOnce() -> Answer<Ran>) -> Answer<Ran> {
        if self.with(&run.program, |record| given_up(&run.program, record)) {
            return Err(Trouble::Other(format!("not run: {} gave no answer in time before", run.program)));
        }
        let answer = start();
        self.with(&run.program, |record| match answer {
            Err(Trouble::TimedOut) => record.timed_out += 1,
            Ok(_) => record.ended = true,
            Err(_) => {}
        });
        answer
    }

    fn with<T>(&self, program: &str, look: impl FnOnce(&mut Record) -> T) -> T {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look(records.entry(program.to_owned()).or_default())
    }
}

fn given_up(program: &str, record: &Record) -> bool {
    match record.timed_out {
        0 => false,
        1 => program == ONCE,
        _ => program == ONCE || !record.ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANG: Answer<Ran> = Err(Trouble::TimedOut);
    const END: Answer<Ran> = Ok(Ran { status: 0, stdout: Vec::new(), stderr: Vec::new(), truncated: false });

    #[test]
    fn a_program_that_never_ends_is_given_up() {
        let patience = Patience::default();
        let (postconf, df) = (Run::new("postconf", &["-n"]), Run::new("df", &["-P", "/"]));
        assert_eq!(patience.run(&postconf, || HANG), Err(Trouble::TimedOut));
        assert!(matches!(patience.run(&postconf, || unreachable!()), Err(Trouble::Other(_))));
        assert_eq!(patience.run(&df, || HANG), Err(Trouble::TimedOut));
        assert_eq!(patience.run(&df, || HANG), Err(Trouble::TimedOut));
        assert!(matches!(patience.run(&df, || unreachable!()), Err(Trouble::Other(_))));
    }

    #[test]
    fn one_that_answered_before_is_asked_again() {
        let patience = Patience::default();
        let postmap = Run::new("postmap", &["-q", "x", "ldap:/etc/postfix/users.cf"]);
        assert!(patience.run(&postmap, || END).is_ok());
        for _ in 0..5 {
            assert_eq!(patience.run(&postmap, || HANG), Err(Trouble::TimedOut));
        }
        assert!(patience.run(&postmap, || END).is_ok());
    }
}
