//! What a root context and its streams share, and what either does on behalf of a stream.

use std::cell::{Cell, RefCell};

use log::{debug, info, warn};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{LogLevel, MapType, Status};

use super::data::HostData;
use super::head::{HostPeer, property};
use super::metrics::Metrics;
use crate::authorizer::{Authorizer, Decision, Grant, Lookup, Question};
use crate::digest::{TokenDigest, TokenName};
use crate::forward::Edit;
use crate::introspection::flights::{FlightId, Flights, WaiterId};
use crate::introspection::health::Transition;
use crate::introspection::response::{Answer, Reading};
use crate::policy::RuleId;
use crate::rejection::Rejection;
use crate::time::Time;

/// One configuration at work in one VM.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) authorizer: Authorizer,
    pub(super) metrics: Metrics,
    /// Never borrowed across a call to the host.
    pub(super) flights: RefCell<Flights<Waiter>>,
    queue: u32,
    /// How many tokens the gauge says that this gate remembers.
    gauged: Cell<usize>,
}

/// A paused request, as it must be remembered to be told.
#[derive(Debug)]
pub(super) struct Waiter {
    rule: RuleId,
    name: TokenName,
    to_grpc: bool,
}

impl Gate {
    pub(super) fn new(authorizer: Authorizer, metrics: Metrics, queue: u32) -> Self {
        Self {
            authorizer,
            metrics,
            flights: RefCell::default(),
            queue,
            gauged: Cell::new(0),
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
        let waiter = Waiter {
            rule: question.rule,
            name: question.name(),
            to_grpc,
        };
        let joined = self
            .flights
            .borrow_mut()
            .join(waiter.name, question.token, stream, waiter);
        if joined.is_new {
            self.metrics.looked_up(Lookup::Miss);
            self.gauge_entries();
            self.ring()
                .inspect_err(|_| self.flights.borrow_mut().cancel(joined.id))?;
        } else {
            self.metrics.looked_up(Lookup::Coalesced);
        }
        Ok(joined.id)
    }

    /// The stream stops waiting.
    pub(super) fn leave(&self, flight: FlightId, stream: WaiterId) {
        self.flights.borrow_mut().leave(flight, stream);
    }

    /// A token in use is asked about though nobody waits.
    pub(super) fn renew(&self, question: &Question) {
        let is_new = self
            .flights
            .borrow_mut()
            .renew(question.name(), question.token.clone());
        if is_new {
            // Without the queue the token is asked about when its time is up.
            let _ = self.ring();
        }
    }

    /// A callout came to something: counts, and tells the operator what has changed.
    pub(super) fn observe(&self, reading: &Reading<'_>, digest: &TokenDigest, now: Time) {
        self.metrics.answered(reading.outcome);
        match self.authorizer.observe(&reading.answer, now) {
            Some(Transition::Trouble(error)) => {
                let what = self.authorizer.introspection.explain(error);
                warn!("tokens cannot be checked: {what} token={digest}");
            }
            Some(Transition::Back) => info!("tokens can be checked again token={digest}"),
            None => {}
        }
    }

    /// Brings the gauge up to date.
    pub(super) fn gauge_entries(&self) {
        self.gauge(self.authorizer.cache.len());
    }

    fn gauge(&self, entries: usize) {
        let before = self.gauged.replace(entries);
        let signed = |n| i64::try_from(n).unwrap_or(i64::MAX);
        if entries != before {
            self.metrics
                .remembers(signed(entries).saturating_sub(signed(before)));
        }
    }

    /// Removes what the client sent in the filter's name from the headers, or the trailers, of the
    /// request in the effective context.
    pub(super) fn strip(&self, map: MapType) {
        for name in self.authorizer.forwarding.managed() {
            // To be asked is cheaper for Envoy than to remove what is not there, after which it
            // would choose the route anew.
            if let Ok(Some(_)) = hostcalls::get_map_value_bytes(map, name) {
                remove(map, name);
            }
        }
    }

    /// Tells the upstream what it is to know with the request in the effective context.
    pub(super) fn edit(&self, grant: &Grant) {
        if *grant == Grant::FailureMode {
            set_reason(grant.name());
        }
        for edit in self.authorizer.forwarding.edits(grant.facts()) {
            match edit {
                Edit::RemoveHeader(name) => remove(MapType::HttpRequestHeaders, name),
                Edit::SetHeader(name, value) => {
                    let map = MapType::HttpRequestHeaders;
                    let _ = hostcalls::set_map_value_bytes(map, name, Some(value.as_bytes()));
                }
                Edit::SetFilterState(name, value) => {
                    let name = format!("portvakt.{name}");
                    let _ = hostcalls::set_property(vec![&name], Some(value.as_bytes()));
                }
            }
        }
    }

    /// Answers the stream in the effective context with what clients can read about the API.
    pub(super) fn describe(&self) {
        let resource = self.authorizer.protected_resource.as_ref();
        let document = resource.map_or("{}", |resource| resource.document());
        // They are public: pages of any origin may read them too.
        let headers = vec![
            ("content-type", "application/json"),
            ("access-control-allow-origin", "*"),
        ];
        let _ = hostcalls::send_http_response(200, headers, Some(document.as_bytes()));
    }

    /// What a request is about, for the log.
    pub(super) fn subject(&self, rule: RuleId, digest: &TokenDigest) -> String {
        let rule = self.authorizer.rules.get(rule);
        let rule = rule.map(|rule| rule.name.as_str()).unwrap_or_default();
        format!(" token={digest} rule={rule:?}")
    }

    /// Decides for a waiter whose question was answered, and carries the decision out. The
    /// effective context must be the waiter's stream.
    pub(super) fn tell(&self, waiter: &Waiter, answer: &Answer, now: Time) {
        let (decision, lookup) =
            self.authorizer
                .on_answer(waiter.rule, &waiter.name, answer, &HostPeer, &HostData, now);
        if let Some(lookup) = lookup {
            self.metrics.looked_up(lookup);
        }
        self.metrics.decided(&decision);
        match decision {
            Decision::Forward(grant) => {
                self.edit(&grant);
                // The last thing done for the stream: nothing may be changed after it.
                let _ = hostcalls::resume_http_request();
            }
            Decision::Describe => self.describe(),
            Decision::Reject(rejection) => {
                reject(&rejection, waiter.to_grpc, || {
                    self.subject(waiter.rule, &waiter.name.digest)
                });
            }
        }
    }
}

/// What a configuration that is gone remembered is gone with it.
impl Drop for Gate {
    fn drop(&mut self) {
        self.metrics.report();
        self.gauge(0);
    }
}

/// Answers the stream in the effective context. `subject` is what the log says beside the reason.
pub(super) fn reject(rejection: &Rejection, to_grpc: bool, subject: impl FnOnce() -> String) {
    let reason = rejection.reason().name();
    set_reason(reason);
    if let Ok(LogLevel::Trace | LogLevel::Debug) = hostcalls::get_log_level() {
        log_refusal(reason, &subject());
    }
    let response = rejection.response(to_grpc);
    // The last thing done for the stream: nothing may be changed after it.
    let _ = hostcalls::send_http_response(
        response.status.into(),
        response.headers,
        Some(response.body.as_bytes()),
    );
}

/// For the access log.
fn set_reason(reason: &str) {
    let _ = hostcalls::set_property(vec!["portvakt.reason"], Some(reason.as_bytes()));
}

fn remove(map: MapType, name: &str) {
    let _ = hostcalls::set_map_value_bytes(map, name, None);
}

fn log_refusal(reason: &str, subject: &str) {
    let request_id = property(vec!["request", "id"]).unwrap_or_default();
    let request_id = request_id.escape_ascii();
    debug!("refused: {reason} request={request_id}{subject}");
}
