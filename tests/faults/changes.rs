//! Envoy changes under load: another configuration, a cluster or name that is missing, a drain.

use serde_json::{Value, json};

use crate::client::request;
use crate::gateway::{Discovery, Gateway, Setup, at, until};
use crate::load::Load;
use crate::model::Spares;
use crate::realm::{until_realm, with_realm};
use crate::recorder::Recorder;
use crate::report::{Report, Row};
use crate::scene::{ANSWERS, setup, short_lived, under_load};

pub fn rows() -> Vec<Row> {
    vec![
        Row::new("five new configurations by ECDS", || {
            reconfigured(Discovery::Extension)
        }),
        Row::new("five new configurations by LDS: listeners drain", || {
            reconfigured(Discovery::Listener)
        }),
        Row::new("a configuration that is refused", refused),
        Row::new("the endpoint's cluster missing from the bootstrap", || {
            astray("texsa")
        }),
        Row::new("the endpoint's name that does not resolve", || {
            astray("nameless")
        }),
        Row::new("hot restart: another Envoy takes over", restarted),
        Row::new("listeners drain gracefully, by the admin", drained),
    ]
}

/// A cluster whose name nobody knows, beside the others.
pub fn with_a_nameless_cluster(config: &mut Value) {
    let clusters = at(config, "/static_resources/clusters");
    let mut cluster = clusters[0].clone();
    cluster["name"] = json!("nameless");
    cluster["type"] = json!("STRICT_DNS");
    cluster["load_assignment"]["cluster_name"] = json!("nameless");
    let endpoint = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint";
    *at(
        &mut cluster,
        &format!("{endpoint}/address/socket_address/address"),
    ) = json!("texas.invalid");
    clusters.as_array_mut().unwrap().push(cluster);
}

async fn start(api: &Recorder, discovery: Discovery) -> Gateway {
    Gateway::start(Setup {
        discovery,
        edit: with_a_nameless_cluster,
        ..setup(api)
    })
    .await
}

async fn reconfigured(discovery: Discovery) -> Report {
    let api = Recorder::start().await;
    let gateway = start(&api, discovery).await;
    let on = async |gateway: &Gateway, _: &Load| {
        for n in 0..5 {
            let realm = format!("realm{n}");
            gateway.reconfigure(&with_realm(short_lived(), &realm));
            until_realm(gateway, &realm).await;
        }
    };
    under_load(gateway, &api, Spares::Everybody, on, async |_| {}).await
}

async fn refused() -> Report {
    let api = Recorder::start().await;
    let gateway = start(&api, Discovery::Extension).await;
    let on = async |gateway: &Gateway, load: &Load| {
        let mut bad = short_lived();
        bad["rules"] = json!([]);
        gateway.reconfigure(&bad);
        until("Envoy has refused it", async || {
            gateway.log().contains("configuration: rules")
        })
        .await;
        load.answers(ANSWERS).await;
    };
    let off = async |gateway: &Gateway| gateway.reconfigure(&short_lived());
    under_load(gateway, &api, Spares::Everybody, on, off).await
}

async fn astray(cluster: &'static str) -> Report {
    let api = Recorder::start().await;
    let gateway = start(&api, Discovery::Extension).await;
    let on = async |gateway: &Gateway, load: &Load| {
        let mut plugin = with_realm(short_lived(), "astray");
        plugin["introspection"]["cluster"] = json!(cluster);
        gateway.reconfigure(&plugin);
        until_realm(gateway, "astray").await;
        load.shows(20).await;
        load.answers(ANSWERS).await;
    };
    let off = async |gateway: &Gateway| {
        gateway.reconfigure(&with_realm(short_lived(), "back"));
        until_realm(gateway, "back").await;
    };
    under_load(gateway, &api, Spares::TokenLess, on, off).await
}

/// The new one is given the old one's sockets by their port: it must not be any port.
fn listen_on_a_port_of_its_own(config: &mut Value) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = "/static_resources/listeners/0/address/socket_address/port_value";
    *at(config, port) = json!(free.local_addr().unwrap().port());
}

async fn restarted() -> Report {
    let api = Recorder::start().await;
    let gateway = Gateway::start(Setup {
        hot_restart: true,
        edit: listen_on_a_port_of_its_own,
        ..setup(&api)
    })
    .await;
    let on = async |gateway: &Gateway, _: &Load| gateway.restart().await;
    under_load(gateway, &api, Spares::Everybody, on, async |_| {}).await
}

/// Connections are asked to end one by one, and no request with them.
async fn drained() -> Report {
    let api = Recorder::start().await;
    let gateway = start(&api, Discovery::None).await;
    let on = async |gateway: &Gateway, load: &Load| {
        let path = b"POST /drain_listeners?graceful&skip_exit";
        let answer = request(gateway.admin, path, &[], b"").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        load.answers(4 * ANSWERS).await;
    };
    under_load(gateway, &api, Spares::Everybody, on, async |_| {}).await
}
