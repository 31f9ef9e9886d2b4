//! Plugin configurations that differ in their realm alone: which one a worker has shows in what it
//! answers to a request without a token.

use serde_json::{Value, json};

use crate::gateway::{Gateway, until};

/// The same rules under another realm.
pub fn with_realm(mut plugin: Value, realm: &str) -> Value {
    plugin["challenge"]["realm"] = json!(realm);
    plugin
}

/// Each worker has the configuration with this realm.
pub async fn until_realm(gateway: &Gateway, realm: &str) {
    let expected = format!("realm=\"{realm}\"");
    let mut in_a_row = 0;
    until("every worker has the new configuration", async || {
        let challenge = gateway.get("/api/x", &[]).await.header("www-authenticate");
        let is_new = challenge.unwrap_or_default().contains(&expected);
        in_a_row = if is_new { in_a_row + 1 } else { 0 };
        in_a_row == 30
    })
    .await;
}
