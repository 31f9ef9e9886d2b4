//! A million requests over fifty thousand tokens, while everything goes wrong at the endpoints in
//! turn, each answer compared with a model.
//!
//! `make soak` builds what is needed and says where Envoy and the filter are. `REQUESTS` is how
//! many (1,000,000) and `RATE` how many in a second, `SEED` makes a run again, `RECORD=1` writes
//! docs/reliability.md, `SABOTAGE=NAME` breaks something, to see that it is found (`sabotage.rs`).
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
mod report;
mod run;
mod sabotage;
#[path = "../envoy/stats.rs"]
mod stats;
mod tally;
mod token;
mod traffic;
mod verdict;
mod watch;
mod wire;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use api::Api;
use endpoint::Endpoint;
use fault::{Faults, LATE};
use gateway::Gateway;
use gateway_config::{Around, setup};
use lane::{Lane, Outcome, http2};
use model::{Answer, Moment};
use report::Report;
use run::Run;
use sabotage::Sabotage;
use tally::Tally;
use token::Provider;
use traffic::{Credential, Request};

/// Clients with a connection each.
const HTTP1: usize = 800;
/// Connections over HTTP/2.
const HTTP2: usize = 8;
/// Clients on each.
const STREAMS: usize = 100;

/// What all clients share.
struct Shared {
    run: Run,
    next: AtomicU64,
    tally: Tally,
    faults: Arc<Faults>,
    api: Arc<Api>,
    suspects: Mutex<Vec<Suspect>>,
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    let value = Some(value).filter(|value| !value.is_empty())?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}: a number")))
}

/// At least a minute, and what two cores bear.
fn rate(requests: u64) -> u64 {
    number("RATE").unwrap_or_else(|| (requests / 60).clamp(1, 2500))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak() {
    let requests = number("REQUESTS").unwrap_or(1_000_000);
    let seed = number("SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let rate = rate(requests);
    let sabotage = std::env::var("SABOTAGE").ok();
    let sabotage = sabotage.filter(|name| !name.is_empty());
    let sabotage = sabotage.map(|name| Sabotage::named(&name));
    eprintln!("SEED={seed} REQUESTS={requests} RATE={rate}");

    let [texas, rfc7662, api_listener] = [listen().await, listen().await, listen().await];
    let around = Around {
        texas: texas.local_addr().unwrap(),
        rfc7662: rfc7662.local_addr().unwrap(),
        api: api_listener.local_addr().unwrap(),
    };
    let mut setup = setup(&Run::new(seed, requests, rate), &around);
    if let Some(sabotage) = sabotage {
        sabotage.configure(&mut setup.plugin);
    }
    let gateway = Gateway::start(setup).await;

    let shared = Arc::new(Shared {
        run: Run::new(seed, requests, rate),
        next: AtomicU64::new(0),
        tally: Tally::default(),
        faults: Arc::default(),
        api: Arc::new(Api::new(requests)),
        suspects: Mutex::default(),
    });
    let mut servers = JoinSet::new();
    servers.spawn(Arc::clone(&shared.api).serve(api_listener));
    let mut endpoints = Vec::new();
    for (provider, listener) in [(Provider::Texas, texas), (Provider::Rfc7662, rfc7662)] {
        let endpoint = Arc::new(Endpoint {
            provider,
            run: shared.run.clone(),
            faults: Arc::clone(&shared.faults),
            questions: AtomicU64::new(0),
            sabotage,
        });
        endpoints.push(Arc::clone(&endpoint));
        servers.spawn(endpoint.serve(listener));
    }
    let mut samples = Vec::new();
    tokio::select! {
        () = watch::memory(&gateway, &shared.tally, &mut samples) => {}
        () = traffic(&gateway, &shared) => {}
    }
    for suspect in shared.suspects.lock().unwrap().iter() {
        suspect.convict(&shared);
    }
    let counts = shared.tally.counts();
    let report = Report {
        run: &shared.run,
        windows: &shared.faults.windows(),
        counts: &counts,
        samples: &samples,
        gauges: &watch::gauges(&gateway, &shared.run, &counts).await,
        questions: endpoints
            .iter()
            .map(|each| each.questions.load(Ordering::Relaxed))
            .sum(),
        took: shared.run.now() - shared.run.began,
    };
    verdict::publish(&report);
    verdict::check(&report, &gateway);
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Sends all requests, while everything goes wrong in turn.
async fn traffic(gateway: &Gateway, shared: &Arc<Shared>) {
    let playing = Arc::clone(shared);
    let director = tokio::spawn(async move { playing.faults.play(&playing.run).await });
    let progress = tell_progress(Arc::clone(shared));
    let mut lanes = JoinSet::new();
    for _ in 0..HTTP1 {
        let lane = Lane::Http1(gateway.address, None);
        lanes.spawn(drive(lane, Arc::clone(shared)));
    }
    for _ in 0..HTTP2 {
        let client = http2(gateway.address).await;
        for _ in 0..STREAMS {
            let lane = Lane::Http2(client.clone());
            lanes.spawn(drive(lane, Arc::clone(shared)));
        }
    }
    lanes.join_all().await;
    director.await.unwrap();
    progress.abort();
}

fn tell_progress(shared: Arc<Shared>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let run = &shared.run;
            let (what, at) = run.parts[run.part_at(run.now())].names();
            let seconds = (run.now() - run.began) / 1000;
            eprintln!("{seconds} s: {} done; {what} {at}", shared.tally.done());
        }
    })
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
        if run.due(number).elapsed() > LATE {
            shared.faults.late(run.now());
        }
        let request = Request::of(run, number);
        let (sent, began) = (run.now(), Instant::now());
        let outcome = lane.send(&request).await;
        let (answered, took) = (run.now(), began.elapsed());
        let moment = Moment { sent, answered };
        note(&shared, &request, outcome, moment, took);
    }
}

/// Counts what a request came to, and compares it with the model.
fn note(shared: &Shared, request: &Request, outcome: Outcome, moment: Moment, took: Duration) {
    let Shared { run, tally, .. } = shared;
    let part = run.part_at(moment.sent);
    let since = moment.sent - run.began;
    match outcome {
        Outcome::Left => tally.left(part),
        Outcome::Lost(error) => {
            let words = format!("lost: {error}, at {since} ms after {took:?}: {request:?}");
            tally.lost(part, words);
        }
        Outcome::Answered(answer) => {
            tally.answer(part, request.kind(), answer.status, took);
            if let (503, Credential::Token(token)) = (answer.status, &request.credential) {
                tally.unavailable(token.provider, moment.answered);
            }
            let suspect = Suspect {
                request: request.clone(),
                arrivals: shared.api.received(request.number),
                answer,
                moment,
                took,
            };
            // What takes so long though nobody is asked about a token says it of the machine.
            if !request.asks() && took > LATE {
                shared.faults.late(moment.answered);
            }
            if suspect.judge(shared).is_err() {
                shared.suspects.lock().unwrap().push(suspect);
            }
        }
    }
}

/// What looks wrong. Whether it is, is known when all is known that has gone wrong meanwhile.
struct Suspect {
    request: Request,
    answer: Answer,
    moment: Moment,
    arrivals: u8,
    took: Duration,
}

impl Suspect {
    fn judge(&self, shared: &Shared) -> Result<(), String> {
        let (run, windows) = (&shared.run, shared.faults.windows());
        let (answer, moment) = (&self.answer, self.moment);
        model::judge(run, &self.request, answer, moment, self.arrivals, &windows)
    }

    /// Counts it, if it is wrong after all.
    fn convict(&self, shared: &Shared) {
        if let Err(wrong) = self.judge(shared) {
            let Self { request, took, .. } = self;
            let since = self.moment.sent - shared.run.began;
            let words = format!("wrong: {wrong}, at {since} ms after {took:?}: {request:?}");
            let part = shared.run.part_at(self.moment.sent);
            shared.tally.wrong(part, words);
        }
    }
}
