//! What bounds a request that waits for its decision: time and buffers.

use dev_idp::Fault;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::connection_manager::set;
use super::routes::route;
use super::{Rest, Version, guards, send, start};
use crate::client::{read_answer, send_head};
use crate::gateway::{Edit, at, until};

/// A request that waits for its decision longer than it may is answered by Envoy with 504.
#[tokio::test(flavor = "multi_thread")]
async fn timeouts() {
    let cases: [(&str, Edit); 4] = [
        ("stream_idle_timeout", |config| {
            set(config, &json!({ "stream_idle_timeout": "0.3s" }));
        }),
        ("request_timeout", |config| {
            set(config, &json!({ "request_timeout": "0.3s" }));
        }),
        ("max_stream_duration", |config| {
            let options = json!({ "max_stream_duration": "0.3s" });
            set(config, &json!({ "common_http_protocol_options": options }));
        }),
        ("max_stream_duration of the route", |config| {
            route(config)["route"]["max_stream_duration"] =
                json!({ "max_stream_duration": "0.3s" });
        }),
    ];
    for (setting, edit) in cases {
        let gateway = start(setting, edit).await;
        gateway.idp.set_fault(Some(Fault::Hold));
        for (version, rest) in [
            (Version::Http1, Rest::Nothing),
            (Version::Http1, Rest::Body),
            (Version::Http2, Rest::BodyAndTrailers),
        ] {
            let token = gateway.token("api:read api:write");
            let answer = send(gateway.address, version, rest, Some(token)).await;
            assert_eq!(answer.status, 504, "{setting}: {version:?} {rest:?}");
            assert!(answer.text().contains("timeout"), "{setting}: {answer:?}");
        }
        assert_eq!(gateway.idp.api_requests(), 0, "{setting}");
        gateway.idp.set_fault(None);
        gateway.assert_well().await;
    }
}

/// A request that waits is held in whatever is there to hold it.
#[tokio::test(flavor = "multi_thread")]
async fn buffers() {
    const UPLOAD: usize = 3 * 1024 * 1024;
    let cases: [(&str, Edit); 3] = [
        ("per_connection_buffer_limit_bytes", |config| {
            at(config, "/static_resources/listeners/0")["per_connection_buffer_limit_bytes"] =
                json!(1024);
        }),
        ("request_body_buffer_limit", |config| {
            route(config)["request_body_buffer_limit"] = json!(100);
        }),
        ("per_request_buffer_limit_bytes", |config| {
            route(config)["per_request_buffer_limit_bytes"] = json!(100);
        }),
    ];
    for (setting, edit) in cases {
        let gateway = guards(setting, edit).await;
        gateway.idp.set_fault(Some(Fault::Hold));
        let asked = gateway.idp.introspections();
        let authorization = format!("Bearer {}", gateway.token("api:write"));
        let headers = [(&b"authorization"[..], authorization.as_bytes())];
        let mut stream = send_head(gateway.address, b"POST /api/x", &headers, UPLOAD).await;
        let upload = async {
            stream.write_all(&vec![b'x'; UPLOAD]).await.unwrap();
            read_answer(stream).await
        };
        let release = async {
            until("the token is asked about", async || {
                gateway.idp.introspections() > asked
            })
            .await;
            gateway.idp.set_fault(None);
        };
        let (answer, ()) = futures_util::future::join(upload, release).await;
        assert_eq!(answer.status, 200, "{setting}: {answer:?}");
        assert_eq!(answer.json()["body_bytes"], UPLOAD, "{setting}");
    }
}
