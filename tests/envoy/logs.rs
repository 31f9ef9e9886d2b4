//! What the filter says of refusals in Envoy's log, at debug: which rule, which requirement, which
//! precheck and which provider, and nothing of what is in a token.

use dev_idp::{Fault, IdentityProvider, Mint};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Setup};

/// Stands in every token of the table.
const CANARY: &str = "canary-of-a-claim";

fn plugin(shadow: bool) -> Value {
    json!({
        "providers": {
            "maskinporten": {
                "cluster": "texas",
                "timeout": "20s",
                "issuers": [IdentityProvider::Maskinporten.issuer()],
            },
        },
        "shadow": shadow,
        "rules": [
            {
                "name": "either",
                "match": { "path": "/either" },
                "require": { "any_of": [
                    { "claims": [{ "claim": "sub", "equals": "x" }] },
                    { "all_of": [{ "scopes": ["api:read"] }, { "any_scopes": ["a", "b"] }] },
                ] },
            },
            { "name": "any", "match": { "path": "/any" }, "require": { "audiences": ["x"] } },
        ],
        "jwt_precheck": {},
    })
}

/// A path, a token, and the line but for what is in front and the request's id.
fn cases(gateway: &Gateway) -> Vec<(&'static str, String, &'static str)> {
    let with = |name: &str, value: Value| gateway.idp.mint(&good().claim(name, value));
    vec![
        (
            "/either",
            gateway.idp.mint(&good()),
            r#"insufficient_scope (rules[0].require.any_of[1].all_of[1].any_scopes is not met) request=… token=… rule="either" provider="maskinporten""#,
        ),
        (
            "/any",
            gateway.idp.mint(&good()),
            r#"requirement (rules[1].require.audiences is not met) request=… token=… rule="any" provider="maskinporten""#,
        ),
        (
            "/any",
            with("exp", json!(1)),
            r#"precheck (jwt_precheck: expired, or not valid yet) request=… rule="any" provider="maskinporten""#,
        ),
        (
            "/any",
            with("iss", json!(CANARY)),
            r#"invalid_token (none of the rule's providers has the token's issuer) request=… rule="any""#,
        ),
        (
            "/any",
            with("cnf", json!({ "jkt": CANARY })),
            r#"binding (bound to what cannot be proven here) request=… token=… rule="any" provider="maskinporten""#,
        ),
        ("/other", gateway.idp.mint(&good()), "no_rule request=…"),
    ]
}

fn good() -> Mint {
    let scope = format!("api:read {CANARY}");
    Mint::default().scope(&scope).claim("sub", json!(CANARY))
}

/// The line, without its ids, of the request that was just sent.
fn told(gateway: &Gateway, before: usize, what: &str) -> String {
    let log = gateway.log();
    let new = log.get(before..).unwrap();
    let lines = new.lines().filter_map(|line| line.split_once(what));
    let lines: Vec<_> = lines.map(|(_, line)| without_ids(line)).collect();
    assert_eq!(lines.len(), 1, "{what}: {new}");
    lines.concat()
}

fn without_ids(line: &str) -> String {
    let words = line.split(' ').map(|word| match word.split_once('=') {
        Some((name @ ("request" | "token"), id)) if !id.is_empty() => format!("{name}=…"),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

async fn check(shadow: bool, what: &str) {
    let gateway = Gateway::start(Setup {
        plugin: plugin(shadow),
        log_level: "debug",
        ..Setup::default()
    })
    .await;
    let send = async |path: &str, token: &str, expected: &str| {
        let before = gateway.log().len();
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", &*authorization)];
        let answer = gateway.get(path, &headers).await;
        assert_eq!(answer.status == 200, shadow, "{path}: {answer:?}");
        assert_eq!(told(&gateway, before, what), expected);
    };
    for (path, token, expected) in cases(&gateway) {
        send(path, &token, expected).await;
    }
    gateway.idp.set_fault(Some(Fault::Status { status: 500 }));
    let expected = r#"endpoint_out (introspection: status) request=… token=… rule="any" provider="maskinporten""#;
    let unknown = gateway.idp.mint(&good());
    send("/any", &unknown, expected).await;
    // Envoy itself logs whole requests at this level.
    let log = gateway.log();
    let own = log.lines().filter(|line| line.contains("wasm log"));
    assert!(own.clone().count() > 6);
    for line in own {
        assert!(!line.contains(CANARY), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_exactly_for() {
    check(false, " refused: ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_refused_says_so_too() {
    check(true, " would be refused: ").await;
}
