//! Two plugins in one VM, each with rules and an endpoint of its own: in one chain, on two routes, on
//! two listeners. The endpoint of the second is out, and the first is not to feel it.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::gateway::{
    CONNECTION_MANAGER, Edit, Form, Gateway, Setup, at, http_filters, shipped_config, until,
};
use crate::line::{Line, State};
use crate::load::{Load, Target};
use crate::model::Spares;
use crate::neighbours::with_a_listener;
use crate::recorder::Recorder;
use crate::report::{Report, Row};
use crate::scene::{ANSWERS, setup, under_load, unhurried};
use crate::stats::lookups;

/// The second plugin, and the cluster of its endpoint.
const SECOND: &str = "second";

pub fn rows() -> Vec<Row> {
    vec![
        Row::new("two plugins in a chain, the second's endpoint down", || {
            in_a_chain()
        }),
        Row::new(
            "two plugins, each on its routes, one's endpoint down",
            || {
                apart(on_routes, async |gateway| Target {
                    address: gateway.address,
                    paths: ["/second/x", "/second/open"],
                    scopes: ["other", "api:read"],
                })
            },
        ),
        Row::new(
            "two plugins, each on its listener, one's endpoint down",
            || {
                apart(on_listeners, async |gateway| Target {
                    address: gateway.listener(SECOND).await,
                    paths: ["/second/x", "/second/open"],
                    scopes: ["other", "api:read"],
                })
            },
        ),
    ]
}

/// The usual rules, but for the scope; `None`: any token that is active.
fn plugin(cluster: &str, scope: Option<&str>) -> Value {
    let scopes: Vec<_> = scope.into_iter().collect();
    let requirement = scope.map_or(json!({}), |_| json!({ "scopes": scopes }));
    let mut plugin = unhurried();
    plugin["introspection"]["cluster"] = json!(cluster);
    plugin["rules"] = json!([
        { "match": { "path": "/open" }, "anonymous": true },
        { "match": { "path": "/second/open" }, "anonymous": true },
        { "match": { "prefix": "/" }, "require": requirement },
    ]);
    plugin
}

/// `envoy.yaml` with a second cluster, whose endpoint is there.
fn with_a_second_cluster(address: SocketAddr) -> Value {
    let mut config = shipped_config();
    let clusters = at(&mut config, "/static_resources/clusters");
    let mut cluster = clusters[0].clone();
    cluster["name"] = json!(SECOND);
    let port =
        "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
    *at(&mut cluster, port) = json!(address.port());
    clusters.as_array_mut().unwrap().push(cluster);
    config
}

/// A second filter behind the first.
fn add_a_filter(config: &mut Value, plugin: &Value) {
    let filters = http_filters(config);
    let mut filter = filters[0].clone();
    filter["name"] = json!(SECOND);
    filter["typed_config"]["config"]["configuration"] = Form::Native.of(plugin);
    filters.insert(1, filter);
}

async fn start(api: &Recorder, line: &Line, first: Value, edit: Edit) -> Gateway {
    let gateway = Gateway::start(Setup {
        sample: with_a_second_cluster(line.address),
        plugin: first,
        edit,
        ..setup(api)
    })
    .await;
    line.leads_to(gateway.idp.idp_addr());
    gateway
}

/// The first lets every active token on, the second asks for the scope: so each refuses somebody
/// whom the other does not.
async fn in_a_chain() -> Report {
    let (api, line) = (Recorder::start().await, Line::open().await);
    let edit: Edit = |config| add_a_filter(config, &plugin(SECOND, Some("api:read")));
    let gateway = start(&api, &line, plugin("texas", None), edit).await;
    let on = async |gateway: &Gateway, load: &Load| {
        line.set(State::Down);
        is_down(gateway, load).await;
    };
    let off = async |_: &Gateway| line.set(State::Up);
    under_load(gateway, &api, Spares::RefusedBefore, on, off).await
}

async fn is_down(gateway: &Gateway, load: &Load) {
    load.shows(20).await;
    until("known tokens outlive their time", async || {
        gateway.stat(&lookups("stale")).await > 0
    })
    .await;
    load.answers(ANSWERS).await;
}

/// Each is switched off on the other's routes: there is no configuration by route.
fn on_routes(config: &mut Value) {
    add_a_filter(config, &plugin(SECOND, Some("other")));
    let routes = format!("{CONNECTION_MANAGER}/route_config/virtual_hosts/0/routes");
    let routes = at(config, &routes);
    let without = |name: &str, condition: Value| {
        let mut route = routes[0].clone();
        route["match"] = condition;
        route["typed_per_filter_config"][name] = json!({
            "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
            "disabled": true,
        });
        route
    };
    *routes = json!([
        without("portvakt", json!({ "path_separated_prefix": "/second" })),
        without(SECOND, json!({ "prefix": "/" })),
    ]);
}

fn on_listeners(config: &mut Value) {
    with_a_listener(config, SECOND, |configuration| {
        *configuration = plugin(SECOND, Some("other"));
    });
}

/// What is good at one is no good at the other.
async fn apart(edit: Edit, target: impl AsyncFnOnce(&Gateway) -> Target) -> Report {
    let (api, line) = (Recorder::start().await, Line::open().await);
    let gateway = start(&api, &line, unhurried(), edit).await;
    let gateway = Arc::new(gateway);
    let second = Load::start(&gateway, &target(&gateway).await);
    let first = Load::start(&gateway, &Target::usual(gateway.address));
    for (load, spares) in [(&first, Spares::Everybody), (&second, Spares::Known)] {
        load.answers(ANSWERS).await;
        load.fault_begins(spares);
    }
    line.set(State::Down);
    is_down(&gateway, &second).await;
    line.set(State::Up);
    for load in [&first, &second] {
        load.fault_ends();
    }
    for load in [&first, &second] {
        load.until_well().await;
    }
    first.answers(ANSWERS).await;
    let (first, second) = (first.end().await, second.end().await);
    Report::new(first.and(second), &api.heads())
}
