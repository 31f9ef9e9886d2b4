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
    let body =
        json!({ "active": true, "scope": "api:read", "client_id": "x".repeat(16 * 1024 + 1) });
    let body = body.to_string();
    gateway
        .idp
        .set_fault(Some(Fault::Body { status: 200, body }));
    let long = gateway.token("api:read long");
    assert_eq!(gateway.get_with(&long).await.status, 200);
    gateway.assert_stat(&decisions("allow", "token"), 3).await;

    let version = env!("CARGO_PKG_VERSION");
    let prometheus = gateway.prometheus().await;
    for line in [
        r#"portvakt_decisions_total{result="allow",reason="token",rule="rules[2]"} 3"#,
        r#"portvakt_decisions_total{result="deny",reason="insufficient_scope",rule="a_._b_.__c__ {x} _.reason"} 1"#,
        r#"portvakt_decisions_total{result="shadow",reason="no_credentials",rule="dark"} 1"#,
        r#"portvakt_decisions_total{result="deny",reason="no_rule",rule="none"} 1"#,
        r#"portvakt_decisions_total{result="error",reason="endpoint_out",rule="rules[2]"} 1"#,
        r#"portvakt_lookups_total{lookup="hit",provider="default"} 2"#,
        r#"portvakt_lookups_total{lookup="miss",provider="default"} 3"#,
        r#"portvakt_introspections_total{outcome="active",provider="default"} 2"#,
        r#"portvakt_introspections_total{outcome="status",provider="default"} 1"#,
        r#"portvakt_claims_not_forwarded_total{reason="no_text"} 2"#,
        r#"portvakt_claims_not_forwarded_total{reason="too_long"} 1"#,
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

/// `stats_config` as Istio's bootstrap has it, with our labels as `extraStatTags`.
#[tokio::test(flavor = "multi_thread")]
async fn labels_as_istio_has_them() {
    let tag = |name: &str, regex: &str| json!({ "tag_name": name, "regex": regex });
    let mut tags = vec![
        tag(
            "cluster_name",
            r"^cluster\.((.+?(\..+?\.svc\.cluster\.local)?)\.)",
        ),
        tag("tcp_prefix", r"^tcp\.((.*?)\.)\w+?$"),
        tag("response_code", r"_rq(_(\d{3}))$"),
        tag("response_code_class", r"_rq(_(\dxx))$"),
    ];
    let labels = Label::ALL.map(Label::name).into_iter();
    let own = ["reporter", "source_version", "response_flags"].into_iter();
    tags.extend(own.chain(labels).map(extra_stat_tag));
    tags.extend([
        tag("cache", r"(cache\.(.+?)\.)"),
        tag("component", r"(component\.(.+?)\.)"),
        tag("tag", r"(tag\.(.+?);\.)"),
        tag("wasm_filter", r"(wasm_filter\.(.+?)\.)"),
        tag("authz_enforce_result", r"rbac(\.(allowed|denied))"),
        tag("authz_dry_run_action", r"(\.istio_dry_run_(allow|deny)_)"),
        tag("authz_dry_run_result", r"(\.shadow_(allowed|denied))"),
    ]);
    let kept = [
        "reporter=",
        "cluster_manager",
        "listener_manager",
        "server",
        "wasm",
        "component",
    ];
    let mut sample = shipped_config();
    *at(&mut sample, "/stats_config") = json!({
        "use_all_default_tags": false,
        "stats_tags": tags,
        "stats_matcher": { "inclusion_list": { "patterns": kept.map(|prefix| json!({ "prefix": prefix })) } },
    });
    check(sample).await;
}

/// What Istio makes of a name in `extraStatTags`.
fn extra_stat_tag(name: &str) -> Value {
    json!({ "tag_name": name, "regex": format!("({name}=\\.=(.*?);\\.;)") })
}

/// The samples have a tag for every label, and no others.
#[test]
fn the_samples_know_every_label() {
    let example = include_str!("../../examples/rfc7662.yaml");
    for mut sample in [shipped_config(), serde_saphyr::from_str(example).unwrap()] {
        let tags = at(&mut sample, TAGS).as_array().unwrap().clone();
        let expected = Label::ALL.map(|label| extra_stat_tag(label.name()));
        assert_eq!(tags, expected);
    }
}
