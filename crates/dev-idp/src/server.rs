//! Starting and stopping.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::connection::serve;
use crate::fault::Fault;
use crate::keys::Keys;
use crate::mint::Mint;
use crate::state::{Recorded, Shared, State};
use crate::{api, idp};

/// The one client that the RFC 7662 endpoint knows.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    /// Its `client_id`.
    pub id: String,
    /// Its `client_secret`; also what it may send as a bearer token.
    pub secret: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Where to listen, and whom to answer.
#[derive(Debug, Clone)]
pub struct DevIdpConfig {
    /// The address of the identity provider and of Texas.
    pub idp: SocketAddr,
    /// The address of the sample API.
    pub api: SocketAddr,
    /// With a client, the RFC 7662 endpoint asks for authentication.
    pub client: Option<Client>,
}

impl Default for DevIdpConfig {
    /// Free ports on the loopback, and no client.
    fn default() -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            idp: any_port,
            api: any_port,
            client: None,
        }
    }
}

/// Running servers. Dropping this stops them.
///
/// The sockets close as soon as the tokio runtime gets to it; [`DevIdp::stop`]
/// waits for that.
pub struct DevIdp {
    idp_addr: SocketAddr,
    api_addr: SocketAddr,
    state: Shared,
    servers: JoinSet<()>,
}

impl DevIdp {
    /// Listens on both addresses, makes a key and serves in the background.
    ///
    /// # Errors
    ///
    /// When an address cannot be listened on; the message names it.
    pub async fn start(config: DevIdpConfig) -> io::Result<Self> {
        let (idp_listener, idp_addr) = listen(config.idp).await?;
        let (api_listener, api_addr) = listen(config.api).await?;
        let keys = tokio::task::spawn_blocking(Keys::generate).await??;
        let state = State::new(keys, config.client);

        let mut servers = JoinSet::new();
        servers.spawn(serve(idp_listener, idp::router(state.clone())));
        servers.spawn(serve(api_listener, api::router(state.clone())));
        Ok(Self {
            idp_addr,
            api_addr,
            state,
            servers,
        })
    }

    /// The address of the identity provider and of Texas.
    pub fn idp_addr(&self) -> SocketAddr {
        self.idp_addr
    }

    /// The address of the sample API.
    pub fn api_addr(&self) -> SocketAddr {
        self.api_addr
    }

    /// Signs a token. Every call makes another one.
    pub fn mint(&self, mint: &Mint) -> String {
        self.state.keys.mint(mint)
    }

    /// From now on both introspection endpoints do this, or with [`None`] answer as usual.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.state.set_fault(fault);
    }

    /// How many introspection requests have come in, on both endpoints, since the start.
    pub fn introspections(&self) -> usize {
        self.state.introspections()
    }

    /// The latest introspection request.
    pub fn last_introspection(&self) -> Option<Recorded> {
        self.state.last_introspection()
    }

    /// How many requests have reached the sample API since the start.
    pub fn api_requests(&self) -> usize {
        self.state.api_requests()
    }

    /// Stops the servers, and returns when the listening sockets are closed.
    pub async fn stop(mut self) {
        self.servers.shutdown().await;
    }
}

async fn listen(addr: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let bound = async {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        Ok((listener, addr))
    };
    bound.await.map_err(|error: io::Error| {
        io::Error::new(error.kind(), format!("cannot listen on {addr}: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::testing::{post, start, url};
    use crate::{rfc7662, texas};

    #[tokio::test]
    async fn introspections_are_counted_and_the_last_is_kept() {
        let idp = start().await;
        assert_eq!((idp.introspections(), idp.last_introspection()), (0, None));
        for (number, path) in [(1, texas::PATH), (2, rfc7662::PATH)] {
            let body = format!("no form at all {number}");
            post(&url(idp.idp_addr(), path), "text/plain", body.clone()).await;
            let last = idp.last_introspection().unwrap();
            assert_eq!(idp.introspections(), number);
            assert_eq!((last.path.as_str(), last.body), (path, body.into_bytes()));
            let content_type = ("content-type".to_owned(), b"text/plain".to_vec());
            assert!(last.headers.contains(&content_type), "{:?}", last.headers);
        }
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let first = start().await;
        for taken in [first.idp_addr(), first.api_addr()] {
            let config = DevIdpConfig {
                api: taken,
                ..DevIdpConfig::default()
            };
            let error = DevIdp::start(config).await.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            let expected = format!("cannot listen on {taken}: Address already in use");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }

    #[tokio::test]
    async fn stopping_ends_listening_and_connections() {
        for stop in [true, false] {
            let idp = start().await;
            let addr = idp.idp_addr();
            let mut open = TcpStream::connect(addr).await.unwrap();
            open.write_all(b"GET /healthz HTTP/1.1\r\nhost: idp\r\n\r\n")
                .await
                .unwrap();
            assert!(open.read(&mut [0; 1024]).await.unwrap() > 0);
            if stop {
                idp.stop().await;
            } else {
                drop(idp);
            }
            assert_eq!(open.read(&mut [0; 1024]).await.unwrap(), 0);
            let refused = TcpStream::connect(addr).await.err().unwrap();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let client = Client {
            id: "me".to_owned(),
            secret: "hidden".to_owned(),
        };
        assert!(!format!("{client:?}").contains("hidden"));
    }
}
