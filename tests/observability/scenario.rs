//! Gateways under traffic of each kind, and what Prometheus then finds.

use dev_idp::Fault;
use portvakt_core::authorizer::Allowed;
use portvakt_core::cache::lookup::Lookup;
use portvakt_core::introspection::outcome::Outcome;
use portvakt_core::reply::reason::Reason;
use serde_json::{Value, json};

use crate::capabilities::restrict;
use crate::gateway::{Gateway, Setup, until};
use crate::prometheus::Prometheus;
use crate::queries::{of_the_dashboard, of_the_rules};
use crate::traffic;

/// What is zero on a gateway whose filter can be started anew.
const MAY_BE_ZERO: &str = "envoy_wasm_portvakt_vm_reload_failure";

/// The names of the alerts that are pending or firing, or have been.
async fn alerts(prometheus: &Prometheus) -> Vec<String> {
    let seen = prometheus
        .query("count by (alertname) (count_over_time(ALERTS[10m]))")
        .await;
    let names = seen
        .iter()
        .map(|sample| sample.labels["alertname"].as_str().unwrap().to_owned());
    names.collect()
}

/// Makes traffic until these alerts are there.
async fn provoke(prometheus: &Prometheus, expected: &[&str], traffic: impl AsyncFn()) {
    until(&format!("there is {expected:?}"), async || {
        traffic().await;
        let seen = alerts(prometheus).await;
        expected
            .iter()
            .all(|name| seen.iter().any(|seen| seen == name))
    })
    .await;
}

/// Waits until every one of these queries finds something that is more than nothing.
async fn all_find(prometheus: &Prometheus, queries: &[String], traffic: impl AsyncFn()) {
    let mut missing = Vec::new();
    let mut rounds = 0;
    until("every query finds data", async || {
        traffic().await;
        missing.clear();
        for query in queries {
            let found = if query.contains(MAY_BE_ZERO) {
                !prometheus.query(query).await.is_empty()
            } else {
                prometheus.finds(query).await
            };
            if !found {
                missing.push(query.clone());
            }
        }
        rounds += 1;
        if rounds % 20 == 0 {
            eprintln!("not found yet: {missing:#?}");
        }
        missing.is_empty()
    })
    .await;
}

/// A gateway of the usual rules with something changed at the top of its plugin configuration.
fn with(key: &str, value: Value) -> Setup {
    let mut plugin = crate::gateway::plugin();
    plugin[key] = value;
    Setup {
        plugin,
        ..Setup::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_finds_data_and_every_alert_its_trouble() {
    let usual = traffic::gateway().await;
    let open = Gateway::start(with("failure_mode_allow", json!(true))).await;
    let small = Gateway::start(with("cache", json!({ "max_entries": 4, "shared": false }))).await;
    let dying = Gateway::start(Setup {
        edit: |config| {
            let headers = ["proxy_get_header_map_pairs", "proxy_get_header_map_value"];
            restrict(config, &headers);
        },
        ..Setup::default()
    })
    .await;
    let gateways = [&usual, &open, &small, &dying].map(|gateway| gateway.admin);
    let prometheus = Prometheus::start(&gateways).await;

    // Good traffic alone wakes nobody.
    let known = "rate(portvakt_lookups_total{lookup=\"hit\"}[1m])".to_owned();
    all_find(&prometheus, &[known], async || {
        traffic::of_known_tokens(&usual).await;
    })
    .await;
    assert_eq!(alerts(&prometheus).await, Vec::<String>::new());

    // Refusals, and what passes for other reasons than a good token.
    let no_fault = Reason::ALL
        .into_iter()
        .filter(|reason| *reason != Reason::EndpointOut);
    let refused = no_fault.map(|reason| decisions("deny", reason.name()));
    let no_outage = Allowed::ALL
        .into_iter()
        .filter(|allowed| *allowed != Allowed::FailureMode);
    let passed = no_outage.map(|allowed| decisions("allow", allowed.name()));
    let shadowed = decisions("shadow", Reason::NoCredentials.name());
    let kinds: Vec<_> = refused.chain(passed).chain([shadowed]).collect();
    all_find(&prometheus, &kinds, async || {
        traffic::of_each_kind(&usual).await;
    })
    .await;
    provoke(
        &prometheus,
        &["PortvaktRefusalsRising", "PortvaktShadowOn"],
        async || {
            for _ in 0..20 {
                assert_eq!(usual.get("/api/x", &[]).await.status, 401);
            }
        },
    )
    .await;

    trouble_with_the_endpoint(&prometheus, &usual).await;
    open.idp.set_fault(Some(Fault::Status { status: 500 }));
    provoke(&prometheus, &["PortvaktFailureModeUsed"], async || {
        traffic::of_new_tokens(&open, 200).await;
    })
    .await;

    // Trouble of the gateway's own.
    provoke(&prometheus, &["PortvaktVmReloads"], async || {
        assert_eq!(dying.get("/api/x", &[]).await.status, 503);
    })
    .await;
    provoke(&prometheus, &["PortvaktCacheThrash"], async || {
        traffic::of_new_tokens(&small, 200).await;
    })
    .await;

    let outcomes = Outcome::ALL.map(Outcome::name);
    let outcomes = outcomes
        .map(|name| format!("increase(portvakt_introspections_total{{outcome=\"{name}\"}}[10m])"));
    let found = Lookup::ALL.map(|lookup| lookups(lookup.name()));
    let mut queries = of_the_dashboard();
    queries.extend(
        outcomes
            .into_iter()
            .chain(found)
            .chain(of_the_rules("record")),
    );
    all_find(&prometheus, &queries, async || {
        traffic::of_each_kind(&usual).await;
        traffic::of_known_tokens(&usual).await;
        traffic::of_unsupported_tokens(&usual).await;
        traffic::of_the_same_new_token(&usual).await;
        traffic::of_new_tokens(&open, 200).await;
    })
    .await;

    let mut seen = alerts(&prometheus).await;
    let mut all = of_the_rules("alert");
    seen.sort();
    all.sort();
    assert_eq!(seen, all);
}

/// Each way in which an endpoint can fail, and what comes of it.
async fn trouble_with_the_endpoint(prometheus: &Prometheus, usual: &Gateway) {
    let known = usual.token("api:read");
    assert_eq!(usual.get_with(&known).await.status, 200);
    for (fault, alerts) in [
        (
            Fault::Status { status: 401 },
            &["PortvaktEndpointMisconfigured"][..],
        ),
        (Fault::Garbage, &["PortvaktEndpointMalformed"]),
        (Fault::Delay { ms: 1500 }, &[]),
        (Fault::Close, &[]),
        (
            Fault::Status { status: 500 },
            &["PortvaktEndpointOut", "PortvaktErrors"],
        ),
    ] {
        usual.idp.set_fault(Some(fault));
        provoke(prometheus, alerts, async || {
            traffic::of_new_tokens(usual, 503).await;
        })
        .await;
    }
    let stale = vec![lookups(Lookup::Stale.name())];
    all_find(prometheus, &stale, async || {
        assert_eq!(usual.get_with(&known).await.status, 200);
    })
    .await;
    usual.idp.set_fault(None);
}

fn decisions(result: &str, reason: &str) -> String {
    format!("increase(portvakt_decisions_total{{result=\"{result}\", reason=\"{reason}\"}}[10m])")
}

fn lookups(lookup: &str) -> String {
    format!("increase(portvakt_lookups_total{{lookup=\"{lookup}\"}}[10m])")
}
