//! What a rule requires: scopes, claims and their values.

use super::Taken::{AsItSays, Refused, Told};
use super::{check_rule, quoted};

#[test]
fn scopes() {
    let wildcard = "has a `*` that is not its last character";
    let pattern = "is compared to the letter, but for a `*` at its end";
    for (scope, expected) in [
        ("nav:*:admin", Refused(wildcard)),
        ("*:admin", Refused(wildcard)),
        ("*.read", Refused(wildcard)),
        ("nav:**", Refused(wildcard)),
        ("**", Refused(wildcard)),
        ("a b", Refused("is no scope")),
        ("", Refused("is no scope")),
        ("\"a\"", Refused("is no scope")),
        ("a,b", Told("rules[0].require.scopes[0]")),
        ("a|b", Told("for several write a list")),
        ("!a", Told("is compared to the letter")),
        ("SCOPE_read", Told("is written as tokens have it: `read`?")),
        ("*", Told("rules[0].require.scopes[0]")),
        ("nav:.*", Told(pattern)),
        ("nav:(a|b)", Told("for several write a list")),
        ("^nav:x$", Told(pattern)),
        ("nav:[a-z]+", Told(pattern)),
        ("nav:x|nav:y", Told("for several write a list")),
        ("nav:*", AsItSays),
        ("nav:helse/sykepenger/afp.read", AsItSays),
        ("https://www.googleapis.com/auth/drive", AsItSays),
        ("nav:blåbær", AsItSays),
    ] {
        let scope = quoted(scope);
        let rule = format!(r#"{{"match":{{}},"require":{{"scopes":[{scope}]}}}}"#);
        check_rule(&rule, "", &expected);
    }
}

#[test]
fn claims() {
    let jsonpath = "looks like JSONPath; write it without";
    let expression = "looks like an expression";
    for (claim, expected) in [
        ("$.consumer.ID", Refused(jsonpath)),
        ("$", Refused(jsonpath)),
        ("@.consumer", Refused(jsonpath)),
        ("$['consumer']", Refused(jsonpath)),
        ("$[0]", Refused(jsonpath)),
        (
            "consumer/ID",
            Refused("a JSON Pointer begins with one: `/consumer/ID`"),
        ),
        (
            "#/consumer/ID",
            Refused("a JSON Pointer begins with one: `/consumer/ID`"),
        ),
        (
            "https://x.y/role",
            Refused("write it as a JSON Pointer, `/https:~1~1x.y~1role`"),
        ),
        ("http://x.y/a~b", Refused("`/http:~1~1x.y~1a~0b`")),
        ("consumer['ID']", Refused(expression)),
        ("consumer[\"ID\"]", Refused(expression)),
        ("roles[0]", Refused(expression)),
        ("roles[*]", Refused(expression)),
        ("{consumer.ID}", Refused(expression)),
        ("${consumer.ID}", Refused(jsonpath)),
        ("{{ consumer }}", Refused(expression)),
        ("consumer|ID", Refused(expression)),
        ("lower(sub)", Refused(expression)),
        ("sub=alice", Refused(expression)),
        ("roles.*", Refused("there are none; see `contains`")),
        ("consumer.**", Refused("there are none; see `contains`")),
        ("role*", Refused("there are none; see `contains`")),
        (
            "x\\.y/role",
            Refused("or if the slash is in a name: `/x\\.y~1role`"),
        ),
        (
            "example.com/role",
            Refused("or if the slash is in a name: `/example.com~1role`"),
        ),
        // Keycloak, jq, JMESPath, SQL, nginx.
        (
            "x\\.y.role",
            Refused("has a dot in a name; write it as a JSON Pointer, `/x.y/role`"),
        ),
        ("consumer?.ID", Refused(expression)),
        ("consumer->ID", Refused(expression)),
        ("consumer | ID", Refused(expression)),
        ("length(roles)", Refused(expression)),
        ("sub,client_id", Refused(expression)),
        ("!sub", Refused(expression)),
        ("%sub%", Refused(expression)),
        ("$jwt_claim_sub", Refused(jsonpath)),
        ("roles.#", Refused("there are none; see `contains`")),
        ("*", Refused("there are none; see `contains`")),
        (" sub", Refused("has space at its ends")),
        ("sub\n", Refused("has space at its ends")),
        ("", Refused("names no claim")),
        (".consumer", Refused("names no claim")),
        ("consumer.", Refused("names no claim")),
        ("consumer..ID", Refused("names no claim")),
        ("/", Refused("names no claim")),
        (
            "claims.consumer.ID",
            Told("if it stands by itself: `consumer.ID`"),
        ),
        ("token.sub", Told("if it stands by itself: `sub`")),
        ("jwt.claims.sub", Told("if it stands by itself: `sub`")),
        ("payload.sub", Told("if it stands by itself: `sub`")),
        ("JWT.sub", Told("if it stands by itself: `sub`")),
        // Istio.
        (
            "request.auth.claims.sub",
            Told("if it stands by itself: `sub`"),
        ),
        ("jwt_payload.sub", Told("if it stands by itself: `sub`")),
        ("access_token.sub", Told("if it stands by itself: `sub`")),
        (
            "/consumer.ID",
            Told("if there are two names: `consumer.ID`"),
        ),
        ("/a.b/c", Told("if there are two names: `a.b.c`")),
        ("consumer.ID", AsItSays),
        ("/consumer/ID", AsItSays),
        ("/https:~1~1x.y~1role", AsItSays),
        ("/aud/0", AsItSays),
        ("cognito:groups", AsItSays),
        ("urn:x:role", AsItSays),
        ("claims", AsItSays),
        ("token_use", AsItSays),
        ("/claims/sub", AsItSays),
        ("/$schema", AsItSays),
        ("/role*", AsItSays),
        ("realm_access.roles", AsItSays),
        ("x5t#S256", AsItSays),
        ("blå.bær", AsItSays),
        ("/lower(sub)", AsItSays),
        ("First Name", AsItSays),
    ] {
        let claim = quoted(claim);
        let rule = format!(
            r#"{{"match":{{}},"require":{{"claims":[{{"claim":{claim},"exists":true}}]}}}}"#
        );
        check_rule(&rule, "", &expected);
        // The same where claims are forwarded.
        let rule = r#"{"match":{},"require":{}}"#;
        check_rule(
            rule,
            &format!(r#","forward":{{"claims":{{"x-a":{claim}}}}}"#),
            &expected,
        );
        check_rule(
            rule,
            &format!(r#","forward":{{"filter_state":{{"a":{claim}}}}}"#),
            &expected,
        );
    }
}

#[test]
fn what_must_not_hold() {
    let told = "may be an array, which this does not look into";
    for (require, expected) in [
        (
            r#"{"none_of":[{"claims":[{"claim":"roles","equals":"guest"}]}]}"#,
            Told(told),
        ),
        (
            r#"{"none_of":[{"claims":[{"claim":"/aud","one_of":["x"]}]}]}"#,
            Told("rules[0].require.none_of[0].claims[0]"),
        ),
        (
            r#"{"none_of":[{"any_of":[{"claims":[{"claim":"amr","equals":"pwd"}]}]}]}"#,
            Told(told),
        ),
        (
            r#"{"any_of":[{"none_of":[{"claims":[{"claim":"groups","equals":"x"}]}]}]}"#,
            Told(told),
        ),
        (
            r#"{"none_of":[{"claims":[{"claim":"roles","contains":"guest"}]}]}"#,
            AsItSays,
        ),
        (
            r#"{"none_of":[{"claims":[{"claim":"client_id","equals":"x"}]}]}"#,
            AsItSays,
        ),
        (
            r#"{"none_of":[{"claims":[{"claim":"realm_access.roles","equals":"guest"}]}]}"#,
            Told(told),
        ),
        (
            r#"{"none_of":[{"claims":[{"claim":"permissions","equals":"x"}]}]}"#,
            Told(told),
        ),
        (
            r#"{"none_of":[{"claims":[{"claim":"scope","contains":"x"}]}]}"#,
            Told("may be a text of several scopes"),
        ),
        (
            r#"{"none_of":[{"claims":[{"claim":"/scp","equals":"x"}]}]}"#,
            Told("may be a text of several scopes"),
        ),
        (
            r#"{"none_of":[{"scopes":["a","b"]}]}"#,
            Told("rules[0].require.none_of[0].scopes: must not be there together"),
        ),
        (r#"{"none_of":[{"scopes":["a"]}]}"#, AsItSays),
        (r#"{"none_of":[{"any_scopes":["a","b"]}]}"#, AsItSays),
        (
            r#"{"none_of":[{"claims":[{"claim":"sub","equals":"guest*"}]}]}"#,
            Told("\"guest*\" is compared to the letter"),
        ),
        (
            r#"{"claims":[{"claim":"sub","one_of":["a","*@x.y"]}]}"#,
            Told("\"*@x.y\" is compared to the letter"),
        ),
        (
            r#"{"claims":[{"claim":"roles","contains":"*"}]}"#,
            Told("rules[0].require.claims[0]"),
        ),
        (
            r#"{"audiences":["a","https://x/*"]}"#,
            Told("rules[0].require.audiences[1]"),
        ),
        (
            r#"{"claims":[{"claim":"roles","equals":"guest"}]}"#,
            AsItSays,
        ),
    ] {
        check_rule(
            &format!(r#"{{"match":{{}},"require":{require}}}"#),
            "",
            &expected,
        );
    }
}

/// Only scopes have patterns.
#[test]
fn values() {
    let told = "is compared to the letter, its `*` too";
    for (require, expected) in [
        (r#"{"audiences":["*"]}"#, Told(told)),
        (
            r#"{"audiences":["a","https://a/*"]}"#,
            Told("rules[0].require.audiences[1]"),
        ),
        (r#"{"claims":[{"claim":"sub","equals":"*"}]}"#, Told(told)),
        (
            r#"{"none_of":[{"claims":[{"claim":"sub","one_of":["a","b*"]}]}]}"#,
            Told("rules[0].require.none_of[0].claims[0].one_of[1]"),
        ),
        (
            r#"{"claims":[{"claim":"roles","contains":"team-*"}]}"#,
            Told("rules[0].require.claims[0].contains"),
        ),
        (r#"{"audiences":["https://a/"]}"#, AsItSays),
        (r#"{"claims":[{"claim":"sub","one_of":["a",1]}]}"#, AsItSays),
    ] {
        check_rule(
            &format!(r#"{{"match":{{}},"require":{require}}}"#),
            "",
            &expected,
        );
    }
}
