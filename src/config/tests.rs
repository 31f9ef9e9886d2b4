use prost::Message;
use serde_json::Value;

use super::wire::tests::proto_struct;
use super::*;

fn env(name: &str) -> Option<String> {
    match name {
        "NAIS_TOKEN_INTROSPECTION_ENDPOINT" => Some("http://127.0.0.1:7164/i".to_owned()),
        "CLIENT_SECRET" => Some("s3cret".to_owned()),
        "EMPTY" => Some(String::new()),
        "WITH_NEWLINE" => Some("s3cret\n".to_owned()),
        _ => None,
    }
}

fn check(json: &str, expected: Result<(), &str>) {
    let found = parse(json.as_bytes(), env).map_err(|error| error.to_string());
    match (found, expected) {
        (Ok(_), Ok(())) => {}
        (Err(line), Err(part)) => {
            assert!(line.contains(part), "{json}\n  said {line}\n  not  {part}");
            assert!(!line.contains('\n') && !line.contains("s3cret"), "{line}");
        }
        (found, expected) => panic!("{json}\n  {found:?}\n  expected {expected:?}"),
    }
    check_native(json);
}

/// As a `Struct` the same configuration is taken, or refused for the same key.
fn check_native(json: &str) {
    let Ok(Value::Object(members)) = serde_json::from_str(json) else {
        return;
    };
    let native = proto_struct(&members).encode_to_vec();
    let key = |bytes: &[u8]| parse(bytes, env).map(|_| ()).map_err(|error| error.key);
    let once = Value::Object(members).to_string();
    assert_eq!(key(&native), key(once.as_bytes()), "{json}");
}

const INTROSPECTION: &str = r#""introspection":{"cluster":"texas"}"#;

#[test]
fn the_smallest_configuration() {
    check(
        &format!(r#"{{{INTROSPECTION},"required_scopes":["a"]}}"#),
        Ok(()),
    );
}

#[test]
fn everything_that_is_known() {
    let json = r#"{
        "introspection": {
            "cluster": "idp", "endpoint": "https://idp/introspect", "api": "rfc7662",
            "token_type_hint": "access_token",
            "client_authentication": {
                "method": "client_secret_basic", "client_id": "me", "secret": {"env": "CLIENT_SECRET"}
            },
            "headers": {"X-App": "me"}, "parameters": {"resource": "x"}, "timeout": "250ms"
        },
        "rules": [
            {"name": "health", "match": {"path": "/health"}, "anonymous": true},
            {"match": {"prefix": "/api", "methods": ["GET"]}, "require": {"scopes": ["a", "blå"]}},
            {"match": {}, "require": {}}
        ],
        "token": {"header": "X-Token", "scheme": "", "max_length": 100},
        "challenge": {"realm": "r", "resource_metadata": "https://api/.well-known/x"}
    }"#;
    let authorizer = parse(json.as_bytes(), env).unwrap();
    assert_eq!(authorizer.token.header, "x-token");
    assert_eq!(authorizer.introspection.timeout.as_millis(), 250);
    assert_eq!(
        authorizer.introspection.headers.0,
        [("x-app".to_owned(), "me".to_owned())]
    );
    assert!(!format!("{authorizer:?}").contains("s3cret"));
}

#[test]
fn defaults() {
    let json = format!(r#"{{{INTROSPECTION},"required_scopes":["a"]}}"#);
    let authorizer = parse(json.as_bytes(), env).unwrap();
    assert_eq!(authorizer.introspection.timeout.as_secs(), 1);
    assert_eq!(authorizer.token.header, "authorization");
    assert_eq!(authorizer.token.scheme, "Bearer");
    assert_eq!(authorizer.token.max_length, 8192);
}

#[test]
fn what_is_no_configuration() {
    for (json, expected) in [
        ("", "EOF"),
        ("null", "expected an object"),
        ("[]", "expected an object"),
        ("{", "EOF"),
        ("{} x", "trailing characters"),
        (
            r#"{"introspection":{"cluster":"c"},"required_scopes":["a"]} x"#,
            "trailing",
        ),
        ("{}", "missing field `introspection`"),
        ("\u{1}", "configuration"),
    ] {
        check(json, Err(expected));
    }
}

#[test]
fn top_level() {
    for (rest, expected) in [
        (r#""required_scopes":["a"]"#, Ok(())),
        (r#""rules":[{"match":{},"require":{}}]"#, Ok(())),
        (r#""required_scopes":[]"#, Err("required_scopes: is empty")),
        (
            r#""required_scopes":null"#,
            Err("required_scopes: invalid type: null"),
        ),
        (
            r#""required_scopes":"a""#,
            Err("required_scopes: invalid type"),
        ),
        (
            r#""required_scopes":["a b"]"#,
            Err("required_scopes[0]: \"a b\" is no scope"),
        ),
        (
            r#""required_scopes":["a",""]"#,
            Err("required_scopes[1]: \"\" is no scope"),
        ),
        (
            r#""required_scopes":[1]"#,
            Err("required_scopes[0]: invalid type"),
        ),
        (r#""rules":[]"#, Err("rules: is empty")),
        (
            r#""rules":[{"match":{},"require":{}}],"required_scopes":["a"]"#,
            Err("required_scopes: not together with `rules`"),
        ),
        (
            r#""token":{}"#,
            Err("rules: is missing; expected `rules` or `required_scopes`"),
        ),
        (
            r#""required_scopes":["a"],"required_scopes":["b"]"#,
            Err("`required_scopes` is given twice"),
        ),
        (
            r#""required_scopes":["a"],"scopes":["b"]"#,
            Err("unknown field `scopes`"),
        ),
    ] {
        check(&format!("{{{INTROSPECTION},{rest}}}"), expected);
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn introspection() {
    for (members, expected) in [
        (r#""cluster":"c""#, Ok(())),
        (
            r#""cluster":"c","api":"texas","identity_provider":"x","outage_errors":[]"#,
            Ok(()),
        ),
        (r#""cluster":"c","timeout":"2m""#, Ok(())),
        (
            r#""cluster":"c","headers":{"authorization":"Bearer s3cret"}"#,
            Ok(()),
        ),
        ("", Err("introspection: missing field `cluster`")),
        (r#""cluster":"""#, Err("introspection.cluster: is empty")),
        (r#""cluster":7"#, Err("introspection.cluster: invalid type")),
        (
            r#""cluster":"c","clutser":1"#,
            Err("unknown field `clutser`"),
        ),
        (
            r#""cluster":"c","endpoint":"ftp://idp/i""#,
            Err("introspection.endpoint: expected an http"),
        ),
        (
            r#""cluster":"c","endpoint":"/i""#,
            Err("introspection.endpoint: expected an http"),
        ),
        (
            r#""cluster":"c","endpoint":"http://u:s3cret@idp/i""#,
            Err("introspection.endpoint: "),
        ),
        (
            r#""cluster":"c","endpoint":null"#,
            Err("introspection.endpoint: invalid type: null"),
        ),
        (
            r#""cluster":"c","api":"oidc""#,
            Err("introspection.api: unknown variant `oidc`, expected `texas` or `rfc7662`"),
        ),
        (
            r#""cluster":"c","identity_provider":"""#,
            Err("introspection.identity_provider: is empty"),
        ),
        (
            r#""cluster":"c","outage_errors":["x",""]"#,
            Err("introspection.outage_errors: holds an empty"),
        ),
        (
            r#""cluster":"c","timeout":"0s""#,
            Err("introspection.timeout: \"0s\" is no duration"),
        ),
        (
            r#""cluster":"c","timeout":"5m""#,
            Err("introspection.timeout"),
        ),
        (
            r#""cluster":"c","timeout":"soon""#,
            Err("introspection.timeout"),
        ),
        (
            r#""cluster":"c","timeout":"999999999999999999999y""#,
            Err("introspection.timeout"),
        ),
        (
            r#""cluster":"c","timeout":1"#,
            Err("introspection.timeout: invalid type"),
        ),
        (
            r#""cluster":"c","token_type_hint":"x""#,
            Err("introspection.token_type_hint: only with `api: rfc7662`"),
        ),
        (
            r#""cluster":"c","client_authentication":{"method":"bearer","secret":{"inline":"s3cret"}}"#,
            Err("introspection.client_authentication: only with `api: rfc7662`"),
        ),
        (
            r#""cluster":"c","api":"rfc7662","identity_provider":"x""#,
            Err("introspection.identity_provider: only with `api: texas`"),
        ),
        (
            r#""cluster":"c","api":"rfc7662","outage_errors":[]"#,
            Err("introspection.outage_errors: only with `api: texas`"),
        ),
        (
            r#""cluster":"c","headers":{"a b":"x"}"#,
            Err("introspection.headers.a b: \"a b\" is no header name"),
        ),
        (
            r#""cluster":"c","headers":{":path":"x"}"#,
            Err("introspection.headers.:path"),
        ),
        (
            r#""cluster":"c","headers":{"Content-Type":"x"}"#,
            Err("introspection.headers.Content-Type: is not yours"),
        ),
        (
            r#""cluster":"c","headers":{"x":"s3cret\r\ny: z"}"#,
            Err("introspection.headers.x: its value"),
        ),
        (
            r#""cluster":"c","headers":{"x":"s3cretå"}"#,
            Err("introspection.headers.x: its value"),
        ),
        (
            r#""cluster":"c","headers":{"x":1}"#,
            Err("introspection.headers.x: expected a string"),
        ),
        (
            r#""cluster":"c","headers":{"x":"1","X":"2"}"#,
            Err("is given twice"),
        ),
        (
            r#""cluster":"c","parameters":{"token":"x"}"#,
            Err("introspection.parameters.token: is not yours"),
        ),
        (
            r#""cluster":"c","parameters":{"x":["s3cret"]}"#,
            Err("introspection.parameters.x: expected a string"),
        ),
    ] {
        let json = format!(r#"{{"introspection":{{{members}}},"required_scopes":["a"]}}"#);
        check(&json, expected);
    }
    check(
        r#"{"introspection":["texas"],"required_scopes":["a"]}"#,
        Err("introspection: invalid type: sequence, expected an object"),
    );
    let without = parse(
        format!(r#"{{{INTROSPECTION},"required_scopes":["a"]}}"#).as_bytes(),
        |_| None,
    );
    assert!(without.unwrap_err().to_string().contains(
        "introspection.endpoint: is not given, and NAIS_TOKEN_INTROSPECTION_ENDPOINT is not"
    ));
}

#[test]
fn client_authentication() {
    let key = "introspection.client_authentication";
    for (members, expected) in [
        (
            r#""method":"client_secret_basic","client_id":"c","secret":{"inline":"s3cret"}"#,
            Ok(()),
        ),
        (
            r#""method":"client_secret_post","client_id":"c","secret":{"env":"CLIENT_SECRET"}"#,
            Ok(()),
        ),
        (
            r#""method":"bearer","secret":{"env":"CLIENT_SECRET"}"#,
            Ok(()),
        ),
        (
            r#""method":"private_key_jwt","secret":{"inline":"s3cret"}"#,
            Err(".method: unknown variant"),
        ),
        (
            r#""method":"client_secret_basic","secret":{"inline":"s3cret"}"#,
            Err(".client_id: is missing"),
        ),
        (
            r#""method":"client_secret_basic","client_id":"","secret":{"inline":"s3cret"}"#,
            Err(".client_id: is missing or empty"),
        ),
        (
            r#""method":"bearer","client_id":"c","secret":{"inline":"s3cret"}"#,
            Err(".client_id: not with `method: bearer`"),
        ),
        (r#""method":"bearer""#, Err(": missing field `secret`")),
        (
            r#""method":"bearer","secret":"s3cret""#,
            Err(".secret: invalid type: string, expected an object"),
        ),
        (
            r#""method":"bearer","secret":{"inline":["s3cret"]}"#,
            Err(".secret"),
        ),
        (
            r#""method":"bearer","secret":{"file":"s3cret"}"#,
            Err(".secret"),
        ),
        (
            r#""method":"bearer","secret":{"env":"A","inline":"s3cret"}"#,
            Err(".secret"),
        ),
        (r#""method":"bearer","secret":{}"#, Err(".secret")),
        (
            r#""method":"bearer","secret":{"env":"MISSING"}"#,
            Err(".secret.env: names no variable"),
        ),
        (
            r#""method":"bearer","secret":{"env":"EMPTY"}"#,
            Err(".secret: is empty"),
        ),
        (
            r#""method":"bearer","secret":{"env":"WITH_NEWLINE"}"#,
            Err(".secret: holds a character"),
        ),
    ] {
        let json = format!(
            r#"{{"introspection":{{"cluster":"c","api":"rfc7662","client_authentication":{{{members}}}}},"required_scopes":["a"]}}"#
        );
        let line = expected.map_err(|rest| format!("{key}{rest}"));
        check(&json, line.as_ref().map_err(String::as_str).copied());
    }
    check(
        r#"{"introspection":{"cluster":"c","api":"rfc7662","headers":{"Authorization":"s3cret"},
            "client_authentication":{"method":"bearer","secret":{"inline":"s3cret"}}},"required_scopes":["a"]}"#,
        Err("introspection.headers.Authorization: not together with client_authentication"),
    );
}

#[test]
fn rules() {
    for (rule, expected) in [
        (r#"{"match":{},"require":{}}"#, Ok(())),
        (r#"{"match":{"prefix":"/"},"require":{}}"#, Ok(())),
        (r#"{"match":{"path":"/bl%C3%A5"},"anonymous":true}"#, Ok(())),
        (r#"{"require":{}}"#, Err("rules[0]: missing field `match`")),
        (
            r#"{"match":null,"require":{}}"#,
            Err("rules[0].match: invalid type: null"),
        ),
        (r#"{"match":{}}"#, Err("rules[0].require: is missing")),
        (
            r#"{"match":{},"anonymous":false}"#,
            Err("rules[0].require: is missing"),
        ),
        (
            r#"{"match":{},"require":null}"#,
            Err("rules[0].require: invalid type: null"),
        ),
        (
            r#"{"match":{},"anonymous":true,"require":{}}"#,
            Err("rules[0].require: not together with `anonymous: true`"),
        ),
        (
            r#"{"match":{},"anonymous":"yes"}"#,
            Err("rules[0].anonymous: invalid type"),
        ),
        (
            r#"{"match":{"prefix":null},"anonymous":true}"#,
            Err("rules[0].match.prefix: invalid type: null"),
        ),
        (
            r#"{"match":{"path":"/a","prefix":"/a"},"require":{}}"#,
            Err("rules[0].match.prefix: not together with `path`"),
        ),
        (
            r#"{"match":{"path":"a"},"require":{}}"#,
            Err("rules[0].match.path: \"a\" is a path that does not begin"),
        ),
        (
            r#"{"match":{"path":""},"require":{}}"#,
            Err("rules[0].match.path"),
        ),
        (
            r#"{"match":{"path":"/a?b"},"require":{}}"#,
            Err("rules[0].match.path: \"/a?b\" holds a query"),
        ),
        (
            r#"{"match":{"prefix":"/a//b"},"require":{}}"#,
            Err("rules[0].match.prefix: \"/a//b\" is a path that could be read in two ways"),
        ),
        (
            r#"{"match":{"prefix":"/a/../b"},"require":{}}"#,
            Err("rules[0].match.prefix"),
        ),
        (
            r#"{"match":{"methods":[]},"require":{}}"#,
            Err("rules[0].match.methods: is empty"),
        ),
        (
            r#"{"match":{"methods":["GET","get"]},"require":{}}"#,
            Err("rules[0].match.methods[1]: is no method"),
        ),
        (
            r#"{"match":{"methods":["G T"]},"require":{}}"#,
            Err("rules[0].match.methods[0]: is no method"),
        ),
        (
            r#"{"match":{"template":"/a/{b}","hosts":["a","*.b.c"],"route":"r","methods":["GET"]},"require":{}}"#,
            Ok(()),
        ),
        (
            r#"{"match":{"template":"/a/{b}.json"},"require":{}}"#,
            Err("rules[0].match.template: \"/a/{b}.json\" is a template whose parameters"),
        ),
        (
            r#"{"match":{"prefix":"/a/*"},"require":{}}"#,
            Err("rules[0].match.prefix: \"/a/*\" looks like a pattern"),
        ),
        (
            r#"{"match":{"path":"/a/{b}"},"require":{}}"#,
            Err("rules[0].match.path: \"/a/{b}\" looks like a pattern"),
        ),
        (
            r#"{"match":{"template":"/a/{b}/*"},"require":{}}"#,
            Err("rules[0].match.template: \"/a/{b}/*\" is a template whose"),
        ),
        (r#"{"match":{"path":"/a%2A%7Bb%7D"},"require":{}}"#, Ok(())),
        (
            r#"{"match":{"template":"/a//{b}"},"require":{}}"#,
            Err("rules[0].match.template: \"/a//{b}\" is a path that could be read in two ways"),
        ),
        (
            r#"{"match":{"template":"/a/{b}?c"},"require":{}}"#,
            Err("rules[0].match.template: \"/a/{b}?c\" holds a query"),
        ),
        (
            r#"{"match":{"template":"/a","prefix":"/a"},"require":{}}"#,
            Err("rules[0].match.template: not together with `prefix`"),
        ),
        (
            r#"{"match":{"path":"/%ff"},"require":{}}"#,
            Err("rules[0].match.path: \"/%ff\" is not UTF-8"),
        ),
        (
            r#"{"match":{"hosts":[]},"require":{}}"#,
            Err("rules[0].match.hosts: is empty"),
        ),
        (
            r#"{"match":{"hosts":["a","b:80"]},"require":{}}"#,
            Err("rules[0].match.hosts[1]: \"b:80\" is no host name or address, without port"),
        ),
        (
            r#"{"match":{"hosts":["*"]},"require":{}}"#,
            Err("rules[0].match.hosts[0]"),
        ),
        (
            r#"{"match":{"route":""},"require":{}}"#,
            Err("rules[0].match.route: is empty"),
        ),
        (
            r#"{"match":{},"require":{"scopes":[]}}"#,
            Err("rules[0].require.scopes: is empty"),
        ),
        (
            r#"{"match":{},"require":{"scopes":["a b"]}}"#,
            Err("rules[0].require.scopes[0]: \"a b\" is no scope"),
        ),
        (
            r#"{"match":{},"require":["a"]}"#,
            Err("rules[0].require: invalid type: sequence, expected an object"),
        ),
        (
            "[{},true]",
            Err("rules[0]: invalid type: sequence, expected an object"),
        ),
    ] {
        check(
            &format!(r#"{{{INTROSPECTION},"rules":[{rule}]}}"#),
            expected,
        );
    }
}

#[test]
fn token_and_challenge() {
    for (section, expected) in [
        (r#""token":{"header":"X-Token"}"#, Ok(())),
        (
            r#""token":{"header":""}"#,
            Err("token.header: \"\" is no header name"),
        ),
        (
            r#""token":{"header":":path"}"#,
            Err("token.header: \":path\" is no header name"),
        ),
        (
            r#""token":{"scheme":"Be arer"}"#,
            Err("token.scheme: \"Be arer\" is no authentication scheme"),
        ),
        (
            r#""token":{"max_length":0}"#,
            Err("token.max_length: 0 is not within 1 to 65536"),
        ),
        (r#""token":{"max_length":65537}"#, Err("token.max_length")),
        (r#""token":{"max_length":100.0}"#, Ok(())),
        (r#""token":{"max_length":"100.0"}"#, Ok(())),
        (
            r#""token":{"max_length":"100.5"}"#,
            Err("token.max_length: expected a whole number"),
        ),
        (
            r#""token":{"max_length":100.5}"#,
            Err("token.max_length: expected a whole number"),
        ),
        (
            r#""token":{"max_length":-1}"#,
            Err("token.max_length: expected a whole number"),
        ),
        (
            r#""token":{"max_length":"1"}"#,
            Err("token.max_length: expected a whole number"),
        ),
        (r#""challenge":{"realm":"a\"b"}"#, Err("challenge.realm: ")),
        (r#""challenge":{"realm":"a\nb"}"#, Err("challenge.realm: ")),
        (r#""challenge":{"realm":"å"}"#, Err("challenge.realm: ")),
        (
            r#""challenge":{"resource_metadata":"x"}"#,
            Err("challenge.resource_metadata: \"x\" is no http"),
        ),
        (r#""challenge":{"relm":"x"}"#, Err("unknown field `relm`")),
    ] {
        check(
            &format!(r#"{{{INTROSPECTION},"required_scopes":["a"],{section}}}"#),
            expected,
        );
    }
}

#[test]
fn the_cache() {
    for (section, expected) in [
        (r#""cache":{}"#, Ok(())),
        (
            r#""cache":{"max_entries":1,"max_ttl":"2m","inactive_ttl":"0s","max_stale":"1h"}"#,
            Ok(()),
        ),
        (
            r#""cache":{"max_ttl":"0s","refresh_ahead":false,"shared":false}"#,
            Ok(()),
        ),
        (r#""failure_mode_allow":true"#, Ok(())),
        (
            r#""cache":{"max_entries":0}"#,
            Err("cache.max_entries: 0 is not within 1 to"),
        ),
        (
            r#""cache":{"max_entries":1000001}"#,
            Err("cache.max_entries: 1000001 is not within"),
        ),
        (
            r#""cache":{"max_entries":"1"}"#,
            Err("cache.max_entries: expected a whole number"),
        ),
        (
            r#""cache":{"max_ttl":60}"#,
            Err("cache.max_ttl: invalid type"),
        ),
        (
            r#""cache":{"max_ttl":"-1s"}"#,
            Err("cache.max_ttl: \"-1s\" is no duration"),
        ),
        (
            r#""cache":{"inactive_ttl":"soon"}"#,
            Err("cache.inactive_ttl: \"soon\" is no duration"),
        ),
        (
            r#""cache":{"max_stale":null}"#,
            Err("cache.max_stale: invalid type: null"),
        ),
        (
            r#""cache":{"max_ttl":"0s","max_stale":"1m"}"#,
            Err("cache.max_stale: not with `max_ttl: 0s`"),
        ),
        (
            r#""cache":{"shared":"yes"}"#,
            Err("cache.shared: invalid type"),
        ),
        (r#""cache":{"ttl":"1s"}"#, Err("unknown field `ttl`")),
        (
            r#""failure_mode_allow":"true""#,
            Err("failure_mode_allow: invalid type"),
        ),
    ] {
        check(
            &format!(r#"{{{INTROSPECTION},"required_scopes":["a"],{section}}}"#),
            expected,
        );
    }
}

/// What stands in the wrong place may be a secret: `check` sees to it that it is not printed.
#[test]
fn secrets_in_the_wrong_place() {
    for (members, expected) in [
        (
            r#""headers":"Authorization: s3cret""#,
            Err("introspection.headers: invalid type: string"),
        ),
        (
            r#""headers":["s3cret"]"#,
            Err("introspection.headers: invalid type: sequence"),
        ),
        (
            r#""parameters":"s3cret""#,
            Err("introspection.parameters: invalid type: string"),
        ),
        (
            r#""client_authentication":"s3cret""#,
            Err("client_authentication: invalid type: string"),
        ),
        (
            r#""client_authentication":{"method":"bearer","secret":{"env":"s3cret"}}"#,
            Err("secret.env: names no variable"),
        ),
        (
            r#""client_authentication":{"method":"bearer","secret":{"inline":"s3cret","inline":"b"}}"#,
            Err("`inline` is given twice"),
        ),
        (
            r#""headers":{"x":"s3cret","x":"b"}"#,
            Err("`x` is given twice"),
        ),
        (r#""parameters":{"client_id":"me"}"#, Ok(())),
        (
            r#""parameters":{"client_id":"me"},"client_authentication":
                {"method":"client_secret_post","client_id":"me","secret":{"inline":"s3cret"}}"#,
            Err("introspection.parameters.client_id: is not yours to set"),
        ),
    ] {
        let json = format!(
            r#"{{"introspection":{{"cluster":"c","api":"rfc7662",{members}}},"required_scopes":["a"]}}"#
        );
        check(&json, expected);
    }
}

#[test]
fn requirements() {
    let deep = |depth: usize| {
        let (open, close) = (r#"{"all_of":["#.repeat(depth), "]}".repeat(depth));
        format!(r#"{open}{{"scopes":["a"]}}{close}"#)
    };
    let deepest = deep(200);
    for (require, expected) in [
        (
            r#"{"scopes":["a","b:*"],"any_scopes":["c","*"],"acr_values":["x","y"],"max_age":"5m",
                "claims":[{"claim":"a.b","equals":1},{"claim":"/a~1b","one_of":["x",true]},
                    {"claim":"c","contains":{"d":["e"]}},{"claim":"f","exists":true}],
                "all_of":[{"any_of":[{"scopes":["d"]},{"none_of":[{"scopes":["e"]}]}]}]}"#,
            Ok(()),
        ),
        (
            r#"{"any_scopes":[]}"#,
            Err("rules[0].require.any_scopes: is empty"),
        ),
        (
            r#"{"any_scopes":["a b"]}"#,
            Err("rules[0].require.any_scopes[0]: \"a b\" is no scope"),
        ),
        (r#"{"scope":["a"]}"#, Err("unknown field `scope`")),
        (r#"{"claims":[]}"#, Err("rules[0].require.claims: is empty")),
        (
            r#"{"claims":[{"equals":1}]}"#,
            Err("claims[0]: missing field `claim`"),
        ),
        (
            r#"{"claims":[{"claim":"a"}]}"#,
            Err("rules[0].require.claims[0]: expected one of"),
        ),
        (
            r#"{"claims":[{"claim":"a","equals":1,"exists":true}]}"#,
            Err("rules[0].require.claims[0]: expected one of"),
        ),
        (
            r#"{"claims":[{"claim":"a..b","equals":1}]}"#,
            Err("rules[0].require.claims[0].claim: \"a..b\" names no claim"),
        ),
        (
            r#"{"claims":[{"claim":"/a~2","equals":1}]}"#,
            Err("claims[0].claim"),
        ),
        (
            r#"{"claims":[{"claim":"a","equals":null}]}"#,
            Err("claims[0].equals: expected a value"),
        ),
        (
            r#"{"claims":[{"claim":"a","one_of":[]}]}"#,
            Err("claims[0].one_of: is empty"),
        ),
        (
            r#"{"claims":[{"claim":"a","one_of":[null]}]}"#,
            Err("claims[0].one_of[0]: expected a value"),
        ),
        (
            r#"{"claims":[{"claim":"a","one_of":"x"}]}"#,
            Err("claims[0].one_of: invalid type"),
        ),
        (
            r#"{"claims":[{"claim":"a","contains":{"x":1,"x":2}}]}"#,
            Err("`x` is given twice"),
        ),
        (
            r#"{"claims":[{"claim":"a","contains":{"b":[]}}]}"#,
            Err("claims[0].contains: holds something empty or null"),
        ),
        (
            r#"{"claims":[{"claim":"a","exists":false}]}"#,
            Err("claims[0].exists: only `true`"),
        ),
        (
            r#"{"claims":[{"claim":"a","regex":"x"}]}"#,
            Err("unknown field `regex`"),
        ),
        (
            r#"{"acr_values":[]}"#,
            Err("rules[0].require.acr_values: is empty"),
        ),
        (
            r#"{"acr_values":["a b"]}"#,
            Err("rules[0].require.acr_values[0]: is not"),
        ),
        (
            r#"{"acr_values":["a\"b"]}"#,
            Err("rules[0].require.acr_values[0]: is not"),
        ),
        (
            r#"{"acr_values":["å"]}"#,
            Err("rules[0].require.acr_values[0]: is not"),
        ),
        (
            r#"{"max_age":"0s"}"#,
            Err("rules[0].require.max_age: \"0s\" is no duration"),
        ),
        (r#"{"max_age":"1500ms"}"#, Err("rules[0].require.max_age")),
        (
            r#"{"max_age":300}"#,
            Err("rules[0].require.max_age: invalid type"),
        ),
        (r#"{"any_of":[]}"#, Err("rules[0].require.any_of: is empty")),
        (r#"{"all_of":[]}"#, Err("rules[0].require.all_of: is empty")),
        (
            r#"{"none_of":[]}"#,
            Err("rules[0].require.none_of: is empty"),
        ),
        (
            r#"{"any_of":[{"scopes":["a"]},{}]}"#,
            Err("rules[0].require.any_of[1]: is empty, so that every token would meet it"),
        ),
        (
            r#"{"none_of":[{"all_of":[{}]}]}"#,
            Err("rules[0].require.none_of[0].all_of[0]: is empty"),
        ),
        (&deep(10), Ok(())),
        (&deepest, Err("recursion limit exceeded")),
    ] {
        check(
            &format!(r#"{{{INTROSPECTION},"rules":[{{"match":{{}},"require":{require}}}]}}"#),
            expected,
        );
    }
}

#[test]
fn what_is_forwarded() {
    for (forward, expected) in [
        ("{}", Ok(())),
        (
            r#"{"authorization":"remove","claims":{"X-Consumer":"consumer.ID","x-client-id":"client_id"},
                "payload_header":"x-token-claims","filter_state":{"consumer":"consumer.ID"}}"#,
            Ok(()),
        ),
        (
            r#"{"authorization":"drop"}"#,
            Err("forward.authorization: unknown variant `drop`"),
        ),
        (
            r#"{"claims":{"x a":"sub"}}"#,
            Err("forward.claims.x a: \"x a\" is no header name"),
        ),
        (r#"{"claims":{":path":"sub"}}"#, Err("forward.claims.:path")),
        (
            r#"{"claims":{"Host":"sub"}}"#,
            Err("\"host\" is not for claims"),
        ),
        (
            r#"{"claims":{"x-envoy-retry-on":"sub"}}"#,
            Err("\"x-envoy-retry-on\" is not for claims"),
        ),
        (
            r#"{"claims":{"Authorization":"sub"}}"#,
            Err("\"authorization\" is where tokens are"),
        ),
        (
            r#"{"claims":{"x-a":"sub","X-A":"aud"}}"#,
            Err("forward.claims.x-a: is given twice"),
        ),
        (
            r#"{"claims":{"x_a":"sub"}}"#,
            Err("forward.claims.x_a: \"x_a\" has a `_`"),
        ),
        (
            r#"{"claims":{"x-a":"sub","x-a":"aud"}}"#,
            Err("`x-a` is given twice"),
        ),
        (
            r#"{"claims":{"x-a":""}}"#,
            Err("forward.claims.x-a: \"\" names no claim"),
        ),
        (
            r#"{"claims":{"x-a":null}}"#,
            Err("forward.claims.x-a: invalid type: null"),
        ),
        (
            r#"{"claims":["x-a"]}"#,
            Err("forward.claims: invalid type: sequence"),
        ),
        (
            r#"{"claims":{"x-a":"sub"},"payload_header":"X-A"}"#,
            Err("forward.payload_header: \"x-a\" carries a claim already"),
        ),
        (
            r#"{"payload_header":"te"}"#,
            Err("forward.payload_header: \"te\" is not for claims"),
        ),
        (
            r#"{"filter_state":{"a b":"sub"}}"#,
            Err("forward.filter_state.a b: is no name"),
        ),
        (r#"{"filter_state":{"":"sub"}}"#, Err("is no name")),
        (
            r#"{"filter_state":{"reason":"sub"}}"#,
            Err("forward.filter_state.reason: is where"),
        ),
        (r#"{"headers":{}}"#, Err("unknown field `headers`")),
    ] {
        check(
            &format!(r#"{{{INTROSPECTION},"required_scopes":["a"],"forward":{forward}}}"#),
            expected,
        );
    }
}

/// Envoy chooses the route anew when headers change, and a rule by route would be for another.
#[test]
fn rules_by_route_and_changed_headers_exclude_each_other() {
    let refused = Err("configuration: forward: only `filter_state` where a rule has `match.route`");
    for (route, forward, expected) in [
        (
            r#"{"route":"a"}"#,
            r#"{"filter_state":{"a":"sub"}}"#,
            Ok(()),
        ),
        (r#"{"route":"a"}"#, r#"{"authorization":"keep"}"#, Ok(())),
        (r#"{"route":"a"}"#, r#"{"claims":{"x-a":"sub"}}"#, refused),
        (r#"{"route":"a"}"#, r#"{"payload_header":"x-a"}"#, refused),
        (r#"{"route":"a"}"#, r#"{"authorization":"remove"}"#, refused),
        (r#"{"path":"/a"}"#, r#"{"claims":{"x-a":"sub"}}"#, Ok(())),
    ] {
        let rules =
            format!(r#"[{{"match":{{}},"require":{{}}}},{{"match":{route},"require":{{}}}}]"#);
        check(
            &format!(r#"{{{INTROSPECTION},"rules":{rules},"forward":{forward}}}"#),
            expected,
        );
    }
}

#[test]
fn precheck_and_protected_resource() {
    let resource = |url: &str| format!(r#""protected_resource":{{"resource":"{url}"}}"#);
    let refused = "protected_resource.resource: expected an https (or http) URL";
    for (section, expected) in [
        (r#""jwt_precheck":{}"#.to_owned(), Ok(())),
        (r#""jwt_precheck":{"issuer":"https://i/","leeway":"0s"}"#.to_owned(), Ok(())),
        (r#""jwt_precheck":{"issuer":""}"#.to_owned(), Err("jwt_precheck.issuer: is empty")),
        (r#""jwt_precheck":{"leeway":"x"}"#.to_owned(), Err("jwt_precheck.leeway: \"x\" is no duration")),
        (r#""jwt_precheck":{"alg":"RS256"}"#.to_owned(), Err("unknown field `alg`")),
        (r#""jwt_precheck":null"#.to_owned(), Err("jwt_precheck: invalid type: null")),
        (r#""protected_resource":{}"#.to_owned(), Ok(())),
        (r#""protected_resource":[]"#.to_owned(), Err("protected_resource: expected an object")),
        (
            r#""protected_resource":{"resource":"https://a/b","authorization_servers":["https://i"],"x":{"y":1}}"#.to_owned(),
            Ok(()),
        ),
        (
            r#""protected_resource":{"resource":"https://a/b","scopes_supported":"a"}"#.to_owned(),
            Err("protected_resource.scopes_supported: expected an array of strings"),
        ),
        (r#""protected_resource":{"scopes_supported":[]}"#.to_owned(), Err(refused)),
        (resource("https://a"), Ok(())),
        (resource("https://a:8443/b/c?d=e"), Ok(())),
        (resource("/b"), Err(refused)),
        (resource("ftp://a/b"), Err(refused)),
        (resource("https://a/b#c"), Err(refused)),
        (resource("https://u@a/b"), Err(refused)),
        (resource("https://a/b//c"), Err(refused)),
        (resource("https://å/b"), Err(refused)),
        (resource(""), Err(refused)),
    ] {
        check(
            &format!(r#"{{{INTROSPECTION},"required_scopes":["a"],{section}}}"#),
            expected,
        );
    }
}

#[test]
fn challenges_name_the_metadata_that_are_served() {
    let metadata = |sections: &str| {
        let json = format!(r#"{{{INTROSPECTION},"required_scopes":["a"]{sections}}}"#);
        parse(json.as_bytes(), env)
            .unwrap()
            .challenge
            .resource_metadata
    };
    let served = |url: &str| format!(r#","protected_resource":{{"resource":"{url}"}}"#);
    let given = r#","challenge":{"resource_metadata":"https://other/x"}"#;
    for (sections, expected) in [
        (String::new(), None),
        (given.to_owned(), Some("https://other/x")),
        (
            served("https://a:8443/b/c"),
            Some("https://a:8443/.well-known/oauth-protected-resource/b/c"),
        ),
        (
            served("https://a/b?c=d"),
            Some("https://a/.well-known/oauth-protected-resource/b?c=d"),
        ),
        (
            served("https://a/?c=d"),
            Some("https://a/.well-known/oauth-protected-resource?c=d"),
        ),
        (
            served("https://a/"),
            Some("https://a/.well-known/oauth-protected-resource"),
        ),
        (
            served("https://a"),
            Some("https://a/.well-known/oauth-protected-resource"),
        ),
        (
            served("https://a/b/"),
            Some("https://a/.well-known/oauth-protected-resource/b/"),
        ),
        (
            format!("{}{given}", served("https://a")),
            Some("https://other/x"),
        ),
    ] {
        assert_eq!(metadata(&sections).as_deref(), expected, "{sections}");
    }
}
