//! How long facts count.

use std::time::Duration;

use crate::time::Time;
use crate::token::facts::Introspection;

/// A failed renewal is tried again after this, if the callout's own timeout is not longer.
const RENEWAL_PAUSE: Duration = Duration::from_secs(1);

/// Clocks that differ by less than this are the same clock, read one after the other.
pub(super) const SAME_MOMENT: Duration = Duration::from_secs(1);

/// The configured lifetimes.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// A known token is asked about again after this; zero: nothing is kept.
    pub max_ttl: Duration,
    /// The same for tokens found inactive.
    pub inactive_ttl: Duration,
    /// While the endpoint cannot be asked, how long past `max_ttl` an active token still counts.
    pub stale_if_error: Duration,
    /// How long the endpoint may take: a renewal begins this much before `max_ttl` at least.
    /// `None`: no renewals ahead.
    pub refresh_ahead: Option<Duration>,
}

/// What facts are worth at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// They count.
    Fresh,
    /// They count only while the endpoint cannot be asked.
    Stale,
    /// They do not count.
    None,
}

impl Lifetimes {
    /// What facts learned at `learned_at` are worth `now`. The `exp` of an active token is never
    /// outlived. Facts from the future are worth nothing: the clock was set back. A moment is
    /// none: another worker's clock was perhaps read a little later.
    pub fn freshness(
        &self,
        introspection: &Introspection,
        learned_at: Time,
        now: Time,
    ) -> Freshness {
        if now.after(SAME_MOMENT) < learned_at {
            return Freshness::None;
        }
        let age = now.since(learned_at);
        match introspection {
            Introspection::Inactive => self.freshness_of_inactive(age),
            Introspection::Active(facts) if facts.expires_at.is_some_and(|exp| now >= exp) => {
                Freshness::None
            }
            Introspection::Active(_) => self.freshness_of_active(age),
        }
    }

    fn freshness_of_inactive(&self, age: Duration) -> Freshness {
        if age < self.inactive_ttl {
            Freshness::Fresh
        } else {
            Freshness::None
        }
    }

    fn freshness_of_active(&self, age: Duration) -> Freshness {
        if age < self.max_ttl {
            Freshness::Fresh
        } else if !self.max_ttl.is_zero() && age < self.max_ttl.saturating_add(self.stale_if_error)
        {
            Freshness::Stale
        } else {
            Freshness::None
        }
    }

    /// Whether anything counts for longer than the request that it was asked for.
    pub fn keep_anything(&self) -> bool {
        !self.max_ttl.is_zero() || !self.inactive_ttl.is_zero()
    }

    /// When a token in use is to be asked about ahead of time; `None`: not at all. One that
    /// expires before `max_ttl` is up is not: nothing could be learned that makes it live longer.
    pub fn renewal(&self, introspection: &Introspection, learned_at: Time) -> Option<Time> {
        let endpoint_takes = self.refresh_ahead?;
        let Introspection::Active(facts) = introspection else {
            return None;
        };
        let end = learned_at.after(self.max_ttl);
        if facts.expires_at.is_some_and(|exp| exp <= end) {
            return None;
        }
        // Half of the lifetime at most, a tenth at least.
        let half = self.max_ttl.checked_div(2).unwrap_or_default();
        let tenth = self.max_ttl.checked_div(10).unwrap_or_default();
        Some(end.before(endpoint_takes.min(half).max(tenth)))
    }

    /// When a renewal that was begun `now` may be begun again, should it fail.
    pub fn next_renewal(&self, now: Time) -> Time {
        now.after(self.refresh_ahead.unwrap_or_default().max(RENEWAL_PAUSE))
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may fail loudly")]
mod tests {
    use super::Freshness::{Fresh, None as Nothing, Stale};
    use std::rc::Rc;

    use super::*;
    use crate::token::facts::TokenFacts;

    const SECOND: u64 = 1000;
    /// When the facts of all cases were learned.
    const LEARNED: u64 = 1_000_000;

    fn lifetimes(max_ttl: u64, inactive_ttl: u64, stale_if_error: u64) -> Lifetimes {
        Lifetimes {
            max_ttl: Duration::from_secs(max_ttl),
            inactive_ttl: Duration::from_secs(inactive_ttl),
            stale_if_error: Duration::from_secs(stale_if_error),
            refresh_ahead: Some(Duration::from_secs(1)),
        }
    }

    /// Expires so many seconds after it was learned.
    fn active(exp: Option<i64>) -> Introspection {
        Introspection::Active(Rc::new(TokenFacts {
            expires_at: exp.map(|exp| Time::from_millis(LEARNED.saturating_add_signed(exp * 1000))),
            ..TokenFacts::default()
        }))
    }

    #[test]
    fn freshness() {
        let inactive = || Introspection::Inactive;
        for (lifetimes, what, age, expected) in [
            (lifetimes(60, 5, 0), active(None), 0, Fresh),
            (lifetimes(60, 5, 0), active(None), 59_999, Fresh),
            (lifetimes(60, 5, 0), active(None), 60_000, Nothing),
            (lifetimes(60, 5, 30), active(None), 60_000, Stale),
            (lifetimes(60, 5, 30), active(None), 89_999, Stale),
            (lifetimes(60, 5, 30), active(None), 90_000, Nothing),
            (lifetimes(60, 5, 30), active(Some(10)), 9_999, Fresh),
            (lifetimes(60, 5, 30), active(Some(10)), 10_000, Nothing),
            (lifetimes(60, 5, 30), active(Some(70)), 69_999, Stale),
            (lifetimes(60, 5, 30), active(Some(70)), 70_000, Nothing),
            (lifetimes(60, 5, 30), active(Some(-1)), 0, Nothing),
            (lifetimes(60, 5, 30), active(Some(0)), 0, Nothing),
            (lifetimes(0, 5, 0), active(None), 0, Nothing),
            (lifetimes(0, 5, 30), active(None), 0, Nothing),
            (lifetimes(60, 5, 30), inactive(), 0, Fresh),
            (lifetimes(60, 5, 30), inactive(), 4_999, Fresh),
            (lifetimes(60, 5, 30), inactive(), 5_000, Nothing),
            (lifetimes(60, 0, 30), inactive(), 0, Nothing),
            (
                lifetimes(u64::MAX, 5, u64::MAX),
                active(None),
                u64::MAX / 2,
                Fresh,
            ),
        ] {
            let now = Time::from_millis(LEARNED.saturating_add(age));
            let found = lifetimes.freshness(&what, Time::from_millis(LEARNED), now);
            assert_eq!(found, expected, "{lifetimes:?} {what:?} {age}");
        }
        for (earlier, expected) in [(1, Fresh), (1000, Fresh), (1001, Nothing)] {
            let (learned, now) = (
                Time::from_millis(LEARNED),
                Time::from_millis(LEARNED - earlier),
            );
            let found = lifetimes(60, 5, 30).freshness(&active(None), learned, now);
            assert_eq!(found, expected, "{earlier} ms before");
        }
    }

    #[test]
    fn renewals() {
        let off = Lifetimes {
            refresh_ahead: None,
            ..lifetimes(60, 5, 0)
        };
        for (lifetimes, what, expected) in [
            (lifetimes(60, 5, 0), active(None), Some(54)),
            (lifetimes(60, 5, 0), active(Some(61)), Some(54)),
            (lifetimes(60, 5, 0), active(Some(60)), None),
            (lifetimes(60, 5, 0), active(Some(10)), None),
            (lifetimes(4, 5, 0), active(None), Some(3)),
            (lifetimes(1, 5, 0), active(None), Some(0)),
            (lifetimes(60, 5, 0), Introspection::Inactive, None),
            (off, active(None), None),
        ] {
            let learned = Time::from_millis(LEARNED);
            let found = lifetimes.renewal(&what, learned);
            let found = found.map(|time| time.since(learned).as_secs());
            assert_eq!(found, expected, "{lifetimes:?} {what:?}");
        }
        let now = Time::from_millis(LEARNED);
        let next = lifetimes(60, 5, 0).next_renewal(now);
        assert_eq!(next.as_millis() - LEARNED, SECOND);
    }
}
