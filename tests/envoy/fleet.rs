//! How often several Envoys ask one endpoint: as docs/scaling.md has it, whose examples are checked.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dev_idp::{DevIdp, DevIdpConfig, Mint};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::get;
use crate::gateway::{Gateway, Setup, plugin};

const ENVOYS: usize = 3;
const TOKENS: usize = 10;
/// In each Envoy.
const WORKERS: u32 = 2;
/// How often a client uses its token.
const PAUSE: Duration = Duration::from_millis(100);

/// A fleet, and what the formula says of it.
struct Case {
    cache: Value,
    /// `introspection.timeout`.
    timeout: &'static str,
    /// How many in one Envoy remember apart.
    askers: u128,
    /// Of tokens, in whole seconds.
    lifetime: Duration,
    /// For how long each token is in use.
    used_for: Duration,
    max_ttl: Duration,
    /// The time from one question about a token to the next.
    interval: Duration,
}

/// One client's use of one token at one Envoy.
struct Use {
    begin: Instant,
    /// When the first answer came.
    first_answer: Instant,
    /// When the last request but one was sent, and when the last answer came.
    last_but_one: Instant,
    end: Instant,
    /// The longest time from one request to the next one's answer.
    gap: Duration,
}

async fn use_token(gateway: SocketAddr, token: String, used_for: Duration) -> Use {
    let authorization = format!("Bearer {token}");
    let begin = Instant::now();
    let mut found = Use {
        begin,
        first_answer: begin,
        last_but_one: begin,
        end: begin,
        gap: Duration::ZERO,
    };
    let mut last = begin;
    while begin.elapsed() < used_for {
        let now = Instant::now();
        let answer = get(gateway, "/api/x", &[("authorization", &authorization)]).await;
        assert_eq!(answer.status, 200);
        if found.end == begin {
            found.first_answer = Instant::now();
        }
        found.end = Instant::now();
        found.gap = found.gap.max(found.end - last);
        (found.last_but_one, last) = (last, now);
        tokio::time::sleep(PAUSE).await;
    }
    found
}

/// How often one that remembers asks about a token that is in use for that time and lives for `lifetime`:
/// once, and again after every interval, unless it expires within `max_ttl` then.
fn questions(
    used_for: Duration,
    lifetime: Duration,
    max_ttl: Duration,
    interval: Duration,
) -> u128 {
    let interval = interval.as_millis();
    let again = used_for.as_millis() / interval;
    let until_expiry = lifetime.saturating_sub(max_ttl).as_millis();
    1 + again.min(until_expiry.div_ceil(interval))
}

async fn check(case: Case) {
    let idp = DevIdp::start(DevIdpConfig::default()).await.unwrap();
    let mut gateways = Vec::new();
    for _ in 0..ENVOYS {
        let mut plugin = plugin();
        plugin["introspection"]["timeout"] = json!(case.timeout);
        plugin["cache"] = case.cache.clone();
        let setup = Setup {
            plugin,
            workers: WORKERS,
            endpoint: Some(idp.idp_addr()),
            ..Setup::default()
        };
        gateways.push(Gateway::start(setup).await);
    }
    let mint = Mint::default().scope("api:read");
    let mint = mint.lifetime_seconds(i64::try_from(case.lifetime.as_secs()).unwrap());
    let tokens: Vec<_> = (0..TOKENS).map(|_| idp.mint(&mint)).collect();
    let mut clients = JoinSet::new();
    for gateway in &gateways {
        for token in &tokens {
            clients.spawn(use_token(gateway.address, token.clone(), case.used_for));
        }
    }
    let uses = clients.join_all().await;
    let counted = u128::try_from(idp.introspections()).unwrap();

    let most = uses.iter().map(|it| {
        let used_for = it.end - it.begin;
        questions(used_for, case.lifetime, case.max_ttl, case.interval)
    });
    // A token is asked about again when it is used, which may be a while after it could have been;
    // and its `exp` is a whole second.
    let least = uses.iter().map(|it| {
        let used_for = it.last_but_one.saturating_duration_since(it.first_answer);
        let interval = case.interval + it.gap;
        questions(
            used_for,
            case.lifetime.saturating_sub(SECOND),
            case.max_ttl,
            interval,
        )
    });
    let least = least.sum::<u128>() * case.askers;
    let most = most.sum::<u128>() * case.askers;
    // Two workers now and then ask both: leases are no promise.
    let most = most + most / 10;
    eprintln!("{counted} questions; {least} to {most} by the formula");
    assert!(
        least <= counted && counted <= most,
        "{least} <= {counted} <= {most}"
    );
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn tokens_in_use_are_asked_about_a_little_more_often_than_max_ttl() {
    check(Case {
        cache: json!({ "max_ttl": "2s" }),
        timeout: "100ms",
        askers: 1,
        lifetime: 120 * SECOND,
        used_for: 8 * SECOND,
        max_ttl: 2 * SECOND,
        // A tenth of it early.
        interval: SECOND * 18 / 10,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_may_take_long_is_asked_up_to_twice_as_often() {
    check(Case {
        cache: json!({ "max_ttl": "4s" }),
        timeout: "20s",
        askers: 1,
        lifetime: 120 * SECOND,
        used_for: 7 * SECOND,
        max_ttl: 4 * SECOND,
        interval: 2 * SECOND,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_refresh_ahead_max_ttl_is_what_counts() {
    check(Case {
        cache: json!({ "max_ttl": "2s", "refresh_ahead": false }),
        timeout: "20s",
        askers: 1,
        lifetime: 120 * SECOND,
        used_for: 7 * SECOND,
        max_ttl: 2 * SECOND,
        interval: 2 * SECOND,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_live_no_longer_than_max_ttl_are_asked_about_once() {
    check(Case {
        cache: json!({ "max_ttl": "6s" }),
        timeout: "20s",
        askers: 1,
        lifetime: 6 * SECOND,
        used_for: 4 * SECOND,
        max_ttl: 6 * SECOND,
        // Half of it: longer ones would be asked about again.
        interval: 3 * SECOND,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_share_nothing_ask_each_for_itself() {
    check(Case {
        cache: json!({ "max_ttl": "6s", "shared": false }),
        timeout: "20s",
        askers: u128::from(WORKERS),
        lifetime: 6 * SECOND,
        used_for: 4 * SECOND,
        max_ttl: 6 * SECOND,
        interval: 3 * SECOND,
    })
    .await;
}

/// When a token in use is asked about again, as docs/configuration.md has it.
fn interval(max_ttl: Duration, timeout: Duration) -> Duration {
    max_ttl.saturating_sub(timeout.min(max_ttl / 2).max(max_ttl / 10))
}

#[test]
fn the_examples_are_what_the_formula_gives() {
    let text = include_str!("../../docs/scaling.md");
    let rows = text
        .lines()
        .skip_while(|line| !line.starts_with("| example |"));
    let rows: Vec<_> = rows
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(rows.len() >= 6, "{rows:?}");
    for row in rows {
        let cells: Vec<_> = row.split('|').skip(2).map(str::trim).collect();
        let number = |cell: usize| cells[cell].replace(',', "").parse::<u32>().unwrap();
        let [askers, tokens, lifetime, max_ttl, timeout] = [0, 1, 2, 3, 4].map(number);
        let [lifetime, max_ttl, timeout] = [lifetime, max_ttl, timeout].map(|s| SECOND * s);
        let interval = interval(max_ttl, timeout);
        let asked = questions(lifetime, lifetime, max_ttl, interval);
        let of_all = u128::from(askers) * u128::from(tokens) * asked;
        let rate = (of_all * 1000).div_ceil(lifetime.as_millis());
        let expected = [u128::from(interval.as_secs()), asked, rate];
        assert_eq!(
            [5, 6, 7].map(|cell| u128::from(number(cell))),
            expected,
            "{row}"
        );
    }
}
