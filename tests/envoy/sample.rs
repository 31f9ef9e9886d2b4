//! The files that users copy: `envoy.yaml` with its options, and `examples/`.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dev_idp::{Client, Fault};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::client::{Answer, answer, http2};
use crate::gateway::{Gateway, Setup, at, filter_config, validate_yaml};
use crate::option::with_option;
use crate::stats::introspections;

const ENVOY_YAML: &str = include_str!("../../envoy.yaml");
const RFC7662_YAML: &str = include_str!("../../examples/rfc7662.yaml");
const ENDPOINT: (&str, &str) = ("NAIS_TOKEN_INTROSPECTION_ENDPOINT", "http://a/introspect");

/// `envoy.yaml` for an API that speaks HTTP/2, as its comment says.
fn with_http2() -> String {
    let http1 = "            http_protocol_options: {}\n            # CHANGE for gRPC";
    let http2 = "            #http2_protocol_options";
    assert!(ENVOY_YAML.contains(http1) && ENVOY_YAML.contains(http2));
    let text = ENVOY_YAML.replace(http1, "            # CHANGE for gRPC");
    text.replace(http2, &http2.replace('#', ""))
}

fn parse(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn every_option_is_valid() {
    for text in [with_option("cors"), with_http2()] {
        let output = validate_yaml(&text, &[ENDPOINT]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

/// Pages of an origin that is allowed can read refusals, and why.
#[tokio::test(flavor = "multi_thread")]
async fn cors() {
    let gateway = Gateway::start(Setup {
        sample: parse(&with_option("cors")),
        ..Setup::default()
    })
    .await;
    let weak = format!("Bearer {}", gateway.token("other"));
    let good = format!("Bearer {}", gateway.token("api:read"));
    let origin = ("origin", "https://app.example.com");
    for (authorization, status) in [
        ("", 401),
        ("Bearer garbage", 401),
        (&*weak, 403),
        (&*good, 200),
    ] {
        let headers = [origin, ("authorization", authorization)];
        let answer = gateway.get("/api/x", &headers).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(allowed(&answer).as_deref(), Some(origin.1), "{answer:?}");
        let exposed = answer.header("access-control-expose-headers");
        assert_eq!(exposed.as_deref(), Some("www-authenticate"), "{answer:?}");
        assert_eq!(answer.header("www-authenticate").is_some(), status != 200);

        let headers = [
            ("origin", "https://evil.example"),
            ("authorization", authorization),
        ];
        let answer = gateway.get("/api/x", &headers).await;
        assert_eq!(
            (answer.status, allowed(&answer)),
            (status, None),
            "{answer:?}"
        );
    }
    let before = gateway.idp.api_requests();
    let headers = [
        (&b"origin"[..], origin.1.as_bytes()),
        (b"access-control-request-method", b"POST"),
        (b"access-control-request-headers", b"authorization"),
    ];
    let answer = gateway.send(b"OPTIONS /api/x", &headers).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(allowed(&answer).as_deref(), Some(origin.1), "{answer:?}");
    let headers = answer.header("access-control-allow-headers").unwrap();
    assert!(headers.contains("authorization"), "{answer:?}");
    assert_eq!(gateway.idp.api_requests(), before, "Envoy answers it");
    gateway.assert_well().await;
}

fn allowed(answer: &Answer) -> Option<String> {
    answer.header("access-control-allow-origin")
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc() {
    let gateway = Gateway::start(Setup {
        sample: parse(&with_http2()),
        ..Setup::default()
    })
    .await;
    let url = format!("http://{}/api/Service/Method", gateway.address);
    let authorization = format!("Bearer {}", gateway.token("api:write"));
    let call = http2().post(url).header("content-type", "application/grpc");
    let call = call
        .header("te", "trailers")
        .header("authorization", authorization);
    let answer = answer(call.body("").send().await.unwrap()).await;
    // The API's own status is in the trailers.
    assert_eq!(
        (answer.status, answer.header("grpc-status")),
        (200, None),
        "{answer:?}"
    );
    assert_eq!(gateway.idp.api_requests(), 1);
}

/// An API need not speak HTTP/2 for clients that do.
#[tokio::test(flavor = "multi_thread")]
async fn clients_of_either_version_reach_an_api_of_http1() {
    let gateway = Gateway::start(Setup::default()).await;
    let authorization = format!("Bearer {}", gateway.token("api:read"));
    let url = format!("http://{}/api/x", gateway.address);
    let request = http2().get(url).header("authorization", &authorization);
    let over_http2 = answer(request.send().await.unwrap()).await;
    let over_http1 = gateway
        .get("/api/x", &[("authorization", &authorization)])
        .await;
    assert_eq!((over_http1.status, over_http2.status), (200, 200));
    assert_eq!(gateway.stat("cluster.api.upstream_cx_http1_total").await, 1);
    assert_eq!(gateway.stat("cluster.api.upstream_cx_http2_total").await, 0);
}

/// Callouts do not wait for each other's connections.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_callouts_at_once() {
    let gateway = Gateway::start(Setup::default()).await;
    gateway.idp.set_fault(Some(Fault::Delay { ms: 200 }));
    let tokens: Vec<_> = (0..300).map(|number| format!("garbage{number}")).collect();
    let answers = join_all(tokens.iter().map(|token| gateway.get_with(token))).await;
    assert!(answers.iter().all(|answer| answer.status == 401));
    let connections = gateway.stat("cluster.texas.upstream_cx_total").await;
    assert!(connections > 100, "{connections} connections at once");
}

/// Takes TLS off in front of another address. Dropping it ends it.
pub struct Tls {
    pub address: SocketAddr,
    /// The certificate that it shows, which is its own authority.
    pub certificate: String,
    pub behind: Arc<OnceLock<SocketAddr>>,
    _server: JoinSet<()>,
}

impl Tls {
    pub async fn start(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let behind = Arc::<OnceLock<SocketAddr>>::default();
        let there = Arc::clone(&behind);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, there) = (acceptor.clone(), Arc::clone(&there));
                connections.spawn(async move {
                    // Who does not trust it leaves.
                    if let Ok(mut tls) = acceptor.accept(stream).await {
                        let mut plain = TcpStream::connect(there.get().unwrap()).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut tls, &mut plain).await;
                    }
                });
            }
        });
        Self {
            address,
            certificate: made.cert.pem(),
            behind,
            _server: server,
        }
    }
}

const IDP: &str = "/static_resources/clusters/0";
const TRUSTED_CA: &str =
    "/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca";

/// `Basic` credentials as `examples/rfc7662.yaml` says to make them.
pub fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// The endpoint shows a certificate for that name, and Envoy has those credentials.
async fn check_rfc7662(name: &str, credentials: String, status: u16) -> Gateway {
    let tls = Tls::start(name).await;
    let mut sample = parse(RFC7662_YAML);
    let plugin = filter_config(&mut sample)["configuration"]["value"].clone();
    let idp = at(&mut sample, IDP);
    let address =
        "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/address";
    *at(idp, address) = json!("127.0.0.1");
    *at(idp, TRUSTED_CA) = json!({ "inline_string": tls.certificate });
    let gateway = Gateway::start(Setup {
        sample,
        plugin,
        client: Some(Client {
            id: "my-api".to_owned(),
            secret: "s3cret".to_owned(),
        }),
        endpoint: Some(tls.address),
        environment: vec![("INTROSPECTION_AUTHORIZATION", credentials)],
        ..Setup::default()
    })
    .await;
    tls.behind.set(gateway.idp.idp_addr()).unwrap();
    let answer = gateway.get_with(&gateway.token("api:read")).await;
    assert_eq!(answer.status, status, "{answer:?}\n{}", gateway.log());
    for (token, refused) in [("garbage".to_owned(), 401), (gateway.token("other"), 403)] {
        let expected = if status == 200 { refused } else { status };
        assert_eq!(gateway.get_with(&token).await.status, expected);
    }
    assert_eq!(gateway.idp.api_requests(), usize::from(status == 200));
    assert!(!gateway.log().contains("s3cret"));
    gateway
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rfc7662_endpoint_behind_tls() {
    let gateway = check_rfc7662("idp.example.com", basic("my-api", "s3cret"), 200).await;
    let asked = gateway.idp.last_introspection().unwrap();
    assert_eq!(asked.path, "/oauth2/introspect");
    let injected = gateway
        .stat("cluster.idp.credential_injector.injected")
        .await;
    assert_eq!(injected, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_not_the_clients_fault() {
    let gateway = check_rfc7662("idp.example.com", basic("my-api", "wrong"), 503).await;
    let misconfigured = &introspections("misconfigured");
    gateway.assert_stat(misconfigured, 3).await;
}

/// Tokens and credentials go to no one else.
#[tokio::test(flavor = "multi_thread")]
async fn another_server_is_not_asked() {
    let gateway = check_rfc7662("other.example.com", basic("my-api", "s3cret"), 503).await;
    assert_eq!(gateway.idp.introspections(), 0);
    assert!(gateway.stat("cluster.idp.ssl.fail_verify_san").await > 0);
}

#[test]
fn the_credentials_come_from_the_environment() {
    let authority = "trusted_ca: { filename: /etc/ssl/certs/ca-certificates.crt }";
    let made = rcgen::generate_simple_self_signed(["idp.example.com".to_owned()]).unwrap();
    let own = json!({ "inline_string": made.cert.pem() });
    assert!(RFC7662_YAML.contains(authority));
    let text = RFC7662_YAML.replace(authority, &format!("trusted_ca: {own}"));
    let variable = ("INTROSPECTION_AUTHORIZATION", "Basic YTpi");
    for (environment, is_valid) in [(&[variable][..], true), (&[], false)] {
        let output = validate_yaml(&text, environment);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), is_valid, "{said}");
        assert!(is_valid || said.contains(variable.0), "{said}");
    }
}
