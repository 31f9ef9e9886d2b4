//! The API that is guarded.

use serde_json::{Value, json};

use crate::support::{clients, start, url};

#[tokio::test]
async fn every_path_and_method_is_answered_with_what_was_seen() {
    let idp = start().await;
    let mut sent = 0;
    for client in clients() {
        for (method, path, length) in [
            ("GET", "/", 0),
            ("POST", "/afp/v1/%C3%A6?a=1&b=%20", 10),
            ("DELETE", "/any/where", 0),
            ("BREW", "/coffee", 1),
            ("PUT", "/upload", 64_000_000),
        ] {
            let response = client
                .request(method.parse().unwrap(), url(idp.api_addr(), path))
                .header("x-name", b"caf\xc3\xa9 \xff".as_slice())
                .body(vec![b'x'; length])
                .send()
                .await
                .unwrap();
            sent += 1;
            assert_eq!(response.status(), 200);
            let seen: Value = response.json().await.unwrap();
            assert_eq!(seen["method"], method);
            assert_eq!(seen["path"], path);
            assert_eq!(seen["body_bytes"], length);
            let headers = seen["headers"].as_array().unwrap();
            assert!(
                headers.contains(&json!(["x-name", "café \u{fffd}"])),
                "{headers:?}"
            );
            assert_eq!(idp.api_requests(), sent);
        }
    }
    assert_eq!(idp.introspections(), 0);
}

#[tokio::test]
async fn a_grpc_call_succeeds_in_its_trailers() {
    use http_body_util::BodyExt as _;

    let idp = start().await;
    let [_, h2c] = clients();
    for content_type in ["application/grpc", "application/grpc+proto"] {
        let response = h2c
            .post(url(idp.api_addr(), "/nav.Service/Method"))
            .header("content-type", content_type)
            .header("te", "trailers")
            .body("message")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/grpc");
        assert_eq!(response.headers().get("content-length"), None);
        let body = reqwest::Body::from(response).collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
        assert!(body.to_bytes().is_empty());
    }
}
