//! The settings of routes and virtual hosts.

use serde_json::{Value, json};

use super::End::{self, Reaches, Refused};
use super::{check, guards, start};
use crate::gateway::{CONNECTION_MANAGER, Edit, Gateway, Setup, at, http_filters, plugin};

/// The one virtual host of `envoy.yaml`.
pub(super) fn virtual_host(config: &mut Value) -> &mut Value {
    &mut route_config(config)["virtual_hosts"][0]
}

/// Its one route.
pub(super) fn route(config: &mut Value) -> &mut Value {
    &mut virtual_host(config)["routes"][0]
}

/// What holds for all routes.
pub(super) fn route_config(config: &mut Value) -> &mut Value {
    at(config, &format!("{CONNECTION_MANAGER}/route_config"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_the_decision() {
    guards("route, virtual host, route configuration", |config| {
        let all = route_config(config);
        all["internal_only_headers"] = json!(["x-internal"]);
        all["validate_clusters"] = json!(false);
        all["most_specific_header_mutations_wins"] = json!(true);
        all["response_headers_to_add"] =
            json!([{ "header": { "key": "x-gateway", "value": "1" } }]);
        all["response_headers_to_remove"] = json!(["x-other"]);
        all["max_direct_response_body_size_bytes"] = json!(1);
        let host = virtual_host(config);
        host["include_request_attempt_count"] = json!(true);
        host["include_attempt_count_in_response"] = json!(true);
        host["include_is_timeout_retry_header"] = json!(true);
        host["hedge_policy"] = json!({ "hedge_on_per_try_timeout": true });
        host["virtual_clusters"] = json!([{
            "name": "all",
            "headers": [{ "name": ":path", "string_match": { "prefix": "/" } }],
        }]);
        host["rate_limits"] = json!([{ "actions": [{ "remote_address": {} }] }]);
        let route = route(config);
        route["name"] = json!("api");
        route["match"]["runtime_fraction"] = json!({ "default_value": { "numerator": 100 } });
        route["decorator"] = json!({ "operation": "x" });
        route["tracing"] = json!({ "random_sampling": { "numerator": 100 } });
        route["stat_prefix"] = json!("api");
        route["request_headers_to_add"] =
            json!([{ "header": { "key": "x-gateway", "value": "1" } }]);
        route["request_headers_to_remove"] = json!(["x-other"]);
        let action = &mut route["route"];
        action["timeout"] = json!("20s");
        action["idle_timeout"] = json!("20s");
        action["flush_timeout"] = json!("20s");
        action["priority"] = json!("HIGH");
        action["append_x_forwarded_host"] = json!(true);
        action["host_rewrite_literal"] = json!("api.example");
        action["hash_policy"] = json!([{ "header": { "header_name": "authorization" } }]);
        action["cluster_not_found_response_code"] = json!("NOT_FOUND");
        action["retry_policy"] =
            json!({ "retry_on": "5xx", "num_retries": 3, "per_try_timeout": "10s" });
    })
    .await;
    guards("the router", |config| {
        let router = &mut http_filters(config)[1]["typed_config"];
        router["dynamic_stats"] = json!(false);
        router["suppress_envoy_headers"] = json!(true);
        router["respect_expected_rq_timeout"] = json!(true);
        router["suppress_grpc_request_failure_code_stats"] = json!(true);
        router["strict_check_headers"] = json!(["x-envoy-max-retries"]);
        router["reject_connect_request_early_data"] = json!(true);
    })
    .await;
    guards("matcher", |config| {
        let mut host = virtual_host(config).take();
        let mut route = host.as_object_mut().unwrap().remove("routes").unwrap()[0].take();
        route["@type"] = json!("type.googleapis.com/envoy.config.route.v3.Route");
        let action = json!({ "action": { "name": "route", "typed_config": route } });
        host["matcher"] = json!({ "matcher_tree": {
            "input": { "name": "path", "typed_config": {
                "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
                "header_name": ":path",
            } },
            "prefix_match_map": { "map": { "/api": action } },
        } });
        *virtual_host(config) = host;
    })
    .await;
    guards("weighted_clusters", |config| {
        route(config)["route"] = json!({ "weighted_clusters": {
            "clusters": [{ "name": "api", "weight": 1 }],
        } });
    })
    .await;
}

/// A gateway where `/admin` needs `api:write`, and all else nothing.
async fn with_admin(setting: &str, edit: Edit) -> Gateway {
    let rules = json!([
        { "match": { "prefix": "/admin" }, "require": { "scopes": ["api:write"] } },
        { "match": { "prefix": "/" }, "anonymous": true },
    ]);
    with_rules(setting, rules, edit).await
}

pub(super) async fn with_rules(setting: &str, rules: Value, edit: Edit) -> Gateway {
    eprintln!("{setting}");
    let mut plugin = plugin();
    plugin["rules"] = rules;
    Gateway::start(Setup {
        plugin,
        edit,
        ..Setup::default()
    })
    .await
}

/// The path that the API sees of a GET without a token.
async fn seen(gateway: &Gateway, path: &str) -> Option<String> {
    let before = gateway.idp.api_requests();
    let answer = gateway.get(path, &[]).await;
    (gateway.idp.api_requests() > before)
        .then(|| answer.json()["path"].as_str().unwrap().to_owned())
}

/// What the API sees of these paths, without a token.
async fn check_paths(setting: &str, edit: Edit, paths: &[(&str, Option<&str>)]) {
    let gateway = with_admin(setting, edit).await;
    for (path, expected) in paths {
        let found = seen(&gateway, path).await;
        assert_eq!(found.as_deref(), *expected, "{setting}: {path}");
    }
    let requests: &[(&str, End)] = &[
        ("GET /admin/x HTTP/1.1|host: a", Refused(401)),
        ("GET /admin/x HTTP/1.1|host: a|WEAK", Refused(403)),
        ("GET /%61dmin/x HTTP/1.1|host: a|WEAK", Refused(403)),
        ("GET /admin/x HTTP/1.1|host: a|GOOD", Reaches(200)),
    ];
    check(setting, &gateway, requests).await;
}

/// Envoy's routes and the filter's rules are for the same paths only where they are written so.
#[tokio::test(flavor = "multi_thread")]
async fn which_paths_a_route_is_for() {
    check_paths(
        "prefix",
        |config| {
            let action = json!({ "cluster": "api", "prefix_rewrite": "/" });
            *route(config) = json!({ "match": { "prefix": "/admin" }, "route": action });
        },
        &[("/adminsecret", Some("/secret")), ("/ADMIN/x", None)],
    )
    .await;
    check_paths(
        "path_separated_prefix",
        |config| {
            let action = json!({ "cluster": "api", "prefix_rewrite": "/" });
            *route(config) =
                json!({ "match": { "path_separated_prefix": "/admin" }, "route": action });
        },
        &[("/adminsecret", None), ("/ADMIN/x", None)],
    )
    .await;
    check_paths(
        "case_sensitive: false",
        |config| {
            let path = json!({ "path_separated_prefix": "/admin", "case_sensitive": false });
            let action = json!({ "cluster": "api", "prefix_rewrite": "/admin" });
            *route(config) = json!({ "match": path, "route": action });
        },
        &[("/adminsecret", None), ("/ADMIN/x", Some("/admin/x"))],
    )
    .await;
    check_paths(
        "safe_regex and regex_rewrite",
        |config| {
            let path = json!({ "safe_regex": { "regex": "/(?i:admin)/.*" } });
            let rewrite =
                json!({ "pattern": { "regex": "^/(?i:admin)" }, "substitution": "/admin" });
            let action = json!({ "cluster": "api", "regex_rewrite": rewrite });
            *route(config) = json!({ "match": path, "route": action });
        },
        &[("/adminsecret", None), ("/ADMIN/x", Some("/admin/x"))],
    )
    .await;
    check_paths(
        "path_match_policy and path_rewrite_policy",
        |config| {
            let policy = |of: &str, name: &str, template: &str| {
                let kind =
                    format!("envoy.extensions.path.{of}.uri_template.v3.UriTemplate{name}Config");
                let kind = format!("type.googleapis.com/{kind}");
                let member = if of == "match" {
                    "path_template"
                } else {
                    "path_template_rewrite"
                };
                json!({ "name": of, "typed_config": { "@type": kind, member: template } })
            };
            let path = json!({ "path_match_policy": policy("match", "Match", "/{a}/{b=**}") });
            let rewrite = policy("rewrite", "Rewrite", "/admin/{b}");
            let action = json!({ "cluster": "api", "path_rewrite_policy": rewrite });
            *route(config) = json!({ "match": path, "route": action });
        },
        &[("/other/x", Some("/admin/x")), ("/other", None)],
    )
    .await;
    check_paths(
        "path_rewrite",
        |config| {
            let action = json!({ "cluster": "api", "path_rewrite": "/admin%REQ(:path)%" });
            *route(config) = json!({ "match": { "prefix": "/" }, "route": action });
        },
        &[("/other", Some("/admin/other"))],
    )
    .await;
    check_paths(
        "ignore_path_parameters_in_path_matching",
        |config| {
            route_config(config)["ignore_path_parameters_in_path_matching"] = json!(true);
            let paths = ["/admin/x", "/open"]
                .map(|path| json!({ "match": { "path": path }, "route": { "cluster": "api" } }));
            virtual_host(config)["routes"] = json!(paths);
        },
        &[
            ("/open", Some("/open")),
            ("/open;/x", None),
            ("/admin/x;y", None),
            ("/admin;y/x", None),
        ],
    )
    .await;
}

/// Envoy's own answers come after the decision, too.
#[tokio::test(flavor = "multi_thread")]
async fn what_envoy_answers_itself() {
    let cases: [(&str, u16, Edit); 4] = [
        ("redirect", 301, |config| {
            let redirect = json!({ "path_redirect": "/new" });
            *route(config) = json!({ "match": { "prefix": "/" }, "redirect": redirect });
        }),
        ("direct_response", 204, |config| {
            let response = json!({ "status": 204 });
            *route(config) = json!({ "match": { "prefix": "/" }, "direct_response": response });
        }),
        ("require_tls", 301, |config| {
            virtual_host(config)["require_tls"] = json!("ALL");
        }),
        ("no route", 404, |config| {
            route(config)["match"] = json!({ "path": "/other" });
        }),
    ];
    for (setting, status, edit) in cases {
        let gateway = with_admin(setting, edit).await;
        let requests = &[
            ("GET /admin/x HTTP/1.1|host: a", Refused(401)),
            ("GET /admin/x HTTP/1.1|host: a|WEAK", Refused(403)),
            ("GET /admin/x HTTP/1.1|host: a|GOOD", Refused(status)),
        ];
        check(setting, &gateway, requests).await;
    }
}

/// A cluster that the client names is chosen after the decision.
#[tokio::test(flavor = "multi_thread")]
async fn clusters_that_clients_name() {
    let setting = "cluster_header";
    let gateway = start(setting, |config| {
        route(config)["route"] = json!({ "cluster_header": "x-cluster" });
    })
    .await;
    let requests = &[
        ("GET /api/x HTTP/1.1|host: a|x-cluster: api", Refused(401)),
        (
            "GET /api/x HTTP/1.1|host: a|x-cluster: api|WEAK",
            Refused(403),
        ),
        (
            "GET /api/x HTTP/1.1|host: a|x-cluster: api|GOOD",
            Reaches(200),
        ),
        // The endpoint knows no such path.
        (
            "GET /api/x HTTP/1.1|host: a|x-cluster: texas|GOOD",
            Refused(404),
        ),
    ];
    check(setting, &gateway, requests).await;
}

/// Whether the filter is asked is settled by the first route, whatever route comes of the request
/// in the end.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_route_decides_whether_the_filter_is_asked() {
    let setting = "disabled by a route that is left";
    let gateway = start(setting, |config| {
        let off = json!({
            "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
            "disabled": true,
        });
        let all = route(config).clone();
        let answer = json!({
            "match": { "path": "/docs" },
            "direct_response": { "status": 204 },
            "typed_per_filter_config": { "portvakt": off },
        });
        virtual_host(config)["routes"] = json!([answer, all]);
        let code = "function envoy_on_request(handle)
            local path = handle:headers():get('x-path')
            if path then
                handle:headers():replace(':path', path)
                handle:clearRouteCache()
            end
        end";
        let lua = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": { "inline_string": code },
        });
        http_filters(config).insert(0, json!({ "name": "lua", "typed_config": lua }));
    })
    .await;
    let requests = &[
        ("GET /api/x HTTP/1.1|host: a", Refused(401)),
        ("GET /docs HTTP/1.1|host: a", Refused(204)),
        ("GET /open HTTP/1.1|host: a|x-path: /api/x", Refused(401)),
        ("GET /docs HTTP/1.1|host: a|x-path: /api/x", Reaches(200)),
    ];
    check(setting, &gateway, requests).await;
}
