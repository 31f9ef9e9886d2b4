//! The introspection endpoint: it calls any token active, at once or when it is told to. So what is
//! measured is what asking costs, not how fast some endpoint verifies.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The path of Texas's.
pub const PATH: &str = "/api/v1/introspect";

/// A running endpoint. Dropping it ends it.
pub struct Endpoint {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

struct Shared {
    answer: String,
    callouts: AtomicUsize,
    holds: watch::Sender<bool>,
}

impl Endpoint {
    pub async fn start() -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let exp = (now + Duration::from_secs(24 * 3600)).as_secs();
        // As Texas answers about a token of Maskinporten's.
        let answer = json!({
            "active": true,
            "scope": "api:read",
            "exp": exp,
            "iat": now.as_secs(),
            "token_type": "Bearer",
            "iss": "https://test.maskinporten.no/",
            "client_amr": "private_key_jwt",
            "jti": "Fx6vvRP-75Y_NRY03wymr7_vySW7NQlo9b5I94yOFZ4",
            "consumer": { "ID": "0192:910753614", "authority": "iso6523-actorid-upis" },
            "client_id": "e4f9b547-432f-52db-8645-a9b8d7bd4550",
        });
        let shared = Arc::new(Shared {
            answer: answer.to_string(),
            callouts: AtomicUsize::new(0),
            holds: watch::Sender::new(false),
        });
        let router = Router::new()
            .route(PATH, post(answer_active))
            .with_state(Arc::clone(&shared));
        let (address, server) = serve(router).await;
        Self {
            address,
            shared,
            _server: server,
        }
    }

    /// How many questions have come.
    pub fn callouts(&self) -> usize {
        self.shared.callouts.load(Ordering::Relaxed)
    }

    /// Whether questions are left without an answer from now on. What waits is answered after that.
    pub fn hold(&self, holds: bool) {
        self.shared.holds.send_replace(holds);
    }
}

async fn answer_active(
    State(shared): State<Arc<Shared>>,
    _question: String,
) -> ([(axum::http::HeaderName, &'static str); 1], String) {
    shared.callouts.fetch_add(1, Ordering::Relaxed);
    let _ = shared.holds.subscribe().wait_for(|holds| !holds).await;
    ([(CONTENT_TYPE, "application/json")], shared.answer.clone())
}

/// Serves on a free port.
pub async fn serve(router: Router) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, server)
}
