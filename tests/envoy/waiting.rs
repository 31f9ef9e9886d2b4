//! Requests that wait: one callout for all of one token, clients that leave, hundreds at once.

use std::time::Duration;

use dev_idp::Fault;
use futures_util::future::join_all;
use tokio::net::TcpStream;

use crate::client::{answer, http2, read_answer, send_head};
use crate::gateway::{Gateway, PausedHead, Setup, until};
use crate::stats::introspections;

with_either_paused_head![
    a_hundred_with_one_token_share_a_callout_and_the_first_one_leaves,
    everybody_leaves,
    tokens_do_not_get_each_others_answers,
    seven_hundred_are_resumed,
    seven_hundred_are_refused,
    seven_hundred_tokens_at_once,
    seven_hundred_time_out_together,
];

async fn send(gateway: &Gateway, token: &str) -> TcpStream {
    let authorization = format!("Bearer {token}");
    let headers = [(&b"authorization"[..], authorization.as_bytes())];
    send_head(gateway.address, b"GET /api/x", &headers, 0).await
}

async fn until_active(gateway: &Gateway, requests: u64) {
    until("all requests have arrived", async || {
        // The one that asks for the statistics goes to the admin listener.
        gateway.active_requests().await == requests
    })
    .await;
}

async fn a_hundred_with_one_token_share_a_callout_and_the_first_one_leaves(
    paused_head: PausedHead,
) {
    let gateway = Gateway::start(paused_head.setup()).await;
    gateway.idp.set_fault(Some(Fault::Hold));
    let token = gateway.token("api:read");
    let leader = send(&gateway, &token).await;
    until("the callout is dispatched", async || {
        gateway.idp.introspections() == 1
    })
    .await;
    let followers = join_all((0..99).map(|_| send(&gateway, &token))).await;
    until_active(&gateway, 100).await;

    drop(leader);
    until_active(&gateway, 99).await;
    gateway.idp.set_fault(None);

    for answer in join_all(followers.into_iter().map(read_answer)).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(gateway.idp.introspections(), 1);
    gateway.assert_well().await;
}

async fn everybody_leaves(paused_head: PausedHead) {
    let gateway = Gateway::start(paused_head.setup()).await;
    gateway.idp.set_fault(Some(Fault::Hold));
    let token = gateway.token("api:read");
    let clients = join_all((0..50).map(|_| send(&gateway, &token))).await;
    until("the callout is dispatched", async || {
        gateway.idp.introspections() == 1
    })
    .await;
    until_active(&gateway, 50).await;
    drop(clients);
    until_active(&gateway, 0).await;
    gateway.idp.set_fault(None);
    let active = &introspections("active");
    until("the answer is there", async || {
        gateway.stat(active).await == 1
    })
    .await;
    gateway.assert_well().await;
}

async fn tokens_do_not_get_each_others_answers(paused_head: PausedHead) {
    let gateway = Gateway::start(paused_head.setup()).await;
    gateway.idp.set_fault(Some(Fault::Hold));
    let (good, weak) = (gateway.token("api:read"), gateway.token("other"));
    let tokens = [good.as_str(), weak.as_str(), "garbage"];
    let mut waiting = Vec::new();
    for _ in 0..20 {
        for (token, status) in tokens.iter().zip([200, 403, 401]) {
            waiting.push((send(&gateway, token).await, status));
        }
    }
    until_active(&gateway, 60).await;
    gateway.idp.set_fault(None);
    for (stream, status) in waiting {
        assert_eq!(read_answer(stream).await.status, status);
    }
    assert_eq!(gateway.idp.introspections(), 3);
    gateway.assert_well().await;
}

/// 700 requests that wait in one VM are told one by one, whatever they are told.
async fn seven_hundred(
    paused_head: PausedHead,
    tokens: impl Fn(&Gateway, usize) -> String,
    (held, callouts): (usize, usize),
    status: u16,
) {
    let gateway = Gateway::start(Setup {
        edit: |config| {
            // 700 connections at once take longer than the connect timeout allows for one.
            let texas = "/static_resources/clusters/0";
            *crate::gateway::at(config, &format!("{texas}/connect_timeout")) = "20s".into();
            let threshold = "circuit_breakers/thresholds/0";
            for limit in ["max_requests", "max_pending_requests", "max_connections"] {
                *crate::gateway::at(config, &format!("{texas}/{threshold}/{limit}")) = 2000.into();
            }
        },
        ..paused_head.setup()
    })
    .await;
    gateway.idp.set_fault(Some(Fault::Hold));
    let url = format!("http://{}/api/x", gateway.address);
    let requests = (0..7).flat_map(|connection| {
        let client = http2();
        let (gateway, url, tokens) = (&gateway, &url, &tokens);
        (0..100).map(move |stream| {
            let authorization = format!("Bearer {}", tokens(gateway, connection * 100 + stream));
            client
                .get(url)
                .header("authorization", authorization)
                .send()
        })
    });
    let requests: Vec<_> = requests.collect();
    let release = async {
        until_active(&gateway, 700).await;
        until("as many callouts are out as may be", async || {
            gateway.idp.introspections() == held
        })
        .await;
        gateway.idp.set_fault(None);
    };
    let (answers, ()) = futures_util::future::join(join_all(requests), release).await;
    for response in answers {
        let answer = answer(response.unwrap()).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    assert_eq!(gateway.idp.introspections(), callouts);
    gateway.assert_well().await;
}

async fn seven_hundred_are_resumed(paused_head: PausedHead) {
    let token = std::sync::OnceLock::new();
    let token = |gateway: &Gateway, _| token.get_or_init(|| gateway.token("api:read")).clone();
    seven_hundred(paused_head, token, (1, 1), 200).await;
}

async fn seven_hundred_are_refused(paused_head: PausedHead) {
    seven_hundred(paused_head, |_, _| "garbage".to_owned(), (1, 1), 401).await;
}

async fn seven_hundred_tokens_at_once(paused_head: PausedHead) {
    seven_hundred(paused_head, |_, n| format!("garbage{n}"), (8, 700), 401).await;
}

async fn seven_hundred_time_out_together(paused_head: PausedHead) {
    let mut plugin = crate::gateway::plugin();
    plugin["introspection"]["timeout"] = "3s".into();
    let gateway = Gateway::start(Setup {
        plugin,
        ..paused_head.setup()
    })
    .await;
    gateway.idp.set_fault(Some(Fault::Hold));
    let token = gateway.token("api:read");
    let clients = join_all((0..700).map(|_| send(&gateway, &token))).await;
    let answers = join_all(clients.into_iter().map(read_answer));
    let answers = tokio::time::timeout(Duration::from_secs(30), answers)
        .await
        .unwrap();
    for answer in answers {
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    gateway.assert_well().await;
}
