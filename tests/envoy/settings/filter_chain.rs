//! Where the filter stands in the chain of HTTP filters, and what takes it out of it.

use serde_json::{Value, json};

use super::End::{self, Reaches, Refused};
use super::routes::{route, virtual_host};
use super::{Credentials, Rest, Version, closes, guards, opens, send, start};
use crate::gateway::{CONNECTION_MANAGER, Edit, Form, at, filter_config, http_filters};

const DELEGATE: &str =
    "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher";
const COMPOSITE: &str = "type.googleapis.com/envoy.extensions.filters.http.composite.v3.Composite";
const EXECUTE: &str =
    "type.googleapis.com/envoy.extensions.filters.http.composite.v3.ExecuteFilterAction";
const SKIP: &str =
    "type.googleapis.com/envoy.extensions.filters.common.matcher.action.v3.SkipFilter";
const HEADER: &str = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput";
const BUFFER: &str = "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer";
const CODEC: &str =
    "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec";

const CUSTOM_RESPONSE: &str =
    "type.googleapis.com/envoy.extensions.filters.http.custom_response.v3.CustomResponse";
const REDIRECT: &str =
    "type.googleapis.com/envoy.extensions.http.custom_response.redirect_policy.v3.RedirectPolicy";
const STATUS_CLASS: &str =
    "type.googleapis.com/envoy.type.matcher.v3.HttpResponseStatusCodeClassMatchInput";

/// The filter's configuration on a route.
fn on_a_route(mut members: Value) -> Value {
    members["@type"] = json!("type.googleapis.com/envoy.config.route.v3.FilterConfig");
    json!({ "portvakt": members })
}

fn off() -> Value {
    on_a_route(json!({ "disabled": true }))
}

fn on() -> Value {
    on_a_route(json!({ "config": {} }))
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled() {
    opens("disabled", |config| {
        http_filters(config)[0]["disabled"] = json!(true);
    })
    .await;
    opens("disabled by a route", |config| {
        route(config)["typed_per_filter_config"] = off();
    })
    .await;
    opens("disabled by a virtual host", |config| {
        virtual_host(config)["typed_per_filter_config"] = off();
    })
    .await;
    opens("disabled by the route configuration", |config| {
        at(config, &format!("{CONNECTION_MANAGER}/route_config"))["typed_per_filter_config"] =
            off();
    })
    .await;
    opens("disabled by a weighted cluster", |config| {
        let cluster = json!({ "name": "api", "weight": 1, "typed_per_filter_config": off() });
        route(config)["route"] = json!({ "weighted_clusters": { "clusters": [cluster] } });
    })
    .await;
    guards("disabled, but not by the virtual host", |config| {
        http_filters(config)[0]["disabled"] = json!(true);
        virtual_host(config)["typed_per_filter_config"] = on();
    })
    .await;
    guards("disabled by the virtual host, not by the route", |config| {
        virtual_host(config)["typed_per_filter_config"] = off();
        route(config)["typed_per_filter_config"] = on();
    })
    .await;
}

/// Puts the filter behind a matcher. `otherwise` is the filter that stands in the chain.
fn delegate(config: &mut Value, filter: &Value, host: &str, action: &Value) {
    let input =
        json!({ "name": "host", "typed_config": { "@type": HEADER, "header_name": ":authority" } });
    let action = json!({ "name": "action", "typed_config": action });
    http_filters(config)[0]["typed_config"] = json!({
        "@type": DELEGATE,
        "extension_config": { "name": "portvakt", "typed_config": filter },
        "xds_matcher": { "matcher_tree": {
            "input": input,
            "exact_match_map": { "map": { host: { "action": action } } },
        } },
    });
}

/// The harder of the two settings for what stands between Envoy and the filter.
fn hold_only_the_head(config: &mut Value) {
    filter_config(config)["allow_on_headers_stop_iteration"] = json!(true);
}

fn skip(config: &mut Value, host: &str) {
    hold_only_the_head(config);
    let filter = http_filters(config)[0]["typed_config"].clone();
    delegate(config, &filter, host, &json!({ "@type": SKIP }));
}

fn execute(config: &mut Value, host: &str) {
    hold_only_the_head(config);
    let filter = http_filters(config)[0]["typed_config"].clone();
    let action =
        json!({ "@type": EXECUTE, "typed_config": { "name": "portvakt", "typed_config": filter } });
    delegate(config, &json!({ "@type": COMPOSITE }), host, &action);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_matcher() {
    guards("match_delegate, not skipped", |config| skip(config, "x")).await;
    opens("match_delegate, skipped", |config| skip(config, "gateway")).await;
    guards("composite, matched", |config| execute(config, "gateway")).await;
    opens("composite, not matched", |config| execute(config, "x")).await;
}

/// The filter's configuration is discovered, but the server does not have it.
fn discover_in_vain(config: &mut Value) -> &mut Value {
    let types = json!([
        "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        BUFFER
    ]);
    let filter = &mut http_filters(config)[0];
    filter.as_object_mut().unwrap().remove("typed_config");
    filter["config_discovery"] = json!({
        "config_source": {
            "resource_api_version": "V3",
            "initial_fetch_timeout": "0.2s",
            "api_config_source": {
                "api_type": "REST",
                "transport_api_version": "V3",
                "cluster_names": ["texas"],
                "refresh_delay": "60s",
                "request_timeout": "0.2s",
            },
        },
        "type_urls": types,
    });
    &mut filter["config_discovery"]
}

#[tokio::test(flavor = "multi_thread")]
async fn discovered_in_vain() {
    closes("config_discovery", 500, |config| {
        discover_in_vain(config);
    })
    .await;
    guards("config_discovery, the filter by default", |config| {
        let filter = http_filters(config)[0]["typed_config"].clone();
        discover_in_vain(config)["default_config"] = filter;
    })
    .await;
    opens("config_discovery, another filter by default", |config| {
        let other = json!({ "@type": BUFFER, "max_request_bytes": 1000 });
        discover_in_vain(config)["default_config"] = other;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn optional() {
    guards("is_optional", |config| {
        http_filters(config)[0]["is_optional"] = json!(true);
    })
    .await;
    opens("is_optional in an Envoy without Wasm", |config| {
        let filter = &mut http_filters(config)[0];
        filter["is_optional"] = json!(true);
        filter["typed_config"] = json!({
            "@type": "type.googleapis.com/xds.type.v3.TypedStruct",
            "type_url": "type.googleapis.com/a.filter.that.this.Envoy.lacks",
        });
    })
    .await;
}

/// What is in the request has been held back by another filter already, or will be.
#[tokio::test(flavor = "multi_thread")]
async fn among_other_filters() {
    fn buffer() -> Value {
        let config = json!({ "@type": BUFFER, "max_request_bytes": 1000 });
        json!({ "name": "buffer", "typed_config": config })
    }
    guards("behind a buffer", |config| {
        http_filters(config).insert(0, buffer());
    })
    .await;
    guards("before a buffer", |config| {
        http_filters(config).insert(1, buffer());
    })
    .await;
    guards("twice", |config| {
        let mut second = http_filters(config)[0].clone();
        second["name"] = json!("again");
        http_filters(config).insert(1, second);
    })
    .await;
    let setting = "twice, with rules of their own in one VM";
    let gateway = start(setting, |config| {
        let mut second = http_filters(config)[0].clone();
        let plugin =
            json!({ "introspection": { "cluster": "texas" }, "required_scopes": ["api:write"] });
        second["typed_config"]["config"]["configuration"] = Form::Native.of(&plugin);
        http_filters(config).insert(1, second);
    })
    .await;
    for (scope, status) in [
        ("api:read", 403),
        ("api:write", 403),
        ("api:read api:write", 200),
    ] {
        let answer = gateway.get_with(&gateway.token(scope)).await;
        assert_eq!(answer.status, status, "{setting}: {scope}");
    }
}

/// As a filter of what goes to the API, where each attempt is decided on.
#[tokio::test(flavor = "multi_thread")]
async fn as_an_upstream_filter() {
    fn codec() -> Value {
        json!({ "name": "codec", "typed_config": { "@type": CODEC } })
    }
    guards("http_filters of the cluster", |config| {
        hold_only_the_head(config);
        let filter = http_filters(config).remove(0);
        let options = "/static_resources/clusters/1/typed_extension_protocol_options\
                       /envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        at(config, options)["http_filters"] = json!([filter, codec()]);
    })
    .await;
    guards("upstream_http_filters of the router", |config| {
        hold_only_the_head(config);
        let filter = http_filters(config).remove(0);
        let router = &mut http_filters(config)[0]["typed_config"];
        router["upstream_http_filters"] = json!([filter, codec()]);
    })
    .await;
}

/// Another filter asks for a page in place of a refusal: that is a request of its own.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_are_replaced() {
    fn replace(config: &mut Value, page: &str) {
        let status = json!({ "name": "status", "typed_config": { "@type": STATUS_CLASS } });
        let predicate =
            json!({ "single_predicate": { "input": status, "value_match": { "exact": "4xx" } } });
        let page = json!({ "@type": REDIRECT, "uri": format!("http://gateway{page}"), "status_code": 499 });
        let action = json!({ "action": { "name": "page", "typed_config": page } });
        let matchers = json!([{ "predicate": predicate, "on_match": action }]);
        let matcher = json!({ "matcher_list": { "matchers": matchers } });
        let filter = json!({ "@type": CUSTOM_RESPONSE, "custom_response_matcher": matcher });
        http_filters(config).insert(0, json!({ "name": "pages", "typed_config": filter }));
    }
    let pages: [(&str, Edit, [End; 4]); 2] = [
        (
            "an open page",
            |config| replace(config, "/open"),
            [Reaches(499), Reaches(499), Reaches(499), Reaches(200)],
        ),
        (
            "a page that needs a token",
            |config| replace(config, "/api/x"),
            [Refused(499), Refused(499), Refused(499), Reaches(200)],
        ),
    ];
    for (setting, edit, ends) in pages {
        let gateway = start(setting, edit).await;
        for (number, credentials) in Credentials::ALL.into_iter().enumerate() {
            for version in [Version::Http1, Version::Http2] {
                let token = credentials.token(&gateway, number);
                let before = gateway.idp.api_requests();
                let answer = send(gateway.address, version, Rest::Nothing, token).await;
                let found = End::of(&gateway, before, &answer);
                let which = format!("{setting}: {version:?} {credentials:?}");
                assert_eq!(found, ends[number], "{which}: {answer:?}");
            }
        }
    }
}
