//! Whether the endpoint is out: so that stale facts count then and only then, and that trouble is
//! logged when it begins and when it ends, and not with each request in between.

use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use super::response::{Answer, IntrospectionError};
use crate::time::Time;

/// The endpoint's state as the last answer left it. Begins as healthy.
#[derive(Debug)]
pub struct Health {
    /// The kinds of trouble that were told of, and when there was any last.
    told: Vec<Discriminant<IntrospectionError>>,
    trouble_at: Time,
    /// When the endpoint was seen to be out, by its last answer.
    out_at: Option<Time>,
}

/// Trouble is over when there was none for this long: a flood that opens the circuit breaker now
/// and then is one trouble, not a hundred. Each kind of it is told once.
const QUIET: Duration = Duration::from_secs(5);

/// A change worth a line in the log.
#[derive(Debug, PartialEq, Eq)]
pub enum Transition<'a> {
    /// Trouble began, or another kind of it.
    Trouble(&'a IntrospectionError),
    /// The endpoint answers again.
    Back,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            told: Vec::new(),
            trouble_at: Time::from_millis(0),
            out_at: None,
        }
    }
}

impl Health {
    /// Whether the endpoint is out: its last answer says so, and that is not longer ago than
    /// `memory`.
    pub fn is_out(&self, now: Time, memory: Duration) -> bool {
        self.out_at.is_some_and(|at| now.since(at) <= memory)
    }

    /// Takes note of an answer; `Some` if that is worth a line.
    pub fn observe<'a>(&mut self, answer: &'a Answer, now: Time) -> Option<Transition<'a>> {
        match answer {
            Err(error) if error.is_outage() => self.out_at = Some(now),
            // That says nothing of the endpoint.
            Err(IntrospectionError::NotDispatched) => {}
            _ => self.out_at = None,
        }
        if let Err(error) = answer {
            self.trouble_at = now;
            let kind = discriminant(error);
            let is_new = !self.told.contains(&kind);
            if is_new {
                self.told.push(kind);
            }
            return is_new.then_some(Transition::Trouble(error));
        }
        let is_over = !self.told.is_empty() && now.since(self.trouble_at) >= QUIET;
        if is_over {
            self.told.clear();
        }
        is_over.then_some(Transition::Back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspection::facts::Introspection;
    use crate::introspection::response::Misconfiguration;

    #[test]
    fn trouble_is_told_when_it_begins_and_when_it_is_over() {
        let good: Answer = Ok(Introspection::Inactive);
        let timeout: Answer = Err(IntrospectionError::Timeout);
        let refused: Answer = Err(IntrospectionError::Misconfigured(
            Misconfiguration::NoCluster,
        ));
        let full: Answer = Err(IntrospectionError::NotDispatched);
        let refused_again: Answer = Err(IntrospectionError::Misconfigured(
            Misconfiguration::IdentityProvider,
        ));
        let mut health = Health::default();
        let memory = Duration::from_secs(2);
        assert!(!health.is_out(Time::from_millis(0), memory));
        for (seconds, answer, expected, is_out) in [
            (0, &good, None, false),
            (1, &timeout, Some("begins"), true),
            (2, &timeout, None, true),
            (3, &good, None, false),
            (4, &timeout, None, true),
            (8, &good, None, false),
            (9, &good, Some("ends"), false),
            (10, &good, None, false),
            (11, &refused, Some("begins"), false),
            (12, &refused_again, None, false),
            (13, &timeout, Some("begins"), true),
            (14, &refused, None, false),
            (30, &good, Some("ends"), false),
            (31, &timeout, Some("begins"), true),
            (31, &full, Some("begins"), true),
            (33, &refused, Some("begins"), false),
            (34, &full, None, false),
        ] {
            let now = Time::from_millis(seconds * 1000);
            let told = health
                .observe(answer, now)
                .map(|transition| match transition {
                    Transition::Trouble(error) => {
                        assert_eq!(Some(error), answer.as_ref().err());
                        "begins"
                    }
                    Transition::Back => "ends",
                });
            assert_eq!(told, expected, "{seconds}");
            assert_eq!(health.is_out(now, memory), is_out, "{seconds}");
            assert_eq!(
                health.is_out(now.after(memory), memory),
                is_out,
                "{seconds}"
            );
            let later = now.after(memory * 2);
            assert!(
                !health.is_out(later, memory),
                "{seconds}: that was long ago"
            );
        }
    }
}
