//! The line to the endpoint, which fails in ways that a server of HTTP cannot.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Between two bytes of an answer that drips.
const DRIP: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As if it were not there.
    Up,
    /// Every connection is cut, and no other accepted: the port is closed.
    Down,
    /// What comes back comes byte by byte.
    Drips,
}

/// A line that runs until it is dropped.
pub struct Line {
    pub address: SocketAddr,
    state: watch::Sender<State>,
    server: watch::Sender<Option<SocketAddr>>,
    tasks: JoinSet<()>,
}

impl Line {
    /// To a server that is still to be named: what comes before waits.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, server) = (watch::Sender::new(State::Up), watch::Sender::new(None));
        let mut tasks = JoinSet::new();
        let (watched, leads_to) = (state.subscribe(), server.subscribe());
        tasks.spawn(serve(listener, address, leads_to, watched));
        Self {
            address,
            state,
            server,
            tasks,
        }
    }

    pub fn leads_to(&self, server: SocketAddr) {
        self.server.send_replace(Some(server));
    }

    pub fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// To set it from elsewhere.
    pub fn state(&self) -> watch::Sender<State> {
        self.state.clone()
    }
}

async fn serve(
    mut listener: TcpListener,
    address: SocketAddr,
    server: watch::Receiver<Option<SocketAddr>>,
    mut state: watch::Receiver<State>,
) {
    loop {
        let mut connections = JoinSet::new();
        let watched = state.clone();
        tokio::select! {
            () = async {
                while let Ok((client, _)) = listener.accept().await {
                    connections.spawn(carry(client, server.clone(), watched.clone()));
                }
            } => {}
            _ = state.wait_for(|state| *state == State::Down) => {}
        }
        drop(connections);
        drop(listener);
        if state.wait_for(|state| *state != State::Down).await.is_err() {
            return;
        }
        listener = TcpListener::bind(address).await.unwrap();
    }
}

async fn carry(
    client: TcpStream,
    mut server: watch::Receiver<Option<SocketAddr>>,
    state: watch::Receiver<State>,
) {
    let Ok(server) = server.wait_for(Option::is_some).await.map(|server| *server) else {
        return;
    };
    let Ok(server) = TcpStream::connect(server.unwrap()).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = async {
        let mut buffer = vec![0; 65536];
        loop {
            let read = from_server.read(&mut buffer).await.unwrap_or_default();
            if read == 0 {
                return;
            }
            let mut left = &buffer[..read];
            while !left.is_empty() {
                let at_once = if *state.borrow() == State::Drips {
                    tokio::time::sleep(DRIP).await;
                    1
                } else {
                    left.len()
                };
                if to_client.write_all(&left[..at_once]).await.is_err() {
                    return;
                }
                left = &left[at_once..];
            }
        }
    };
    tokio::select! {
        () = back => {}
        _ = copy(&mut from_client, &mut to_server) => {}
    }
}
