//! Starting and stopping.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::connection::serve;
use crate::fault::Fault;
use crate::keys::KeyRing;
use crate::mint::Mint;
use crate::provider::IdentityProvider;
use crate::recorded::Recorded;
use crate::state::{Shared, State};
use crate::{api, idp};

/// Where to listen, and whom to answer.
#[derive(Debug, Clone)]
pub struct DevIdpConfig {
    /// The address of the identity provider and of Texas.
    pub idp: SocketAddr,
    /// The address of the sample API.
    pub api: SocketAddr,
    /// With a client, the RFC 7662 endpoint asks for authentication.
    pub client: Option<Client>,
    /// The identity providers that are enabled: tokens of the others are not minted, and Texas
    /// says so when it is asked about them.
    pub identity_providers: Vec<IdentityProvider>,
}

impl Default for DevIdpConfig {
    /// Free ports on the loopback, no client, and Maskinporten alone.
    fn default() -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            idp: any_port,
            api: any_port,
            client: None,
            identity_providers: vec![IdentityProvider::default()],
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
        let providers = config.identity_providers;
        let keys = tokio::task::spawn_blocking(move || KeyRing::generate(&providers)).await??;
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

    /// Sets the clock by which it mints tokens and judges them, so many seconds ahead.
    pub fn set_ahead(&self, seconds: u32) {
        self.state.keys.set_ahead(seconds);
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
