//! Another plugin configuration in a running Envoy.

use dev_idp::Fault;
use futures_util::future::{join, join_all};
use serde_json::json;

use crate::client::{read_answer, send_head};
use crate::gateway::{Discovery, Gateway, Setup, plugin, until};
use crate::realm::{until_realm, with_realm};

async fn start(discovery: Discovery) -> Gateway {
    Gateway::start(Setup {
        discovery,
        workers: 2,
        ..Setup::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_no_request_fails() {
    for discovery in [Discovery::Listener, Discovery::Extension] {
        let gateway = start(discovery).await;
        let tokens: Vec<_> = (0..5)
            .map(|n| gateway.token(&format!("api:read {n}")))
            .collect();
        let done = std::sync::atomic::AtomicBool::new(false);
        let load = async {
            let mut requests = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                for answer in join_all(tokens.iter().map(|token| gateway.get_with(token))).await {
                    assert_eq!(answer.status, 200, "{discovery:?}: {answer:?}");
                    requests += 1;
                }
            }
            requests
        };
        let changes = async {
            for n in 0..5 {
                let realm = format!("realm{n}");
                gateway.reconfigure(&with_realm(plugin(), &realm));
                until_realm(&gateway, &realm).await;
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        };
        let (requests, ()) = join(load, changes).await;
        assert!(requests > 100, "{requests}");
        // What the old configuration's workers knew, the new one's find.
        assert_eq!(gateway.idp.introspections(), tokens.len(), "{discovery:?}");
        gateway.assert_well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_finish_under_their_own_configuration() {
    let gateway = start(Discovery::Extension).await;
    gateway.idp.set_fault(Some(Fault::Hold));
    let authorization = format!("Bearer {}", gateway.token("api:read"));
    let headers = [(&b"authorization"[..], authorization.as_bytes())];
    let send = || send_head(gateway.address, b"GET /api/x", &headers, 0);
    let waiting = join_all((0..40).map(|_| send())).await;
    until("all wait", async || gateway.active_requests().await == 40).await;
    let mut stricter = with_realm(plugin(), "stricter");
    stricter["rules"][1]["require"]["scopes"] = json!(["api:more"]);
    gateway.reconfigure(&stricter);
    until_realm(&gateway, "stricter").await;
    gateway.idp.set_fault(None);
    for answer in join_all(waiting.into_iter().map(read_answer)).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let answer = gateway
        .get_with(authorization.trim_start_matches("Bearer "))
        .await;
    assert_eq!(
        answer.status, 403,
        "facts are kept, verdicts are not: {answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_of_one_endpoint_do_not_count_for_another() {
    let gateway = start(Discovery::Extension).await;
    let token = gateway.token("api:read");
    assert_eq!(gateway.get_with(&token).await.status, 200);
    let asked = gateway.idp.introspections();
    let endpoint = format!("http://{}/oauth2/introspect", gateway.idp.idp_addr());
    let mut other = with_realm(plugin(), "other");
    other["introspection"] = json!({ "cluster": "texas", "api": "rfc7662", "endpoint": endpoint });
    gateway.reconfigure(&other);
    until_realm(&gateway, "other").await;
    assert_eq!(gateway.get_with(&token).await.status, 200);
    assert_eq!(gateway.idp.introspections(), asked + 1);
    assert_eq!(
        gateway.idp.last_introspection().unwrap().path,
        "/oauth2/introspect"
    );

    // And back: what the first endpoint said is still known.
    gateway.reconfigure(&with_realm(plugin(), "back"));
    until_realm(&gateway, "back").await;
    assert_eq!(gateway.get_with(&token).await.status, 200);
    assert_eq!(gateway.idp.introspections(), asked + 1);
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_changes_nothing() {
    let gateway = start(Discovery::Listener).await;
    let token = gateway.token("api:read");
    gateway.reconfigure(&json!({ "introspection": { "cluster": "texas" }, "required_scopes": [] }));
    until("Envoy has refused it", async || {
        gateway
            .log()
            .contains("configuration: required_scopes: is empty")
    })
    .await;
    for _ in 0..10 {
        assert_eq!(gateway.get_with(&token).await.status, 200);
        assert_eq!(gateway.get("/api/x", &[]).await.status, 401);
    }
}
