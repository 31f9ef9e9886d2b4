//! Whether a run was as it must be.

use std::collections::BTreeMap;
use std::path::Path;

use crate::fault::{Fault, Part};
use crate::gateway::Gateway;
use crate::report::{self, Report};
use crate::watch::{self, Gauge};

/// Of the requests with good tokens in use, one of so many may be answered with 503 in an outage:
/// a worker forgets tokens.
const FORGOTTEN: u64 = 100;

/// With overload for more than one part in so many, a run is not worth recording.
const BUSY: u64 = 20;

/// Writes the report down.
pub fn publish(report: &Report<'_>) {
    let page = report.markdown();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::write(folder.join("target/soak.md"), &page).unwrap();
    eprintln!("\n{page}");
    for words in &report.counts.words {
        eprintln!("{words}");
    }
    if std::env::var("RECORD").is_ok_and(|record| record == "1") {
        let is_busy = report.overload() * BUSY > report.took;
        assert!(
            !is_busy,
            "nothing is recorded of a machine that is busy with something else"
        );
        report::record(&folder.join("docs/reliability.md"), &page);
    }
}

/// Whether all is as it must be.
pub fn check(report: &Report<'_>, gateway: &Gateway) {
    let Report { run, counts, .. } = report;
    let sum = |counts: &BTreeMap<usize, u64>| counts.values().sum::<u64>();
    assert_eq!(sum(&counts.wrong), 0, "wrong answers");
    assert_eq!(sum(&counts.lost), 0, "requests without an answer");
    let wrong: Vec<_> = report
        .gauges
        .iter()
        .filter(|gauge| !Gauge::is_right(gauge))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let grown = watch::growth(&watch::tenths(report.samples, run.requests));
    assert!(grown <= watch::MAY_GROW, "Envoy has grown by {grown} kB");
    let log = gateway.log();
    assert!(
        !log.contains("panicked") && !log.contains("[critical]"),
        "{log}"
    );
    for (number, part) in run.parts.iter().enumerate() {
        let Part::Fault(_, fault) = part else {
            continue;
        };
        assert!(counts.in_part(number, 503) > 0, "{part:?} hurt nobody");
        let in_use = counts.of(number, "good token in use");
        let out = counts.with(number, "good token in use", 503);
        // Those who wait for a slow endpoint learn that it is out from their own timeouts.
        let outlives = fault.is_outage() && *fault != Fault::Slow && report.overload() == 0;
        assert!(
            !outlives || out * FORGOTTEN <= in_use,
            "{part:?}: {out} of {in_use} known tokens"
        );
    }
}
