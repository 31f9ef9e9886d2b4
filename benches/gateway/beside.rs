//! The filter beside what one would use in its place, and beside another build of itself.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::chart::{Bar, bars};
use crate::cpu::Cores;
use crate::document;
use crate::machine::Machine;
use crate::rounds::{self, Plan, Samples, Subject};
use crate::statistics::{Spread, median};
use crate::stats::lookups;
use crate::variants::{OF_ANOTHER_WORKER, Surroundings, Variant};

/// Starts all, and measures them in turn.
async fn measure(
    variants: Vec<Variant>,
    surroundings: &Surroundings,
    plan: Plan,
    cores: Option<Cores>,
) -> (Vec<Subject>, Vec<Samples>) {
    let mut subjects = Vec::new();
    for variant in variants {
        eprint!("\rstarting Envoy {} ", subjects.len() + 1);
        subjects.push(variant.start(cores).await);
    }
    eprintln!();
    let samples = rounds::run(&subjects, &surroundings.endpoint, plan).await;
    (subjects, samples)
}

/// The row is about what it says: tokens were found in what workers share, and nowhere else.
async fn assert_shared(subjects: &[Subject]) {
    let row = subjects
        .iter()
        .find(|subject| subject.name == OF_ANOTHER_WORKER);
    let gateway = &row.unwrap().gateway;
    let shared = gateway.stat(&lookups("shared_hit")).await;
    let mut others = 0;
    for lookup in ["hit", "stale", "miss", "coalesced"] {
        others += gateway.stat(&lookups(lookup)).await;
    }
    assert!(shared > 99 * others, "{shared} shared, {others} others");
}

/// Everything in one table. It goes into the documents too, if `publish`.
pub async fn table(noop: PathBuf, plan: Plan, publish: bool, cores: Option<Cores>) {
    let machine = Machine::look().describe("make bench");
    let surroundings = Surroundings::start().await;
    let variants = surroundings.variants(noop);
    let families: Vec<_> = variants.iter().map(|variant| variant.family).collect();
    let (subjects, samples) = measure(variants, &surroundings, plan, cores).await;
    assert_shared(&subjects).await;
    let ratios: Vec<_> = samples
        .iter()
        .map(|own| Spread::of_ratios(&own.cpu, &samples[0].cpu))
        .collect();
    let mut table = "| | CPU, µs a request | ratio to no filter | p50, µs | p99, µs \
                     | callouts a request | memory, MB |\n\
                     |---|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for ((subject, own), ratio) in subjects.iter().zip(&samples).zip(&ratios) {
        let _ = writeln!(
            table,
            "| {} | {:.1} | {:.2} ({:.2}–{:.2}) | {:.0} | {:.0} | {:.2} | {} |",
            subject.name,
            median(&own.cpu),
            ratio.median,
            ratio.low,
            ratio.high,
            median(&own.p50),
            median(&own.p99),
            median(&own.callouts),
            subject.gateway.memory() / 1000,
        );
    }
    println!("{table}");
    if !publish {
        return;
    }
    let pinned = if cores.is_some() {
        ""
    } else {
        " Not pinned: there is one core."
    };
    let text = format!("{machine}{pinned}\n\n{table}\n![The ratios as bars](benchmarks.svg)");
    document::replace("benchmarks.md", "measured", &text);
    let rows = subjects.iter().zip(&ratios).zip(families);
    let rows: Vec<_> = rows
        .map(|((subject, ratio), family)| Bar {
            label: &subject.name,
            value: ratio.median,
            family,
        })
        .collect();
    let chart = bars(
        "Envoy's CPU time per request, as a ratio to no filter",
        "one worker on a core of its own; the upstream's share is left out",
        &rows,
    );
    fs::write(document::path("benchmarks.svg"), chart).unwrap();
}

/// Two builds, policy by policy.
pub async fn two_builds(builds: &[PathBuf; 2], plan: Plan, cores: Option<Cores>) {
    let surroundings = Surroundings::start().await;
    let variants = surroundings.two_builds(builds);
    let (subjects, samples) = measure(variants, &surroundings, plan, cores).await;
    let name = "";
    println!(
        "{name:40} {:>8} {:>8} {:>8} {:>8} {:>8}   (quartiles)",
        "A, µs", "B, µs", "A/none", "B/none", "B/A"
    );
    let none = &samples[0].cpu;
    for (subject, pair) in subjects[1..].iter().step_by(2).zip(samples[1..].chunks(2)) {
        let (a, b) = (&pair[0].cpu, &pair[1].cpu);
        let ratio = Spread::of_ratios(b, a);
        println!(
            "{:40} {:>8.2} {:>8.2} {:>8.3} {:>8.3} {:>8.3}   ({:.3}–{:.3})",
            subject.name,
            median(a),
            median(b),
            Spread::of_ratios(a, none).median,
            Spread::of_ratios(b, none).median,
            ratio.median,
            ratio.low,
            ratio.high,
        );
    }
}
