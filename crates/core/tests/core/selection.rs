//! Whom of several providers a token is asked about, and what the answer counts for.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portvakt_core::request::trace::Trace;
use serde_json::{Value, json};

use crate::rules::{PASS, challenged, invalid};
use crate::worker::{End, Head, Worker};

/// Two with issuers and one for the rest; the rules trust all, one, and two of them.
fn worker() -> Worker {
    worker_for_tokens_up_to(8_192)
}

fn worker_for_tokens_up_to(max_length: usize) -> Worker {
    let provider = |issuers: Value| {
        let mut provider = json!({ "cluster": "c", "endpoint": "http://idp/introspect" });
        if !issuers.is_null() {
            provider["issuers"] = issuers;
        }
        provider
    };
    let rule = |path: &str, providers: Value| {
        let mut rule = json!({ "name": path, "match": { "prefix": path }, "require": {} });
        if !providers.is_null() {
            rule["providers"] = providers;
        }
        rule
    };
    let config = json!({
        "providers": {
            "a": provider(json!(["https://a/", "https://a/v2"])),
            "b": provider(json!(["https://b/"])),
            "rest": provider(Value::Null),
        },
        "rules": [
            rule("/all", Value::Null),
            rule("/a", json!(["a"])),
            rule("/named", json!(["a", "b"])),
            rule("/rest", json!(["rest"])),
        ],
        "token": { "max_length": max_length },
    });
    let mut worker = Worker::new(&config.to_string());
    worker.endpoint = Some((200, r#"{"active":true}"#.to_owned()));
    worker
}

fn jwt(payload: &str) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
}

/// `expected` is who is asked on a path; `""`: nobody, and the answer is 401.
fn check(token: &str, expected: [(&str, &str); 4]) {
    for (path, provider) in expected {
        let mut worker = worker();
        let found = worker.request(&format!("GET {path}"), Some(&format!("Bearer {token}")));
        let (asked, end) = match provider {
            "" => (vec![], invalid()),
            name => (vec![name], PASS),
        };
        assert_eq!((worker.asked(), found), (asked, end), "{path} {token:.80}");
    }
}

fn on(
    all: &'static str,
    a: &'static str,
    named: &'static str,
) -> [(&'static str, &'static str); 4] {
    [
        ("/all", all),
        ("/a", a),
        ("/named", named),
        ("/rest", "rest"),
    ]
}

#[test]
fn who_is_asked() {
    let a = || on("a", "a", "a");
    let b = || on("b", "", "b");
    let nobody = || on("rest", "", "");
    let long = "x".repeat(5_000);
    for (payload, expected) in [
        (json!({ "iss": "https://a/" }), a()),
        (json!({ "iss": "https://a/v2" }), a()),
        (json!({ "iss": "https://b/" }), b()),
        (json!({ "iss": "https://a" }), nobody()),
        (json!({ "iss": "https://A/" }), nobody()),
        (json!({ "iss": "https://a/ " }), nobody()),
        (json!({ "iss": "https://a/v1" }), nobody()),
        (json!({ "iss": "https://c/" }), nobody()),
        (json!({ "iss": "" }), nobody()),
        (json!({ "iss": 7 }), nobody()),
        (json!({ "iss": null }), nobody()),
        (json!({ "iss": ["https://a/"] }), nobody()),
        (json!({ "iss": { "iss": "https://a/" } }), nobody()),
        (json!({ "ISS": "https://a/" }), nobody()),
        (json!({}), nobody()),
        (json!({ "iss": long }), nobody()),
        (json!({ "iss": "https://a/", "x": long }), a()),
    ] {
        check(&jwt(&payload.to_string()), expected);
    }
    for payload in [
        r#"{"iss":"https://a/","iss":"https://a/"}"#,
        r#"{"iss":"https://a/","iss":"https://b/"}"#,
        r#"{"iss":"https://a/","i\u0073s":"https://b/"}"#,
        r#"{"iss":"https://a/""#,
        r#"["https://a/"]"#,
        "\"https://a/\"",
        "no JSON",
        "\u{0}",
    ] {
        check(&jwt(payload), nobody());
    }
    check(&jwt(r#"{"i\u0073s":"https:\/\/a\/"}"#), a());
    check("opaque", nobody());
    check("a.b.c", nobody());
    check("e30.e30", nobody());
    let payload = URL_SAFE_NO_PAD.encode(r#"{"iss":"https://a/"}"#);
    check(&payload, nobody());
    check(&format!("e30.{payload}."), nobody());
    check(&format!("e30.{payload}.c2ln.c2ln"), nobody());
}

/// It is too long before it is looked at; where such tokens are let in, it is an issuer like any.
#[test]
fn an_issuer_of_ten_kilobytes() {
    let token = jwt(&json!({ "iss": "x".repeat(10_000) }).to_string());
    let too_long = challenged(400, r#"error="invalid_request""#);
    for (max_length, path, expected, asked) in [
        (8_192, "/all", too_long, &[][..]),
        (16_384, "/all", PASS, &["rest"]),
        (16_384, "/named", invalid(), &[]),
    ] {
        let mut worker = worker_for_tokens_up_to(max_length);
        let found = worker.request(&format!("GET {path}"), Some(&format!("Bearer {token}")));
        assert_eq!(found, expected, "{max_length} {path}");
        assert_eq!(worker.asked(), asked, "{max_length} {path}");
    }
}

/// What `iss` an active answer of `a` has, and whether the token counts as active then.
#[test]
fn an_answer_with_another_issuer_is_inactive() {
    for (answer, expected) in [
        (json!({ "iss": "https://a/" }), PASS),
        (json!({ "iss": "https://a/v2" }), PASS),
        (json!({}), PASS),
        (json!({ "iss": "https://b/" }), invalid()),
        (json!({ "iss": "https://a" }), invalid()),
        (json!({ "iss": ["https://a/"] }), invalid()),
        (json!({ "iss": 1 }), invalid()),
        (json!({ "iss": null }), invalid()),
        (json!({ "iss": "" }), invalid()),
    ] {
        let mut worker = worker();
        let mut answer = answer;
        answer["active"] = json!(true);
        worker.endpoints.insert("a", (200, answer.to_string()));
        let token = format!("Bearer {}", jwt(r#"{"iss":"https://a/"}"#));
        for time in 0..2 {
            let found = worker.request("GET /a", Some(&token));
            assert_eq!(found, expected, "{answer}, time {time}");
        }
        assert_eq!(
            worker.asked(),
            ["a"],
            "{answer}: what it said is remembered"
        );
    }
}

/// What one of them said of a token is nothing that another would go by.
#[test]
fn what_one_said_is_not_anothers_word() {
    let mut worker = worker();
    let answers = json!({ "active": true, "iss": "https://a/" }).to_string();
    worker.endpoints.insert("a", (200, answers));
    let inactive = json!({ "active": false }).to_string();
    worker.endpoints.insert("rest", (200, inactive));
    let token = format!("Bearer {}", jwt(r#"{"iss":"https://a/"}"#));
    for _ in 0..3 {
        assert_eq!(worker.request("GET /a", Some(&token)), PASS);
        assert_eq!(worker.request("GET /rest", Some(&token)), invalid());
        assert_eq!(worker.request("GET /all", Some(&token)), PASS);
    }
    assert_eq!(worker.asked(), ["a", "rest"]);

    // Nor do other workers take one's word for the other's, whoever has the issuer.
    let config = json!({
        "providers": {
            "a": { "cluster": "c", "endpoint": "http://idp/introspect" },
            "rest": {
                "cluster": "c", "endpoint": "http://idp/introspect", "issuers": ["https://a/"],
            },
        },
        "rules": [{ "match": {}, "require": {} }],
    });
    let mut other = worker.beside(&config.to_string());
    assert_eq!(other.request("GET /", Some(&token)), invalid());
    assert_eq!(other.callouts(), 0, "it is known what `rest` said");
}

/// One is out: its tokens are not let in, the others' are, and nobody else is asked in its place.
#[test]
fn an_outage_is_of_one_provider() {
    let mut worker = worker();
    worker.endpoints.insert("a", (500, String::new()));
    let answers = json!({ "active": true, "iss": "https://b/" }).to_string();
    worker.endpoints.insert("b", (200, answers));
    let token = |issuer: &str| format!("Bearer {}", jwt(&json!({ "iss": issuer }).to_string()));
    let out = End::Refused(503, None);
    for _ in 0..2 {
        assert_eq!(worker.request("GET /all", Some(&token("https://a/"))), out);
        assert_eq!(worker.request("GET /all", Some(&token("https://b/"))), PASS);
        assert_eq!(worker.request("GET /all", Some("Bearer opaque")), PASS);
    }
    assert_eq!(worker.asked(), ["a", "b", "rest", "a"]);
}

/// A callout belongs to the trace of the request that caused it.
#[test]
fn callouts_are_seen_in_traces() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut worker = worker();
    let head = Head::new("GET /all")
        .header("authorization", "Bearer one")
        .header("traceparent", parent)
        .header("tracestate", "a=b")
        .header("baggage", "user=alice");
    assert_eq!(worker.send(&head), PASS);
    assert_eq!(worker.request("GET /all", Some("Bearer two")), PASS);
    let traces = worker.asked.iter().map(|callout| {
        let headers = callout.trace.iter().flat_map(Trace::headers);
        headers.collect::<Vec<_>>()
    });
    let expected = [vec![("traceparent", parent), ("tracestate", "a=b")], vec![]];
    assert_eq!(traces.collect::<Vec<_>>(), expected);
}
