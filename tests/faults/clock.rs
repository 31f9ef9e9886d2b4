//! The wall clock is set, of Envoy alone or of all there is; and tokens expire in mid-traffic.
//!
//! Envoy preloads a library that tells it another time (`set-clock/`). Its monotonic clock, and with
//! that its timers, goes on. All else here has the machine's clock, but for the identity provider
//! where a row sets that one too.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dev_idp::{Fault, Mint};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::{Gateway, Setup, until};
use crate::holder::{Holder, Turn};
use crate::load::Load;
use crate::model::Spares;
use crate::recorder::Recorder;
use crate::report::{Report, Row};
use crate::scene::{ANSWERS, setup, under_load, unhurried};
use crate::stats::lookups;

const HOUR: u32 = 3600;

/// So much longer than `exp` the identity provider lets a token live, in seconds.
const ITS_LEEWAY: u64 = 60;

/// What else happens while Envoy's clock is set forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Besides {
    Nothing,
    /// Tokens that have expired are refused without a question.
    Precheck,
    /// The identity provider's clock is set too.
    Everywhere,
    /// The endpoint is out.
    Outage,
}

pub fn rows() -> Vec<Row> {
    let forward = [
        (
            "Envoy's clock set forward by an hour, and back",
            Besides::Nothing,
        ),
        (
            "Envoy's clock set forward by an hour, with `jwt_precheck`",
            Besides::Precheck,
        ),
        (
            "Envoy's clock and the endpoint's set forward by an hour",
            Besides::Everywhere,
        ),
        (
            "Envoy's clock set forward by an hour in an outage",
            Besides::Outage,
        ),
    ];
    let forward = forward
        .into_iter()
        .map(|(name, besides)| Row::new(name, move || forward_with(besides)));
    let others = [
        Row::new("Envoy's clock set back by an hour, and forward", back),
        Row::new("Envoy's clock set to and fro, by seconds", to_and_fro),
        Row::new(
            "tokens that expire, by Envoy's clock and by the endpoint's",
            || async {
                let (one, other) = futures_util::future::join(by_precheck(), by_endpoint()).await;
                one.and(other)
            },
        ),
    ];
    forward.chain(others).collect()
}

/// Envoy's wall clock.
struct Clock {
    /// With the library too: the loader takes a space in its path for the end of it.
    folder: TempDir,
    set_by: File,
}

impl Clock {
    /// Right at first.
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let library = std::env::var_os("PORTVAKT_SET_CLOCK");
        let library = library.expect("PORTVAKT_SET_CLOCK is not set: run `make test-faults`");
        fs::copy(library, folder.path().join("library")).unwrap();
        let set_by = File::create(folder.path().join("clock")).unwrap();
        let clock = Self { folder, set_by };
        clock.set(0);
        clock
    }

    /// So many milliseconds ahead of the machine's, or behind it.
    fn set(&self, millis: i64) {
        let nanos = (millis * 1_000_000).to_ne_bytes();
        self.set_by.write_all_at(&nanos, 0).unwrap();
    }

    async fn start(&self, api: &Recorder, plugin: Value) -> Gateway {
        let path = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        Gateway::start(Setup {
            environment: vec![
                ("LD_PRELOAD", path("library")),
                ("SET_CLOCK", path("clock")),
            ],
            plugin,
            ..setup(api)
        })
        .await
    }
}

/// Envoy dates its answers so many seconds from now. It looks twice a second.
async fn until_dated(gateway: &Gateway, ahead: i64) {
    until("Envoy has the other time", async || {
        let date = gateway.get("/open", &[]).await.header("date").unwrap();
        // `Sat, 28 Nov 2026 09:54:35 GMT` (RFC 9110 section 5.6.7).
        let time = date.split(' ').nth(4).unwrap().split(':');
        let told = time.fold(0, |so_far, part| so_far * 60 + part.parse::<i64>().unwrap());
        let now = i64::try_from(since_1970().as_secs()).unwrap();
        let off = (told - now - ahead).rem_euclid(24 * 3600);
        off <= 2 || off >= 24 * 3600 - 2
    })
    .await;
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// A good token with that `exp`, in seconds since 1970.
fn expiring(gateway: &Gateway, exp: u64) -> String {
    let mint = Mint::default().scope("api:read").claim("exp", exp);
    gateway.idp.mint(&mint)
}

/// Its `exp` lies between what Envoy takes the time for before and after.
async fn forward_with(besides: Besides) -> Report {
    let (api, clock) = (Recorder::start().await, Clock::new());
    let mut plugin = unhurried();
    let (spares, due) = match besides {
        // What the endpoint has just said counts.
        Besides::Nothing => (Spares::Everybody, [200, 200]),
        Besides::Precheck => {
            plugin["jwt_precheck"] = json!({});
            (Spares::Everybody, [200, 401])
        }
        Besides::Everywhere => (Spares::Everybody, [200, 401]),
        // It counts no more, and whose time is not up does.
        Besides::Outage => {
            plugin["cache"]["stale_if_error"] = json!("2h");
            (Spares::Known, [200, 503])
        }
    };
    let gateway = clock.start(&api, plugin).await;
    let told = std::cell::Cell::new([0, 0]);
    let on = async |gateway: &Gateway, load: &Load| {
        let exp = since_1970().as_secs() + u64::from(HOUR) / 2;
        let holder = Holder::start(gateway, expiring(gateway, exp));
        holder.answers(20).await;
        if besides == Besides::Outage {
            gateway.idp.set_fault(Some(Fault::Status { status: 500 }));
            until("known tokens outlive their time", async || {
                gateway.stat(&lookups("stale")).await > 0
            })
            .await;
            holder.answers(20).await;
        }
        let start = Instant::now();
        if besides == Besides::Everywhere {
            gateway.idp.set_ahead(HOUR);
        }
        clock.set(1000 * i64::from(HOUR));
        let when = start..Instant::now();
        until_dated(gateway, HOUR.into()).await;
        holder.answers(20).await;
        load.answers(ANSWERS).await;
        told.set(holder.judge(load, &Turn { when, due }).await);
    };
    let off = async |gateway: &Gateway| {
        gateway.idp.set_fault(None);
        // Tokens that were minted ahead would be of the future then.
        if besides != Besides::Everywhere {
            clock.set(0);
            until_dated(gateway, 0).await;
        }
    };
    let report = under_load(gateway, &api, spares, on, off).await;
    report.note(turned(due, &[told.get()]))
}

fn turned(due: [u16; 2], told: &[[usize; 2]]) -> String {
    let [before, after] = due;
    let sum = |which: usize| told.iter().map(|told| told[which]).sum::<usize>();
    let (times_before, times_after) = (sum(0), sum(1));
    let tokens = if told.len() == 1 { "a token" } else { "tokens" };
    format!("{tokens} whose `exp` passes: {before} × {times_before}, then {after} × {times_after}")
}

/// The identity provider lets a token expire, which Envoy cannot see: then it counts for as long as
/// `cache.max_ttl` says, a second here.
async fn back() -> Report {
    let (api, clock) = (Recorder::start().await, Clock::new());
    let gateway = clock.start(&api, unhurried()).await;
    let told = std::cell::Cell::new([0, 0]);
    let due = [200, 401];
    let on = async |gateway: &Gateway, load: &Load| {
        clock.set(-1000 * i64::from(HOUR));
        until_dated(gateway, -i64::from(HOUR)).await;
        let ends = since_1970().as_secs() + 2;
        let holder = Holder::start(gateway, expiring(gateway, ends - ITS_LEEWAY));
        let max_ttl = Duration::from_secs(1);
        let when = at(ends)..at(ends + 1) + max_ttl;
        tokio::time::sleep_until(when.end.into()).await;
        holder.answers(20).await;
        load.answers(ANSWERS).await;
        told.set(holder.judge(load, &Turn { when, due }).await);
    };
    let off = async |gateway: &Gateway| {
        clock.set(0);
        until_dated(gateway, 0).await;
    };
    let report = under_load(gateway, &api, Spares::Everybody, on, off).await;
    report.note(turned(due, &[told.get()]))
}

/// That many seconds since 1970.
fn at(seconds: u64) -> Instant {
    let left = Duration::from_secs(seconds).checked_sub(since_1970());
    Instant::now() + left.expect("it is to come")
}

async fn to_and_fro() -> Report {
    let (api, clock) = (Recorder::start().await, Clock::new());
    let gateway = clock.start(&api, unhurried()).await;
    let on = async |_: &Gateway, _: &Load| {
        let mut random = fastrand::Rng::with_seed(13);
        for _ in 0..40 {
            clock.set(random.i64(-4000..4000));
            tokio::time::sleep(Duration::from_millis(random.u64(10..90))).await;
        }
    };
    let off = async |gateway: &Gateway| {
        clock.set(0);
        until_dated(gateway, 0).await;
    };
    under_load(gateway, &api, Spares::Everybody, on, off).await
}

/// Nobody is asked about a token any more that has expired, by Envoy's clock to the millisecond. It
/// is not remembered either: within the leeway the endpoint's word counts, each time anew.
async fn by_precheck() -> Report {
    let mut plugin = unhurried();
    plugin["jwt_precheck"] = json!({ "leeway": "1s" });
    // By then `exp` and leeway are over.
    expire(plugin, |over| (over - 1, at(over)..at(over))).await
}

/// Texas lets it live longer than `exp`, and sees no fractions of a second.
async fn by_endpoint() -> Report {
    let over = |over: u64| (over - ITS_LEEWAY, at(over)..at(over + 1));
    expire(unhurried(), over).await
}

/// Tokens that are over in some seconds: the `exp` of each, and when its turn comes.
async fn expire(plugin: Value, over: impl Fn(u64) -> (u64, std::ops::Range<Instant>)) -> Report {
    let api = Recorder::start().await;
    let gateway = Gateway::start(Setup {
        plugin,
        ..setup(&api)
    })
    .await;
    let told = std::cell::RefCell::new(Vec::new());
    let due = [200, 401];
    let on = async |gateway: &Gateway, load: &Load| {
        let now = since_1970().as_secs();
        let mut holders = Vec::new();
        for later in [2, 2, 3] {
            let (exp, when) = over(now + later);
            let holder = Holder::start(gateway, expiring(gateway, exp));
            holders.push((holder, Turn { when, due }));
        }
        for (holder, turn) in holders {
            tokio::time::sleep_until(turn.when.end.into()).await;
            holder.answers(20).await;
            let times = holder.judge(load, &turn).await;
            told.borrow_mut().push(times);
        }
    };
    let report = under_load(gateway, &api, Spares::Everybody, on, async |_| {}).await;
    report.note(turned(due, &told.borrow()))
}
