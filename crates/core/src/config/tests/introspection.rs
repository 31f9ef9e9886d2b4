//! The section `introspection`, and secrets in it.

use super::*;

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
            r#""cluster":"c","":1"#,
            Err("introspection.\"\": unknown field ``"),
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
            r#""cluster":"c","api":"rfc7662","inactive_statuses":[400,404.0,499,403]"#,
            Ok(()),
        ),
        (
            r#""cluster":"c","api":"rfc7662","inactive_statuses":[]"#,
            Ok(()),
        ),
        (
            r#""cluster":"c","inactive_statuses":[]"#,
            Err("introspection.inactive_statuses: only with `api: rfc7662`"),
        ),
        (
            r#""cluster":"c","api":"rfc7662","inactive_statuses":[404,401]"#,
            Err("introspection.inactive_statuses: 401 speaks of the filter's own credentials"),
        ),
        (
            r#""cluster":"c","api":"rfc7662","inactive_statuses":[429]"#,
            Err("introspection.inactive_statuses: 429 speaks of the endpoint"),
        ),
        (
            r#""cluster":"c","api":"rfc7662","inactive_statuses":[399]"#,
            Err("introspection.inactive_statuses: 399 is none of 400 to 499"),
        ),
        (
            r#""cluster":"c","api":"rfc7662","inactive_statuses":[500]"#,
            Err("introspection.inactive_statuses: 500 is none"),
        ),
        (
            r#""cluster":"c","api":"rfc7662","inactive_statuses":[65936]"#,
            Err("introspection.inactive_statuses: 65936 is none"),
        ),
        (
            r#""cluster":"c","api":"rfc7662","inactive_statuses":["404"]"#,
            Err("introspection.inactive_statuses[0]: expected a whole number"),
        ),
        (
            r#""cluster":"c","api":"rfc7662","inactive_statuses":404"#,
            Err("introspection.inactive_statuses: invalid type"),
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
        &Vm {
            env: |_: &str| None,
            has_id: true,
        },
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
            Err(".secret: expected either { env: NAME } or"),
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
        (
            r#""method":"bearer","secret":{}"#,
            Err(".secret: expected either"),
        ),
        (
            r#""method":"bearer","secret":{"s3cret":null}"#,
            Err(".secret: expected either { env: NAME } or"),
        ),
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
