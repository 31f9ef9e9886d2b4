//! A million requests over fifty thousand tokens, while everything goes wrong at the endpoints in
//! turn, each answer compared with a model.
//!
//! `make soak` builds what is needed and says where Envoy and the filter are. `REQUESTS` is how
//! many (1,000,000), `SEED` makes a run again, `RECORD=1` writes docs/reliability.md,
//! `SABOTAGE=NAME` breaks something, to see that it is found (`sabotage.rs`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stderr,
    clippy::unreachable,
    dead_code,
    unreachable_pub,
    reason = "tests may fail loudly"
)]

mod api;
#[path = "../envoy/client.rs"]
mod client;
mod endpoint;
mod fault;
#[path = "../envoy/gateway.rs"]
mod gateway;
mod gateway_config;
mod lane;
mod model;
mod run;
mod sabotage;
#[path = "../envoy/stats.rs"]
mod stats;
mod tally;
mod token;
mod traffic;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use api::Api;
use endpoint::Endpoint;
use fault::Faults;
use gateway::Gateway;
use gateway_config::{Around, setup};
use lane::{Lane, Outcome, http2};
use model::Moment;
use run::{Run, millis};
use sabotage::Sabotage;
use tally::Tally;
use token::Provider;
use traffic::Request;

/// Clients with a connection each.
const HTTP1: usize = 400;
/// Connections over HTTP/2.
const HTTP2: usize = 8;
/// Clients on each.
const STREAMS: usize = 25;

/// What all clients share.
struct Shared {
    run: Run,
    next: AtomicU64,
    tally: Tally,
    faults: Arc<Faults>,
    api: Arc<Api>,
    parts: usize,
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}: a number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak() {
    let requests = number("REQUESTS").unwrap_or(1_000_000);
    let seed = number("SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let rate = number("RATE").unwrap_or_else(|| (requests / 60).clamp(1, 3000));
    let sabotage = std::env::var("SABOTAGE").ok();
    let sabotage = sabotage
        .filter(|name| !name.is_empty())
        .map(|name| Sabotage::named(&name));
    eprintln!("SEED={seed} REQUESTS={requests} RATE={rate}");

    let listeners = [listen().await, listen().await, listen().await];
    let [texas, rfc7662, api_listener] = listeners;
    let around = Around {
        texas: texas.local_addr().unwrap(),
        rfc7662: rfc7662.local_addr().unwrap(),
        api: api_listener.local_addr().unwrap(),
    };
    let parts = fault::parts();
    let count = u32::try_from(parts.len()).unwrap();
    let mut setup = setup(&Run::new(seed, requests, rate, count), &around);
    if let Some(sabotage) = sabotage {
        sabotage.configure(&mut setup.plugin);
    }
    let gateway = Gateway::start(setup).await;

    let run = Run::new(seed, requests, rate, count);
    let faults = Arc::new(Faults::default());
    let mut servers = JoinSet::new();
    let api = Arc::new(Api::new(requests));
    servers.spawn(Arc::clone(&api).serve(api_listener));
    for (provider, listener) in [(Provider::Texas, texas), (Provider::Rfc7662, rfc7662)] {
        let endpoint = Arc::new(Endpoint {
            provider,
            run: run.clone(),
            faults: Arc::clone(&faults),
            questions: AtomicU64::new(0),
            sabotage,
        });
        servers.spawn(endpoint.serve(listener));
    }
    let shared = Arc::new(Shared {
        run,
        next: AtomicU64::new(0),
        tally: Tally::default(),
        faults,
        api,
        parts: parts.len(),
    });
    let playing = Arc::clone(&shared);
    let director = tokio::spawn(async move { playing.faults.play(&playing.run, &parts).await });

    let mut lanes = JoinSet::new();
    for _ in 0..HTTP1 {
        let lane = Lane::Http1(gateway.address, None);
        lanes.spawn(drive(lane, Arc::clone(&shared)));
    }
    for _ in 0..HTTP2 {
        let client = http2(gateway.address).await;
        for _ in 0..STREAMS {
            let lane = Lane::Http2(client.clone());
            lanes.spawn(drive(lane, Arc::clone(&shared)));
        }
    }
    lanes.join_all().await;
    director.await.unwrap();

    let counts = shared.tally.counts();
    for words in &counts.words {
        eprintln!("{words}");
    }
    for ((part, kind, status), count) in &counts.answers {
        eprintln!("{part} {kind} {status} {count}");
    }
    let took = shared.run.now() - shared.run.began;
    eprintln!(
        "{took} ms, RSS {} kB, left {:?}",
        gateway.memory(),
        counts.left
    );
    assert_eq!((counts.wrong.len(), counts.lost.len()), (0, 0));
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// One client's life.
async fn drive(mut lane: Lane, shared: Arc<Shared>) {
    let run = &shared.run;
    loop {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        if number >= run.requests {
            return;
        }
        tokio::time::sleep_until(run.due(number).into()).await;
        let request = Request::of(run, number);
        let sent = run.now();
        let began = Instant::now();
        let outcome = lane.send(&request).await;
        let answered = run.now();
        let took = began.elapsed();
        let part = (sent - run.began) / millis(run.part);
        let part = usize::try_from(part).unwrap().min(shared.parts - 1);
        match outcome {
            Outcome::Left => shared.tally.left(part),
            Outcome::Lost(error) => {
                let words = format!("lost after {took:?}: {error}: {request:?}");
                shared.tally.lost(part, words);
            }
            Outcome::Answered(answer) => {
                shared
                    .tally
                    .answer(part, request.kind(), answer.status, took);
                let moment = Moment { sent, answered };
                let arrivals = shared.api.received(number);
                let windows = shared.faults.windows();
                let verdict = model::judge(run, &request, &answer, moment, arrivals, &windows);
                if let Err(wrong) = verdict {
                    let since = sent - run.began;
                    let words =
                        format!("wrong: {wrong}, at {since} ms after {took:?}: {request:?}");
                    shared.tally.wrong(part, words);
                }
            }
        }
    }
}
