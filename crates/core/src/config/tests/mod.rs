//! Tables of configurations: what is taken, and the line with which the rest is refused.
//!
//! The command line runs `introspection`, `misread`, `providers`, `rules` and `sections` once more,
//! with functions of its own for [`check`] and [`parse`]: where in a file each refusal is.

mod advice;
mod introspection;
mod misread;
mod providers;
mod rules;
mod sections;
mod several;

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

/// A plugin with a `vm_id` of its own.
const VM: Vm<fn(&str) -> Option<String>> = Vm { env, has_id: true };

fn parsed(json: &str) -> Authorizer {
    parse(json.as_bytes(), &VM).unwrap().authorizer
}

fn check(json: &str, expected: Result<(), &str>) {
    let found = parse(json.as_bytes(), &VM).map_err(|error| error.to_string());
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
    let key = |bytes: &[u8]| {
        parse(bytes, &VM)
            .map(|_| ())
            .map_err(|errors| errors.first().key().to_owned())
    };
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
    let authorizer = parsed(json);
    let config = authorizer.providers.iter().next().unwrap().config();
    assert_eq!(authorizer.token.header, "x-token");
    assert_eq!(config.timeout.as_millis(), 250);
    assert_eq!(config.headers.0, [("x-app".to_owned(), "me".to_owned())]);
    assert!(!format!("{authorizer:?}").contains("s3cret"));
}

#[test]
fn defaults() {
    let json = format!(r#"{{{INTROSPECTION},"required_scopes":["a"]}}"#);
    let authorizer = parsed(&json);
    let config = authorizer.providers.iter().next().unwrap().config();
    assert_eq!(config.timeout.as_secs(), 1);
    assert_eq!(authorizer.token.header, "authorization");
    assert_eq!(authorizer.token.scheme, "Bearer");
    assert_eq!(authorizer.token.max_length, 8192);
}

#[test]
fn what_is_no_configuration() {
    for (json, expected) in [
        ("", "introspection: is missing"),
        ("null", "expected an object"),
        ("[]", "expected an object"),
        ("{", "EOF"),
        ("{} x", "trailing characters"),
        (
            r#"{"introspection":{"cluster":"c"},"required_scopes":["a"]} x"#,
            "trailing",
        ),
        ("{}", "introspection: is missing"),
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
fn challenges_name_the_metadata_that_are_served() {
    let metadata = |sections: &str| {
        let json = format!(r#"{{{INTROSPECTION},"required_scopes":["a"]{sections}}}"#);
        parsed(&json).challenge.resource_metadata
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
