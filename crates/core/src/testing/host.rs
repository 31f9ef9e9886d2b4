//! What carries out the effects of asking: callouts that are out until somebody answers them, a
//! clock that is told when to tick.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cache::shared::SharedData;
use crate::callout::coordinators::Coordinators;
use crate::callout::effect::{Effect, Report, Turn};
use crate::callout::providers::Providers;
use crate::callout::single_flight::{CallId, Question, WaiterId};
use crate::introspection::error::{Answer, IntrospectionError};
use crate::introspection::response::Reply;
use crate::request::trace::Trace;
use crate::time::Time;
use crate::token::providers::ProviderId;

/// So much of each kind in one call of the VM is certain not to overflow the host's stack.
const MOST: usize = 32;

/// One worker's host. Waiters have no value.
#[derive(Debug)]
pub struct FakeHost {
    /// The protocol that it serves.
    pub coordinators: Coordinators<()>,
    /// Callouts that are out, by number.
    pub out: BTreeMap<u32, Callout>,
    /// How many callouts were to be dispatched.
    pub callouts: usize,
    last_callout: u32,
    /// What each waiter was told, in order.
    pub finished: BTreeMap<WaiterId, Vec<Answer>>,
    /// What was to be reported.
    pub reports: Vec<Report>,
    /// How often the clock is to tick.
    pub clock: Duration,
    /// When it has ticked last, or was set.
    pub ticked_at: Option<Time>,
    /// Whether a turn is to follow.
    pub is_awake: bool,
    /// Whether callouts are not dispatched: there is no host, or no room.
    pub is_refused: bool,
}

/// A callout that is out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callout {
    /// Whom it went to.
    pub provider: ProviderId,
    /// About which token.
    pub token: String,
    /// In which trace.
    pub trace: Option<Trace>,
}

impl FakeHost {
    /// The host of a worker that has these providers.
    pub fn new(providers: &Providers) -> Self {
        Self {
            coordinators: Coordinators::new(providers),
            out: BTreeMap::new(),
            callouts: 0,
            last_callout: 0,
            finished: BTreeMap::new(),
            reports: Vec::new(),
            clock: Duration::ZERO,
            ticked_at: None,
            is_awake: false,
            is_refused: false,
        }
    }

    /// A request begins to wait; `None` if it cannot.
    pub fn ask(
        &mut self,
        question: Question,
        waiter: WaiterId,
        providers: &Providers,
        now: Time,
    ) -> Option<CallId> {
        let asked = self
            .coordinators
            .ask(question, waiter, (), providers, now)
            .ok()?;
        self.is_awake |= asked.is_new;
        Some(asked.call)
    }

    /// A token is asked about though nobody waits; whether that is new.
    pub fn renew(&mut self, question: Question, now: Time) -> bool {
        let is_new = self.coordinators.renew(question, now);
        self.is_awake |= is_new;
        is_new
    }

    /// Turns, until there is nothing more to do.
    pub fn work(&mut self, providers: &Providers, data: &impl SharedData, now: Time) {
        while self.is_awake {
            let turn = self.coordinators.turn();
            self.turn(turn, providers, data, now);
        }
    }

    /// The clock ticks.
    pub fn tick(&mut self, providers: &Providers, data: &impl SharedData, now: Time) {
        self.coordinators.tick(providers, data, now);
        self.ticked_at = Some(now);
        self.is_awake = true;
        self.work(providers, data, now);
    }

    /// Whether the clock is to tick by now. One that was never set is.
    pub fn is_to_tick(&self, now: Time) -> bool {
        self.ticked_at.is_none_or(|at| now.since(at) >= self.clock)
    }

    /// A callout is answered with a 200 and this body, or times out.
    pub fn respond(
        &mut self,
        callout: u32,
        body: Option<&str>,
        providers: &Providers,
        data: &impl SharedData,
        now: Time,
    ) {
        self.reply(callout, body.map(|body| (200, body)), providers, data, now);
    }

    /// A callout is answered with this status and body, or times out.
    pub fn reply(
        &mut self,
        callout: u32,
        reply: Option<(u16, &str)>,
        providers: &Providers,
        data: &impl SharedData,
        now: Time,
    ) {
        self.out.remove(&callout);
        let reply = Reply {
            status: Some(reply.map_or(504, |(status, _)| status)),
            from_upstream: reply.is_some(),
            body: reply.map(|(_, body)| body.as_bytes()),
        };
        self.coordinators
            .responded(callout, reply, providers, data, now);
        let turn = self.coordinators.turn();
        self.turn(turn, providers, data, now);
        self.work(providers, data, now);
    }

    /// One call of the VM: what it does is bounded.
    fn turn(&mut self, mut turn: Turn, providers: &Providers, data: &impl SharedData, now: Time) {
        let (mut dispatched, mut finished) = (0, 0);
        self.is_awake = false;
        while let Some((id, effect)) = self
            .coordinators
            .next_effect(&mut turn, providers, data, now)
        {
            match effect {
                Effect::Dispatch { call, token, trace } => {
                    dispatched += 1;
                    let result = self.dispatch(Callout {
                        provider: id,
                        token: token.expose().to_owned(),
                        trace,
                    });
                    self.coordinators
                        .dispatched(id, call, result, providers, data, now);
                }
                Effect::Finish { waiters, answer } => {
                    finished += waiters.len();
                    for (waiter, ()) in waiters {
                        let told = self.finished.entry(waiter).or_default();
                        told.push((*answer).clone());
                    }
                }
                Effect::Report(report) => self.reports.push(report),
                Effect::Wake => self.is_awake = true,
                Effect::SetClock(clock) => {
                    self.clock = clock;
                    self.ticked_at = Some(now);
                }
            }
        }
        assert!(dispatched <= MOST && finished <= MOST, "too much at once");
    }

    fn dispatch(&mut self, callout: Callout) -> Result<u32, IntrospectionError> {
        self.callouts += 1;
        if self.is_refused {
            return Err(IntrospectionError::NotDispatched);
        }
        assert!(
            !self
                .out
                .values()
                .any(|out| (out.provider, &out.token) == (callout.provider, &callout.token)),
            "{callout:?} is asked about twice at a time"
        );
        self.last_callout += 1;
        self.out.insert(self.last_callout, callout);
        Ok(self.last_callout)
    }
}
