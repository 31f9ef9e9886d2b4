//! What happens to one is not to be felt by its neighbours: another plugin in the same VM, and those
//! who are finished in the same call of it.

use dev_idp::{Fault, Mint};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::changes::with_a_nameless_cluster;
use crate::client::http2;
use crate::gateway::{CONNECTION_MANAGER, Gateway, Setup, at, until};
use crate::load::Load;
use crate::model::{KIND, Kind, Spares};
use crate::recorder::Recorder;
use crate::report::{Report, Row};
use crate::scene::{patient, setup, under_load};

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "another listener's plugin in the same VM, flooded and without its endpoint",
            beside,
        ),
        Row::new("1,000 requests wait for one answer", for_one_answer),
    ]
}

/// A second listener of that name, whose plugin has another configuration.
pub fn with_a_listener(config: &mut Value, name: &str, edit: impl FnOnce(&mut Value)) {
    let listeners = at(config, "/static_resources/listeners");
    let mut listener = listeners[0].clone();
    listener["name"] = json!(name);
    let inside = CONNECTION_MANAGER.strip_prefix("/static_resources/listeners/0");
    let plugin = "http_filters/0/typed_config/config/configuration/value";
    edit(at(&mut listener, &format!("{}/{plugin}", inside.unwrap())));
    listeners.as_array_mut().unwrap().push(listener);
}

/// Its plugin asks where nobody is.
fn with_a_neighbour(config: &mut Value) {
    with_a_nameless_cluster(config);
    with_a_listener(config, "neighbour", |plugin| {
        plugin["introspection"]["cluster"] = json!("nameless");
    });
}

async fn beside() -> Report {
    let api = Recorder::start().await;
    let gateway = Gateway::start(Setup {
        edit: with_a_neighbour,
        ..setup(&api)
    })
    .await;
    let neighbour = gateway.listener("neighbour").await;
    let on = async |_: &Gateway, _: &Load| {
        let url = format!("http://{neighbour}/api/x");
        let client = http2();
        for round in 0..10 {
            let requests = (0..100).map(|n| {
                let request = client.get(&url).header(KIND, Kind::Junk.name());
                request.bearer_auth(format!("junk-{round}-{n}")).send()
            });
            for response in join_all(requests).await {
                assert_eq!(response.unwrap().status(), 503);
            }
        }
    };
    under_load(gateway, &api, Spares::Everybody, on, async |_| {}).await
}

/// Far more than one call of the VM finishes.
async fn for_one_answer() -> Report {
    let api = Recorder::start().await;
    let gateway = patient(&api).await;
    let on = async |gateway: &Gateway, _: &Load| {
        gateway.idp.set_fault(Some(Fault::Hold));
        let mint = Mint::default().scope("api:read").lifetime_seconds(600);
        let token = gateway.idp.mint(&mint);
        let url = format!("http://{}/api/x", gateway.address);
        let clients: Vec<_> = (0..10).map(|_| http2()).collect();
        let requests = (0..1000).map(|n| {
            let client = &clients[n % clients.len()];
            let request = client.get(&url).header(KIND, Kind::New.name());
            request.bearer_auth(&token).send()
        });
        let release = async {
            until("all wait", async || gateway.active_requests().await >= 1000).await;
            gateway.idp.set_fault(None);
        };
        let (responses, ()) = futures_util::future::join(join_all(requests), release).await;
        for response in responses {
            assert_eq!(response.unwrap().status(), 200);
        }
    };
    under_load(gateway, &api, Spares::Known, on, async |_| {}).await
}
