//! What is out in one place: at one cluster, whichever providers are asked there. They share its
//! circuit breaker, and what keeps the endpoint from answering one keeps it from answering all.

use super::window::{Exchange, Window};
use crate::introspection::health::Rank;
use crate::time::Time;

/// The callouts that one worker has out at one cluster.
#[derive(Debug, Default)]
pub(super) struct Load {
    window: Window,
    in_flight: usize,
    /// How many of them are first questions.
    first_in_flight: usize,
    /// Envoy dispatches nothing until something is answered, or the clock ticks.
    pub(super) is_blocked: bool,
}

impl Load {
    /// Whether another first question may be out.
    pub(super) fn admits_first(&mut self, now: Time) -> bool {
        self.window.admits(self.first_in_flight, now)
    }

    /// Whether more than one question that anybody can ask is out.
    pub(super) fn is_crowded(&self) -> bool {
        self.first_in_flight > 1
    }

    /// A callout is out.
    pub(super) fn dispatched(&mut self, rank: Rank) {
        self.in_flight = self.in_flight.saturating_add(1);
        if rank == Rank::First {
            self.first_in_flight = self.first_in_flight.saturating_add(1);
        }
    }

    /// What was out as a first question is about a token in use.
    pub(super) fn first_is_renewal(&mut self) {
        self.first_in_flight = self.first_in_flight.saturating_sub(1);
    }

    /// Envoy dispatched nothing: the window is too large.
    pub(super) fn refused(&mut self, now: Time) {
        self.window.refused(self.first_in_flight, now);
    }

    /// Nothing is to be dispatched until something comes back; whether something will.
    pub(super) fn block(&mut self) -> bool {
        self.is_blocked = self.in_flight > 0;
        self.is_blocked
    }

    /// A callout is out no more; see [`Window::answered`].
    pub(super) fn answered(&mut self, exchange: Exchange, now: Time, is_wanted: bool) {
        self.is_blocked = false;
        let first_in_flight = self.first_in_flight;
        self.in_flight = self.in_flight.saturating_sub(1);
        if exchange.kind.rank == Rank::First {
            self.first_in_flight = first_in_flight.saturating_sub(1);
        }
        self.window
            .answered(exchange, now, first_in_flight, is_wanted);
    }

    /// Whether nothing is out.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn is_empty(&self) -> bool {
        self.in_flight == 0 && self.first_in_flight == 0
    }
}
