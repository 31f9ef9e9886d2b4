//! The context of one HTTP stream: it brings the head to the authorizer and carries out what
//! comes of it, or waits for the root context to do so.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::data::{HostData, now};
use super::gate::{About, Gate, reject};
use super::head::HostHead;
use crate::authorizer::{Decision, Lookup, Question, Step};
use crate::head::is_grpc;
use crate::introspection::flights::FlightId;
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

    fn wait(&mut self, gate: &Gate, question: Question) -> Action {
        let about = About::from(&question);
        match gate.wait(self.context_id, question, is_grpc(&HostHead)) {
            Ok(flight) => {
                self.waits_for = Some(flight);
                Action::Pause
            }
            Err(_) => carry_out(gate, &gate.authorizer.endpoint_out(), Some(about)),
        }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(gate) = self.gate.clone() else {
            let parameters = ChallengeParameters::default();
            let rejection = Rejection::new(Reason::EndpointOut, &parameters, &[]);
            reject(&rejection, is_grpc(&HostHead), None);
            return Action::Pause;
        };
        match gate.authorizer.on_request(&HostHead, &HostData, now) {
            Step::Decided(decision) => carry_out(&gate, &decision, None),
            Step::Known {
                decision,
                lookup,
                question,
                is_due,
            } => {
                let about = About::from(&question);
                gate.metrics.looked_up(lookup);
                if lookup == Lookup::SharedHit {
                    gate.gauge_entries();
                }
                if is_due {
                    gate.renew(question);
                }
                carry_out(&gate, &decision, Some(about))
            }
            Step::Introspect(question) => self.wait(&gate, question),
        }
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

fn carry_out(gate: &Gate, decision: &Decision, about: Option<About>) -> Action {
    gate.metrics.decided(decision);
    match decision {
        Decision::Forward(_) => Action::Continue,
        Decision::Reject(rejection) => {
            reject(
                rejection,
                is_grpc(&HostHead),
                about.map(|about| (gate, about)),
            );
            Action::Pause
        }
    }
}
