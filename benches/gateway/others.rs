//! What one would use in Portvakt's place, as Envoy is told to.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::gateway::{CONNECTION_MANAGER, Setup, at, http_filters};

/// Answers without an upstream, so that the filter's share is as large as it can be.
pub fn answer_directly(config: &mut Value) {
    let route = format!("{CONNECTION_MANAGER}/route_config/virtual_hosts/0/routes/0");
    *at(config, &route) = json!({
        "match": { "prefix": "/" },
        "direct_response": { "status": 200, "body": { "inline_string": "ok" } },
    });
    let manager = at(config, CONNECTION_MANAGER).as_object_mut().unwrap();
    manager.remove("access_log");
}

fn without_portvakt(config: &mut Value) {
    answer_directly(config);
    http_filters(config).retain(|filter| filter["name"] != "portvakt");
}

/// The gateway without any filter but the router.
pub fn nothing() -> Setup {
    Setup {
        edit: without_portvakt,
        ..Setup::default()
    }
}

/// The gateway with this filter in Portvakt's place.
fn filter(name: &str, mut config: Value) -> Setup {
    let mut setup = nothing();
    let package = name.trim_start_matches("envoy.filters.http.");
    let message = match package {
        "lua" => "Lua",
        "jwt_authn" => "JwtAuthentication",
        "ext_authz" => "ExtAuthz",
        _ => panic!("{name} is no filter that is known here"),
    };
    config["@type"] = json!(format!(
        "type.googleapis.com/envoy.extensions.filters.http.{package}.v3.{message}"
    ));
    let filters = http_filters(&mut setup.sample);
    filters.insert(1, json!({ "name": name, "typed_config": config }));
    setup
}

/// `jwt_authn` with these keys at hand. It remembers so many verified tokens; 0: none.
pub fn jwt_authn(jwks: &str, remembered: usize) -> Setup {
    let mut provider = json!({
        "issuer": "https://test.maskinporten.no/",
        "local_jwks": { "inline_string": jwks },
        "forward": true,
    });
    if remembered > 0 {
        provider["jwt_cache_config"] = json!({ "jwt_cache_size": remembered });
    }
    filter(
        "envoy.filters.http.jwt_authn",
        json!({
            "providers": { "maskinporten": provider },
            "rules": [{
                "match": { "prefix": "/" },
                "requires": { "provider_name": "maskinporten" },
            }],
        }),
    )
}

/// `lua` asking the endpoint about each request's token.
pub fn lua() -> Setup {
    let code = json!({ "inline_string": include_str!("introspect.lua") });
    filter(
        "envoy.filters.http.lua",
        json!({ "default_source_code": code }),
    )
}

/// `ext_authz` asking this service, over HTTP, about each request.
pub fn ext_authz(service: SocketAddr) -> Setup {
    let mut setup = filter(
        "envoy.filters.http.ext_authz",
        json!({
            "http_service": {
                "server_uri": {
                    "uri": format!("http://{service}"),
                    "cluster": "authz",
                    "timeout": "20s",
                },
            },
        }),
    );
    let clusters = at(&mut setup.sample, "/static_resources/clusters");
    let mut cluster = clusters[0].clone();
    cluster["name"] = json!("authz");
    let assignment = &mut cluster["load_assignment"];
    assignment["cluster_name"] = json!("authz");
    *at(
        assignment,
        "/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value",
    ) = json!(service.port());
    clusters.as_array_mut().unwrap().push(cluster);
    setup
}
