//! `deploy/envoy-gateway`: what Envoy Gateway makes of the manifests.
//!
//! The shapes are read from Envoy Gateway's sources: the filter and where it is enabled from
//! `internal/xds/translator/wasm.go` (disabled in the connection manager, enabled per route, or in
//! newer versions per virtual host; a `StringValue` of JSON, a `vm_id` of its own, only `fail_open`)
//! with `testdata/out/xds-ir/wasm.*.yaml` beside it, which also have the connection manager; the
//! bootstrap from `internal/utils/yaml` (`MergeYAML` adds to lists). The image is fetched by Envoy
//! Gateway, which serves it to Envoy; here it is a file.

use serde_json::{Value, json};

use super::manifest::{self, name, only, text};
use super::{CLIENT_ID, CLIENT_SECRET, Endpoint, Running, World, check, seen};
use crate::gateway::{at, string_value, wasm};
use crate::sample::basic;

const FILTER_CONFIG: &str = "type.googleapis.com/envoy.config.route.v3.FilterConfig";

/// Where Envoy Gateway enables a Gateway's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EnabledAt {
    /// Up to 1.7.
    Routes,
    VirtualHost,
}

/// What it calls the policy's first filter, and the filter's VM.
fn vm_id(policy: &Value) -> String {
    format!("envoyextensionpolicy/{}/wasm/0", name(policy, "/"))
}

fn filter_name(policy: &Value) -> String {
    format!("envoy.filters.http.wasm/{}", vm_id(policy))
}

fn http_filter(policy: &Value) -> Value {
    let filter = &policy["spec"]["wasm"][0];
    json!({
        "name": filter_name(policy),
        "disabled": true,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": filter["name"],
                "fail_open": filter["failOpen"],
                "configuration": string_value(&filter["config"].to_string()),
                "vm_config": {
                    "vm_id": vm_id(policy),
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": wasm() } },
                },
            },
        },
    })
}

/// The connection manager that Envoy Gateway makes, with what the `ClientTrafficPolicy` says.
fn connection_manager(traffic: &Value, policy: &Value, virtual_hosts: &Value) -> Value {
    let escaped = match text(traffic, "/spec/path/escapedSlashesAction") {
        "RejectRequest" => "REJECT_REQUEST",
        other => panic!("escapedSlashesAction: {other}"),
    };
    let underscores = match text(traffic, "/spec/headers/withUnderscoresAction") {
        "RejectRequest" => "REJECT_REQUEST",
        other => panic!("withUnderscoresAction: {other}"),
    };
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "https",
        "use_remote_address": true,
        "normalize_path": true,
        "merge_slashes": traffic["spec"]["path"]["disableMergeSlashes"] == false,
        "path_with_escaped_slashes_action": escaped,
        "common_http_protocol_options": { "headers_with_underscores_action": underscores },
        "http2_protocol_options": {
            "initial_connection_window_size": 1_048_576,
            "initial_stream_window_size": 65536,
            "max_concurrent_streams": 100,
        },
        "request_timeout": traffic["spec"]["timeout"]["http"]["requestReceivedTimeout"],
        "stream_idle_timeout": traffic["spec"]["timeout"]["http"]["streamIdleTimeout"],
        "server_header_transformation": "PASS_THROUGH",
        "http_filters": [
            http_filter(policy),
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": true,
                },
            },
        ],
        "route_config": {
            "name": "api/api/https",
            "ignore_port_in_host_matching": true,
            "virtual_hosts": virtual_hosts,
        },
    })
}

/// The `HTTPRoute`'s path, and beside it one that the policy does not cover, as it would be if it were
/// attached to that `HTTPRoute` only.
fn virtual_hosts(route: &Value, policy: &Value, enabled_at: EnabledAt) -> Value {
    let path = text(route, "/spec/rules/0/matches/0/path/value");
    let cluster = format!("httproute/{}/rule/0", name(route, "/"));
    let mut enabled = json!({});
    enabled[filter_name(policy)] = json!({ "@type": FILTER_CONFIG, "config": {} });
    let mut covered = json!({
        "name": format!("{cluster}/match/0/*"),
        "match": { "path_separated_prefix": path },
        "route": { "cluster": cluster },
    });
    let uncovered = json!({
        "name": "httproute/other/rule/0/match/0/*",
        "match": { "path_separated_prefix": "/uncovered" },
        "route": { "cluster": cluster },
    });
    match enabled_at {
        EnabledAt::Routes => {
            covered["typed_per_filter_config"] = enabled;
            json!([{ "name": "https/*", "domains": ["*"], "routes": [covered, uncovered] }])
        }
        EnabledAt::VirtualHost => json!([{
            "name": "https/*",
            "domains": ["*"],
            "routes": [covered, uncovered],
            "typed_per_filter_config": enabled,
        }]),
    }
}

async fn start(file: &str, endpoint: Endpoint, enabled_at: EnabledAt) -> Running {
    let world = World::new(endpoint).await;
    let shared = manifest::read("envoy-gateway/gateway.yaml");
    let documents = manifest::read(file);
    let policy = only(&documents, "EnvoyExtensionPolicy");
    let route = only(&shared, "HTTPRoute");
    let traffic = only(&shared, "ClientTrafficPolicy");

    let bootstrap = &only(&documents, "EnvoyProxy")["spec"]["bootstrap"];
    assert_eq!(bootstrap["type"], "Merge");
    let mut config: Value = serde_saphyr::from_str(text(bootstrap, "/value")).unwrap();
    let clusters = at(&mut config, "/static_resources/clusters")
        .as_array_mut()
        .unwrap();
    for cluster in clusters.iter_mut() {
        world.lead_to_endpoint(cluster);
    }
    let api_name = format!("httproute/{}/rule/0", name(route, "/"));
    let mut api = json!({
        "name": api_name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": api_name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": { "socket_address": {} } } }] }],
        },
    });
    world.lead_to_api(&mut api);
    clusters.push(api);
    let nowhere = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 0 } });
    config["admin"] = json!({ "address": nowhere });
    config["static_resources"]["listeners"] = json!([{
        "name": "api/api/https",
        "address": nowhere,
        "per_connection_buffer_limit_bytes": 65536,
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": connection_manager(
                traffic, policy, &virtual_hosts(route, policy, enabled_at)),
        }] }],
    }]);
    let environment = vec![(
        "INTROSPECTION_AUTHORIZATION",
        basic(CLIENT_ID, CLIENT_SECRET),
    )];
    world.launch(&config, environment).await
}

#[tokio::test(flavor = "multi_thread")]
async fn texas() {
    let running = start(
        "envoy-gateway/texas.yaml",
        Endpoint::Texas,
        EnabledAt::Routes,
    )
    .await;
    check(&running, Endpoint::Texas).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rfc7662_endpoint() {
    let running = start(
        "envoy-gateway/rfc7662.yaml",
        Endpoint::Rfc7662,
        EnabledAt::Routes,
    )
    .await;
    check(&running, Endpoint::Rfc7662).await;
}

/// Why the policy belongs to the Gateway: a route that it does not cover is open, and what clients
/// say of themselves is believed.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_policy_covers_is_open() {
    for (enabled_at, status) in [(EnabledAt::Routes, 200), (EnabledAt::VirtualHost, 403)] {
        let file = "envoy-gateway/texas.yaml";
        let running = start(file, Endpoint::Texas, enabled_at).await;
        let headers = [("x-consumer", "spoofed")];
        let answer = running.gateway.get("/uncovered", &headers).await;
        assert_eq!(answer.status, status, "{enabled_at:?}: {answer:?}");
        if status == 200 {
            assert_eq!(seen(&answer.json(), "x-consumer"), ["spoofed"]);
        } else {
            let (path, scope) = Endpoint::Texas.guarded();
            let authorization = format!("Bearer {}", running.gateway.token(scope));
            let headers = [("authorization", &*authorization)];
            let answer = running.gateway.get(path, &headers).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
}
