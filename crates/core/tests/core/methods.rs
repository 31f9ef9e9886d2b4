//! Methods, end to end: the preflights that no rule stops, and requests that name two methods.

use serde_json::json;

use crate::rules::{
    AMBIGUOUS, ANONYMOUS, FORBIDDEN, PASS, asks, check_selected, invalid, lacks, selects, worker,
};
use crate::worker::{End, Head, Worker};

const PREFLIGHT: End = End::Passed("preflight");

const ORIGIN: (&str, &str) = ("origin", "https://app.example.com");
const ASKS_FOR: (&str, &str) = ("access-control-request-method", "PUT");

fn by_path() -> Worker {
    worker(&json!([
        { "match": { "path": "/open" }, "anonymous": true },
        { "match": { "prefix": "/api" }, "require": { "scopes": ["a"] } }
    ]))
}

/// Nobody sees what goes through a tunnel: only who names it lets it in.
#[test]
fn tunnels_are_for_rules_that_name_them() {
    for (rules, expected) in [
        (json!([{ "match": {}, "anonymous": true }]), FORBIDDEN),
        (
            json!([{ "match": { "path": "/open" }, "anonymous": true }]),
            FORBIDDEN,
        ),
        (
            json!([{ "match": { "hosts": ["a"] }, "anonymous": true }]),
            FORBIDDEN,
        ),
        (
            json!([{ "match": { "methods": ["GET"] }, "anonymous": true }]),
            FORBIDDEN,
        ),
        (
            json!([{ "match": { "methods": ["CONNECT"] }, "anonymous": true }]),
            ANONYMOUS,
        ),
    ] {
        let mut worker = worker(&rules);
        let tunnel = Head::new("CONNECT /open").host("a:80").with_body();
        assert_eq!(worker.send(&tunnel), expected, "{rules}");
    }
}

/// As Chromium sends it, over HTTP/2.
const CHROMIUM: &[(&str, &str)] = &[
    ("accept", "*/*"),
    ("access-control-request-method", "PUT"),
    (
        "access-control-request-headers",
        "authorization,content-type",
    ),
    ("origin", "https://app.example.com"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    ),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-site", "same-site"),
    ("sec-fetch-dest", "empty"),
    ("referer", "https://app.example.com/"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "nb-NO,nb;q=0.9,en;q=0.8"),
    ("priority", "u=1, i"),
];

/// As Firefox sends it, with its developer tools open.
const FIREFOX: &[(&str, &str)] = &[
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    ),
    ("accept", "*/*"),
    ("accept-language", "nb-NO,nb;q=0.9,en;q=0.8"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("access-control-request-method", "DELETE"),
    ("access-control-request-headers", "authorization"),
    ("referer", "https://app.example.com/"),
    ("origin", "https://app.example.com"),
    ("dnt", "1"),
    ("sec-gpc", "1"),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-site", "same-site"),
    ("priority", "u=4"),
    ("pragma", "no-cache"),
    ("cache-control", "no-cache"),
    ("te", "trailers"),
];

/// What nginx, as an ingress, adds, and then Envoy.
const INGRESS: &[(&str, &str)] = &[
    ("x-request-id", "8f14e45fceea167a5a36dedd4bea2543"),
    ("x-real-ip", "192.0.2.1"),
    ("x-forwarded-for", "192.0.2.1, 10.0.0.1"),
    ("x-forwarded-host", "api.example.com"),
    ("x-forwarded-port", "443"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-scheme", "https"),
    ("x-scheme", "https"),
    ("x-envoy-external-address", "10.0.0.1"),
    (
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ),
];

/// What a CDN adds.
const CDN: &[(&str, &str)] = &[
    ("cf-ray", "8c1e5b2f3d4a5b6c-OSL"),
    ("cf-connecting-ip", "192.0.2.1"),
    ("cf-ipcountry", "NO"),
    ("cf-visitor", "{\"scheme\":\"https\"}"),
    ("cdn-loop", "cloudflare; loops=1"),
    ("x-forwarded-for", "192.0.2.1"),
    ("x-forwarded-proto", "https"),
];

#[test]
fn preflights_of_browsers_behind_proxies() {
    let mut worker = worker(&json!([{ "match": { "methods": ["GET", "PUT"] }, "require": {} }]));
    for browser in [CHROMIUM, FIREFOX] {
        for way in [&[][..], INGRESS, CDN] {
            let head = Head::new("OPTIONS /api/x").host("api.example.com");
            let head = head.header(":scheme", "https");
            let headers = browser.iter().chain(way);
            let head = headers.fold(head, |head, (name, value)| head.header(name, value));
            assert_eq!(worker.send(&head), PREFLIGHT, "{head:?}");
            let with_key = head.header("x-api-key", "x");
            assert_eq!(worker.send(&with_key), FORBIDDEN, "{with_key:?}");
        }
    }
}

/// Where rules go by methods, nobody may name a second one.
#[test]
fn methods_that_are_overridden() {
    let plain = [("all", json!({ "prefix": "/" }))];
    let by_method = [
        ("open", json!({ "path": "/open" })),
        ("get", json!({ "prefix": "/api", "methods": ["GET"] })),
        ("rest", json!({})),
    ];
    for name in [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ] {
        for value in ["DELETE", "GET", "", "anything"] {
            for line in ["GET /api", "POST /api", "GET /open", "OPTIONS /x"] {
                let head = Head::new(line).header(name, value);
                check_selected(&mut selects(&by_method), &head, "?");
                check_selected(&mut selects(&plain), &head, "all");
                // With a preflight's headers too.
                let head = head.header("origin", "https://a");
                let head = head.header("access-control-request-method", "PUT");
                check_selected(&mut selects(&by_method), &head, "?");
            }
        }
    }
    let head = Head::new("GET /api").header("x-http-method-overridden", "DELETE");
    check_selected(&mut selects(&by_method), &head, "get");
}

#[test]
fn preflights() {
    let (origin, asks_for) = (ORIGIN, ASKS_FOR);
    let token = |value| ("authorization", value);
    for (line, headers, expected) in [
        ("OPTIONS /api/x", vec![origin, asks_for], PREFLIGHT),
        ("OPTIONS /other", vec![origin, asks_for], PREFLIGHT),
        ("OPTIONS *", vec![origin, asks_for], PREFLIGHT),
        ("OPTIONS /open", vec![origin, asks_for], ANONYMOUS),
        (
            "OPTIONS /api/x",
            vec![("origin", "null"), asks_for],
            PREFLIGHT,
        ),
        // What is no preflight needs what everything else needs. Browsers send none with
        // credentials.
        (
            "OPTIONS /api/x",
            vec![origin, asks_for, token("Basic YTpi")],
            asks("a"),
        ),
        (
            "OPTIONS /other",
            vec![origin, asks_for, token("Bearer abc")],
            FORBIDDEN,
        ),
        ("OPTIONS /api/x", vec![origin], asks("a")),
        ("OPTIONS /api/x", vec![asks_for], asks("a")),
        ("OPTIONS /api/x", vec![], asks("a")),
        ("OPTIONS /api/x", vec![("origin", ""), asks_for], asks("a")),
        (
            "OPTIONS /api/x",
            vec![origin, ("access-control-request-method", "")],
            asks("a"),
        ),
        (
            "OPTIONS /api/x",
            vec![origin, ("access-control-request-headers", "x")],
            asks("a"),
        ),
        ("OPTIONS /other", vec![origin], FORBIDDEN),
        ("options /api/x", vec![origin, asks_for], asks("a")),
        ("GET /api/x", vec![origin, asks_for], asks("a")),
        ("POST /api/x", vec![origin, asks_for], asks("a")),
        (
            "POST /api/x",
            vec![origin, asks_for, ("x-http-method-override", "OPTIONS")],
            asks("a"),
        ),
        (
            "OPTIONS /api/x",
            vec![origin, (asks_for.0, "ANYTHING")],
            asks("a"),
        ),
        (
            "OPTIONS /api/x",
            vec![origin, (asks_for.0, "put")],
            asks("a"),
        ),
        (
            "OPTIONS /api/x",
            vec![origin, (asks_for.0, "CONNECT")],
            asks("a"),
        ),
        // A path that could be read in two ways is refused whoever asks.
        ("OPTIONS /api//x", vec![origin, asks_for], AMBIGUOUS),
        ("OPTIONS /open/../api", vec![origin, asks_for], AMBIGUOUS),
        (
            "OPTIONS /api/%2f",
            vec![origin, asks_for, token("Bearer abc")],
            AMBIGUOUS,
        ),
    ] {
        let mut worker = by_path();
        let head = headers.iter().fold(Head::new(line), |head, (name, value)| {
            head.header(name, value)
        });
        assert_eq!(worker.send(&head), expected, "{head:?}");
        assert_eq!(worker.callouts(), 0, "{head:?}");
    }
}

/// What else there is decides alone: whatever no browser and no proxy has put there may be a key,
/// or make another request of it.
#[test]
fn what_no_preflight_has() {
    for name in [
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-api-key",
        "anything",
        "x-http-method-override",
        "x-original-url",
        "x-rewrite-url",
        "x-forwarded-prefix",
        "upgrade",
    ] {
        let head = |path| {
            let head = Head::new(path).header(ORIGIN.0, ORIGIN.1);
            head.header(ASKS_FOR.0, ASKS_FOR.1).header(name, "x")
        };
        let mut worker = by_path();
        assert_eq!(worker.send(&head("OPTIONS /api/x")), asks("a"), "{name}");
        assert_eq!(worker.send(&head("OPTIONS /other")), FORBIDDEN, "{name}");
        assert_eq!(worker.send(&head("OPTIONS /open")), ANONYMOUS, "{name}");
    }
}

#[test]
fn with_a_token_it_is_a_request_like_any() {
    for (answer, plain) in [
        (json!({ "active": true, "scope": "a" }), PASS),
        (json!({ "active": true, "scope": "b" }), lacks("a")),
        (json!({ "active": false }), invalid()),
    ] {
        let mut worker = by_path();
        worker.endpoint = Some((200, answer.to_string()));
        let token = Some("Bearer abc");
        assert_eq!(worker.request("OPTIONS /api", token), plain, "{answer}");
        let head = Head::new("OPTIONS /api")
            .header("authorization", "Bearer abc")
            .header(ORIGIN.0, ORIGIN.1)
            .header(ASKS_FOR.0, ASKS_FOR.1);
        assert_eq!(worker.send(&head), plain, "{answer}");
        assert_eq!(worker.callouts(), 1, "{answer}");
    }
}
