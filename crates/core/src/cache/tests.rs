mod model;

use std::time::Duration;

use super::*;
use crate::introspection::api::Api;
use crate::introspection::api::texas::Texas;
use crate::testing::shared_data::FakeData;

const START: u64 = 1_795_000_000_000;

fn at(millis: u64) -> Time {
    Time::from_millis(START + millis)
}

fn id(token: u8) -> TokenId {
    TokenId::of(&format!("token{token}"))
}

fn reader() -> ResponseReader {
    ResponseReader::default()
}

fn lifetimes() -> Lifetimes {
    Lifetimes {
        max_ttl: Duration::from_secs(60),
        inactive_ttl: Duration::from_secs(5),
        stale_if_error: Duration::from_secs(120),
        refresh_ahead: Some(Duration::from_secs(1)),
    }
}

fn worker(lifetimes: Lifetimes, max_entries: usize) -> Cache {
    let sharing = Fingerprint::of([b"idp".as_slice()]);
    Cache::new(
        lifetimes,
        LocalCache::common(max_entries),
        max_entries,
        Some(sharing),
    )
}

/// An answer about an active token that expires that many seconds after the start.
fn active(scope: &str, exp: Option<u64>) -> String {
    let exp = exp.map(|exp| format!(r#","exp":{}"#, START / 1000 + exp));
    format!(
        r#"{{"active":true,"scope":"{scope}"{}}}"#,
        exp.unwrap_or_default()
    )
}

const INACTIVE: &str = r#"{"active":false}"#;

fn learn(cache: &Cache, data: &FakeData, token: u8, answer: &str, millis: u64) {
    let introspection = reader().parse_body(answer.as_bytes()).unwrap();
    cache.learn(
        &id(token),
        &introspection,
        answer.as_bytes(),
        at(millis),
        at(millis),
        data,
    );
}

fn look_up(cache: &Cache, data: &FakeData, token: u8, millis: u64) -> Option<Found> {
    cache.look_up(&id(token), at(millis), &reader(), data)
}

fn freshness(cache: &Cache, data: &FakeData, token: u8, millis: u64) -> Freshness {
    look_up(cache, data, token, millis).map_or(Freshness::None, |found| found.freshness)
}

/// What a cache says about a token, without its time.
#[derive(Debug, PartialEq)]
enum Said {
    Active(Freshness),
    Inactive,
    Nothing,
}

fn said(found: Option<Found>) -> Said {
    match found {
        Some(found) if found.freshness != Freshness::None => match found.introspection {
            Introspection::Active(_) => Said::Active(found.freshness),
            Introspection::Inactive => Said::Inactive,
        },
        _ => Said::Nothing,
    }
}

#[test]
fn a_known_token_counts_for_its_time() {
    let inactive = || INACTIVE.to_owned();
    for (answer, millis, expected) in [
        (active("a", None), 0, Freshness::Fresh),
        (active("a", None), 59_999, Freshness::Fresh),
        (active("a", None), 60_000, Freshness::Stale),
        (active("a", None), 179_999, Freshness::Stale),
        (active("a", None), 180_000, Freshness::None),
        (active("a", Some(30)), 29_999, Freshness::Fresh),
        (active("a", Some(30)), 30_000, Freshness::None),
        (active("a", Some(90)), 89_999, Freshness::Stale),
        (active("a", Some(90)), 90_000, Freshness::None),
        (inactive(), 4_999, Freshness::Fresh),
        (inactive(), 5_000, Freshness::None),
    ] {
        // The worker that asked, and one that has it from the shared data.
        let data = FakeData::default();
        let (asked, other) = (worker(lifetimes(), 10), worker(lifetimes(), 10));
        learn(&asked, &data, 1, &answer, 0);
        assert_eq!(
            freshness(&asked, &data, 1, millis),
            expected,
            "{answer} {millis}"
        );
        assert_eq!(
            freshness(&other, &data, 1, millis),
            expected,
            "{answer} {millis}, shared"
        );
        assert_eq!(look_up(&asked, &data, 2, millis), None);
    }
}

#[test]
fn what_is_not_kept_replaces_what_was() {
    let off = Lifetimes {
        inactive_ttl: Duration::ZERO,
        ..lifetimes()
    };
    let long = active(&"x".repeat(MAX_ANSWER), None);
    for (lifetimes, answer) in [
        (off, INACTIVE),
        (lifetimes(), &active("b", Some(1))),
        (lifetimes(), &long),
    ] {
        let data = FakeData::default();
        let (asked, other) = (worker(lifetimes, 10), worker(lifetimes, 10));
        learn(&asked, &data, 1, &active("a", None), 0);
        assert_eq!(freshness(&asked, &data, 1, 1_000), Freshness::Fresh);
        learn(&asked, &data, 1, answer, 1_000);
        assert_eq!(look_up(&asked, &data, 1, 1_000), None, "{lifetimes:?}");
        assert_eq!(look_up(&other, &data, 1, 1_000), None, "{lifetimes:?}");
    }
}

#[test]
fn zero_keeps_nothing() {
    let off = Lifetimes {
        max_ttl: Duration::ZERO,
        inactive_ttl: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        refresh_ahead: None,
    };
    let data = FakeData::default();
    let cache = worker(off, 10);
    learn(&cache, &data, 1, &active("a", None), 0);
    learn(&cache, &data, 2, INACTIVE, 0);
    assert_eq!((cache.len(), look_up(&cache, &data, 1, 0)), (0, None));
    assert_eq!(take_lease(&cache, &data, 1, 0), Lease::Ours);
    assert_eq!(data.keys(), 0, "nothing is shared");
}

fn take_lease(cache: &Cache, data: &FakeData, token: u8, millis: u64) -> Lease {
    cache.take_lease(&id(token), at(millis), &reader(), data, |found| {
        (found.freshness == Freshness::Fresh).then_some(found.introspection)
    })
}

/// Who is about to ask finds what was said meanwhile, whose lease it is, and what is known already.
#[test]
fn who_asks() {
    let data = FakeData::default();
    let (one, other) = (worker(lifetimes(), 10), worker(lifetimes(), 10));
    assert_eq!(take_lease(&one, &data, 1, 0), Lease::Ours);
    assert_eq!(take_lease(&other, &data, 1, 0), Lease::Theirs);
    learn(&one, &data, 1, INACTIVE, 1);
    let inactive = Lease::Needless(Introspection::Inactive);
    assert_eq!(take_lease(&other, &data, 1, 2), inactive);
    // From now on it knows by itself.
    assert_eq!(other.len(), 1);
    assert_eq!(take_lease(&other, &FakeData::default(), 1, 3), inactive);
    // With its answer the lease was over.
    assert_eq!(take_lease(&other, &data, 1, 5_001), Lease::Ours);
    assert_eq!(take_lease(&one, &data, 1, 5_001), Lease::Theirs);
    other.end_lease(&id(1).digest, at(5_002), &data);
    assert_eq!(take_lease(&one, &data, 1, 5_002), Lease::Ours);
    // What lands late ends it too, and changes nothing else.
    let introspection = reader().parse_body(active("a", None).as_bytes()).unwrap();
    let words = active("a", None);
    one.learn(
        &id(1),
        &introspection,
        words.as_bytes(),
        at(0),
        at(5_003),
        &data,
    );
    assert_eq!(take_lease(&other, &data, 1, 5_003), Lease::Ours);
    assert_eq!(freshness(&one, &data, 1, 5_003), Freshness::None);
}

#[test]
fn a_token_in_use_is_due_once_in_a_while() {
    let data = FakeData::default();
    let cache = worker(lifetimes(), 10);
    learn(&cache, &data, 1, &active("a", None), 0);
    let is_due = |millis| look_up(&cache, &data, 1, millis).unwrap().is_due;
    for (millis, expected) in [
        (0, false),
        (53_999, false),
        (54_000, true),
        (54_001, false),
        (54_999, false),
        (55_000, true),
        (59_999, true),
        (60_000, false),
        (61_000, true),
        (61_500, false),
    ] {
        assert_eq!(is_due(millis), expected, "{millis}");
    }
    learn(&cache, &data, 1, &active("a", None), 62_000);
    assert!(!is_due(62_001));
}

#[test]
fn what_another_worker_has_renewed_is_not_renewed_again() {
    let data = FakeData::default();
    let (one, other) = (worker(lifetimes(), 10), worker(lifetimes(), 10));
    learn(&one, &data, 1, &active("a", None), 0);
    assert_eq!(look_up(&other, &data, 1, 0).unwrap().source, Source::Shared);
    assert_eq!(look_up(&other, &data, 1, 1).unwrap().source, Source::Local);
    learn(&one, &data, 1, &active("a b", None), 54_000);
    let found = look_up(&other, &data, 1, 54_500).unwrap();
    assert!(!found.is_due);
    assert_eq!(
        (found.freshness, found.source),
        (Freshness::Fresh, Source::Shared)
    );
    assert_eq!(freshness(&other, &data, 1, 110_000), Freshness::Fresh);
}

/// A long answer is this worker's own, and what was shared before it is gone.
#[test]
fn long_answers_are_not_shared() {
    let data = FakeData::default();
    let (one, other) = (worker(lifetimes(), 10), worker(lifetimes(), 10));
    learn(&one, &data, 1, &active("a", None), 0);
    let long = active(&"x".repeat(5000), None);
    learn(&one, &data, 1, &long, 1);
    assert_eq!(freshness(&one, &data, 1, 2), Freshness::Fresh);
    assert_eq!(freshness(&other, &data, 1, 2), Freshness::None);
}

/// Facts that take much memory take several places.
#[test]
fn large_facts_push_out_more_than_one() {
    let data = FakeData::default();
    for (scopes, most) in [(1, 10), (300, 2)] {
        let cache = worker(lifetimes(), 10);
        let scopes: Vec<_> = (0..scopes).map(|n| format!("scope{n}")).collect();
        for token in 0..30 {
            learn(&cache, &data, token, &active(&scopes.join(" "), None), 0);
        }
        assert!((1..=most).contains(&cache.len()), "{}", cache.len());
    }
}

#[test]
fn facts_are_read_anew_under_another_configuration() {
    let data = FakeData::default();
    let cache = worker(lifetimes(), 10);
    let error = r#"{"active":false,"error":"later an outage"}"#;
    learn(&cache, &data, 1, error, 0);
    let knows_better = ResponseReader {
        api: Api::Texas(Texas {
            outage_errors: vec!["later".to_owned()],
            ..Texas::default()
        }),
        ..ResponseReader::default()
    };
    let fresh = worker(lifetimes(), 10);
    assert_eq!(fresh.look_up(&id(1), at(1), &knows_better, &data), None);
    let elsewhere = Fingerprint::of([b"another".as_slice()]);
    let elsewhere = Cache::new(lifetimes(), LocalCache::common(10), 10, Some(elsewhere));
    assert_eq!(look_up(&elsewhere, &data, 1, 1), None);
}

#[test]
fn the_bound_is_hard_and_floods_of_unknown_tokens_push_out_no_good_one() {
    let data = FakeData::default();
    let cache = Cache::new(lifetimes(), LocalCache::common(20), 20, None);
    for token in 0..10 {
        learn(&cache, &data, token, &active("a", None), 0);
    }
    for n in 0..5_000 {
        let bad = TokenId::of(&format!("bad{n}"));
        let introspection = reader().parse_body(INACTIVE.as_bytes()).unwrap();
        cache.learn(
            &bad,
            &introspection,
            INACTIVE.as_bytes(),
            at(1),
            at(1),
            &data,
        );
        assert!(cache.len() <= 10 + 20, "{}", cache.len());
    }
    for token in 0..10 {
        assert_eq!(
            freshness(&cache, &data, token, 2),
            Freshness::Fresh,
            "{token}"
        );
    }
    for n in 0..5_000 {
        let other = TokenId::of(&format!("other{n}"));
        let answer = active("a", None);
        let introspection = reader().parse_body(answer.as_bytes()).unwrap();
        cache.learn(
            &other,
            &introspection,
            answer.as_bytes(),
            at(2),
            at(2),
            &data,
        );
        assert!(cache.len() <= 40, "{}", cache.len());
    }
}

#[test]
fn new_tokens_take_the_place_of_old_ones() {
    let data = FakeData::default();
    let cache = Cache::new(lifetimes(), LocalCache::common(100), 100, None);
    let id = |n: usize| TokenId::of(&format!("n{n}"));
    let answer = active("a", None);
    let introspection = reader().parse_body(answer.as_bytes()).unwrap();
    let learn = |n, millis| {
        cache.learn(
            &id(n),
            &introspection,
            answer.as_bytes(),
            at(millis),
            at(millis),
            &data,
        );
    };
    let is_known = |n, millis| {
        let found = cache.look_up(&id(n), at(millis), &reader(), &data);
        found.is_some_and(|found| found.freshness == Freshness::Fresh)
    };
    // Old tokens that were in use, and whose time is up.
    for n in 0..100 {
        learn(n, 0);
        is_known(n, 1);
    }
    // New ones in use: after a few rounds they are known.
    let round = |millis| {
        let missed = (1000..1050).filter(|n| !is_known(*n, millis));
        missed.inspect(|n| learn(*n, millis)).count()
    };
    let missed: Vec<_> = (0..6).map(|n| round(300_000 + n)).collect();
    assert_eq!(missed[5], 0, "{missed:?}");
}

#[test]
fn an_answer_that_lands_late_does_not_replace_a_newer_one() {
    for (older, newer, expected) in [
        (active("a", None), INACTIVE.to_owned(), Said::Inactive),
        (
            INACTIVE.to_owned(),
            active("a", None),
            Said::Active(Freshness::Fresh),
        ),
        // What is not kept at all.
        (
            active("a", Some(0)),
            active("a", None),
            Said::Active(Freshness::Fresh),
        ),
    ] {
        let data = FakeData::default();
        let workers = [(); 3].map(|()| worker(lifetimes(), 10));
        // What a worker knows is older than both.
        learn(&workers[0], &data, 1, &active("c", None), 0);
        learn(&workers[1], &data, 1, &newer, 300);
        let introspection = reader().parse_body(older.as_bytes()).unwrap();
        workers[0].learn(
            &id(1),
            &introspection,
            older.as_bytes(),
            at(100),
            at(900),
            &data,
        );
        for worker in &workers {
            assert_eq!(
                said(look_up(worker, &data, 1, 1_000)),
                expected,
                "{older} {newer}"
            );
        }
    }
}

/// What was learned in what is the future now says nothing, and stops nothing from being learned.
#[test]
fn the_clock_was_set_back() {
    for later in [599_500, 600_000, 650_000] {
        let data = FakeData::default();
        let (asked, other) = (worker(lifetimes(), 10), worker(lifetimes(), 10));
        learn(&asked, &data, 1, &active("a", None), 600_000);
        assert_eq!(said(look_up(&asked, &data, 1, 0)), Said::Nothing);
        learn(&asked, &data, 1, INACTIVE, 1);
        for worker in [&asked, &other] {
            assert_eq!(said(look_up(worker, &data, 1, 2)), Said::Inactive);
            assert_eq!(said(look_up(worker, &data, 1, later)), Said::Nothing);
        }
    }
}
