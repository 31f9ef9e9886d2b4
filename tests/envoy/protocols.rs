//! HTTP/2, gRPC, and bodies that wait with their request.

use dev_idp::Fault;
use tokio::io::AsyncWriteExt as _;

use crate::client::{answer, http2, read_answer, send_head};
use crate::gateway::{Gateway, PausedHead, Setup, speak_http2_to_the_api, until};

with_either_paused_head![
    an_upload_that_waits_arrives_whole_over_http1,
    an_upload_that_waits_arrives_whole_over_http2,
    an_upload_that_is_refused_never_reaches_the_api,
];

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_answered_like_http1() {
    let gateway = Gateway::start(Setup::default()).await;
    let client = http2();
    let url = format!("http://{}/api/x", gateway.address);
    let good = format!("Bearer {}", gateway.token("api:read"));
    let weak = format!("Bearer {}", gateway.token("other"));
    for (authorization, status) in [
        (None, 401),
        (Some("Bearer a b"), 400),
        (Some("Bearer garbage"), 401),
        (Some(&*weak), 403),
        (Some(&*good), 200),
    ] {
        let mut request = client.get(&url);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let answer = answer(request.send().await.unwrap()).await;
        assert_eq!(answer.status, status, "{authorization:?}: {answer:?}");
        let is_problem =
            answer.header("content-type").as_deref() == Some("application/problem+json");
        assert_eq!(is_problem, status != 200);
        assert_eq!(answer.header("www-authenticate").is_some(), status != 200);
    }
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_is_answered_in_its_own_words() {
    let gateway = Gateway::start(Setup {
        edit: speak_http2_to_the_api,
        ..Setup::default()
    })
    .await;
    let client = http2();
    let url = format!("http://{}/api/Service/Method", gateway.address);
    let good = format!("Bearer {}", gateway.token("api:write"));
    let weak = format!("Bearer {}", gateway.token("other"));
    let call = async |authorization: Option<&str>, content_type: &str| {
        let mut request = client
            .post(&url)
            .header("content-type", content_type)
            .body("");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        answer(request.send().await.unwrap()).await
    };
    // UNAUTHENTICATED 16, PERMISSION_DENIED 7, INTERNAL 13, UNAVAILABLE 14.
    for (authorization, status, message) in [
        (None, "16", "An access token is needed."),
        (
            Some("Bearer garbage"),
            "16",
            "The access token is expired, revoked or otherwise invalid.",
        ),
        (
            Some(&*weak),
            "7",
            "The access token lacks a scope that is needed here.",
        ),
        (
            Some("Bearer a b"),
            "13",
            "The credentials are malformed, repeated or too long.",
        ),
    ] {
        for content_type in ["application/grpc", "application/grpc+proto"] {
            let answer = call(authorization, content_type).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(
                answer.header("grpc-status").as_deref(),
                Some(status),
                "{authorization:?}"
            );
            let said = answer.header("grpc-message").unwrap().replace("%20", " ");
            assert_eq!(said, message, "{authorization:?}");
            assert_eq!(
                answer.header("content-type").as_deref(),
                Some("application/grpc")
            );
        }
    }
    let passed = call(Some(&good), "application/grpc").await;
    assert_eq!(
        (passed.status, passed.header("grpc-status")),
        (200, None),
        "{passed:?}"
    );
    gateway.idp.set_fault(Some(Fault::Outage));
    let unknown = format!("Bearer {}", gateway.token("api:write unknown"));
    let out = call(Some(&unknown), "application/grpc").await;
    assert_eq!(out.header("grpc-status").as_deref(), Some("14"), "{out:?}");
    gateway.assert_well().await;
}

/// 3 MB: more than any buffer on the way.
const UPLOAD: usize = 3 * 1024 * 1024;

async fn an_upload_that_waits_arrives_whole_over_http1(paused_head: PausedHead) {
    let gateway = Gateway::start(paused_head.setup()).await;
    gateway.idp.set_fault(Some(Fault::Hold));
    let authorization = format!("Bearer {}", gateway.token("api:write"));
    let headers = [(&b"authorization"[..], authorization.as_bytes())];
    let mut stream = send_head(gateway.address, b"POST /api/x", &headers, UPLOAD).await;
    let upload = async {
        // Envoy stops reading when its buffers are full, and so this waits as well.
        stream.write_all(&vec![b'x'; UPLOAD]).await.unwrap();
        read_answer(stream).await
    };
    let release = async {
        until("the token is asked about", async || {
            gateway.idp.introspections() == 1
        })
        .await;
        let received = "http.gateway.downstream_cx_rx_bytes_total";
        until("much of the body is there", async || {
            gateway.stat(received).await > 60_000
        })
        .await;
        assert_eq!(
            gateway.idp.api_requests(),
            0,
            "nothing may pass before the answer"
        );
        gateway.idp.set_fault(None);
    };
    let (answer, ()) = futures_util::future::join(upload, release).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["body_bytes"], UPLOAD);
    gateway.assert_well().await;
}

async fn an_upload_that_waits_arrives_whole_over_http2(paused_head: PausedHead) {
    let gateway = Gateway::start(paused_head.setup()).await;
    gateway.idp.set_fault(Some(Fault::Hold));
    let upload = http2()
        .post(format!("http://{}/api/x", gateway.address))
        .header(
            "authorization",
            format!("Bearer {}", gateway.token("api:write")),
        )
        .body(vec![b'x'; UPLOAD])
        .send();
    let release = async {
        until("the token is asked about", async || {
            gateway.idp.introspections() == 1
        })
        .await;
        assert_eq!(
            gateway.idp.api_requests(),
            0,
            "nothing may pass before the answer"
        );
        gateway.idp.set_fault(None);
    };
    let (response, ()) = futures_util::future::join(upload, release).await;
    let answer = answer(response.unwrap()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["body_bytes"], UPLOAD);
    gateway.assert_well().await;
}

async fn an_upload_that_is_refused_never_reaches_the_api(paused_head: PausedHead) {
    let gateway = Gateway::start(paused_head.setup()).await;
    let authorization = format!("Bearer {}", gateway.token("api:read"));
    let response = http2()
        .post(format!("http://{}/api/x", gateway.address))
        .header("authorization", authorization)
        .body(vec![b'x'; UPLOAD])
        .send()
        .await;
    // Envoy may reset the rest of the upload once it has answered.
    if let Ok(response) = response {
        assert_eq!(response.status(), 403);
    }
    assert_eq!(gateway.idp.api_requests(), 0);
    gateway.assert_well().await;
}
