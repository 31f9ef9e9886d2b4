//! Trailers of a request, which some servers take for headers: the filter's own names, and the
//! header that tokens come in, are removed from them too.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::client::raw;
use crate::gateway::{CONNECTION_MANAGER, Gateway, PausedHead, Setup, api_protocol, at, plugin};

with_either_paused_head![what_the_filter_goes_by_or_sets_is_removed_from_trailers,];

/// Envoy drops HTTP/1.1 trailers unless it is told not to.
fn with_trailers(config: &mut Value) {
    let trailers = json!({ "enable_trailers": true });
    at(config, CONNECTION_MANAGER)["http_protocol_options"] = trailers.clone();
    api_protocol(config)["http_protocol_options"] = trailers;
}

/// Takes one request on each connection, to the end of its trailers, and tells what came.
async fn receive(api: &TcpListener) -> String {
    let (mut stream, _) = api.accept().await.unwrap();
    let mut received = Vec::new();
    while !ends(&received) {
        received.push(stream.read_u8().await.unwrap());
    }
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer).await.unwrap();
    String::from_utf8(received).unwrap()
}

fn ends(received: &[u8]) -> bool {
    let last_chunk = b"\r\n0\r\n";
    let at = received
        .windows(last_chunk.len())
        .position(|w| w == last_chunk);
    at.is_some() && received.ends_with(b"\r\n\r\n")
}

async fn what_the_filter_goes_by_or_sets_is_removed_from_trailers(paused_head: PausedHead) {
    let api = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut plugin = plugin();
    plugin["forward"] = json!({ "claims": { "x-consumer": "consumer.ID" } });
    let gateway = Gateway::start(Setup {
        plugin,
        edit: with_trailers,
        api: Some(api.local_addr().unwrap()),
        ..paused_head.setup()
    })
    .await;
    let authorization = format!("authorization: Bearer {}\r\n", gateway.token("api:write"));
    // The token is not known, then known; then none is needed.
    for (path, credentials) in [
        ("/api/x", authorization.as_str()),
        ("/api/x", &authorization),
        ("/open", ""),
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n{credentials}\
             transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\
             X-Consumer: spoofed\r\nAuthorization: Bearer forged\r\nx-other: kept\r\n\
             x-consumer: again\r\nauthorization: again\r\n\r\n"
        );
        let (answer, received) =
            futures_util::future::join(raw(gateway.address, request.as_bytes()), receive(&api))
                .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let (head, body) = received.split_once("\r\n\r\n").unwrap();
        assert!(body.contains("x-other: kept"), "{received}");
        for name in ["x-consumer", "authorization"] {
            assert!(!body.to_lowercase().contains(name), "{received}");
        }
        assert_eq!(
            head.contains("x-consumer: 0192:"),
            !credentials.is_empty(),
            "{received}"
        );
    }
}
