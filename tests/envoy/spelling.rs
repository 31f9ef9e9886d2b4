//! Paths that are spelled otherwise: no spelling of what a rule names is decided on as that path
//! and then routed as another, with Envoy's own cleaning and without.

use std::net::SocketAddr;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::client::{Answer, raw};
use crate::gateway::{CONNECTION_MANAGER, Gateway, Setup, at};

/// What routes of their own answer; everything else goes to the API.
const NAMED: u16 = 298;

/// Whoever refuses it.
const REFUSED: u16 = 400;

/// Characters that stand for themselves, beside letters and digits. The first of them Envoy makes
/// of their escapes, the rest it leaves as they are either way.
const UNRESERVED: &str = "-_~";
const RESERVED: &str = "!$&'()*+,=:@[]";

/// Characters that Envoy makes escapes of.
const ENVOY_ESCAPES: &str = "\"<>^`{|}";

/// Every character that a path may hold in one way or another, and has one reading in it.
fn characters() -> impl Iterator<Item = char> {
    let all = ('\x20'..='\u{ff}').chain(['€', '🫐']);
    all.filter(|c| !"\x7f/\\;#?.".contains(*c))
}

fn escaped(c: char) -> String {
    let bytes = c.to_string().into_bytes().into_iter();
    bytes.fold(String::new(), |text, byte| format!("{text}%{byte:02X}"))
}

fn is_itself(c: char) -> bool {
    c.is_ascii_alphanumeric() || UNRESERVED.contains(c) || RESERVED.contains(c)
}

fn canonical(c: char) -> String {
    if is_itself(c) {
        c.to_string()
    } else {
        escaped(c)
    }
}

/// The same in a rule, where `*` looks like a pattern.
fn literal(c: char) -> String {
    canonical(c).replace('*', "%2A")
}

/// An anonymous rule for each of these paths, and one that lets nobody in.
fn rules(key: &str, paths: impl Iterator<Item = String>) -> Value {
    let anonymous = paths.map(|path| json!({ "match": { key: path }, "anonymous": true }));
    let nobody = json!({ "match": {}, "require": { "scopes": ["nobody"] } });
    anonymous.chain([nobody]).collect()
}

/// Routes before the one to the API.
fn add_routes(config: &mut Value, routes: impl Iterator<Item = Value>) {
    let all = format!("{CONNECTION_MANAGER}/route_config/virtual_hosts/0/routes");
    let all = at(config, &all).as_array_mut().unwrap();
    all.splice(..0, routes);
}

fn named(matches: &Value) -> Value {
    json!({ "match": matches, "direct_response": { "status": NAMED } })
}

async fn gateway(rules: Value, edit: fn(&mut Value), envoy_normalizes_paths: bool) -> Gateway {
    Gateway::start(Setup {
        plugin: json!({ "introspection": { "cluster": "texas" }, "rules": rules }),
        envoy_normalizes_paths,
        edit,
        ..Setup::default()
    })
    .await
}

/// Envoy lingers over connections that are to be closed.
async fn http1(address: SocketAddr, path: &str) -> Answer {
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    raw(address, head.as_bytes()).await
}

/// Over HTTP/2 a path may hold bytes that HTTP/1.1 forbids.
async fn http2_status(address: SocketAddr, path: &str) -> u16 {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let uri = http::Uri::builder().scheme("http").authority("x");
    let path = http::uri::PathAndQuery::from_maybe_shared(Bytes::from(path.to_owned()));
    let request = http::Request::get(uri.path_and_query(path.unwrap()).build().unwrap());
    let (answer, _) = client
        .ready()
        .await
        .unwrap()
        .send_request(request.body(()).unwrap(), true)
        .unwrap();
    answer.await.unwrap().status().as_u16()
}

/// What becomes of a request for `/x{c}y` that spells `c` so.
fn expected(c: char, spelled: &str, is_normalized: bool, is_http2: bool) -> u16 {
    let is_raw = !spelled.contains('%') || spelled == "%";
    let is_cleaned = if is_raw {
        // Envoy itself refuses the other bytes over HTTP/1.1.
        ENVOY_ESCAPES.contains(c) || (is_http2 && !c.is_ascii())
    } else {
        c.is_ascii_alphanumeric() || UNRESERVED.contains(c)
    };
    if spelled == canonical(c) || (is_normalized && is_cleaned) {
        NAMED
    } else {
        REFUSED
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_of_every_character() {
    let rules = rules("path", characters().map(|c| format!("/x{}y", literal(c))));
    let edit = |config: &mut Value| {
        let paths = characters().map(|c| format!("/x{}y", canonical(c)));
        add_routes(config, paths.map(|path| named(&json!({ "path": path }))));
    };
    for is_normalized in [false, true] {
        let gateway = gateway(rules.clone(), edit, is_normalized).await;
        for c in characters() {
            let upper = escaped(c);
            // Half of it in lower case.
            let (first, rest) = upper.split_at(3);
            let mixed = first.to_lowercase() + rest;
            for spelled in [&c.to_string(), &upper, &upper.to_lowercase(), &mixed] {
                let path = format!("/x{spelled}y");
                let found = http1(gateway.address, &path).await.status;
                let wanted = expected(c, spelled, is_normalized, false);
                assert_eq!(found, wanted, "{path} {is_normalized}");
                if !c.is_ascii() {
                    let found = http2_status(gateway.address, &path).await;
                    let wanted = expected(c, spelled, is_normalized, true);
                    assert_eq!(found, wanted, "HTTP/2 {path} {is_normalized}");
                }
            }
        }
        assert_eq!(gateway.idp.api_requests(), 0);
    }
}

/// Names a path that some of these characters are in, each of which Envoy leaves both as it is
/// and escaped.
fn named_prefixes() -> impl Iterator<Item = (char, String)> {
    let all = ":@+,=!$&'([æ".chars();
    all.map(|c| (c, format!("/pub{}lic", canonical(c))))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_and_what_lies_below() {
    let rules = rules("prefix", named_prefixes().map(|(_, prefix)| prefix));
    let edit = |config: &mut Value| {
        let prefixes = named_prefixes().map(|(_, prefix)| format!("{prefix}/"));
        add_routes(config, prefixes.map(|p| named(&json!({ "prefix": p }))));
    };
    for is_normalized in [false, true] {
        let gateway = gateway(rules.clone(), edit, is_normalized).await;
        let unescaped = if is_normalized { NAMED } else { REFUSED };
        for (c, prefix) in named_prefixes() {
            let (upper, lower) = (escaped(c), escaped(c).to_lowercase());
            let other = if c == 'æ' { &lower } else { &upper };
            for (path, expected) in [
                (format!("{prefix}/x"), NAMED),
                (format!("{prefix}/{upper}/{lower}/%78"), NAMED),
                (format!("{prefix}/x?{lower}=%70"), NAMED),
                (format!("/pub{other}lic/x"), REFUSED),
                (format!("/pub{lower}lic/x"), REFUSED),
                (format!("/pub{lower}lic"), REFUSED),
                (prefix.replace("/pub", "/%70ub") + "/x", unescaped),
                (prefix.replace("/pub", "/p%75b") + "/x", unescaped),
                // What no rule names may be spelled in any way.
                (format!("/other{lower}"), 401),
                (format!("{prefix}{lower}/x"), 401),
            ] {
                let answer = http1(gateway.address, &path).await;
                assert_eq!(answer.status, expected, "{path} {is_normalized}");
                let reason = "application/problem+json";
                let is_ours = answer.header("content-type").as_deref() == Some(reason);
                assert_eq!(is_ours, expected != NAMED, "{path}: {answer:?}");
            }
        }
        assert_eq!(gateway.idp.api_requests(), 0);
    }
}

/// Routes that cut off what a rule names, in the ways that README tells of.
fn rewriting(config: &mut Value) {
    let to_api = |matches: Value, rewrite: &str| {
        json!({
            "match": matches,
            "route": { "cluster": "api", "prefix_rewrite": rewrite },
        })
    };
    let routes = [
        to_api(json!({ "path_separated_prefix": "/admin" }), "/internal"),
        to_api(json!({ "path_separated_prefix": "/bare" }), "/"),
        to_api(json!({ "path": "/cut" }), "/"),
        to_api(json!({ "prefix": "/cut/" }), "/"),
        to_api(json!({ "prefix": "/careless" }), "/"),
    ];
    add_routes(config, routes.into_iter());
}

/// Rules go by the path before Envoy rewrites it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_rewrite_makes_of_a_path() {
    let nobody =
        |prefix| json!({ "match": { "prefix": prefix }, "require": { "scopes": ["nobody"] } });
    let rules = json!([
        nobody("/admin"),
        nobody("/cut"),
        nobody("/careless"),
        { "match": {}, "anonymous": true }
    ]);
    for is_normalized in [false, true] {
        let gateway = gateway(rules.clone(), rewriting, is_normalized).await;
        for (path, expected) in [
            ("/admin", Err(401)),
            ("/admin/secret", Err(401)),
            ("/adminsecret", Ok("/adminsecret")),
            ("/admin.secret", Ok("/admin.secret")),
            ("/admin:secret", Ok("/admin:secret")),
            ("/admin%20secret", Ok("/admin%20secret")),
            ("/Admin/secret", Ok("/Admin/secret")),
            (
                "/adm%69n/secret",
                Err(if is_normalized { 401 } else { 400 }),
            ),
            ("/admin;/secret", Err(400)),
            ("/admin//secret", Err(if is_normalized { 401 } else { 400 })),
            ("/admin%2fsecret", Err(400)),
            ("/cut", Err(401)),
            ("/cut/secret", Err(401)),
            ("/cutsecret", Ok("/cutsecret")),
            ("/cut%3Fsecret", Err(400)),
            // Where the prefix does not end at a slash there is a hole.
            ("/careless/secret", Err(401)),
            ("/carelesssecret", Ok("/secret")),
        ] {
            let answer = gateway.get(path, &[]).await;
            let found = match answer.status {
                200 => Ok(answer.json()["path"].as_str().unwrap().to_owned()),
                status => Err(status),
            };
            let expected = expected.map(str::to_owned);
            assert_eq!(found, expected, "{path} {is_normalized}: {answer:?}");
        }
    }
}

/// With a token that may, what the API sees.
#[tokio::test(flavor = "multi_thread")]
async fn what_rewritten_paths_look_like() {
    let rules = json!([{ "match": {}, "anonymous": true }]);
    let gateway = gateway(rules, rewriting, true).await;
    for (path, expected) in [
        ("/admin", "/internal"),
        ("/admin/x", "/internal/x"),
        // Not to be had in one route.
        ("/bare/x", "//x"),
        ("/cut", "/"),
        ("/cut/", "/"),
        ("/cut/x", "/x"),
    ] {
        let answer = gateway.get(path, &[]).await;
        assert_eq!(answer.json()["path"], expected, "{path}: {answer:?}");
    }
}
