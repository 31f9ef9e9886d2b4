//! Metrics. Each name carries its labels; `stats_tags` in Envoy's bootstrap take them apart.

use std::cell::Cell;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{MetricType, Status};

use portvakt_core::authorizer::{Allowed, Decision};
use portvakt_core::cache::lookup::Lookup;
use portvakt_core::introspection::outcome::Outcome;
use portvakt_core::reply::reason::Reason;

/// The filter's metrics. What every request adds to is counted here and reported to the host
/// when the root context runs, once a second at least: each call to the host costs about as much
/// as looking a token up.
#[derive(Debug)]
pub(super) struct Metrics {
    allowed: Counters<Allowed>,
    reasons: Counters<Reason>,
    lookups: Counters<Lookup>,
    outcomes: Counters<Outcome>,
    introspection_ms: u32,
    cache_entries: u32,
    reports_at_once: Cell<bool>,
}

/// Counters by the value that each one counts.
#[derive(Debug)]
struct Counters<T>(Vec<Counter<T>>);

#[derive(Debug)]
struct Counter<T> {
    counts: T,
    metric: u32,
    /// What the host does not know of yet.
    pending: Cell<i64>,
}

impl Metrics {
    /// Defines all counters, so that they are there, at zero, from the start.
    pub(super) fn define() -> Result<Self, Status> {
        Ok(Self {
            allowed: Counters::define(Allowed::ALL, |allowed| decision("allow", allowed.name()))?,
            reasons: Counters::define(Reason::ALL, |reason| {
                let result = if reason.is_error() { "error" } else { "deny" };
                decision(result, reason.name())
            })?,
            lookups: Counters::define(Lookup::ALL, |lookup| {
                format!("portvakt.cache.{}", lookup.name())
            })?,
            introspection_ms: hostcalls::define_metric(
                MetricType::Histogram,
                "portvakt.introspection_ms",
            )?,
            cache_entries: hostcalls::define_metric(MetricType::Gauge, "portvakt.cache_entries")?,
            reports_at_once: Cell::new(false),
            outcomes: Counters::define(Outcome::ALL, |outcome| {
                format!("portvakt.introspections.outcome.{}", outcome.name())
            })?,
        })
    }

    /// A request was decided.
    pub(super) fn decided(&self, decision: &Decision) {
        match decision {
            Decision::Forward(grant) => self.allowed.count(&grant.allowed()),
            Decision::ServeMetadata => self.allowed.count(&Allowed::Metadata),
            Decision::Reject(rejection) => self.reasons.count(&rejection.reason()),
        }
        self.counted();
    }

    /// A token's facts were looked for.
    pub(super) fn looked_up(&self, lookup: Lookup) {
        self.lookups.count(&lookup);
        self.counted();
    }

    /// A callout came to something.
    pub(super) fn answered(&self, outcome: Outcome) {
        self.outcomes.count(&outcome);
    }

    /// Nobody will ask for reports any more: from now on each count is told at once.
    pub(super) fn report_at_once(&self) {
        self.reports_at_once.set(true);
        self.report();
    }

    fn counted(&self) {
        if self.reports_at_once.get() {
            self.report();
        }
    }

    /// Tells the host what was counted since it was told last.
    pub(super) fn report(&self) {
        self.allowed.report();
        self.reasons.report();
        self.lookups.report();
        self.outcomes.report();
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

impl<T: Copy + PartialEq> Counters<T> {
    fn define<const N: usize>(values: [T; N], name: impl Fn(T) -> String) -> Result<Self, Status> {
        let define = |counts| {
            Ok(Counter {
                counts,
                metric: hostcalls::define_metric(MetricType::Counter, &name(counts))?,
                pending: Cell::new(0),
            })
        };
        values
            .into_iter()
            .map(define)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn count(&self, value: &T) {
        if let Some(counter) = self.0.iter().find(|counter| counter.counts == *value) {
            counter.pending.set(counter.pending.get().saturating_add(1));
        }
    }

    fn report(&self) {
        for counter in &self.0 {
            let pending = counter.pending.take();
            if pending > 0 {
                // A counter that cannot be incremented must not cost a request.
                let _ = hostcalls::increment_metric(counter.metric, pending);
            }
        }
    }
}
