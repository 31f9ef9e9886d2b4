//! The HTTP connection manager's settings.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dev_idp::Mint;
use serde_json::{Value, json};

use super::End::{Reaches, Refused};
use super::{check, guards, start};
use crate::gateway::{CONNECTION_MANAGER, Edit, at, shipped_config, validate};
use crate::hostile::AMBIGUOUS;

/// Sets these members of the connection manager.
pub(super) fn set(config: &mut Value, members: &Value) {
    let manager = at(config, CONNECTION_MANAGER).as_object_mut().unwrap();
    manager.extend(members.as_object().unwrap().clone());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_about_the_client_and_the_request() {
    guards("headers that Envoy adds", |config| {
        set(
            config,
            &json!({
                "add_user_agent": true,
                "via": "gateway",
                "server_name": "gateway",
                "server_header_transformation": "PASS_THROUGH",
                "scheme_header_transformation": { "scheme_to_overwrite": "https" },
                "use_remote_address": false,
                "xff_num_trusted_hops": 1,
                "skip_xff_append": true,
                "internal_address_config": {
                    "unix_sockets": true,
                    "cidr_ranges": [{ "address_prefix": "127.0.0.0", "prefix_len": 8 }],
                },
                "append_x_forwarded_port": true,
                "append_local_overload": true,
                "add_proxy_protocol_connection_state": false,
                "forward_proto_config": { "https_destination_ports": [443] },
                "generate_request_id": false,
                "preserve_external_request_id": true,
                "always_set_request_id_in_response": true,
                "proxy_status_config": { "set_recommended_response_code": true },
                "forward_client_cert_details": "ALWAYS_FORWARD_ONLY",
                "tracing": { "verbose": true, "spawn_upstream_span": true },
                "record_route_resolution_stats": true,
                "represent_ipv4_remote_address_as_ipv4_mapped_ipv6": true,
                "request_id_extension": { "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                    "pack_trace_reason": false,
                } },
                "access_log_options": {
                    "flush_access_log_on_new_request": true,
                    "access_log_flush_interval": "1s",
                },
            }),
        );
    })
    .await;
    guards("original_ip_detection_extensions", |config| {
        set(
            config,
            &json!({
                "use_remote_address": false,
                "original_ip_detection_extensions": [{
                    "name": "envoy.http.original_ip_detection.xff",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig",
                        "xff_num_trusted_hops": 1,
                    },
                }],
            }),
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_messages_are_read() {
    let setting = "protocol options";
    let gateway = guards(setting, |config| {
        set(
            config,
            &json!({
                "stream_error_on_invalid_http_message": true,
                "proxy_100_continue": true,
                "max_request_headers_kb": 8192,
                "delayed_close_timeout": "0s",
                "stream_flush_timeout": "1s",
                "drain_timeout": "1s",
                "drain_timeout_jitter": { "value": 50 },
                "http1_safe_max_connection_duration": true,
                "common_http_protocol_options": {
                    "max_headers_count": 10000,
                    "max_requests_per_connection": 1000,
                    "max_connection_duration": "60s",
                    "idle_timeout": "60s",
                    "headers_with_underscores_action": "ALLOW",
                },
                "http_protocol_options": {
                    "enable_trailers": true,
                    "accept_http_10": true,
                    "default_host_for_http_10": "gateway",
                    "allow_chunked_length": true,
                    "allow_custom_methods": true,
                    "send_fully_qualified_url": true,
                    "header_key_format": { "proper_case_words": {} },
                    "override_stream_error_on_invalid_http_message": true,
                    "ignore_http_11_upgrade": [{ "exact": "x" }],
                },
                "http2_protocol_options": {
                    "allow_connect": true,
                    "hpack_table_size": 0,
                    "enable_huffman_encoding": false,
                    "use_oghttp2_codec": false,
                    "max_metadata_size": 1000,
                    "connection_keepalive": { "interval": "10s", "timeout": "5s" },
                    "custom_settings_parameters": [{ "identifier": 0x1234, "value": 1 }],
                    "max_concurrent_streams": 1000,
                    "initial_stream_window_size": 65535,
                    "initial_connection_window_size": 65535,
                    "override_stream_error_on_invalid_http_message": true,
                    "max_header_field_size_kb": 256,
                    "disallow_obs_text": false,
                },
            }),
        );
    })
    .await;
    let long = format!(
        "GET /api/x HTTP/1.1|host: a|authorization: Bearer {}",
        "a".repeat(500_000)
    );
    check(
        setting,
        &gateway,
        &[
            ("GET /api/x HTTP/1.0", Refused(401)),
            ("GET /api/x HTTP/1.0|GOOD", Reaches(200)),
            ("GET http://x/api/x HTTP/1.1|host: a", Refused(401)),
            ("GET http://x/api/x HTTP/1.1|host: a|GOOD", Reaches(200)),
            ("BREW /api/x HTTP/1.1|host: a", Refused(401)),
            ("BREW /api/x HTTP/1.1|host: a|WEAK", Refused(403)),
            ("BREW /api/x HTTP/1.1|host: a|GOOD", Reaches(200)),
            (
                "POST /api/x HTTP/1.1|host: a|expect: 100-continue|content-length: 6|WEAK",
                Refused(403),
            ),
            (
                "POST /api/x HTTP/1.1|host: a|content-length: 6|transfer-encoding: chunked|WEAK",
                Refused(403),
            ),
            (
                "GET /api/x HTTP/1.1|host: a|upgrade: x|connection: upgrade|WEAK",
                Refused(403),
            ),
            (
                "GET /api/x HTTP/1.1|host: a|upgrade: x|connection: upgrade|GOOD",
                Reaches(200),
            ),
            ("CONNECT a:80 HTTP/1.1|host: a:80|GOOD", Refused(403)),
            ("OPTIONS * HTTP/1.1|host: a|GOOD", Refused(404)),
            (&long, Refused(400)),
            // Many servers take it for the other spelling.
            (
                "GET /api/x HTTP/1.1|host: a|x_consumer: me|GOOD",
                Reaches(200),
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn absolute_targets() {
    let setting = "allow_absolute_url: false";
    let gateway = guards(setting, |config| {
        set(
            config,
            &json!({ "http_protocol_options": { "allow_absolute_url": false } }),
        );
    })
    .await;
    check(
        setting,
        &gateway,
        &[
            ("GET http://x/open HTTP/1.1|host: a", Refused(404)),
            ("GET http://x/api/x HTTP/1.1|host: a", Refused(404)),
            ("GET http://x/api/x HTTP/1.1|host: a|GOOD", Refused(404)),
        ],
    )
    .await;
}

/// None of these opens a path that was not.
#[tokio::test(flavor = "multi_thread")]
async fn how_paths_are_cleaned() {
    let cases: [(&str, Edit); 6] = [
        ("KEEP_UNCHANGED", |config| {
            set(
                config,
                &json!({ "path_with_escaped_slashes_action": "KEEP_UNCHANGED" }),
            );
        }),
        ("UNESCAPE_AND_REDIRECT", |config| {
            set(
                config,
                &json!({ "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT" }),
            );
        }),
        ("UNESCAPE_AND_FORWARD", |config| {
            set(
                config,
                &json!({ "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD" }),
            );
        }),
        ("normalize_path: false", |config| {
            set(config, &json!({ "normalize_path": false }));
        }),
        ("merge_slashes: false", |config| {
            set(config, &json!({ "merge_slashes": false }));
        }),
        ("path_normalization_options", |config| {
            let merge = json!({ "operations": [{ "merge_slashes": {} }] });
            set(
                config,
                &json!({ "path_normalization_options": {
                    "forwarding_transformation": merge,
                    "http_filter_transformation": merge,
                } }),
            );
        }),
    ];
    for (setting, edit) in cases {
        let gateway = guards(setting, edit).await;
        let before = gateway.idp.api_requests();
        for path in AMBIGUOUS {
            let answer = gateway.get(path, &[]).await;
            let is_refused = matches!(answer.status, 307 | 400 | 401 | 403);
            assert!(is_refused, "{setting}: {path}: {answer:?}");
        }
        assert_eq!(gateway.idp.api_requests(), before, "{setting}");
    }
}

#[test]
fn header_validators_are_not_in_envoys_releases() {
    let mut config = shipped_config();
    set(
        &mut config,
        &json!({ "typed_header_validation_config": {
            "name": "validator",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.http.header_validators.envoy_default.v3.HeaderValidatorConfig" },
        } }),
    );
    let endpoint = ("NAIS_TOKEN_INTROSPECTION_ENDPOINT", "http://a/");
    let output = validate(&config, &[endpoint]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("does not support header validator"), "{said}");
}

/// A refusal may look otherwise, but is one.
#[tokio::test(flavor = "multi_thread")]
async fn local_replies() {
    let setting = "local_reply_config";
    let gateway = start(setting, |config| {
        set(
            config,
            &json!({ "local_reply_config": {
                "mappers": [{
                    "filter": { "status_code_filter": { "comparison": {
                        "op": "EQ", "value": { "default_value": 401, "runtime_key": "none" },
                    } } },
                    "status_code": 200,
                    "body": { "inline_string": "all is well" },
                }],
            } }),
        );
    })
    .await;
    let answer = gateway.get("/api/x", &[]).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "all is well")
    );
    assert!(answer.header("www-authenticate").is_some(), "{answer:?}");
    check(
        setting,
        &gateway,
        &[
            ("GET /api/x HTTP/1.1|host: a", Refused(200)),
            ("GET /api/x HTTP/1.1|host: a|WEAK", Refused(403)),
            ("GET /api/x HTTP/1.1|host: a|GOOD", Reaches(200)),
        ],
    )
    .await;
}

/// What a client says of its certificate binds nothing.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_told_of() {
    let gateway = start("forward_client_cert_details", |config| {
        set(
            config,
            &json!({ "forward_client_cert_details": "ALWAYS_FORWARD_ONLY" }),
        );
    })
    .await;
    let digest = blake3::hash(b"a certificate");
    let thumbprint = URL_SAFE_NO_PAD.encode(digest.as_bytes());
    let mint = Mint::default().scope("api:read");
    let token = gateway
        .idp
        .mint(&mint.claim("cnf", json!({ "x5t#S256": thumbprint })));
    let authorization = format!("Bearer {token}");
    let certificate = format!("Hash={}", digest.to_hex());
    let headers = [
        ("authorization", &*authorization),
        ("x-forwarded-client-cert", &*certificate),
    ];
    assert_eq!(gateway.get("/api/x", &headers).await.status, 401);
    gateway.assert_well().await;
}

/// Another table of routes, by what the client says.
#[tokio::test(flavor = "multi_thread")]
async fn scoped_routes() {
    let setting = "scoped_routes";
    let gateway = start(setting, |config| {
        let manager = at(config, CONNECTION_MANAGER).as_object_mut().unwrap();
        let routes = manager.remove("route_config").unwrap();
        let name = json!({ "name": "x-scope", "element_separator": ",", "index": 0 });
        let scope = json!({
            "name": "scope",
            "key": { "fragments": [{ "string_key": "a" }] },
            "route_configuration": routes,
        });
        manager.insert(
            "scoped_routes".to_owned(),
            json!({
                "name": "scopes",
                "scope_key_builder": { "fragments": [{ "header_value_extractor": name }] },
                "scoped_route_configurations_list": { "scoped_route_configurations": [scope] },
            }),
        );
    })
    .await;
    check(
        setting,
        &gateway,
        &[
            ("GET /api/x HTTP/1.1|host: a", Refused(401)),
            ("GET /api/x HTTP/1.1|host: a|x-scope: a", Refused(401)),
            ("GET /api/x HTTP/1.1|host: a|x-scope: a|WEAK", Refused(403)),
            ("GET /api/x HTTP/1.1|host: a|x-scope: a|GOOD", Reaches(200)),
            ("GET /api/x HTTP/1.1|host: a|x-scope: b|GOOD", Refused(404)),
        ],
    )
    .await;
}
