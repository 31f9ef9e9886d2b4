//! Single flight: the calls of one worker, each with all who wait for it.
//!
//! A *call* is the question about one token. It is *pending* until its callout is dispatched, may
//! on the way *await a lease* that another worker has, is *in flight*, and is *answered* until all
//! its waiters were told. A *waiter* is a paused request. Tokens in use go before tokens that
//! nobody knows; of those only so many wait, and not for ever.

mod call;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

pub use self::call::{Asked, CallId, Question, WaiterId};
use self::call::{Call, Stage};
pub(super) use self::call::{Finished, Start};
use super::load::Load;
use crate::introspection::error::Answer;
use crate::introspection::health::Rank;
use crate::request::trace::Trace;
use crate::time::Time;
use crate::token::extract::AccessToken;
use crate::token::id::{BuildKeyHasher, TokenId, TokenKey};

/// How often calls that await another worker's lease look for its answer.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How often something is done at least.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// So many calls of all providers wait or are under way at once, at most.
pub(super) const MAX_CALLS: usize = 8192;

/// So much memory their tokens take, at most, in bytes.
pub(super) const MAX_BYTES: usize = 32 * 1024 * 1024;

/// So long a question about an unknown token is pending, at most.
pub(super) const MAX_PENDING: Duration = Duration::from_secs(10);

/// There are too many calls already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// All calls of one worker to one provider.
#[derive(Debug)]
pub(super) struct Calls<W> {
    all: BTreeMap<CallId, Call<W>>,
    /// Calls that another waiter may still join: not answered yet.
    open: HashMap<TokenKey, CallId, BuildKeyHasher>,
    by_callout: BTreeMap<u32, CallId>,
    /// Pending, by rank.
    renewals: VecDeque<CallId>,
    first: VecDeque<CallId>,
    awaiting: VecDeque<CallId>,
    answered: VecDeque<CallId>,
    /// What is out where they are asked, others' calls among it.
    load: Rc<RefCell<Load>>,
    /// How much memory the tokens take, in bytes.
    bytes: usize,
    max_len: usize,
    max_bytes: usize,
    clock: Duration,
    last_id: u64,
}

impl<W> Calls<W> {
    /// Those to one of so many providers, among whom is shared what may wait; `load` with those
    /// who are asked in the same place.
    pub(super) fn new(providers: usize, load: Rc<RefCell<Load>>) -> Self {
        let share = |all: usize| all.checked_div(providers).unwrap_or(all);
        Self {
            max_len: share(MAX_CALLS),
            max_bytes: share(MAX_BYTES),
            all: BTreeMap::new(),
            open: HashMap::default(),
            by_callout: BTreeMap::new(),
            renewals: VecDeque::new(),
            first: VecDeque::new(),
            awaiting: VecDeque::new(),
            answered: VecDeque::new(),
            load,
            bytes: 0,
            clock: Duration::ZERO,
            last_id: 0,
        }
    }

    /// The first request for a token opens a call, the others join it.
    pub(super) fn ask(
        &mut self,
        question: Question,
        waiter: WaiterId,
        value: W,
        now: Time,
    ) -> Result<Asked, TooMany> {
        let open = self.open.get(&question.token_id.key).copied();
        let rank = question.rank;
        let call = open.map_or_else(|| self.open(question, false, now), Ok)?;
        self.join(call, rank, waiter, value);
        Ok(Asked {
            call,
            is_new: open.is_none(),
        })
    }

    /// Opens a call that nobody waits for; whether there was none yet.
    pub(super) fn renew(&mut self, question: Question, now: Time) -> bool {
        !self.open.contains_key(&question.token_id.key) && self.open(question, true, now).is_ok()
    }

    fn open(
        &mut self,
        question: Question,
        is_background: bool,
        now: Time,
    ) -> Result<CallId, TooMany> {
        let bytes = self.bytes.saturating_add(question.token.as_bytes().len());
        let is_full = self.all.len() >= self.max_len || bytes > self.max_bytes;
        // Tokens that are known are bounded as such.
        if is_full && question.rank == Rank::First {
            return Err(TooMany);
        }
        self.bytes = bytes;
        self.last_id = self.last_id.wrapping_add(1);
        let id = CallId(self.last_id);
        self.open.insert(question.token_id.key, id);
        self.lane(question.rank).push_back(id);
        self.all.insert(id, Call::new(question, is_background, now));
        Ok(id)
    }

    fn join(&mut self, id: CallId, rank: Rank, waiter: WaiterId, value: W) {
        let Some(call) = self.all.get_mut(&id) else {
            return;
        };
        call.waiters.insert(waiter, value);
        // Somebody has learned meanwhile that the token is good: its question goes first from now
        // on. What stands for it among the others is skipped.
        if rank == Rank::Renewal && call.question.rank == Rank::First {
            call.question.rank = Rank::Renewal;
            match call.stage {
                Stage::Pending => self.renewals.push_back(id),
                Stage::InFlight { .. } => self.load.borrow_mut().first_is_renewal(),
                Stage::Starting | Stage::AwaitsLease | Stage::Answered(_) => {}
            }
        }
    }

    pub(super) fn leave(&mut self, id: CallId, waiter: WaiterId) {
        let Some(call) = self.all.get_mut(&id) else {
            return;
        };
        call.waiters.remove(&waiter);
        if call.is_given_up() {
            self.remove(id);
        }
    }

    pub(super) fn remove(&mut self, id: CallId) {
        let Some(call) = self.all.remove(&id) else {
            return;
        };
        self.bytes = self
            .bytes
            .saturating_sub(call.question.token.as_bytes().len());
        let key = call.question.token_id.key;
        if self.open.get(&key) == Some(&id) {
            self.open.remove(&key);
        }
        // Calls that are gone are skipped when their turn comes. While nothing moves, a flood of
        // clients that leave must not pile them up.
        if self.first.len() > MAX_CALLS.saturating_mul(2) {
            self.first.retain(|id| self.all.contains_key(id));
        }
    }

    fn lane(&mut self, rank: Rank) -> &mut VecDeque<CallId> {
        match rank {
            Rank::Renewal => &mut self.renewals,
            Rank::First => &mut self.first,
        }
    }

    pub(super) fn question(&self, id: CallId) -> Option<(TokenId, Rank)> {
        let question = &self.all.get(&id)?.question;
        Some((question.token_id, question.rank))
    }

    pub(super) fn a_waiter(&self, id: CallId) -> Option<WaiterId> {
        self.all.get(&id)?.waiters.keys().next().copied()
    }

    /// What is to be asked.
    pub(super) fn asked(&self, id: CallId) -> Option<(AccessToken, Option<Trace>)> {
        let question = &self.all.get(&id)?.question;
        Some((question.token.clone(), question.trace.clone()))
    }

    /// The next call that may be dispatched: tokens in use before others.
    pub(super) fn next_start(&mut self, now: Time) -> Option<Start> {
        if self.load.borrow().is_blocked {
            return None;
        }
        loop {
            let rank = if self.renewals.is_empty() {
                Rank::First
            } else {
                Rank::Renewal
            };
            if rank == Rank::First && !self.admits_first(now) {
                return None;
            }
            let id = self.lane(rank).pop_front()?;
            // What is gone, or stands in the other lane by now, is skipped.
            if let Some(call) = self.all.get_mut(&id)
                && let Some(start) = call.start(id, rank, now)
            {
                return Some(start);
            }
        }
    }

    /// Whether more than one question that anybody can ask is in flight.
    pub(super) fn is_crowded(&self) -> bool {
        self.load.borrow().is_crowded()
    }

    fn admits_first(&mut self, now: Time) -> bool {
        !self.first.is_empty() && self.load.borrow_mut().admits_first(now)
    }

    pub(super) fn in_flight(&mut self, id: CallId, callout: u32, now: Time) {
        if let Some(call) = self.all.get_mut(&id) {
            call.stage = Stage::InFlight { asked_at: now };
            self.load.borrow_mut().dispatched(call.question.rank);
            self.by_callout.insert(callout, id);
        }
    }

    /// Envoy dispatched nothing: the window is too large.
    pub(super) fn refused(&mut self, now: Time) {
        self.load.borrow_mut().refused(now);
    }

    /// The call could not be dispatched. If others are in flight, to whomever in the same place, it
    /// waits until one of them is answered; whether it does.
    pub(super) fn put_back(&mut self, id: CallId) -> bool {
        if !self.load.borrow_mut().block() {
            return false;
        }
        self.enqueue_again(id);
        true
    }

    pub(super) fn await_lease(&mut self, id: CallId, now: Time) {
        if let Some(call) = self.all.get_mut(&id) {
            call.await_lease(now);
            self.awaiting.push_back(id);
        }
    }

    /// Some of the calls that await leases, tokens in use before others. Those that have awaited
    /// for as long as a lease holds are pending again, however many they are.
    pub(super) fn take_awaiting(&mut self, limit: usize, now: Time) -> Vec<(CallId, TokenId)> {
        let (mut overdue, mut waiting) = (Vec::new(), Vec::new());
        for id in std::mem::take(&mut self.awaiting) {
            match self.all.get(&id) {
                Some(call) if !matches!(call.stage, Stage::AwaitsLease) => {}
                Some(call) if call.may_await(now) => waiting.push(id),
                Some(_) => overdue.push(id),
                None => {}
            }
        }
        // The first is to be the first again.
        for id in overdue.into_iter().rev() {
            self.enqueue_again(id);
        }
        let is_first = |id: &CallId| self.all.get(id).is_none_or(Call::is_first);
        let (first, mut waiting): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_first);
        waiting.extend(first);
        let left = waiting.split_off(waiting.len().min(limit));
        self.awaiting = left.into();
        let named = waiting
            .into_iter()
            .filter_map(|id| Some((id, self.all.get(&id)?.question.token_id)));
        named.collect()
    }

    pub(super) fn enqueue_again(&mut self, id: CallId) {
        if let Some(call) = self.all.get_mut(&id) {
            call.stage = Stage::Pending;
            let rank = call.question.rank;
            self.lane(rank).push_front(id);
        }
    }

    /// What that callout asked about, and when; `None`: it is none of ours.
    pub(super) fn asked_by(&self, callout: u32) -> Option<(CallId, TokenId, Time)> {
        let id = *self.by_callout.get(&callout)?;
        let call = self.all.get(&id)?;
        Some((id, call.question.token_id, call.asked_at()?))
    }

    /// That callout is out no more; whether its token is active, by the answer.
    pub(super) fn responded(
        &mut self,
        callout: u32,
        is_active: bool,
        timeout: Duration,
        now: Time,
    ) {
        let Some(id) = self.by_callout.remove(&callout) else {
            return;
        };
        let call = self.all.get(&id);
        let Some(exchange) = call.and_then(|call| call.exchange(is_active, timeout)) else {
            return;
        };
        let is_wanted = !self.first.is_empty();
        self.load.borrow_mut().answered(exchange, now, is_wanted);
    }

    /// The call was answered. Its waiters come out of [`Self::next_waiters`].
    pub(super) fn answer(&mut self, id: CallId, answer: Answer) {
        if let Some(call) = self.all.get_mut(&id) {
            call.stage = Stage::Answered(Rc::new(answer));
            self.open.remove(&call.question.token_id.key);
            self.answered.push_back(id);
        }
    }

    /// At most `limit` waiters of one call that can be told something.
    pub(super) fn next_waiters(&mut self, limit: usize) -> Option<Finished<W>> {
        if limit == 0 {
            return None;
        }
        while let Some(id) = self.answered.front().copied() {
            if let Some(call) = self.all.get_mut(&id)
                && let Some(finished) = call.take_waiters(limit)
            {
                return Some(finished);
            }
            self.answered.pop_front();
            self.remove(id);
        }
        None
    }

    /// Time has passed. Calls that were pending for too long.
    pub(super) fn tick(&mut self, now: Time) -> Vec<CallId> {
        self.load.borrow_mut().is_blocked = false;
        let mut too_old = Vec::new();
        while let Some(id) = self.first.front().copied() {
            if let Some(call) = self.all.get(&id)
                && call.is_first_pending()
            {
                if now.apart(call.since) < MAX_PENDING {
                    break;
                }
                too_old.push(id);
            }
            self.first.pop_front();
        }
        too_old
    }

    pub(super) fn has_work(&mut self, now: Time) -> bool {
        let is_blocked = self.load.borrow().is_blocked;
        let may_start = !is_blocked && (!self.renewals.is_empty() || self.admits_first(now));
        may_start || !self.answered.is_empty()
    }

    /// How often the clock is to tick from now on, if that is new.
    pub(super) fn set_clock(&mut self) -> Option<Duration> {
        let clock = if self.awaiting.is_empty() {
            TICK
        } else {
            LOOK_AGAIN
        };
        (std::mem::replace(&mut self.clock, clock) != clock).then_some(clock)
    }
}

/// What tests look at.
#[cfg(any(test, feature = "testing"))]
impl<W> Calls<W> {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
            && self.open.is_empty()
            && self.by_callout.is_empty()
            && self.answered.is_empty()
            && self.load.borrow().is_empty()
            && self.bytes == 0
    }

    /// Calls that await leases.
    #[cfg(test)]
    pub(super) fn awaiting(&self) -> impl Iterator<Item = CallId> {
        let awaiting = self.awaiting.iter().copied();
        awaiting.filter(|id| self.all.contains_key(id))
    }
}
