//! The manifests in `deploy/`, tried as far as it can be without a cluster: the plugin configuration
//! that stands in each is put into the Envoy configuration that its control plane would make of it,
//! and that into a real Envoy. What no test here sees: the control planes themselves, the network
//! around the pods, and how the module is fetched.

mod envoy_gateway;
mod files;
mod istio;
mod manifest;
mod standalone;

use std::net::SocketAddr;

use dev_idp::{Client, DevIdp, DevIdpConfig, Mint};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::{Gateway, Setup, at, until};
use crate::sample::Tls;

/// What stands in the manifests: who this gateway is to the RFC 7662 endpoint.
const CLIENT_ID: &str = "my-api";
const CLIENT_SECRET: &str = "s3cret";
const ENDPOINT_HOST: &str = "idp.example.com";

/// Which endpoint a manifest is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Texas,
    /// Over TLS, with credentials.
    Rfc7662,
}

impl Endpoint {
    /// A path that the manifest's rules let through, and the scope that they ask for.
    fn guarded(self) -> (&'static str, &'static str) {
        match self {
            Self::Texas => ("/api/sykepenger/1", "nav:helse/sykepenger/afp.read"),
            Self::Rfc7662 => ("/api/1", "api:read"),
        }
    }

    /// What the API is told by headers, of the token that [`check`] sends.
    fn forwarded(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Texas => &[
                ("x-consumer", "0192:889640782"),
                ("x-client-id", "a-client"),
            ],
            Self::Rfc7662 => &[("x-client-id", "a-client")],
        }
    }
}

/// The endpoint and the API for one Envoy.
struct World {
    idp: DevIdp,
    tls: Option<Tls>,
    /// For what Envoy reads beside its configuration.
    folder: TempDir,
}

impl World {
    async fn new(endpoint: Endpoint) -> Self {
        let is_rfc7662 = endpoint == Endpoint::Rfc7662;
        let idp = DevIdp::start(DevIdpConfig {
            client: is_rfc7662.then(|| Client {
                id: CLIENT_ID.to_owned(),
                secret: CLIENT_SECRET.to_owned(),
            }),
            ..DevIdpConfig::default()
        })
        .await
        .unwrap();
        let mut tls = None;
        if is_rfc7662 {
            let server = Tls::start(ENDPOINT_HOST).await;
            server.behind.set(idp.idp_addr()).unwrap();
            tls = Some(server);
        }
        let folder = TempDir::new().unwrap();
        Self { idp, tls, folder }
    }

    /// Leads the endpoint's cluster to the endpoint of this test, whose certificate it is to trust.
    /// Everything else stays as it is: the name that the certificate must have, too.
    fn lead_to_endpoint(&self, cluster: &mut Value) {
        let address = self
            .tls
            .as_ref()
            .map_or(self.idp.idp_addr(), |tls| tls.address);
        lead(cluster, address);
        if let Some(tls) = &self.tls {
            let authority = "/common_tls_context/validation_context/trusted_ca";
            *at(tls_context(cluster), authority) = json!({ "inline_string": tls.certificate });
        }
    }

    fn lead_to_api(&self, cluster: &mut Value) {
        lead(cluster, self.idp.api_addr());
    }

    async fn launch(self, config: &Value, environment: Vec<(&'static str, String)>) -> Running {
        let setup = Setup {
            environment,
            ..Setup::default()
        };
        Running {
            gateway: Gateway::launch(setup, config, self.idp, self.folder).await,
            _tls: self.tls,
        }
    }
}

/// An Envoy with what it needs.
struct Running {
    gateway: Gateway,
    _tls: Option<Tls>,
}

/// Where the cluster's TLS is configured, also where Istio wraps it for a waypoint.
fn tls_context(cluster: &mut Value) -> &mut Value {
    let socket = at(cluster, "/transport_socket/typed_config");
    if socket.get("transport_socket").is_some() {
        return at(socket, "/transport_socket/typed_config");
    }
    socket
}

/// The cluster's only host is at this address.
fn lead(cluster: &mut Value, address: SocketAddr) {
    let host = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    *at(cluster, host) = json!({
        "address": address.ip().to_string(),
        "port_value": address.port(),
    });
    // On a machine that is busy with other tests.
    cluster["connect_timeout"] = json!("20s");
}

/// A token with the scope passes, and the API learns whose it is; all others are refused. What
/// clients say in the headers in `forward` never arrives.
async fn check(running: &Running, endpoint: Endpoint) {
    let gateway = &running.gateway;
    let (path, scope) = endpoint.guarded();
    let mint = Mint::default()
        .consumer("889640782")
        .claim("client_id", "a-client");
    let bearer = |scope: &str| {
        let token = gateway.idp.mint(&mint.clone().scope(scope));
        Some(format!("Bearer {token}"))
    };
    for (case, authorization, status) in [
        ("the scope", bearer(scope), 200),
        ("another scope", bearer("nav:other"), 403),
        ("nonsense", Some("Bearer nonsense".to_owned()), 401),
        ("no token", None, 401),
    ] {
        let mut headers: Vec<_> = endpoint
            .forwarded()
            .iter()
            .map(|(name, _)| (*name, "spoofed"))
            .collect();
        headers.extend(
            authorization
                .as_deref()
                .map(|value| ("authorization", value)),
        );
        let answer = gateway.get(path, &headers).await;
        assert_eq!(
            answer.status,
            status,
            "{case}: {answer:?}\n{}",
            gateway.log()
        );
        if status == 200 {
            for (name, value) in endpoint.forwarded() {
                assert_eq!(seen(&answer.json(), name), [*value], "{case}: {name}");
            }
        }
    }
    assert_eq!(gateway.idp.api_requests(), 1);
    let log = gateway.log();
    assert!(
        !log.contains(CLIENT_SECRET) && !log.contains("panicked"),
        "{log}"
    );
    let metric = r#"portvakt_decisions_total{result="allow",reason="token",rule="read"} 1"#;
    until("Prometheus sees labels", async || {
        gateway.prometheus().await.contains(metric)
    })
    .await;
}

/// What the API saw in the header of that name.
fn seen<'a>(answer: &'a Value, name: &str) -> Vec<&'a str> {
    let lines = answer["headers"].as_array().unwrap();
    let lines = lines.iter().filter(|line| line[0] == name);
    lines.map(|line| line[1].as_str().unwrap()).collect()
}
