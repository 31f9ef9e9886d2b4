//! The Wasm filter's own settings.

use serde_json::{Value, json};

use super::End::Reaches;
use super::routes::route;
use super::{check_all, closes, guards, opens, start};
use crate::capabilities::restrict;
use crate::gateway::{Edit, filter_config, http_filters, shipped_config, string_value, validate};

/// The module comes from a server that does not have it.
fn fetch_in_vain(config: &mut Value) {
    filter_config(config)["vm_config"]["code"] = json!({ "remote": {
        "http_uri": { "uri": "http://idp/none.wasm", "cluster": "texas", "timeout": "1s" },
        "sha256": "0".repeat(64),
        "retry_policy": { "num_retries": 0 },
    } });
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_the_vm() {
    guards("name, root_id, vm_config", |config| {
        let filter = filter_config(config);
        filter["name"] = json!("another");
        filter["root_id"] = json!("another");
        filter["reload_config"] = json!({ "backoff": { "base_interval": "10s" } });
        let vm = filter["vm_config"].as_object_mut().unwrap();
        vm.remove("runtime");
        vm.remove("vm_id");
        vm.insert("configuration".to_owned(), string_value("anything"));
        vm.insert("allow_precompiled".to_owned(), json!(true));
        vm.insert("nack_on_code_cache_miss".to_owned(), json!(true));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn capabilities() {
    guards("all capabilities that are used", |config| {
        restrict(config, &[]);
    })
    .await;
    // Whatever else is missing, nothing passes.
    guards("no callbacks for the rest of a request", |config| {
        restrict(
            config,
            &["proxy_on_request_body", "proxy_on_request_trailers"],
        );
        filter_config(config)["allow_on_headers_stop_iteration"] = json!(true);
    })
    .await;
    opens("no proxy_on_request_headers", |config| {
        restrict(
            config,
            &[
                "proxy_on_request_headers",
                "proxy_on_request_body",
                "proxy_on_request_trailers",
            ],
        );
    })
    .await;
}

/// A missing capability is as good a failure as any: the VM dies of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_vm_that_fails() {
    const DIES: &[&str] = &["proxy_get_header_map_pairs", "proxy_get_header_map_value"];
    closes("FAIL_CLOSED", 503, |config| {
        restrict(config, DIES);
        filter_config(config)["failure_policy"] = json!("FAIL_CLOSED");
    })
    .await;
    closes("FAIL_RELOAD", 503, |config| restrict(config, DIES)).await;
    closes("no failure_policy", 503, |config| {
        restrict(config, DIES);
        filter_config(config)["failure_policy"] = json!("UNSPECIFIED");
    })
    .await;
    let policies: [(&str, Edit); 2] = [
        ("FAIL_OPEN", |config| {
            restrict(config, DIES);
            filter_config(config)["failure_policy"] = json!("FAIL_OPEN");
        }),
        ("fail_open", |config| {
            restrict(config, DIES);
            let filter = filter_config(config).as_object_mut().unwrap();
            filter.remove("failure_policy");
            filter.insert("fail_open".to_owned(), json!(true));
        }),
    ];
    for (policy, edit) in policies {
        let gateway = start(policy, edit).await;
        // The one that it dies of may get 503.
        gateway.get("/api/x", &[]).await;
        check_all(policy, &gateway, Reaches(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_cannot_be_fetched() {
    closes("code.remote", 503, fetch_in_vain).await;
    opens("code.remote and FAIL_OPEN", |config| {
        fetch_in_vain(config);
        filter_config(config)["failure_policy"] = json!("FAIL_OPEN");
    })
    .await;
}

/// Envoy does not start with any of these, whatever the failure policy.
#[test]
fn what_envoy_does_not_start_with() {
    let cases: [(&str, Edit); 6] = [
        ("a bad configuration", |config| {
            filter_config(config)["configuration"] = string_value("{}");
        }),
        ("a bad configuration of an optional filter", |config| {
            filter_config(config)["configuration"] = string_value("{}");
            http_filters(config)[0]["is_optional"] = json!(true);
        }),
        ("code that is none", |config| {
            let code = &mut filter_config(config)["vm_config"]["code"];
            *code = json!({ "local": { "inline_string": "none" } });
        }),
        ("a runtime that Envoy lacks", |config| {
            filter_config(config)["vm_config"]["runtime"] = json!("envoy.wasm.runtime.wamr");
        }),
        ("a configuration on a route", |config| {
            let filter = http_filters(config)[0]["typed_config"].clone();
            route(config)["typed_per_filter_config"] = json!({ "portvakt": filter });
        }),
        ("two policies", |config| {
            filter_config(config)["fail_open"] = json!(true);
        }),
    ];
    for (case, edit) in cases {
        let mut config = shipped_config();
        filter_config(&mut config)["failure_policy"] = json!("FAIL_OPEN");
        edit(&mut config);
        let endpoint = ("NAIS_TOKEN_INTROSPECTION_ENDPOINT", "http://a/");
        let output = validate(&config, &[endpoint]);
        assert!(!output.status.success(), "{case}");
    }
}
