//! The fault matrix: everything that goes wrong, switched on in a real Envoy under steady traffic
//! and off again. Each answer is compared with what a model expects; what comes of it is a table.
//!
//! `make test-faults` builds what is needed, runs all rows and writes target/faults.md; with
//! RECORD=1 the table goes into docs/reliability.md. Arguments choose rows by a part of their name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stderr,
    clippy::print_stdout,
    dead_code,
    unreachable_pub,
    reason = "tests may fail loudly"
)]

#[path = "../envoy/capabilities.rs"]
mod capabilities;
mod changes;
#[path = "../envoy/client.rs"]
mod client;
mod clock;
mod crowds;
mod endpoint;
mod floods;
#[path = "../envoy/frames.rs"]
mod frames;
#[path = "../envoy/gateway.rs"]
mod gateway;
mod holder;
mod line;
mod load;
mod model;
mod neighbours;
mod plugins;
#[path = "../envoy/realm.rs"]
mod realm;
#[path = "../envoy/recorder.rs"]
mod recorder;
mod report;
mod scene;
#[path = "../envoy/stats.rs"]
mod stats;
mod traps;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use report::{Report, Row};

fn main() -> ExitCode {
    let chosen: Vec<_> = std::env::args().skip(1).collect();
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|part| name.contains(part));
    let rows: Vec<_> = all()
        .into_iter()
        .filter(|row| is_chosen(&row.name))
        .collect();
    let mut reports = Vec::new();
    let mut is_well = true;
    for row in rows {
        let began = Instant::now();
        let name = row.name.clone();
        // Whatever a row has left running ends with its runtime.
        let run = || {
            tokio::runtime::Runtime::new()
                .unwrap()
                .block_on((row.run)())
        };
        let report = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Report::failed());
        println!("{name}: {report} [{:.1} s]", began.elapsed().as_secs_f32());
        is_well &= report.is_well();
        reports.push((name, report));
    }
    if chosen.is_empty() {
        report::write(&reports);
    }
    if is_well && !reports.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// All rows, in the order of the table.
fn all() -> Vec<Row> {
    let parts = [
        endpoint::rows(),
        changes::rows(),
        clock::rows(),
        crowds::rows(),
        floods::rows(),
        neighbours::rows(),
        plugins::rows(),
        traps::rows(),
    ];
    parts.into_iter().flatten().collect()
}
