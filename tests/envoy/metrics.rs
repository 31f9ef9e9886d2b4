//! What Prometheus finds: the labels that envoy.yaml takes out of the metrics' names, and those
//! that Istio does.

use dev_idp::Fault;
use portvakt_core::metrics::Label;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Setup, at, shipped_config};
use crate::stats::decisions;

const TAGS: &str = "/stats_config/stats_tags";

/// A rule whose name holds all that has a meaning in names or in Prometheus.
const ODD: &str = "a;.;b=.=\"c\"\\ {x} å.reason";

fn plugin() -> Value {
    json!({
        "introspection": { "cluster": "texas", "timeout": "20s" },
        "rules": [
            { "name": ODD, "match": { "path": "/odd" }, "require": { "scopes": ["x"] } },
            { "name": "dark", "match": { "path": "/dark" }, "require": {}, "shadow": true },
            { "match": { "prefix": "/api" }, "require": { "scopes": ["api:read"] } },
        ],
        "forward": { "claims": { "x-consumer": "consumer", "x-client": "client_id" } },
    })
}

/// Every metric with its labels, whatever Envoy's configuration makes them of.
async fn check(sample: Value) {
    let gateway = Gateway::start(Setup {
        sample,
        plugin: plugin(),
        ..Setup::default()
    })
    .await;
    let authorization = format!("Bearer {}", gateway.token("api:read"));
    let good = [("authorization", &*authorization)];
    for (path, headers, status) in [
        ("/api/x", &good[..], 200),
        ("/api/x", &good[..], 200),
        ("/odd", &good[..], 403),
        ("/dark", &[][..], 200),
        ("/other", &[][..], 403),
    ] {
        assert_eq!(gateway.get(path, headers).await.status, status, "{path}");
    }
    gateway.idp.set_fault(Some(Fault::Status { status: 500 }));
    let unknown = gateway.token("api:read unknown");
    assert_eq!(gateway.get_with(&unknown).await.status, 503);
    gateway
        .assert_stat(&decisions("error", "endpoint_out"), 1)
        .await;

    let version = env!("CARGO_PKG_VERSION");
    let prometheus = gateway.prometheus().await;
    for line in [
        r#"portvakt_decisions_total{result="allow",reason="token",rule="rules[2]"} 2"#,
        r#"portvakt_decisions_total{result="deny",reason="insufficient_scope",rule="a_._b_.__c__ {x} _.reason"} 1"#,
        r#"portvakt_decisions_total{result="shadow",reason="no_credentials",rule="dark"} 1"#,
        r#"portvakt_decisions_total{result="deny",reason="no_rule",rule="none"} 1"#,
        r#"portvakt_decisions_total{result="error",reason="endpoint_out",rule="rules[2]"} 1"#,
        r#"portvakt_lookups_total{lookup="hit",provider="default"} 2"#,
        r#"portvakt_lookups_total{lookup="miss",provider="default"} 2"#,
        r#"portvakt_introspections_total{outcome="active",provider="default"} 1"#,
        r#"portvakt_introspections_total{outcome="status",provider="default"} 1"#,
        r#"portvakt_claims_not_forwarded_total{reason="no_text"} 2"#,
        r#"portvakt_claims_not_forwarded_total{reason="too_long"} 0"#,
        r"portvakt_cache_entries{} 1",
        &format!(r#"portvakt_build_info{{version="{version}"}} 1"#),
    ] {
        assert!(
            has(&prometheus, line),
            "{line}\nis not in\n{}",
            own(&prometheus)
        );
    }
    assert!(!own(&prometheus).contains("=.="), "{}", own(&prometheus));
}

fn own(prometheus: &str) -> String {
    let lines = prometheus.lines().filter(|line| line.contains("portvakt_"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether there is such a line: labels come in any order.
fn has(prometheus: &str, expected: &str) -> bool {
    let sorted = |line: &str| {
        let (name, rest) = line.split_once('{')?;
        let (labels, value) = rest.rsplit_once('}')?;
        let mut labels: Vec<_> = labels
            .split("\",")
            .map(|label| label.trim_end_matches('"'))
            .collect();
        labels.sort_unstable();
        Some((name.to_owned(), labels.join(","), value.to_owned()))
    };
    prometheus
        .lines()
        .any(|line| sorted(line) == sorted(expected))
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_by_the_sample() {
    check(shipped_config()).await;
}

/// The tags that Istio makes of `extraStatTags`, among some of those that it has anyway.
#[tokio::test(flavor = "multi_thread")]
async fn labels_as_istio_has_them() {
    let mut sample = shipped_config();
    let own = ["reporter", "source_workload", "response_flags"].into_iter();
    let all = own.chain(Label::ALL.map(Label::name));
    let mut tags: Vec<_> = all
        .map(|name| json!({ "tag_name": name, "regex": format!("({name}=\\.=(.*?);\\.;)") }))
        .collect();
    tags.push(json!({ "tag_name": "cache", "regex": "(cache\\.(.+?)\\.)" }));
    tags.push(json!({ "tag_name": "component", "regex": "(component\\.(.+?)\\.)" }));
    *at(&mut sample, TAGS) = json!(tags);
    check(sample).await;
}

/// The samples have a tag for every label, and no others.
#[test]
fn the_samples_know_every_label() {
    let example = include_str!("../../examples/rfc7662.yaml");
    for mut sample in [shipped_config(), serde_saphyr::from_str(example).unwrap()] {
        let tags = at(&mut sample, TAGS).as_array().unwrap().clone();
        let expected = Label::ALL.map(|label| {
            let name = label.name();
            json!({ "tag_name": name, "regex": format!("({name}=\\.=(.*?);\\.;)") })
        });
        assert_eq!(tags, expected);
    }
}
