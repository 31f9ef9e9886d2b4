//! Clients in numbers, who leave, flood or dawdle.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dev_idp::Fault;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client::{http2, send_head};
use crate::gateway::{Gateway, Setup, at, connect_patiently, until};
use crate::load::Load;
use crate::model::{KIND, Kind, Spares};
use crate::recorder::Recorder;
use crate::report::{Report, Row};
use crate::scene::{ANSWERS, patient, setup, under_load};

/// How long a flood lasts.
const FLOOD: Duration = Duration::from_secs(4);

/// Clients that flood, each on its connection with so many requests at a time: together more than
/// what the window lets out at most, in each of two workers.
const FLOODING: [usize; 2] = [12, 50];
const WINDOWS: usize = 2 * portvakt_core::callout::window::MAX;

/// Questions about tokens in use are out beside those, a few at a time.
const IN_USE: usize = 16;

pub fn rows() -> Vec<Row> {
    vec![
        Row::new("1,000 clients leave while they wait", leaving),
        Row::new("a flood of random tokens", flooded),
        Row::new(
            "200 clients that send their heads a byte at a time",
            dawdling,
        ),
        Row::new(
            "200 clients that wait for 100 (Continue), and send no body",
            expecting,
        ),
    ]
}

async fn leaving() -> Report {
    let api = Recorder::start().await;
    let gateway = patient(&api).await;
    let on = async |gateway: &Gateway, _: &Load| {
        gateway.idp.set_fault(Some(Fault::Hold));
        let clients = (0..1000).map(|n| async move {
            let authorization = format!("Bearer junk-leaves{n}");
            let headers = [
                (&b"authorization"[..], authorization.as_bytes()),
                (KIND.as_bytes(), Kind::Junk.name().as_bytes()),
            ];
            send_head(gateway.address, b"GET /api/x", &headers, 0).await
        });
        let clients = join_all(clients).await;
        until("all wait", async || gateway.active_requests().await >= 1000).await;
        drop(clients);
        until("all have left", async || {
            gateway.active_requests().await < 100
        })
        .await;
    };
    let off = async |gateway: &Gateway| gateway.idp.set_fault(None);
    under_load(gateway, &api, Spares::Known, on, off).await
}

/// The endpoint takes 200 ms. What is bounded, by the filter and not by Envoy's circuit breaker:
/// callouts, and how long a known token takes.
async fn flooded() -> Report {
    let api = Recorder::start().await;
    let gateway = Gateway::start(Setup {
        edit: without_breaker,
        ..setup(&api)
    })
    .await;
    gateway.idp.set_fault(Some(Fault::Delay { ms: 200 }));
    let (most, sent) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let times = std::cell::Cell::new((0, 0));
    let on = async |gateway: &Gateway, load: &Load| {
        let before = load.p99_of_known();
        let ends = Instant::now() + FLOOD;
        let url = format!("http://{}/api/x", gateway.address);
        let [clients, requests] = FLOODING;
        let clients: Vec<_> = (0..clients).map(|_| http2()).collect();
        let flood = clients.iter().flat_map(|http| vec![http; requests]);
        let flood = flood.map(async |http| {
            while Instant::now() < ends {
                let token = format!("flood{}", sent.fetch_add(1, Ordering::SeqCst));
                let request = http.get(&url).header(KIND, Kind::Junk.name());
                let status = request.bearer_auth(token).send().await.unwrap().status();
                assert!(matches!(status.as_u16(), 401 | 503), "{status}");
            }
        });
        let watch = async {
            while Instant::now() < ends {
                let active = gateway.stat("cluster.texas.upstream_rq_active").await;
                most.fetch_max(usize::try_from(active).unwrap(), Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        futures_util::future::join(join_all(flood), watch).await;
        times.set((before, load.p99_of_known()));
    };
    let report = under_load(gateway, &api, Spares::Known, on, async |_| {}).await;
    let (before, within) = times.get();
    let (most, sent) = (most.into_inner(), sent.into_inner());
    // Generous: other programs may have the processors.
    assert!(
        within < before + 1000,
        "{before} ms, in the flood {within} ms"
    );
    assert!(most <= WINDOWS + IN_USE, "{most} callouts at once");
    report.note(format!(
        "{sent} random tokens besides, at most {most} callouts at once, p99 of a known token \
         {before} ms before and {within} ms within"
    ))
}

fn without_breaker(config: &mut Value) {
    connect_patiently(config);
    let thresholds = "/static_resources/clusters/0/circuit_breakers/thresholds/0";
    for bound in ["max_connections", "max_pending_requests", "max_requests"] {
        *at(config, &format!("{thresholds}/{bound}")) = json!(4096);
    }
}

async fn dawdling() -> Report {
    let api = Recorder::start().await;
    let gateway = Gateway::start(setup(&api)).await;
    let on = async |gateway: &Gateway, load: &Load| {
        let mut clients = JoinSet::new();
        let address = gateway.address;
        for _ in 0..200 {
            clients.spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let head = b"GET /api/x HTTP/1.1\r\nhost: gateway\r\nx-kind: junk\r\nx-pad: ";
                for byte in head.iter().chain(std::iter::repeat(&b'x')) {
                    if stream.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
        load.answers(5 * ANSWERS).await;
    };
    under_load(gateway, &api, Spares::Everybody, on, async |_| {}).await
}

async fn expecting() -> Report {
    let api = Recorder::start().await;
    let gateway = Gateway::start(setup(&api)).await;
    let on = async |gateway: &Gateway, load: &Load| {
        let clients = (0..200).map(|n| async move {
            let authorization = format!("Bearer junk-expects{n}");
            let headers = [
                (&b"expect"[..], &b"100-continue"[..]),
                (b"authorization", authorization.as_bytes()),
                (KIND.as_bytes(), Kind::Junk.name().as_bytes()),
            ];
            send_head(gateway.address, b"POST /api/x", &headers, 100).await
        });
        let clients = join_all(clients).await;
        load.answers(5 * ANSWERS).await;
        drop(clients);
    };
    under_load(gateway, &api, Spares::Everybody, on, async |_| {}).await
}
