use std::cell::Cell;
use std::time::Duration;

use super::*;
use crate::cache::bucket::Kind;
use crate::cache::lease::{Holder, LEASE};
use crate::cache::record::{LeaseChange, Said};
use crate::testing::shared_data::FakeData;
use crate::token::extract::AccessToken;

const NOW: Time = Time::from_millis(1_000_000);

fn worker(max_entries: usize, owner: u64) -> SharedCache {
    SharedCache::new(Fingerprint::of([b"idp".as_slice()]), max_entries, owner)
}

fn digest(token: &str) -> TokenDigest {
    TokenDigest::of(&AccessToken::new(token))
}

fn publish(cache: &SharedCache, data: &impl SharedData, token: &str, kind: Kind, time: u64) {
    let words = format!("{token} {time}");
    let said = Said::Answer {
        kind,
        asked_at: Time::from_millis(time),
        words: words.as_bytes(),
    };
    let lease = LeaseChange::Ended;
    cache.update(data, &digest(token), NOW, |_| ((), Change { said, lease }));
}

fn find(cache: &SharedCache, data: &impl SharedData, token: &str) -> Option<String> {
    cache.find(data, &digest(token), |record| {
        record.newest(|answer| String::from_utf8(answer.content.to_vec()).ok())
    })
}

/// Takes the lease of a token, if nobody has it.
fn take(cache: &SharedCache, data: &impl SharedData, token: &str, now: Time) -> Option<Holder> {
    let (holder, is_done) = cache.update(data, &digest(token), now, |record| {
        let holder = record.holder(now);
        let lease = match holder {
            Holder::Nobody => LeaseChange::Taken,
            Holder::Ours | Holder::Theirs | Holder::NoRoom => LeaseChange::AsItWas,
        };
        let said = Said::AsItWas;
        (holder, Change { said, lease })
    });
    is_done.then_some(holder)
}

fn end(cache: &SharedCache, data: &impl SharedData, token: &str) {
    let (said, lease) = (Said::AsItWas, LeaseChange::Ended);
    cache.update(data, &digest(token), NOW, |_| ((), Change { said, lease }));
}

#[test]
fn what_one_has_published_all_find() {
    let data = FakeData::default();
    publish(&worker(100, 1), &data, "a", Kind::Active, 1);
    publish(&worker(100, 1), &data, "b", Kind::Inactive, 2);
    let other = worker(100, 2);
    assert_eq!(find(&other, &data, "a").as_deref(), Some("a 1"));
    assert_eq!(find(&other, &data, "b").as_deref(), Some("b 2"));
    assert_eq!(find(&other, &data, "c"), None);
    let elsewhere = SharedCache::new(Fingerprint::of([b"other".as_slice()]), 100, 1);
    assert_eq!(find(&elsewhere, &data, "a"), None);
}

#[test]
fn a_newer_answer_replaces_an_older_one_of_either_kind() {
    let data = FakeData::default();
    let cache = worker(100, 1);
    for (kind, time) in [(Kind::Active, 1), (Kind::Inactive, 2), (Kind::Active, 3)] {
        publish(&cache, &data, "a", kind, time);
        assert_eq!(find(&cache, &data, "a"), Some(format!("a {time}")));
        let answers = cache.find(&data, &digest("a"), |record| record.answers().count());
        assert_eq!(answers, 1);
    }
    let (said, lease) = (Said::Nothing, LeaseChange::AsItWas);
    cache.update(&data, &digest("a"), NOW, |_| ((), Change { said, lease }));
    assert_eq!(find(&cache, &data, "a"), None);
}

#[test]
fn the_number_of_keys_is_bounded_and_floods_of_one_kind_stay_there() {
    let data = FakeData::default();
    let cache = worker(50, 1);
    for n in 0..50 {
        publish(&cache, &data, &format!("good{n}"), Kind::Active, 1);
    }
    let found = || {
        let found = (0..50).filter(|n| find(&cache, &data, &format!("good{n}")).is_some());
        found.count()
    };
    let before = found();
    assert!(before >= 46, "{before}");
    for n in 0..5_000 {
        publish(&cache, &data, &format!("bad{n}"), Kind::Inactive, 2);
        take(&cache, &data, &format!("new{n}"), NOW);
    }
    assert_eq!(found(), before);
    assert!(data.keys() <= 34, "{}", data.keys());
}

/// So many tokens that stand under one key.
fn of_one_bucket(cache: &SharedCache, count: usize) -> Vec<String> {
    let place = |token: &str| digest(token).number(cache.buckets);
    let tokens = (0..).map(|n| format!("token{n}"));
    let alike = tokens.filter(|token| place(token) == place("token0"));
    alike.take(count).collect()
}

/// Of those of its kind, which have found room before.
#[test]
fn the_oldest_answer_makes_room() {
    let data = FakeData::default();
    let cache = worker(1, 1);
    let tokens = of_one_bucket(&cache, 5);
    for (token, time) in tokens.iter().zip([30, 10, 20, 40]) {
        publish(&cache, &data, token, Kind::Active, time);
    }
    publish(&cache, &data, &tokens[4], Kind::Inactive, 1);
    let found: Vec<_> = tokens
        .iter()
        .map(|token| find(&cache, &data, token))
        .collect();
    let is_found: Vec<_> = found.iter().map(Option::is_some).collect();
    assert_eq!(is_found, [true, false, true, true, true]);
    assert_eq!(data.keys(), 1);
}

/// From before the clock was set back. Else they would keep room for as long as it was set back.
#[test]
fn answers_from_the_future_make_room_first() {
    let data = FakeData::default();
    let cache = worker(1, 1);
    let tokens = of_one_bucket(&cache, 6);
    let moment = 1_001_000;
    let times = [moment + 1, moment + 2, moment, 10, 20, 30];
    for (token, time) in tokens.iter().zip(times) {
        publish(&cache, &data, token, Kind::Active, time);
    }
    let found = tokens.iter().map(|token| find(&cache, &data, token));
    let is_found: Vec<_> = found.map(|found| found.is_some()).collect();
    assert_eq!(is_found, [false, false, true, false, true, true]);
}

#[test]
fn one_asks_and_the_others_wait_but_not_for_long() {
    use Holder::{Nobody, Ours, Theirs};

    let data = FakeData::default();
    let (one, other) = (worker(1, 1), worker(1, 2));
    let ms = Duration::from_millis;
    for (worker, token, now, expected, what) in [
        (&one, "a", NOW, Nobody, "free"),
        (&one, "a", NOW, Ours, "its own"),
        (&other, "a", NOW, Theirs, "taken"),
        (&other, "a", NOW.after(LEASE).before(ms(1)), Theirs, "taken"),
        (&other, "b", NOW, Nobody, "another token"),
        (&other, "a", NOW.after(LEASE), Nobody, "the owner died"),
        (&one, "a", NOW.after(LEASE + ms(1)), Theirs, "taken over"),
    ] {
        assert_eq!(
            take(worker, &data, token, now),
            Some(expected),
            "{token}: {what}"
        );
    }
    let after = |millis| NOW.after(LEASE + ms(millis));
    end(&one, &data, "a");
    assert_eq!(
        take(&one, &data, "a", after(2)),
        Some(Theirs),
        "not its own to end"
    );
    end(&other, &data, "a");
    assert_eq!(take(&one, &data, "a", after(3)), Some(Nobody), "ended");
    assert_eq!(
        take(&other, &data, "a", after(2)),
        Some(Theirs),
        "a moment before"
    );
    let before = NOW.before(Duration::from_secs(1));
    assert_eq!(
        take(&other, &data, "a", before),
        Some(Nobody),
        "the clock was set back"
    );
}

/// With its answer a worker's lease ends, and no other's; an answer stays when a lease is taken.
#[test]
fn answers_and_leases_keep_out_of_each_others_way() {
    let data = FakeData::default();
    let (one, other) = (worker(1, 1), worker(1, 2));
    take(&one, &data, "a", NOW);
    assert_eq!(find(&other, &data, "a"), None, "a lease is no answer");
    publish(&other, &data, "a", Kind::Active, 1);
    assert_eq!(take(&other, &data, "a", NOW), Some(Holder::Theirs));
    publish(&one, &data, "a", Kind::Active, 2);
    assert_eq!(take(&other, &data, "a", NOW), Some(Holder::Nobody));
    assert_eq!(find(&one, &data, "a").as_deref(), Some("a 2"));
}

/// In few buckets and in many. Where there is no room one asks all the same, and when others'
/// time is over there is room again.
#[test]
fn there_is_room_for_so_many_leases() {
    for (max_entries, fewest) in [(1, 700), (1_000, 1_000), (100_000, 1_500)] {
        let data = FakeData::default();
        let (one, other) = (worker(max_entries, 1), worker(max_entries, 2));
        let tokens: Vec<_> = (0..2_000).map(|n| format!("token{n}")).collect();
        let is_taken = |worker, now, expected| {
            let taken = tokens.iter().filter(|token| {
                let holder = take(worker, &data, token, now).unwrap();
                assert!([expected, Holder::NoRoom].contains(&holder), "{holder:?}");
                holder == expected
            });
            taken.count()
        };
        let taken = is_taken(&one, NOW, Holder::Nobody);
        assert!(taken >= fewest, "{max_entries}: {taken}");
        assert_eq!(is_taken(&other, NOW, Holder::Theirs), taken);
        assert_eq!(is_taken(&other, NOW.after(LEASE), Holder::Nobody), taken);
    }
}

/// Data in which another worker takes the lease of token `b`, in the same bucket, before each of
/// the next so many writes.
struct Raced {
    data: FakeData,
    times: Cell<u64>,
}

impl SharedData for Raced {
    fn read(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        self.data.read(key)
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        if self.times.get() > 0 {
            self.times.set(self.times.get() - 1);
            let owner = 100 + self.times.get();
            let cache = worker(1, owner);
            let token = token_beside("a", &cache);
            publish(&cache, &self.data, &token, Kind::Inactive, owner);
        }
        self.data.write(key, value, version)
    }
}

fn token_beside(token: &str, cache: &SharedCache) -> String {
    let place = |token: &str| digest(token).number(cache.buckets);
    let mut others = (0..).map(|n| format!("beside{n}"));
    let found = others.find(|other| place(other) == place(token));
    found.unwrap()
}

/// Whether the bucket was there before or not: nothing that another has written is lost.
#[test]
fn of_two_that_write_at_once_both_do_in_the_end() {
    for (times, is_done) in [(0, true), (1, true), (3, true), (4, false)] {
        for is_there in [false, true] {
            let data = Raced {
                data: FakeData::default(),
                times: Cell::new(0),
            };
            let cache = worker(1, 1);
            let beside = token_beside("a", &cache);
            if is_there {
                publish(&cache, &data, &beside, Kind::Active, 7);
            }
            data.times.set(times);
            let taken = take(&cache, &data, "a", NOW);
            assert_eq!(
                taken,
                is_done.then_some(Holder::Nobody),
                "{times} {is_there}"
            );
            let expected = match (times, is_there) {
                (0, false) => None,
                (0, true) => Some(format!("{beside} 7")),
                _ => Some(format!("{beside} 100")),
            };
            assert_eq!(find(&cache, &data, &beside), expected, "{times} {is_there}");
        }
    }
}

/// What is no bucket says nothing, and is written over.
#[test]
fn junk_is_written_over() {
    for junk in [b"-".as_slice(), b"\x02junk", b"\x01", &[0; 100]] {
        let data = FakeData::default();
        let cache = worker(1, 1);
        data.write(&cache.key(&digest("a")), junk, None);
        assert_eq!(find(&cache, &data, "a"), None);
        assert_eq!(take(&cache, &data, "a", NOW), Some(Holder::Nobody));
        publish(&cache, &data, "a", Kind::Active, 1);
        assert_eq!(find(&cache, &data, "a").as_deref(), Some("a 1"));
    }
}
