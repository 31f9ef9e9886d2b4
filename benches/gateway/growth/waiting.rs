//! Requests that wait for an endpoint which does not answer, while others come with known tokens.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use super::{BYTES, Curve, Found, TOKENS, thousands, traffic};
use crate::client::get;
use crate::cpu::{Cores, micros};
use crate::endpoint::Endpoint;
use crate::gateway::{Setup, connect_patiently, until};
use crate::others::{self, answer_directly};
use crate::rounds::{Plan, Subject};
use crate::statistics::Spread;
use crate::variants::{scopes, with_policy};

pub const TITLE: &str = "requests in waiting";

/// A gateway in front of which so many wait.
struct Queue {
    waiting: usize,
    subject: Subject,
    endpoint: Endpoint,
    cpu: Vec<f64>,
    /// The most that was seen while they waited, in MB.
    memory: u64,
}

pub async fn follow(plan: Plan, cores: Option<Cores>) -> Curve {
    let known = traffic("known-", TOKENS, BYTES);
    let bare = Subject::start("", others::nothing(), &known, cores).await;
    let mut queues = Vec::new();
    for waiting in [0, 10, 100, 1_000] {
        let endpoint = Endpoint::start().await;
        let mut policy = scopes();
        policy["cache"] = json!({ "max_ttl": "1h" });
        let setup = Setup {
            endpoint: Some(endpoint.address),
            edit: |config| {
                answer_directly(config);
                connect_patiently(config);
            },
            ..with_policy(&policy)
        };
        let subject = Subject::start(thousands(waiting), setup, &known, cores).await;
        subject.warm_up().await;
        queues.push(Queue {
            waiting,
            subject,
            endpoint,
            cpu: Vec::new(),
            memory: 0,
        });
    }
    let mut baseline = Vec::new();
    // The first round warms up.
    for round in 0..=plan.rounds {
        let micros = cost(&bare, plan.saturated).await;
        baseline.extend((round > 0).then_some(micros));
        for queue in &mut queues {
            queue.measure(round, plan.saturated).await;
        }
    }
    let points = queues.iter().map(|queue| Found {
        label: queue.subject.name.clone(),
        ratio: Spread::of_ratios(&queue.cpu, &baseline),
        memory: queue.memory,
    });
    Curve {
        title: TITLE,
        points: points.collect(),
    }
}

impl Queue {
    async fn measure(&mut self, round: usize, time: Duration) {
        self.endpoint.hold(true);
        let gateway = &self.subject.gateway;
        let tokens = (0..self.waiting).map(|n| format!("Bearer waiting-{round}-{n}"));
        let mut requests = JoinSet::new();
        for token in tokens {
            let address = gateway.address;
            requests.spawn(async move {
                let headers = [("authorization", token.as_str())];
                get(address, "/api/x", &headers).await.status
            });
        }
        let waiting = u64::try_from(self.waiting).unwrap();
        until("so many wait", async || {
            gateway.stat("http.*.downstream_rq_active").await > waiting
        })
        .await;
        let micros = cost(&self.subject, time).await;
        self.memory = self.memory.max(self.subject.gateway.memory() / 1000);
        self.endpoint.hold(false);
        let statuses = requests.join_all().await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        if round > 0 {
            self.cpu.push(micros);
        }
    }
}

/// Envoy's CPU time per request with a known token, in microseconds.
async fn cost(subject: &Subject, time: Duration) -> f64 {
    let load = subject.load();
    let clients = load.connect().await;
    let clients = load.send(clients, 32).await;
    let before = micros(subject.gateway.pid());
    let requests = load.saturate(clients, time).await;
    (micros(subject.gateway.pid()) - before) / requests as f64
}
