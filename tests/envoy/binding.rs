//! Sender-constrained tokens (RFC 8705): a stolen token is worth nothing without the key of the
//! certificate that it is bound to.
//!
//! What a connection has proven is Envoy's to say, and a decision may be for a request that was
//! paused while others came and went. Neither can be seen without a real Envoy and real TLS.

use std::iter;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dev_idp::{Fault, Mint};
use futures_util::future::join_all;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, RootCertStore};

use crate::client::{Answer, head, read_answer};
use crate::gateway::{Gateway, Setup, at, plugin, until};

const INVALID_TOKEN: &str = r#"Bearer realm="test", error="invalid_token""#;
fn refusals() -> String {
    decisions("deny", "binding")
}

/// The name that the gateway's certificate is for.
const NAME: &str = "gateway";

/// How a request comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    /// With the certificate that tokens are bound to.
    Right,
    /// With another certificate from the same authority.
    Wrong,
    /// Without a certificate.
    Nobody,
    /// Without TLS.
    PlainText,
}

use crate::stats::{decisions, lookups};
use Client::{Nobody, PlainText, Right, Wrong};

/// An authority, and those whom it has certified: made anew each time that the tests run.
struct Pki {
    authority: CertifiedIssuer<'static, KeyPair>,
    gateway: Identity,
    right: Identity,
    wrong: Identity,
}

/// A certificate and its key.
struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let mut params = named("authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let certified = |name| {
        let key = KeyPair::generate().unwrap();
        let certificate = named(name).signed_by(&key, &authority).unwrap();
        Identity { certificate, key }
    };
    Pki {
        gateway: certified(NAME),
        // Of one name: it is the certificate that counts.
        right: certified("client"),
        wrong: certified("client"),
        authority,
    }
});

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Identity {
    /// What RFC 8705 calls a certificate in a token.
    fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.certificate.der()))
    }
}

/// A gateway which takes TLS, with or without a client's certificate, and plain text on the same
/// port.
fn setup() -> Setup {
    Setup {
        edit: |config| {
            let listener = at(config, "/static_resources/listeners/0");
            listener["listener_filters"] = json!([{
                "name": "envoy.filters.listener.tls_inspector",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
                },
            }]);
            let chains = listener["filter_chains"].as_array_mut().unwrap();
            let mut chain = chains[0].clone();
            chain["filter_chain_match"] = json!({ "transport_protocol": "tls" });
            chain["transport_socket"] = json!({
                "name": "envoy.transport_sockets.tls",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                    "require_client_certificate": false,
                    "common_tls_context": {
                        "tls_certificates": [{
                            "certificate_chain": { "inline_string": PKI.gateway.certificate.pem() },
                            "private_key": { "inline_string": PKI.gateway.key.serialize_pem() },
                        }],
                        "validation_context": {
                            "trusted_ca": { "inline_string": PKI.authority.pem() },
                        },
                    },
                },
            });
            chains.push(chain);
        },
        ..Setup::default()
    }
}

impl Client {
    const ALL: [Self; 4] = [Right, Wrong, Nobody, PlainText];

    /// How it shakes hands, if it does. Sessions that it could resume are kept in this.
    fn tls(self) -> Option<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(PKI.authority.der().clone()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots);
        let identity = match self {
            Right => &PKI.right,
            Wrong => &PKI.wrong,
            Nobody => return Some(Arc::new(config.with_no_client_auth())),
            PlainText => return None,
        };
        let chain = vec![identity.certificate.der().clone()];
        let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
        Some(Arc::new(config.with_client_auth_cert(chain, key).unwrap()))
    }

    /// Sends a GET on a connection of its own.
    async fn send(self, gateway: &Gateway, path: &str, token: Option<&str>) -> Reader {
        let head = get(path, token);
        if let Some(config) = self.tls() {
            return Box::new(send_over(&config, gateway, &head).await);
        }
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(&head).await.unwrap();
        Box::new(stream)
    }

    /// The answer to a GET on a connection of its own.
    async fn get(self, gateway: &Gateway, path: &str, token: Option<&str>) -> Answer {
        read_answer(self.send(gateway, path, token).await).await
    }
}

/// Where an answer comes from.
type Reader = Box<dyn AsyncRead + Unpin>;

fn get(path: &str, token: Option<&str>) -> Vec<u8> {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = authorization
        .iter()
        .map(|value| (&b"authorization"[..], value.as_bytes()))
        .collect();
    head(format!("GET {path}").as_bytes(), &headers, 0)
}

async fn send_over(
    config: &Arc<ClientConfig>,
    gateway: &Gateway,
    head: &[u8],
) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    // Else the head waits for the gateway's word that it has got the handshake.
    stream.set_nodelay(true).unwrap();
    let name = ServerName::try_from(NAME).unwrap();
    let connector = TlsConnector::from(Arc::clone(config));
    let mut stream = connector.connect(name, stream).await.unwrap();
    stream.write_all(head).await.unwrap();
    stream.flush().await.unwrap();
    stream
}

/// A token with this `cnf`; null: without.
fn token(gateway: &Gateway, cnf: &Value) -> String {
    let mint = Mint::default().scope("api:read");
    gateway.idp.mint(&mint.claim("cnf", cnf.clone()))
}

/// The answer to a request that passed, or that was refused for its token.
fn assert_answer(case: &str, answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{case}: {answer:?}");
    let challenge = answer.header("www-authenticate");
    let expected = (status == 401).then_some(INVALID_TOKEN);
    assert_eq!(challenge.as_deref(), expected, "{case}");
}

/// Each client is answered as expected, in the order of [`Client::ALL`]: whoever comes first with
/// a token, which is asked about then, and whoever comes with it when it is known. Returns how
/// many were refused.
async fn check(gateway: &Gateway, case: &str, cnf: &Value, expected: [u16; 4]) -> u64 {
    let mut refused = 0;
    for first in Client::ALL.into_iter().zip(expected) {
        let token = token(gateway, cnf);
        let asked = gateway.idp.introspections();
        let then = Client::ALL.into_iter().zip(expected);
        for (client, status) in iter::once(first).chain(then) {
            let case = format!("{case}: {client:?} when {:?} was first", first.0);
            let reached = gateway.idp.api_requests();
            let answer = client.get(gateway, "/api/x", Some(&token)).await;
            assert_answer(&case, &answer, status);
            let passed = gateway.idp.api_requests() - reached;
            assert_eq!(passed, usize::from(status == 200), "{case}");
            assert_eq!(gateway.idp.introspections(), asked + 1, "{case}");
            refused += u64::from(status == 401);
        }
    }
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_worth_something_to_whom_it_was_issued() {
    let gateway = Gateway::start(setup()).await;
    let (right, wrong) = (PKI.right.thumbprint(), PKI.wrong.thumbprint());
    let mut refused = 0;
    for (case, cnf, expected) in [
        ("unbound", json!(null), [200, 200, 200, 200]),
        ("bound", json!({ "x5t#S256": right }), [200, 401, 401, 401]),
        (
            "bound to the other",
            json!({ "x5t#S256": wrong }),
            [401, 200, 401, 401],
        ),
        (
            "bound to a key for DPoP",
            json!({ "jkt": right }),
            [401, 401, 401, 401],
        ),
        (
            "bound twice",
            json!({ "x5t#S256": right, "jkt": right }),
            [401, 401, 401, 401],
        ),
        (
            "half a thumbprint",
            json!({ "x5t#S256": right[..20] }),
            [401, 401, 401, 401],
        ),
        (
            "no thumbprint",
            json!({ "x5t#S256": "" }),
            [401, 401, 401, 401],
        ),
        ("bound to nothing", json!({}), [401, 401, 401, 401]),
    ] {
        refused += check(&gateway, case, &cnf, expected).await;
    }
    gateway.assert_stat(&refusals(), refused).await;
    let logged = || gateway.log().matches(" binding\n").count();
    until("all refusals are in the access log", async || {
        u64::try_from(logged()).unwrap() == refused
    })
    .await;
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_take_no_part_where_no_bound_token_does() {
    let gateway = Gateway::start(setup()).await;
    let bound = token(&gateway, &json!({ "x5t#S256": PKI.right.thumbprint() }));
    let asks = r#"Bearer realm="test", scope="api:read""#;
    for (path, token, status, challenge) in [
        ("/open", None, 200, None),
        ("/open", Some(&*bound), 200, None),
        ("/api/x", None, 401, Some(asks)),
        ("/other", Some(&*bound), 403, None),
    ] {
        for client in Client::ALL {
            let answer = client.get(&gateway, path, token).await;
            let case = format!("{path} {client:?}: {answer:?}");
            assert_eq!(answer.status, status, "{case}");
            let found = answer.header("www-authenticate");
            assert_eq!(found.as_deref(), challenge, "{case}");
        }
    }
    assert_eq!(gateway.idp.introspections(), 0);
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_resumed_proves_what_it_proved() {
    let gateway = Gateway::start(setup()).await;
    let token = token(&gateway, &json!({ "x5t#S256": PKI.right.thumbprint() }));
    for (client, status) in [(Right, 200), (Wrong, 401), (Nobody, 401)] {
        let config = client.tls().unwrap();
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let case = format!("{client:?} {kind:?}");
            let stream = send_over(&config, &gateway, &get("/api/x", Some(&token))).await;
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind), "{case}");
            assert_answer(&case, &read_answer(stream).await, status);
        }
    }
    assert_eq!(gateway.idp.introspections(), 1);
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_who_wait_for_one_callout_are_told_each_for_itself() {
    let gateway = Gateway::start(setup()).await;
    let token = token(&gateway, &json!({ "x5t#S256": PKI.right.thumbprint() }));
    gateway.idp.set_fault(Some(Fault::Hold));
    let clients = || (0..100).map(|n| if n % 2 == 0 { Right } else { Wrong });
    let sent = clients().map(|client| client.send(&gateway, "/api/x", Some(&token)));
    let sent = join_all(sent).await;
    until("all wait", async || gateway.active_requests().await == 100).await;
    gateway.idp.set_fault(None);
    let answers = join_all(sent.into_iter().map(read_answer)).await;
    for (n, (client, answer)) in clients().zip(&answers).enumerate() {
        let status = if client == Right { 200 } else { 401 };
        assert_answer(&format!("{n}"), answer, status);
    }
    assert_eq!(gateway.idp.introspections(), 1);
    assert_eq!(gateway.idp.api_requests(), 50);
    gateway.assert_stat(&refusals(), 50).await;
    gateway.assert_stat(&lookups("coalesced"), 99).await;
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_worker_knows_is_bound_too() {
    let gateway = Gateway::start(Setup {
        workers: 2,
        ..setup()
    })
    .await;
    let token = token(&gateway, &json!({ "x5t#S256": PKI.right.thumbprint() }));
    let answer = Right.get(&gateway, "/api/x", Some(&token)).await;
    assert_answer("first", &answer, 200);
    until("the other worker has been told", async || {
        for (client, status) in [(Wrong, 401), (Right, 200)] {
            let answer = client.get(&gateway, "/api/x", Some(&token)).await;
            assert_answer("then", &answer, status);
        }
        gateway.stat(&lookups("shared_hit")).await > 0
    })
    .await;
    assert_eq!(gateway.idp.introspections(), 1);
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_unbinds_nothing() {
    let mut plugin = plugin();
    plugin["cache"] = json!({ "max_ttl": "1s", "stale_if_error": "1m" });
    let gateway = Gateway::start(Setup { plugin, ..setup() }).await;
    let token = token(&gateway, &json!({ "x5t#S256": PKI.right.thumbprint() }));
    let answer = Right.get(&gateway, "/api/x", Some(&token)).await;
    assert_answer("before", &answer, 200);
    gateway.idp.set_fault(Some(Fault::Outage));
    until("all have come with a token past its time", async || {
        for (client, status) in [(Wrong, 401), (Right, 200), (Nobody, 401), (PlainText, 401)] {
            let answer = client.get(&gateway, "/api/x", Some(&token)).await;
            assert_answer(&format!("{client:?}"), &answer, status);
        }
        gateway.stat(&lookups("stale")).await >= 4
    })
    .await;
    gateway.assert_well().await;
}
