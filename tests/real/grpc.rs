//! What a gRPC client (Python's grpcio) makes of each answer.

use dev_idp::Fault;
use serde_json::{Value, json};

use crate::authorization_server::address;
use crate::gateway::{Gateway, Setup, plugin, speak_http2_to_the_api};
use crate::program::Program;

/// Calls both methods with this `Authorization`.
async fn call(gateway: &Gateway, authorization: Option<&str>) -> Vec<Value> {
    let calls = ["/api/Echo", "/api/Stream"]
        .map(|method| json!({ "method": method, "authorization": authorization }));
    let settings = json!({ "target": gateway.address.to_string(), "calls": calls });
    let came = Program::run("grpc_client.py", &settings).await;
    came.as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_one_of_grpc() {
    let (_api, port) = Program::serve("grpc_echo.py", &Value::Null).await;
    let mut plugin = plugin();
    plugin["cache"] = json!({ "max_ttl": "0s" });
    let gateway = Gateway::start(Setup {
        plugin,
        edit: speak_http2_to_the_api,
        api: Some(address(&port["http"])),
        ..Setup::default()
    })
    .await;
    let good = format!("Bearer {}", gateway.token("api:write"));
    let weak = format!("Bearer {}", gateway.token("api:read"));
    let outage = Some(Fault::Status { status: 500 });
    let challenge = r#"Bearer realm="test""#;
    for (authorization, fault, code, expected) in [
        (Some(&*good), None, "OK", None),
        (
            None,
            None,
            "UNAUTHENTICATED",
            Some(format!(r#"{challenge}, scope="api:write""#)),
        ),
        (
            Some("Bearer garbage"),
            None,
            "UNAUTHENTICATED",
            Some(format!(r#"{challenge}, error="invalid_token""#)),
        ),
        (
            Some(&*weak),
            None,
            "PERMISSION_DENIED",
            Some(format!(
                r#"{challenge}, error="insufficient_scope", scope="api:write""#
            )),
        ),
        (
            Some("Bearer a b"),
            None,
            "INTERNAL",
            Some(format!(r#"{challenge}, error="invalid_request""#)),
        ),
        (Some(&*good), outage, "UNAVAILABLE", None),
        (Some(&*good), None, "OK", None),
    ] {
        gateway.idp.set_fault(fault);
        for came in call(&gateway, authorization).await {
            assert_eq!(came["code"], code, "{came}");
            let found = came["trailing"]["www-authenticate"].as_str();
            match expected.as_deref() {
                Some(expected) => assert!(found.unwrap().starts_with(expected), "{came}"),
                None => assert_eq!(found, None, "{came}"),
            }
            if code == "OK" {
                assert_eq!(came["reply"], "ab");
            } else {
                // A sentence for people, and no page of JSON.
                let details = came["details"].as_str().unwrap();
                assert!(details.len() > 10 && !details.contains('{'), "{came}");
            }
        }
    }
}
