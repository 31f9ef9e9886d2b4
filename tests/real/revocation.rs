//! A token that its server has revoked counts no longer than `max_ttl`, in use all the time.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::authorization_server::{AuthorizationServer, Format, Product};
use crate::gateway::{Gateway, until};
use crate::introspection::{Credentials, Secret, setup};
use crate::stats::lookups;

const MAX_TTL: Duration = Duration::from_secs(3);

async fn check(product: Product, refresh_ahead: bool) {
    let server = AuthorizationServer::start(product).await;
    let mut setup = setup(&server, Credentials::Basic, Secret::Right);
    setup.plugin["cache"] = json!({
        "max_ttl": format!("{}s", MAX_TTL.as_secs()),
        "refresh_ahead": refresh_ahead,
    });
    let gateway = Gateway::start(setup).await;
    let token = server.token(Format::Opaque, "api:read").await;
    for _ in 0..2 {
        assert_eq!(gateway.get_with(&token).await.status, 200);
    }
    server.revoke(&token).await;
    let revoked = Instant::now();
    let mut passed = 0;
    until("the revocation is seen", async || {
        let age = revoked.elapsed();
        let status = gateway.get_with(&token).await.status;
        if status == 200 {
            passed += 1;
            assert!(age < MAX_TTL, "it still passes after {age:?}");
        } else {
            assert_eq!(status, 401);
        }
        status == 401
    })
    .await;
    // Else it was no cache that made it pass.
    assert!(gateway.stat(&lookups("hit")).await > 0, "{passed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn oidc_provider() {
    for refresh_ahead in [false, true] {
        check(Product::OidcProvider, refresh_ahead).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib() {
    for refresh_ahead in [false, true] {
        check(Product::Authlib, refresh_ahead).await;
    }
}
