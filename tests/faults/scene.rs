//! One row: traffic, a fault in the middle of it, and what came of it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::gateway::{Gateway, Setup, connect_patiently, plugin};
use crate::load::{Load, Target};
use crate::model::Spares;
use crate::recorder::Recorder;
use crate::report::Report;

/// Answers before the fault, at least in it, and after it.
pub const ANSWERS: usize = 150;

/// A known token's time is up within a fault, and it is asked about before and after it.
pub fn short_lived() -> Value {
    let mut plugin = plugin();
    plugin["introspection"]["timeout"] = json!("1s");
    plugin["cache"] = json!({ "max_ttl": "1s", "inactive_ttl": "1s" });
    plugin
}

/// Likewise, where the endpoint is to answer however late the machine lets it.
pub fn unhurried() -> Value {
    let mut plugin = short_lived();
    plugin["introspection"]["timeout"] = json!("3s");
    plugin
}

/// A gateway of two workers before this API, for most rows. A busy machine is slow to accept
/// hundreds of connections to the API at once: Envoy must not answer for it with 503.
pub fn setup(api: &Recorder) -> Setup {
    Setup {
        edit: connect_patiently,
        api: Some(api.address),
        plugin: short_lived(),
        workers: 2,
        log_level: "info",
        ..Setup::default()
    }
}

/// A gateway that lets many wait for an answer.
pub async fn patient(api: &Recorder) -> Gateway {
    let mut plugin = short_lived();
    plugin["introspection"]["timeout"] = json!("10s");
    Gateway::start(Setup {
        plugin,
        ..setup(api)
    })
    .await
}

/// Switches a fault on that nothing takes away.
pub async fn for_good(
    gateway: Gateway,
    api: &Recorder,
    spares: Spares,
    on: impl AsyncFnOnce(&Gateway, &Load),
) -> Report {
    let gateway = Arc::new(gateway);
    let load = Load::start(&gateway, &Target::usual(gateway.address));
    load.answers(ANSWERS).await;
    load.fault_begins(spares);
    on(&gateway, &load).await;
    Report::new(load.end().await, &api.heads())
}

/// Switches a fault on and off under load. `on` returns when it has shown itself.
pub async fn under_load(
    gateway: Gateway,
    api: &Recorder,
    spares: Spares,
    on: impl AsyncFnOnce(&Gateway, &Load),
    off: impl AsyncFnOnce(&Gateway),
) -> Report {
    let gateway = Arc::new(gateway);
    let load = Load::start(&gateway, &Target::usual(gateway.address));
    load.answers(ANSWERS).await;
    load.fault_begins(spares);
    on(&gateway, &load).await;
    off(&gateway).await;
    load.fault_ends();
    load.until_well().await;
    load.answers(ANSWERS).await;
    let tally = load.end().await;
    Report::new(tally, &api.heads())
}
