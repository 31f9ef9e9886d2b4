//! What must stand in the manifests, whatever else is changed in them.

use portvakt_core::config::{Vm, parse};
use serde_json::{Value, json};

use super::manifest::{self, only, text};

/// Every plugin configuration, with the file it is in and whether its VM has a `vm_id` of its own.
fn plugin_configurations() -> Vec<(String, Value, bool)> {
    let mut all = Vec::new();
    for file in manifest::files(".yaml") {
        for document in manifest::read(&file) {
            let (pointer, has_id) = match document["kind"].as_str() {
                Some("WasmPlugin") => ("/spec/pluginConfig", false),
                Some("EnvoyExtensionPolicy") => ("/spec/wasm/0/config", true),
                None if file.ends_with("envoy.yaml") => (
                    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config\
                     /http_filters/0/typed_config/config/configuration/value",
                    true,
                ),
                _ => continue,
            };
            let found = document.pointer(pointer).unwrap().clone();
            all.push((file.clone(), found, has_id));
        }
    }
    all
}

/// Also that there is no secret in any of them.
#[test]
fn every_plugin_configuration_is_valid() {
    let all = plugin_configurations();
    assert_eq!(all.len(), 9);
    for (file, configuration, has_id) in all {
        let vm = Vm {
            env: |name: &str| match name {
                "NAIS_TOKEN_INTROSPECTION_ENDPOINT" => Some("http://127.0.0.1:7164/x".to_owned()),
                "INTROSPECTION_CLIENT_SECRET" => Some("s3cret".to_owned()),
                _ => None,
            },
            has_id,
        };
        let configured = parse(configuration.to_string().as_bytes(), &vm);
        let configured = configured.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(
            configured.warnings.is_empty(),
            "{file}: {:?}",
            configured.warnings
        );
        assert!(!configuration.to_string().contains("\"inline\""), "{file}");
    }
}

/// Each guards nothing, or too much, if it is lost.
#[test]
fn what_must_not_be_lost() {
    let gateway = "deploy/envoy-gateway: at the Gateway";
    let target =
        json!([{ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "api" }]);
    for (file, kind, pointer, expected, why) in [
        (
            "istio/texas.yaml",
            "WasmPlugin",
            "/spec/match",
            json!([{ "mode": "SERVER" }]),
            "the workload's own requests",
        ),
        (
            "istio/rfc7662.yaml",
            "WasmPlugin",
            "/spec/match",
            json!([{ "mode": "SERVER" }]),
            "the workload's own requests",
        ),
        (
            "istio/waypoint.yaml",
            "WasmPlugin",
            "/spec/targetRefs/0/kind",
            json!("Service"),
            "waypoints take no selector",
        ),
        (
            "istio/waypoint.yaml",
            "AuthorizationPolicy",
            "/spec/action",
            json!("ALLOW"),
            "around the waypoint",
        ),
        (
            "envoy-gateway/texas.yaml",
            "EnvoyExtensionPolicy",
            "/spec/targetRefs",
            target.clone(),
            gateway,
        ),
        (
            "envoy-gateway/rfc7662.yaml",
            "EnvoyExtensionPolicy",
            "/spec/targetRefs",
            target,
            gateway,
        ),
        (
            "envoy-gateway/texas.yaml",
            "EnvoyExtensionPolicy",
            "/spec/wasm/0/failOpen",
            json!(false),
            "fails closed",
        ),
        (
            "envoy-gateway/rfc7662.yaml",
            "EnvoyExtensionPolicy",
            "/spec/wasm/0/failOpen",
            json!(false),
            "fails closed",
        ),
        (
            "envoy-gateway/gateway.yaml",
            "NetworkPolicy",
            "/spec/policyTypes",
            json!(["Ingress"]),
            "around the gateway",
        ),
        (
            "kubernetes/base/networkpolicy.yaml",
            "NetworkPolicy",
            "/spec/policyTypes",
            json!(["Ingress"]),
            "around Envoy",
        ),
        (
            "nais/api.yaml",
            "Application",
            "/spec/accessPolicy/inbound/rules",
            json!([{ "application": "sykepenger-gateway" }]),
            "around the gateway",
        ),
    ] {
        let documents = manifest::read(file);
        let found = only(&documents, kind).pointer(pointer);
        assert_eq!(found, Some(&expected), "{file} {pointer}: {why}");
    }
    for file in [
        "istio/texas.yaml",
        "istio/rfc7662.yaml",
        "istio/waypoint.yaml",
    ] {
        let documents = manifest::read(file);
        let plugin = only(&documents, "WasmPlugin");
        assert_eq!(text(plugin, "/spec/phase"), "AUTHN", "{file}");
        assert_eq!(text(plugin, "/spec/failStrategy"), "FAIL_RELOAD", "{file}");
        assert!(text(plugin, "/spec/url").starts_with("oci://"), "{file}");
    }
    let api = &manifest::read("nais/api.yaml")[0];
    assert!(api["spec"].get("ingresses").is_none(), "around the gateway");
}

/// The files that a kustomization names are there, and the scopes that the rules ask for on Nais are
/// those that the gateway exposes.
#[test]
fn what_is_named_is_there() {
    for file in manifest::files("kustomization.yaml") {
        let folder = manifest::folder().join(&file);
        let folder = folder.parent().unwrap();
        let kustomization = &manifest::read(&file)[0];
        let lists = [
            kustomization["resources"].clone(),
            kustomization["configMapGenerator"][0]["files"].clone(),
            kustomization["patches"][0]["path"].clone(),
        ];
        for name in lists.iter().flat_map(|list| match list {
            Value::Array(names) => names.clone(),
            Value::Null => Vec::new(),
            name => vec![name.clone()],
        }) {
            assert!(
                folder.join(name.as_str().unwrap()).exists(),
                "{file}: {name}"
            );
        }
    }
    let exposed = &manifest::read("nais/texas/gateway.yaml")[0]["spec"]["maskinporten"];
    let exposed = exposed["scopes"]["exposes"].as_array().unwrap();
    let exposed = exposed.iter().map(|scope| {
        let [product, separator, name] =
            ["product", "separator", "name"].map(|part| scope[part].as_str().unwrap());
        format!("nav:{product}{separator}{name}")
    });
    let mut exposed: Vec<_> = exposed.collect();
    exposed.sort();
    let rules = plugin_configurations()
        .into_iter()
        .find(|(file, ..)| file == "nais/texas/envoy.yaml");
    let rules = rules.unwrap().1["rules"].as_array().unwrap().clone();
    let required = rules
        .iter()
        .filter_map(|rule| rule["require"]["scopes"][0].as_str());
    let mut required: Vec<_> = required.collect();
    required.sort_unstable();
    assert_eq!(required, exposed);
}
