//! Known tokens: asked about once, shared, renewed, and outliving an outage.

use std::time::{Duration, Instant};

use dev_idp::{Fault, Mint};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::client::{read_answer, send_head};
use crate::gateway::{Gateway, Setup, plugin, until};
use crate::stats::{decisions, lookups};

fn with_cache(cache: Value) -> Setup {
    let mut plugin = plugin();
    plugin["cache"] = cache;
    Setup {
        plugin,
        ..Setup::default()
    }
}

async fn assert_cache_stat(gateway: &Gateway, name: &str, expected: u64) {
    let metric = lookups(name);
    gateway.assert_stat(&metric, expected).await;
}

async fn until_cache_stat_rises(gateway: &Gateway, name: &str) {
    let metric = lookups(name);
    until("the metric rises", async || gateway.stat(&metric).await > 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_about_once_whatever_comes_of_it() {
    let gateway = Gateway::start(Setup::default()).await;
    let expired = gateway.idp.mint(&Mint::default().lifetime_seconds(-300));
    let mut hits = 0;
    for (token, status) in [
        (gateway.token("api:read"), 200),
        (gateway.token("other"), 403),
        (expired, 401),
        ("garbage".to_owned(), 401),
    ] {
        let asked = gateway.idp.introspections();
        for _ in 0..20 {
            assert_eq!(gateway.get_with(&token).await.status, status);
        }
        assert_eq!(gateway.idp.introspections(), asked + 1, "{status}");
        hits += 19;
        assert_cache_stat(&gateway, "hit", hits).await;
    }
    assert_cache_stat(&gateway, "miss", 4).await;
    gateway
        .assert_stat("wasmcustom.portvakt_cache_entries", 4)
        .await;
    // Envoy merges histograms every few seconds.
    until("the histogram is there", async || {
        let all = gateway.prometheus().await;
        all.contains(r#"portvakt_introspection_duration_milliseconds_count{provider="default"} 4"#)
    })
    .await;
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_run_on_every_request() {
    let gateway = Gateway::start(Setup::default()).await;
    let authorization = format!("Bearer {}", gateway.token("api:read"));
    let headers = [(&b"authorization"[..], authorization.as_bytes())];
    for (line, status) in [
        ("GET /api/x", 200),
        ("POST /api/x", 403),
        ("GET /other", 403),
        ("GET /api/y", 200),
    ] {
        let answer = gateway.send(line.as_bytes(), &headers).await;
        assert_eq!(answer.status, status, "{line}");
    }
    assert_eq!(gateway.idp.introspections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cache_each_request_is_asked_about() {
    let gateway =
        Gateway::start(with_cache(json!({ "max_ttl": "0s", "inactive_ttl": "0s" }))).await;
    let good = gateway.token("api:read");
    for _ in 0..3 {
        assert_eq!(gateway.get_with(&good).await.status, 200);
        assert_eq!(gateway.get_with("garbage").await.status, 401);
    }
    assert_eq!(gateway.idp.introspections(), 6);
    gateway
        .assert_stat("wasmcustom.portvakt_cache_entries", 0)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_never_good_past_its_exp() {
    let gateway = Gateway::start(Setup::default()).await;
    let token = gateway
        .idp
        .mint(&Mint::default().scope("api:read").lifetime_seconds(3));
    assert_eq!(gateway.get_with(&token).await.status, 200);
    assert_eq!(gateway.get_with(&token).await.status, 200);
    assert_eq!(gateway.idp.introspections(), 1);
    // Past `exp` the endpoint is asked again. It still says active, by its leeway, and that is
    // not remembered.
    until("it is asked about again", async || {
        assert_eq!(gateway.get_with(&token).await.status, 200);
        gateway.idp.introspections() > 1
    })
    .await;
    let asked = gateway.idp.introspections();
    for n in 1..=3 {
        assert_eq!(gateway.get_with(&token).await.status, 200);
        assert_eq!(gateway.idp.introspections(), asked + n);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_at_once_are_one_callout_and_the_first_client_leaves() {
    let gateway = Gateway::start(Setup::default()).await;
    gateway.idp.set_fault(Some(Fault::Hold));
    let authorization = format!("Bearer {}", gateway.token("api:read"));
    let headers = [(&b"authorization"[..], authorization.as_bytes())];
    let send = || send_head(gateway.address, b"GET /api/x", &headers, 0);
    let leader = send().await;
    until("it is asked about", async || {
        gateway.idp.introspections() == 1
    })
    .await;
    let others = join_all((0..59).map(|_| send())).await;
    until("all wait", async || gateway.active_requests().await == 60).await;
    drop(leader);
    until("one has left", async || {
        gateway.active_requests().await == 59
    })
    .await;
    gateway.idp.set_fault(None);
    for answer in join_all(others.into_iter().map(read_answer)).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for _ in 0..20 {
        assert_eq!(send_and_read(&gateway, &headers).await, 200);
    }
    assert_eq!(gateway.idp.introspections(), 1);
    assert_cache_stat(&gateway, "coalesced", 59).await;
    gateway.assert_well().await;
}

async fn send_and_read(gateway: &Gateway, headers: &[(&[u8], &[u8])]) -> u16 {
    gateway.send(b"GET /api/x", headers).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn six_hundred_tokens_through_a_hundred_entries() {
    let gateway = Gateway::start(with_cache(json!({ "max_entries": 100 }))).await;
    let tokens: Vec<_> = (0..300)
        .flat_map(|n| {
            [
                gateway.token(&format!("api:read {n}")),
                format!("garbage{n}"),
            ]
        })
        .collect();
    let round = async || {
        for some in tokens.chunks(20) {
            let answers = join_all(some.iter().map(|token| gateway.get_with(token))).await;
            for (token, answer) in some.iter().zip(answers) {
                let status = if token.starts_with("garbage") {
                    401
                } else {
                    200
                };
                assert_eq!(answer.status, status);
            }
            let entries = gateway.stat("wasmcustom.portvakt_cache_entries").await;
            assert!(entries <= 200, "{entries} entries");
        }
    };
    round().await;
    let before = gateway.memory();
    for _ in 0..4 {
        round().await;
    }
    let after = gateway.memory();
    assert!(
        after < before + 8_000,
        "memory went from {before} to {after} kB"
    );
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_of_four_workers_knows_no_other_asks() {
    let gateway = Gateway::start(Setup {
        workers: 4,
        ..Setup::default()
    })
    .await;
    let tokens: Vec<_> = (0..40)
        .map(|n| gateway.token(&format!("api:read {n}")))
        .collect();
    // Six rounds of forty requests, each on a connection of its own: any worker may get it.
    for _ in 0..6 {
        for answer in join_all(tokens.iter().map(|token| gateway.get_with(token))).await {
            assert_eq!(answer.status, 200);
        }
    }
    assert_eq!(gateway.idp.introspections(), 40);
    until_cache_stat_rises(&gateway, "shared_hit").await;
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_workers_that_need_a_token_at_once_ask_once() {
    let gateway = Gateway::start(Setup {
        workers: 4,
        ..Setup::default()
    })
    .await;
    gateway.idp.set_fault(Some(Fault::Delay { ms: 50 }));
    let tokens: Vec<_> = (0..40)
        .map(|n| gateway.token(&format!("api:read {n}")))
        .collect();
    for some in tokens.chunks(4) {
        let six_each = some.iter().flat_map(|token| std::iter::repeat_n(token, 6));
        let requests = six_each.map(|token| gateway.get_with(token));
        for answer in join_all(requests).await {
            assert_eq!(answer.status, 200);
        }
    }
    // Two tokens in flight may need the same one of 1024 claims, and then do without.
    let asked = gateway.idp.introspections();
    assert!((40..=43).contains(&asked), "{asked} callouts");
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_do_not_share_ask_each_for_itself() {
    let mut setup = with_cache(json!({ "shared": false }));
    setup.workers = 4;
    let gateway = Gateway::start(setup).await;
    let token = gateway.token("api:read");
    until("more than one worker has asked", async || {
        gateway.get_with(&token).await;
        gateway.idp.introspections() > 1
    })
    .await;
    assert_cache_stat(&gateway, "shared_hit", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_use_never_waits_for_its_renewal() {
    let mut setup = with_cache(json!({ "max_ttl": "2s" }));
    setup.plugin["introspection"]["timeout"] = json!("1s");
    let gateway = Gateway::start(setup).await;
    let (busy, idle) = (
        gateway.token("api:read busy"),
        gateway.token("api:read idle"),
    );
    for token in [&busy, &idle] {
        assert_eq!(gateway.get_with(token).await.status, 200);
    }
    gateway.idp.set_fault(Some(Fault::Delay { ms: 500 }));
    until("it was renewed three times", async || {
        assert_eq!(gateway.get_with(&busy).await.status, 200);
        gateway.idp.introspections() >= 2 + 3
    })
    .await;
    // Nobody waited but the two first requests, and the idle token was not renewed.
    assert_cache_stat(&gateway, "miss", 2).await;
    assert_cache_stat(&gateway, "coalesced", 0).await;
    let last = String::from_utf8(gateway.idp.last_introspection().unwrap().body).unwrap();
    assert!(last.contains(&busy));
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_in_fast_motion() {
    let gateway = Gateway::start(with_cache(json!({
        "max_ttl": "1s", "inactive_ttl": "1s", "stale_if_error": "5s"
    })))
    .await;
    let known = gateway.token("api:read");
    let short = gateway
        .idp
        .mint(&Mint::default().scope("api:read").lifetime_seconds(3));
    for token in [&known, &short] {
        assert_eq!(gateway.get_with(token).await.status, 200);
    }
    let learned = Instant::now();
    assert_eq!(gateway.get_with("garbage").await.status, 401);
    gateway.idp.set_fault(Some(Fault::Status { status: 500 }));

    // Known tokens outlive the outage until their time is up: `exp`, or `stale_if_error`.
    let mut ends = Vec::new();
    for (name, token) in [("short", &short), ("known", &known)] {
        until("its time is up", async || {
            let unknown = gateway.token(&format!("api:read {:?}", learned.elapsed()));
            assert_eq!(gateway.get_with(&unknown).await.status, 503);
            let garbage = gateway.get_with("garbage").await.status;
            assert!(matches!(garbage, 401 | 503), "{garbage}");
            let answer = gateway.get_with(token).await;
            assert!(matches!(answer.status, 200 | 503), "{answer:?}");
            answer.status == 503
        })
        .await;
        ends.push((name, learned.elapsed()));
    }
    assert!(ends[0].1 <= Duration::from_secs(5), "{ends:?}");
    assert!(ends[1].1 >= Duration::from_secs(5), "{ends:?}");
    until_cache_stat_rises(&gateway, "stale").await;

    // The first answer after the outage counts at once.
    gateway.idp.set_fault(None);
    assert_eq!(gateway.get_with(&known).await.status, 200);
    gateway.assert_well().await;
}

/// Two requests fill the circuit breaker; then the known token's time is up.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_circuit_breaker_stops_no_known_token_and_lets_no_other_in() {
    let mut setup = with_cache(json!({ "max_ttl": "100ms", "stale_if_error": "10m" }));
    setup.plugin["failure_mode_allow"] = json!(true);
    setup.edit = |config| {
        let threshold = "/static_resources/clusters/0/circuit_breakers/thresholds/0";
        for limit in ["max_requests", "max_pending_requests", "max_connections"] {
            *crate::gateway::at(config, &format!("{threshold}/{limit}")) = json!(1);
        }
    };
    let gateway = Gateway::start(setup).await;
    let known = gateway.token("api:read");
    assert_eq!(gateway.get_with(&known).await.status, 200);
    gateway.idp.set_fault(Some(Fault::Hold));
    let mut flood = Vec::new();
    for n in 0..3 {
        let authorization = format!("Bearer garbage{n}");
        let headers = [(&b"authorization"[..], authorization.as_bytes())];
        flood.push(send_head(gateway.address, b"GET /api/x", &headers, 0).await);
    }
    let overflow = "cluster.texas.upstream_rq_pending_overflow";
    until("the circuit breaker is full", async || {
        gateway.stat(overflow).await > 0
    })
    .await;
    until("the known token's time is up", async || {
        assert_eq!(gateway.get_with(&known).await.status, 200);
        gateway.stat(&lookups("stale")).await > 0
    })
    .await;
    let unknown = gateway.get_with("garbage").await;
    assert_eq!(
        unknown.status, 503,
        "it waited, but not for ever: {unknown:?}"
    );
    let allowed = &decisions("allow", "failure_mode");
    gateway.assert_stat(allowed, 0).await;
    drop(flood);
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_mode_allow() {
    let mut setup = with_cache(json!({ "inactive_ttl": "1s" }));
    setup.plugin["failure_mode_allow"] = json!(true);
    let gateway = Gateway::start(setup).await;
    assert_eq!(gateway.get_with("garbage").await.status, 401);
    gateway.idp.set_fault(Some(Fault::Outage));
    let metric = &decisions("allow", "failure_mode");
    assert_eq!(gateway.get_with(&gateway.token("other")).await.status, 200);
    until("the access log says so", async || {
        gateway.log().contains(" failure_mode\n")
    })
    .await;
    gateway.assert_stat(metric, 1).await;
    until(
        "what is known of the inactive token is past its time",
        async || {
            let asked = gateway.idp.introspections();
            // It is not let through, however old that is.
            assert_eq!(gateway.get_with("garbage").await.status, 401);
            gateway.idp.introspections() > asked
        },
    )
    .await;
    assert_eq!(
        gateway.get("/api/x", &[]).await.status,
        401,
        "credentials are still needed"
    );
    gateway.idp.set_fault(Some(Fault::Garbage));
    let unknown = gateway.token("api:read unknown");
    assert_eq!(
        gateway.get_with(&unknown).await.status,
        503,
        "nonsense is no outage"
    );
    gateway.assert_well().await;
}
