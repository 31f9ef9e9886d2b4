//! CORS preflights: the requests that browsers send ahead of others, to ask what they may do.
//!
//! They come without a token, so they pass without one. What passes must therefore be no more
//! than the Fetch standard makes of a preflight and what stands before this gateway adds to it: a
//! request with any other header is a request like any, because a key can have any name, and so
//! can what makes a server take a request for another.

mod usual_headers;

use self::usual_headers::is_usual;
use crate::request::head::RequestHead;
use crate::request::method;

/// Whether this is a preflight (Fetch, "CORS-preflight fetch").
pub fn is_preflight(head: &impl RequestHead, token_header: &str) -> bool {
    let is = |name, condition: fn(&[u8]) -> bool| {
        let value = head.header(name);
        value.is_some_and(|value| condition(&value))
    };
    head.ends_stream()
        && is(":method", |method| method == b"OPTIONS")
        && is("origin", is_origin)
        && is("access-control-request-method", is_asked_for)
        && head
            .header("content-length")
            .is_none_or(|length| *length == *b"0")
        && has_nothing_else(&head.names(), token_header)
}

/// `null`, where somebody sandboxed asks, or an origin. Envoy joins several by a comma.
fn is_origin(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|b| b.is_ascii_graphic() && *b != b',')
}

/// Whether scripts may send requests of the method (Fetch, "forbidden method").
fn is_asked_for(name: &[u8]) -> bool {
    method::is_registered(name) && !matches!(name, b"CONNECT" | b"TRACE")
}

/// Whether all that there is may be on a preflight.
fn has_nothing_else(names: &[String], token_header: &str) -> bool {
    let count = |wanted| names.iter().filter(|name| *name == wanted).count();
    count("origin") == 1
        && count("access-control-request-method") == 1
        && names
            .iter()
            .all(|name| name != token_header && is_usual(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::head::FakeHead;

    const OPTIONS: (&str, &str) = (":method", "OPTIONS");
    const ORIGIN: (&str, &str) = ("origin", "https://app.example.com");
    const ASKS: (&str, &str) = ("access-control-request-method", "GET");

    fn check(headers: &[(&str, &str)], expected: bool) {
        let bytes: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
        let found = is_preflight(&FakeHead::of(&bytes), "x-token");
        assert_eq!(found, expected, "{headers:?}");
    }

    #[test]
    fn what_has_a_body_is_none() {
        let head = FakeHead::new("OPTIONS /")
            .header("origin", "https://a")
            .header("access-control-request-method", "GET");
        assert!(is_preflight(&head, "x-token"));
        assert!(!is_preflight(&head.with_body(), "x-token"));
    }

    #[test]
    fn what_makes_a_preflight() {
        for (headers, expected) in [
            (&[OPTIONS, ORIGIN, ASKS][..], true),
            (&[OPTIONS, ("origin", "null"), ASKS], true),
            (&[OPTIONS, ("origin", "app://x:1"), ASKS], true),
            (&[OPTIONS, ORIGIN], false),
            (&[OPTIONS, ASKS], false),
            (&[OPTIONS], false),
            (&[ORIGIN, ASKS], false),
            (&[(":method", "options"), ORIGIN, ASKS], false),
            (&[(":method", "GET"), ORIGIN, ASKS], false),
            (&[OPTIONS, ("origin", ""), ASKS], false),
            (&[OPTIONS, ("origin", "https://a,https://b"), ASKS], false),
            (&[OPTIONS, ("origin", "https://a b"), ASKS], false),
            (&[OPTIONS, ORIGIN, ORIGIN, ASKS], false),
            (&[OPTIONS, ORIGIN, ASKS, ASKS], false),
            (&[OPTIONS, ORIGIN, ASKS, ("content-length", "0")], true),
            (&[OPTIONS, ORIGIN, ASKS, ("content-length", "2")], false),
            (&[OPTIONS, ORIGIN, ASKS, ("content-length", "")], false),
        ] {
            check(headers, expected);
        }
        for (method, expected) in [
            ("POST", true),
            ("PATCH", true),
            ("PROPFIND", true),
            ("", false),
            ("G T", false),
            ("patch", false),
            ("PUTT", false),
            ("CONNECT", false),
            ("TRACE", false),
            ("TRACK", false),
            ("PUT, DELETE", false),
        ] {
            let asks = (ASKS.0, method);
            check(&[OPTIONS, ORIGIN, asks], expected);
        }
    }

    #[test]
    fn what_else_may_be_there() {
        for (name, expected) in [
            ("access-control-request-headers", true),
            ("access-control-request-private-network", true),
            ("sec-fetch-mode", true),
            ("sec-ch-ua", true),
            ("te", true),
            ("via", true),
            ("x-forwarded-for", true),
            ("x-b3-traceid", true),
            ("x-envoy-external-address", true),
            ("cf-ray", true),
            ("authorization", false),
            ("proxy-authorization", false),
            ("x-token", false),
            ("cookie", false),
            ("x-api-key", false),
            ("api-key", false),
            ("anything", false),
            ("x-http-method-override", false),
            ("x-http-method", false),
            ("x-method-override", false),
            ("x-original-url", false),
            ("x-rewrite-url", false),
            ("x-original-uri", false),
            ("x-forwarded-prefix", false),
            ("x-forwarded-path", false),
            ("x-forwarded-uri", false),
            ("x-forwarded-method", false),
            ("x-forwarded-user", false),
            ("x-forwarded-access-token", false),
            ("x-forwarded", false),
            ("x-envoy-original-path", false),
            ("x-envoy-original-dst-host", false),
            ("cf-access-jwt-assertion", false),
            ("cf-access-client-secret", false),
            ("x-goog-iap-jwt-assertion", false),
            ("x-amzn-oidc-data", false),
            ("x-ms-client-principal", false),
            ("ocp-apim-subscription-key", false),
            ("upgrade", false),
            ("sec-websocket-protocol", false),
            ("sec-websocket-key", false),
            ("transfer-encoding", false),
            ("content-type", false),
            ("content-encoding", false),
            ("expect", false),
            ("range", false),
            ("if-match", false),
        ] {
            // Empty ones too.
            for value in ["", "x"] {
                check(&[OPTIONS, ORIGIN, ASKS, (name, value)], expected);
                check(&[(name, value), OPTIONS, ORIGIN, ASKS], expected);
            }
        }
        // Whatever the operator has tokens come in.
        let head = [OPTIONS, ORIGIN, ASKS, ("via", "x")].map(|(n, v)| (n, v.as_bytes()));
        assert!(!is_preflight(&FakeHead::of(&head), "via"));
    }
}
