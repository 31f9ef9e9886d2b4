//! An RFC 7662 endpoint, and each way to authenticate to it.

use dev_idp::{Client, Fault, Mint};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Setup, filter_config, plugin};
use crate::stats::introspections;

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
    let misconfigured = &introspections("misconfigured");
    gateway.assert_stat(misconfigured, 1).await;
    assert!(gateway.log().contains("introspection is misconfigured"));
}

/// How often introspection has come to this.
async fn count(gateway: &Gateway, outcome: &str) -> u64 {
    let metric = introspections(outcome);
    gateway.stat(&metric).await
}

/// What a client can bring about with a token of its own: no 503, and no word to the operator.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_speaks_of_the_token_is_an_inactive_token() {
    let unsupported = r#"{"error":"unsupported_token_type","error_description":"no JWTs"}"#;
    let mut with_statuses = setup(None, None);
    with_statuses.plugin["introspection"]["inactive_statuses"] = json!([404, 410]);
    for (setup, refusals) in [
        (
            setup(None, None),
            [
                (400, unsupported),
                (400, r#"{"error":"unsupported_token_type"}"#),
            ],
        ),
        (with_statuses, [(400, unsupported), (410, "")]),
    ] {
        let gateway = Gateway::start(setup).await;
        for (number, (status, body)) in refusals.into_iter().enumerate() {
            gateway.idp.set_fault(Some(Fault::Body {
                status,
                body: body.to_owned(),
            }));
            let token = gateway.token(&format!("api:read {number}"));
            let asked = gateway.idp.introspections();
            for _ in 0..2 {
                let answer = gateway.get_with(&token).await;
                assert_eq!(answer.status, 401, "{status} {body}: {answer:?}");
                let challenge = answer.header("www-authenticate").unwrap();
                assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
            }
            assert_eq!(gateway.idp.introspections(), asked + 1, "it is remembered");
        }
        gateway
            .assert_stat(&introspections("inactive_status"), 2)
            .await;
        let label =
            r#"portvakt_introspections_total{outcome="inactive_status",provider="default"} 2"#;
        assert!(gateway.prometheus().await.contains(label));
        for outcome in ["inactive", "misconfigured"] {
            assert_eq!(count(&gateway, outcome).await, 0, "{outcome}");
        }
        assert!(
            !gateway.log().contains("tokens cannot be checked"),
            "{}",
            gateway.log()
        );
        gateway.assert_well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_other_refusal_is_ours() {
    let mut setup = setup(None, None);
    setup.plugin["introspection"]["inactive_statuses"] = json!([404]);
    let gateway = Gateway::start(setup).await;
    for (number, (status, body)) in [
        (400, r#"{"error":"invalid_request"}"#),
        (
            400,
            r#"{"error":"unsupported_token_type","error":"invalid_request"}"#,
        ),
        (401, r#"{"error":"unsupported_token_type"}"#),
        (410, ""),
    ]
    .into_iter()
    .enumerate()
    {
        gateway.idp.set_fault(Some(Fault::Body {
            status,
            body: body.to_owned(),
        }));
        let token = gateway.token(&format!("api:read {number}"));
        assert_eq!(
            gateway.get_with(&token).await.status,
            503,
            "{status} {body}"
        );
    }
    gateway
        .assert_stat(&introspections("misconfigured"), 4)
        .await;
    assert_eq!(count(&gateway, "inactive_status").await, 0);
    gateway.assert_well().await;
}
