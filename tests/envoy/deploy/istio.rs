//! `deploy/istio`: what Istio 1.29 makes of the manifests.
//!
//! The shapes are read from Istio's sources: the plugin from `pilot/pkg/model/extensions.go`
//! (`convertToWasmPluginWrapper`, `buildVMConfig`: a `StringValue` of JSON, no `vm_id`, the name
//! `NAMESPACE.NAME`), its delivery from `pilot/pkg/networking/core/extension/wasmplugin.go`
//! (discovered, waited for without end), clusters from `pilot/pkg/networking/core/cluster*.go`, labels
//! from `pkg/bootstrap/config.go`. The image is fetched by Istio's agent, which gives Envoy a file.
//! Left out is what a stock Envoy does not have: Istio's own filters for statistics and metadata.

use std::fs;

use serde_json::{Value, json};

use super::manifest::{self, name, only, text};
use super::{CLIENT_SECRET, Endpoint, World, check};
use crate::gateway::{string_value, wasm};

/// Which proxy has the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proxy {
    Sidecar,
    Waypoint,
}

impl Proxy {
    /// What such a proxy calls the cluster of a service's port.
    fn cluster_name(self, port: u64, host: &str) -> String {
        match self {
            Self::Sidecar => format!("outbound|{port}||{host}"),
            Self::Waypoint => format!("inbound-vip|{port}|http|{host}"),
        }
    }
}

/// The filter's configuration as it is discovered.
fn wasm_plugin(plugin: &Value) -> Value {
    let spec = &plugin["spec"];
    let mut key_values = json!({ "ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION": "1" });
    let mut host_env_keys = Vec::new();
    for variable in spec["vmConfig"]["env"].as_array().into_iter().flatten() {
        let name = text(variable, "/name");
        if variable["valueFrom"] == "HOST" {
            host_env_keys.push(name);
        } else {
            key_values[name] = variable["value"].clone();
        }
    }
    let failure_policy = match text(spec, "/failStrategy") {
        "FAIL_RELOAD" => "FAIL_RELOAD",
        "FAIL_OPEN" => "FAIL_OPEN",
        _ => "FAIL_CLOSED",
    };
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {
            "name": name(plugin, "."),
            "failure_policy": failure_policy,
            "configuration": string_value(&spec["pluginConfig"].to_string()),
            "vm_config": {
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": wasm() } },
                "environment_variables": {
                    "key_values": key_values,
                    "host_env_keys": host_env_keys,
                },
            },
        },
    })
}

/// The cluster of the `ServiceEntry`'s port, with the `DestinationRule` for its host.
fn cluster(proxy: Proxy, entry: &Value, rule: Option<&Value>) -> Value {
    let port = &entry["spec"]["ports"][0];
    let host = text(entry, "/spec/hosts/0");
    let number = port["number"].as_u64().unwrap();
    let endpoint = &entry["spec"]["endpoints"][0];
    let endpoint_port = &endpoint["ports"][text(port, "/name")];
    let cluster_name = proxy.cluster_name(number, host);
    let discovery = match text(entry, "/spec/resolution") {
        "STATIC" => "STATIC", // in earnest EDS
        "DNS" => "STRICT_DNS",
        other => panic!("resolution: {other}"),
    };
    let mut cluster = json!({
        "name": cluster_name,
        "type": discovery,
        "load_assignment": {
            "cluster_name": cluster_name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": { "socket_address": {
                "address": endpoint["address"],
                "port_value": endpoint_port.as_u64().unwrap_or(number),
            } } } }] }],
        },
    });
    if let Some(rule) = rule {
        assert_eq!(rule["spec"]["host"], host);
        let policy = &rule["spec"]["trafficPolicy"];
        let tls = tls(&policy["tls"]);
        cluster["transport_socket"] = match proxy {
            Proxy::Sidecar => tls,
            Proxy::Waypoint => internal_upstream(&tls),
        };
        let (tcp, http) = (
            &policy["connectionPool"]["tcp"],
            &policy["connectionPool"]["http"],
        );
        cluster["circuit_breakers"] = json!({ "thresholds": [{
            "max_connections": tcp["maxConnections"],
            "max_pending_requests": http["http1MaxPendingRequests"],
            "max_requests": http["http2MaxRequests"],
        }] });
    }
    cluster
}

fn tls(settings: &Value) -> Value {
    assert_eq!(settings["mode"], "SIMPLE");
    let names = settings["subjectAltNames"].as_array().unwrap();
    let names = names.iter().flat_map(|name| {
        ["DNS", "URI"].map(|kind| json!({ "san_type": kind, "matcher": { "exact": name } }))
    });
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": settings["sni"],
            "common_tls_context": {
                "tls_params": {
                    "tls_minimum_protocol_version": "TLSv1_2",
                    "tls_maximum_protocol_version": "TLSv1_3",
                },
                "validation_context": {
                    "trusted_ca": { "filename": settings["caCertificates"] },
                    "match_typed_subject_alt_names": names.collect::<Vec<_>>(),
                },
            },
        },
    })
}

/// What a waypoint puts around every transport socket.
fn internal_upstream(inner: &Value) -> Value {
    json!({
        "name": "envoy.transport_sockets.internal_upstream",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
            "passthrough_metadata": [{ "kind": { "host": {} }, "name": "istio" }],
            "transport_socket": inner,
        },
    })
}

/// The proxy's whole configuration: one listener as for a request that has arrived, in which the
/// filter is discovered.
fn proxy_config(plugin: &Value, endpoint: &Value, api: &Value, discovered: &Value) -> Value {
    let mesh = &manifest::read("istio/mesh-values.yaml")[0]["meshConfig"];
    let merge_slashes = match text(mesh, "/pathNormalization/normalization") {
        "BASE" => false,
        "MERGE_SLASHES" => true,
        other => panic!("normalization: {other}"),
    };
    let tags = mesh["defaultConfig"]["extraStatTags"].as_array().unwrap();
    let tags = tags.iter().map(|tag| {
        let tag = tag.as_str().unwrap();
        json!({ "tag_name": tag, "regex": format!(r"({tag}=\.=(.*?);\.;)") })
    });
    let api_name = api["name"].clone();
    json!({
        "admin": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } } },
        "stats_config": { "stats_tags": tags.collect::<Vec<_>>() },
        "static_resources": {
            "clusters": [endpoint, api],
            "listeners": [{
                "name": "virtualInbound",
                "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
                "filter_chains": [{ "filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                        "stat_prefix": "inbound_0.0.0.0_8080",
                        "server_name": "istio-envoy",
                        "use_remote_address": false,
                        "forward_client_cert_details": "APPEND_FORWARD",
                        "normalize_path": true,
                        "merge_slashes": merge_slashes,
                        "http_filters": [
                            {
                                "name": name(plugin, "."),
                                "config_discovery": {
                                    "config_source": {
                                        "resource_api_version": "V3",
                                        "initial_fetch_timeout": "0s",
                                        "path_config_source": discovered,
                                    },
                                    "type_urls": [
                                        "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                                        "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                                    ],
                                },
                            },
                            {
                                "name": "envoy.filters.http.router",
                                "typed_config": {
                                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                                },
                            },
                        ],
                        "route_config": {
                            "name": api_name,
                            "virtual_hosts": [{
                                "name": "inbound|http|80",
                                "domains": ["*"],
                                "routes": [{
                                    "name": "default",
                                    "match": { "prefix": "/" },
                                    "route": { "cluster": api_name, "timeout": "0s" },
                                }],
                            }],
                            "ignore_port_in_host_matching": true,
                        },
                    },
                }] }],
            }],
        },
    })
}

async fn check_file(file: &str, endpoint: Endpoint, proxy: Proxy) {
    let world = World::new(endpoint).await;
    let documents = manifest::read(file);
    let plugin = only(&documents, "WasmPlugin");
    let rule = documents
        .iter()
        .find(|document| document["kind"] == "DestinationRule");
    assert_eq!(rule.is_some(), endpoint == Endpoint::Rfc7662);
    let mut to_endpoint = cluster(proxy, only(&documents, "ServiceEntry"), rule);
    world.lead_to_endpoint(&mut to_endpoint);
    let mut api = json!({
        "name": "inbound|8080||",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "inbound|8080||",
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": { "socket_address": {} } } }] }],
        },
    });
    world.lead_to_api(&mut api);
    let discovered = world.folder.path().join("ecds.json");
    let resources = json!({ "resources": [{
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": name(plugin, "."),
        "typed_config": wasm_plugin(plugin),
    }] });
    fs::write(&discovered, resources.to_string()).unwrap();
    let config = proxy_config(plugin, &to_endpoint, &api, &json!({ "path": discovered }));
    let environment = vec![("INTROSPECTION_CLIENT_SECRET", CLIENT_SECRET.to_owned())];
    let running = world.launch(&config, environment).await;
    check(&running, endpoint).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_with_texas() {
    check_file("istio/texas.yaml", Endpoint::Texas, Proxy::Sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_with_an_rfc7662_endpoint() {
    check_file("istio/rfc7662.yaml", Endpoint::Rfc7662, Proxy::Sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waypoint() {
    check_file("istio/waypoint.yaml", Endpoint::Rfc7662, Proxy::Waypoint).await;
}
