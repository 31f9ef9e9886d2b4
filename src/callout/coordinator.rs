//! The protocol of asking: one callout for all requests that wait for the same token, leases
//! between workers, tokens in use before tokens that nobody knows.
//!
//! A *call* is the question about one token. It is *pending* until its callout is dispatched, may
//! on the way *await a lease* that another worker has, is *in flight*, and is *answered* until all
//! its waiters were told. A *waiter* is a paused request.
//!
//! Events come in by [`Coordinator::ask`] and its neighbours. Whoever brought one then takes the
//! effects out by [`Coordinator::next_effect`] until there are none, within the bounds of one
//! [`Turn`]. No borrow is held while shared data is read or written.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use super::window::Window;
use crate::bearer::AccessToken;
use crate::cache::lease::{LEASE, Lease};
use crate::cache::shared::SharedData;
use crate::digest::{TokenDigest, TokenKey, TokenName};
use crate::introspection::error::IntrospectionError;
use crate::introspection::health::{Rank, Transition};
use crate::introspection::outcome::Outcome;
use crate::introspection::provider::Provider;
use crate::introspection::response::{Answer, Reading, Reply};
use crate::time::Time;

/// How much of each kind is done in one call of the VM: the host's stack is finite, and some 270
/// paused streams that are resumed in one call overflow it (facts: envoy-wasm).
const BATCH: usize = 32;

/// How often calls that await another worker's lease look for its answer.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How often something is done at least.
const TICK: Duration = Duration::from_secs(1);

/// So many calls wait or are under way at once, at most.
const MAX_CALLS: usize = 8192;

/// So much memory their tokens take, at most, in bytes.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// So long a question about an unknown token is pending, at most.
pub const MAX_PENDING: Duration = Duration::from_secs(10);

/// All calls of one worker to one endpoint. `W` is what is remembered for each waiter.
#[derive(Debug)]
pub struct Coordinator<W>(RefCell<Calls<W>>);

/// Names a call; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId(u64);

/// The number of a waiter, the host's own for the request.
pub type WaiterId = u32;

/// A question about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What the token is called.
    pub name: TokenName,
    /// The token.
    pub token: AccessToken,
    /// Whether it is known.
    pub rank: Rank,
}

/// The call that a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which one.
    pub call: CallId,
    /// Whether this request opened it.
    pub is_new: bool,
}

/// There are too many calls already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// What is to be done.
#[derive(Debug)]
pub enum Effect<W> {
    /// A callout is to be dispatched, and what came of that told to [`Coordinator::dispatched`].
    Dispatch {
        /// For which call.
        call: CallId,
        /// About which token.
        token: AccessToken,
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
    starts: usize,
    finishes: usize,
    looks: usize,
    is_over: bool,
}

#[derive(Debug)]
struct Calls<W> {
    all: HashMap<CallId, Call<W>>,
    /// Calls that another waiter may still join: not answered yet.
    open: HashMap<TokenKey, CallId>,
    by_callout: HashMap<u32, CallId>,
    /// Pending, by rank.
    renewals: VecDeque<CallId>,
    first: VecDeque<CallId>,
    awaiting: VecDeque<CallId>,
    answered: VecDeque<CallId>,
    reports: VecDeque<Report>,
    window: Window,
    /// How many first questions are in flight.
    first_in_flight: usize,
    /// Envoy dispatches nothing until something lands, or the clock ticks.
    is_blocked: bool,
    /// How much memory the tokens take, in bytes.
    bytes: usize,
    clock: Duration,
    last_id: u64,
}

#[derive(Debug)]
struct Call<W> {
    question: Question,
    /// Is asked even if nobody waits for it.
    is_background: bool,
    waiters: BTreeMap<WaiterId, W>,
    since: Time,
    /// Since when it awaits leases.
    awaits_since: Option<Time>,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
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
struct Start {
    id: CallId,
    name: TokenName,
    is_background: bool,
    may_await: bool,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            starts: BATCH,
            finishes: BATCH,
            looks: 0,
            is_over: false,
        }
    }
}

impl<W> Default for Coordinator<W> {
    fn default() -> Self {
        Self(RefCell::new(Calls {
            all: HashMap::new(),
            open: HashMap::new(),
            by_callout: HashMap::new(),
            renewals: VecDeque::new(),
            first: VecDeque::new(),
            awaiting: VecDeque::new(),
            answered: VecDeque::new(),
            reports: VecDeque::new(),
            window: Window::default(),
            first_in_flight: 0,
            is_blocked: false,
            bytes: 0,
            clock: Duration::ZERO,
            last_id: 0,
        }))
    }
}

/// Events.
impl<W> Coordinator<W> {
    /// A request begins to wait for the word about a token. The first one for a token opens a
    /// call, the others join it.
    pub fn ask(
        &self,
        question: Question,
        waiter: WaiterId,
        value: W,
        provider: &Provider,
        now: Time,
    ) -> Result<Asked, TooMany> {
        let mut calls = self.0.borrow_mut();
        let open = calls.open.get(&question.name.key).copied();
        let (name, rank) = (question.name, question.rank);
        let id = match open.map_or_else(|| calls.open(question, false, now), Ok) {
            Ok(id) => id,
            Err(TooMany) => {
                let busy = Reading::failed(IntrospectionError::Busy);
                calls.reports.push_back(Report {
                    outcome: Some(busy.outcome),
                    took: None,
                    transitions: provider.observe(&name.key, &busy.answer, rank, now, now),
                    digest: Some(name.digest),
                    waiter: Some(waiter),
                });
                return Err(TooMany);
            }
        };
        calls.join(id, rank, waiter, value);
        Ok(Asked {
            call: id,
            is_new: open.is_none(),
        })
    }

    /// A token in use is to be asked about though nobody waits for the answer. Whether that opened
    /// a call.
    pub fn renew(&self, question: Question, now: Time) -> bool {
        let mut calls = self.0.borrow_mut();
        !calls.open.contains_key(&question.name.key) && calls.open(question, true, now).is_ok()
    }

    /// A request waits no more.
    pub fn leave(&self, call: CallId, waiter: WaiterId) {
        self.0.borrow_mut().leave(call, waiter);
    }

    /// Nothing will come of what was asked last: the host cannot be woken.
    pub fn cancel(&self, call: CallId) {
        self.0.borrow_mut().remove(call);
    }

    /// What came of [`Effect::Dispatch`]: what the host calls the callout, or why there is none.
    pub fn dispatched(
        &self,
        call: CallId,
        result: Result<u32, IntrospectionError>,
        provider: &Provider,
        data: &impl SharedData,
        now: Time,
    ) {
        let error = match result {
            Ok(callout) => return self.0.borrow_mut().in_flight(call, callout, now),
            Err(error) => error,
        };
        let question = self.0.borrow().question(call);
        let Some((name, rank)) = question else {
            return;
        };
        provider.end_lease(data, &name.digest);
        // Others of ours are out, so there will be room. But whoever may go by what was known
        // before need not wait for it.
        if error == IntrospectionError::NotDispatched
            && (rank == Rank::First || !provider.has_stale(&name, data, now))
            && self.0.borrow_mut().put_back(call, now)
        {
            return;
        }
        self.finish(call, Reading::failed(error), None, provider, now);
    }

    /// A callout came to something.
    pub fn landed(
        &self,
        callout: u32,
        reply: Reply<'_>,
        provider: &Provider,
        data: &impl SharedData,
        now: Time,
    ) {
        let timeout = provider.config().timeout;
        let landed = self.0.borrow_mut().landed(callout, timeout, now);
        if let Some((call, name, asked_at)) = landed {
            let reading = provider.read(&name, asked_at, reply, data, now);
            provider.end_lease(data, &name.digest);
            self.finish(call, reading, Some(asked_at), provider, now);
        }
    }

    /// The clock has ticked. The turn that follows looks for other workers' answers.
    pub fn tick(&self, provider: &Provider, now: Time) -> Turn {
        let too_old = self.0.borrow_mut().tick(now);
        for call in too_old {
            let busy = Reading::failed(IntrospectionError::Busy);
            self.finish(call, busy, None, provider, now);
        }
        let transitions = provider.tick(now);
        if !transitions.is_empty() {
            self.0.borrow_mut().reports.push_back(Report {
                outcome: None,
                took: None,
                transitions,
                digest: None,
                waiter: None,
            });
        }
        Turn {
            looks: BATCH,
            ..Turn::default()
        }
    }

    fn finish(
        &self,
        call: CallId,
        reading: Reading<'_>,
        asked_at: Option<Time>,
        provider: &Provider,
        now: Time,
    ) {
        let question = self.0.borrow().question(call);
        let Some((name, rank)) = question else {
            return;
        };
        let report = Report {
            outcome: Some(reading.outcome),
            took: asked_at.map(|asked_at| now.since(asked_at)),
            transitions: provider.observe(
                &name.key,
                &reading.answer,
                rank,
                asked_at.unwrap_or(now),
                now,
            ),
            digest: Some(name.digest),
            waiter: self.0.borrow().a_waiter(call),
        };
        let mut calls = self.0.borrow_mut();
        calls.reports.push_back(report);
        calls.answer(call, reading.answer);
    }
}

/// Effects.
impl<W> Coordinator<W> {
    /// The next thing to be done in this turn; `None` when it is over.
    pub fn next_effect(
        &self,
        turn: &mut Turn,
        provider: &Provider,
        data: &impl SharedData,
        now: Time,
    ) -> Option<Effect<W>> {
        if let Some(report) = self.0.borrow_mut().reports.pop_front() {
            return Some(Effect::Report(report));
        }
        self.look_for_answers(turn, provider, data, now);
        if let Some(effect) = self.next_dispatch(turn, provider, data, now) {
            return Some(effect);
        }
        let mut calls = self.0.borrow_mut();
        if let Some((waiters, answer)) = calls.next_waiters(turn.finishes) {
            turn.finishes = turn.finishes.saturating_sub(waiters.len());
            return Some(Effect::Finish { waiters, answer });
        }
        if !turn.is_over && calls.has_work(now) {
            turn.is_over = true;
            return Some(Effect::Wake);
        }
        calls.set_clock().map(Effect::SetClock)
    }

    fn next_dispatch(
        &self,
        turn: &mut Turn,
        provider: &Provider,
        data: &impl SharedData,
        now: Time,
    ) -> Option<Effect<W>> {
        while turn.starts > 0 {
            // A statement of its own, so that the borrow ends before shared data is looked at.
            let start = self.0.borrow_mut().next_start(now);
            let start = start?;
            turn.starts = turn.starts.saturating_sub(1);
            if self.is_to_be_asked(&start, provider, data, now) {
                let token = self.0.borrow().token(start.id);
                let call = start.id;
                return token.map(|token| Effect::Dispatch { call, token });
            }
        }
        None
    }

    /// Whether it falls to this worker to ask.
    fn is_to_be_asked(
        &self,
        start: &Start,
        provider: &Provider,
        data: &impl SharedData,
        now: Time,
    ) -> bool {
        if provider.take_lease(data, &start.name.digest, now) == Lease::Theirs {
            if start.may_await {
                self.0.borrow_mut().await_lease(start.id, now);
            }
            return !start.may_await;
        }
        // Between the request's look and this lease another worker may have had its answer.
        if start.is_background {
            return true;
        }
        let Some(what) = provider.peek(&start.name, data, now).into_facts() else {
            return true;
        };
        provider.end_lease(data, &start.name.digest);
        self.0.borrow_mut().answer(start.id, Ok(what));
        false
    }

    /// Calls that await another worker's lease: its answer may be there, or they try again.
    fn look_for_answers(
        &self,
        turn: &mut Turn,
        provider: &Provider,
        data: &impl SharedData,
        now: Time,
    ) {
        let looks = std::mem::take(&mut turn.looks);
        let awaiting = self.0.borrow_mut().take_awaiting(looks);
        for (call, name) in awaiting {
            let known = provider.peek(&name, data, now).into_facts();
            let mut calls = self.0.borrow_mut();
            match known {
                Some(what) => calls.answer(call, Ok(what)),
                None => calls.enqueue_again(call),
            }
        }
    }
}

impl<W> Calls<W> {
    fn open(
        &mut self,
        question: Question,
        is_background: bool,
        now: Time,
    ) -> Result<CallId, TooMany> {
        let bytes = self.bytes.saturating_add(question.token.as_bytes().len());
        let is_full = self.all.len() >= MAX_CALLS || bytes > MAX_BYTES;
        // Tokens that are known are bounded as such.
        if is_full && question.rank == Rank::First {
            return Err(TooMany);
        }
        self.bytes = bytes;
        self.last_id = self.last_id.wrapping_add(1);
        let id = CallId(self.last_id);
        self.open.insert(question.name.key, id);
        self.lane(question.rank).push_back(id);
        let call = Call {
            question,
            is_background,
            waiters: BTreeMap::new(),
            since: now,
            awaits_since: None,
            stage: Stage::Pending,
        };
        self.all.insert(id, call);
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
            if let Stage::InFlight { .. } = call.stage {
                self.first_in_flight = self.first_in_flight.saturating_sub(1);
            }
            call.question.rank = Rank::Renewal;
            if let Stage::Pending = call.stage {
                self.renewals.push_back(id);
            }
        }
    }

    fn leave(&mut self, id: CallId, waiter: WaiterId) {
        let Some(call) = self.all.get_mut(&id) else {
            return;
        };
        call.waiters.remove(&waiter);
        let is_wanted = call.is_background || !call.waiters.is_empty();
        if let Stage::Pending | Stage::AwaitsLease = call.stage
            && !is_wanted
        {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: CallId) {
        let Some(call) = self.all.remove(&id) else {
            return;
        };
        self.bytes = self
            .bytes
            .saturating_sub(call.question.token.as_bytes().len());
        let key = call.question.name.key;
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

    fn question(&self, id: CallId) -> Option<(TokenName, Rank)> {
        let question = &self.all.get(&id)?.question;
        Some((question.name, question.rank))
    }

    fn a_waiter(&self, id: CallId) -> Option<WaiterId> {
        self.all.get(&id)?.waiters.keys().next().copied()
    }

    fn token(&self, id: CallId) -> Option<AccessToken> {
        Some(self.all.get(&id)?.question.token.clone())
    }

    /// The next call that may be dispatched: tokens in use before others.
    fn next_start(&mut self, now: Time) -> Option<Start> {
        if self.is_blocked {
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
            if let Some(call) = self.all.get_mut(&id)
                && matches!(call.stage, Stage::Pending)
                && call.question.rank == rank
            {
                call.stage = Stage::Starting;
                return Some(Start {
                    id,
                    name: call.question.name,
                    is_background: call.is_background,
                    may_await: call.may_await(now),
                });
            }
        }
    }

    fn admits_first(&mut self, now: Time) -> bool {
        !self.first.is_empty() && self.window.admits(self.first_in_flight, now)
    }

    fn in_flight(&mut self, id: CallId, callout: u32, now: Time) {
        if let Some(call) = self.all.get_mut(&id) {
            call.stage = Stage::InFlight { asked_at: now };
            if call.question.rank == Rank::First {
                self.first_in_flight = self.first_in_flight.saturating_add(1);
            }
            self.by_callout.insert(callout, id);
        }
    }

    /// The call could not be dispatched. If others are in flight it waits until one of them lands;
    /// whether it does.
    fn put_back(&mut self, id: CallId, now: Time) -> bool {
        self.window.refused(self.first_in_flight, now);
        if self.by_callout.is_empty() {
            return false;
        }
        self.is_blocked = true;
        self.enqueue_again(id);
        true
    }

    fn await_lease(&mut self, id: CallId, now: Time) {
        if let Some(call) = self.all.get_mut(&id) {
            call.stage = Stage::AwaitsLease;
            call.awaits_since = call.awaits_since.or(Some(now));
            self.awaiting.push_back(id);
        }
    }

    fn take_awaiting(&mut self, limit: usize) -> Vec<(CallId, TokenName)> {
        let some = self.awaiting.len().min(limit);
        let ids = self.awaiting.drain(..some);
        let named = ids.filter_map(|id| Some((id, self.all.get(&id)?.question.name)));
        named.collect()
    }

    fn enqueue_again(&mut self, id: CallId) {
        if let Some(call) = self.all.get_mut(&id) {
            call.stage = Stage::Pending;
            let rank = call.question.rank;
            self.lane(rank).push_front(id);
        }
    }

    fn landed(
        &mut self,
        callout: u32,
        timeout: Duration,
        now: Time,
    ) -> Option<(CallId, TokenName, Time)> {
        let id = self.by_callout.remove(&callout)?;
        self.is_blocked = false;
        let call = self.all.get(&id)?;
        let Stage::InFlight { asked_at } = call.stage else {
            return None;
        };
        let in_flight = self.first_in_flight;
        if call.question.rank == Rank::First {
            self.first_in_flight = in_flight.saturating_sub(1);
        }
        let is_wanted = !self.first.is_empty();
        self.window
            .answered(asked_at, now, timeout, in_flight, is_wanted);
        Some((id, call.question.name, asked_at))
    }

    /// The call was answered. Its waiters come out of [`Self::next_waiters`].
    fn answer(&mut self, id: CallId, answer: Answer) {
        if let Some(call) = self.all.get_mut(&id) {
            call.stage = Stage::Answered(Rc::new(answer));
            self.open.remove(&call.question.name.key);
            self.answered.push_back(id);
        }
    }

    /// At most `limit` waiters of one call that can be told something.
    fn next_waiters(&mut self, limit: usize) -> Option<(Vec<(WaiterId, W)>, Rc<Answer>)> {
        while limit > 0 {
            let id = self.answered.front().copied()?;
            if let Some(call) = self.all.get_mut(&id)
                && let Stage::Answered(answer) = &call.stage
                && !call.waiters.is_empty()
            {
                let answer = Rc::clone(answer);
                let take = || call.waiters.pop_first();
                return Some((std::iter::from_fn(take).take(limit).collect(), answer));
            }
            self.answered.pop_front();
            self.remove(id);
        }
        None
    }

    /// Time has passed. Calls that were pending for too long.
    fn tick(&mut self, now: Time) -> Vec<CallId> {
        self.is_blocked = false;
        let mut too_old = Vec::new();
        while let Some(id) = self.first.front().copied() {
            match self.all.get(&id) {
                Some(call) if call.is_first_pending() => {
                    if now.since(call.since) < MAX_PENDING {
                        break;
                    }
                    too_old.push(id);
                }
                _ => {}
            }
            self.first.pop_front();
        }
        too_old
    }

    fn has_work(&mut self, now: Time) -> bool {
        let may_start = !self.is_blocked && (!self.renewals.is_empty() || self.admits_first(now));
        may_start || !self.answered.is_empty() || !self.reports.is_empty()
    }

    /// How often the clock is to tick from now on, if that is new.
    fn set_clock(&mut self) -> Option<Duration> {
        let clock = if self.awaiting.is_empty() {
            TICK
        } else {
            LOOK_AGAIN
        };
        (std::mem::replace(&mut self.clock, clock) != clock).then_some(clock)
    }
}

impl<W> Call<W> {
    /// Whether another worker may still be let ask first: nobody waits for others for longer than
    /// a lease holds.
    fn may_await(&self, now: Time) -> bool {
        let awaits_for = |since: Time| now.since(since).max(since.since(now));
        self.awaits_since
            .is_none_or(|since| awaits_for(since) < LEASE)
    }

    fn is_first_pending(&self) -> bool {
        matches!(self.stage, Stage::Pending) && self.question.rank == Rank::First
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may fail loudly")]
mod tests;
