mod facts;

use super::*;
use crate::introspection::api::rfc7662::Rfc7662;
use crate::introspection::api::texas::Texas;
use crate::introspection::request::tests::config_of_cluster;
use crate::token::claims::{ClaimId, ClaimPath};

fn texas() -> ResponseReader {
    ResponseReader {
        api: Api::Texas(Texas::default()),
        ..ResponseReader::default()
    }
}

fn rfc7662(inactive_statuses: &[u16]) -> ResponseReader {
    ResponseReader {
        api: Api::Rfc7662(Rfc7662 {
            inactive_statuses: inactive_statuses.to_vec(),
            ..Rfc7662::default()
        }),
        ..ResponseReader::default()
    }
}

fn check(api: &ResponseReader, reply: Reply<'_>, expected: &str) {
    let reading = api.parse(reply);
    let body = reply.body.map(<[u8]>::escape_ascii);
    let what = format!(
        "{:?} {}",
        reply.status,
        body.into_iter()
            .flatten()
            .take(200)
            .map(char::from)
            .collect::<String>()
    );
    assert_eq!(reading.outcome.name(), expected, "{what}");
    // Whoever reads the words anew reads the same.
    if reading.answer.is_ok() {
        assert_eq!(api.parse_body(reading.words), reading.answer, "{what}");
    }
}

fn answer(status: u16, body: &str) -> Reply<'_> {
    Reply {
        status: Some(status),
        from_upstream: true,
        body: Some(body.as_bytes()),
    }
}

#[test]
fn bodies() {
    let deep = |name: &str| {
        let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
        format!(r#"{{"active":true,"{name}":{open}{close}}}"#)
    };
    let (deep_scope, deep_other) = (deep("scope"), deep("other"));
    let cases = [
        (r#"{"active":true}"#, "active"),
        (r#" { "scope" : "a" , "active" : true } "#, "active"),
        (
            r#"{"active":true,"error":"a claim of the token"}"#,
            "active",
        ),
        (r#"{"active":true,"exp":1795350566}"#, "active"),
        (r#"{"active":true,"exp":1795350566.5}"#, "active"),
        (r#"{"active":true,"exp":1}"#, "active"),
        (r#"{"active":true,"exp":-1}"#, "active"),
        (r#"{"active":true,"exp":1e300}"#, "active"),
        (r#"{"active":true,"scope":7,"scp":{}}"#, "active"),
        (r#"{"active":true,"other":1,"other":2}"#, "active"),
        (r#"{"active":false}"#, "inactive"),
        (
            r#"{"active":false,"error":"invalid token: ExpiredSignature"}"#,
            "inactive",
        ),
        (r#"{"active":false,"error":{"fetch:":1}}"#, "inactive"),
        (r#"{"active":false,"scope":"a"}"#, "inactive"),
        ("", "malformed"),
        ("null", "malformed"),
        ("true", "malformed"),
        ("[true]", "malformed"),
        (r#"[{"active":true}]"#, "malformed"),
        (r#""{\"active\":true}""#, "malformed"),
        ("{}", "malformed"),
        (r#"{"scope":"a"}"#, "malformed"),
        (r#"{"Active":true}"#, "malformed"),
        (r#"{"active":"true"}"#, "malformed"),
        (r#"{"active":1}"#, "malformed"),
        (r#"{"active":null}"#, "malformed"),
        (r#"{"active":[true]}"#, "malformed"),
        (r#"{"active":true,"active":true}"#, "malformed"),
        (r#"{"active":true,"active":false}"#, "malformed"),
        (r#"{"active":false,"active":true}"#, "malformed"),
        (r#"{"active":true,"\u0061ctive":false}"#, "malformed"),
        (r#"{"active":true,"scope":"a","scope":"b"}"#, "malformed"),
        (r#"{"active":false,"error":"a","error":"b"}"#, "malformed"),
        (r#"{"active":true,"exp":"1795350566"}"#, "malformed"),
        (r#"{"active":true,"exp":null}"#, "malformed"),
        (r#"{"active":true,"exp":true}"#, "malformed"),
        (r#"{"active":true,"exp":1e999}"#, "malformed"),
        (r#"{"active":true,"exp":1,"exp":2}"#, "malformed"),
        (r#"{"active":true"#, "malformed"),
        (r#"{"active":true}x"#, "malformed"),
        (r#"{"active":true}{"active":true}"#, "malformed"),
        (r#"{"result":{"active":true}}"#, "malformed"),
        ("<html>active</html>", "malformed"),
        (&deep_scope, "malformed"),
        (&deep_other, "active"),
    ];
    for (body, expected) in cases {
        check(&texas(), answer(200, body), expected);
        check(&rfc7662(&[]), answer(200, body), expected);
    }
    let not_utf8 = Reply {
        status: Some(200),
        from_upstream: true,
        body: Some(b"{\"active\":true,\"a\":\"\xff\"}"),
    };
    check(&texas(), not_utf8, "malformed");
    let too_long = Reply {
        body: None,
        ..not_utf8
    };
    check(&texas(), too_long, "malformed");
}

#[test]
fn texas_errors_that_speak_of_the_endpoint() {
    for (error, expected) in [
        ("fetch: error sending request", "unreachable"),
        ("decode json: EOF", "unreachable"),
        ("init client: x", "unreachable"),
        ("identity provider 'tokenx' is not enabled", "misconfigured"),
        ("identity provider 'tokenx' is not enabled.", "inactive"),
        ("identity provider 'tokenx' is out", "inactive"),
        ("identity provider ' is not enabled", "inactive"),
        ("the identity provider 'x' is not enabled", "inactive"),
        ("invalid token: fetch:", "inactive"),
        ("Fetch: x", "inactive"),
        ("", "inactive"),
    ] {
        let body = format!(r#"{{"active":false,"error":"{error}"}}"#);
        check(&texas(), answer(200, &body), expected);
        check(&rfc7662(&[]), answer(200, &body), "inactive");
        let body = format!(r#"{{"active":true,"error":"{error}"}}"#);
        check(&texas(), answer(200, &body), "active");
    }
    // Misconfiguration is no outage, whatever the operator calls one.
    let listed = ResponseReader {
        api: Api::Texas(Texas {
            outage_errors: vec!["identity provider '".to_owned()],
            ..Texas::default()
        }),
        ..ResponseReader::default()
    };
    for (error, expected) in [
        ("identity provider 'tokenx' is not enabled", "misconfigured"),
        ("identity provider 'tokenx' is out", "unreachable"),
    ] {
        let body = format!(r#"{{"active":false,"error":"{error}"}}"#);
        check(&listed, answer(200, &body), expected);
    }
}

#[test]
fn statuses_that_speak_of_the_token() {
    let unsupported = r#"{"error":"unsupported_token_type"}"#;
    for (statuses, status, body, expected) in [
        ([].as_slice(), 400, unsupported, "inactive_status"),
        (
            &[],
            400,
            r#"{"error_description":"no \ud800","error":"unsupported\u005ftoken_type","x":1e999}"#,
            "inactive_status",
        ),
        (&[], 401, unsupported, "misconfigured"),
        (&[], 403, unsupported, "misconfigured"),
        (&[], 404, unsupported, "misconfigured"),
        (&[], 500, unsupported, "status"),
        (&[], 429, unsupported, "status"),
        (&[], 200, unsupported, "malformed"),
        (
            &[],
            400,
            r#"{"error":"unsupported_token_type","error":"unsupported_token_type"}"#,
            "misconfigured",
        ),
        (
            &[],
            400,
            r#"{"error":"unsupported_token_type","\u0065rror":"invalid_request"}"#,
            "misconfigured",
        ),
        (
            &[],
            400,
            r#"{"error":"unsupported_token_type"}x"#,
            "misconfigured",
        ),
        (
            &[],
            400,
            r#"{"error":["unsupported_token_type"]}"#,
            "misconfigured",
        ),
        (
            &[],
            400,
            r#"["error","unsupported_token_type"]"#,
            "misconfigured",
        ),
        (
            &[],
            400,
            r#"{"error":"Unsupported_token_type"}"#,
            "misconfigured",
        ),
        (
            &[],
            400,
            r#"{"error":"unsupported_token_type "}"#,
            "misconfigured",
        ),
        (
            &[],
            400,
            r#"{"error":{"error":"unsupported_token_type"}}"#,
            "misconfigured",
        ),
        (&[], 400, r#"{"error":"invalid_request"}"#, "misconfigured"),
        (&[], 400, "unsupported_token_type", "misconfigured"),
        (&[], 400, "", "misconfigured"),
        (&[404, 410], 404, "", "inactive_status"),
        (&[404, 410], 410, r#"{"active":true}"#, "inactive_status"),
        (
            &[404, 410],
            404,
            r#"{"error":"invalid_client"}"#,
            "inactive_status",
        ),
        (&[404, 410], 400, "", "misconfigured"),
        (&[404, 410], 400, unsupported, "inactive_status"),
        (&[404, 410], 403, "", "misconfigured"),
    ] {
        check(&rfc7662(statuses), answer(status, body), expected);
        let too_long = Reply {
            body: None,
            ..answer(status, "")
        };
        if statuses.is_empty() && status < 429 && status > 200 {
            check(&rfc7662(statuses), too_long, "misconfigured");
        }
        // Not if Envoy says it.
        let of_envoy = Reply {
            from_upstream: false,
            ..answer(status, body)
        };
        check(&rfc7662(statuses), of_envoy, "unreachable");
    }
    check(&texas(), answer(400, unsupported), "inactive_status");
}

#[test]
fn a_refusal_keeps_a_registered_code_and_nothing_else() {
    for (body, expected) in [
        (r#"{"error":"invalid_client"}"#, Some("invalid_client")),
        (
            r#"{"error":"invalid_request","error_description":"eyJ"}"#,
            Some("invalid_request"),
        ),
        (r#"{"error":"eyJhbGciOiJSUzI1NiJ9"}"#, None),
        (r#"{"error":null}"#, None),
        ("<html>", None),
    ] {
        for status in [201, 302, 400, 401, 403, 404] {
            let what = Misconfiguration::Status {
                status,
                error: expected,
            };
            let found = texas().parse(answer(status, body)).answer;
            assert_eq!(
                found,
                Err(IntrospectionError::Misconfigured(what)),
                "{body}"
            );
        }
    }
}

#[test]
fn statuses() {
    let active = r#"{"active":true}"#;
    for (status, from_upstream, expected) in [
        (200, true, "active"),
        (201, true, "misconfigured"),
        (204, true, "misconfigured"),
        (302, true, "misconfigured"),
        (400, true, "misconfigured"),
        (401, true, "misconfigured"),
        (403, true, "misconfigured"),
        (404, true, "misconfigured"),
        (405, true, "misconfigured"),
        (429, true, "status"),
        (500, true, "status"),
        (503, true, "status"),
        (504, true, "status"),
        (503, false, "unreachable"),
        (502, false, "unreachable"),
        (200, false, "unreachable"),
        (504, false, "timeout"),
    ] {
        let reply = Reply {
            from_upstream,
            ..answer(status, active)
        };
        check(&texas(), reply, expected);
    }
    let broken = Reply {
        status: None,
        ..answer(0, active)
    };
    check(&texas(), broken, "unreachable");
}

fn wanting(claims: &[&str], keeps_payload: bool) -> (ResponseReader, Vec<ClaimId>) {
    let mut reader = ResponseReader {
        keeps_payload,
        ..ResponseReader::default()
    };
    let want = |claim: &&str| reader.claims.want(ClaimPath::parse(claim).unwrap());
    let ids = claims.iter().map(want).collect();
    (reader, ids)
}

#[test]
fn nothing_that_is_looked_at_comes_twice() {
    for (body, expected) in [
        (r#"{"active":true,"other":1,"other":2}"#, "active"),
        (r#"{"active":true,"other":{"a":1,"a":2}}"#, "active"),
        (r#"{"active":true,"consumer":1,"consumer":2}"#, "malformed"),
        (r#"{"active":true,"consumer":{"ID":1,"ID":2}}"#, "malformed"),
        (
            r#"{"active":true,"consumer":[{"x":{"y":1,"y":2}}]}"#,
            "malformed",
        ),
        (r#"{"active":true,"cnf":{},"cnf":null}"#, "malformed"),
        (
            r#"{"active":true,"cnf":{"jkt":"a","jkt":"b"}}"#,
            "malformed",
        ),
    ] {
        check(
            &wanting(&["consumer.ID"], false).0,
            answer(200, body),
            expected,
        );
        if expected == "active" {
            check(&wanting(&[], true).0, answer(200, body), "malformed");
        }
    }
}

#[test]
fn what_is_odd_matters_only_where_somebody_looks() {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let (deepest, too_deep) = (deep(126), deep(127));
    // With a claim that is asked for in each, with all that are, and with none.
    for (member, of_named, of_all, of_none) in [
        (r#""sub":"\ud800""#, "malformed", "active", "active"),
        (r#""sub":{"\ud800":1}"#, "malformed", "active", "active"),
        (r#""sub":1e400"#, "malformed", "active", "active"),
        (r#""\ud800":1"#, "active", "active", "active"),
        (r#""\ud800":1,"\uD800":2"#, "active", "malformed", "active"),
        (r#""sub":1,"sub":1"#, "malformed", "malformed", "active"),
        (
            r#""sub":[{"a":1,"\u0061":1}]"#,
            "malformed",
            "malformed",
            "active",
        ),
        (
            r#""sub":[{"\ud800":1,"\ud800":1}]"#,
            "malformed",
            "malformed",
            "active",
        ),
        (&format!(r#""sub":{deepest}"#), "active", "active", "active"),
        (
            &format!(r#""sub":{too_deep}"#),
            "malformed",
            "malformed",
            "active",
        ),
        (r#""sub":"#, "malformed", "malformed", "malformed"),
        (r#""sub":01"#, "malformed", "malformed", "malformed"),
        (r#""sub":"\x""#, "malformed", "malformed", "malformed"),
        (r#""sub":"\ud80""#, "malformed", "malformed", "malformed"),
        ("\"sub\":\"\n\"", "malformed", "malformed", "malformed"),
        ("\"a\n\":1", "malformed", "malformed", "malformed"),
        ("\"a\\n\u{1}\":1", "malformed", "malformed", "malformed"),
        ("\n\t\"a\\n\"\r:1\n", "active", "active", "active"),
    ] {
        let body = format!(r#"{{"active":true,{member}}}"#);
        check(&wanting(&["sub"], false).0, answer(200, &body), of_named);
        check(&wanting(&[], true).0, answer(200, &body), of_all);
        check(&wanting(&[], false).0, answer(200, &body), of_none);
    }
}

/// Whatever the endpoint says, nothing of it is in what is printed.
#[test]
fn nothing_that_the_endpoint_said_is_logged() {
    let secrets = ["eyJhbGciOiJSUzI1NiJ9", "01010112345"];
    let [token, pid] = secrets;
    let config = config_of_cluster("idp");
    for (status, body) in [
        (
            200,
            format!(r#"{{"active":true,"active":false,"pid":"{pid}"}}"#),
        ),
        (
            200,
            format!(r#"{{"active":false,"error":"fetch: {token} {pid}\nat {token}"}}"#),
        ),
        (
            200,
            format!(
                r#"{{"active":false,"error":"identity provider '{token} {pid}' is not enabled"}}"#
            ),
        ),
        (200, format!(r#"{{"active":true,"exp":"{token} {pid}"}}"#)),
        (200, format!(r#"{{"{token}":"{pid}""#)),
        (400, format!(r#"{{"error":"{token} {pid}"}}"#)),
        (
            400,
            format!(r#"{{"error":"invalid_request","error_description":"{token} {pid}"}}"#),
        ),
        (401, format!("{token} {pid}")),
        (503, format!("{token} {pid}")),
    ] {
        let error = texas().parse(answer(status, &body)).answer.unwrap_err();
        let printed = format!("{} {error:?}", config.explain(&error));
        for secret in secrets {
            assert!(!printed.contains(secret), "{body}: {printed}");
        }
    }
    let body = format!(r#"{{"active":false,"error":"fetch: {token} {pid}"}}"#);
    let error = texas().parse(answer(200, &body)).answer.unwrap_err();
    assert!(config.explain(&error).to_string().contains("`fetch:`"));
}
