//! Whether the endpoint answers: so that stale facts count then and only then, and that trouble is
//! logged when it begins and when it ends, and not with each request in between.
//!
//! What clients can bring about by themselves is no outage: not that many questions about tokens
//! of their own making are slow, nor that there is no room for another.

use std::time::Duration;

use super::error::{Answer, IntrospectionError};
use crate::time::Time;

/// The endpoint's state as its answers left it. Begins as healthy.
#[derive(Debug)]
pub struct Health {
    /// When the endpoint was seen to be out, if nothing else was seen since.
    out_at: Option<Time>,
    /// Since when the endpoint has not said anything at all, though it was asked.
    silent_since: Option<Time>,
    /// So long a silence is an outage.
    silence: Duration,
    troubles: Vec<Trouble>,
}

/// Which questions go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rank {
    /// About a token that the endpoint has called active before.
    Renewal,
    /// About a token of which nothing is known: anybody can send those, in any number.
    First,
}

/// One kind of trouble that was told of, and when it was last seen.
#[derive(Debug)]
struct Trouble {
    kind: IntrospectionError,
    seen_at: Time,
    /// Whether a question came to something else since.
    is_past: bool,
}

/// Trouble is over when there was none for this long: a flood that fills the circuit breaker now
/// and then is one trouble, not a hundred.
const QUIET: Duration = Duration::from_secs(5);

/// So many kinds of trouble at once are told of, at most.
const MAX_TROUBLES: usize = 32;

/// A change worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// A kind of trouble began.
    Began(IntrospectionError),
    /// A kind of trouble ended.
    Ended {
        /// Which.
        kind: IntrospectionError,
        /// Whether it was the last one.
        is_well: bool,
    },
}

/// A busy endpoint answers somebody within so many timeouts.
const SILENT_TIMEOUTS: u32 = 3;

impl Health {
    /// A healthy endpoint, which may take `timeout` for each answer.
    pub fn new(timeout: Duration) -> Self {
        Self {
            out_at: None,
            silent_since: None,
            silence: timeout.saturating_mul(SILENT_TIMEOUTS),
            troubles: Vec::new(),
        }
    }

    /// When the endpoint was seen to be out, if nothing else was seen since.
    pub fn out_at(&self) -> Option<Time> {
        self.out_at
    }

    /// Takes note of what a question that was asked at `asked_at` came to.
    pub fn observe(
        &mut self,
        answer: &Answer,
        rank: Rank,
        asked_at: Time,
        now: Time,
    ) -> Vec<Transition> {
        let silent_since = *self.silent_since.get_or_insert(asked_at);
        match answer {
            Err(IntrospectionError::Unreachable(_) | IntrospectionError::Status(_)) => {
                self.out_at = Some(now);
            }
            // An endpoint that answers anybody is busy, not out; and about tokens that nobody knows
            // anybody can ask what takes long.
            Err(IntrospectionError::Timeout) => {
                if rank == Rank::Renewal && now.since(silent_since) >= self.silence {
                    self.out_at = Some(now);
                }
            }
            // Nobody was asked: that says nothing of the endpoint.
            Err(IntrospectionError::NotDispatched | IntrospectionError::Busy) => {}
            Ok(_)
            | Err(IntrospectionError::Malformed(_) | IntrospectionError::Misconfigured(_)) => {
                self.out_at = None;
                self.silent_since = Some(now);
            }
        }
        let mut transitions = Vec::new();
        if let Err(error) = answer {
            transitions.extend(self.trouble(error, now));
        }
        for other in &mut self.troubles {
            other.is_past |= answer.as_ref().err() != Some(&other.kind);
        }
        transitions.extend(self.tick(now));
        transitions
    }

    /// Time has passed: troubles that have not been seen for a while are over, if something else
    /// was seen.
    pub fn tick(&mut self, now: Time) -> Vec<Transition> {
        let is_over = |trouble: &Trouble| trouble.is_past && now.apart(trouble.seen_at) >= QUIET;
        if !self.troubles.iter().any(is_over) {
            return Vec::new();
        }
        let (over, left): (Vec<_>, _) = self.troubles.drain(..).partition(is_over);
        self.troubles = left;
        let last = over.len().saturating_sub(1);
        let ended = over.into_iter().enumerate().map(|(index, trouble)| {
            let is_well = self.troubles.is_empty() && index == last;
            Transition::Ended {
                kind: trouble.kind,
                is_well,
            }
        });
        ended.collect()
    }

    fn trouble(&mut self, error: &IntrospectionError, now: Time) -> Option<Transition> {
        let mut known = self.troubles.iter_mut();
        if let Some(known) = known.find(|trouble| trouble.kind == *error) {
            known.seen_at = now;
            known.is_past = false;
            return None;
        }
        if self.troubles.len() >= MAX_TROUBLES {
            return None;
        }
        self.troubles.push(Trouble {
            kind: error.clone(),
            seen_at: now,
            is_past: false,
        });
        Some(Transition::Began(error.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::Rank::{First, Renewal};
    use super::*;
    use crate::token::facts::Introspection;

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds.saturating_mul(1000))
    }

    #[test]
    fn each_kind_of_trouble_is_told_when_it_begins_and_when_it_is_over() {
        let good: Answer = Ok(Introspection::Inactive);
        let timeout: Answer = Err(IntrospectionError::Timeout);
        let full: Answer = Err(IntrospectionError::NotDispatched);
        let status = |status| Err(IntrospectionError::Status(status));
        let (outage, flood): (Answer, Answer) = (status(503), status(429));
        let nonsense: Answer = Err(IntrospectionError::Malformed("a"));
        let mut health = Health::new(Duration::from_secs(1));
        for (seconds, answer, expected) in [
            (0, &good, vec![]),
            (1, &timeout, vec!["+timeout"]),
            (2, &timeout, vec![]),
            (3, &good, vec![]),
            (4, &timeout, vec![]),
            (8, &good, vec![]),
            (9, &good, vec!["-timeout well"]),
            (10, &good, vec![]),
            // Nonsense that never ends hides neither the beginning nor the end of an outage.
            (11, &nonsense, vec!["+malformed"]),
            (12, &outage, vec!["+status 503"]),
            (13, &nonsense, vec![]),
            (14, &flood, vec!["+status 429"]),
            (17, &nonsense, vec!["-status 503"]),
            (18, &flood, vec![]),
            (22, &nonsense, vec![]),
            (23, &nonsense, vec!["-status 429"]),
            (24, &outage, vec!["+status 503"]),
            (26, &full, vec!["+not dispatched"]),
            (
                40,
                &good,
                vec!["-malformed", "-status 503", "-not dispatched well"],
            ),
        ] {
            let told = health.observe(answer, First, at(seconds), at(seconds));
            let told: Vec<_> = told.iter().map(name).collect();
            assert_eq!(told, expected, "{seconds}");
        }
        // It ends without another question, but not if nothing else was ever seen.
        health.observe(&timeout, First, at(50), at(50));
        assert_eq!(health.tick(at(1000)), []);
        health.observe(&good, First, at(1001), at(1001));
        let told = health.observe(&outage, First, at(1002), at(1002));
        assert_eq!(told.len(), 1);
        health.observe(&good, First, at(1003), at(1003));
        assert_eq!(health.tick(at(1006)), []);
        assert_eq!(
            health.tick(at(1007)).iter().map(name).collect::<Vec<_>>(),
            ["-status 503 well"]
        );
    }

    fn name(transition: &Transition) -> String {
        let kind = |error: &IntrospectionError| match error {
            IntrospectionError::Timeout => "timeout".to_owned(),
            IntrospectionError::NotDispatched => "not dispatched".to_owned(),
            IntrospectionError::Status(status) => format!("status {status}"),
            IntrospectionError::Malformed(_) => "malformed".to_owned(),
            other => panic!("{other:?}"),
        };
        match transition {
            Transition::Began(error) => format!("+{}", kind(error)),
            Transition::Ended {
                kind: error,
                is_well,
            } => {
                format!("-{}{}", kind(error), if *is_well { " well" } else { "" })
            }
        }
    }

    #[test]
    fn what_makes_an_outage() {
        let good: Answer = Ok(Introspection::Inactive);
        let timeout: Answer = Err(IntrospectionError::Timeout);
        let full: Answer = Err(IntrospectionError::NotDispatched);
        let busy: Answer = Err(IntrospectionError::Busy);
        let outage: Answer = Err(IntrospectionError::Status(500));
        let nonsense: Answer = Err(IntrospectionError::Malformed("a"));
        let mut health = Health::new(Duration::from_secs(1));
        for (seconds, asked_at, rank, answer, is_out) in [
            (0, 0, First, &good, false),
            (10, 9, First, &timeout, false),
            (11, 10, Renewal, &timeout, true),
            (12, 12, First, &busy, true),
            (13, 13, First, &good, false),
            // It has answered somebody lately.
            (14, 13, Renewal, &timeout, false),
            (15, 15, Renewal, &full, false),
            (16, 16, First, &outage, true),
            (17, 17, First, &full, true),
            (18, 18, First, &nonsense, false),
        ] {
            health.observe(answer, rank, at(asked_at), at(seconds));
            let out_at = health.out_at();
            assert_eq!(out_at.is_some(), is_out, "{seconds}");
        }
    }
}
