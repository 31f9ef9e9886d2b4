//! Tokens of real authorization servers, introspected in each way that there is to authenticate.

use serde_json::{Value, json};

use crate::authorization_server::{
    AuthorizationServer, Client, Format, NAME, PATH, Product, authority,
};
use crate::gateway::{Gateway, Setup, at, filter_config, plugin, shipped_config};
use crate::stats::introspections;

/// How the endpoint learns who asks.
#[derive(Clone, Copy, Debug)]
pub enum Credentials {
    /// Envoy's `credential_injector`, and TLS: `examples/rfc7662.yaml`.
    Injected(Peer),
    /// The plugin's `client_secret_basic`, over plain HTTP.
    Basic,
    /// The plugin's `client_secret_post`, over plain HTTP.
    Post,
}

/// Whom Envoy takes for the endpoint.
#[derive(Clone, Copy, Debug)]
pub enum Peer {
    /// Whose certificate is by the server's own authority, for its own name.
    Right,
    /// Whose certificate is by another authority.
    OfAnotherAuthority,
    /// Whose certificate is for another name.
    OfAnotherName,
}

/// Whether the endpoint knows the secret.
#[derive(Clone, Copy, Debug)]
pub enum Secret {
    Right,
    Wrong,
}

impl Secret {
    fn of(self, client: &Client) -> Client {
        let mut client = client.clone();
        if let Self::Wrong = self {
            client.secret.push('x');
        }
        client
    }
}

/// The gateway before this server.
pub fn setup(server: &AuthorizationServer, credentials: Credentials, secret: Secret) -> Setup {
    let (basic, post) = (secret.of(&server.basic), secret.of(&server.post));
    match credentials {
        Credentials::Injected(peer) => injected(server, peer, &basic),
        Credentials::Basic => authenticating(server, "client_secret_basic", &basic),
        Credentials::Post => authenticating(server, "client_secret_post", &post),
    }
}

fn injected(server: &AuthorizationServer, peer: Peer, client: &Client) -> Setup {
    let example = include_str!("../../examples/rfc7662.yaml");
    let mut sample: Value = serde_saphyr::from_str(example).unwrap();
    let mut plugin = filter_config(&mut sample)["configuration"]["value"].clone();
    plugin["introspection"]["endpoint"] = json!(format!("https://{NAME}{PATH}"));
    plugin["introspection"]["timeout"] = json!("10s");
    let idp = at(&mut sample, "/static_resources/clusters/0");
    idp["connect_timeout"] = json!("10s");
    let socket = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    at(idp, socket)["address"] = json!("127.0.0.1");
    let tls = "/transport_socket/typed_config/common_tls_context/validation_context";
    let validation = at(idp, tls);
    let trusted = match peer {
        Peer::Right | Peer::OfAnotherName => server.authority.clone(),
        Peer::OfAnotherAuthority => authority().pem(),
    };
    validation["trusted_ca"] = json!({ "inline_string": trusted });
    if let Peer::OfAnotherName = peer {
        let name = "/match_typed_subject_alt_names/0/matcher/exact";
        *at(validation, name) = json!("other.example.com");
    }
    Setup {
        sample,
        plugin,
        endpoint: Some(server.https),
        environment: vec![("INTROSPECTION_AUTHORIZATION", client.basic())],
        ..Setup::default()
    }
}

fn authenticating(server: &AuthorizationServer, method: &str, client: &Client) -> Setup {
    let mut plugin = plugin();
    plugin["introspection"] = json!({
        "cluster": "texas",
        "api": "rfc7662",
        "endpoint": format!("http://{NAME}{PATH}"),
        "timeout": "10s",
        "token_type_hint": "access_token",
        "client_authentication": {
            "method": method,
            "client_id": client.id,
            "secret": { "env": "CLIENT_SECRET" },
        },
    });
    Setup {
        sample: shipped_config(),
        plugin,
        endpoint: Some(server.http),
        environment: vec![("CLIENT_SECRET", client.secret.clone())],
        edit: |config| {
            let environment = &mut filter_config(config)["vm_config"]["environment_variables"];
            environment["host_env_keys"] = json!(["CLIENT_SECRET"]);
        },
        ..Setup::default()
    }
}

/// What the answers are to an opaque token, a JWT, a token without the scope and one that nobody has
/// issued, and what introspection came to.
struct Expected {
    statuses: [u16; 4],
    outcomes: &'static [(&'static str, u64)],
}

async fn check(
    server: &AuthorizationServer,
    credentials: Credentials,
    secret: Secret,
    expected: &Expected,
) {
    let case = format!("{credentials:?}, {secret:?} secret");
    let gateway = Gateway::start(setup(server, credentials, secret)).await;
    let tokens = [
        server.token(Format::Opaque, "api:read").await,
        server.token(Format::Jwt, "api:read").await,
        server.token(Format::Opaque, "other").await,
        "garbage".to_owned(),
    ];
    let mut statuses = [0; 4];
    for (status, token) in statuses.iter_mut().zip(&tokens) {
        *status = gateway.get_with(token).await.status;
    }
    assert_eq!(statuses, expected.statuses, "{case}");
    for (outcome, count) in expected.outcomes {
        gateway.assert_stat(&introspections(outcome), *count).await;
    }
    let verified = match credentials {
        Credentials::Injected(Peer::OfAnotherAuthority) => Some("fail_verify_error"),
        Credentials::Injected(Peer::OfAnotherName) => Some("fail_verify_san"),
        Credentials::Injected(Peer::Right) | Credentials::Basic | Credentials::Post => None,
    };
    if let Some(failure) = verified {
        let failures = gateway.stat(&format!("cluster.idp.ssl.{failure}")).await;
        assert!(failures > 0, "{case}");
    }
    let log = gateway.log();
    assert!(!log.contains(&server.basic.secret) && !log.contains(&server.post.secret));
    assert!(
        !log.contains("panicked") && !log.contains("[critical]"),
        "{log}"
    );
}

/// With a wrong secret every answer is 503, and so it is where the endpoint is not who it should be.
const MISCONFIGURED: Expected = Expected {
    statuses: [503; 4],
    outcomes: &[("misconfigured", 4), ("active", 0), ("inactive", 0)],
};
const UNREACHABLE: Expected = Expected {
    statuses: [503; 4],
    outcomes: &[("unreachable", 4), ("active", 0), ("misconfigured", 0)],
};

async fn check_all(product: Product, right: Expected) {
    let server = AuthorizationServer::start(product).await;
    for (credentials, secret, expected) in [
        (Credentials::Basic, Secret::Right, &right),
        (Credentials::Basic, Secret::Wrong, &MISCONFIGURED),
        (Credentials::Post, Secret::Right, &right),
        (Credentials::Post, Secret::Wrong, &MISCONFIGURED),
        (Credentials::Injected(Peer::Right), Secret::Right, &right),
        (
            Credentials::Injected(Peer::Right),
            Secret::Wrong,
            &MISCONFIGURED,
        ),
        (
            Credentials::Injected(Peer::OfAnotherAuthority),
            Secret::Right,
            &UNREACHABLE,
        ),
        (
            Credentials::Injected(Peer::OfAnotherName),
            Secret::Right,
            &UNREACHABLE,
        ),
    ] {
        check(&server, credentials, secret, expected).await;
    }
}

/// It issues JWTs, but does not introspect them: 400 `unsupported_token_type`.
#[tokio::test(flavor = "multi_thread")]
async fn oidc_provider() {
    let right = Expected {
        statuses: [200, 401, 403, 401],
        outcomes: &[("active", 2), ("inactive", 1), ("inactive_status", 1)],
    };
    check_all(Product::OidcProvider, right).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib() {
    let right = Expected {
        statuses: [200, 200, 403, 401],
        outcomes: &[("active", 3), ("inactive", 1), ("inactive_status", 0)],
    };
    check_all(Product::Authlib, right).await;
}
