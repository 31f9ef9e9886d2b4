//! Random plugin configurations, requests and answers of the endpoint.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portvakt_core::config::{self, Vm};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

use super::endpoint::Scripted;

/// What stands in every secret, so that it can be looked for.
pub const SECRET: &str = "s3cr3t";

/// A request, and what the endpoint answers about its token.
#[derive(Clone, Debug)]
pub struct Case {
    pub method: &'static str,
    /// Without the query.
    pub path: &'static str,
    pub host: &'static str,
    pub headers: Vec<(String, String)>,
    pub has_body: bool,
    /// The token, if its header is among the headers.
    pub token: Option<String>,
    pub answer: Scripted,
}

/// The same for the same seed.
pub fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config::default(), rng)
}

/// The next value.
pub fn draw<T>(runner: &mut TestRunner, strategy: &impl Strategy<Value = T>) -> T {
    use proptest::strategy::ValueTree as _;
    strategy.new_tree(runner).unwrap().current()
}

/// A plugin configuration that is valid, for an endpoint at this URL.
pub fn plugin(runner: &mut TestRunner, endpoint: &str) -> Value {
    let strategy = any_plugin(endpoint.to_owned());
    loop {
        let plugin = draw(runner, &strategy);
        let vm = Vm {
            env: |_: &str| None,
            has_id: true,
        };
        if config::parse(plugin.to_string().as_bytes(), &vm).is_ok() {
            return plugin;
        }
    }
}

/// One of these; the first is more likely than the others.
fn mostly(first: Value, others: Vec<Value>) -> impl Strategy<Value = Value> {
    prop_oneof![3 => Just(first), 2 => select(others)]
}

fn any_plugin(endpoint: String) -> impl Strategy<Value = Value> {
    let sections = (
        mostly(
            json!({}),
            vec![
                json!({ "header": "x-token", "scheme": "" }),
                json!({ "scheme": "Token", "max_length": 600 }),
            ],
        ),
        mostly(
            Value::Null,
            vec![json!({}), json!({ "issuer": "https://one/" })],
        ),
        mostly(
            json!({ "claims": { "x-consumer": "consumer.ID" } }),
            vec![
                json!({}),
                json!({ "filter_state": { "consumer": "consumer.ID" } }),
                json!({
                    "authorization": "remove",
                    "claims": { "x-consumer": "consumer.ID", "x-client-id": "client_id" },
                    "payload_header": "x-claims",
                    "filter_state": { "consumer": "client_id" },
                }),
            ],
        ),
        mostly(json!({ "realm": "r" }), vec![json!({})]),
        mostly(
            Value::Null,
            vec![json!({
                "resource": "https://api.example.com",
                "authorization_servers": ["https://one/"],
            })],
        ),
        any::<bool>(),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.6),
    );
    let rules = prop::collection::vec(rule(), 1..5);
    (asked(endpoint), rules, sections).prop_map(|(asked, mut rules, sections)| {
        let (token, precheck, forward, challenge, resource, out, shadow, is_anywhere) = sections;
        // Without such a rule most requests are nobody's.
        if is_anywhere {
            let require = json!({ "any_scopes": ["a", "b:*"] });
            rules.push(json!({ "match": {}, "require": require }));
        }
        let mut plugin = json!({
            "rules": rules,
            "token": token,
            "forward": forward,
            "challenge": challenge,
            "failure_mode_allow": out,
            "shadow": shadow,
        });
        let plugin_object = plugin.as_object_mut().unwrap();
        let some = [("jwt_precheck", precheck), ("protected_resource", resource)];
        for (key, value) in some.into_iter().filter(|(_, value)| !value.is_null()) {
            plugin_object.insert(key.to_owned(), value);
        }
        plugin_object.extend(asked);
        plugin
    })
}

/// `introspection` or `providers`.
fn asked(endpoint: String) -> impl Strategy<Value = Map<String, Value>> {
    let one = move |endpoint: &str, more: &Value| {
        let mut one = json!({ "cluster": "texas", "endpoint": endpoint, "timeout": "20s" });
        let more = more.as_object().unwrap().clone();
        one.as_object_mut().unwrap().extend(more);
        one
    };
    let id = json!({ "method": "client_secret_basic", "client_id": "me", "secret": { "inline": SECRET } });
    let mut post = id.clone();
    post["method"] = json!("client_secret_post");
    let apis = vec![
        json!({}),
        json!({ "identity_provider": "entra_id", "headers": { "x-key": SECRET } }),
        json!({ "parameters": { "z": SECRET, "a": SECRET } }),
        json!({ "api": "rfc7662", "inactive_statuses": [404] }),
        json!({ "api": "rfc7662", "token_type_hint": "access_token", "client_authentication": id }),
        json!({ "api": "rfc7662", "client_authentication": post, "parameters": { "a": SECRET } }),
    ];
    let alone = select(apis.clone());
    let several = (select(apis.clone()), select(apis), any::<bool>());
    prop_oneof![
        alone.prop_map(|api| (api, None)),
        several.prop_map(|(api, other, is_rest)| (api, Some((other, is_rest)))),
    ]
    .prop_map(move |(api, other)| {
        let mut asked = Map::new();
        let Some((other, is_rest)) = other else {
            asked.insert("introspection".to_owned(), one(&endpoint, &api));
            return asked;
        };
        let mut first = one(&endpoint, &api);
        first["issuers"] = json!(["https://one/"]);
        let mut second = one(&endpoint, &other);
        if !is_rest {
            second["issuers"] = json!(["https://two/"]);
        }
        let providers = json!({ "one": first, "two": second });
        asked.insert("providers".to_owned(), providers);
        asked
    })
}

fn rule() -> impl Strategy<Value = Value> {
    let path = select(vec![
        json!({}),
        json!({ "path": "/a" }),
        json!({ "path": "/a:b" }),
        json!({ "prefix": "/a" }),
        json!({ "prefix": "/a/b" }),
        json!({ "template": "/a/{id}" }),
    ]);
    let methods = prop::option::weighted(0.3, subsequence(vec!["GET", "HEAD", "POST"], 1..3));
    let hosts = prop::option::weighted(0.2, select(vec!["api.example.com", "*.example.com"]));
    let route = prop::option::weighted(0.15, select(vec!["main", "other"]));
    let shadow = prop::bool::weighted(0.15);
    let access = (prop::bool::weighted(0.2), requirement(), shadow);
    (path, methods, hosts, route, access).prop_map(
        |(mut matches, methods, hosts, route, access)| {
            if let Some(methods) = methods {
                matches["methods"] = json!(methods);
            }
            if let Some(host) = hosts {
                matches["hosts"] = json!([host]);
            }
            if let Some(route) = route {
                matches["route"] = json!(route);
            }
            match access {
                (true, _, _) => json!({ "match": matches, "anonymous": true }),
                (false, require, shadow) => {
                    json!({ "match": matches, "require": require, "shadow": shadow })
                }
            }
        },
    )
}

fn requirement() -> impl Strategy<Value = Value> {
    let leaf = select(vec![
        json!({}),
        json!({ "scopes": ["a"] }),
        json!({ "scopes": ["a", "b:x"] }),
        json!({ "any_scopes": ["a", "b:*"] }),
        json!({ "audiences": ["https://api/"] }),
        json!({ "claims": [{ "claim": "consumer.ID", "equals": "0192:1" }] }),
        json!({ "claims": [{ "claim": "consumer.ID", "one_of": ["0192:1", "0192:2"] }] }),
        json!({ "claims": [{ "claim": "roles", "contains": "admin" }] }),
        json!({ "claims": [{ "claim": "client_id", "exists": true }] }),
        json!({ "acr_values": ["high"], "max_age": "600s" }),
    ]);
    leaf.prop_recursive(2, 6, 2, |inner| {
        let some = prop::collection::vec(inner, 1..3);
        (select(vec!["all_of", "any_of", "none_of"]), some)
            .prop_map(|(key, some)| json!({ key: some }))
    })
}

/// A request that no other is like, for a configuration whose tokens come so.
pub fn case(runner: &mut TestRunner, plugin: &Value, number: usize) -> Case {
    let method = draw(
        runner,
        &select(vec!["GET", "GET", "HEAD", "POST", "DELETE", "OPTIONS"]),
    );
    let path = draw(runner, &select(PATHS.to_vec()));
    let host = draw(runner, &select(HOSTS.to_vec()));
    let mut headers: Vec<(String, String)> = draw(runner, &subsequence(SPOOFED.to_vec(), 0..3))
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if draw(runner, &prop::bool::weighted(0.08)) {
        headers.push(("x-http-method-override".to_owned(), "DELETE".to_owned()));
    }
    let is_grpc = draw(runner, &prop::bool::weighted(0.15));
    if is_grpc {
        headers.push(("content-type".to_owned(), "application/grpc".to_owned()));
    }
    if method == "OPTIONS" && draw(runner, &prop::bool::weighted(0.7)) {
        headers.push(("origin".to_owned(), "https://app".to_owned()));
        headers.push(("access-control-request-method".to_owned(), "PUT".to_owned()));
    }
    let (answer, claims) = draw(runner, &answer());
    let kind = draw(
        runner,
        &select(vec![
            Kind::None,
            Kind::Odd,
            Kind::Opaque,
            Kind::Jwt,
            Kind::Jwt,
        ]),
    );
    let issuer = draw(
        runner,
        &select(vec!["https://one/", "https://two/", "https://three/"]),
    );
    let (token, value) = credentials(kind, number, &claims, issuer);
    let name = plugin["token"]["header"]
        .as_str()
        .unwrap_or("authorization");
    let scheme = plugin["token"]["scheme"].as_str().unwrap_or("Bearer");
    if let Some(value) = value {
        let value = format!("{scheme} {value}");
        headers.push((name.to_owned(), value.trim_start().to_owned()));
    }
    Case {
        method,
        path,
        host,
        headers,
        has_body: method == "POST" && draw(runner, &any::<bool>()),
        token,
        answer,
    }
}

const PATHS: [&str; 12] = [
    "/",
    "/a",
    "/a",
    "/a/b",
    "/a/b/c",
    "/a/x",
    "/a:b",
    "/a%3Ab",
    "/%61",
    "/a//b",
    "/a;b",
    "/.well-known/oauth-protected-resource",
];

const HOSTS: [&str; 5] = [
    "api.example.com",
    "api.example.com:8443",
    "API.example.com",
    "x.api.example.com",
    "other.example.org",
];

const SPOOFED: [(&str, &str); 4] = [
    ("x-consumer", "spoofed"),
    ("x-client-id", "spoofed"),
    ("x-claims", "spoofed"),
    ("x-other", "own"),
];

/// What stands in the token's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    None,
    /// No token.
    Odd,
    Opaque,
    Jwt,
}

fn credentials(
    kind: Kind,
    number: usize,
    claims: &Value,
    issuer: &str,
) -> (Option<String>, Option<String>) {
    let token = match kind {
        Kind::None => return (None, None),
        Kind::Odd => return (None, Some("a b".to_owned())),
        Kind::Opaque => format!("opaque-{number}-token"),
        Kind::Jwt => {
            let iss = claims.get("iss").cloned().unwrap_or_else(|| issuer.into());
            let payload = json!({ "iss": iss, "exp": claims.get("exp"), "n": number });
            let mut payload = payload;
            payload
                .as_object_mut()
                .unwrap()
                .retain(|_, value| !value.is_null());
            let parts = [json!({ "alg": "RS256" }), payload];
            let [header, payload] = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
            format!("{header}.{payload}.AAAA")
        }
    };
    (Some(token.clone()), Some(token))
}

/// An answer, and the claims in it.
fn answer() -> impl Strategy<Value = (Scripted, Value)> {
    let ok = |body: Value| (Some((200, body.to_string())), Value::Null);
    let failing = vec![
        ok(json!({ "active": false })),
        ok(json!({ "active": false })),
        ok(json!({ "active": false, "error": "fetch: no" })),
        ok(json!({ "active": false, "error": "identity provider 'x' is not enabled" })),
        ok(json!({ "active": "true" })),
        ok(json!({ "active": true, "exp": "soon" })),
        (
            Some((200, r#"{"active":true,"active":true}"#.to_owned())),
            Value::Null,
        ),
        (Some((200, "<html>".to_owned())), Value::Null),
        (Some((404, String::new())), Value::Null),
        (
            Some((401, json!({ "error": "invalid_client" }).to_string())),
            Value::Null,
        ),
        (
            Some((
                400,
                json!({ "error": "unsupported_token_type" }).to_string(),
            )),
            Value::Null,
        ),
        (Some((500, String::new())), Value::Null),
        (Some((429, String::new())), Value::Null),
        (None, Value::Null),
        (None, Value::Null),
    ];
    let active = claims().prop_map(|claims| {
        let mut body = claims.clone();
        body["active"] = json!(true);
        (Some((200, body.to_string())), claims)
    });
    prop_oneof![3 => active, 1 => select(failing)]
}

fn claims() -> impl Strategy<Value = Value> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let one = |name: &'static str, values: Vec<Value>| {
        prop::option::weighted(0.7, select(values)).prop_map(move |value| (name, value))
    };
    let consumer = |id: Value| json!({ "ID": id });
    let claims = (
        one(
            "scope",
            vec![
                json!("a"),
                json!("a b:x"),
                json!("b:y c"),
                json!(["a"]),
                json!(""),
            ],
        ),
        one(
            "iss",
            vec![json!("https://one/"), json!("https://two/"), json!(1)],
        ),
        one(
            "aud",
            vec![
                json!("https://api/"),
                json!(["x", "https://api/"]),
                json!("x"),
                json!(1),
            ],
        ),
        one(
            "consumer",
            vec![
                consumer(json!("0192:1")),
                consumer(json!("0192:2")),
                consumer(json!("blåbær")),
                consumer(json!("a\r\nb: c")),
                consumer(json!(["a", "b"])),
                consumer(json!(17)),
                json!("0192:1"),
            ],
        ),
        one(
            "client_id",
            vec![json!("me"), json!(" me"), json!(true), Value::Null],
        ),
        one(
            "roles",
            vec![
                json!(["admin", "x"]),
                json!("admin"),
                json!(["x"]),
                json!({}),
            ],
        ),
        one("acr", vec![json!("high"), json!("low"), json!(3)]),
        one(
            "auth_time",
            vec![json!(now - 10), json!(now - 100_000), json!("now")],
        ),
        one(
            "exp",
            vec![json!(now + 3600), json!(now - 3600), json!(now + 3600)],
        ),
        prop::option::weighted(0.08, Just(json!({ "jkt": "x" }))).prop_map(|value| ("cnf", value)),
    );
    claims.prop_map(|(a, b, c, d, e, f, g, h, i, j)| {
        let given = [a, b, c, d, e, f, g, h, i, j].into_iter();
        let given = given.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(given.collect())
    })
}
