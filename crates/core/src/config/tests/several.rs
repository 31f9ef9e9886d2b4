//! Configurations with more than one mistake: each is told, with the positions of the file, and
//! nothing that only follows from another one.

use super::*;

fn told(json: &str) -> Vec<String> {
    let errors = parse(json.as_bytes(), &VM).unwrap_err();
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines[0],
        errors.to_string(),
        "the first is what the filter says"
    );
    assert!(
        lines.iter().all(|line| !line.contains("s3cret")),
        "{lines:?}"
    );
    errors.iter().map(|error| error.key().to_owned()).collect()
}

#[test]
fn all_mistakes_are_told() {
    for (json, expected) in [
        (
            r#"{"introspection":{"cluster":""},"rules":[],"token":{"scheme":"a b","header":" ","max_length":0}}"#,
            &[
                "introspection.cluster",
                "token.scheme",
                "token.max_length",
                "token.header",
                "rules",
            ][..],
        ),
        (
            r#"{"introspection":{"cluster":"c","timeout":"0s","issuers":[],"outage_errors":[""],"identity_provider":"",
             "client_authentication":{"method":"bearer","client_id":"x","secret":{"inline":""}},
             "headers":{"te":"s3cret","x y":"s3cret"},"parameters":{"token":"s3cret"}},"required_scopes":["a b","c d"]}"#,
            &[
                "introspection.issuers",
                "required_scopes[0]",
                "required_scopes[1]",
            ],
        ),
        (
            r#"{"introspection":{"cluster":"c","timeout":"0s","outage_errors":[""],"identity_provider":"",
             "client_authentication":{"method":"bearer","client_id":"x","secret":{"inline":""}},
             "headers":{"te":"s3cret","x y":"s3cret"},"parameters":{"token":"s3cret"}},"required_scopes":["a b","c d"]}"#,
            &[
                "introspection.timeout",
                "introspection.identity_provider",
                "introspection.outage_errors",
                "introspection.client_authentication",
                "introspection.headers.te",
                "introspection.headers.x y",
                "required_scopes[0]",
                "required_scopes[1]",
            ],
        ),
        (
            r#"{"introspection":{"cluster":"c","api":"rfc7662","inactive_statuses":[401,500],
             "client_authentication":{"method":"bearer","client_id":"x","secret":{"inline":""}}},"required_scopes":["a"]}"#,
            &[
                "introspection.client_authentication.secret",
                "introspection.client_authentication.client_id",
                "introspection.inactive_statuses",
                "introspection.inactive_statuses",
            ],
        ),
        // Rules, and what is in them.
        (
            r#"{"introspection":{"cluster":"c"},"rules":[
             {"match":{"path":"a","methods":["get","*"],"hosts":["*"],"route":""},"require":{"scopes":["a b"],"claims":[{"claim":"","equals":1,"exists":true}],"any_of":[{"scopes":[]},{}]}},
             {"match":{"prefix":"/x/*"}},
             {"match":{},"anonymous":true,"require":{}}],"forward":{"claims":{"x_a":"","host":"a"},"payload_header":"te","filter_state":{"a b":"c"}}}"#,
            &[
                "rules[0].require.scopes[0]",
                "rules[0].require.claims[0].claim",
                "rules[0].require.claims[0]",
                "rules[0].require.any_of[0].scopes",
                "rules[0].require.any_of[1]",
                "rules[0].match.path",
                "rules[0].match.route",
                "rules[0].match.methods[0]",
                "rules[0].match.methods[1]",
                "rules[0].match.hosts[0]",
                "rules[1].require",
                "rules[1].match.prefix",
                "rules[2].require",
                "forward.claims.host",
                "forward.claims.x_a",
                "forward.payload_header",
                "forward.filter_state.a b",
            ],
        ),
        (
            r#"{"introspection":{"cluster":"c"},"rules":[{"match":{},"require":{}},{"match":{"path":"/a"},"require":{}},{"match":{"path":"/b"},"require":{}}]}"#,
            &["rules[1]", "rules[2]"],
        ),
        // One ambiguity is one mistake, however many rules there are.
        (
            r#"{"providers":{"a":{"cluster":"c"},"b":{"cluster":"c"}},"rules":[{"match":{"path":"/a"},"require":{}},{"match":{},"require":{}}]}"#,
            &["rules[0].providers"],
        ),
        // What has the wrong shape, and the positions of the rest.
        (
            r#"{"introspection":{"cluster":"c","clutser":"d"},"rules":[7,{"match":{"path":"a"},"require":{}},[],{"match":{"path":"b"},"require":{"scopes":["a",1,"b c"]}}]}"#,
            &[
                "introspection.clutser",
                "rules[0]",
                "rules[2]",
                "rules[3].require.scopes[1]",
                "rules[1].match.path",
                "rules[3].require.scopes[2]",
                "rules[3].match.path",
            ],
        ),
        (
            r#"{"introspection":{"cluster":"c"},"rules":[{"match":{"paht":"/a"},"requires":{}},{"require":{"scopes":["a b"]}}]}"#,
            &[
                "rules[0].match.paht",
                "rules[0].requires",
                "rules[1]",
                "rules[1].require.scopes[0]",
            ],
        ),
        // Nothing follows from a mistake.
        (
            r#"{"introspektion":{"cluster":"c"},"required_scopes":["a"]}"#,
            &["introspektion"],
        ),
        (
            r#"{"introspection":{"cluster":7},"required_scopes":["a"]}"#,
            &["introspection.cluster"],
        ),
        (
            r#"{"introspection":{"cluster":"c","api":"rfc-7662","client_authentication":{"method":"bearer","secret":{"inline":"s3cret"}}},"required_scopes":["a"]}"#,
            &["introspection.api"],
        ),
        (
            r#"{"introspection":{"cluster":"c"},"extra_methods":["purge"],"rules":[{"match":{"methods":["PURGE"]},"require":{}}]}"#,
            &["extra_methods[0]"],
        ),
        (
            r#"{"introspection":{"cluster":"c"},"extra_methods":"PURGE","rules":[{"match":{"methods":["PURGE"]},"require":{}}]}"#,
            &["extra_methods"],
        ),
        (
            r#"{"providers":{"a":{"cluster":"c","x":1},"b":7},"rules":[{"match":{},"require":{},"providers":["b"]}]}"#,
            &["providers.a.x", "providers.b"],
        ),
        (
            r#"{"introspection":{"cluster":"c"},"rules":[{"match":{},"require":{"claims":[{"claim":"a","equals":null}]}}]}"#,
            &["rules[0].require.claims[0].equals"],
        ),
        (
            r#"{"introspection":{"cluster":"c"},"rules":[{"match":{},"require":7}]}"#,
            &["rules[0].require"],
        ),
        (
            r#"{"introspection":{"cluster":"c"},"rules":7,"shadow":"on"}"#,
            &["rules", "shadow"],
        ),
        ("[]", &["."]),
        (
            r#"{"introspection":{"cluster":"c"},"rules":[{"match":{},"require":{}}],}"#,
            &["."],
        ),
    ] {
        let found = told(json);
        let found: Vec<_> = found.iter().map(String::as_str).collect();
        let (mut a, mut b) = (found.clone(), expected.to_vec());
        assert_eq!(found[0], expected[0], "{json}\n{found:#?}");
        a.sort_unstable();
        b.sort_unstable();
        assert_eq!(a, b, "{json}");
    }
}

/// However much is wrong, it is told in bounded time and lines.
#[test]
fn what_is_told_is_bounded() {
    for item in [
        "7",
        r#"{"match":{"path":"x"},"require":{}}"#,
        r#"{"match":{},"a":1,"b":2}"#,
    ] {
        let rules = vec![item; 1000].join(",");
        let json = format!(r#"{{{INTROSPECTION},"rules":[{rules}]}}"#);
        let found = told(&json).len();
        assert!((50..=100).contains(&found), "{item} {found}");
    }
}
