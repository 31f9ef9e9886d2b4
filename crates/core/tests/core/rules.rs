//! Which rule decides, end to end: hosts, templates, routes, methods and the order of rules. What
//! the rules then ask for is in `requirements`.

use std::collections::BTreeSet;

use portvakt_core::config::ConfigErrors;
use serde_json::{Value, json};

use crate::worker::{End, Head, Worker};

pub const PASS: End = End::Passed("token");
pub const ANONYMOUS: End = End::Passed("anonymous");
/// A claim is not what it must be, or no rule matches: nothing that a client could do about it.
pub const FORBIDDEN: End = End::Refused(403, None);
pub const AMBIGUOUS: End = End::Refused(400, None);

/// The time of all tests, in seconds.
pub const NOW: u64 = 1_795_000_000;

pub fn challenged(status: u16, parameters: &str) -> End {
    let challenge = format!("Bearer {parameters}");
    End::Refused(status, Some(challenge.trim_end().to_owned()))
}

pub fn invalid() -> End {
    challenged(401, r#"error="invalid_token""#)
}

/// These scopes are asked for; none: the challenge names none.
pub fn lacks(scopes: &str) -> End {
    let scope = match scopes {
        "" => String::new(),
        scopes => format!(", scope=\"{scopes}\""),
    };
    challenged(403, &format!("error=\"insufficient_scope\"{scope}"))
}

/// Without credentials, these scopes are asked for.
pub fn asks(scopes: &str) -> End {
    match scopes {
        "" => challenged(401, ""),
        scopes => challenged(401, &format!("scope=\"{scopes}\"")),
    }
}

pub fn worker(rules: &Value) -> Worker {
    configured(json!({ "rules": rules }))
}

pub fn configured(config: Value) -> Worker {
    try_configured(config).unwrap()
}

fn try_configured(mut config: Value) -> Result<Worker, ConfigErrors> {
    config["introspection"] = json!({ "cluster": "texas", "endpoint": "http://texas/introspect" });
    Worker::try_new(&config.to_string())
}

pub fn answers(claims: &Value) -> (u16, String) {
    let mut answer = claims.clone();
    answer["active"] = json!(true);
    (200, answer.to_string())
}

/// The challenge's scope says which rule has decided: each asks for one of its own.
pub fn selects(rules: &[(&str, Value)]) -> Worker {
    try_selects(rules).unwrap()
}

fn try_selects(rules: &[(&str, Value)]) -> Result<Worker, ConfigErrors> {
    let rules = rules.iter().map(|(name, matches)| {
        json!({ "name": name, "match": matches, "require": { "scopes": [name] } })
    });
    try_configured(json!({ "rules": rules.collect::<Vec<_>>() }))
}

/// A request without credentials; `""`: no rule is for it, `"?"`: it is ambiguous.
pub fn check_selected(worker: &mut Worker, head: &Head<'_>, expected: &str) {
    let expected = match expected {
        "" => FORBIDDEN,
        "?" => AMBIGUOUS,
        name => asks(name),
    };
    assert_eq!(worker.send(head), expected, "{head:?}");
}

#[test]
fn rules_by_host() {
    let mut worker = selects(&[
        ("api", json!({ "hosts": ["api.example.com", "[::1]"] })),
        (
            "below",
            json!({ "hosts": ["*.Example.com"], "methods": ["GET"] }),
        ),
        (
            "path",
            json!({ "hosts": ["example.com"], "prefix": "/api" }),
        ),
        ("public", json!({ "path": "/public" })),
    ]);
    for (line, host, expected) in [
        ("GET /", "api.example.com", "api"),
        ("GET /", "API.EXAMPLE.com:8080", "api"),
        ("GET /", "api.example.com.", "?"),
        ("GET /", "api.example.com.:443", "?"),
        ("GET /", "[::1]:8080", "api"),
        ("GET /", "[0:0::1]", "?"),
        ("GET /", "other.example.com", "below"),
        ("GET /", "a.b.example.com", "below"),
        ("POST /", "other.example.com", ""),
        ("GET /api/x", "example.com", "path"),
        ("GET /", "example.com", ""),
        ("GET /api/x", "example.com.evil.org", ""),
        ("GET /", "evilexample.com", ""),
        ("GET /", "api.example.com.evil.org", ""),
        ("GET /public", "anything", "public"),
        ("GET /public", "api.example.com", "api"),
        // No rule may decide on a host that could be read in two ways, whatever it goes by.
        ("GET /public", "", "?"),
        ("GET /public", "api.example.com, evil.org", "?"),
        ("GET /", "api.example.com:80:81", "?"),
        ("GET /", "api.example.com@evil.org", "?"),
        ("GET /", "api..example.com", "?"),
        ("GET /", "api.example.com/", "?"),
        ("GET /", "api.example.com:http", "?"),
        ("GET /", "api%2eexample.com", "?"),
    ] {
        check_selected(&mut worker, &Head::new(line).host(host), expected);
    }
    check_selected(&mut worker, &Head::new("GET /public"), "?");
    // Where no rule goes by hosts, they may be anything.
    let mut worker = selects(&[("public", json!({ "path": "/public" }))]);
    for head in [
        Head::new("GET /public"),
        Head::new("GET /public").host("a@b"),
    ] {
        check_selected(&mut worker, &head, "public");
    }
}

#[test]
fn rules_by_template() {
    let mut worker = selects(&[
        ("order", json!({ "template": "/orders/{id}" })),
        (
            "line",
            json!({ "template": "/orders/{id}/lines/{line}", "methods": ["GET"] }),
        ),
        ("lines", json!({ "template": "/orders/{id}/lines/" })),
        ("å", json!({ "template": "/blå/{id}" })),
    ]);
    for (line, expected) in [
        ("GET /orders/1", "order"),
        ("DELETE /orders/1?x=/y", "order"),
        ("GET /orders/a%20b", "order"),
        ("GET /orders/%C3%A6", "order"),
        ("GET /orders/%c3%a6%3A%31", "order"),
        ("GET /%6Frders/1", "?"),
        ("GET /%6frders/1/lines/2", "?"),
        ("GET /orders/1/l%69nes/2", "?"),
        ("GET /%6Frders", ""),
        ("GET /orders/{id}", "order"),
        ("GET /orders/", ""),
        ("GET /orders", ""),
        ("GET /orders/1/", ""),
        ("GET /Orders/1", ""),
        ("GET /x/orders/1", ""),
        ("GET /orders/1/lines/2", "line"),
        ("PUT /orders/1/lines/2", ""),
        ("GET /orders/1/lines/", "lines"),
        ("GET /orders/1/lines", ""),
        ("GET /orders/1/lines/2/3", ""),
        ("GET /orders/1/rows/2", ""),
        ("GET /orders//lines/2", "?"),
        ("GET /orders/1%2flines%2f2", "?"),
        ("GET /orders/..", "?"),
        ("GET /orders/1;x", "?"),
        ("OPTIONS *", ""),
    ] {
        check_selected(&mut worker, &Head::new(line), expected);
    }
    // The rule is there; its scope is not ASCII.
    let found = worker.send(&Head::new("GET /bl%C3%A5/1"));
    assert_eq!(found, asks(""));
    for line in ["GET /bl%c3%a5/1", "GET /blå/1", "GET /bl%C3%a5/1"] {
        check_selected(&mut worker, &Head::new(line), "?");
    }
}

/// What a rule names must be spelled as Envoy's routes would spell it, whoever else a request is
/// for; in parameters and below prefixes any spelling goes.
#[test]
fn what_rules_name_has_one_spelling() {
    let mut worker = selects(&[
        ("get", json!({ "methods": ["GET"] })),
        ("public", json!({ "prefix": "/pub:lic" })),
        (
            "elsewhere",
            json!({ "path": "/a@b", "hosts": ["b.no"], "methods": ["PUT"], "route": "b" }),
        ),
        ("star", json!({ "path": "/a%2A" })),
        ("wide", json!({ "prefix": "/blå%20b" })),
        ("below", json!({ "prefix": "/%7Bx%7D/y" })),
    ]);
    for (line, expected) in [
        ("GET /pub:lic/x", "get"),
        ("POST /pub:lic", "public"),
        ("POST /pub:lic/%78/%3a", "public"),
        ("POST /pub%3Alic/x", "?"),
        ("POST /pub%3alic", "?"),
        ("POST /%70ub:lic/x", "?"),
        ("GET /pub%3Alic/x", "?"),
        ("GET /a%40b", "?"),
        ("GET /a@b", "get"),
        ("GET /a%40b/", "get"),
        ("POST /a*", "star"),
        ("POST /a%2A", "?"),
        ("POST /bl%C3%A5%20b/x", "wide"),
        ("POST /bl%c3%a5%20b/x", "?"),
        ("POST /%7Bx%7D/y", "below"),
        ("POST /{x}/y", "?"),
        ("POST /%7bx%7d/y/z", "?"),
        ("GET /other%3A", "get"),
        ("POST /other%3A", ""),
    ] {
        check_selected(&mut worker, &Head::new(line).host("a.no"), expected);
    }
}

#[test]
fn rules_by_route() {
    let mut worker = selects(&[
        (
            "both",
            json!({ "route": "orders", "template": "/orders/{id}" }),
        ),
        ("route", json!({ "route": "orders", "methods": ["GET"] })),
        ("other", json!({ "route": "Orders" })),
        ("path", json!({ "path": "/orders" })),
    ]);
    for (line, route, expected) in [
        ("GET /orders/1", Some("orders"), "both"),
        ("GET /orders", Some("orders"), "route"),
        ("GET /any/where", Some("orders"), "route"),
        ("POST /orders", Some("orders"), "path"),
        ("GET /any/where", Some("Orders"), "other"),
        ("GET /any/where", Some("order"), ""),
        ("GET /any/where", Some(""), ""),
        ("GET /orders/1", None, ""),
        ("GET /orders", None, "path"),
        ("GET //orders", Some("orders"), "?"),
    ] {
        let head = Head::new(line);
        let head = match route {
            Some(name) => head.route(name),
            None => head,
        };
        check_selected(&mut worker, &head, expected);
    }
}

#[test]
fn all_conditions_of_a_rule_must_hold() {
    let mut worker = selects(&[(
        "all",
        json!({
            "template": "/orders/{id}",
            "methods": ["GET", "HEAD"],
            "hosts": ["a.no", "*.b.no"],
            "route": "orders"
        }),
    )]);
    for (line, host, route, expected) in [
        ("GET /orders/1", "a.no", "orders", "all"),
        ("HEAD /orders/2", "x.b.no:80", "orders", "all"),
        ("GET /orders", "a.no", "orders", ""),
        ("POST /orders/1", "a.no", "orders", ""),
        ("get /orders/1", "a.no", "orders", ""),
        ("GET /orders/1", "b.no", "orders", ""),
        ("GET /orders/1", "a.no", "other", ""),
    ] {
        check_selected(
            &mut worker,
            &Head::new(line).host(host).route(route),
            expected,
        );
    }
}

/// Whatever order rules are in, the first that is for the path decides, not the most specific.
#[test]
fn the_first_match_decides_in_every_order() {
    let rules = [
        ("exact", json!({ "path": "/orders/new" })),
        ("id", json!({ "template": "/orders/{id}" })),
        ("kind", json!({ "template": "/{kind}/new" })),
        ("below", json!({ "prefix": "/orders" })),
        ("deep", json!({ "prefix": "/orders/new/" })),
        ("post", json!({ "methods": ["POST"] })),
    ];
    let cases: &[(&str, &[&str])] = &[
        ("GET /orders/new", &["exact", "id", "kind", "below", "deep"]),
        (
            "POST /orders/new",
            &["exact", "id", "kind", "below", "deep", "post"],
        ),
        (
            "GET /orders/new?%6F=%65",
            &["exact", "id", "kind", "below", "deep"],
        ),
        ("GET /orders/1", &["id", "below"]),
        ("GET /users/new", &["kind"]),
        ("POST /users/new", &["kind", "post"]),
        ("GET /orders", &["below"]),
        ("GET /orders/", &["below"]),
        ("GET /orders/new/", &["below", "deep"]),
        ("GET /orders/new/x/y", &["below", "deep"]),
        ("GET /orders/newer/x", &["below"]),
        ("GET /users/newer", &[]),
        ("GET /", &[]),
        ("POST /", &["post"]),
        ("POST *", &["post"]),
    ];
    for order in permutations(rules.len()) {
        let ordered: Vec<_> = order.iter().map(|index| rules[*index].clone()).collect();
        let first = |matching: &[&str]| {
            let mut names = ordered.iter().map(|(name, _)| *name);
            names.find(|name| matching.contains(name))
        };
        let reached: BTreeSet<_> = cases.iter().filter_map(|(_, all)| first(all)).collect();
        let Ok(mut worker) = try_selects(&ordered) else {
            assert!(reached.len() < rules.len(), "{ordered:?}");
            continue;
        };
        assert_eq!(reached.len(), rules.len(), "{ordered:?}");
        for (line, matching) in cases {
            let expected = first(matching).unwrap_or_default();
            check_selected(&mut worker, &Head::new(line), expected);
        }
    }
}

fn permutations(length: usize) -> Vec<Vec<usize>> {
    let Some(last) = length.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let shorter = permutations(last);
    let longer = shorter.iter().flat_map(|order| {
        (0..length).map(|place| {
            let mut order = order.clone();
            order.insert(place, last);
            order
        })
    });
    longer.collect()
}
