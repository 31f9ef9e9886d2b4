//! Floods that aim at what the filter puts off: requests that wait in the root context, which a
//! message on a queue wakes, and what rests on its tick.
//!
//! On the tick alone rests that a request goes on that waits for another worker's answer (each 10
//! ms, while there are any), and that one is refused whose question was not asked for ten seconds.
//! So beside each flood new tokens are sent to both workers at once, again and again: one of the two
//! asks, and the other's requests wait for a tick. To put a tick off a flood has to keep a worker
//! busy in one go, or to have the tick set anew before it comes; so heads come in hundreds with one
//! write, which Envoy reads in one turn of its event loop.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dev_idp::{Fault, Mint};
use futures_util::future::join_all;
use tokio::task::JoinSet;

use crate::client::http2;
use crate::frames::{Connection, End, last_headers, reset};
use crate::gateway::{Gateway, Setup};
use crate::load::{LIFETIME, Load};
use crate::model::{KIND, Kind, Spares};
use crate::recorder::Recorder;
use crate::report::{Report, Row};
use crate::scene::{setup, short_lived, under_load, unhurried};
use crate::stats::decisions;

/// How long a flood lasts at least: to the end of the last who wait beside it.
const FLOOD: Duration = Duration::from_millis(1500);

/// Pairs of connections that flood with bursts, and with drizzle.
const PAIRS: [usize; 2] = [3, 6];

/// Heads in one write.
const BURST: u32 = 100;

/// How long the endpoint takes: while one worker asks, the other waits.
const DELAY: Fault = Fault::Delay { ms: 50 };

/// How long new tokens may wait where no unknown ones go before them. Generous: other programs may
/// have the processors.
const SOON: Duration = Duration::from_secs(3);

/// How long anybody waits: ten seconds for the question to be asked, one for the answer, and a tick.
const AT_LAST: Duration = Duration::from_millis(12_500);

/// What comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flood {
    /// No token.
    TokenLess,
    /// A token that is known.
    Known,
    /// Tokens that never were any, each at two connections at once. Of three bursts one is
    /// cancelled at once, and one while it waits.
    Random,
    /// One after the other, a millisecond apart and cancelled at once: each wakes the root context.
    Drizzle,
}

impl Flood {
    /// What may be answered.
    fn due(self) -> &'static [u16] {
        match self {
            Self::TokenLess => &[401],
            Self::Known => &[200],
            Self::Random | Self::Drizzle => &[401, 503],
        }
    }

    /// What is counted of it, if the worker tells when it ticks at the latest.
    fn counted(self) -> Option<String> {
        match self {
            Self::TokenLess => Some(decisions("deny", "no_credentials")),
            Self::Known => Some(decisions("allow", "*")),
            Self::Random | Self::Drizzle => None,
        }
    }

    /// Unknown tokens go before new ones.
    fn spares(self) -> Spares {
        match self {
            Self::TokenLess | Self::Known => Spares::Everybody,
            Self::Random | Self::Drizzle => Spares::Known,
        }
    }

    fn patience(self) -> Duration {
        match self {
            Self::TokenLess | Self::Known => SOON,
            Self::Random | Self::Drizzle => AT_LAST,
        }
    }
}

pub fn rows() -> Vec<Row> {
    let rows = [
        ("bursts of requests without a token", Flood::TokenLess),
        ("bursts of requests with one known token", Flood::Known),
        (
            "bursts of random tokens, each to both workers, some cancelled",
            Flood::Random,
        ),
        (
            "random tokens a millisecond apart, cancelled",
            Flood::Drizzle,
        ),
    ];
    let rows = rows
        .into_iter()
        .map(|(name, flood)| Row::new(name, move || run(flood, DELAY)));
    let silent = Row::new("bursts of random tokens while the endpoint hangs", || {
        run(Flood::Random, Fault::Hold)
    });
    rows.chain([silent]).collect()
}

async fn run(flood: Flood, endpoint: Fault) -> Report {
    let api = Recorder::start().await;
    let hangs = endpoint == Fault::Hold;
    let gateway = Gateway::start(Setup {
        plugin: if hangs { short_lived() } else { unhurried() },
        ..setup(&api)
    })
    .await;
    gateway.idp.set_fault(Some(DELAY));
    let note = std::cell::OnceCell::new();
    let on = async |gateway: &Gateway, load: &Load| {
        gateway.idp.set_fault(Some(endpoint.clone()));
        let (over, answered) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
        let mut clients = JoinSet::new();
        for number in 0..PAIRS[usize::from(flood == Flood::Drizzle)] {
            let pair = Pair {
                flood,
                number,
                address: gateway.address,
                token: lasting(gateway),
                over: Arc::clone(&over),
                answered: Arc::clone(&answered),
            };
            clients.spawn(pair.run());
        }
        let ends = Instant::now() + FLOOD;
        let twins = twins(gateway, load, ends, flood.spares());
        let lag = lag(gateway, flood, &answered, ends);
        let (longest, lag) = futures_util::future::join(twins, lag).await;
        over.store(true, Ordering::SeqCst);
        while let Some(client) = clients.try_join_next() {
            client.unwrap();
        }
        if hangs {
            // What waits still is cancelled.
            clients.shutdown().await;
        }
        while let Some(client) = clients.join_next().await {
            client.unwrap();
        }
        let _ = note.set((answered.load(Ordering::SeqCst), longest, lag));
    };
    let off = async |gateway: &Gateway| gateway.idp.set_fault(Some(DELAY));
    let report = under_load(gateway, &api, flood.spares(), on, off).await;
    let (answered, (rounds, longest), lag) = note.get().unwrap();
    assert!(*longest < flood.patience(), "{longest:?}");
    let late = lag.map(|lag| {
        assert!(lag < SOON, "{lag:?}");
        format!(", counters at most {} ms late", lag.as_millis())
    });
    report.note(format!(
        "{answered} requests of the flood besides, of {rounds} new tokens at both workers none waited \
         longer than {} ms{}",
        longest.as_millis(),
        late.unwrap_or_default()
    ))
}

fn lasting(gateway: &Gateway) -> String {
    let mint = Mint::default().scope("api:read");
    gateway.idp.mint(&mint.lifetime_seconds(LIFETIME))
}

/// New tokens, each on several connections at once. How many, and how long the longest waited.
async fn twins(gateway: &Gateway, load: &Load, ends: Instant, spares: Spares) -> (usize, Duration) {
    let clients: Vec<_> = (0..6).map(|_| http2()).collect();
    let url = format!("http://{}/api/x", gateway.address);
    let (mut rounds, mut longest) = (0, Duration::ZERO);
    while Instant::now() < ends {
        let token = lasting(gateway);
        let began = Instant::now();
        let answers = clients.iter().map(|client| {
            let request = client.get(&url).header(KIND, Kind::New.name());
            request.bearer_auth(&token).send()
        });
        let answers = join_all(answers).await;
        longest = longest.max(began.elapsed());
        rounds += 1;
        let mut tally = load.tally();
        tally.requests += answers.len();
        for answer in answers {
            match answer.map(|answer| answer.status().as_u16()) {
                Ok(200) => {}
                Ok(status) if spares.excuses(Kind::New, status) => {}
                Ok(status) => tally.wrong.push(format!("a new token: {status}")),
                Err(error) => tally.lost.push(format!("a new token: {error:?}")),
            }
        }
    }
    (rounds, longest)
}

/// How late Envoy's counters were at most, if they are looked at.
async fn lag(
    gateway: &Gateway,
    flood: Flood,
    answered: &AtomicU64,
    ends: Instant,
) -> Option<Duration> {
    let counter = flood.counted()?;
    let before = gateway.stat(&counter).await;
    let (mut longest, mut awaited) = (Duration::ZERO, VecDeque::new());
    while Instant::now() < ends {
        awaited.push_back((Instant::now(), answered.load(Ordering::SeqCst)));
        let told = gateway.stat(&counter).await - before;
        while let Some((since, _)) = awaited.front().filter(|(_, count)| *count <= told) {
            longest = longest.max(Instant::elapsed(since));
            awaited.pop_front();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Some(
        awaited
            .front()
            .map_or(longest, |(since, _)| longest.max(since.elapsed())),
    )
}

/// Two connections at a time that send the same.
struct Pair {
    flood: Flood,
    number: usize,
    address: std::net::SocketAddr,
    /// A good one.
    token: String,
    over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
}

impl Pair {
    async fn run(self) {
        for round in 0_u32.. {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            let connections = [self.burst(round), self.burst(round)];
            join_all(connections).await;
        }
    }

    /// On a connection of its own, as some of those are cut on which much is cancelled.
    async fn burst(&self, round: u32) {
        let mut connection = Connection::open(self.address).await;
        let streams = (0..BURST).map(|n| 2 * n + 1);
        let heads: Vec<_> = streams
            .clone()
            .map(|stream| self.head(round, stream))
            .collect();
        let resets: Vec<_> = streams.map(reset).collect();
        let (mut left, mut cancelled) = (BURST, 0);
        if self.flood == Flood::Drizzle || (self.flood == Flood::Random && !round.is_multiple_of(3))
        {
            let both = heads.into_iter().zip(resets);
            if self.flood == Flood::Drizzle {
                for (head, reset) in both {
                    connection.send(&[head, reset]).await;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            } else if round % 3 == 1 {
                let both: Vec<_> = both.flat_map(|(head, reset)| [head, reset]).collect();
                connection.send(&both).await;
            } else {
                let (heads, resets): (Vec<_>, Vec<_>) = both.unzip();
                connection.send(&heads).await;
                tokio::time::sleep(Duration::from_millis(15)).await;
                connection.send(&resets).await;
            }
            // The last one is not: when it is answered, all of them have been read.
            connection.send(&[self.head(round, 2 * BURST + 1)]).await;
            self.answered.fetch_add(BURST.into(), Ordering::SeqCst);
            (left, cancelled) = (1, 2 * BURST);
        } else {
            connection.send(&heads).await;
        }
        while left > 0 {
            match connection.next().await {
                (stream, End::Status(status)) => {
                    assert!(
                        self.flood.due().contains(&status),
                        "{:?}: {status}",
                        self.flood
                    );
                    self.answered.fetch_add(1, Ordering::SeqCst);
                    // Some are answered before they are cancelled.
                    left -= u32::from(stream > cancelled);
                }
                (stream, End::Reset) => panic!("{:?}: {stream} is reset", self.flood),
                (_, End::Closed) => panic!("{:?}: closed", self.flood),
            }
        }
    }

    fn head(&self, round: u32, stream: u32) -> Vec<u8> {
        let random = format!("burst-{}-{round}-{stream}", self.number);
        let (token, kind) = match self.flood {
            Flood::TokenLess => (None, Kind::Missing),
            Flood::Known => (Some(&self.token), Kind::Known),
            Flood::Random | Flood::Drizzle => (Some(&random), Kind::Junk),
        };
        let authorization = token.map(|token| format!("Bearer {token}"));
        let mut fields = vec![
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/api/x"),
            (":authority", "gateway"),
            (KIND, kind.name()),
        ];
        fields.extend(
            authorization
                .iter()
                .map(|value| ("authorization", value.as_str())),
        );
        last_headers(stream, &fields)
    }
}
