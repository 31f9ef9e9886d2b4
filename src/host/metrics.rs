//! Counters. Each name carries its labels; `stats_tags` in Envoy's bootstrap take them apart.

use proxy_wasm::hostcalls;
use proxy_wasm::types::{MetricType, Status};

use crate::authorizer::{Decision, Grant};
use crate::introspection::response::{Answer, OUTCOMES, outcome};
use crate::rejection::Reason;

/// The filter's counters, by the value that each one counts.
#[derive(Debug)]
pub(super) struct Metrics {
    grants: Vec<(Grant, u32)>,
    reasons: Vec<(Reason, u32)>,
    outcomes: Vec<(&'static str, u32)>,
}

impl Metrics {
    /// Defines all counters, so that they are there, at zero, from the start.
    pub(super) fn define() -> Result<Self, Status> {
        Ok(Self {
            grants: counters(Grant::ALL, |grant| decision("allow", grant.name()))?,
            reasons: counters(Reason::ALL, |reason| {
                let result = if reason.is_error() { "error" } else { "deny" };
                decision(result, reason.name())
            })?,
            outcomes: counters(OUTCOMES, |outcome| {
                format!("portvakt.introspections.outcome.{outcome}")
            })?,
        })
    }

    /// A request was decided.
    pub(super) fn decided(&self, decision: &Decision) {
        match decision {
            Decision::Forward(grant) => increment(&self.grants, grant),
            Decision::Reject(rejection) => increment(&self.reasons, &rejection.reason()),
        }
    }

    /// A callout came to something.
    pub(super) fn answered(&self, answer: &Answer) {
        increment(&self.outcomes, &outcome(answer));
    }
}

fn decision(result: &str, reason: &str) -> String {
    format!("portvakt.decisions.result.{result}.reason.{reason}")
}

fn counters<T: Copy, const N: usize>(
    values: [T; N],
    name: impl Fn(T) -> String,
) -> Result<Vec<(T, u32)>, Status> {
    let define = |value| {
        hostcalls::define_metric(MetricType::Counter, &name(value)).map(|metric| (value, metric))
    };
    values.into_iter().map(define).collect()
}

fn increment<T: PartialEq>(counters: &[(T, u32)], value: &T) {
    if let Some((_, metric)) = counters.iter().find(|(counted, _)| counted == value) {
        // A counter that cannot be incremented must not cost a request.
        let _ = hostcalls::increment_metric(*metric, 1);
    }
}
