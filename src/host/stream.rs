//! The context of one HTTP stream: it brings the head to the authorizer and carries out what
//! comes of it, or waits for the root context to do so.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::data::{HostData, now};
use super::gate::{Gate, reject};
use super::head::{HostHead, HostPeer};
use super::passage::{Passage, hold_back};
use crate::authorizer::{Decision, Lookup, Question, Step};
use crate::head::is_grpc;
use crate::introspection::flights::FlightId;
use crate::policy::requirement::Asks;
use crate::rejection::{ChallengeParameters, Reason, Rejection};

/// One HTTP stream.
pub(super) struct Stream {
    context_id: u32,
    root_id: u32,
    gate: Option<Rc<Gate>>,
    passage: Passage,
    waits_for: Option<FlightId>,
}

impl Stream {
    pub(super) fn new(context_id: u32, root_id: u32, gate: Option<Rc<Gate>>) -> Self {
        Self {
            context_id,
            root_id,
            gate,
            passage: Passage::default(),
            waits_for: None,
        }
    }

    fn wait(&mut self, gate: &Gate, head: &HostHead, question: Question) {
        let rule = question.rule;
        let digest = question.name().digest;
        let passage = self.passage.clone();
        match gate.wait(self.context_id, question, is_grpc(head), passage) {
            Ok(flight) => {
                self.waits_for = Some(flight);
                hold_back(self.context_id, self.root_id);
            }
            Err(_) => self.carry_out(gate, head, &gate.authorizer.endpoint_out(), || {
                gate.subject(rule, &digest)
            }),
        }
    }

    fn carry_out(
        &self,
        gate: &Gate,
        head: &HostHead,
        decision: &Decision,
        subject: impl FnOnce() -> String,
    ) {
        gate.metrics.decided(decision);
        match decision {
            Decision::Forward(grant) => {
                gate.edit(grant);
                self.passage.open();
            }
            Decision::Describe => gate.describe(),
            Decision::Reject(rejection) => reject(rejection, is_grpc(head), subject),
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
            return self.passage.action();
        };
        gate.strip_headers();
        let step = gate.authorizer.on_request(&head, &HostPeer, &HostData, now);
        match step {
            Step::Decided(decision) => self.carry_out(&gate, &head, &decision, String::new),
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
                self.carry_out(&gate, &head, &decision, || {
                    gate.subject(question.rule, &question.name().digest)
                });
            }
            Step::Introspect(question) => self.wait(&gate, &head, question),
        }
        self.passage.action()
    }

    /// Called before the decision only if the host did not hold the body back by itself.
    fn on_http_request_body(&mut self, _size: usize, _ends_stream: bool) -> Action {
        self.passage.action()
    }

    /// Some servers take trailers for headers. Likewise called before the decision.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        if let Some(gate) = &self.gate {
            gate.strip_trailers();
        }
        self.passage.action()
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
