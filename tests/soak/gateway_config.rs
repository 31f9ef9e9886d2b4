//! The gateway of a run.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::gateway::{CONNECTION_MANAGER, PausedHead, Setup, at, shipped_config};
use crate::run::{Run, TIMEOUT, millis};
use crate::token::{CONSUMERS, ISSUER, Provider};

/// As many as a gateway of some size has.
pub const WORKERS: u32 = 4;

/// Where what is beside the gateway listens.
pub struct Around {
    /// The endpoint of JWTs.
    pub texas: SocketAddr,
    /// The endpoint of opaque tokens.
    pub rfc7662: SocketAddr,
    /// The API.
    pub api: SocketAddr,
}

/// `envoy.yaml`, with a second provider.
pub fn setup(run: &Run, around: &Around) -> Setup {
    let mut sample = shipped_config();
    let clusters = at(&mut sample, "/static_resources/clusters")
        .as_array_mut()
        .unwrap();
    let mut second = clusters[0].clone();
    let port = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    at(&mut second, port)["port_value"] = json!(around.rfc7662.port());
    second["name"] = json!(Provider::Rfc7662.name());
    second["load_assignment"]["cluster_name"] = json!(Provider::Rfc7662.name());
    clusters.push(second);
    Setup {
        sample,
        plugin: plugin(run),
        // A line for each request would be most of the work.
        edit: |config| {
            let manager = at(config, CONNECTION_MANAGER).as_object_mut().unwrap();
            manager.remove("access_log");
        },
        // Each fault is a line for each worker and provider.
        log_level: "error",
        workers: WORKERS,
        paused_head: paused_head(run),
        api: Some(around.api),
        endpoint: Some(around.texas),
        ..Setup::default()
    }
}

/// Every second seed has it the other way, in which bodies come to the filter while it waits.
pub fn paused_head(run: &Run) -> PausedHead {
    if run.seed.is_multiple_of(2) {
        PausedHead::HoldsItself
    } else {
        PausedHead::HoldsAll
    }
}

/// The plugin configuration, which the model knows in its own words.
pub fn plugin(run: &Run) -> Value {
    let duration = |duration| format!("{}ms", millis(duration));
    let timeout = duration(TIMEOUT);
    json!({
        "providers": {
            (Provider::Texas.name()): {
                "cluster": Provider::Texas.name(),
                "endpoint": "http://texas.test/api/v1/introspect",
                "issuers": [ISSUER],
                "timeout": timeout,
            },
            (Provider::Rfc7662.name()): {
                "cluster": Provider::Rfc7662.name(),
                "api": "rfc7662",
                "endpoint": "http://idp.test/introspect",
                "timeout": timeout,
            },
        },
        "rules": [
            { "name": "open", "match": { "path": "/open" }, "anonymous": true },
            {
                "name": "read",
                "match": { "prefix": "/api", "methods": ["GET", "HEAD"] },
                "require": { "scopes": ["api:read"] },
            },
            {
                "name": "write",
                "match": { "prefix": "/api" },
                "require": { "scopes": ["api:write"] },
            },
            { "name": "any", "match": { "path": "/any/x" }, "require": {} },
            {
                "name": "order",
                "match": { "template": "/orders/{id}" },
                "require": { "any_of": [
                    { "scopes": ["api:write"] },
                    { "claims": [{ "claim": "consumer.ID", "equals": CONSUMERS[0] }] },
                ] },
            },
            {
                "name": "texas",
                "match": { "path": "/texas" },
                "providers": [Provider::Texas.name()],
                "require": {},
            },
        ],
        "cache": {
            "max_entries": run.max_entries(),
            "max_ttl": duration(run.max_ttl()),
            "inactive_ttl": duration(run.inactive_ttl()),
            "stale_if_error": duration(run.stale_if_error()),
        },
        "forward": { "claims": { "x-client-id": "client_id" } },
        "challenge": { "realm": "soak" },
    })
}
