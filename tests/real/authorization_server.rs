//! A real authorization server, with clients and secrets made at start.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};

use crate::client::{Answer, request};
use crate::program::Program;

/// What the certificate is for.
pub const NAME: &str = "idp.example.com";
/// Where tokens are introspected.
pub const PATH: &str = "/token/introspection";

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// npm's `oidc-provider`.
    OidcProvider,
    /// Python's Authlib.
    Authlib,
}

impl Product {
    fn program(self) -> &'static str {
        match self {
            Self::OidcProvider => "oidc_provider.mjs",
            Self::Authlib => "authlib_server.py",
        }
    }

    /// What a secret of it may hold that must be encoded. RFC 6749 has ASCII only, and
    /// `oidc-provider` keeps to that.
    fn special(self) -> &'static str {
        match self {
            Self::OidcProvider => " %+&:%20=/?\"\\~",
            Self::Authlib => " %+&:%20=/?\"\\~æ€🫐",
        }
    }
}

/// What a token looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Opaque,
    Jwt,
}

/// Who asks the server.
#[derive(Clone)]
pub struct Client {
    pub id: String,
    pub secret: String,
    method: &'static str,
}

impl Client {
    fn new(name: &str, special: &str, method: &'static str) -> Self {
        let mut random = [0; 16];
        SystemRandom::new().fill(&mut random).unwrap();
        Self {
            id: format!("{name} %+&:"),
            secret: URL_SAFE_NO_PAD.encode(random) + special,
            method,
        }
    }

    fn settings(&self) -> Value {
        json!({ "id": self.id, "secret": self.secret, "method": self.method })
    }

    /// The value of `Authorization`, as `examples/rfc7662.yaml` says to make it.
    pub fn basic(&self) -> String {
        let pair = format!("{}:{}", encoded(&self.id), encoded(&self.secret));
        format!("Basic {}", STANDARD.encode(pair))
    }
}

/// A running server. Dropping it ends it.
pub struct AuthorizationServer {
    /// Where it speaks HTTP.
    pub http: SocketAddr,
    /// Where it speaks HTTPS.
    pub https: SocketAddr,
    /// Who has signed its certificate.
    pub authority: String,
    /// Introspects by `client_secret_basic`.
    pub basic: Client,
    /// Introspects by `client_secret_post`.
    pub post: Client,
    caller: Client,
    _program: Program,
}

impl AuthorizationServer {
    /// Starts one and waits until it listens.
    pub async fn start(product: Product) -> Self {
        let special = product.special();
        let basic = Client::new("basic", special, "client_secret_basic");
        let post = Client::new("post", special, "client_secret_post");
        let caller = Client::new("caller", "", "client_secret_basic");
        let authority = authority();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([NAME.to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &authority).unwrap();
        let settings = json!({
            "issuer": format!("https://{NAME}"),
            "clients": [basic.settings(), post.settings(), caller.settings()],
            "tls": { "key": key.serialize_pem(), "cert": certificate.pem() },
        });
        let (program, ports) = Program::serve(product.program(), &settings).await;
        Self {
            http: address(&ports["http"]),
            https: address(&ports["https"]),
            authority: authority.pem(),
            basic,
            post,
            caller,
            _program: program,
        }
    }

    /// A token with this scope, by the client credentials grant.
    pub async fn token(&self, format: Format, scope: &str) -> String {
        let resource = match format {
            Format::Opaque => "https%3A%2F%2Fapi.example.com%2Fopaque",
            Format::Jwt => "https%3A%2F%2Fapi.example.com%2Fjwt",
        };
        let form = format!("grant_type=client_credentials&resource={resource}&scope={scope}");
        let answer = self.post("/token", &form).await;
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(token.contains('.'), format == Format::Jwt, "{format:?}");
        token
    }

    /// The token counts no more (RFC 7009).
    pub async fn revoke(&self, token: &str) {
        self.post("/token/revocation", &format!("token={token}"))
            .await;
    }

    async fn post(&self, path: &str, form: &str) -> Answer {
        let authorization = self.caller.basic();
        let headers = [
            (&b"authorization"[..], authorization.as_bytes()),
            (b"content-type", b"application/x-www-form-urlencoded"),
        ];
        let line = format!("POST {path}");
        let answer = request(self.http, line.as_bytes(), &headers, form.as_bytes()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }
}

/// A port of this machine.
pub fn address(port: &Value) -> SocketAddr {
    let port = u16::try_from(port.as_u64().unwrap()).unwrap();
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Somebody who signs certificates.
pub fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    // Named unlike the certificates that it signs, which are else taken for their own authority.
    params
        .distinguished_name
        .push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn encoded(text: &str) -> String {
    let bytes = text.bytes().map(|byte| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    bytes.collect()
}
