//! Whether the endpoint is out: so that an outage is logged when it begins and when it ends,
//! and not with each request in between.

use super::response::{Answer, IntrospectionError};

/// The endpoint's state as the last answer left it. Begins as healthy.
#[derive(Debug, Default)]
pub struct Health {
    is_out: bool,
}

/// A change worth a line in the log.
#[derive(Debug, PartialEq, Eq)]
pub enum Transition<'a> {
    /// An outage began, with this.
    Out(&'a IntrospectionError),
    /// The endpoint answers again.
    Back,
}

impl Health {
    /// Takes note of an answer; `Some` if it changed the state.
    pub fn observe<'a>(&mut self, answer: &'a Answer) -> Option<Transition<'a>> {
        let was_out = self.is_out;
        self.is_out = answer.is_err();
        match (was_out, answer) {
            (false, Err(error)) => Some(Transition::Out(error)),
            (true, Ok(_)) => Some(Transition::Back),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspection::response::Introspection;

    #[test]
    fn an_outage_is_told_twice() {
        let good: Answer = Ok(Introspection::Inactive);
        let bad: Answer = Err(IntrospectionError::Timeout);
        let out = || Some(Transition::Out(&IntrospectionError::Timeout));
        let mut health = Health::default();
        let sequence = [
            (&good, None),
            (&bad, out()),
            (&bad, None),
            (&good, Some(Transition::Back)),
            (&good, None),
            (&bad, out()),
        ];
        for (answer, expected) in sequence {
            assert_eq!(health.observe(answer), expected);
        }
    }
}
