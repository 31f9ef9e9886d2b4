//! Tokens that cannot be right: the endpoint is spared, and nobody outside can tell that it was.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dev_idp::{Algorithm, Kid, Mint};
use serde_json::{Value, json};

use crate::client::Answer;
use crate::gateway::{Gateway, Setup, plugin};
use crate::stats::decisions;

const ISSUER: &str = "https://test.maskinporten.no/";

fn setup() -> Setup {
    let mut plugin = plugin();
    plugin["jwt_precheck"] = json!({ "issuer": ISSUER });
    Setup {
        plugin,
        ..Setup::default()
    }
}

fn part(json: &str) -> String {
    URL_SAFE_NO_PAD.encode(json)
}

/// All that can be seen of an answer but when it was given.
fn seen(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| name != "date");
    (answer.status, headers, answer.text())
}

/// A token is answered as expected, after so many callouts.
async fn check(gateway: &Gateway, case: &str, token: &str, expected: (u16, usize)) -> Answer {
    let asked = gateway.idp.introspections();
    let answer = gateway.get_with(token).await;
    let callouts = gateway.idp.introspections() - asked;
    assert_eq!((answer.status, callouts), expected, "{case}: {answer:?}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn hopeless_tokens_are_answered_like_inactive_ones() {
    let gateway = Gateway::start(setup()).await;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let now = now.as_secs();
    let mint = || Mint::default().scope("api:read");
    let mint = |name: &str, value: Value| gateway.idp.mint(&mint().claim(name, value));
    let good = gateway.token("api:read");
    let parts: Vec<_> = good.split('.').collect();
    let (payload, signature) = (parts[1], parts[2]);
    let unsigned = |header: &str| format!("{}.{payload}.{signature}", part(header));
    let hopeless = [
        ("no JWT", "garbage".to_owned()),
        ("a UUID", "0b4f36c1-7f6d-4b0a-8e1f-1f5a0e0c2a11".to_owned()),
        ("no signature", format!("{}.{payload}", parts[0])),
        ("an empty signature", format!("{}.{payload}.", parts[0])),
        (
            "an encrypted token",
            format!("{good}.{signature}.{payload}"),
        ),
        ("padding", format!("{good}=")),
        ("no base64url", format!("{}.{payload}.a+/b", parts[0])),
        ("a header that is no JSON", unsigned("alg")),
        (
            "a payload that is no object",
            format!("{}.{}.{signature}", parts[0], part("[]")),
        ),
        ("no algorithm", unsigned("{}")),
        ("the algorithm none", unsigned(r#"{"alg":"none"}"#)),
        ("the algorithm nOnE", unsigned(r#"{"alg":"nOnE"}"#)),
        ("no issuer", mint("iss", Value::Null)),
        (
            "another issuer",
            mint("iss", json!("https://maskinporten.no/")),
        ),
        // Read as JSON if the module were built with serde_json's feature `raw_value`.
        (
            "a text of JSON",
            mint(
                "iss",
                json!({ "$serde_json::private::RawValue": format!("\"{ISSUER}\"") }),
            ),
        ),
        (
            "no slash",
            mint("iss", json!("https://test.maskinporten.no")),
        ),
        ("expired", mint("exp", json!(now - 120))),
        ("an exp that is no time", mint("exp", json!("never"))),
        ("not valid yet", mint("nbf", json!(now + 3600))),
    ];
    let mut answers = Vec::new();
    for (case, token) in &hopeless {
        // Nothing is remembered of it: each time is like the first.
        for _ in 0..2 {
            answers.push((case, check(&gateway, case, token, (401, 0)).await));
        }
    }
    let refused = u64::try_from(answers.len()).unwrap();
    gateway
        .assert_stat(&decisions("deny", "precheck"), refused)
        .await;
    gateway
        .assert_stat(&decisions("deny", "invalid_token"), 0)
        .await;

    let inactive = gateway.idp.mint(&Mint::default().kid(Kid::Unknown));
    let inactive = check(&gateway, "inactive", &inactive, (401, 1)).await;
    for (case, answer) in answers {
        assert_eq!(seen(&answer), seen(&inactive), "{case}");
    }
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_right_is_asked_about() {
    let gateway = Gateway::start(setup()).await;
    let mint = || Mint::default().scope("api:read");
    for (case, token, status) in [
        ("good", mint(), 200),
        ("another scope", mint().scope("other"), 403),
        // Clocks may differ by a minute; this endpoint thinks so too.
        ("just expired", mint().lifetime_seconds(-20), 200),
        ("forged", mint().algorithm(Algorithm::Hs256), 401),
        ("an unknown key", mint().kid(Kid::Unknown), 401),
    ] {
        let token = gateway.idp.mint(&token);
        check(&gateway, case, &token, (status, 1)).await;
    }
    let precheck = &decisions("deny", "precheck");
    gateway.assert_stat(precheck, 0).await;
    gateway.assert_well().await;
}

/// Where no token is asked for, none is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_hopeless_token_closes_no_open_door() {
    let gateway = Gateway::start(setup()).await;
    let headers = [("authorization", "Bearer garbage")];
    for (path, status) in [("/open", 200), ("/other", 403), ("/api/x", 401)] {
        let answer = gateway.get(path, &headers).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    assert_eq!(gateway.idp.introspections(), 0);
}
