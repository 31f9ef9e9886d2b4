//! Rules as a real Envoy sees them: hosts, routes and paths are what Envoy makes of a request,
//! and claims are what a real token holds. `tests/core` has the whole tables.

use std::time::{SystemTime, UNIX_EPOCH};

use dev_idp::{Fault, Mint};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::{Answer, answer, http2, raw};
use crate::gateway::{CONNECTION_MANAGER, Edit, Gateway, Setup, at, speak_http2_to_the_api};
use crate::hostile::AMBIGUOUS;

/// What becomes of a request without credentials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// The rule of this name asks for a token.
    Rule(&'static str),
    /// The request passes.
    Open,
    /// No rule is for it.
    NoRule,
    /// The filter takes it for ambiguous.
    Ambiguous,
    /// Envoy itself answers.
    Envoy(u16),
}

use End::{Ambiguous, Envoy, NoRule, Open, Rule};

impl End {
    pub fn of(answer: &Answer, reached: bool) -> (Self, bool) {
        let is_ours = answer.header("content-type").as_deref() == Some("application/problem+json");
        let end = match (answer.status, answer.header("www-authenticate")) {
            (200, None) => Open,
            (401, Some(challenge)) if is_ours => Rule(name(&challenge)),
            (403, None) if is_ours => NoRule,
            (400, None) if is_ours => Ambiguous,
            (status, None) => Envoy(status),
            _ => panic!("{answer:?}"),
        };
        (end, reached)
    }
}

/// The scope that a challenge asks for; so do rules say who they are.
fn name(challenge: &str) -> &'static str {
    let scope = challenge.strip_prefix("Bearer scope=\"").unwrap();
    scope.strip_suffix('"').unwrap().to_owned().leak()
}

/// A gateway with a rule for each of these matches. Each asks for a scope of its own name.
pub async fn gateway(rules: &[(&str, Value)], setup: Setup) -> Gateway {
    let rules: Vec<_> = rules
        .iter()
        .map(|(name, matches)| match *name {
            "open" => json!({ "match": matches, "anonymous": true }),
            name => json!({ "match": matches, "require": { "scopes": [name] } }),
        })
        .collect();
    Gateway::start(Setup {
        plugin: json!({ "introspection": { "cluster": "texas" }, "rules": rules }),
        ..setup
    })
    .await
}

/// A head without credentials, sent as it is; lines end in `\n`.
pub async fn check(gateway: &Gateway, head: &str, expected: End) {
    let before = gateway.idp.api_requests();
    let bytes = format!("{head}\nconnection: close\n\n").replace('\n', "\r\n");
    let answer = raw(gateway.address, bytes.as_bytes()).await;
    let found = End::of(&answer, gateway.idp.api_requests() > before);
    assert_eq!(found, (expected, expected == Open), "{head}: {answer:?}");
}

/// Without what `envoy.yaml` has Envoy cut off.
fn with_hosts_as_they_are(config: &mut Value) {
    let manager = at(config, CONNECTION_MANAGER).as_object_mut().unwrap();
    for key in ["strip_any_host_port", "strip_trailing_host_dot"] {
        manager.remove(key).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_host() {
    let rules = [
        ("api", json!({ "hosts": ["api.example.com"] })),
        ("v6", json!({ "hosts": ["[::1]"] })),
        (
            "below",
            json!({ "hosts": ["*.example.com"], "methods": ["GET"] }),
        ),
        ("open", json!({ "path": "/open" })),
    ];
    let setup = Setup {
        edit: with_hosts_as_they_are,
        ..Setup::default()
    };
    let gateway = gateway(&rules, setup).await;
    for (head, expected) in [
        ("GET / HTTP/1.1\nhost: api.example.com", Rule("api")),
        ("GET / HTTP/1.1\nHOST: API.Example.COM", Rule("api")),
        ("GET / HTTP/1.1\nhost: api.example.com:8080", Rule("api")),
        ("GET / HTTP/1.1\nhost: api.example.com.", Ambiguous),
        ("GET / HTTP/1.1\nhost: Api.example.com.:443", Ambiguous),
        ("GET / HTTP/1.1\nhost: api.example.com:", Ambiguous),
        ("GET / HTTP/1.1\nhost:  api.example.com ", Rule("api")),
        ("GET /open HTTP/1.1\nhost: api.example.com", Rule("api")),
        ("GET / HTTP/1.1\nhost: [::1]:8080", Rule("v6")),
        ("GET / HTTP/1.1\nhost: [0:0::1]", Ambiguous),
        ("GET / HTTP/1.1\nhost: other.example.com", Rule("below")),
        ("GET / HTTP/1.1\nhost: a.b.example.com:1", Rule("below")),
        ("POST / HTTP/1.1\nhost: other.example.com", NoRule),
        ("GET / HTTP/1.1\nhost: example.com", NoRule),
        ("GET / HTTP/1.1\nhost: evilexample.com", NoRule),
        ("GET / HTTP/1.1\nhost: api.example.com.evil.org", NoRule),
        ("GET /open HTTP/1.1\nhost: anything", Open),
        // The target's own host counts, as RFC 9112 section 3.2.2 has it.
        (
            "GET http://api.example.com/open HTTP/1.1\nhost: anything",
            Rule("api"),
        ),
        (
            "GET http://anything/open HTTP/1.1\nhost: api.example.com",
            Open,
        ),
        // A host that could be read in two ways, whoever refuses it.
        ("GET /open HTTP/1.1\nhost: api..example.com", Ambiguous),
        ("GET /open HTTP/1.1\nhost: api.example.com..", Ambiguous),
        ("GET /open HTTP/1.1\nhost: api.example.com:1:2", Ambiguous),
        ("GET /open HTTP/1.1\nhost: api.example.com:http", Ambiguous),
        (
            "GET /open HTTP/1.1\nhost: anything@api.example.com",
            Ambiguous,
        ),
        (
            "GET /open HTTP/1.1\nhost: api.example.com,anything",
            Ambiguous,
        ),
        ("GET /open HTTP/1.1\nhost: api%2eexample.com", Ambiguous),
        ("GET /open HTTP/1.1\nhost: [::1", Ambiguous),
        ("GET /open HTTP/1.1\nhost:", Ambiguous),
        ("GET /open HTTP/1.1\nhost: :8080", Ambiguous),
        ("GET /open HTTP/1.1\nhost: api.example.com/", Envoy(400)),
        ("GET /open HTTP/1.1\nhost: api example.com", Envoy(400)),
        ("GET /open HTTP/1.1\nhost: blå.example.com", Envoy(400)),
        ("GET /open HTTP/1.1\nx: y", Envoy(400)),
        (
            // Envoy joins them.
            "GET /open HTTP/1.1\nhost: anything\nhost: api.example.com",
            Ambiguous,
        ),
        ("GET /open HTTP/1.0", Envoy(426)),
    ] {
        check(&gateway, head, expected).await;
    }
}

/// Envoy chooses a virtual host by port and dot too, if it is not told to cut them off. Then a host
/// by another spelling would be let in by one host's rule and go to another host's upstream.
#[tokio::test(flavor = "multi_thread")]
async fn the_virtual_host_is_the_rules_host() {
    let gateway = Gateway::start(Setup {
        plugin: json!({
            "introspection": { "cluster": "texas" },
            "rules": [
                { "match": { "hosts": ["public.example.com"] }, "anonymous": true },
                { "match": {}, "require": {} }
            ],
        }),
        edit: |config| {
            let host = |name: &str, domain: &str, status: u16| {
                json!({
                    "name": name,
                    "domains": [domain],
                    "routes": [{ "match": { "prefix": "/" }, "direct_response": { "status": status } }],
                })
            };
            let hosts = format!("{CONNECTION_MANAGER}/route_config/virtual_hosts");
            *at(config, &hosts) = json!([
                host("public", "public.example.com", 298),
                host("private", "*", 299)
            ]);
        },
        ..Setup::default()
    })
    .await;
    for (host, status) in [
        ("public.example.com", 298),
        ("PUBLIC.example.com:9999", 298),
        ("public.example.com.", 298),
        ("public.example.com.:9999", 298),
        ("other.example.com", 401),
        ("public.example.com..", 400),
        // Envoy does not cut off what is no port.
        ("public.example.com:4294967296", 400),
    ] {
        let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = raw(gateway.address, request.as_bytes()).await;
        assert_eq!(answer.status, status, "{host}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_host_over_http2() {
    check_host_over_http2(|_| {}, &["anything"]).await;
    // There the API has `:authority`.
    check_host_over_http2(speak_http2_to_the_api, &[]).await;
}

/// `hosts` are the `host` headers that reach the API with an open request.
async fn check_host_over_http2(edit: Edit, hosts: &[&str]) {
    let rules = [
        ("api", json!({ "hosts": ["api.example.com"] })),
        ("open", json!({ "path": "/open" })),
    ];
    let setup = Setup {
        edit,
        ..Setup::default()
    };
    let gateway = gateway(&rules, setup).await;
    for (authority, host, expected) in [
        ("api.example.com", None, Rule("api")),
        ("api.example.com.", None, Rule("api")),
        ("api.example.com", Some("anything"), Rule("api")),
        ("anything", None, Open),
        ("anything", Some("api.example.com"), Open),
    ] {
        let client = reqwest::Client::builder()
            .http2_prior_knowledge()
            .resolve(authority, gateway.address)
            .build()
            .unwrap();
        let url = format!("http://{authority}:{}/open", gateway.address.port());
        let mut request = client.get(url);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let before = gateway.idp.api_requests();
        let answer = answer(request.send().await.unwrap()).await;
        let found = End::of(&answer, gateway.idp.api_requests() > before);
        assert_eq!(found, (expected, expected == Open), "{authority} {host:?}");
        if expected == Open {
            // The API has no other host to go by than the rules.
            let headers = answer.json()["headers"].as_array().unwrap().clone();
            let seen = headers.iter().filter(|header| header[0] == "host");
            let seen: Vec<_> = seen.map(|header| header[1].as_str().unwrap()).collect();
            assert_eq!(seen, hosts);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_template() {
    let rules = [
        ("open", json!({ "template": "/orders/{id}/status" })),
        ("line", json!({ "template": "/orders/{id}/lines/{line}" })),
        (
            "order",
            json!({ "template": "/orders/{id}", "methods": ["GET"] }),
        ),
        ("new", json!({ "path": "/orders/new" })),
    ];
    // Alone, and behind Envoy's own cleaning.
    for envoy_normalizes_paths in [false, true] {
        let setup = Setup {
            envoy_normalizes_paths,
            ..Setup::default()
        };
        let gateway = gateway(&rules, setup).await;
        for (line, expected) in [
            ("GET /orders/1", Rule("order")),
            ("GET /orders/new?x=/status", Rule("order")),
            ("POST /orders/new", Rule("new")),
            ("POST /orders/1", NoRule),
            ("GET /orders", NoRule),
            ("GET /orders/", NoRule),
            ("GET /orders/1/", NoRule),
            ("GET /orders/%C3%A6%20", Rule("order")),
            ("GET /orders/%c3%a6%3A", Rule("order")),
            ("PUT /orders/1/lines/2", Rule("line")),
            ("GET /orders/1/lines/2/3", NoRule),
            ("GET /orders/1/status", Open),
            ("GET /orders/%C3%A6/status", Open),
            ("GET /orders/1/status/", NoRule),
            ("GET /Orders/1/status", NoRule),
        ] {
            check(&gateway, &format!("{line} HTTP/1.1\nhost: x"), expected).await;
        }
        for (line, rule) in [
            ("GET /%6Frders/1", Rule("order")),
            ("GET /orders/1/statu%73", Open),
            ("PUT /orders/1/l%69nes/2", Rule("line")),
        ] {
            // Envoy's cleaning makes these what they mean.
            let expected = if envoy_normalizes_paths {
                rule
            } else {
                Ambiguous
            };
            check(&gateway, &format!("{line} HTTP/1.1\nhost: x"), expected).await;
        }
        for path in AMBIGUOUS {
            let answer = gateway.get(path, &[]).await;
            let refused: &[u16] = if envoy_normalizes_paths {
                // Envoy makes plain paths of some, and none of them is open.
                &[301, 307, 400, 401, 403]
            } else {
                &[400]
            };
            assert!(refused.contains(&answer.status), "{path}: {answer:?}");
        }
    }
}

/// Envoy's routes: two with names, one of them by a header, and one without.
fn named_routes(config: &mut Value) {
    let to_api = |name: Option<&str>, matches: Value| {
        let mut route = json!({ "match": matches, "route": { "cluster": "api" } });
        if let Some(name) = name {
            route["name"] = json!(name);
        }
        route
    };
    let beta = json!([{ "name": "x-beta", "string_match": { "exact": "yes" } }]);
    let routes = format!("{CONNECTION_MANAGER}/route_config/virtual_hosts/0/routes");
    *at(config, &routes) = json!([
        to_api(Some("beta"), json!({ "prefix": "/", "headers": beta })),
        to_api(Some("orders"), json!({ "prefix": "/orders" })),
        to_api(Some("open"), json!({ "prefix": "/open" })),
        to_api(None, json!({ "prefix": "/nameless" })),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_route() {
    let rules = [
        ("open", json!({ "route": "open" })),
        (
            "order",
            json!({ "route": "orders", "template": "/orders/{id}" }),
        ),
        ("orders", json!({ "route": "orders" })),
        ("beta", json!({ "route": "beta" })),
        ("path", json!({ "path": "/nameless/x" })),
    ];
    let setup = Setup {
        edit: named_routes,
        ..Setup::default()
    };
    let gateway = gateway(&rules, setup).await;
    for (head, expected) in [
        ("GET /open HTTP/1.1\nhost: x", Open),
        ("POST /open/x HTTP/1.1\nhost: x", Open),
        ("GET /orders/1 HTTP/1.1\nhost: x", Rule("order")),
        ("GET /orders HTTP/1.1\nhost: x", Rule("orders")),
        ("GET /orders/1/2 HTTP/1.1\nhost: x", Rule("orders")),
        // It counts what Envoy has chosen, by whatever.
        ("GET /open HTTP/1.1\nhost: x\nx-beta: yes", Rule("beta")),
        ("GET /open HTTP/1.1\nhost: x\nx-beta: no", Open),
        // A route without a name, and none at all.
        ("GET /nameless HTTP/1.1\nhost: x", NoRule),
        ("GET /nameless/x HTTP/1.1\nhost: x", Rule("path")),
        ("GET /elsewhere HTTP/1.1\nhost: x", NoRule),
        (
            "GET /elsewhere HTTP/1.1\nhost: x\nx-beta: yes",
            Rule("beta"),
        ),
    ] {
        check(&gateway, head, expected).await;
    }
    drop(gateway);

    // Rules that do not go by routes take no notice of them.
    let gateway = Gateway::start(Setup {
        edit: named_routes,
        ..Setup::default()
    })
    .await;
    let good = format!("Bearer {}", gateway.token("api:read"));
    for (path, status) in [("/open", 200), ("/open/x", 403), ("/api/x", 404)] {
        let answer = gateway.get(path, &[("authorization", &good)]).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_everything_at_once() {
    let rules = [(
        "all",
        json!({
            "template": "/orders/{id}",
            "methods": ["GET", "DELETE"],
            "hosts": ["api.example.com", "*.internal"],
            "route": "orders"
        }),
    )];
    let setup = Setup {
        edit: named_routes,
        ..Setup::default()
    };
    let gateway = gateway(&rules, setup).await;
    for (head, expected) in [
        ("GET /orders/1 HTTP/1.1\nhost: api.example.com", Rule("all")),
        (
            "DELETE /orders/1 HTTP/1.1\nhost: a.INTERNAL:80",
            Rule("all"),
        ),
        ("PUT /orders/1 HTTP/1.1\nhost: api.example.com", NoRule),
        ("GET /orders HTTP/1.1\nhost: api.example.com", NoRule),
        ("GET /orders/1 HTTP/1.1\nhost: internal", NoRule),
        (
            "GET /orders/1 HTTP/1.1\nhost: api.example.com\nx-beta: yes",
            NoRule,
        ),
    ] {
        check(&gateway, head, expected).await;
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

/// A new token, over HTTP/1.1 and over gRPC: both are answered alike, each in its own words.
async fn check_token(
    gateway: &Gateway,
    client: &reqwest::Client,
    path: &str,
    mint: &Mint,
    expected: (u16, Option<&str>),
) {
    let (status, challenge) = expected;
    let before = gateway.idp.api_requests();
    let authorization = format!("Bearer {}", gateway.idp.mint(mint));
    let found = gateway
        .get(path, &[("authorization", &authorization)])
        .await;
    assert_eq!(found.status, status, "{path} {mint:?}: {found:?}");
    let said = found.header("www-authenticate");
    assert_eq!(said.as_deref(), challenge, "{path} {mint:?}");

    let call = client
        .post(format!("http://{}{path}", gateway.address))
        .header("content-type", "application/grpc")
        .header(
            "authorization",
            format!("Bearer {}", gateway.idp.mint(mint)),
        )
        .body("");
    let found = answer(call.send().await.unwrap()).await;
    assert_eq!(found.status, StatusCode::OK, "{path} {mint:?}: {found:?}");
    // What passes has its status in the trailers. UNAUTHENTICATED, PERMISSION_DENIED.
    let grpc_status = match status {
        200 => None,
        401 => Some("16"),
        403 => Some("7"),
        _ => panic!("no gRPC status for {status}"),
    };
    let said = found.header("grpc-status");
    assert_eq!(said.as_deref(), grpc_status, "{path} {mint:?}: {found:?}");
    let said = found.header("www-authenticate");
    assert_eq!(said.as_deref(), challenge, "{path} {mint:?}, gRPC");
    let reached = gateway.idp.api_requests() - before;
    assert_eq!(reached, if status == 200 { 2 } else { 0 }, "{path}");
}

/// A rule for each kind of requirement.
fn requirements() -> Value {
    json!({
        "introspection": { "cluster": "texas" },
        "rules": [
            {
                "match": { "prefix": "/consumer" },
                "require": {
                    "scopes": ["a"],
                    "claims": [{ "claim": "consumer.ID", "one_of": ["0192:910753614", "0192:2"] }]
                }
            },
            {
                "match": { "prefix": "/user" },
                "require": { "acr_values": ["high", "higher"], "max_age": "5m" }
            },
            {
                "match": { "prefix": "/blåbær" },
                "require": {
                    "scopes": ["nav:blåbær/syltetøy.read"],
                    "any_of": [
                        { "claims": [{ "claim": "kommune.navn", "equals": "Bærum" }] },
                        { "claims": [{ "claim": "tjenester", "contains": "pølse" }] }
                    ],
                    "none_of": [{ "claims": [{ "claim": "sperret", "exists": true }] }]
                }
            },
            {
                "match": { "prefix": "/number" },
                "require": { "claims": [{ "claim": "level", "equals": 4 }] }
            }
        ],
        "challenge": { "realm": "r" }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_must_hold() {
    const STEP_UP: &str = r#"Bearer realm="r", error="insufficient_user_authentication", acr_values="high higher", max_age="300""#;
    const LACKS: &str = r#"Bearer realm="r", error="insufficient_scope""#;
    const LACKS_A: &str = r#"Bearer realm="r", error="insufficient_scope", scope="a""#;
    let gateway = Gateway::start(Setup {
        plugin: requirements(),
        ..Setup::default()
    })
    .await;
    let client = http2();
    let with = |scope: &str| Mint::default().scope(scope);
    let of = |consumer: &str| with("a").consumer(consumer);
    let user = |acr: &str, auth_time: u64| {
        let mint = Mint::default().claim("acr", acr);
        mint.claim("auth_time", auth_time)
    };
    let syltetøy = || with("nav:blåbær/syltetøy.read");
    let bærum = || syltetøy().claim("kommune", json!({ "navn": "Bærum" }));
    for (path, mint, expected) in [
        ("/consumer", of("910753614"), (200, None)),
        ("/consumer/x", of("2"), (200, None)),
        ("/consumer", of("3"), (403, None)),
        ("/consumer", of("9107536140"), (403, None)),
        (
            "/consumer",
            of("2").claim("consumer", Value::Null),
            (403, None),
        ),
        (
            "/consumer",
            of("2").claim("consumer", "0192:2"),
            (403, None),
        ),
        (
            "/consumer",
            of("3").claim("consumer.ID", "0192:2"),
            (403, None),
        ),
        ("/consumer", of("2").scope("b"), (403, Some(LACKS_A))),
        ("/user", user("high", now()), (200, None)),
        ("/user", user("higher", now() - 200), (200, None)),
        // The clock of the token's issuer may be a little ahead.
        ("/user", user("high", now() + 30), (200, None)),
        ("/user", user("high", now() + 300), (401, Some(STEP_UP))),
        ("/user", user("high", now() - 301), (401, Some(STEP_UP))),
        ("/user", user("low", now()), (401, Some(STEP_UP))),
        ("/user", Mint::default(), (401, Some(STEP_UP))),
        ("/bl%C3%A5b%C3%A6r", bærum(), (200, None)),
        (
            "/bl%C3%A5b%C3%A6r/%c3%a5",
            syltetøy().claim("tjenester", json!(["skole", "pølse"])),
            (200, None),
        ),
        ("/bl%C3%A5b%C3%A6r", syltetøy(), (403, None)),
        (
            "/bl%C3%A5b%C3%A6r",
            syltetøy().claim("kommune", json!({ "navn": "Ba\u{308}rum" })),
            (403, None),
        ),
        (
            "/bl%C3%A5b%C3%A6r",
            syltetøy().claim("tjenester", "pølse"),
            (200, None),
        ),
        (
            "/bl%C3%A5b%C3%A6r",
            syltetøy().claim("tjenester", "pølser"),
            (403, None),
        ),
        (
            "/bl%C3%A5b%C3%A6r",
            bærum().claim("sperret", false),
            (403, None),
        ),
        // A scope that is not ASCII cannot stand in a challenge.
        (
            "/bl%C3%A5b%C3%A6r",
            bærum().scope("nav:blabaer/syltetoy.read"),
            (403, Some(LACKS)),
        ),
        ("/number", Mint::default().claim("level", 4), (200, None)),
        ("/number", Mint::default().claim("level", 4.0), (200, None)),
        ("/number", Mint::default().claim("level", "4"), (403, None)),
    ] {
        check_token(&gateway, &client, path, &mint, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_run_anew_on_what_is_known() {
    let gateway = Gateway::start(Setup::default()).await;
    let weak = format!("Bearer {}", gateway.token("api:read"));
    let bad = "Bearer garbage";
    let lines = [
        ("GET /api/x", 200, 401),
        ("POST /api/x", 403, 401),
        ("GET /open", 200, 200),
        ("GET /other", 403, 403),
    ];
    for _ in 0..3 {
        for (line, weak_ends, bad_ends) in lines {
            for (token, status) in [(&*weak, weak_ends), (bad, bad_ends)] {
                let header = [(&b"authorization"[..], token.as_bytes())];
                let answer = gateway.send(line.as_bytes(), &header).await;
                assert_eq!(answer.status, status, "{line} {token}: {answer:?}");
            }
        }
    }
    assert_eq!(
        gateway.idp.introspections(),
        2,
        "each token was asked about once"
    );
    assert_eq!(gateway.idp.api_requests(), 3 + 3 + 3);
    // What is known counts for every rule, in an outage too; and it lets nobody in.
    gateway.idp.set_fault(Some(Fault::Outage));
    for (line, status) in [("GET /api/x", 200), ("POST /api/x", 403)] {
        let header = [(&b"authorization"[..], weak.as_bytes())];
        let answer = gateway.send(line.as_bytes(), &header).await;
        assert_eq!(answer.status, status, "{line}: {answer:?}");
    }
    assert_eq!(gateway.idp.introspections(), 2);
}
