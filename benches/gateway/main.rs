//! What the filter costs, measured on a real Envoy: beside no filter and beside what one would use
//! in its place (`make bench`), beside another build of it (`make bench A=… B=…`), and as what it
//! has to do grows (`make bench-growth`).
//!
//! All gateways run at once and are loaded in turn, what is compared directly one after the other, so
//! that what else the machine does hits both (`rounds.rs`). Envoy has a core of its own; clients, endpoint and services share another.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    clippy::print_stderr,
    dead_code,
    unreachable_pub,
    reason = "a program for developers, over the tests' own harness"
)]

#[path = "../../tests/envoy/client.rs"]
mod client;
#[path = "../../tests/envoy/gateway.rs"]
mod gateway;
#[path = "../../tests/envoy/stats.rs"]
mod stats;

mod authorization;
mod beside;
mod chart;
mod cpu;
mod document;
mod endpoint;
mod growth;
mod load;
mod machine;
mod others;
mod rounds;
mod statistics;
mod traffic;
mod variants;

use std::path::PathBuf;
use std::time::Duration;

use cpu::Cores;
use rounds::{Plan, Turns};
use variants::Wanted;

/// What is asked for by the environment, and by the words behind `cargo bench -- `.
enum Task {
    Beside { quick: bool },
    TwoBuilds([PathBuf; 2]),
    Growth { quick: bool },
}

impl Task {
    fn read() -> Self {
        let quick = std::env::var_os("QUICK").is_some_and(|word| !word.is_empty());
        // cargo adds words of its own.
        if std::env::args().any(|word| word == "growth") {
            return Self::Growth { quick };
        }
        match (file("A"), file("B")) {
            (Some(a), Some(b)) => Self::TwoBuilds([a, b]),
            (None, None) => Self::Beside { quick },
            _ => panic!("A and B name the two builds to compare: one is missing"),
        }
    }
}

/// A file that a variable names.
fn file(variable: &str) -> Option<PathBuf> {
    let name = std::env::var_os(variable).filter(|name| !name.is_empty())?;
    let file = PathBuf::from(name).canonicalize();
    Some(file.unwrap_or_else(|error| panic!("{variable}: {error}")))
}

const fn turns(rounds: usize, milliseconds: u64) -> Turns {
    Turns {
        rounds,
        time: Duration::from_millis(milliseconds),
    }
}

fn main() {
    let task = Task::read();
    let cores = Cores::choose();
    match cores {
        Some(cores) => cores.keep_self(),
        None => eprintln!("there is one core: Envoy shares it with the load"),
    }
    let wanted = Wanted(std::env::var("ROWS").unwrap_or_default());
    // One thread, as it has one core.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match task {
            Task::Beside { quick } => {
                let (saturated, paced) = if quick {
                    (turns(5, 100), turns(2, 200))
                } else {
                    (turns(60, 150), turns(11, 700))
                };
                let plan = Plan { saturated, paced };
                let noop = file("NOOP_WASM").expect("NOOP_WASM is not set: run `make bench`");
                let publish = !quick && wanted.0.is_empty();
                beside::table(noop, &wanted, plan, publish, cores).await;
            }
            Task::TwoBuilds(builds) => {
                beside::two_builds(&builds, &wanted, turns(80, 150), cores).await;
            }
            Task::Growth { quick } => {
                let turns = if quick { turns(3, 100) } else { turns(30, 150) };
                growth::growth(turns, !quick, cores).await;
            }
        }
    });
}
