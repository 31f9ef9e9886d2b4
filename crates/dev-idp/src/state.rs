//! What the servers share: the key, the fault, and what came in.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap;
use tokio::sync::watch;

use crate::client::Client;
use crate::fault::Fault;
use crate::keys::KeyRing;
use crate::recorded::Recorded;

/// The state behind every handler.
pub(crate) type Shared = Arc<State>;

pub(crate) struct State {
    pub(crate) keys: KeyRing,
    pub(crate) client: Option<Client>,
    fault: watch::Sender<Option<Fault>>,
    revoked: Mutex<HashSet<String>>,
    introspections: AtomicUsize,
    last_introspection: Mutex<Option<Recorded>>,
    api_requests: AtomicUsize,
    turn: tokio::sync::Mutex<()>,
}

impl State {
    pub(crate) fn new(keys: KeyRing, client: Option<Client>) -> Shared {
        Arc::new(Self {
            keys,
            client,
            fault: watch::Sender::new(None),
            revoked: Mutex::default(),
            introspections: AtomicUsize::new(0),
            last_introspection: Mutex::new(None),
            api_requests: AtomicUsize::new(0),
            turn: tokio::sync::Mutex::default(),
        })
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault.borrow().clone()
    }

    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        self.fault.send_replace(fault);
    }

    pub(crate) fn revoke(&self, token: String) {
        lock(&self.revoked).insert(token);
    }

    pub(crate) fn is_revoked(&self, token: &str) -> bool {
        lock(&self.revoked).contains(token)
    }

    /// Returns when there is another fault than [`Fault::Hold`], or none.
    pub(crate) async fn released(&self) {
        let mut fault = self.fault.subscribe();
        // The sender is `self`'s: waiting for it cannot fail.
        let _ = fault.wait_for(|fault| *fault != Some(Fault::Hold)).await;
    }

    /// Whoever comes first goes first.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    pub(crate) fn record_introspection(&self, path: &str, headers: &HeaderMap, body: &[u8]) {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned()))
            .collect();
        *lock(&self.last_introspection) = Some(Recorded {
            path: path.to_owned(),
            headers,
            body: body.to_owned(),
        });
        self.introspections.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn introspections(&self) -> usize {
        self.introspections.load(Ordering::SeqCst)
    }

    pub(crate) fn last_introspection(&self) -> Option<Recorded> {
        lock(&self.last_introspection).clone()
    }

    pub(crate) fn record_api_request(&self) {
        self.api_requests.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn api_requests(&self) -> usize {
        self.api_requests.load(Ordering::SeqCst)
    }
}

/// The values behind these locks are whole at all times, so a panic elsewhere does not spoil them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
