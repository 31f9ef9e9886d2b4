//! Accepts connections, and can cut one off in the middle of an answer.
//!
//! `axum::serve` would do but for that: a handler has no way to reach the
//! connection it answers on. Here each connection hands its handlers a
//! [`HangUp`].

use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Accepting fails when files run out, for one: time for some to be closed.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

/// How to end a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// In good order, with a FIN.
    Close,
    /// At once, with a RST.
    Reset,
}

/// Ends the connection that a request came in on.
#[derive(Debug, Clone)]
pub(crate) struct HangUp(mpsc::Sender<End>);

impl HangUp {
    /// Closes the connection in good order.
    pub(crate) fn close(&self) {
        self.end(End::Close);
    }

    /// Resets the connection.
    pub(crate) fn reset(&self) {
        self.end(End::Reset);
    }

    fn end(&self, end: End) {
        // A full or closed channel: the connection is ending already.
        let _ = self.0.try_send(end);
    }
}

/// Serves `router` on `listener`, HTTP/1.1 and h2c, until the task is aborted.
/// All its connections end with it.
pub(crate) async fn serve(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, router.clone()));
                }
                Err(_) => tokio::time::sleep(PAUSE_AFTER_ERROR).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(stream: TcpStream, router: Router) {
    let _ = stream.set_nodelay(true);
    // A second handle to the socket: it outlives the first, so that closing it
    // is what ends the connection.
    let Ok(socket) = SockRef::from(&stream).try_clone() else {
        return;
    };
    let (hang_up, mut asked_to_end) = mpsc::channel(1);
    let router = router.layer(Extension(HangUp(hang_up)));
    let builder = auto::Builder::new(TokioExecutor::new());
    let end = tokio::select! {
        _ = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)) => End::Close,
        Some(end) = asked_to_end.recv() => end,
    };
    if end == End::Reset {
        // With no time to linger, closing discards what is unsent and resets.
        let _ = socket.set_linger(Some(Duration::ZERO));
    }
}
