//! Metrics. Each name carries its labels; `stats_tags` in Envoy's bootstrap take them apart.

use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{MetricType, Status};

use crate::authorizer::{Decision, Grant, Lookup};
use crate::introspection::response::{Answer, OUTCOMES, outcome};
use crate::rejection::Reason;

/// The filter's metrics; counters by the value that each one counts.
#[derive(Debug)]
pub(super) struct Metrics {
    grants: Vec<(Grant, u32)>,
    reasons: Vec<(Reason, u32)>,
    lookups: Vec<(Lookup, u32)>,
    outcomes: Vec<(&'static str, u32)>,
    introspection_ms: u32,
    cache_entries: u32,
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
            lookups: counters(Lookup::ALL, |lookup| {
                format!("portvakt.cache.{}", lookup.name())
            })?,
            introspection_ms: hostcalls::define_metric(
                MetricType::Histogram,
                "portvakt.introspection_ms",
            )?,
            cache_entries: hostcalls::define_metric(MetricType::Gauge, "portvakt.cache_entries")?,
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

    /// A token's facts were looked for.
    pub(super) fn looked_up(&self, lookup: Lookup) {
        increment(&self.lookups, &lookup);
    }

    /// A callout came to something.
    pub(super) fn answered(&self, answer: &Answer) {
        increment(&self.outcomes, &outcome(answer));
    }

    /// The endpoint took that long.
    pub(super) fn took(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let _ = hostcalls::record_metric(self.introspection_ms, millis);
    }

    /// This worker remembers so many tokens more, or less. The gauge is common to all workers.
    pub(super) fn remembers(&self, more: i64) {
        let _ = hostcalls::increment_metric(self.cache_entries, more);
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
