//! Keys of other configurations, and ours in the form that they have there: the line names the key
//! and what is allowed.

use super::Taken::Refused;
use super::check_rule;

#[test]
fn keys() {
    let sequence = "expected a sequence";
    let object = "expected an object";
    for (what, expected) in [
        // Kong, nginx, Envoy, Istio, Ingress.
        (r#"{"paths":["/a"]}"#, "expected one of `path`, `prefix`"),
        (r#"{"path":["/a"]}"#, "match.path: invalid type"),
        (r#"{"path_separated_prefix":"/a"}"#, "expected one of"),
        (r#"{"pathPrefix":"/a"}"#, "match.pathPrefix: unknown field"),
        (
            r#"{"safe_regex":{"regex":"/a"}}"#,
            "match.safe_regex: unknown",
        ),
        (r#"{"location":"/a"}"#, "match.location: unknown field"),
        (r#"{"notPaths":["/a"]}"#, "match.notPaths: unknown field"),
        (r#"{"method":"GET"}"#, "match.method: unknown field"),
        (r#"{"methods":"GET"}"#, sequence),
        (r#"{"host":"a"}"#, "match.host: unknown field"),
        (r#"{"hosts":"a"}"#, sequence),
        (r#"{"domains":["a"]}"#, "match.domains: unknown field"),
        (
            r#"{"headers":[{"name":":method"}]}"#,
            "match.headers: unknown",
        ),
        (r#"{"prefix":"/a","path":"/b"}"#, "not together with `path`"),
        (r#"{"path":"/a","case_sensitive":false}"#, "case_sensitive"),
        (r#"[{"path":"/a"}]"#, object),
        (r#""/a""#, object),
    ] {
        let rule = format!(r#"{{"match":{what},"require":{{}}}}"#);
        check_rule(&rule, "", &Refused(expected));
    }
    for (what, expected) in [
        // OpenAPI, jwt_authn, Istio, Spring.
        (
            r#""security":[{"oauth2":["a"]}]"#,
            "rules[0].security: unknown",
        ),
        (
            r#""requires":{"provider_name":"x"}"#,
            "rules[0].requires: unknown",
        ),
        (
            r#""provider":"x","require":{}"#,
            "rules[0].provider: unknown",
        ),
        (r#""providers":"x","require":{}"#, sequence),
        (
            r#""action":"ALLOW","require":{}"#,
            "rules[0].action: unknown",
        ),
        (
            r#""audiences":["a"],"require":{}"#,
            "rules[0].audiences: unknown",
        ),
        (r#""anonymous":"true""#, "expected a boolean"),
        (r#""allow_missing":{}"#, "rules[0].allow_missing: unknown"),
        (r#""require":[{"scopes":["a"]}]"#, object),
        (r#""require":{"scope":"a"}"#, "expected one of `scopes`"),
        (r#""require":{"scopes":"a b"}"#, sequence),
        (r#""require":{"scopes":[["a"],["b"]]}"#, "expected a string"),
        (r#""require":{"audience":"a"}"#, "require.audience: unknown"),
        (r#""require":{"aud":["a"]}"#, "require.aud: unknown"),
        (r#""require":{"roles":["a"]}"#, "require.roles: unknown"),
        (
            r#""require":{"requires_any":{"requirements":[]}}"#,
            "requires_any",
        ),
        (r#""require":{"anyOf":[]}"#, "require.anyOf: unknown"),
        (r#""require":{"any_of":{"scopes":["a"]}}"#, sequence),
        (
            r#""require":{"not":{"scopes":["a"]}}"#,
            "require.not: unknown",
        ),
        (r#""require":{"claims":{"sub":"a"}}"#, sequence),
        (r#""require":{"claims":["sub"]}"#, object),
        (
            r#""require":{"claims":[{"name":"sub","value":"a"}]}"#,
            "claims[0].name: unknown field",
        ),
        (
            r#""require":{"claims":[{"claim":"sub","values":["a"]}]}"#,
            "claims[0].values: unknown field",
        ),
        (
            r#""require":{"claims":[{"claim":"sub","matches":"a"}]}"#,
            "claims[0].matches: unknown field",
        ),
        (
            r#""require":{"claims":[{"claim":"sub","not_equals":"a"}]}"#,
            "claims[0].not_equals: unknown field",
        ),
        (
            r#""require":{"claims":[{"claim":"sub","exists":"true"}]}"#,
            "expected a boolean",
        ),
    ] {
        let rule = format!(r#"{{"match":{{}},{what}}}"#);
        check_rule(&rule, "", &Refused(expected));
    }
    for (what, expected) in [
        (r#""issuer":"x""#, "issuer: unknown field"),
        (r#""audiences":["x"]"#, "audiences: unknown field"),
        (r#""dry_run":true"#, "dry_run: unknown field"),
        (
            r#""bypass_cors_preflight":true"#,
            "bypass_cors_preflight: unknown",
        ),
        (
            r#""forward":{"claim_to_headers":[]}"#,
            "forward.claim_to_headers",
        ),
        (
            r#""forward":{"claims":[{"header_name":"x","claim_name":"sub"}]}"#,
            "forward.claims: invalid type",
        ),
        (
            r#""token":{"from_params":["a"]}"#,
            "token.from_params: unknown",
        ),
        (r#""cache":{"max_ttl":60}"#, "expected a string"),
        (
            r#""jwt_precheck":{"audiences":["x"]}"#,
            "expected `issuer` or",
        ),
    ] {
        let rule = r#"{"match":{},"require":{}}"#;
        check_rule(rule, &format!(",{what}"), &Refused(expected));
    }
}
