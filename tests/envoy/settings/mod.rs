//! Envoy's own settings: what each does to the filter, as docs/envoy-settings.md says it.
//!
//! Most do nothing: requests that must not pass are refused and never reach the API, whatever
//! version, body and trailers they come with, and those that may pass do. Some open a way around
//! the filter: that is shown too, so that the table stays true.

use std::net::SocketAddr;

use dev_idp::Fault;
use futures_util::future::{join, join_all};

use crate::client::{Answer, raw, request_over_http2};
use crate::gateway::{Edit, Gateway, Setup, until};

mod connection_manager;
mod filter_chain;
mod headers;
mod hops;
mod hosts;
mod limits;
mod protocols;
mod routes;
mod wasm;

/// How requests come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

/// What comes behind a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    Body,
    BodyAndTrailers,
}

/// Whose requests they are, each with the status they come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credentials {
    None,
    Inactive,
    WrongScope,
    Good,
}

impl Credentials {
    const ALL: [Self; 4] = [Self::None, Self::Inactive, Self::WrongScope, Self::Good];

    fn status(self) -> u16 {
        match self {
            Self::None | Self::Inactive => 401,
            Self::WrongScope => 403,
            Self::Good => 200,
        }
    }

    /// Another token each time.
    fn token(self, gateway: &Gateway, number: usize) -> Option<String> {
        match self {
            Self::None => None,
            Self::Inactive => Some(format!("inactive{number}")),
            Self::WrongScope => Some(gateway.token("other")),
            Self::Good => Some(gateway.token("api:read api:write")),
        }
    }
}

const BODY: &[u8] = b"a body";

async fn send(address: SocketAddr, version: Version, rest: Rest, token: Option<String>) -> Answer {
    let method = if rest == Rest::Nothing { "GET" } else { "POST" };
    let authorization = token.map(|token| format!("Bearer {token}"));
    match version {
        Version::Http1 => {
            let authorization = authorization.map(|value| format!("authorization: {value}\r\n"));
            let authorization = authorization.unwrap_or_default();
            let (length, rest) = match rest {
                Rest::Nothing => ("", ""),
                Rest::Body => ("content-length: 6\r\n", "a body"),
                Rest::BodyAndTrailers => (
                    "transfer-encoding: chunked\r\n",
                    "6\r\na body\r\n0\r\nx-trailer: 1\r\n\r\n",
                ),
            };
            let request = format!(
                "{method} /api/x HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\
                 {authorization}{length}\r\n{rest}"
            );
            raw(address, request.as_bytes()).await
        }
        Version::Http2 => {
            let mut head = http::Request::builder()
                .method(method)
                .uri("http://gateway/api/x");
            if let Some(value) = authorization {
                head = head.header("authorization", value);
            }
            let head = head.body(()).unwrap();
            let body = (rest != Rest::Nothing).then_some(BODY);
            let trailers = (rest == Rest::BodyAndTrailers)
                .then(|| [("x-trailer".parse().unwrap(), "1".parse().unwrap())])
                .map(http::HeaderMap::from_iter);
            request_over_http2(address, head, body, trailers).await
        }
    }
}

/// With this setting the filter refuses and lets pass as ever, and nothing reaches the API while
/// the endpoint has not answered.
async fn guards(setting: &str, edit: Edit) -> Gateway {
    let gateway = start(setting, edit).await;
    let address = gateway.address;
    gateway.idp.set_fault(Some(Fault::Hold));
    let mut requests = Vec::new();
    for version in [Version::Http1, Version::Http2] {
        for rest in [Rest::Nothing, Rest::Body, Rest::BodyAndTrailers] {
            for credentials in Credentials::ALL {
                let token = credentials.token(&gateway, requests.len());
                requests.push(async move {
                    let answer = send(address, version, rest, token).await;
                    let status = answer.status;
                    let which = format!("{setting}: {version:?} {rest:?} {credentials:?}");
                    assert_eq!(status, credentials.status(), "{which}: {answer:?}");
                });
            }
        }
    }
    let good = requests.len() / Credentials::ALL.len();
    let release = async {
        // Not all tokens are asked about at once.
        until("all that have one wait", async || {
            gateway.idp.introspections() > 0 && gateway.active_requests().await == 3 * good as u64
        })
        .await;
        let reached = gateway.idp.api_requests();
        assert_eq!(reached, 0, "{setting}: passed before the answer");
        gateway.idp.set_fault(None);
    };
    join(join_all(requests), release).await;
    let reached = gateway.idp.api_requests();
    assert_eq!(reached, good, "{setting}: reached the API");
    gateway
}

/// With this setting requests that must not pass do: the filter is not asked.
async fn opens(setting: &str, edit: Edit) {
    let gateway = start(setting, edit).await;
    check_all(setting, &gateway, Reaches(200)).await;
}

/// With this setting nothing passes, good tokens neither.
async fn closes(setting: &str, status: u16, edit: Edit) {
    let gateway = start(setting, edit).await;
    check_all(setting, &gateway, Refused(status)).await;
}

async fn start(setting: &str, edit: Edit) -> Gateway {
    eprintln!("{setting}");
    Gateway::start(Setup {
        edit,
        ..Setup::default()
    })
    .await
}

/// All requests come to the same.
async fn check_all(setting: &str, gateway: &Gateway, expected: End) {
    for (number, credentials) in Credentials::ALL.into_iter().enumerate() {
        for (version, rest) in [
            (Version::Http1, Rest::Nothing),
            (Version::Http2, Rest::BodyAndTrailers),
        ] {
            let token = credentials.token(gateway, number);
            let before = gateway.idp.api_requests();
            let answer = send(gateway.address, version, rest, token).await;
            let found = End::of(gateway, before, &answer);
            let which = format!("{setting}: {version:?} {rest:?} {credentials:?}");
            assert_eq!(found, expected, "{which}: {answer:?}");
        }
    }
}

/// What comes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It is answered with this status, and does not reach the API.
    Refused(u16),
    /// The API answers with this status.
    Reaches(u16),
}

use End::{Reaches, Refused};

impl End {
    fn of(gateway: &Gateway, requests_before: usize, answer: &Answer) -> Self {
        if gateway.idp.api_requests() > requests_before {
            Reaches(answer.status)
        } else {
            Refused(answer.status)
        }
    }
}

/// Requests, as texts: the lines of a head, separated by `|`. `GOOD` and `WEAK` are tokens.
async fn check(setting: &str, gateway: &Gateway, requests: &[(&str, End)]) {
    let good = gateway.token("api:read api:write");
    let weak = gateway.token("other");
    for (text, expected) in requests {
        let head = text.replace("GOOD", &format!("authorization: Bearer {good}"));
        let head = head.replace("WEAK", &format!("authorization: Bearer {weak}"));
        let head = head.replace('|', "\r\n");
        let before = gateway.idp.api_requests();
        let request = format!("{head}\r\nconnection: close\r\n\r\n");
        let answer = raw(gateway.address, request.as_bytes()).await;
        let found = End::of(gateway, before, &answer);
        assert_eq!(found, *expected, "{setting}: {text}: {answer:?}");
    }
}

/// Where the tests are that docs/envoy-settings.md names, those here first.
const SOURCES: [(&str, &str); 18] = [
    ("settings", include_str!("connection_manager.rs")),
    ("settings", include_str!("filter_chain.rs")),
    ("settings", include_str!("headers.rs")),
    ("settings", include_str!("hops.rs")),
    ("settings", include_str!("hosts.rs")),
    ("settings", include_str!("limits.rs")),
    ("settings", include_str!("protocols.rs")),
    ("settings", include_str!("routes.rs")),
    ("settings", include_str!("wasm.rs")),
    ("hostile", include_str!("../hostile.rs")),
    ("protocols", include_str!("../protocols.rs")),
    ("rules", include_str!("../rules.rs")),
    ("sample", include_str!("../sample.rs")),
    ("trailers", include_str!("../trailers.rs")),
    ("upgrades", include_str!("../upgrades.rs")),
    ("waiting", include_str!("../waiting.rs")),
    ("binding", include_str!("../binding.rs")),
    ("configuration", include_str!("../configuration.rs")),
];

/// What stands between backticks.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_table_names_the_tests_there_are() {
    let docs = include_str!("../../../docs/envoy-settings.md");
    let rows = docs.lines().map(|line| line.split('|').collect::<Vec<_>>());
    for row in rows.filter(|row| row.len() == 6) {
        let tests = row[4].rsplit(": ").next().unwrap();
        let is_there = |name: &str| {
            let test = format!("async fn {name}(");
            let plain = format!("fn {name}() {{");
            SOURCES.iter().any(|(module, source)| {
                *module == name || source.contains(&test) || source.contains(&plain)
            })
        };
        for name in names(tests) {
            assert!(is_there(name), "no test is called {name}: {row:?}");
        }
    }
    for (_, source) in SOURCES.iter().filter(|(module, _)| *module == "settings") {
        for part in source
            .split("#[tokio::test(flavor = \"multi_thread\")]\nasync fn ")
            .skip(1)
        {
            let name = part.split('(').next().unwrap();
            assert!(docs.contains(&format!("`{name}`")), "nothing says {name}");
        }
    }
}
