//! Refusals of the endpoint: those that speak of the token, and those that speak of us.

use std::time::Duration;

use crate::worker::Worker;

const UNSUPPORTED: &str = r#"{"error":"unsupported_token_type"}"#;

fn config(introspection: &str, more: &str) -> String {
    format!(
        r#"{{
            "introspection": {{ "cluster": "idp", "endpoint": "http://idp/introspect"{introspection} }},
            "required_scopes": ["a"]{more}
        }}"#
    )
}

const RFC7662: &str = r#", "api": "rfc7662""#;
const GONE: &str = r#", "api": "rfc7662", "inactive_statuses": [404, 410]"#;

/// A worker that has just asked, and what it was told.
fn asked(config: &str, status: u16, body: &str, expected: u16) -> Worker {
    let mut worker = Worker::new(config);
    worker.endpoint = Some((status, body.to_owned()));
    let found = worker.request("GET /", Some("Bearer t")).status();
    assert_eq!(found, expected, "{config} {status} {body}");
    worker
}

#[test]
fn a_token_that_is_refused_by_a_status_is_known_as_inactive_to_all_workers() {
    for (introspection, status, body) in [
        (RFC7662, 400, UNSUPPORTED),
        (GONE, 400, UNSUPPORTED),
        (GONE, 404, ""),
        (GONE, 410, "<html>active</html>"),
        (GONE, 404, r#"{"active":true,"scope":"a"}"#),
    ] {
        let config = config(introspection, "");
        let mut one = asked(&config, status, body, 401);
        let mut other = one.beside(&config);
        for worker in [&mut one, &mut other] {
            worker.endpoint = None;
            for _ in 0..3 {
                let found = worker.request("GET /", Some("Bearer t")).status();
                assert_eq!(found, 401, "{status} {body}");
            }
        }
        // Not for longer than any inactive token.
        for worker in [&mut one, &mut other] {
            worker.pass(Duration::from_secs(5));
            worker.endpoint = Some((200, r#"{"active":true,"scope":"a"}"#.to_owned()));
            let found = worker.request("GET /", Some("Bearer t")).status();
            assert_eq!(found, 200, "{status} {body}");
        }
        assert_eq!(
            (one.callouts(), other.callouts()),
            (2, 0),
            "{status} {body}"
        );
    }
}

/// What a status meant to another configuration is not known.
#[test]
fn a_status_is_read_by_each_configuration_itself() {
    let one = asked(&config(GONE, ""), 404, "", 401);
    let mut other = one.beside(&config(RFC7662, ""));
    other.endpoint = Some((404, String::new()));
    assert_eq!(other.request("GET /", Some("Bearer t")).status(), 503);
    assert_eq!(other.callouts(), 1);
}

/// Junk gets in by no refusal, and neither does a token that was good.
#[test]
fn a_refusal_is_no_outage() {
    let open =
        r#", "failure_mode_allow": true, "cache": { "max_ttl": "10s", "stale_if_error": "1m" }"#;
    let disabled = r#"{"active":false,"error":"identity provider 'maskinporten' is not enabled"}"#;
    let listed = r#", "outage_errors": ["identity provider '"]"#;
    for (introspection, status, body, expected) in [
        ("", 200, disabled, 503),
        (listed, 200, disabled, 503),
        (RFC7662, 200, disabled, 401),
        (RFC7662, 400, UNSUPPORTED, 401),
        (RFC7662, 400, r#"{"error":"invalid_request"}"#, 503),
        (RFC7662, 401, r#"{"error":"invalid_client"}"#, 503),
        (RFC7662, 404, "", 503),
        (GONE, 404, "", 401),
        (GONE, 403, "", 503),
    ] {
        let config = config(introspection, open);
        asked(&config, status, body, expected);
        let mut known = asked(&config, 200, r#"{"active":true,"scope":"a"}"#, 200);
        known.pass(Duration::from_secs(11));
        known.endpoint = Some((status, body.to_owned()));
        let found = known.request("GET /", Some("Bearer t")).status();
        assert_eq!(found, expected, "known: {introspection} {status} {body}");
    }
}
