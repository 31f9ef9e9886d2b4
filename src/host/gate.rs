//! What a root context and its streams share, and what either does on behalf of a stream.

use std::cell::RefCell;

use log::{debug, info, warn};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{LogLevel, Status};

use super::metrics::Metrics;
use crate::authorizer::{Authorizer, Decision, Question};
use crate::bearer::AccessToken;
use crate::digest::TokenDigest;
use crate::introspection::flights::{Batch, FlightId, Flights, WaiterId};
use crate::introspection::health::{Health, Transition};
use crate::introspection::response::Answer;
use crate::policy::RuleId;
use crate::rejection::Rejection;

/// One configuration at work in one VM.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) authorizer: Authorizer,
    pub(super) metrics: Metrics,
    flights: RefCell<Flights<Waiter>>,
    health: RefCell<Health>,
    queue: u32,
}

/// A paused request, as it must be remembered to be told.
#[derive(Debug)]
pub(super) struct Waiter {
    rule: RuleId,
    digest: TokenDigest,
    to_grpc: bool,
}

impl Gate {
    pub(super) fn new(authorizer: Authorizer, metrics: Metrics, queue: u32) -> Self {
        Self {
            authorizer,
            metrics,
            flights: RefCell::default(),
            health: RefCell::default(),
            queue,
        }
    }

    /// Wakes the root context: `on_queue_ready` runs after the VM call at hand.
    pub(super) fn ring(&self) -> Result<(), Status> {
        // The SDK cannot tell an empty message from an empty queue.
        hostcalls::enqueue_shared_queue(self.queue, Some(b"!"))
    }

    /// The stream begins to wait for the word about its token.
    pub(super) fn wait(
        &self,
        stream: WaiterId,
        question: Question,
        to_grpc: bool,
    ) -> Result<FlightId, Status> {
        let Question {
            token,
            digest,
            rule,
        } = question;
        let waiter = Waiter {
            rule,
            digest,
            to_grpc,
        };
        let joined = self
            .flights
            .borrow_mut()
            .join(digest, token, stream, waiter);
        if joined.is_new {
            self.ring().inspect_err(|_| self.leave(joined.id, stream))?;
        }
        Ok(joined.id)
    }

    /// The stream stops waiting.
    pub(super) fn leave(&self, flight: FlightId, stream: WaiterId) {
        self.flights.borrow_mut().leave(flight, stream);
    }

    pub(super) fn next_departure(&self) -> Option<(FlightId, AccessToken)> {
        self.flights.borrow_mut().next_departure()
    }

    pub(super) fn departed(&self, flight: FlightId, callout: u32) {
        self.flights.borrow_mut().departed(flight, callout);
    }

    pub(super) fn landing(&self, callout: u32) -> Option<FlightId> {
        self.flights.borrow_mut().landing(callout)
    }

    /// A flight was answered: counts, tells the operator what has changed, and lines up whom to
    /// tell.
    pub(super) fn arrived(&self, flight: FlightId, answer: Answer) {
        self.metrics.answered(&answer);
        // A statement of its own, so that the borrow ends before the host is called.
        let transition = self.health.borrow_mut().observe(&answer);
        match transition {
            Some(Transition::Out(error)) => warn!("tokens cannot be checked: {error}"),
            Some(Transition::Back) => info!("tokens can be checked again"),
            None => {}
        }
        self.flights.borrow_mut().arrived(flight, answer);
    }

    pub(super) fn next_batch(&self, limit: usize) -> Option<Batch<Waiter>> {
        self.flights.borrow_mut().next_batch(limit)
    }

    pub(super) fn has_work(&self) -> bool {
        self.flights.borrow().has_work()
    }

    /// Decides for a waiter whose question was answered, and carries the decision out. The
    /// effective context must be the waiter's stream.
    pub(super) fn tell(&self, waiter: &Waiter, answer: &Answer) {
        let decision = self.authorizer.on_answer(waiter.rule, answer);
        self.metrics.decided(&decision);
        match decision {
            // The last thing done for the stream: nothing may be changed after it.
            Decision::Forward(_) => drop(hostcalls::resume_http_request()),
            Decision::Reject(rejection) => {
                reject(&rejection, waiter.to_grpc, Some(waiter.digest));
            }
        }
    }
}

/// Answers the stream in the effective context.
pub(super) fn reject(rejection: &Rejection, to_grpc: bool, digest: Option<TokenDigest>) {
    let reason = rejection.reason().name();
    let _ = hostcalls::set_property(vec!["portvakt.reason"], Some(reason.as_bytes()));
    if let Ok(LogLevel::Trace | LogLevel::Debug) = hostcalls::get_log_level() {
        log_refusal(reason, digest);
    }
    let response = rejection.response(to_grpc);
    // The last thing done for the stream: nothing may be changed after it.
    let _ = hostcalls::send_http_response(
        response.status.into(),
        response.headers,
        Some(response.body.as_bytes()),
    );
}

fn log_refusal(reason: &str, digest: Option<TokenDigest>) {
    let request_id = hostcalls::get_property(vec!["request", "id"])
        .ok()
        .flatten()
        .unwrap_or_default();
    let request_id = request_id.escape_ascii();
    match digest {
        Some(digest) => debug!("refused: {reason} request={request_id} token={digest}"),
        None => debug!("refused: {reason} request={request_id}"),
    }
}
