//! What a request costs, and how much memory Envoy has, as what there is to do grows.

mod chart;
mod direction;
mod waiting;

use std::fs;
use std::sync::Arc;

use serde_json::json;

use crate::cpu::Cores;
use crate::document;
use crate::endpoint::Endpoint;
use crate::gateway::Setup;
use crate::machine::Machine;
use crate::rounds::Turns;
use crate::statistics::Spread;
use crate::traffic::Traffic;
use crate::variants::{rules, scopes, with_policy, without_scopes};
use direction::{Direction, Point};

/// What was found at one point.
pub struct Found {
    /// Of what, as in the table and the chart.
    pub label: String,
    /// Envoy's CPU time per request, as a ratio to no filter.
    pub ratio: Spread,
    /// In MB.
    pub memory: u64,
}

/// What was found in one direction.
pub struct Curve {
    pub title: &'static str,
    pub points: Vec<Found>,
}

/// How many tokens are sent in turn where their number is not what grows.
const TOKENS: usize = 64;

/// Bytes of a token where its length is not what grows.
const BYTES: usize = 900;

/// In all directions. It goes into the documents too, if `publish`.
pub async fn growth(turns: Turns, publish: bool, cores: Option<Cores>) {
    let machine = Machine::look().describe("make bench-growth");
    let endpoint = Endpoint::start().await;
    let mut curves = Vec::new();
    for direction in [tokens(), rule_counts(), workers(), lengths()] {
        eprintln!("{}", direction.title);
        curves.push(direction.follow(&endpoint, turns, cores).await);
    }
    eprintln!("{}", waiting::TITLE);
    curves.push(waiting::follow(turns, cores).await);
    let tables: String = curves.iter().map(table).collect();
    println!("{tables}");
    if publish {
        let text = format!("{machine}\n\n![All of it, drawn](scaling.svg)\n\n{tables}");
        document::replace("scaling.md", "measured", &text);
        fs::write(document::path("scaling.svg"), chart::draw(&curves)).unwrap();
    }
}

fn table(curve: &Curve) -> String {
    let head = format!(
        "| {} | CPU a request, ratio to no filter | memory, MB |\n|---:|---:|---:|\n",
        curve.title
    );
    let rows = curve.points.iter().map(|found| {
        let Spread { low, median, high } = found.ratio;
        let (label, memory) = (&found.label, found.memory);
        format!("| {label} | {median:.2} ({low:.2}–{high:.2}) | {memory} |\n")
    });
    head + &rows.collect::<String>() + "\n"
}

fn traffic(series: &str, count: usize, bytes: usize) -> Arc<Traffic> {
    Arc::new(Traffic::numbered(series, count, bytes))
}

/// Known tokens, all in use.
fn tokens() -> Direction {
    let points = [1, 10, 100, 1_000, 10_000, 100_000].map(|count: usize| {
        let mut policy = scopes();
        // What renewing them costs is not what is asked here.
        policy["cache"] = json!({ "max_entries": 100_000, "max_ttl": "1h" });
        Point {
            label: thousands(count),
            setup: with_policy(&policy),
            traffic: traffic("known-", count, BYTES),
        }
    });
    Direction {
        title: "known tokens",
        points: points.into(),
    }
}

fn rule_counts() -> Direction {
    let points = [1, 10, 100, 1_000].map(|count| {
        let mut policy = without_scopes(scopes());
        policy["rules"] = rules(count);
        Point {
            label: thousands(count),
            setup: with_policy(&policy),
            traffic: traffic("rules-", TOKENS, BYTES),
        }
    });
    Direction {
        title: "rules",
        points: points.into(),
    }
}

/// All of them on Envoy's one core: what they cost, not what they bring.
fn workers() -> Direction {
    let points = [1, 2, 4].map(|workers| Point {
        label: workers.to_string(),
        setup: Setup {
            workers,
            ..with_policy(&scopes())
        },
        traffic: traffic("workers-", TOKENS, BYTES),
    });
    Direction {
        title: "workers",
        points: points.into(),
    }
}

fn lengths() -> Direction {
    let points = [
        (900, "0.9 kB"),
        (2_000, "2 kB"),
        (4_000, "4 kB"),
        (8_000, "8 kB"),
    ];
    let points = points.map(|(bytes, label)| Point {
        label: label.to_owned(),
        setup: with_policy(&scopes()),
        traffic: traffic("length-", TOKENS, bytes),
    });
    Direction {
        title: "length of the token",
        points: points.into(),
    }
}

pub fn thousands(count: usize) -> String {
    match count / 1000 {
        0 => count.to_string(),
        thousands => format!("{thousands},{:03}", count % 1000),
    }
}
