//! Steady traffic of all kinds, whose answers are compared with the model.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use dev_idp::Mint;
use tokio::task::JoinSet;

use crate::client::http2;
use crate::gateway::{Gateway, until};
use crate::model::{KIND, Kind, Spares};

/// Between an answer and the next request of the same client.
pub const PACE: Duration = Duration::from_millis(10);

/// A request without an answer for so long is lost: more than the ten seconds for which one may
/// wait for its turn, and the timeout of the question after it.
const LOST_AFTER: Duration = Duration::from_secs(15);

/// As many right answers of each kind, none wrong between them, and all is well again.
const WELL_AGAIN: usize = 10;

/// What has been answered so far.
#[derive(Debug, Default)]
pub struct Tally {
    pub requests: usize,
    pub wrong: Vec<String>,
    pub lost: Vec<String>,
    /// Statuses from the fault's beginning until all is well again.
    pub during: BTreeMap<u16, usize>,
    /// How often a known token was answered with 503 in that time.
    known_unavailable: usize,
    /// How long known tokens took, since it was last asked.
    known_took: Vec<Duration>,
    spares: Option<Spares>,
    mended_at: Option<Instant>,
    well_at: Option<Instant>,
    last_failure: Option<Instant>,
    in_a_row: [usize; Kind::ALL.len()],
}

impl Tally {
    fn answered(&mut self, kind: Kind, began: Instant, status: u16) {
        self.requests += 1;
        // The fault may have begun while the request was on its way, or have ended.
        let is_concerned = self.well_at.is_none_or(|well_at| began < well_at);
        let spares = self.spares.filter(|_| is_concerned);
        if spares.is_some() {
            *self.during.entry(status).or_default() += 1;
            self.known_unavailable += usize::from(kind == Kind::Known && status == 503);
        }
        if kind == Kind::Known {
            self.known_took.push(began.elapsed());
        }
        let is_right = status == kind.expected();
        let is_excused = spares.is_some_and(|spares| spares.excuses(kind, status));
        if !is_right && !is_excused {
            let phase = match (self.spares, spares) {
                (None, _) => "before",
                (Some(_), Some(_)) => "during",
                (Some(_), None) => "after",
            };
            let took = began.elapsed().as_millis();
            let what = format!("{kind:?}: {status} {phase} the fault, after {took} ms");
            self.wrong.push(what);
        }
        self.follows(kind, began, is_right);
    }

    fn lost(&mut self, kind: Kind, began: Instant, why: &str) {
        self.requests += 1;
        self.lost.push(format!("{kind:?}: {why}"));
        self.follows(kind, began, false);
    }

    /// Whether all is well again goes by requests that began after the fault has ended.
    fn follows(&mut self, kind: Kind, began: Instant, is_right: bool) {
        if self.mended_at.is_none_or(|mended| began < mended) {
            return;
        }
        if is_right {
            self.in_a_row[kind as usize] += 1;
        } else {
            self.in_a_row = Default::default();
            self.last_failure = Some(Instant::now());
        }
    }

    /// This and other traffic at the same time.
    pub fn and(mut self, other: Self) -> Self {
        self.requests += other.requests;
        self.wrong.extend(other.wrong);
        self.lost.extend(other.lost);
        for (status, times) in other.during {
            *self.during.entry(status).or_default() += times;
        }
        self.mended_at = self.mended_at.max(other.mended_at);
        self.last_failure = self.last_failure.max(other.last_failure);
        self
    }

    /// From the end of the fault to the last answer that was not right.
    pub fn recovered_after(&self) -> Option<Duration> {
        let mended = self.mended_at?;
        let last = self.last_failure.unwrap_or(mended);
        Some(last.saturating_duration_since(mended))
    }
}

/// How long a token lives, in seconds: for longer than any clock is set.
pub const LIFETIME: i64 = 3 * 3600;

/// Where traffic goes, and what is good there.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: SocketAddr,
    /// A path that needs a token, and one that does not.
    pub paths: [&'static str; 2],
    /// The scope that is needed, and one that is of no use.
    pub scopes: [&'static str; 2],
}

impl Target {
    /// With the usual plugin configuration.
    pub fn usual(address: SocketAddr) -> Self {
        Self {
            address,
            paths: ["/api/x", "/open"],
            scopes: ["api:read", "other"],
        }
    }
}

/// Running traffic. It ends when this is dropped.
pub struct Load {
    tally: Arc<Mutex<Tally>>,
    sent: Arc<AtomicUsize>,
    clients: JoinSet<()>,
}

impl Load {
    /// Two clients for each kind of request, one of them over HTTP/2.
    pub fn start(gateway: &Arc<Gateway>, target: &Target) -> Self {
        let mut load = Self {
            tally: Arc::default(),
            sent: Arc::default(),
            clients: JoinSet::new(),
        };
        for kind in Kind::ALL {
            for http in [http1(), http2()] {
                let client = Client {
                    http,
                    kind,
                    target: target.clone(),
                    known: lasting(gateway, target.scopes[0]),
                    gateway: Arc::clone(gateway),
                    tally: Arc::clone(&load.tally),
                    sent: Arc::clone(&load.sent),
                };
                load.clients.spawn(client.run());
            }
        }
        load
    }

    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap()
    }

    /// From now on some may be answered with 503.
    pub fn fault_begins(&self, spares: Spares) {
        self.tally().spares = Some(spares);
    }

    /// From now on all is to become well again.
    pub fn fault_ends(&self) {
        self.tally().mended_at = Some(Instant::now());
    }

    /// Waits until it is, after which nothing is excused any more.
    pub async fn until_well(&self) {
        until("all answers are right again", async || {
            let tally = self.tally();
            tally.in_a_row.iter().all(|right| *right >= WELL_AGAIN)
        })
        .await;
        self.tally().well_at = Some(Instant::now());
    }

    /// Waits until so many requests more have been answered.
    pub async fn answers(&self, more: usize) {
        let before = self.tally().requests;
        until("requests are answered", async || {
            self.tally().requests >= before + more
        })
        .await;
    }

    /// Waits until the fault has shown itself in so many answers of 503.
    pub async fn shows(&self, times: usize) {
        until("the fault shows", async || {
            self.tally().during.get(&503).copied().unwrap_or_default() >= times
        })
        .await;
    }

    /// How long 99 of 100 requests with a known token took at most since this was last asked, in
    /// milliseconds.
    pub fn p99_of_known(&self) -> u128 {
        let mut took = std::mem::take(&mut self.tally().known_took);
        took.sort_unstable();
        took[(took.len() * 99 / 100).min(took.len() - 1)].as_millis()
    }

    /// Whether anybody has been answered so since the fault began.
    pub fn has_shown(&self, status: u16) -> bool {
        self.tally().during.contains_key(&status)
    }

    /// Whether a known token has been answered with 503 since the fault began.
    pub fn concerns_known(&self) -> bool {
        self.tally().known_unavailable > 0
    }

    /// Ends it: each request is answered, or lost.
    pub async fn end(mut self) -> Tally {
        self.sent.store(usize::MAX / 2, Ordering::SeqCst);
        while let Some(client) = self.clients.join_next().await {
            client.unwrap();
        }
        std::mem::take(&mut *self.tally())
    }
}

struct Client {
    http: reqwest::Client,
    kind: Kind,
    target: Target,
    known: String,
    gateway: Arc<Gateway>,
    tally: Arc<Mutex<Tally>>,
    /// Makes each token another one; beyond half of all numbers it is time to end.
    sent: Arc<AtomicUsize>,
}

impl Client {
    async fn run(self) {
        loop {
            let number = self.sent.fetch_add(1, Ordering::SeqCst);
            if number >= usize::MAX / 2 {
                return;
            }
            self.ask(number).await;
            tokio::time::sleep(PACE).await;
        }
    }

    async fn ask(&self, number: usize) {
        let token = match self.kind {
            Kind::Known => Some(self.known.clone()),
            Kind::New => Some(lasting(&self.gateway, self.target.scopes[0])),
            Kind::Weak => Some(lasting(&self.gateway, self.target.scopes[1])),
            Kind::Junk => Some(format!("junk{number}")),
            Kind::Missing | Kind::Open => None,
        };
        let Target { address, paths, .. } = &self.target;
        let path = paths[usize::from(self.kind == Kind::Open)];
        let mut request = self.http.get(format!("http://{address}{path}"));
        request = request.header(KIND, self.kind.name());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let began = Instant::now();
        let answer = tokio::time::timeout(LOST_AFTER, async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            response.bytes().await?;
            Ok::<_, reqwest::Error>(status)
        })
        .await;
        let mut tally = self.tally.lock().unwrap();
        match answer {
            Ok(Ok(status)) => tally.answered(self.kind, began, status),
            Ok(Err(error)) => tally.lost(self.kind, began, &format!("{error:?}")),
            Err(_) => tally.lost(self.kind, began, "no answer in time"),
        }
    }
}

/// Another token that no clock ends.
fn lasting(gateway: &Gateway, scope: &str) -> String {
    let mint = Mint::default().scope(scope).lifetime_seconds(LIFETIME);
    gateway.idp.mint(&mint)
}

/// A client of HTTP/1.1 that keeps its connection.
pub fn http1() -> reqwest::Client {
    reqwest::Client::builder().http1_only().build().unwrap()
}
