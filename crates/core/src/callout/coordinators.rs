//! The protocol of asking, of one worker with all its providers: each has calls of its own. All of
//! them share what one turn may do, and those of one cluster what may be out there.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use super::coordinator::Coordinator;
use super::effect::{Effect, Turn};
use super::load::Load;
use super::providers::Providers;
use super::single_flight::{Asked, CallId, Question, TooMany, WaiterId};
use crate::cache::shared::SharedData;
use crate::introspection::error::IntrospectionError;
use crate::introspection::response::Reply;
use crate::time::Time;
use crate::token::providers::ProviderId;

/// The protocol of one worker. `W` is what is remembered for each waiter.
#[derive(Debug)]
pub struct Coordinators<W> {
    all: Vec<Coordinator<W>>,
    /// How often each wants the clock to tick.
    clocks: RefCell<Vec<Option<Duration>>>,
    clock: Cell<Option<Duration>>,
    /// Whose turn it is first: whoever comes after the one for whom something was done last, so that
    /// what all of them share goes round.
    first: Cell<usize>,
}

/// Events.
impl<W> Coordinators<W> {
    /// For these providers. What may wait is shared among them.
    pub fn new(providers: &Providers) -> Self {
        let mut loads: HashMap<&str, Rc<RefCell<Load>>> = HashMap::new();
        let all = providers.iter().map(|provider| {
            let load = loads.entry(&provider.config().cluster).or_default();
            Coordinator::new(providers.len(), Rc::clone(load))
        });
        Self {
            all: all.collect(),
            clocks: RefCell::new(vec![None; providers.len()]),
            clock: Cell::new(None),
            first: Cell::new(0),
        }
    }

    pub(super) fn of(&self, provider: ProviderId) -> Option<&Coordinator<W>> {
        self.all.get(provider.position())
    }

    /// A request begins to wait for the word about a token.
    pub fn ask(
        &self,
        question: Question,
        waiter: WaiterId,
        value: W,
        providers: &Providers,
        now: Time,
    ) -> Result<Asked, TooMany> {
        let id = question.provider;
        let (own, provider) = (self.of(id), providers.get(id));
        let (own, provider) = own.zip(provider).ok_or(TooMany)?;
        own.ask(question, waiter, value, provider, now)
    }

    /// A token in use is to be asked about though nobody waits for the answer. Whether that opened
    /// a call.
    pub fn renew(&self, question: Question, now: Time) -> bool {
        let own = self.of(question.provider);
        own.is_some_and(|own| own.renew(question, now))
    }

    /// A request waits no more.
    pub fn leave(&self, provider: ProviderId, call: CallId, waiter: WaiterId) {
        if let Some(own) = self.of(provider) {
            own.leave(call, waiter);
        }
    }

    /// Nothing will come of what was asked last: the host cannot be woken.
    pub fn cancel(&self, provider: ProviderId, call: CallId) {
        if let Some(own) = self.of(provider) {
            own.cancel(call);
        }
    }

    /// What came of [`Effect::Dispatch`]: what the host calls the callout, or why there is none.
    pub fn dispatched(
        &self,
        id: ProviderId,
        call: CallId,
        result: Result<u32, IntrospectionError>,
        providers: &Providers,
        data: &impl SharedData,
        now: Time,
    ) {
        if let (Some(own), Some(provider)) = (self.of(id), providers.get(id)) {
            own.dispatched(call, result, provider, data, now);
        }
    }

    /// A callout came to something. No two callouts of a VM have the same number.
    pub fn responded(
        &self,
        callout: u32,
        reply: Reply<'_>,
        providers: &Providers,
        data: &impl SharedData,
        now: Time,
    ) {
        for (own, provider) in self.all.iter().zip(providers.iter()) {
            own.responded(callout, reply, provider, data, now);
        }
    }

    /// The clock has ticked: looks for other workers' answers.
    pub fn tick(&self, providers: &Providers, data: &impl SharedData, now: Time) {
        let looks = Turn::looks(self.all.len());
        for (own, provider) in self.all.iter().zip(providers.iter()) {
            own.tick(looks, provider, data, now);
        }
    }
}

/// Effects.
impl<W> Coordinators<W> {
    /// A turn begins.
    pub fn turn(&self) -> Turn {
        Turn::default()
    }

    /// The next thing to be done in this turn, and on behalf of which provider; `None` when it is
    /// over.
    pub fn next_effect(
        &self,
        turn: &mut Turn,
        providers: &Providers,
        data: &impl SharedData,
        now: Time,
    ) -> Option<(ProviderId, Effect<W>)> {
        let all = self.all.iter().zip(providers.with_ids());
        let own = all.cycle().skip(self.first.get()).take(self.all.len());
        for (own, (id, provider)) in own {
            while let Some(effect) = own.next_effect(turn, provider, data, now) {
                match effect {
                    Effect::Dispatch { .. } | Effect::Finish { .. } => self.first_after(id),
                    Effect::Report(_) | Effect::Wake => {}
                    Effect::SetClock(clock) => match self.set_clock(id, clock) {
                        Some(clock) => return Some((id, Effect::SetClock(clock))),
                        None => continue,
                    },
                }
                return Some((id, effect));
            }
        }
        None
    }

    /// It is the next one's turn.
    fn first_after(&self, id: ProviderId) {
        let next = id.position().wrapping_add(1);
        let next = next.checked_rem(self.all.len()).unwrap_or_default();
        self.first.set(next);
    }

    /// The clock ticks as often as the one needs it that needs it most; how often, if that is new.
    fn set_clock(&self, id: ProviderId, clock: Duration) -> Option<Duration> {
        let mut clocks = self.clocks.borrow_mut();
        *clocks.get_mut(id.position())? = Some(clock);
        let least = clocks.iter().flatten().min().copied();
        let is_new = self.clock.replace(least) != least;
        least.filter(|_| is_new)
    }
}

#[cfg(any(test, feature = "testing"))]
impl<W> Coordinators<W> {
    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.all.iter().all(Coordinator::is_empty)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may fail loudly")]
mod tests;
