//! What the tests of several modules need.

use std::net::SocketAddr;

use dev_idp::{Client, DevIdp, DevIdpConfig};
use reqwest::{Client as HttpClient, StatusCode};

/// Where Texas introspects.
pub const TEXAS: &str = "/api/v1/introspect";
/// Where the standard's endpoint does.
pub const RFC7662: &str = "/oauth2/introspect";

pub const FORM: &str = "application/x-www-form-urlencoded";

/// Servers on free ports.
pub async fn start() -> DevIdp {
    DevIdp::start(DevIdpConfig::default()).await.unwrap()
}

/// Servers on free ports that know a client.
pub async fn start_with_client(id: &str, secret: &str) -> DevIdp {
    let config = DevIdpConfig {
        client: Some(Client {
            id: id.to_owned(),
            secret: secret.to_owned(),
        }),
        ..DevIdpConfig::default()
    };
    DevIdp::start(config).await.unwrap()
}

/// A client for each protocol: HTTP/1.1, and HTTP/2 without TLS.
pub fn clients() -> [HttpClient; 2] {
    let h2c = HttpClient::builder().http2_prior_knowledge();
    [HttpClient::new(), h2c.build().unwrap()]
}

pub fn url(addr: SocketAddr, path: &str) -> String {
    format!("http://{addr}{path}")
}

/// Posts a body of some type; gives the status and the body of the answer.
pub async fn post(url: &str, content_type: &str, body: String) -> (StatusCode, String) {
    let response = HttpClient::new()
        .post(url)
        .header("content-type", content_type)
        .body(body)
        .send()
        .await
        .unwrap();
    (response.status(), response.text().await.unwrap())
}
