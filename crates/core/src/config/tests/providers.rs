//! The section `providers`, and shadow mode.

use super::*;

fn check_providers(providers: &str, rules: &str, expected: Result<(), &str>) {
    check(
        &format!(r#"{{"providers":{providers},"rules":{rules}}}"#),
        expected,
    );
}

const RULES: &str = r#"[{"match":{},"require":{}}]"#;

#[test]
fn providers() {
    let many = |count: usize| {
        let one = |n| format!(r#""p{n}":{{"cluster":"c","issuers":["https://{n}/"]}}"#);
        let all: Vec<_> = (0..count).map(one).collect();
        format!("{{{}}}", all.join(","))
    };
    let long = |length: usize| format!(r#"{{"{}":{{"cluster":"c"}}}}"#, "p".repeat(length));
    for (providers, expected) in [
        (r#"{"a":{"cluster":"c"}}"#, Ok(())),
        (r#"{"a.b-c_D1":{"cluster":"c"}}"#, Ok(())),
        (
            r#"{"a":{"cluster":"c","issuers":["https://a/"]},"b":{"cluster":"c"}}"#,
            Ok(()),
        ),
        (&many(32), Ok(())),
        (&many(33), Err("providers: has more than 32")),
        (&long(64), Ok(())),
        (&long(65), Err("is no name")),
        ("{}", Err("providers: is empty")),
        ("[]", Err("providers: ")),
        ("null", Err("providers: invalid type: null")),
        (
            r#"{"a b":{"cluster":"c"}}"#,
            Err("providers.a b: is no name"),
        ),
        (r#"{"blå":{"cluster":"c"}}"#, Err("is no name")),
        (r#"{"a":{}}"#, Err("providers.a: missing field `cluster`")),
        (r#"{"a":null}"#, Err("providers.a: ")),
        (r#"{"a":[]}"#, Err("providers.a: ")),
        (
            r#"{"a":{"cluster":"c","x":1}}"#,
            Err("providers.a.x: unknown field"),
        ),
        (
            r#"{"a":{"cluster":"c","timeout":"0s"}}"#,
            Err("providers.a.timeout: "),
        ),
        (
            r#"{"a":{"cluster":"c","api":"rfc7662","identity_provider":"x"}}"#,
            Err("providers.a.identity_provider: "),
        ),
        (
            r#"{"a":{"cluster":"c","issuers":[]}}"#,
            Err("providers.a.issuers: is empty"),
        ),
        (
            r#"{"a":{"cluster":"c","issuers":[""]}}"#,
            Err("providers.a.issuers[0]: "),
        ),
        (
            r#"{"a":{"cluster":"c","issuers":["x","https://login.microsoftonline.com/{tenantid}/v2.0"]}}"#,
            Err(
                "providers.a.issuers[1]: \"https://login.microsoftonline.com/{tenantid}/v2.0\" is no issuer",
            ),
        ),
        (
            r#"{"a":{"cluster":"c","issuers":["https://*.x.y/"]}}"#,
            Err("is no issuer"),
        ),
        (
            r#"{"a":{"cluster":"c","issuers":["https://x/ "]}}"#,
            Err("is no issuer"),
        ),
        (
            r#"{"a":{"cluster":"c","issuers":["x","y","x"]}}"#,
            Err("providers.a.issuers[2]: "),
        ),
        (
            r#"{"a":{"cluster":"c","issuers":"x"}}"#,
            Err("providers.a.issuers: "),
        ),
        (
            r#"{"a":{"cluster":"c","issuers":null}}"#,
            Err("providers.a.issuers: "),
        ),
        (
            r#"{"a":{"cluster":"c"},"b":{"cluster":"c"}}"#,
            Err("rules[0].providers: may ask `a` and `b`, both without `issuers`"),
        ),
        (
            r#"{"a":{"cluster":"c","issuers":["x","y"]},"b":{"cluster":"c","issuers":["z","y"]}}"#,
            Err("rules[0].providers: may ask `a` and `b` about the same issuer \"y\""),
        ),
    ] {
        check_providers(providers, RULES, expected);
    }
}

#[test]
fn whom_rules_trust() {
    let providers = r#"{
        "a": {"cluster":"c","issuers":["x"]}, "b": {"cluster":"c","issuers":["x"]},
        "c": {"cluster":"c"}, "d": {"cluster":"c"}
    }"#;
    let rule = |names: &str| format!(r#"{{"match":{{}},"require":{{}},"providers":{names}}}"#);
    for (names, expected) in [
        (r#"["a"]"#, Ok(())),
        (r#"["a","c"]"#, Ok(())),
        (r#"["d","b"]"#, Ok(())),
        (
            r#"["a","b"]"#,
            Err("rules[0].providers: may ask `a` and `b`"),
        ),
        (
            r#"["c","a","d"]"#,
            Err("rules[0].providers: may ask `c` and `d`, both without"),
        ),
        (
            r#"["a","a"]"#,
            Err("rules[0].providers: names a provider twice"),
        ),
        (
            r#"["a","e"]"#,
            Err("rules[0].providers[1]: there is no provider \"e\"; there are: a, b, c, d"),
        ),
        (
            r#"["A"]"#,
            Err("rules[0].providers[0]: there is no provider \"A\""),
        ),
        ("[]", Err("rules[0].providers: is empty")),
        ("null", Err("rules[0].providers: ")),
        (r#""a""#, Err("rules[0].providers: ")),
    ] {
        check_providers(providers, &format!("[{}]", rule(names)), expected);
    }
    let anonymous = r#"[{"match":{},"anonymous":true,"providers":["a"]}]"#;
    let expected = Err("rules[0].providers: not together with `anonymous: true`");
    check_providers(providers, anonymous, expected);
    // Each rule may ask others.
    let both = format!(
        "[{},{}]",
        rule(r#"["a"]"#).replace("{}", r#"{"path":"/x"}"#),
        rule(r#"["b"]"#)
    );
    check_providers(
        providers,
        &both.replacen(r#""require":{"path":"/x"}"#, r#""require":{}"#, 1),
        Ok(()),
    );
}

#[test]
fn one_form_or_the_other() {
    for (json, expected) in [
        (
            format!(r#"{{{INTROSPECTION},"providers":{{"a":{{"cluster":"c"}}}},"rules":{RULES}}}"#),
            Err("providers: not together with `introspection`"),
        ),
        (
            format!(r#"{{"rules":{RULES}}}"#),
            Err("introspection: is missing; expected `introspection`, or `providers`"),
        ),
        (
            format!(r#"{{"introspection":{{"cluster":"c","issuers":["x"]}},"rules":{RULES}}}"#),
            Err("introspection.issuers: only in `providers`"),
        ),
        (
            format!(
                r#"{{{INTROSPECTION},"rules":[{{"match":{{}},"require":{{}},"providers":["default"]}}]}}"#
            ),
            Err("rules[0].providers: not together with `introspection`"),
        ),
        (
            r#"{"providers":{"a":{"cluster":"c"}},"required_scopes":["x"]}"#.to_owned(),
            Ok(()),
        ),
        (
            r#"{"providers":{"a":{"cluster":"c"},"b":{"cluster":"c"}},"required_scopes":["x"]}"#
                .to_owned(),
            Err("providers: may ask `a` and `b`"),
        ),
    ] {
        check(&json, expected);
    }
}

#[test]
fn shadow_mode() {
    for (shadow, rule, expected) in [
        ("true", r#""require":{},"shadow":true"#, Ok(())),
        ("false", r#""require":{},"shadow":false"#, Ok(())),
        ("null", r#""require":{}"#, Err("shadow: ")),
        (r#""true""#, r#""require":{}"#, Err("shadow: ")),
        ("1", r#""require":{}"#, Err("shadow: ")),
        (
            "true",
            r#""require":{},"shadow":null"#,
            Err("rules[0].shadow: "),
        ),
        (
            "false",
            r#""anonymous":true,"shadow":true"#,
            Err("rules[0].shadow: not together with `anonymous: true`"),
        ),
    ] {
        let rules = format!(r#"[{{"match":{{}},{rule}}}]"#);
        check(
            &format!(r#"{{{INTROSPECTION},"shadow":{shadow},"rules":{rules}}}"#),
            expected,
        );
    }
}

/// What is on and refuses nothing is told.
#[test]
fn shadow_mode_is_told() {
    for (config, expected) in [
        (
            format!(r#"{{{INTROSPECTION},"required_scopes":["a"]}}"#),
            &[][..],
        ),
        (
            format!(r#"{{{INTROSPECTION},"shadow":true,"required_scopes":["a"]}}"#),
            &[
                "configuration: shadow: is on: no request is refused, whatever the rules say (shadow)",
            ],
        ),
        (
            format!(
                r#"{{{INTROSPECTION},"rules":[
                    {{"name":"x","match":{{"path":"/x"}},"require":{{}},"shadow":true}},
                    {{"match":{{}},"require":{{}}}}
                ]}}"#
            ),
            &["configuration: rules[0].shadow: is on: the rule `x` refuses nothing (shadow)"],
        ),
    ] {
        let warnings = parse(config.as_bytes(), &VM).unwrap().warnings;
        let found: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{config}");
    }
}

#[test]
fn audiences() {
    for (audiences, expected) in [
        (r#"["https://api.example.com"]"#, Ok(())),
        (r#"["a","b c"]"#, Ok(())),
        ("[]", Err("rules[0].require.audiences: is empty")),
        (r#"[""]"#, Err("rules[0].require.audiences")),
        (r#""a""#, Err("rules[0].require.audiences: ")),
        ("null", Err("rules[0].require.audiences: ")),
        ("[1]", Err("rules[0].require.audiences[0]: ")),
    ] {
        let rules = format!(r#"[{{"match":{{}},"require":{{"audiences":{audiences}}}}}]"#);
        check(&format!(r#"{{{INTROSPECTION},"rules":{rules}}}"#), expected);
    }
}
