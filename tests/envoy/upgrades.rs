//! Requests that stay open: a WebSocket and a gRPC stream. They are decided on once, at their
//! head; what flows after that is none of the filter's business.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dev_idp::{Fault, Mint};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::client::{answer, http2, raw};
use crate::gateway::{
    CONNECTION_MANAGER, Gateway, PausedHead, Setup, at, speak_http2_to_the_api, until,
};
use crate::stats;

with_either_paused_head![
    a_websocket_is_decided_on_once,
    a_websocket_that_waits_loses_nothing,
    a_websocket_that_is_refused_never_reaches_the_api,
    a_grpc_stream_is_decided_on_once,
    a_grpc_stream_that_is_refused_never_reaches_the_api,
];

/// An API that takes every upgrade and echoes what comes then. Dropping it ends it.
struct Echo {
    address: SocketAddr,
    /// How many requests have reached it.
    requests: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let mut server = JoinSet::new();
        let counter = Arc::clone(&requests);
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(echo(stream, Arc::clone(&counter)));
            }
        });
        Self {
            address,
            requests,
            _server: server,
        }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn echo(mut stream: TcpStream, requests: Arc<AtomicUsize>) {
    let head = read_head(&mut stream).await;
    requests.fetch_add(1, Ordering::SeqCst);
    let answer = if head.contains("upgrade: websocket") {
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    } else {
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    };
    stream.write_all(answer.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let _ = tokio::io::copy(&mut read, &mut write).await;
}

/// A head, in lower case, and no byte more.
pub async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) => panic!("half a head: {error}: {}", head.escape_ascii()),
        }
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

fn upgrades(config: &mut Value) {
    let manager = at(config, CONNECTION_MANAGER);
    manager["upgrade_configs"] = json!([{ "upgrade_type": "websocket" }]);
}

async fn gateway(api: &Echo, paused_head: PausedHead) -> Gateway {
    Gateway::start(Setup {
        edit: upgrades,
        api: Some(api.address),
        ..paused_head.setup()
    })
    .await
}

fn upgrade(authorization: Option<&str>) -> Vec<u8> {
    let authorization = authorization.map(|value| format!("authorization: {value}\r\n"));
    format!(
        "GET /api/socket HTTP/1.1\r\nhost: gateway\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n",
        authorization.unwrap_or_default()
    )
    .into_bytes()
}

async fn connect(gateway: &Gateway, token: &str) -> TcpStream {
    let mut socket = TcpStream::connect(gateway.address).await.unwrap();
    let head = upgrade(Some(&format!("Bearer {token}")));
    socket.write_all(&head).await.unwrap();
    socket
}

async fn assert_upgraded(socket: &mut TcpStream) {
    let head = read_head(socket).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
}

/// What is sent comes back.
async fn assert_echo(socket: &mut TcpStream, bytes: &[u8]) {
    let (mut read, mut write) = socket.split();
    let mut back = vec![0; bytes.len()];
    let sent = write.write_all(bytes);
    let (sent, received) = futures_util::future::join(sent, read.read_exact(&mut back)).await;
    sent.unwrap();
    received.unwrap();
    assert!(back == bytes, "other bytes came back");
}

/// How many requests were let in by their token. What was counted before the anonymous request is
/// reported with it at the latest.
async fn decisions(gateway: &Gateway) -> u64 {
    let anonymous = stats::decisions("allow", "anonymous");
    let before = gateway.stat(&anonymous).await;
    assert_eq!(gateway.get("/open", &[]).await.status, 200);
    gateway.assert_stat(&anonymous, before + 1).await;
    gateway.stat(&stats::decisions("allow", "token")).await
}

async fn a_websocket_is_decided_on_once(paused_head: PausedHead) {
    let api = Echo::start().await;
    let gateway = gateway(&api, paused_head).await;
    let token = gateway
        .idp
        .mint(&Mint::default().scope("api:read").lifetime_seconds(3));
    let mut socket = connect(&gateway, &token).await;
    assert_upgraded(&mut socket).await;
    assert_echo(&mut socket, b"first").await;
    assert_eq!(decisions(&gateway).await, 1);

    // The token is revoked, and expires.
    let revoked = json!({ "active": false }).to_string();
    gateway.idp.set_fault(Some(Fault::Body {
        status: 200,
        body: revoked,
    }));
    until("the token is refused elsewhere", async || {
        gateway.get_with(&token).await.status == 401
    })
    .await;
    let asked = gateway.idp.introspections();
    let decided = decisions(&gateway).await;
    for length in [1, 1000, 1_000_000] {
        assert_echo(&mut socket, &vec![b'x'; length]).await;
    }
    assert_eq!(decisions(&gateway).await, decided);
    assert_eq!(gateway.idp.introspections(), asked);
}

async fn a_websocket_that_waits_loses_nothing(paused_head: PausedHead) {
    let api = Echo::start().await;
    let gateway = gateway(&api, paused_head).await;
    gateway.idp.set_fault(Some(Fault::Hold));
    let mut socket = connect(&gateway, &gateway.token("api:read")).await;
    // Clients should not, but some send at once.
    socket.write_all(b"early").await.unwrap();
    until("the token is asked about", async || {
        gateway.idp.introspections() == 1
    })
    .await;
    assert_eq!(api.requests(), 0, "nothing may pass before the answer");
    gateway.idp.set_fault(None);
    assert_upgraded(&mut socket).await;
    let mut early = [0; 5];
    socket.read_exact(&mut early).await.unwrap();
    assert_eq!(&early, b"early");
    assert_echo(&mut socket, b"late").await;
    assert_eq!(decisions(&gateway).await, 1);
}

async fn a_websocket_that_is_refused_never_reaches_the_api(paused_head: PausedHead) {
    let api = Echo::start().await;
    let gateway = gateway(&api, paused_head).await;
    let weak = format!("Bearer {}", gateway.token("other"));
    for (authorization, status) in [
        (None, 401),
        (Some("Bearer garbage"), 401),
        (Some("Bearer a b"), 400),
        (Some(&*weak), 403),
    ] {
        let answer = raw(gateway.address, &upgrade(authorization)).await;
        assert_eq!(answer.status, status, "{authorization:?}: {answer:?}");
        let content_type = answer.header("content-type");
        assert_eq!(content_type.as_deref(), Some("application/problem+json"));
        assert!(answer.header("www-authenticate").is_some());
        assert!(answer.header("upgrade").is_none());
    }
    assert_eq!(api.requests(), 0, "a refused request reached the API");
}

/// A request body of what is written at the other end, piece by piece.
fn pieces() -> (DuplexStream, reqwest::Body) {
    let (writer, reader) = tokio::io::duplex(64 * 1024);
    let stream = stream::unfold(reader, |mut reader| async {
        let mut piece = Vec::with_capacity(64 * 1024);
        match reader.read_buf(&mut piece).await {
            Ok(0) => None,
            read => Some((read.map(|_| piece), reader)),
        }
    });
    (writer, reqwest::Body::wrap_stream(stream))
}

fn grpc(paused_head: PausedHead) -> Setup {
    Setup {
        edit: speak_http2_to_the_api,
        ..paused_head.setup()
    }
}

async fn a_grpc_stream_is_decided_on_once(paused_head: PausedHead) {
    const PIECE: usize = 10_000;
    let gateway = Gateway::start(grpc(paused_head)).await;
    let (mut writer, body) = pieces();
    let call = http2()
        .post(format!("http://{}/api/Service/Stream", gateway.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header(
            "authorization",
            format!("Bearer {}", gateway.token("api:write")),
        )
        .body(body)
        .send();
    let messages = async {
        // The head alone is enough to decide: no message has been sent yet.
        until("the call has reached the API", async || {
            gateway.idp.api_requests() == 1
        })
        .await;
        gateway.idp.set_fault(Some(Fault::Outage));
        let sent = "cluster.api.upstream_cx_tx_bytes_total";
        for _ in 0..10 {
            let before = gateway.stat(sent).await;
            writer.write_all(&[b'x'; PIECE]).await.unwrap();
            until("the message has reached the API", async || {
                gateway.stat(sent).await >= before + PIECE as u64
            })
            .await;
        }
        drop(writer);
    };
    let (response, ()) = futures_util::future::join(call, messages).await;
    let answer = answer(response.unwrap()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // It went well: the status is in the trailers, and not Envoy's own in the headers.
    assert_eq!(answer.header("grpc-status"), None, "{answer:?}");
    assert_eq!(decisions(&gateway).await, 1);
    assert_eq!(gateway.idp.introspections(), 1);
    gateway.assert_well().await;
}

async fn a_grpc_stream_that_is_refused_never_reaches_the_api(paused_head: PausedHead) {
    let gateway = Gateway::start(grpc(paused_head)).await;
    for (token, status) in [(None, "16"), (Some(gateway.token("api:read")), "7")] {
        // It is refused at its head, while its client still has messages to send.
        let (writer, body) = pieces();
        let mut call = http2()
            .post(format!("http://{}/api/Service/Stream", gateway.address))
            .header("content-type", "application/grpc")
            .body(body);
        if let Some(token) = token {
            call = call.header("authorization", format!("Bearer {token}"));
        }
        let answer = answer(call.send().await.unwrap()).await;
        assert_eq!(answer.header("grpc-status").as_deref(), Some(status));
        drop(writer);
    }
    assert_eq!(gateway.idp.api_requests(), 0);
    gateway.assert_well().await;
}
