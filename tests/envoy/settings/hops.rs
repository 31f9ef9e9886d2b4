//! Requests that Envoy makes more of than one: redirects that it follows itself, and mirrors.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::routes::route;
use crate::gateway::{Edit, Gateway, Setup, plugin, until};

/// An API that keeps the heads of requests, and redirects those below `/api/to/` to what follows.
struct Api {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

impl Api {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let mut server = JoinSet::new();
        let kept = Arc::clone(&heads);
        server.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else {
                        break;
                    };
                    head.push(byte);
                }
                let head = String::from_utf8(head).unwrap();
                let answer = match head.strip_prefix("GET /api/to/") {
                    Some(rest) => {
                        let path = rest.split(' ').next().unwrap();
                        format!("302 Found\r\nlocation: http://gateway/{path}")
                    }
                    None => "200 OK".to_owned(),
                };
                kept.lock().unwrap().push(head);
                let answer =
                    format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self {
            address,
            heads,
            _server: server,
        }
    }

    /// The heads that have come since the last time.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().unwrap())
    }

    fn count(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

async fn before_api(api: &Api, forward: Value, edit: Edit) -> Gateway {
    let mut plugin = plugin();
    plugin["forward"] = forward;
    Gateway::start(Setup {
        plugin,
        edit,
        api: Some(api.address),
        ..Setup::default()
    })
    .await
}

/// A GET that the API redirects to `to`: what it comes to, and how many requests the API sees.
struct Hops {
    to: &'static str,
    scope: &'static str,
    status: u16,
    seen: usize,
}

async fn check_redirects(authorization: &str, cases: &[Hops]) {
    let api = Api::start().await;
    let claims = json!({ "x-consumer": "consumer.ID" });
    let forward = json!({ "authorization": authorization, "claims": claims });
    let gateway = before_api(&api, forward, |config| {
        route(config)["route"]["internal_redirect_policy"] = json!({});
    })
    .await;
    for case in cases {
        let which = format!("{authorization}, to {} with {}", case.to, case.scope);
        let token = format!("Bearer {}", gateway.token(case.scope));
        let headers = [("authorization", &*token), ("x-consumer", "spoofed")];
        let answer = gateway.get(&format!("/api/to/{}", case.to), &headers).await;
        assert_eq!(answer.status, case.status, "{which}: {answer:?}");
        let heads = api.take();
        assert_eq!(heads.len(), case.seen, "{which}: {heads:?}");
        for (hop, head) in heads.iter().enumerate() {
            assert!(!head.contains("spoofed"), "{head}");
            let is_told = hop == 0 || case.to != "open";
            assert_eq!(head.contains("x-consumer: 0192:"), is_told, "{head}");
        }
    }
}

/// Each hop is a request of its own: with the token, if it is still there.
#[tokio::test(flavor = "multi_thread")]
async fn internal_redirects() {
    let case = |to, scope, status, seen| Hops {
        to,
        scope,
        status,
        seen,
    };
    check_redirects(
        "keep",
        &[
            case("api/x", "api:read", 200, 2),
            case("open", "api:read", 200, 2),
            case("api/x", "other", 403, 0),
            case("closed", "api:read", 403, 1),
        ],
    )
    .await;
    check_redirects(
        "remove",
        &[
            case("api/x", "api:read", 401, 1),
            case("open", "api:read", 200, 2),
        ],
    )
    .await;
}

/// What is refused is not mirrored. What is has the token with it, unless it is removed.
#[tokio::test(flavor = "multi_thread")]
async fn mirrored_requests() {
    fn mirror(config: &mut Value) {
        route(config)["route"]["request_mirror_policies"] = json!([{ "cluster": "api" }]);
    }
    for (forward, has_token) in [
        (json!({}), true),
        (json!({ "authorization": "remove" }), false),
    ] {
        let api = Api::start().await;
        let gateway = before_api(&api, forward, mirror).await;
        for (authorization, status) in [
            ("Bearer garbage".to_owned(), 401),
            (format!("Bearer {}", gateway.token("other")), 403),
            (format!("Bearer {}", gateway.token("api:read")), 200),
        ] {
            let answer = gateway
                .get("/api/x", &[("authorization", &authorization)])
                .await;
            assert_eq!(answer.status, status, "{answer:?}");
        }
        until("both copies are there", async || api.count() >= 2).await;
        let heads = api.take();
        assert_eq!(heads.len(), 2, "{heads:?}");
        for head in heads {
            assert_eq!(head.contains("authorization: Bearer"), has_token, "{head}");
        }
    }
}
