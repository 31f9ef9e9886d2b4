//! `deploy/kubernetes` and `deploy/nais`: an `envoy.yaml` of one's own.

use std::net::{SocketAddr, TcpListener};

use serde_json::json;

use super::{CLIENT_ID, CLIENT_SECRET, Endpoint, Running, World, check, manifest};
use crate::client::{get, request};
use crate::gateway::{at, filter_config, wasm};
use crate::sample::basic;

/// Starts that file with other addresses, a listener's address and the module's path changed.
async fn start(file: &str, endpoint: Endpoint) -> Running {
    let world = World::new(endpoint).await;
    let mut config = manifest::read(file).remove(0);
    let admin = free_address();
    let listeners = at(&mut config, "/static_resources/listeners");
    for listener in listeners.as_array_mut().unwrap() {
        listener["address"] = json!({
            "socket_address": { "address": "127.0.0.1", "port_value": 0 }
        });
    }
    let clusters = at(&mut config, "/static_resources/clusters");
    for cluster in clusters.as_array_mut().unwrap() {
        match cluster["name"].as_str().unwrap() {
            "texas" | "idp" => world.lead_to_endpoint(cluster),
            "api" => world.lead_to_api(cluster),
            "admin" => super::lead(cluster, admin),
            other => panic!("{file} has a cluster {other}"),
        }
    }
    let filename = "/vm_config/code/local/filename";
    *at(filter_config(&mut config), filename) = json!(wasm());
    *at(&mut config, "/admin/address/socket_address/port_value") = json!(admin.port());
    world.launch(&config, environment(endpoint)).await
}

/// The variables that the manifests beside the file give to Envoy, or on Nais the platform.
fn environment(endpoint: Endpoint) -> Vec<(&'static str, String)> {
    match endpoint {
        Endpoint::Texas => {
            let documents = manifest::read("kubernetes/texas/texas.patch.yaml");
            let variable = "/spec/template/spec/containers/0/env/0";
            let name = manifest::text(&documents[0], &format!("{variable}/name"));
            assert_eq!(name, "NAIS_TOKEN_INTROSPECTION_ENDPOINT");
            let value = manifest::text(&documents[0], &format!("{variable}/value"));
            vec![("NAIS_TOKEN_INTROSPECTION_ENDPOINT", value.to_owned())]
        }
        Endpoint::Rfc7662 => {
            vec![(
                "INTROSPECTION_AUTHORIZATION",
                basic(CLIENT_ID, CLIENT_SECRET),
            )]
        }
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_envoy_yaml_guards() {
    let all = manifest::files("envoy.yaml");
    assert_eq!(all.len(), 4, "{all:?}");
    for file in all {
        let endpoint = if file.contains("texas") {
            Endpoint::Texas
        } else {
            Endpoint::Rfc7662
        };
        let running = start(&file, endpoint).await;
        check(&running, endpoint).await;
        check_status(&running).await;
    }
}

/// The listener for probes and Prometheus shows what they need and nothing else.
async fn check_status(running: &Running) {
    let status = running.gateway.listener("status").await;
    for (path, expected) in [
        ("/livez", 200),
        ("/ready", 200),
        ("/stats/prometheus", 200),
        ("/stats", 404),
        ("/config_dump", 404),
        ("/ready/../config_dump", 404),
        ("/", 404),
    ] {
        assert_eq!(get(status, path, &[]).await.status, expected, "{path}");
    }
    for target in [
        "POST /quitquitquit",
        "POST /ready",
        "POST /stats/prometheus",
    ] {
        let answer = request(status, target.as_bytes(), &[], b"").await;
        assert_eq!(answer.status, 404, "{target}");
    }
    let metrics = get(status, "/stats/prometheus", &[]).await.text();
    assert!(metrics.contains("portvakt_decisions_total{"), "{metrics}");
}

/// What they say of each setting stands in `envoy.yaml` and `examples/rfc7662.yaml`, so they must
/// not be others.
#[test]
fn they_are_the_samples_but_for_where_things_are() {
    for file in manifest::files("envoy.yaml") {
        let is_texas = file.contains("texas");
        let sample = if is_texas {
            "../envoy.yaml"
        } else {
            "../examples/rfc7662.yaml"
        };
        let mut expected = manifest::read(sample).remove(0);
        let mut found = manifest::read(&file).remove(0);
        for (list, name) in [("listeners", "status"), ("clusters", "admin")] {
            let all = at(&mut found, &format!("/static_resources/{list}"));
            let last = all.as_array_mut().unwrap().pop().unwrap();
            assert_eq!(last["name"], name, "{file}");
        }
        for config in [&mut expected, &mut found] {
            for pointer in [
                "/static_resources/listeners/0/address",
                "/static_resources/clusters/1/type",
                "/static_resources/clusters/1/load_assignment",
            ] {
                at(config, pointer).take();
            }
            let filter = filter_config(config);
            at(filter, "/vm_config/code/local/filename").take();
            if !is_texas {
                // The API is told nothing there.
                let plugin = at(filter, "/configuration/value").as_object_mut().unwrap();
                plugin.remove("forward");
            }
        }
        assert_eq!(found, expected, "{file}: other than {sample}");
    }
}
