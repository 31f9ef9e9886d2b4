//! What the host is to do, and how much of it in one call of the VM.

use std::rc::Rc;
use std::time::Duration;

use super::single_flight::{CallId, WaiterId};
use crate::introspection::error::Answer;
use crate::introspection::health::Transition;
use crate::introspection::outcome::Outcome;
use crate::request::trace::Trace;
use crate::token::extract::AccessToken;
use crate::token::id::TokenDigest;

/// How much of each kind is done in one call of the VM: the host's stack is finite, and some 270
/// paused streams that are resumed in one call overflow it.
pub(super) const BATCH: usize = 32;

/// What is to be done.
#[derive(Debug)]
pub enum Effect<W> {
    /// A callout is to be dispatched, and what came of that told to [`Coordinator::dispatched`](super::coordinator::Coordinator::dispatched).
    Dispatch {
        /// For which call.
        call: CallId,
        /// About which token.
        token: AccessToken,
        /// In which trace.
        trace: Option<Trace>,
    },
    /// These requests, at most a few, are to be decided on.
    Finish {
        /// Each of them once.
        waiters: Vec<(WaiterId, W)>,
        /// What the call came to.
        answer: Rc<Answer>,
    },
    /// Something is worth a count or a line in the log.
    Report(Report),
    /// There is more to do than in one turn: another one is to follow.
    Wake,
    /// The clock is to tick this often.
    SetClock(Duration),
}

/// What a call came to, for metrics and log.
#[derive(Debug, PartialEq)]
pub struct Report {
    /// The answer's name in metrics, if there was a question.
    pub outcome: Option<Outcome>,
    /// How long the endpoint took, if it was asked.
    pub took: Option<Duration>,
    /// What began or ended with it.
    pub transitions: Vec<Transition>,
    /// What the token is called in the log, if it was about one.
    pub digest: Option<TokenDigest>,
    /// One of the requests that waited for it, if any does.
    pub waiter: Option<WaiterId>,
}

/// How much may still be done in one call of the VM.
#[derive(Debug)]
pub struct Turn {
    pub(super) starts: usize,
    pub(super) finishes: usize,
    pub(super) is_over: bool,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            starts: BATCH,
            finishes: BATCH,
            is_over: false,
        }
    }
}

impl Turn {
    /// How often each of so many providers looks for other workers' answers when the clock ticks.
    pub(super) fn looks(providers: usize) -> usize {
        BATCH.checked_div(providers).unwrap_or_default().max(1)
    }
}
