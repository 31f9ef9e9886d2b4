//! Many tokens that nobody knows: they take nothing from those who are known, and bring nothing
//! about that is allowed in an outage.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dev_idp::Fault;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::client::http2;
use crate::gateway::{Gateway, Setup, at, plugin, until};
use crate::stats::{decisions, lookups};

/// How many requests with junk there are at a time.
const AT_A_TIME: usize = 20;

/// How long the flood lasts: some lifetimes of a known token.
const FLOOD: Duration = Duration::from_secs(5);

/// The endpoint takes 50 ms for each question, one after the other. Several workers do not know of
/// each other how many they ask, so what they ask in the first second of a flood takes up to another.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_known_token_does_not_notice_it() {
    for (refresh_ahead, workers, max_ttl) in [(true, 1, "1s"), (false, 1, "1s"), (true, 4, "3s")] {
        let mut plugin = plugin();
        plugin["introspection"]["timeout"] = json!("1s");
        plugin["failure_mode_allow"] = json!(true);
        plugin["cache"] = json!({
            "max_ttl": max_ttl, "stale_if_error": "0s", "refresh_ahead": refresh_ahead
        });
        let gateway = Gateway::start(Setup {
            plugin,
            workers,
            ..Setup::default()
        })
        .await;
        let known = gateway.token("api:read");
        assert_eq!(gateway.get_with(&known).await.status, 200);
        gateway.idp.set_fault(Some(Fault::OneByOne { ms: 50 }));
        let (is_over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
        let junk = async || {
            while !is_over.load(Ordering::SeqCst) {
                let token = format!("junk{}", sent.fetch_add(1, Ordering::SeqCst));
                let answer = gateway.get_with(&token).await;
                assert!(matches!(answer.status, 401 | 503), "{answer:?}");
            }
        };
        let good = async {
            let began = Instant::now();
            while began.elapsed() < FLOOD {
                let answer = gateway.get_with(&known).await;
                let at = began.elapsed();
                assert_eq!(
                    answer.status, 200,
                    "{refresh_ahead} {workers}: after {at:?}: {answer:?}"
                );
            }
            is_over.store(true, Ordering::SeqCst);
        };
        join(join_all((0..AT_A_TIME).map(|_| junk())), good).await;
        let allowed = &decisions("allow", "failure_mode");
        gateway.assert_stat(allowed, 0).await;
        assert!(sent.load(Ordering::SeqCst) > 3 * AT_A_TIME);
        gateway.assert_well().await;
    }
}

/// All clients come at once, each with a token of its own, and the endpoint is 100 ms away.
#[tokio::test(flavor = "multi_thread")]
async fn a_cold_start_loses_nobody() {
    const TOKENS: usize = 2_000;
    const CONNECTIONS: usize = 20;
    let gateway = Gateway::start(Setup {
        edit: |config| {
            let threshold = "/static_resources/clusters/0/circuit_breakers/thresholds/0";
            *at(config, &format!("{threshold}/max_connections")) = json!(256);
        },
        ..Setup::default()
    })
    .await;
    gateway.idp.set_fault(Some(Fault::Delay { ms: 100 }));
    let url = format!("http://{}/api/x", gateway.address);
    let clients = (0..CONNECTIONS).map(|connection| {
        let (client, url) = (http2(), &url);
        async move {
            let requests = (0..TOKENS / CONNECTIONS).map(|n| {
                let token = format!("Bearer new-{connection}-{n}");
                client.get(url).header("authorization", token).send()
            });
            join_all(requests).await
        }
    });
    for response in join_all(clients).await.into_iter().flatten() {
        assert_eq!(response.unwrap().status(), 401);
    }
    assert_eq!(gateway.idp.introspections(), TOKENS);
    gateway.assert_well().await;
}

/// Where Envoy reads the endpoint's hosts. Each test is a process of its own.
fn hosts_file() -> PathBuf {
    std::env::temp_dir().join(format!("portvakt-hosts-{}.json", std::process::id()))
}

fn write_hosts(endpoints: &Value) {
    let file = hosts_file();
    let next = file.with_extension("next");
    let resources = json!({ "resources": [{
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": "texas",
        "endpoints": endpoints,
    }] });
    std::fs::write(&next, resources.to_string()).unwrap();
    std::fs::rename(next, file).unwrap();
}

/// The file is gone when this is.
struct HostsFile;

impl Drop for HostsFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(hosts_file());
    }
}

fn with_discovered_hosts(config: &mut Value) {
    let cluster = at(config, "/static_resources/clusters/0");
    write_hosts(&cluster["load_assignment"]["endpoints"]);
    cluster.as_object_mut().unwrap().remove("load_assignment");
    cluster["type"] = json!("EDS");
    cluster["eds_cluster_config"] = json!({ "eds_config": {
        "resource_api_version": "V3",
        "path_config_source": { "path": hosts_file() },
    } });
}

/// Nobody can be asked: what is known counts by default, and nothing else does, whatever
/// `failure_mode_allow` says.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_without_a_host() {
    let _file = HostsFile;
    let mut plugin = plugin();
    plugin["failure_mode_allow"] = json!(true);
    plugin["cache"] = json!({ "max_ttl": "100ms" });
    let gateway = Gateway::start(Setup {
        plugin,
        edit: with_discovered_hosts,
        log_level: "info",
        ..Setup::default()
    })
    .await;
    let known = gateway.token("api:read");
    assert_eq!(gateway.get_with(&known).await.status, 200);
    write_hosts(&json!([]));
    until("there is no host", async || {
        gateway.stat("cluster.texas.membership_total").await == 0
    })
    .await;
    until("the known token's time is up", async || {
        assert_eq!(gateway.get_with(&known).await.status, 200);
        gateway.stat(&lookups("stale")).await > 3
    })
    .await;
    let unknown = gateway.get_with(&gateway.token("api:read unknown")).await;
    assert_eq!(unknown.status, 503, "{unknown:?}");
    let told = gateway.log();
    assert!(told.contains("`texas` has no healthy host"), "{told}");
}
