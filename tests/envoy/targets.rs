//! Requests that say in unusual ways what they are for: a host twice or none at all, another host
//! in the target, user information, tunnels. Whatever the rules read, the route and the API read it
//! too, and without a token that is good for it nothing reaches the API.

use dev_idp::Fault;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::client::raw;
use crate::frames::{self, Connection, End, Fields};
use crate::gateway::{
    CONNECTION_MANAGER, Gateway, Setup, at, connect_patiently, plugin, speak_to_api, until,
};
use crate::recorder::Recorder;
use crate::upgrades::read_head;

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It needs a token; with a good one the API sees this: target and host.
    Secured(&'static str),
    /// It needs none.
    Open(&'static str),
    /// It is refused, with whatever token.
    Refused(u16),
    /// Envoy hangs up, whatever the token.
    HungUp,
}

use Fate::{HungUp, Open, Refused, Secured};

/// Lines end in `\n`. Where rules go by paths, and where they go by hosts.
const HTTP1: &[(&str, Fate, Fate)] = &[
    // A host twice: Envoy joins them.
    (
        "GET /api/x HTTP/1.1\nhost: public.example.com\nhost: other",
        Secured("/api/x public.example.com,other"),
        Refused(400),
    ),
    (
        "GET /api/x HTTP/1.1\nhost: other\nhost: public.example.com",
        Secured("/api/x other,public.example.com"),
        Refused(400),
    ),
    (
        "GET /api/x HTTP/1.1\nhost: public.example.com\nHOST: public.example.com",
        Secured("/api/x public.example.com,public.example.com"),
        Refused(400),
    ),
    (
        "GET /api/x HTTP/1.1\nhost: public.example.com\nhost:",
        Secured("/api/x public.example.com"),
        Open("/api/x public.example.com"),
    ),
    (
        "GET /api/x HTTP/1.1\nhost: other, public.example.com",
        Refused(400),
        Refused(400),
    ),
    (
        "GET /api/x HTTP/1.1\nhost:",
        Secured("/api/x "),
        Refused(400),
    ),
    // A target with a host: that one counts.
    (
        "GET http://other/api/x HTTP/1.1\nhost: public.example.com",
        Secured("/api/x other"),
        Secured("/api/x other"),
    ),
    (
        "GET http://other/api/x HTTP/1.1\nhost: public.example.com\nhost: another",
        Secured("/api/x other"),
        Secured("/api/x other"),
    ),
    (
        "GET HTTP://other/api/x HTTP/1.1",
        Secured("/api/x other"),
        Secured("/api/x other"),
    ),
    (
        "GET http://public.example.com:80/api/x HTTP/1.1\nhost: other",
        Secured("/api/x public.example.com"),
        Open("/api/x public.example.com"),
    ),
    (
        "GET http://other/open/../api/x HTTP/1.1\nhost: public.example.com",
        Secured("/api/x other"),
        Secured("/api/x other"),
    ),
    (
        "GET http://other//api/x HTTP/1.1\nhost: public.example.com",
        Secured("/api/x other"),
        Secured("/api/x other"),
    ),
    (
        "GET http://other/open?/../api/x HTTP/1.1\nhost: public.example.com",
        Open("/open?/../api/x other"),
        Secured("/open?/../api/x other"),
    ),
    (
        "GET http://other HTTP/1.1\nhost: public.example.com",
        Refused(403),
        Secured("/ other"),
    ),
    (
        "OPTIONS http://other HTTP/1.1\nhost: public.example.com",
        Refused(403),
        Secured("/ other"),
    ),
    (
        "GET http://other?/open HTTP/1.1\nhost: public.example.com",
        Refused(404),
        Refused(404),
    ),
    (
        "GET http://other#/open HTTP/1.1\nhost: public.example.com",
        Refused(400),
        Refused(400),
    ),
    (
        "GET https://other/open HTTP/1.1\nhost: public.example.com",
        Refused(403),
        Refused(403),
    ),
    (
        "GET ftp://other/open HTTP/1.1\nhost: public.example.com",
        Refused(400),
        Refused(400),
    ),
    (
        "GET http:///open HTTP/1.1\nhost: public.example.com",
        Refused(400),
        Refused(400),
    ),
    (
        "GET http:/open HTTP/1.1\nhost: public.example.com",
        Refused(400),
        Refused(400),
    ),
    (
        "GET other:80 HTTP/1.1\nhost: public.example.com",
        Refused(400),
        Refused(400),
    ),
    (
        "GET * HTTP/1.1\nhost: public.example.com",
        Refused(400),
        Refused(400),
    ),
    (
        "OPTIONS * HTTP/1.1\nhost: public.example.com",
        Refused(404),
        Refused(404),
    ),
    // User information: Envoy cuts it off in a target, and leaves it in `host`.
    (
        "GET http://user:password@other/api/x HTTP/1.1\nhost: public.example.com",
        Secured("/api/x other"),
        Secured("/api/x other"),
    ),
    (
        "GET http://public.example.com@other/api/x HTTP/1.1\nhost: public.example.com",
        Secured("/api/x other"),
        Secured("/api/x other"),
    ),
    (
        "GET http://public.example.com:80@other/api/x HTTP/1.1\nhost: public.example.com",
        Secured("/api/x other"),
        Secured("/api/x other"),
    ),
    (
        "GET http://other@public.example.com/api/x HTTP/1.1\nhost: other",
        Secured("/api/x public.example.com"),
        Open("/api/x public.example.com"),
    ),
    (
        "GET http://public.example.com\\@other/open HTTP/1.1\nhost: public.example.com",
        Refused(400),
        Refused(400),
    ),
    (
        "GET http://public.example.com%2f@other/open HTTP/1.1",
        Open("/open other"),
        Secured("/open other"),
    ),
    (
        "GET http://other%2f.public.example.com/open HTTP/1.1",
        Refused(400),
        Refused(400),
    ),
    (
        "GET /api/x HTTP/1.1\nhost: public.example.com@other",
        Secured("/api/x public.example.com@other"),
        Refused(400),
    ),
    (
        "GET /api/x HTTP/1.1\nhost: other@public.example.com",
        Secured("/api/x other@public.example.com"),
        Refused(400),
    ),
    (
        "GET /open HTTP/1.1\nhost: user:password@other:80",
        Open("/open user:password@other"),
        Refused(400),
    ),
    (
        "GET @other/open HTTP/1.1\nhost: public.example.com",
        Refused(400),
        Refused(400),
    ),
    // Other versions, with which a host may be missing.
    (
        "GET /api/x HTTP/1.0",
        Secured("/api/x default.example.com"),
        Secured("/api/x default.example.com"),
    ),
    (
        "GET /open HTTP/1.0",
        Open("/open default.example.com"),
        Secured("/open default.example.com"),
    ),
    (
        "GET /elsewhere HTTP/1.0",
        Refused(403),
        Secured("/elsewhere default.example.com"),
    ),
    (
        "GET /api/x HTTP/1.0\nhost:",
        Secured("/api/x "),
        Refused(400),
    ),
    (
        "GET /api/x HTTP/1.0\nhost: public.example.com",
        Secured("/api/x public.example.com"),
        Open("/api/x public.example.com"),
    ),
    (
        "GET /api/x HTTP/1.0\nhost: public.example.com\nhost: other",
        Secured("/api/x public.example.com,other"),
        Refused(400),
    ),
    (
        "GET http://other/api/x HTTP/1.0\nhost: public.example.com",
        Secured("/api/x other"),
        Secured("/api/x other"),
    ),
    (
        "GET /api/x HTTP/2.0\nhost: other",
        Secured("/api/x other"),
        Secured("/api/x other"),
    ),
    // There were no headers in HTTP/0.9, and so there is no token.
    ("GET /api/x", Refused(401), Refused(401)),
    ("GET /api/x HTTP/1.1", Refused(400), Refused(400)),
];

/// The same over HTTP/2.
const HTTP2: &[(Fields, Fate, Fate)] = &[
    (&[], HungUp, HungUp),
    (
        &[
            (":authority", "other"),
            (":authority", "public.example.com"),
        ],
        HungUp,
        HungUp,
    ),
    (
        &[("host", "other"), ("host", "public.example.com")],
        HungUp,
        HungUp,
    ),
    (
        &[("host", "public.example.com")],
        Secured("/api/x public.example.com"),
        Open("/api/x public.example.com"),
    ),
    (
        &[(":authority", "other"), ("host", "public.example.com")],
        Secured("/api/x other"),
        Secured("/api/x other"),
    ),
    (
        &[(":authority", "public.example.com,other")],
        Secured("/api/x public.example.com,other"),
        Refused(400),
    ),
    (
        &[(":authority", "public.example.com@other")],
        HungUp,
        HungUp,
    ),
    (
        &[(":authority", "other@public.example.com")],
        HungUp,
        HungUp,
    ),
    (&[("host", "other@public.example.com")], HungUp, HungUp),
];

/// Requests for a tunnel over HTTP/1.1, and what they are answered with if not by need of a token.
const TUNNELS: &[(&str, Option<u16>)] = &[
    ("CONNECT other:80 HTTP/1.1\nhost: other:80", None),
    ("CONNECT other:80 HTTP/1.1\nhost: public.example.com", None),
    ("CONNECT public.example.com:80 HTTP/1.1\nhost: other", None),
    ("CONNECT other:80 HTTP/1.1", None),
    ("CONNECT other:80 HTTP/1.0", None),
    ("CONNECT other HTTP/1.1\nhost: other", Some(400)),
    (
        "CONNECT public.example.com@other:80 HTTP/1.1\nhost: other",
        Some(400),
    ),
    ("CONNECT /open HTTP/1.1\nhost: other", Some(400)),
    ("CONNECT other:80/open HTTP/1.1\nhost: other", Some(400)),
    (
        "CONNECT http://other:80/open HTTP/1.1\nhost: other",
        Some(400),
    ),
    ("connect other:80 HTTP/1.1\nhost: other", Some(400)),
    (
        "GET /api/x HTTP/1.1\nhost: other\nconnection: upgrade\nupgrade: websocket",
        None,
    ),
    (
        "CONNECT other:80 HTTP/1.1\nhost: other\nconnection: upgrade\nupgrade: websocket",
        None,
    ),
];

/// The same over HTTP/2. 0: Envoy hangs up.
const TUNNELS_HTTP2: &[(Fields, Option<u16>)] = &[
    (&[(":authority", "other:80")], None),
    (&[(":authority", "public.example.com:80")], None),
    (&[(":authority", "public.example.com@other:80")], Some(0)),
    (&[(":authority", "other:80"), (":path", "/open")], Some(0)),
    (
        &[
            (":authority", "other:80"),
            (":scheme", "http"),
            (":path", "/open"),
        ],
        Some(0),
    ),
    // Extended CONNECT (RFC 8441).
    (
        &[
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":authority", "other"),
            (":path", "/api/x"),
        ],
        None,
    ),
    (
        &[
            (":protocol", "bytestream"),
            (":scheme", "http"),
            (":authority", "other"),
            (":path", "/api/x"),
        ],
        None,
    ),
    (
        &[
            (":protocol", "bytestream"),
            (":scheme", "http"),
            (":authority", "other"),
            (":path", "/open"),
        ],
        None,
    ),
    (
        &[
            (":protocol", "bytestream"),
            (":scheme", "http"),
            (":authority", "public.example.com"),
            (":path", "/"),
        ],
        None,
    ),
    (
        &[
            (":protocol", "connect-udp"),
            (":scheme", "http"),
            (":authority", "other"),
            (":path", "/open"),
        ],
        Some(404),
    ),
    (
        &[(":protocol", "websocket"), (":authority", "other:80")],
        Some(0),
    ),
    (
        &[
            (":protocol", ""),
            (":scheme", "http"),
            (":authority", "other"),
            (":path", "/api/x"),
        ],
        Some(0),
    ),
];

/// Everything is open at a public host, by a virtual host of its own.
fn by_host() -> Value {
    json!({
        "introspection": { "cluster": "texas" },
        "rules": [
            { "match": { "hosts": ["public.example.com"] }, "anonymous": true },
            { "match": {}, "require": { "scopes": ["api:read"] } },
        ],
    })
}

/// Tunnels are for those who have a token.
fn with_tunnels() -> Value {
    json!({
        "introspection": { "cluster": "texas" },
        "rules": [
            { "match": { "path": "/open" }, "anonymous": true },
            { "match": { "hosts": ["public.example.com"] }, "anonymous": true },
            { "match": { "methods": ["CONNECT"] }, "require": { "scopes": ["api:read"] } },
            { "match": {}, "require": { "scopes": ["api:read"] } },
        ],
    })
}

/// Envoy takes requests without a host, and tells the API which virtual host it has chosen.
fn two_hosts(config: &mut Value) {
    let manager = at(config, CONNECTION_MANAGER);
    manager["http_protocol_options"] = json!({
        "accept_http_10": true,
        "default_host_for_http_10": "default.example.com",
    });
    // Where Envoy hangs up it does so at once.
    manager["delayed_close_timeout"] = "0.01s".into();
    let host = |name: &str, domain: &str| {
        json!({
            "name": name,
            "domains": [domain],
            "request_headers_to_add": [{ "header": { "key": "x-virtual-host", "value": name } }],
            "routes": [
                {
                    "match": { "connect_matcher": {} },
                    "route": {
                        "cluster": "api",
                        "upgrade_configs": [{ "upgrade_type": "CONNECT", "connect_config": {} }],
                    },
                },
                { "match": { "prefix": "/" }, "route": { "cluster": "api" } },
            ],
        })
    };
    manager["route_config"]["virtual_hosts"] =
        json!([host("public", "public.example.com"), host("private", "*")]);
    connect_patiently(config);
    speak_to_api(config, "http_protocol_options", json!({}));
}

/// Envoy ends tunnels itself: what is in them goes to the API as it is.
fn tunnels(config: &mut Value) {
    two_hosts(config);
    let manager = at(config, CONNECTION_MANAGER);
    manager["http2_protocol_options"]["allow_connect"] = true.into();
    manager["upgrade_configs"] =
        json!([{ "upgrade_type": "CONNECT" }, { "upgrade_type": "websocket" }]);
}

struct Site {
    gateway: Gateway,
    api: Recorder,
}

impl Site {
    async fn start(plugin: Value, edit: fn(&mut Value)) -> Self {
        let api = Recorder::start().await;
        let gateway = Gateway::start(Setup {
            plugin,
            edit,
            api: Some(api.address),
            ..Setup::default()
        })
        .await;
        Self { gateway, api }
    }

    /// Credentials that nobody has seen before, and what becomes of those who need them.
    fn credentials(&self) -> [(Option<String>, u16); 4] {
        let token = |scope| Some(format!("Bearer {}", self.gateway.token(scope)));
        let garbage = token("api:read").map(|good| format!("{good}x"));
        [
            (None, 401),
            (garbage, 401),
            (token("other"), 403),
            (token("api:read"), 200),
        ]
    }

    /// What the API has seen beyond the first so many requests: target and host.
    fn seen(&self, before: usize) -> Vec<String> {
        let seen = |head: &String| {
            let value = |name: &str| {
                let mut lines = head.split("\\r\\n");
                lines
                    .find_map(|line| line.strip_prefix(name))
                    .unwrap_or_default()
                    .to_owned()
            };
            let (target, host) = (head.split(' ').nth(1).unwrap(), value("host: "));
            let is_public = host == "public.example.com";
            let by = if is_public { "public" } else { "private" };
            assert_eq!(
                value("x-virtual-host: "),
                by,
                "another route than the rules': {head}"
            );
            format!("{target} {host}")
        };
        self.api.heads()[before..].iter().map(seen).collect()
    }

    async fn check(&self, what: &str, fate: Fate, send: impl AsyncFn(Option<&str>) -> Option<u16>) {
        for (credentials, judged) in self.credentials() {
            let before = self.api.heads().len();
            let found = send(credentials.as_deref()).await;
            let (status, sees) = match fate {
                Open(sees) => (Some(200), Some(sees)),
                Secured(sees) => (Some(judged), (judged == 200).then_some(sees)),
                Refused(status) => (Some(status), None),
                HungUp => (None, None),
            };
            let expected = (status, Vec::from_iter(sees.map(str::to_owned)));
            assert_eq!(
                (found, self.seen(before)),
                expected,
                "{what} {credentials:?}"
            );
        }
    }
}

fn lines(head: &str, credentials: Option<&str>) -> String {
    let credentials = credentials.map(|value| format!("authorization: {value}\n"));
    format!("{head}\n{}", credentials.unwrap_or_default()).replace('\n', "\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_sees_what_the_rules_see() {
    let path = Site::start(plugin(), two_hosts).await;
    let host = Site::start(by_host(), two_hosts).await;
    for (head, by_path, by_host) in HTTP1 {
        for (site, fate) in [(&path, by_path), (&host, by_host)] {
            site.check(head, *fate, async |credentials| {
                let text = lines(head, credentials) + "connection: close\r\n\r\n";
                Some(raw(site.gateway.address, text.as_bytes()).await.status)
            })
            .await;
        }
    }
    for (fields, by_path, by_host) in HTTP2 {
        for (site, fate) in [(&path, by_path), (&host, by_host)] {
            site.check(&format!("{fields:?}"), *fate, async |credentials| {
                let mut all = vec![(":method", "GET"), (":scheme", "http"), (":path", "/api/x")];
                all.extend(*fields);
                all.extend(credentials.map(|value| ("authorization", value)));
                let mut connection = Connection::open(site.gateway.address).await;
                connection.send(&[frames::last_headers(1, &all)]).await;
                match connection.next().await.1 {
                    End::Status(status) => Some(status),
                    End::Reset | End::Closed => None,
                }
            })
            .await;
        }
    }
    path.gateway.assert_well().await;
    host.gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tunnels_need_a_token_like_any_request() {
    const INSIDE: &[u8] = b"GET /inside HTTP/1.1\r\nhost: other\r\n\r\n";
    let site = Site::start(with_tunnels(), tunnels).await;
    // What is sent at once waits too.
    site.gateway.idp.set_fault(Some(Fault::Delay { ms: 20 }));
    let inside = || {
        site.api
            .heads()
            .iter()
            .filter(|head| head.starts_with("GET /inside "))
            .count()
    };
    let mut passed = 0;
    let mut settle = async |what: &str, found: u16, judged: u16, expected: Option<u16>| {
        assert_eq!(
            if found == 101 { 200 } else { found },
            expected.unwrap_or(judged),
            "{what}"
        );
        passed += usize::from(matches!(found, 101 | 200));
        until("what is in the tunnel arrives", async || inside() >= passed).await;
        assert_eq!(inside(), passed, "{what}");
    };
    for (head, expected) in TUNNELS {
        for (credentials, judged) in site.credentials() {
            let head = lines(head, credentials.as_deref()) + "\r\n";
            let mut stream = TcpStream::connect(site.gateway.address).await.unwrap();
            stream
                .write_all(&[head.as_bytes(), INSIDE].concat())
                .await
                .unwrap();
            let status = read_head(&mut stream).await;
            let status = status.split(' ').nth(1).unwrap().parse().unwrap();
            settle(&head, status, judged, *expected).await;
        }
    }
    for (fields, expected) in TUNNELS_HTTP2 {
        for (credentials, judged) in site.credentials() {
            let mut all = vec![(":method", "CONNECT")];
            all.extend(*fields);
            all.extend(credentials.as_deref().map(|value| ("authorization", value)));
            let mut connection = Connection::open(site.gateway.address).await;
            let frames = [frames::headers(1, &all), frames::data(1, INSIDE)];
            connection.send(&frames).await;
            let status = match connection.next().await.1 {
                End::Status(status) => status,
                End::Reset | End::Closed => 0,
            };
            settle(&format!("{fields:?}"), status, judged, *expected).await;
        }
    }
    site.gateway.assert_well().await;
}
