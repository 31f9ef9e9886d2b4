//! Requests that wait for an endpoint which does not answer, while others come with known tokens.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use super::{BYTES, Curve, Found, TOKENS, thousands, traffic};
use crate::client::get;
use crate::cpu::Cores;
use crate::endpoint::Endpoint;
use crate::gateway::{Setup, connect_patiently, until};
use crate::others::{self, answer_directly};
use crate::rounds::{Subject, Turns};
use crate::statistics::Spread;
use crate::variants::{scopes, with_policy};

pub const TITLE: &str = "requests in waiting";

/// A gateway in front of which so many wait.
struct Queue {
    waiting: usize,
    subject: Subject,
    endpoint: Endpoint,
    cpu: Vec<f64>,
    /// The same without a filter, just before.
    bare: Vec<f64>,
    /// The most that was seen while they waited, in MB.
    memory: u64,
}

pub async fn follow(turns: Turns, cores: Option<Cores>) -> Curve {
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
            bare: Vec::new(),
            memory: 0,
        });
    }
    let nobody = Endpoint::start().await;
    // The first round warms up.
    for round in 0..=turns.rounds {
        for queue in &mut queues {
            let (bare, _) = bare.cost(&nobody, turns.time).await;
            let own = queue.measure(round, turns.time).await;
            if round > 0 {
                queue.bare.push(bare);
                queue.cpu.push(own);
            }
        }
    }
    let points = queues.iter().map(|queue| Found {
        label: queue.subject.name.clone(),
        ratio: Spread::of_ratios(&queue.cpu, &queue.bare),
        memory: queue.memory,
    });
    Curve {
        title: TITLE,
        points: points.collect(),
    }
}

impl Queue {
    /// Envoy's CPU time per request with a known token, in microseconds.
    async fn measure(&mut self, round: usize, time: Duration) -> f64 {
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
        let (micros, _) = self.subject.cost(&self.endpoint, time).await;
        self.memory = self.memory.max(self.subject.gateway.memory() / 1000);
        self.endpoint.hold(false);
        let statuses = requests.join_all().await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        micros
    }
}
