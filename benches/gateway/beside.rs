//! The filter beside what one would use in its place, and beside another build of itself.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::chart::{self, Bar};
use crate::cpu::Cores;
use crate::document;
use crate::endpoint::Endpoint;
use crate::machine::Machine;
use crate::rounds::{self, Plan, Samples, Subject, Turns};
use crate::statistics::{Spread, median};
use crate::stats::lookups;
use crate::variants::{Family, OF_ANOTHER_WORKER, Surroundings, Variant, Wanted};

async fn start(variants: Vec<Variant>, cores: Option<Cores>) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for variant in variants {
        eprint!("\rstarting Envoy {} ", subjects.len() + 1);
        subjects.push(variant.start(cores).await);
    }
    eprintln!();
    subjects
}

/// One line of the table.
struct Row {
    cpu: f64,
    ratio: Spread,
    callouts: f64,
}

/// The first subject, and each other beside it.
async fn rows(subjects: &[Subject], endpoint: &Endpoint, turns: Turns) -> Vec<Row> {
    let bare = &subjects[0];
    let groups: Vec<_> = subjects[1..]
        .iter()
        .map(|other| vec![bare, other])
        .collect();
    let samples = rounds::run(&groups, endpoint, turns).await;
    let all = |of: fn(&Samples) -> &Vec<f64>| -> Vec<f64> {
        let bare = samples.iter().map(|pair| of(&pair[0]));
        bare.flatten().copied().collect()
    };
    let first = Row {
        cpu: median(&all(|samples| &samples.cpu)),
        ratio: Spread::of(&[1.0]),
        callouts: median(&all(|samples| &samples.callouts)),
    };
    let others = samples.iter().map(|pair| Row {
        cpu: median(&pair[1].cpu),
        ratio: Spread::of_ratios(&pair[1].cpu, &pair[0].cpu),
        callouts: median(&pair[1].callouts),
    });
    [first].into_iter().chain(others).collect()
}

/// The row is about what it says: tokens were found in what workers share, and nowhere else.
async fn assert_shared(subjects: &[Subject]) {
    let row = subjects
        .iter()
        .find(|subject| subject.name == OF_ANOTHER_WORKER);
    let Some(gateway) = row.map(|row| &row.gateway) else {
        return;
    };
    let shared = gateway.stat(&lookups("shared_hit")).await;
    let mut others = 0;
    for lookup in ["hit", "stale", "miss", "coalesced"] {
        others += gateway.stat(&lookups(lookup)).await;
    }
    assert!(shared > 99 * others, "{shared} shared, {others} others");
}

/// Everything in one table, or what is asked for. It goes into the documents too, if `publish`.
pub async fn table(
    noop: PathBuf,
    wanted: &Wanted,
    plan: Plan,
    publish: bool,
    cores: Option<Cores>,
) {
    let machine = Machine::look().describe("make bench");
    let surroundings = Surroundings::start().await;
    let mut variants = surroundings.variants(&noop);
    variants.retain(|variant| variant.family == Family::Baseline || wanted.holds(variant.name));
    let families: Vec<_> = variants.iter().map(|variant| variant.family).collect();
    let subjects = start(variants, cores).await;
    let rows = rows(&subjects, &surroundings.endpoint, plan.saturated).await;
    let latency = rounds::latency(&subjects, plan.paced).await;
    assert_shared(&subjects).await;
    let mut table = "| | CPU, µs a request | ratio to no filter | p50, µs | p99, µs \
                     | callouts a request | memory, MB |\n\
                     |---|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for ((subject, row), latency) in subjects.iter().zip(&rows).zip(&latency) {
        let Row {
            cpu,
            ratio,
            callouts,
        } = row;
        let _ = writeln!(
            table,
            "| {} | {:.1} | {:.2} ({:.2}–{:.2}) | {:.0} | {:.0} | {:.2} | {} |",
            subject.name,
            cpu,
            ratio.median,
            ratio.low,
            ratio.high,
            median(&latency.p50),
            median(&latency.p99),
            callouts,
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
    let bars: Vec<_> = subjects
        .iter()
        .zip(&rows)
        .zip(families)
        .map(|((subject, row), family)| Bar {
            label: &subject.name,
            value: row.ratio.median,
            family,
        })
        .collect();
    let chart = chart::bars(
        "Envoy's CPU time per request, as a ratio to no filter",
        "one worker on a core of its own; the upstream's share is left out",
        &bars,
    );
    fs::write(document::path("benchmarks.svg"), chart).unwrap();
}

/// Two builds, policy by policy.
pub async fn two_builds(
    builds: &[PathBuf; 2],
    wanted: &Wanted,
    turns: Turns,
    cores: Option<Cores>,
) {
    let surroundings = Surroundings::start().await;
    let subjects = start(surroundings.two_builds(builds, wanted), cores).await;
    let bare = &subjects[0];
    let groups: Vec<_> = subjects[1..]
        .chunks(2)
        .map(|pair| vec![bare, &pair[0], &pair[1]])
        .collect();
    let samples = rounds::run(&groups, &surroundings.endpoint, turns).await;
    let name = "";
    println!(
        "{name:40} {:>8} {:>8} {:>8} {:>8} {:>8}   (quartiles)",
        "A, µs", "B, µs", "A/none", "B/none", "B/A"
    );
    for (group, samples) in groups.iter().zip(&samples) {
        let [none, a, b] = [0, 1, 2].map(|member: usize| &samples[member].cpu);
        let ratio = Spread::of_ratios(b, a);
        println!(
            "{:40} {:>8.2} {:>8.2} {:>8.3} {:>8.3} {:>8.3}   ({:.3}–{:.3})",
            group[1].name,
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
