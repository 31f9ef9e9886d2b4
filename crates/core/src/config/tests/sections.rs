//! Every other section.

use super::*;

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
            r#""cache":{"max_entries":1,"max_ttl":"2m","inactive_ttl":"0s","stale_if_error":"1h"}"#,
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
            r#""cache":{"stale_if_error":null}"#,
            Err("cache.stale_if_error: invalid type: null"),
        ),
        (
            r#""cache":{"max_ttl":"0s","stale_if_error":"1m"}"#,
            Err("cache.stale_if_error: not with `max_ttl: 0s`"),
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
            r#"{"claims":{"x-http-method":"sub"}}"#,
            Err("\"x-http-method\" is not for claims"),
        ),
        (
            r#"{"payload_header":"X-Method-Override"}"#,
            Err("\"x-method-override\" is not for claims"),
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
