//! Gateways under load in turn, round by round.
//!
//! A machine that others share is slow and fast by turns, for parts of a second or for minutes. So
//! what is compared is measured directly one after the other, for a moment each, and often.

use std::sync::Arc;
use std::time::Duration;

use crate::cpu::{Cores, micros};
use crate::endpoint::Endpoint;
use crate::gateway::{Gateway, Setup};
use crate::load::Load;
use crate::statistics::quantile;
use crate::traffic::Traffic;

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Plan {
    /// For the CPU time: as many requests as go.
    pub saturated: Turns,
    /// For latency: a fixed rate.
    pub paced: Turns,
}

/// How often each has its turn, and how long that is.
#[derive(Clone, Copy)]
pub struct Turns {
    pub rounds: usize,
    pub time: Duration,
}

/// So many requests go before each turn, so that what is measured runs with caches that it has filled.
const BEFORE: usize = 400;

/// Requests a second, where latency is measured.
pub const RATE: u32 = 1000;

/// One gateway that is measured, with what is sent to it.
pub struct Subject {
    pub name: String,
    pub gateway: Gateway,
    pub traffic: Arc<Traffic>,
}

/// What was found in each turn.
#[derive(Default)]
pub struct Samples {
    /// Envoy's CPU time per request, in microseconds.
    pub cpu: Vec<f64>,
    /// Questions at the endpoint per request.
    pub callouts: Vec<f64>,
}

/// What was found in each turn, in microseconds.
#[derive(Default)]
pub struct Latency {
    pub p50: Vec<f64>,
    pub p99: Vec<f64>,
}

impl Subject {
    /// Starts an Envoy on its core.
    pub async fn start(
        name: impl Into<String>,
        setup: Setup,
        traffic: &Arc<Traffic>,
        cores: Option<Cores>,
    ) -> Self {
        let gateway = Gateway::start(setup).await;
        if let Some(cores) = cores {
            cores.move_envoy(gateway.pid());
        }
        Self {
            name: name.into(),
            gateway,
            traffic: Arc::clone(traffic),
        }
    }

    pub fn load(&self) -> Load {
        Load {
            address: self.gateway.address,
            traffic: Arc::clone(&self.traffic),
        }
    }

    /// Has every token asked about, so that all are known that can be.
    pub async fn warm_up(&self) {
        let load = self.load();
        let clients = load.connect().await;
        load.send(clients, self.traffic.tokens()).await;
    }

    /// Envoy's CPU time per request, in microseconds, and questions at the endpoint per request.
    pub async fn cost(&self, endpoint: &Endpoint, time: Duration) -> (f64, f64) {
        let load = self.load();
        let clients = load.connect().await;
        let clients = load.send(clients, BEFORE).await;
        let (cpu, callouts) = (micros(self.gateway.pid()), endpoint.callouts());
        let requests = load.saturate(clients, time).await as f64;
        let cpu = micros(self.gateway.pid()) - cpu;
        let callouts = endpoint.callouts() - callouts;
        (cpu / requests, callouts as f64 / requests)
    }
}

/// Measures the CPU time of all, after a turn to warm up. What is in one group is measured directly
/// one after the other, to be compared: there and back by turns. Groups come in another order in each
/// round. Found is the same, group by group.
pub async fn run(groups: &[Vec<&Subject>], endpoint: &Endpoint, turns: Turns) -> Vec<Vec<Samples>> {
    let mut all: Vec<Vec<Samples>> = groups
        .iter()
        .map(|group| group.iter().map(|_| Samples::default()).collect())
        .collect();
    for subject in groups.iter().flatten() {
        subject.warm_up().await;
        subject.cost(endpoint, turns.time).await;
    }
    // The same in each run.
    let mut random = fastrand::Rng::with_seed(0);
    let mut order: Vec<_> = (0..groups.len()).collect();
    for round in 1..=turns.rounds {
        eprint!("\rround {round} of {} ", turns.rounds);
        random.shuffle(&mut order);
        for group in &order {
            let subjects = &groups[*group];
            for turn in 0..subjects.len() {
                let member = if round % 2 == 0 {
                    turn
                } else {
                    subjects.len() - 1 - turn
                };
                let (cpu, callouts) = subjects[member].cost(endpoint, turns.time).await;
                let samples = &mut all[*group][member];
                samples.cpu.push(cpu);
                samples.callouts.push(callouts);
            }
        }
    }
    eprintln!();
    all
}

/// Measures the latency of all.
pub async fn latency(subjects: &[Subject], turns: Turns) -> Vec<Latency> {
    let mut all: Vec<_> = subjects.iter().map(|_| Latency::default()).collect();
    for round in 1..=turns.rounds {
        eprint!("\rlatency, round {round} of {} ", turns.rounds);
        for (subject, latency) in subjects.iter().zip(&mut all) {
            let taken = subject.load().at_rate(RATE, turns.time).await;
            let micros: Vec<_> = taken.iter().map(|t| t.as_secs_f64() * 1e6).collect();
            latency.p50.push(quantile(&micros, 0.5));
            latency.p99.push(quantile(&micros, 0.99));
        }
    }
    eprintln!();
    all
}
