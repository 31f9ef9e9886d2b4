//! Gateways under load in turn, round by round.

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
    pub rounds: usize,
    /// How long as many requests as go, for the CPU time.
    pub saturated: Duration,
    /// How long a fixed rate, for latency; zero: not at all.
    pub paced: Duration,
}

impl Plan {
    pub fn without_latency(self) -> Self {
        Self {
            paced: Duration::ZERO,
            ..self
        }
    }
}

/// Requests a second, where latency is measured.
pub const RATE: u32 = 1000;

/// One gateway that is measured, with what is sent to it.
pub struct Subject {
    pub name: String,
    pub gateway: Gateway,
    pub traffic: Arc<Traffic>,
}

/// What was found in each round.
#[derive(Default)]
pub struct Samples {
    /// Envoy's CPU time per request, in microseconds.
    pub cpu: Vec<f64>,
    /// In microseconds.
    pub p50: Vec<f64>,
    pub p99: Vec<f64>,
    /// Questions at the endpoint per request.
    pub callouts: Vec<f64>,
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

    async fn measure(&self, endpoint: &Endpoint, plan: Plan, samples: &mut Samples) {
        let load = self.load();
        let clients = load.connect().await;
        // One request over each connection, so that Envoy has them all.
        let clients = load.send(clients, 32).await;
        let (cpu, callouts) = (micros(self.gateway.pid()), endpoint.callouts());
        let requests = load.saturate(clients, plan.saturated).await as f64;
        samples
            .cpu
            .push((micros(self.gateway.pid()) - cpu) / requests);
        let callouts = endpoint.callouts() - callouts;
        samples.callouts.push(callouts as f64 / requests);
        if !plan.paced.is_zero() {
            let taken = load.at_rate(RATE, plan.paced).await;
            let micros: Vec<_> = taken.iter().map(|t| t.as_secs_f64() * 1e6).collect();
            samples.p50.push(quantile(&micros, 0.5));
            samples.p99.push(quantile(&micros, 0.99));
        }
    }
}

/// Measures all in turn, in each round, after a round to warm up.
pub async fn run(subjects: &[Subject], endpoint: &Endpoint, plan: Plan) -> Vec<Samples> {
    let mut all: Vec<_> = subjects.iter().map(|_| Samples::default()).collect();
    for subject in subjects {
        subject.warm_up().await;
        let ignored = &mut Samples::default();
        subject.measure(endpoint, plan, ignored).await;
    }
    for round in 1..=plan.rounds {
        eprint!("\rround {round} of {} ", plan.rounds);
        for (subject, samples) in subjects.iter().zip(&mut all) {
            subject.measure(endpoint, plan, samples).await;
        }
    }
    eprintln!();
    all
}
