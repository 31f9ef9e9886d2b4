//! The context of one HTTP stream: it brings the head to the authorizer and carries out what
//! comes of it, or waits for the root context to do so.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, MapType};

use super::data::{HostData, now};
use super::gate::{Gate, reject};
use super::head::{HostHead, HostPeer};
use crate::authorizer::{Decision, Lookup, Question, Step};
use crate::head::is_grpc;
use crate::introspection::flights::FlightId;
use crate::policy::requirement::Asks;
use crate::rejection::{ChallengeParameters, Reason, Rejection};

/// One HTTP stream.
pub(super) struct Stream {
    context_id: u32,
    gate: Option<Rc<Gate>>,
    waits_for: Option<FlightId>,
}

impl Stream {
    pub(super) fn new(context_id: u32, gate: Option<Rc<Gate>>) -> Self {
        Self {
            context_id,
            gate,
            waits_for: None,
        }
    }

    fn wait(&mut self, gate: &Gate, head: &HostHead, question: Question) -> Action {
        let rule = question.rule;
        let digest = question.name().digest;
        match gate.wait(self.context_id, question, is_grpc(head)) {
            Ok(flight) => {
                self.waits_for = Some(flight);
                Action::Pause
            }
            Err(_) => carry_out(gate, head, &gate.authorizer.endpoint_out(), || {
                gate.subject(rule, &digest)
            }),
        }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, ends_stream: bool) -> Action {
        let head = HostHead { ends_stream };
        let Some(gate) = self.gate.clone() else {
            let parameters = ChallengeParameters::default();
            let rejection = Rejection::new(Reason::EndpointOut, &parameters, &Asks::default());
            reject(&rejection, is_grpc(&head), String::new);
            return Action::Pause;
        };
        gate.strip(MapType::HttpRequestHeaders);
        let step = gate.authorizer.on_request(&head, &HostPeer, &HostData, now);
        match step {
            Step::Decided(decision) => carry_out(&gate, &head, &decision, String::new),
            Step::Known {
                decision,
                lookup,
                question,
                is_due,
            } => {
                gate.metrics.looked_up(lookup);
                if lookup == Lookup::SharedHit {
                    gate.gauge_entries();
                }
                if is_due {
                    gate.renew(&question);
                }
                carry_out(&gate, &head, &decision, || {
                    gate.subject(question.rule, &question.name().digest)
                })
            }
            Step::Introspect(question) => self.wait(&gate, &head, question),
        }
    }

    /// Some servers take trailers for headers.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        if let Some(gate) = &self.gate {
            gate.strip(MapType::HttpRequestTrailers);
        }
        Action::Continue
    }
}

/// A stream that ends while it waits waits no more: nobody may answer it.
impl Drop for Stream {
    fn drop(&mut self) {
        if let (Some(gate), Some(flight)) = (&self.gate, self.waits_for) {
            gate.leave(flight, self.context_id);
        }
    }
}

fn carry_out(
    gate: &Gate,
    head: &HostHead,
    decision: &Decision,
    subject: impl FnOnce() -> String,
) -> Action {
    gate.metrics.decided(decision);
    match decision {
        Decision::Forward(grant) => {
            gate.edit(grant);
            Action::Continue
        }
        Decision::Describe => {
            gate.describe();
            Action::Pause
        }
        Decision::Reject(rejection) => {
            reject(rejection, is_grpc(head), subject);
            Action::Pause
        }
    }
}
