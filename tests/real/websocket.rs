//! What a WebSocket client (Python's websockets) makes of each answer to its handshake.

use dev_idp::Fault;
use serde_json::{Value, json};

use crate::authorization_server::address;
use crate::gateway::{CONNECTION_MANAGER, Gateway, Setup, at, plugin};
use crate::program::Program;

fn upgrades(config: &mut Value) {
    let manager = at(config, CONNECTION_MANAGER);
    manager["upgrade_configs"] = json!([{ "upgrade_type": "websocket" }]);
}

async fn open(gateway: &Gateway, authorizations: &[Option<&str>]) -> Value {
    let url = format!("ws://{}/api/socket", gateway.address);
    let settings = json!({ "url": url, "authorizations": authorizations });
    Program::run("websocket_client.py", &settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_passes_or_is_refused_with_a_reason() {
    let (_api, port) = Program::serve("websocket_echo.py", &Value::Null).await;
    let mut plugin = plugin();
    plugin["cache"] = json!({ "max_ttl": "0s" });
    let gateway = Gateway::start(Setup {
        plugin,
        edit: upgrades,
        api: Some(address(&port["http"])),
        ..Setup::default()
    })
    .await;
    let good = format!("Bearer {}", gateway.token("api:read"));
    let weak = format!("Bearer {}", gateway.token("other"));
    let authorizations = [Some(&*good), None, Some("Bearer garbage"), Some(&*weak)];
    let came = open(&gateway, &authorizations).await;
    let challenge = |rest: &str| format!(r#"Bearer realm="test", {rest}"#);
    assert_eq!(
        came[0],
        json!({ "status": 101, "reply": ["first", "second"] })
    );
    for (index, status, expected) in [
        (1, 401, challenge(r#"scope="api:read""#)),
        (2, 401, challenge(r#"error="invalid_token""#)),
        (3, 403, challenge(r#"error="insufficient_scope""#)),
    ] {
        assert_eq!(came[index]["status"], status, "{came}");
        let found = came[index]["challenge"].as_str().unwrap();
        assert!(found.starts_with(&expected), "{came}");
    }
    gateway.idp.set_fault(Some(Fault::Status { status: 500 }));
    let came = open(&gateway, &[Some(&*good)]).await;
    assert_eq!(came, json!([{ "status": 503, "challenge": null }]));
}
