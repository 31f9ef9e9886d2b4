//! The protocol of asking: one callout for all requests that wait for the same token, leases
//! between workers, tokens in use before tokens that nobody knows.
//!
//! Events come in by [`Coordinator::ask`] and its neighbours. Whoever brought one then takes the
//! effects out by [`Coordinator::next_effect`] until there are none, within the bounds of one
//! [`Turn`]. No borrow is held while shared data is read or written.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::effect::{Effect, Report, Turn};
use super::load::Load;
use super::single_flight::{Asked, CallId, Calls, Question, Start, TooMany, WaiterId};
use crate::cache::lease::Lease;
use crate::cache::shared::SharedData;
use crate::callout::provider::Provider;
use crate::introspection::error::IntrospectionError;
use crate::introspection::health::Rank;
use crate::introspection::outcome::Outcome;
use crate::introspection::response::{Reading, Reply};
use crate::time::Time;

/// The protocol of one worker with one provider. `W` is what is remembered for each waiter.
#[derive(Debug)]
pub struct Coordinator<W> {
    calls: RefCell<Calls<W>>,
    reports: RefCell<VecDeque<Report>>,
}

/// Events.
impl<W> Coordinator<W> {
    /// One of so many, among whom is shared what may wait; `load` with those of the same cluster.
    pub(super) fn new(providers: usize, load: Rc<RefCell<Load>>) -> Self {
        Self {
            calls: RefCell::new(Calls::new(providers, load)),
            reports: RefCell::default(),
        }
    }

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
        let (token_id, rank) = (question.token_id, question.rank);
        let asked = self.calls.borrow_mut().ask(question, waiter, value, now);
        if asked.is_err() {
            let busy = Reading::failed(IntrospectionError::Busy);
            let transitions = provider.observe(&token_id.key, &busy.answer, rank, now, now);
            if !transitions.is_empty() {
                self.report(Report {
                    outcome: None,
                    took: None,
                    transitions,
                    digest: Some(token_id.digest),
                    waiter: Some(waiter),
                });
            }
        }
        asked
    }

    /// A token in use is to be asked about though nobody waits for the answer. Whether that opened
    /// a call.
    pub fn renew(&self, question: Question, now: Time) -> bool {
        self.calls.borrow_mut().renew(question, now)
    }

    /// A request waits no more.
    pub fn leave(&self, call: CallId, waiter: WaiterId) {
        self.calls.borrow_mut().leave(call, waiter);
    }

    /// Nothing will come of what was asked last: the host cannot be woken.
    pub fn cancel(&self, call: CallId) {
        self.calls.borrow_mut().remove(call);
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
            Ok(callout) => return self.calls.borrow_mut().in_flight(call, callout, now),
            Err(error) => error,
        };
        let question = self.calls.borrow().question(call);
        let Some((token_id, rank)) = question else {
            return;
        };
        provider.end_lease(&token_id.digest, data, now);
        if error == IntrospectionError::NotDispatched {
            self.calls.borrow_mut().refused(now);
            // Where others of ours are out there will be room. But whoever may go by what was
            // known before need not wait for it.
            let may_wait = rank == Rank::First || !provider.has_stale(&token_id, data, now);
            if may_wait && self.calls.borrow_mut().put_back(call) {
                return;
            }
        }
        self.finish(call, Reading::failed(error), None, provider, now);
    }

    /// A callout came to something.
    pub fn responded(
        &self,
        callout: u32,
        reply: Reply<'_>,
        provider: &Provider,
        data: &impl SharedData,
        now: Time,
    ) {
        let asked = self.calls.borrow().asked_by(callout);
        if let Some((call, token_id, asked_at)) = asked {
            let reading = provider.read(&token_id, asked_at, reply, data, now);
            let is_active = reading.outcome == Outcome::Active;
            let timeout = provider.config().timeout;
            self.calls
                .borrow_mut()
                .responded(callout, is_active, timeout, now);
            self.finish(call, reading, Some(asked_at), provider, now);
        }
    }

    /// The clock has ticked: looks for other workers' answers, so often at most.
    pub fn tick(&self, looks: usize, provider: &Provider, data: &impl SharedData, now: Time) {
        let too_old = self.calls.borrow_mut().tick(now);
        for call in too_old {
            let busy = Reading::failed(IntrospectionError::Busy);
            self.finish(call, busy, None, provider, now);
        }
        let transitions = provider.tick(now);
        if !transitions.is_empty() {
            self.report(Report {
                outcome: None,
                took: None,
                transitions,
                digest: None,
                waiter: None,
            });
        }
        self.look_for_answers(looks, provider, data, now);
    }

    fn finish(
        &self,
        call: CallId,
        reading: Reading<'_>,
        asked_at: Option<Time>,
        provider: &Provider,
        now: Time,
    ) {
        let question = self.calls.borrow().question(call);
        let Some((token_id, rank)) = question else {
            return;
        };
        let since = asked_at.unwrap_or(now);
        // Behind questions that anybody can ask, a timeout says nothing of the endpoint.
        let is_crowded = self.calls.borrow().is_crowded();
        let rank = if is_crowded { Rank::First } else { rank };
        self.report(Report {
            outcome: Some(reading.outcome),
            took: asked_at.map(|asked_at| now.since(asked_at)),
            transitions: provider.observe(&token_id.key, &reading.answer, rank, since, now),
            digest: Some(token_id.digest),
            waiter: self.calls.borrow().a_waiter(call),
        });
        self.calls.borrow_mut().answer(call, reading.answer);
    }

    fn report(&self, report: Report) {
        self.reports.borrow_mut().push_back(report);
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
        if let Some(report) = self.reports.borrow_mut().pop_front() {
            return Some(Effect::Report(report));
        }
        if let Some(effect) = self.next_dispatch(turn, provider, data, now) {
            return Some(effect);
        }
        let mut calls = self.calls.borrow_mut();
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
            let start = self.calls.borrow_mut().next_start(now);
            let start = start?;
            turn.starts = turn.starts.saturating_sub(1);
            if self.is_to_be_asked(&start, provider, data, now) {
                let asked = self.calls.borrow().asked(start.id);
                let call = start.id;
                return asked.map(|(token, trace)| Effect::Dispatch { call, token, trace });
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
        let looks_again = !start.is_background;
        match provider.take_lease(&start.token_id, looks_again, data, now) {
            Lease::Ours => true,
            Lease::Theirs => {
                if start.may_await {
                    self.calls.borrow_mut().await_lease(start.id, now);
                }
                !start.may_await
            }
            Lease::Needless(introspection) => {
                self.calls.borrow_mut().answer(start.id, Ok(introspection));
                false
            }
        }
    }

    /// Calls that await another worker's lease: its answer may be there, or they try again.
    fn look_for_answers(
        &self,
        looks: usize,
        provider: &Provider,
        data: &impl SharedData,
        now: Time,
    ) {
        let awaiting = self.calls.borrow_mut().take_awaiting(looks, now);
        // What is pending again goes to the front: the first last.
        for (call, token_id) in awaiting.into_iter().rev() {
            let known = provider.peek(&token_id, data, now).into_facts();
            let mut calls = self.calls.borrow_mut();
            match known {
                Some(introspection) => calls.answer(call, Ok(introspection)),
                None => calls.enqueue_again(call),
            }
        }
    }
}

#[cfg(any(test, feature = "testing"))]
impl<W> Coordinator<W> {
    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.calls.borrow().is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may fail loudly")]
mod tests;
