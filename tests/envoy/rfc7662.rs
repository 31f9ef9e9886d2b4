//! An RFC 7662 endpoint, and each way to authenticate to it.

use dev_idp::{Client, Mint};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Setup, filter_config, plugin};

const ID: &str = "my:api";
const SECRET: &str = "p:w +%æ";
const BEARER: &str = "own-access-token";

fn setup(client: Option<(&str, &str)>, authentication: Option<Value>) -> Setup {
    let mut plugin = plugin();
    plugin["introspection"] = json!({
        "cluster": "texas",
        "api": "rfc7662",
        "endpoint": "http://idp.example.com/oauth2/introspect",
        "token_type_hint": "access_token",
        "headers": { "x-caller": "portvakt" },
        "parameters": { "resource": "https://api/&x" },
    });
    if let Some(authentication) = authentication {
        plugin["introspection"]["client_authentication"] = authentication;
    }
    Setup {
        plugin,
        client: client.map(|(id, secret)| Client {
            id: id.to_owned(),
            secret: secret.to_owned(),
        }),
        edit: |config| {
            let environment = &mut filter_config(config)["vm_config"]["environment_variables"];
            environment["key_values"]["CLIENT_SECRET"] = json!(SECRET);
        },
        ..Setup::default()
    }
}

async fn check(setup: Setup, expected: u16) -> Gateway {
    let gateway = Gateway::start(setup).await;
    let answer = gateway.get_with(&gateway.token("api:read")).await;
    assert_eq!(answer.status, expected, "{answer:?}\n{}", gateway.log());
    let asked = gateway.idp.last_introspection().unwrap();
    assert_eq!(asked.path, "/oauth2/introspect");
    let body = String::from_utf8(asked.body).unwrap();
    assert!(body.contains("&token_type_hint=access_token"), "{body}");
    assert!(
        body.contains("&resource=https%3A%2F%2Fapi%2F%26x"),
        "{body}"
    );
    for (name, value) in [
        ("host", "idp.example.com"),
        ("x-caller", "portvakt"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept", "application/json"),
    ] {
        let found = asked.headers.iter().find(|(n, _)| n == name);
        let found = found.map(|(_, v)| String::from_utf8_lossy(v).into_owned());
        assert_eq!(found.as_deref(), Some(value), "{name}");
    }
    gateway
}

#[tokio::test(flavor = "multi_thread")]
async fn without_client_authentication() {
    let gateway = check(setup(None, None), 200).await;
    for (case, token, status) in [
        (
            "expired",
            gateway
                .idp
                .mint(&Mint::default().scope("api:read").lifetime_seconds(-120)),
            401,
        ),
        ("garbage", "abc".to_owned(), 401),
        ("+/= must arrive as they are", "a+b/c==".to_owned(), 401),
        ("other scope", gateway.token("api:other"), 403),
    ] {
        assert_eq!(gateway.get_with(&token).await.status, status, "{case}");
    }
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_each_client_authentication() {
    for authentication in [
        json!({ "method": "client_secret_basic", "client_id": ID, "secret": { "inline": SECRET } }),
        json!({ "method": "client_secret_basic", "client_id": ID, "secret": { "env": "CLIENT_SECRET" } }),
        json!({ "method": "client_secret_post", "client_id": ID, "secret": { "inline": SECRET } }),
    ] {
        let gateway = check(setup(Some((ID, SECRET)), Some(authentication)), 200).await;
        gateway.assert_well().await;
    }
    let bearer = json!({ "method": "bearer", "secret": { "inline": BEARER } });
    check(setup(Some(("any", BEARER)), Some(bearer)), 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_wrong_secret_is_not_the_clients_fault() {
    let wrong = json!({ "method": "client_secret_basic", "client_id": ID, "secret": { "inline": "wrong" } });
    let gateway = check(setup(Some((ID, SECRET)), Some(wrong)), 503).await;
    let misconfigured = "wasmcustom.portvakt.introspections.outcome.misconfigured";
    gateway.assert_stat(misconfigured, 1).await;
    assert!(gateway.log().contains("introspection is misconfigured"));
}
