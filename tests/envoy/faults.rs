//! An endpoint that is out, slow, or answers nonsense: 503, never 401 and never 200.

use dev_idp::Fault;
use serde_json::json;

use crate::gateway::{Gateway, Setup, at, plugin, until};
use crate::stats::introspections;

fn body(status: u16, body: &str) -> Fault {
    Fault::Body {
        status,
        body: body.to_owned(),
    }
}

/// A good token's request fails as it should, and is counted as it should.
async fn check(gateway: &Gateway, fault: Fault, outcome: &str) {
    let metric = introspections(outcome);
    let before = gateway.stat(&metric).await;
    gateway.idp.set_fault(Some(fault.clone()));
    let token = gateway.token("api:read");
    let answer = gateway.get_with(&token).await;
    gateway.idp.set_fault(None);
    assert_eq!(answer.status, 503, "{fault:?}: {answer:?}");
    assert!(answer.header("retry-after").is_some(), "{fault:?}");
    assert_eq!(answer.header("www-authenticate"), None, "{fault:?}");
    gateway.assert_stat(&metric, before + 1).await;
    assert!(
        !answer.text().contains("fetch"),
        "the endpoint's words are not the client's"
    );
    let log = gateway.log();
    assert!(!log.contains(&token), "a token is in the log");
    let answer = gateway.get_with(&token).await;
    assert_eq!(
        answer.status, 200,
        "the first answer after {fault:?} counts at once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_slow() {
    let mut plugin = plugin();
    plugin["introspection"]["timeout"] = json!("500ms");
    let gateway = Gateway::start(Setup {
        plugin,
        ..Setup::default()
    })
    .await;
    gateway.idp.set_fault(Some(Fault::Hold));
    let answer = gateway.get_with(&gateway.token("api:read")).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    let timeout = &introspections("timeout");
    gateway.assert_stat(timeout, 1).await;
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_the_endpoint() {
    let gateway = Gateway::start(Setup::default()).await;
    let active = r#"{"active":true,"scope":"api:read"}"#;
    for (fault, outcome) in [
        (Fault::Status { status: 500 }, "status"),
        (Fault::Status { status: 502 }, "status"),
        (Fault::Status { status: 503 }, "status"),
        (Fault::Status { status: 504 }, "status"),
        (Fault::Status { status: 429 }, "status"),
        (body(500, active), "status"),
        (Fault::Status { status: 400 }, "misconfigured"),
        (body(400, r#"{"error":"invalid_request"}"#), "misconfigured"),
        (Fault::Status { status: 401 }, "misconfigured"),
        (Fault::Status { status: 404 }, "misconfigured"),
        (body(401, active), "misconfigured"),
        (body(201, active), "misconfigured"),
        (body(302, active), "misconfigured"),
        (Fault::Garbage, "malformed"),
        (body(200, ""), "malformed"),
        (body(200, "{}"), "malformed"),
        (body(200, "[true]"), "malformed"),
        (
            body(200, r#"{"active":"true","scope":"api:read"}"#),
            "malformed",
        ),
        (
            body(200, r#"{"active":true,"active":false,"scope":"api:read"}"#),
            "malformed",
        ),
        (
            body(200, r#"{"active":true,"scope":"api:read","exp":"soon"}"#),
            "malformed",
        ),
        (
            Fault::Huge {
                bytes: 256 * 1024 + 1,
            },
            "malformed",
        ),
        (
            Fault::Huge {
                bytes: 30 * 1024 * 1024,
            },
            "malformed",
        ),
        (Fault::Reset, "unreachable"),
        (Fault::Close, "unreachable"),
        (Fault::Outage, "unreachable"),
        (Fault::Disabled, "misconfigured"),
    ] {
        check(&gateway, fault, outcome).await;
    }
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_provider_that_is_switched_off_lets_nobody_in() {
    let mut plugin = plugin();
    plugin["failure_mode_allow"] = json!(true);
    let gateway = Gateway::start(Setup {
        plugin,
        ..Setup::default()
    })
    .await;
    gateway.idp.set_fault(Some(Fault::Disabled));
    for token in ["junk", &gateway.token("api:read")] {
        assert_eq!(gateway.get_with(token).await.status, 503, "{token}");
    }
    gateway
        .assert_stat(&introspections("misconfigured"), 2)
        .await;
    assert!(
        gateway.log().contains("`introspection.identity_provider`"),
        "{}",
        gateway.log()
    );
    gateway.idp.set_fault(Some(Fault::Outage));
    assert_eq!(gateway.get_with("junk2").await.status, 200, "an outage");
    gateway.assert_well().await;
}

/// A token and a personal number in the endpoint's words, in each kind of answer.
#[tokio::test(flavor = "multi_thread")]
async fn the_endpoints_words_are_not_logged() {
    let said = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln 01010112345";
    for (status, answer, logged) in [
        (
            200,
            json!({ "active": false, "error": format!("fetch: {said}\n{said}") }),
            "begins with `fetch:`",
        ),
        (
            200,
            json!({ "active": false, "error": format!("identity provider '{said}' is not enabled") }),
            "the identity provider is not enabled",
        ),
        (
            400,
            json!({ "error": "invalid_request", "error_description": said }),
            "with status 400 and the error `invalid_request`; is `introspection.api` right?",
        ),
        (
            401,
            json!({ "error": said }),
            "with status 401; are the client's credentials right",
        ),
        (503, json!({ "error": said }), "answered with status 503"),
        (
            200,
            json!({ "active": said, "pid": said }),
            "is malformed: `active` is missing or no boolean",
        ),
    ] {
        let gateway = Gateway::start(Setup::default()).await;
        gateway
            .idp
            .set_fault(Some(body(status, &answer.to_string())));
        let found = gateway.get_with(&gateway.token("api:read")).await;
        assert_eq!(found.status, 503, "{answer}");
        let log = gateway.log();
        assert!(log.contains(logged), "{logged}: {log}");
        for secret in said.split([' ', '.']) {
            assert!(!log.contains(secret), "{secret}: {log}");
            assert!(!found.text().contains(secret), "{secret}: {found:?}");
        }
        gateway.assert_well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_is_read_up_to_the_limit() {
    let gateway = Gateway::start(Setup::default()).await;
    let token = gateway.token("api:read");
    let scope = r#"{"active":true,"scope":"api:read","pad":""#;
    let pad = "x".repeat(256 * 1024 - scope.len() - 2);
    let longest = format!("{scope}{pad}\"}}");
    for (body, status) in [(longest.clone(), 200), (longest + " ", 503)] {
        let length = body.len();
        gateway
            .idp
            .set_fault(Some(Fault::Body { status: 200, body }));
        assert_eq!(
            gateway.get_with(&token).await.status,
            status,
            "{length} bytes"
        );
    }
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_not_there() {
    let gateway = Gateway::start(Setup {
        edit: |config| {
            // Port 1 of the loopback: nobody listens.
            let port = "load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
            *at(config, &format!("/static_resources/clusters/0/{port}")) = json!(1);
        },
        log_level: "info",
        ..Setup::default()
    })
    .await;
    for _ in 0..3 {
        let answer = gateway.get_with(&gateway.token("api:read")).await;
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    let unreachable = &introspections("unreachable");
    gateway.assert_stat(unreachable, 3).await;
    let told = gateway.log().matches("tokens cannot be checked").count();
    assert_eq!(told, 1, "an outage is told once: {}", gateway.log());
    for part in [
        "cluster `texas`",
        "upstream_cx_connect_fail",
        "membership_healthy",
    ] {
        assert!(gateway.log().contains(part), "{part}: {}", gateway.log());
    }
    assert_eq!(
        gateway.get("/open", &[]).await.status,
        200,
        "who needs no token is not affected"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_not_there() {
    let mut plugin = plugin();
    plugin["introspection"]["cluster"] = json!("texsa");
    let gateway = Gateway::start(Setup {
        plugin,
        ..Setup::default()
    })
    .await;
    let answer = gateway.get_with(&gateway.token("api:read")).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(
        gateway.log().contains("is there a cluster `texsa`?"),
        "{}",
        gateway.log()
    );
    let misconfigured = &introspections("misconfigured");
    gateway.assert_stat(misconfigured, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_circuit_breaker() {
    let gateway = Gateway::start(Setup {
        edit: |config| {
            let threshold = "/static_resources/clusters/0/circuit_breakers/thresholds/0";
            for limit in ["max_requests", "max_pending_requests", "max_connections"] {
                *at(config, &format!("{threshold}/{limit}")) = json!(1);
            }
        },
        ..Setup::default()
    })
    .await;
    gateway.idp.set_fault(Some(Fault::Hold));
    let held = gateway.token("api:read");
    let first = gateway.get_with(&held);
    let rest = async {
        until("the first is asked about", async || {
            gateway.idp.introspections() == 1
        })
        .await;
        // One more may be pending in Envoy; of forty most find the breaker open.
        let tokens: Vec<_> = (0..40)
            .map(|n| gateway.token(&format!("api:read x{n}")))
            .collect();
        let requests = tokens.iter().map(|token| gateway.get_with(token));
        let all = futures_util::future::join_all(requests);
        let release = async {
            let metric = &introspections("unreachable");
            until("most were turned away", async || {
                gateway.stat(metric).await >= 38
            })
            .await;
            gateway.idp.set_fault(None);
        };
        futures_util::future::join(all, release).await.0
    };
    let (first, rest) = futures_util::future::join(first, rest).await;
    assert_eq!(first.status, 200);
    assert!(rest.iter().filter(|answer| answer.status == 503).count() >= 38);
    assert!(rest.iter().all(|answer| matches!(answer.status, 200 | 503)));
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_told_when_it_begins_and_when_it_ends() {
    let gateway = Gateway::start(Setup {
        log_level: "info",
        ..Setup::default()
    })
    .await;
    let (begins, ends) = ("tokens cannot be checked: ", "tokens can be checked again");
    let times = |line| gateway.log().matches(line).count();
    gateway.idp.set_fault(Some(Fault::Outage));
    for n in 0..3 {
        gateway
            .get_with(&gateway.token(&format!("api:read {n}")))
            .await;
    }
    gateway.idp.set_fault(None);
    let mut n = 3;
    until("the outage is over", async || {
        n += 1;
        gateway
            .get_with(&gateway.token(&format!("api:read {n}")))
            .await;
        times(ends) > 0
    })
    .await;
    assert_eq!((times(begins), times(ends)), (1, 1), "{}", gateway.log());
    let log = gateway.log();
    for line in log.lines().filter(|line| line.contains(begins)) {
        let names = [" request=", " token="].map(|name| line.contains(name));
        assert_eq!(names, [true, true], "{line}");
    }
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_hangs_up_is_asked_once_more() {
    let gateway = Gateway::start(Setup::default()).await;
    gateway.idp.set_fault(Some(Fault::Close));
    let answer = gateway.get_with(&gateway.token("api:read")).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(gateway.idp.introspections(), 2, "Envoy's retry policy");
    gateway.assert_well().await;
}
