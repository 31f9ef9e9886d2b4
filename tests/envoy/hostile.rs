//! Clients that send what no client should. Envoy's own parser stops some of it; whatever it lets
//! through must neither pass nor take the VM down.

use crate::frames::{self, Connection, End};
use crate::gateway::{Gateway, Setup};

/// Paths that are refused where a rule goes by paths.
pub const AMBIGUOUS: [&str; 28] = [
    "//api/x",
    "/api//x",
    "/open/../api/x",
    "/open/..",
    "/./api/x",
    "/api/.",
    "/..",
    "/open%2f..%2fapi",
    "/open%2F",
    "/%2e%2e/api",
    "/open/%2E%2E/api/x",
    "/open%5c..%5capi",
    "/open%5C",
    "/open\\..\\api",
    "/open%00",
    "/open/..;/api/x",
    "/api/;x/.;y/z",
    "/open%3bx",
    "/open;x=/api",
    "/open%0D%0A",
    "/open%1f",
    "/open%7F",
    "/api/x//",
    "/orders//status",
    "/orders/1%2fstatus",
    "/open%",
    "/open%zz",
    "/open%2",
];

/// Bytes that are no UTF-8 but that Envoy lets into a header's value.
const NOT_UTF8: &[u8] = b"\xff\xfe\x80\xc3";

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_utf8_in_any_header() {
    let gateway = Gateway::start(Setup::default()).await;
    let good = format!("Bearer {}", gateway.token("api:read"));
    let with = |value: &[u8]| [b"Bearer ".as_slice(), value].concat();
    for name in [
        "accept",
        "content-type",
        "cookie",
        "origin",
        "te",
        "traceparent",
        "user-agent",
        "x-anything",
        "x-forwarded-for",
        "x-request-id",
    ] {
        let headers: [(&[u8], &[u8]); 2] = [
            (b"authorization", good.as_bytes()),
            (name.as_bytes(), NOT_UTF8),
        ];
        let answer = gateway.send(b"GET /api/x", &headers).await;
        assert_eq!(answer.status, 200, "{name}, good token: {answer:?}");
        let answer = gateway.send(b"GET /api/x", &headers[1..]).await;
        assert_eq!(answer.status, 401, "{name}, no token: {answer:?}");
    }
    for (value, status) in [
        (NOT_UTF8.to_vec(), 401),
        (with(NOT_UTF8), 400),
        ([good.as_bytes(), NOT_UTF8].concat(), 400),
        ([NOT_UTF8, good.as_bytes()].concat(), 401),
        (with("blåbær".as_bytes()), 400),
    ] {
        let answer = gateway
            .send(b"GET /api/x", &[(b"authorization", &value)])
            .await;
        assert_eq!(
            answer.status,
            status,
            "{}: {answer:?}",
            value.escape_ascii()
        );
    }
    let answer = gateway
        .send(b"GET /api/\xff", &[(b"authorization", good.as_bytes())])
        .await;
    assert_eq!(answer.status, 400, "Envoy refuses it: {answer:?}");
    gateway.assert_well().await;
}

/// The SDK takes all names for UTF-8, and would panic where a rule has all of them fetched.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_utf8_in_a_headers_name() {
    let gateway = Gateway::start(Setup::default()).await;
    let good = format!("Bearer {}", gateway.token("api:read"));
    for name in [&b"x-\xff"[..], b"x-\xc3\xa6", b"\x80", b"x-\xc3"] {
        let case = name.escape_ascii();
        let token = (&b"authorization"[..], good.as_bytes());
        let answer = gateway.send(b"GET /api/x", &[token, (name, b"a")]).await;
        assert_eq!(answer.status, 400, "{case}: {answer:?}");

        let mut connection = Connection::open(gateway.address).await;
        let fields = [
            (&b":method"[..], &b"GET"[..]),
            (b":scheme", b"http"),
            (b":authority", b"gateway"),
            (b":path", b"/api/x"),
            token,
            (name, b"a"),
        ];
        let head = frames::last_headers(1, &fields);
        connection.send(&[head]).await;
        let (_, end) = connection.next().await;
        assert!(
            matches!(end, End::Status(400) | End::Reset | End::Closed),
            "{case} over HTTP/2: {end:?}"
        );
    }
    assert_eq!(gateway.idp.api_requests(), 0, "Envoy refuses all of them");
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_repeated() {
    let gateway = Gateway::start(Setup::default()).await;
    let good = format!("Bearer {}", gateway.token("api:read"));
    let good = good.as_bytes();
    let cases: &[(&[&[u8]], u16)] = &[
        (&[good], 200),
        (&[good, good], 400),
        (&[good, b"Bearer x"], 400),
        (&[b"Bearer x", good], 400),
        (&[b"Basic YTpi", good], 400),
        (&[good, b"Basic YTpi"], 400),
        // Envoy drops what is empty when it joins: one credential is left, for the API as well.
        (&[b"", good], 200),
        (&[good, b""], 200),
        (&[b"Basic YTpi", b"Basic YTpi"], 401),
    ];
    for (values, status) in cases {
        for name in [&b"authorization"[..], b"AUTHORIZATION"] {
            let headers: Vec<_> = values.iter().map(|value| (name, *value)).collect();
            let answer = gateway.send(b"GET /api/x", &headers).await;
            assert_eq!(answer.status, *status, "{values:?}: {answer:?}");
        }
    }
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_the_upstream_could_read_otherwise() {
    let bare = Gateway::start(Setup {
        envoy_normalizes_paths: false,
        ..Setup::default()
    })
    .await;
    let normalizing = Gateway::start(Setup::default()).await;
    for path in AMBIGUOUS {
        // Alone, the filter refuses each of them, with a good token and without.
        let good = format!("Bearer {}", bare.token("api:read api:write"));
        let with_token = bare.get(path, &[("authorization", &good)]).await;
        assert_eq!(with_token.status, 400, "{path}: {with_token:?}");
        assert_eq!(bare.get(path, &[]).await.status, 400, "{path}");

        // Behind Envoy's own cleaning some become plain paths; none is open that was not.
        let answer = normalizing.get(path, &[]).await;
        assert!(
            matches!(answer.status, 301 | 307 | 400 | 401 | 403),
            "{path}: {answer:?}"
        );
    }
    assert_eq!(bare.idp.api_requests() + normalizing.idp.api_requests(), 0);
    let good = format!("Bearer {}", bare.token("api:read"));
    for path in [
        "/api/%C3%A6",
        "/api/%c3%a6%61",
        "/api/x%20y",
        "/api/a..b",
        "/api/.x",
    ] {
        assert_eq!(bare.get(path, &[]).await.status, 401, "{path}");
        assert_eq!(
            bare.get(path, &[("authorization", &good)]).await.status,
            200,
            "{path}"
        );
    }
    bare.assert_well().await;
    normalizing.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_a_path() {
    let gateway = Gateway::start(Setup {
        envoy_normalizes_paths: false,
        ..Setup::default()
    })
    .await;
    let answer = gateway.send(b"OPTIONS *", &[]).await;
    assert_eq!(answer.status, 404, "Envoy finds no route: {answer:?}");
    let answer = gateway.send(b"CONNECT gateway:80", &[]).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(gateway.idp.api_requests(), 0);
    gateway.assert_well().await;
}
