//! Thousands of requests that wait in one VM, and hundreds of streams that are reset as soon as
//! they are there.

use dev_idp::Fault;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::client::{answer, http2};
use crate::frames::{self, Connection, End};
use crate::gateway::{Gateway, Setup, at, connect_patiently, speak_to_api, until};

/// Room for all on the way to the API, if not for all at once.
fn roomy(config: &mut Value) {
    connect_patiently(config);
    let api = at(config, "/static_resources/clusters/1");
    api["circuit_breakers"] = json!({
        "thresholds": [{
            "max_connections": 50,
            "max_pending_requests": 10_000,
            "max_requests": 10_000,
        }],
    });
    // Not HTTP/2: Envoy passes resets on, and the API may hang up on it for them.
    speak_to_api(config, "http_protocol_options", json!({}));
}

/// Four thousand requests, whose tokens take turns, wait in one VM and are told at once.
async fn four_thousand(tokens: &[(&str, u16)]) {
    const CONNECTIONS: usize = 40;
    const STREAMS: usize = 100;
    let gateway = Gateway::start(Setup {
        edit: roomy,
        ..Setup::default()
    })
    .await;
    gateway.idp.set_fault(Some(Fault::Hold));
    let tokens: Vec<_> = tokens
        .iter()
        .map(|(scope, status)| match *scope {
            "garbage" => ("Bearer garbage".to_owned(), *status),
            scope => (format!("Bearer {}", gateway.token(scope)), *status),
        })
        .collect();
    let url = format!("http://{}/api/x", gateway.address);
    let requests = (0..CONNECTIONS).flat_map(|_| {
        let client = http2();
        let (tokens, url) = (&tokens, &url);
        (0..STREAMS).map(move |number| {
            let (authorization, status) = &tokens[number % tokens.len()];
            let request = client
                .get(url)
                .header("authorization", authorization)
                .send();
            async move {
                let answer = answer(request.await.unwrap()).await;
                assert_eq!(answer.status, *status, "{answer:?}");
                usize::from(answer.status == 200)
            }
        })
    });
    let all = (CONNECTIONS * STREAMS) as u64;
    let release = async {
        until("all requests have arrived", async || {
            gateway.active_requests().await == all
        })
        .await;
        until("all tokens are asked about", async || {
            gateway.idp.introspections() == tokens.len()
        })
        .await;
        assert_eq!(
            gateway.idp.api_requests(),
            0,
            "nothing may pass before the answer"
        );
        gateway.idp.set_fault(None);
    };
    let (passed, ()) = join(join_all(requests), release).await;
    assert_eq!(gateway.idp.api_requests(), passed.iter().sum::<usize>());
    assert_eq!(gateway.idp.introspections(), tokens.len());
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_thousand_are_resumed() {
    four_thousand(&[("api:read", 200)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_thousand_are_told_apart() {
    four_thousand(&[
        ("api:read", 200),
        ("other", 403),
        ("garbage", 401),
        ("api:read api:write", 200),
    ])
    .await;
}

/// When the streams are reset.
#[derive(Clone, Copy, Debug)]
enum When {
    /// Right after their heads, while the endpoint is asked.
    Unknown,
    /// When all of them wait for the endpoint.
    Waiting,
    /// While they are told what it has said.
    Told,
    /// Right after their heads, when the token is known.
    Known,
}

/// Streams on a connection: Envoy itself hangs up on a client that resets more.
const RESETS: u32 = 200;

/// Connections that such streams are on.
const CONNECTIONS: usize = 6;

/// How many requests have arrived.
const REQUESTS: &str = "http.gateway.downstream_rq_total";

fn streams() -> impl Iterator<Item = u32> {
    (0..RESETS).map(|number| 2 * number + 1)
}

fn request(stream: u32, authorization: &str) -> Vec<u8> {
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "gateway"),
        (":path", "/api/x"),
        ("authorization", authorization),
    ];
    frames::last_headers(stream, &fields)
}

/// Connections full of requests with this token, which are all reset, beside one that is not. How
/// many have reached the API.
async fn flood(gateway: &Gateway, token: &str, when: When, expected: u16) -> usize {
    let authorization = format!("Bearer {token}");
    let requests: Vec<_> = streams()
        .map(|stream| request(stream, &authorization))
        .collect();
    let resets: Vec<_> = streams().map(frames::reset).collect();
    let both: Vec<_> = requests
        .iter()
        .zip(&resets)
        .flat_map(|(request, reset)| [request.clone(), reset.clone()])
        .collect();
    let is_known = matches!(when, When::Known);
    if is_known {
        assert_eq!(gateway.get_with(token).await.status, expected);
    } else {
        gateway.idp.set_fault(Some(Fault::Hold));
    }
    let (asked, reached) = (gateway.idp.introspections(), gateway.idp.api_requests());
    let mut patient = Connection::open(gateway.address).await;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Connection::open(gateway.address).await);
    }
    let all = CONNECTIONS as u64 * u64::from(RESETS) + 1;
    let arrived = gateway.stat(REQUESTS).await + all;
    let until_active = async |active| {
        until("all have arrived", async || {
            gateway.stat(REQUESTS).await == arrived && gateway.active_requests().await == active
        })
        .await;
    };

    patient.send(&[request(1, &authorization)]).await;
    match when {
        When::Unknown => {
            send(&mut connections, &both).await;
            until_active(1).await;
            gateway.idp.set_fault(None);
        }
        When::Waiting => {
            send(&mut connections, &requests).await;
            until_active(all).await;
            send(&mut connections, &resets).await;
            until_active(1).await;
            gateway.idp.set_fault(None);
        }
        When::Told => {
            send(&mut connections, &requests).await;
            until_active(all).await;
            gateway.idp.set_fault(None);
            send(&mut connections, &resets).await;
        }
        When::Known => send(&mut connections, &both).await,
    }
    assert_eq!(patient.next().await, (1, End::Status(expected)), "{when:?}");
    until_active(0).await;
    let asks = usize::from(!is_known);
    assert_eq!(gateway.idp.introspections(), asked + asks, "{when:?}");
    gateway.idp.api_requests() - reached
}

async fn send(connections: &mut [Connection], frames: &[Vec<u8>]) {
    for connection in connections {
        connection.send(frames).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_resets() {
    let gateway = Gateway::start(Setup {
        edit: roomy,
        ..Setup::default()
    })
    .await;
    // The good one comes last: of what is reset then, some may still be on its way to the API.
    for (scope, status) in [(None, 401), (Some("other"), 403), (Some("api:read"), 200)] {
        for when in [When::Unknown, When::Waiting, When::Told, When::Known] {
            for round in 0..3 {
                let garbage = || format!("garbage{when:?}{round}");
                let token = scope.map_or_else(garbage, |scope| gateway.token(scope));
                let reached = flood(&gateway, &token, when, status).await;
                let may_reach = match (status, when) {
                    (200, When::Unknown | When::Waiting) => 1..=1,
                    (200, When::Told | When::Known) => 1..=usize::MAX,
                    _ => 0..=0,
                };
                assert!(may_reach.contains(&reached), "{when:?} {status}: {reached}");
            }
        }
    }
    gateway.assert_well().await;
}
