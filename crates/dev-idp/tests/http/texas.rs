//! Texas's introspection endpoint.

use std::collections::HashSet;

use dev_idp::{DevIdp, DevIdpConfig, IdentityProvider, Mint};
use reqwest::header::HeaderName;
use serde_json::{Value, json};

use crate::support::{FORM, TEXAS, clients, post, start, url};

const JSON: &str = "application/json";

async fn ask(idp: &DevIdp, content_type: &str, body: String) -> (u16, String) {
    let (status, body) = post(&url(idp.idp_addr(), TEXAS), content_type, body).await;
    (status.as_u16(), body)
}

fn json_body(provider: &str, token: &str) -> String {
    json!({"identity_provider": provider, "token": token}).to_string()
}

#[tokio::test]
async fn a_good_token_is_active_with_its_claims_in_either_content_type() {
    let idp = start().await;
    let token = idp.mint(&Mint::default().scope("a:b c:d").claim("pid", "1"));
    let form = format!("identity_provider=maskinporten&token={token}");
    let cases = [
        (JSON, json_body("maskinporten", &token)),
        (
            "application/json; charset=utf-8",
            json_body("maskinporten", &token),
        ),
        (FORM, form.clone()),
        (
            "application/x-www-form-urlencoded;charset=UTF-8",
            form.clone(),
        ),
        (FORM, form + "&other=1"),
        (
            JSON,
            json!({"identity_provider": "maskinporten", "token": token, "x": 1}).to_string(),
        ),
    ];
    for (content_type, body) in cases {
        let (status, answer) = ask(&idp, content_type, body).await;
        assert_eq!(status, 200, "{content_type}: {answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["active"], true);
        assert_eq!(answer["scope"], "a:b c:d");
        assert_eq!(answer["pid"], "1");
        assert_eq!(answer["consumer"]["ID"], "0192:910753614");
        assert_eq!(answer.get("error"), None);
    }
}

#[tokio::test]
async fn what_cannot_be_confirmed_is_inactive_with_the_reason() {
    let idp = start().await;
    let good = idp.mint(&Mint::default());
    let expired = idp.mint(&Mint::default().lifetime_seconds(-90));
    let cases = [
        (
            "maskinporten",
            expired.as_str(),
            "invalid token: ExpiredSignature",
        ),
        ("maskinporten", "", "invalid token header: InvalidToken"),
        (
            "entra_id",
            &good,
            "identity provider 'entra_id' is not enabled",
        ),
        (
            "azuread",
            &good,
            "identity provider 'entra_id' is not enabled",
        ),
        (
            "idporten",
            &good,
            "identity provider 'idporten' is not enabled",
        ),
        ("tokenx", &good, "identity provider 'tokenx' is not enabled"),
    ];
    for (provider, token, error) in cases {
        let expected = json!({"active": false, "error": error}).to_string();
        let form = format!("identity_provider={provider}&token={token}");
        assert_eq!(
            ask(&idp, JSON, json_body(provider, token)).await,
            (200, expected.clone())
        );
        assert_eq!(ask(&idp, FORM, form).await, (200, expected));
    }
}

#[tokio::test]
async fn a_bad_request_is_400_and_says_nothing_of_active() {
    let idp = start().await;
    let provider = "identity_provider=maskinporten";
    let cases = [
        (JSON, "{".to_owned()),
        (JSON, String::new()),
        (JSON, json!({"token": "t"}).to_string()),
        (
            JSON,
            json!({"identity_provider": "maskinporten"}).to_string(),
        ),
        (
            JSON,
            json!({"identity_provider": "maskinporten", "token": 1}).to_string(),
        ),
        (JSON, json_body("Maskinporten", "t")),
        (JSON, json_body("nobody", "t")),
        (
            JSON,
            r#"{"identity_provider":"maskinporten","token":"t","token":"t"}"#.to_owned(),
        ),
        (JSON, json_body("maskinporten", &"x".repeat(3_000_000))),
        (FORM, String::new()),
        (FORM, "token=t".to_owned()),
        (FORM, provider.to_owned()),
        (FORM, "identity_provider=nobody&token=t".to_owned()),
        (FORM, format!("{provider}&token=t&token=t")),
        (FORM, format!("{provider}&{provider}&token=t")),
        ("Application/JSON", json_body("maskinporten", "t")),
        ("text/plain", json_body("maskinporten", "t")),
    ];
    for (content_type, body) in cases {
        let case = format!("{content_type}: {body:.80}");
        let (status, answer) = ask(&idp, content_type, body).await;
        assert_eq!(status, 400, "{case}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["error"], "invalid_request", "{case}");
        assert!(answer["error_description"].is_string(), "{case}");
        assert_eq!(answer.get("active"), None, "{case}");
    }
}

#[tokio::test]
async fn other_methods_and_paths_are_refused_with_an_empty_body() {
    let idp = start().await;
    let cases = [
        ("GET", TEXAS, 405, Some("POST")),
        ("PUT", TEXAS, 405, Some("POST")),
        ("POST", "/api/v1/introspect/", 404, None),
        ("POST", "/introspect", 404, None),
    ];
    for client in clients() {
        for (method, path, status, allow) in cases {
            let response = client
                .request(method.parse().unwrap(), url(idp.idp_addr(), path))
                .send()
                .await
                .unwrap();
            let allowed = response
                .headers()
                .get("allow")
                .map(|value| value.to_str().unwrap());
            assert_eq!(
                (response.status().as_u16(), allowed),
                (status, allow),
                "{method} {path}"
            );
            assert_eq!(response.text().await.unwrap(), "", "{method} {path}");
        }
    }
    assert_eq!(idp.introspections(), 0);
}

#[tokio::test]
async fn the_answers_headers_are_few() {
    let idp = start().await;
    for client in clients() {
        let request = client.post(url(idp.idp_addr(), TEXAS)).json(&json!({}));
        let response = request.send().await.unwrap();
        let names: HashSet<&str> = response.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(
            names,
            HashSet::from(["content-type", "content-length", "date"])
        );
        assert_eq!(response.headers()["content-type"], "application/json");
    }
}

#[tokio::test]
async fn a_claim_named_active_or_error_makes_a_duplicate_key() {
    let idp = start().await;
    for (name, value, key) in [
        ("active", json!(false), r#""active":false"#),
        ("error", json!("no"), r#""error":"no""#),
    ] {
        let token = idp.mint(&Mint::default().claim(name, value));
        let (status, answer) = ask(&idp, JSON, json_body("maskinporten", &token)).await;
        assert_eq!(status, 200);
        assert!(answer.starts_with(r#"{"active":true,"#), "{answer}");
        assert!(answer.contains(key), "{answer}");
    }
}

#[tokio::test]
async fn the_claims_come_in_another_order_each_time() {
    let idp = start().await;
    let token = idp.mint(&Mint::default());
    let mut seen = HashSet::new();
    for _ in 0..10 {
        seen.insert(ask(&idp, JSON, json_body("maskinporten", &token)).await.1);
    }
    assert!(seen.len() > 1, "{seen:?}");
}

/// Each token is active at its own identity provider, and at no other.
#[tokio::test]
async fn every_identity_provider_knows_its_own_tokens() {
    let all = IdentityProvider::ALL;
    let idp = DevIdp::start(DevIdpConfig {
        identity_providers: all.to_vec(),
        ..DevIdpConfig::default()
    })
    .await
    .unwrap();
    for minted in all {
        let token = idp.mint(&Mint::of(minted));
        for asked in all {
            let (status, answer) = ask(&idp, JSON, json_body(asked.name(), &token)).await;
            assert_eq!(status, 200);
            let answer: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(
                answer["active"],
                minted == asked,
                "{minted:?} at {asked:?}: {answer}"
            );
            if minted == asked {
                assert_eq!(answer["iss"], minted.issuer());
            } else {
                let error = "token can not be validated with this identity provider";
                assert_eq!(answer["error"], error, "{minted:?} at {asked:?}");
            }
        }
        // By the standard's endpoint all of them are known.
        let introspect = url(idp.idp_addr(), "/oauth2/introspect");
        let (_, answer) = post(&introspect, FORM, format!("token={token}")).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["iss"], minted.issuer());
        // A token of one, signed with the key of another, is nobody's.
        let forged = idp.mint(&Mint::of(minted).claim("iss", "https://elsewhere/"));
        let (_, answer) = ask(&idp, JSON, json_body(minted.name(), &forged)).await;
        assert!(answer.contains("InvalidIssuer"), "{answer}");
    }
}
