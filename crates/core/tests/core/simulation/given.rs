//! What the endpoint said, and for how long that counts: read anew here, and not by the core.

use super::event::Truth;
use super::world::{INACTIVE_TTL, MAX_TTL};

/// A moment, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// By a clock that no one sets.
    pub(super) at: u64,
    /// By the clock of then.
    pub(super) clock: u64,
}

/// An answer that was given.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) worker: usize,
    pub(super) token: usize,
    pub(super) truth: Truth,
    pub(super) asked: Moment,
    pub(super) landed: Moment,
    /// In seconds since 1970.
    pub(super) exp: Option<u64>,
    /// Whether the other workers, if there are any, could see that it was given.
    pub(super) is_seen: bool,
}

/// Clocks that differ by no more are the same clock, read one after the other: milliseconds.
pub(super) const SAME_MOMENT: u64 = 1_000;

impl Given {
    /// For how long it counts by the clock, in milliseconds, from when it was asked for; nothing is
    /// kept that was asked for in the future.
    pub(super) fn is_younger_than(&self, millis: u64, now: u64) -> bool {
        self.asked.clock <= now + SAME_MOMENT && now < self.asked.clock + millis
    }

    pub(super) fn is_over(&self, now: u64) -> bool {
        self.exp.is_some_and(|exp| exp * 1_000 <= now)
    }

    /// Whether it counted for longer than the requests that waited for it.
    pub(super) fn is_kept(&self) -> bool {
        let now = self.landed.clock;
        self.is_younger_than(self.truth.remembered(), now) && !self.is_over(now)
    }

    pub(super) fn is_asked_after(&self, other: &Self) -> bool {
        other.asked.at < self.asked.at && other.asked.clock < self.asked.clock
    }
}

impl Truth {
    /// For how long it is remembered, in milliseconds.
    pub(super) fn remembered(self) -> u64 {
        match self {
            Self::Active { .. } => MAX_TTL,
            Self::Inactive => INACTIVE_TTL,
        }
    }
}
