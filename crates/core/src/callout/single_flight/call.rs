//! One call: the question about a token, who waits for its answer, and how far it is.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::cache::lease::LEASE;
use crate::callout::window::{Exchange, Kind};
use crate::introspection::error::Answer;
use crate::introspection::health::Rank;
use crate::request::trace::Trace;
use crate::time::Time;
use crate::token::extract::AccessToken;
use crate::token::id::TokenId;
use crate::token::providers::ProviderId;

/// Names a call; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub(in crate::callout) u64);

/// The number of a waiter, the host's own for the request.
pub type WaiterId = u32;

/// A question about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who is asked.
    pub provider: ProviderId,
    /// What the token is called there.
    pub token_id: TokenId,
    pub token: AccessToken,
    /// Whether it is known.
    pub rank: Rank,
    /// The trace of the request that asks, if it has one.
    pub trace: Option<Trace>,
}

/// The call that a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which one.
    pub call: CallId,
    /// Whether this request opened it.
    pub is_new: bool,
}

/// A question on its way to an answer.
#[derive(Debug)]
pub(super) struct Call<W> {
    pub(super) question: Question,
    /// Is asked even if nobody waits for it.
    is_background: bool,
    pub(super) waiters: BTreeMap<WaiterId, W>,
    pub(super) since: Time,
    /// Since when it awaits leases.
    awaits_since: Option<Time>,
    pub(super) stage: Stage,
}

/// How far it is.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    Pending,
    /// Taken out of its queue, to be dispatched.
    Starting,
    AwaitsLease,
    InFlight {
        asked_at: Time,
    },
    Answered(Rc<Answer>),
}

/// A call that is about to be dispatched.
pub(in crate::callout) struct Start {
    pub(in crate::callout) id: CallId,
    pub(in crate::callout) token_id: TokenId,
    pub(in crate::callout) is_background: bool,
    /// Whether another worker may still be let ask first.
    pub(in crate::callout) may_await: bool,
}

/// Some of the waiters of one call, and what they are to be told.
pub(in crate::callout) type Finished<W> = (Vec<(WaiterId, W)>, Rc<Answer>);

impl<W> Call<W> {
    /// A call that nobody waits for yet.
    pub(super) fn new(question: Question, is_background: bool, now: Time) -> Self {
        Self {
            question,
            is_background,
            waiters: BTreeMap::new(),
            since: now,
            awaits_since: None,
            stage: Stage::Pending,
        }
    }

    /// Whether all have left it before it was dispatched.
    pub(super) fn is_given_up(&self) -> bool {
        let is_not_out = matches!(self.stage, Stage::Pending | Stage::AwaitsLease);
        is_not_out && !self.is_background && self.waiters.is_empty()
    }

    pub(super) fn is_first(&self) -> bool {
        self.question.rank == Rank::First
    }

    pub(super) fn is_first_pending(&self) -> bool {
        matches!(self.stage, Stage::Pending) && self.is_first()
    }

    /// Whether another worker may still be let ask first: nobody waits for others for longer than
    /// a lease holds.
    pub(super) fn may_await(&self, now: Time) -> bool {
        self.awaits_since
            .is_none_or(|since| now.apart(since) < LEASE)
    }

    /// Takes it out of the queue of those of that rank, if it still stands there.
    pub(super) fn start(&mut self, id: CallId, rank: Rank, now: Time) -> Option<Start> {
        let is_there = matches!(self.stage, Stage::Pending) && self.question.rank == rank;
        if !is_there {
            return None;
        }
        self.stage = Stage::Starting;
        Some(Start {
            id,
            token_id: self.question.token_id,
            is_background: self.is_background,
            may_await: self.may_await(now),
        })
    }

    pub(super) fn await_lease(&mut self, now: Time) {
        self.stage = Stage::AwaitsLease;
        self.awaits_since = self.awaits_since.or(Some(now));
    }

    /// When it was dispatched, while its callout is out.
    pub(super) fn asked_at(&self) -> Option<Time> {
        match self.stage {
            Stage::InFlight { asked_at } => Some(asked_at),
            Stage::Pending | Stage::Starting | Stage::AwaitsLease | Stage::Answered(_) => None,
        }
    }

    /// What the window is told of its callout, which is out no more.
    pub(super) fn exchange(&self, is_active: bool, timeout: Duration) -> Option<Exchange> {
        let kind = Kind {
            provider: self.question.provider,
            rank: self.question.rank,
            is_active,
        };
        Some(Exchange {
            kind,
            asked_at: self.asked_at()?,
            timeout,
        })
    }

    /// At most `limit` of those who wait, if it is answered and anybody does.
    pub(super) fn take_waiters(&mut self, limit: usize) -> Option<Finished<W>> {
        let Stage::Answered(answer) = &self.stage else {
            return None;
        };
        if self.waiters.is_empty() {
            return None;
        }
        let take = || self.waiters.pop_first();
        let waiters = std::iter::from_fn(take).take(limit).collect();
        Some((waiters, Rc::clone(answer)))
    }
}
