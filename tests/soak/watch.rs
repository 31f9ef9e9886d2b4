//! What the gateway holds: while the run lasts its memory, afterwards what should be gone.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::gateway::Gateway;
use crate::gateway_config::WORKERS;
use crate::run::Run;
use crate::stats;
use crate::tally::{Counts, Tally};
use crate::token::Provider;

/// Envoy's memory at some time.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Requests that were done by then.
    pub done: u64,
    /// Resident, in kB.
    pub rss: u64,
}

/// Samples the memory until it is ended.
pub async fn memory(gateway: &Gateway, tally: &Tally, samples: &mut Vec<Sample>) {
    loop {
        samples.push(Sample {
            done: tally.done(),
            rss: gateway.memory(),
        });
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// The memory at each tenth of the run, in kB: the most that was seen up to there since the tenth
/// before.
pub fn tenths(samples: &[Sample], requests: u64) -> Vec<u64> {
    let tenth = |sample: &&Sample| (sample.done * 10 / requests).min(9);
    let most = |number| {
        let samples = samples.iter().filter(|sample| tenth(sample) == number);
        samples.map(|sample| sample.rss).max().unwrap_or_default()
    };
    (0..10).map(most).collect()
}

/// After two tenths everything was there: all tokens were seen, all connections are open. From
/// then on the memory may grow by so much, in kB.
pub const MAY_GROW: u64 = 16 * 1024;

/// By how much it has grown since then, in kB.
pub fn growth(tenths: &[u64]) -> u64 {
    let later = tenths[3..].iter().max().unwrap();
    later.saturating_sub(tenths[2])
}

/// A value of Envoy's or the filter's own, and what it may be.
#[derive(Debug, Clone)]
pub struct Gauge {
    /// What it is called in the documents.
    pub label: String,
    /// What Envoy calls it.
    name: String,
    /// What it came to.
    pub found: u64,
    /// What it may be.
    pub expected: RangeInclusive<u64>,
}

impl Gauge {
    fn new(label: &str, name: &str, expected: RangeInclusive<u64>) -> Self {
        Self {
            label: label.to_owned(),
            name: name.to_owned(),
            found: 0,
            expected,
        }
    }

    /// Nothing of it may be left.
    fn none(name: &str) -> Self {
        Self::new(name, name, 0..=0)
    }

    fn decisions(result: &str, expected: RangeInclusive<u64>) -> Self {
        let label = format!("portvakt_decisions_total{{result=\"{result}\"}}");
        Self::new(&label, &stats::decisions(result, "*"), expected)
    }

    /// Whether it is what it may be.
    pub fn is_right(&self) -> bool {
        self.expected.contains(&self.found)
    }
}

/// Waits until everything is over, and tells what the gateway holds then.
pub async fn gauges(gateway: &Gateway, run: &Run, counts: &Counts) -> Vec<Gauge> {
    const LOOKS: usize = 500;
    let mut gauges = expected(run, counts);
    for _ in 0..LOOKS {
        for gauge in &mut gauges {
            gauge.found = gateway.stat(&gauge.name).await;
        }
        if gauges.iter().all(Gauge::is_right) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    gauges
}

fn expected(run: &Run, counts: &Counts) -> Vec<Gauge> {
    let mut all = vec![
        Gauge::none("http.gateway.downstream_rq_active"),
        Gauge::none("http.gateway.downstream_cx_active"),
        Gauge::none("wasm.portvakt.vm_reload_*"),
    ];
    let clusters = Provider::ALL.map(Provider::name).into_iter().chain(["api"]);
    for cluster in clusters {
        for gauge in ["upstream_rq_active", "upstream_rq_pending_active"] {
            all.push(Gauge::none(&format!("cluster.{cluster}.{gauge}")));
        }
    }
    // Of the active and of the inactive tokens each.
    let entries = 1..=u64::from(WORKERS) * 2 * run.max_entries();
    let name = "portvakt_cache_entries";
    all.push(Gauge::new(name, &format!("wasmcustom.{name}"), entries));
    // Whether a client that left was let in, nobody knows.
    let left: u64 = counts.left.values().sum();
    let passed = counts.with_status(200);
    all.push(Gauge::decisions("allow", passed..=passed + left));
    let out = counts.with_status(503);
    all.push(Gauge::decisions("error", out..=out + left));
    // Envoy itself refuses some paths.
    let odd = counts.of_kind("ambiguous path");
    let refused: u64 = [400, 401, 403]
        .map(|status| counts.with_status(status))
        .iter()
        .sum();
    all.push(Gauge::decisions("deny", refused - odd..=refused + left));
    all
}
