//! Metrics, at the host: what was counted is told when the root context runs, once a second at
//! least.

use std::cell::Cell;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{MetricType, Status};

use portvakt_core::authorizer::Authorizer;
use portvakt_core::metrics::Metric;
use portvakt_core::metrics::counters::Counters;
use portvakt_core::token::providers::ProviderId;

/// The version of the filter.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The metrics of one configuration.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) counters: Counters,
    /// What the host calls each counter, once it knows it.
    ids: Vec<Cell<Option<u32>>>,
    /// By the providers' positions.
    durations: Vec<u32>,
    cache_entries: u32,
    build_info: u32,
    reports_at_once: Cell<bool>,
}

impl Metrics {
    /// Defines most metrics, so that they are there, at zero, from the start.
    pub(super) fn define(authorizer: &Authorizer) -> Result<Self, Status> {
        let define = hostcalls::define_metric;
        let providers = authorizer.providers().iter();
        let providers = providers.map(|provider| provider.config().name.as_str());
        let counters = Counters::new(authorizer.rules(), providers.clone());
        let durations = providers.map(|provider| {
            let name = Metric::IntrospectionDuration.with(&[provider]);
            define(MetricType::Histogram, &name)
        });
        let metrics = Self {
            ids: vec![Cell::new(None); counters.len()],
            durations: durations.collect::<Result<_, _>>()?,
            cache_entries: define(MetricType::Gauge, &Metric::CacheEntries.with(&[]))?,
            build_info: define(MetricType::Gauge, &Metric::BuildInfo.with(&[VERSION]))?,
            reports_at_once: Cell::new(false),
            counters,
        };
        for position in metrics.counters.ahead() {
            metrics.counter(position)?;
        }
        Ok(metrics)
    }

    /// What the host calls a counter, which is defined if it was not yet.
    fn counter(&self, position: usize) -> Result<u32, Status> {
        let id = self.ids.get(position).ok_or(Status::BadArgument)?;
        if let Some(id) = id.get() {
            return Ok(id);
        }
        let name = self.counters.name(position).ok_or(Status::BadArgument)?;
        let defined = hostcalls::define_metric(MetricType::Counter, &name)?;
        id.set(Some(defined));
        Ok(defined)
    }

    /// Nobody will ask for reports any more: from now on each count is told at once.
    pub(super) fn report_at_once(&self) {
        self.reports_at_once.set(true);
        self.report();
    }

    /// Something was counted outside the root context.
    pub(super) fn counted(&self) {
        if self.reports_at_once.get() {
            self.report();
        }
    }

    /// Tells the host what was counted since it was told last.
    pub(super) fn report(&self) {
        while let Some((position, count)) = self.counters.take() {
            if let Ok(counter) = self.counter(position) {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                // A counter that cannot be incremented must not cost a request.
                let _ = hostcalls::increment_metric(counter, count);
            }
        }
    }

    /// This version runs, or does not any more. Where it does it is said again and again, for
    /// another configuration of it may have ended.
    pub(super) fn runs(&self, is_so: bool) {
        let _ = hostcalls::record_metric(self.build_info, is_so.into());
    }

    /// The endpoint took that long.
    pub(super) fn took(&self, provider: ProviderId, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        if let Some(duration) = self.durations.get(provider.position()) {
            let _ = hostcalls::record_metric(*duration, millis);
        }
    }

    /// This worker remembers so many tokens more, or less. The gauge is common to all workers.
    pub(super) fn remembers(&self, more: i64) {
        let _ = hostcalls::increment_metric(self.cache_entries, more);
    }
}
