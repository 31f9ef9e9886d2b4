//! What the workers of one Envoy share: the endpoint's answers, and who is asking for one.
//!
//! The host's shared data knows no deletion, so its keys are a fixed number of slots. A token may
//! stand in any of [`WAYS`] slots that its digest names. Answers about active and about inactive
//! tokens have slots of their own, so that a flood of unknown tokens overwrites no good one.
//!
//! A worker that is about to ask says so in a *claim*, for a limited time: the others wait for
//! its answer, but not for a worker that died.

use std::time::Duration;

use super::slot::{Fingerprint, Slot, Tag, is_about, written_at};
use crate::digest::TokenDigest;
use crate::time::Time;

/// In how many slots a token may stand.
const WAYS: usize = 2;

/// How many claims there are at once, at most.
const CLAIMS: u32 = 1024;

/// How long a claim holds the other workers back, and a request is held back by claims. An
/// endpoint that takes longer may be asked by several workers at once.
pub const CLAIM_HOLDS: Duration = Duration::from_millis(250);

/// Data that all workers see, by key.
pub trait SharedData {
    /// The value, if there is any, and its version.
    fn read(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>);
    /// Sets the value. With a version: only if it is still that one. Whether it was set.
    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool;
}

/// What an answer is about: it says which slots it may stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An active token.
    Active,
    /// An inactive token.
    Inactive,
}

/// The answers that workers share.
#[derive(Debug)]
pub struct SharedCache {
    fingerprint: Fingerprint,
    /// Slots of each kind.
    slots: u32,
}

/// Whether this worker is to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is.
    Ours,
    /// Another one is asking.
    Theirs,
}

impl SharedCache {
    /// `fingerprint` tells apart what is asked, `max_entries` how much is remembered.
    pub fn new(fingerprint: Fingerprint, max_entries: usize) -> Self {
        // Twice as many slots as entries, so that few tokens share all of theirs with others.
        let slots = u32::try_from(max_entries.saturating_mul(2)).unwrap_or(u32::MAX);
        Self {
            fingerprint,
            slots: slots.max(16),
        }
    }

    /// Makes the places for claims, if they are not there yet: only a place that exists can be
    /// taken by exactly one of two workers.
    pub fn prepare(&self, data: &impl SharedData) {
        for key in (0..CLAIMS).map(claim_key) {
            if data.read(&key).0.is_none() {
                data.write(&key, EMPTY, None);
            }
        }
    }

    /// The newest of the answers about a token that `read` can make something of.
    pub fn find<T>(
        &self,
        data: &impl SharedData,
        digest: &TokenDigest,
        read: impl Fn(&Slot<'_>) -> Option<T>,
    ) -> Option<T> {
        let tag = self.fingerprint.tag(digest);
        let mut newest = None;
        for key in Kind::ALL.iter().flat_map(|kind| self.keys(*kind, digest)) {
            if let (Some(bytes), _) = data.read(&key)
                && let Some(slot) = Slot::read(&bytes, &tag)
                && newest
                    .as_ref()
                    .is_none_or(|(time, _)| *time < slot.learned_at)
                && let Some(found) = read(&slot)
            {
                newest = Some((slot.learned_at, found));
            }
        }
        newest.map(|(_, found)| found)
    }

    /// Shares an answer. What slots said about the token before is gone after it.
    pub fn publish(
        &self,
        data: &impl SharedData,
        digest: &TokenDigest,
        kind: Kind,
        slot: &Slot<'_>,
    ) {
        self.forget(data, digest);
        let bytes = slot.write(&self.fingerprint.tag(digest));
        // The slot to overwrite: an empty one, else the one that was written first.
        let age = |key: &String| data.read(key).0.and_then(|bytes| written_at(&bytes));
        if let Some(key) = self.keys(kind, digest).min_by_key(age) {
            data.write(&key, &bytes, None);
        }
    }

    /// Slots say nothing about the token any more.
    pub fn forget(&self, data: &impl SharedData, digest: &TokenDigest) {
        let tag = self.fingerprint.tag(digest);
        for key in Kind::ALL.iter().flat_map(|kind| self.keys(*kind, digest)) {
            empty_if_about(data, &key, &tag);
        }
    }

    /// Says that this worker is about to ask about a token, unless another one has said so.
    pub fn claim(&self, data: &impl SharedData, digest: &TokenDigest, now: Time) -> Claim {
        let key = claim_key(first_number(digest, CLAIMS));
        let tag = self.fingerprint.tag(digest);
        let (bytes, version) = data.read(&key);
        let bytes = bytes.unwrap_or_default();
        // Another worker's clock was perhaps read a moment later than `now`.
        let holds = |since: Time| now.since(since).max(since.since(now)) < CLAIM_HOLDS;
        if written_at(&bytes).is_some_and(holds) {
            // If the place is taken for another token, this worker asks without a claim.
            return if is_about(&bytes, &tag) {
                Claim::Theirs
            } else {
                Claim::Ours
            };
        }
        let claim = Slot {
            learned_at: now,
            answer: &[],
        };
        if data.write(&key, &claim.write(&tag), version) {
            Claim::Ours
        } else {
            Claim::Theirs
        }
    }

    /// This worker has asked: the others find the answer, or may ask for themselves.
    pub fn release(&self, data: &impl SharedData, digest: &TokenDigest) {
        let key = claim_key(first_number(digest, CLAIMS));
        empty_if_about(data, &key, &self.fingerprint.tag(digest));
    }

    fn keys(&self, kind: Kind, digest: &TokenDigest) -> impl Iterator<Item = String> {
        let kind = match kind {
            Kind::Active => "active",
            Kind::Inactive => "inactive",
        };
        numbers(digest, self.slots)
            .take(WAYS)
            .map(move |slot| format!("portvakt.{kind}.{slot}"))
    }
}

impl Kind {
    const ALL: [Self; 2] = [Self::Active, Self::Inactive];
}

fn empty_if_about(data: &impl SharedData, key: &str, tag: &Tag) {
    let (bytes, version) = data.read(key);
    if bytes.is_some_and(|bytes| is_about(&bytes, tag)) {
        data.write(key, EMPTY, version);
    }
}

/// What stands where nothing is said: the host reads an empty value as none at all.
const EMPTY: &[u8] = b"-";

fn claim_key(number: u32) -> String {
    format!("portvakt.claim.{number}")
}

fn first_number(digest: &TokenDigest, limit: u32) -> u32 {
    numbers(digest, limit).next().unwrap_or_default()
}

/// Numbers below `limit` that a digest names.
fn numbers(digest: &TokenDigest, limit: u32) -> impl Iterator<Item = u32> {
    let (words, _) = digest.as_bytes().as_chunks::<4>();
    words.iter().map(move |word| {
        u32::from_le_bytes(*word)
            .checked_rem(limit)
            .unwrap_or_default()
    })
}

#[cfg(test)]
pub(crate) mod fake {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use super::SharedData;

    /// Shared data in a map, for tests.
    #[derive(Default)]
    pub(crate) struct FakeData(RefCell<HashMap<String, (Vec<u8>, u32)>>);

    impl FakeData {
        pub(crate) fn keys(&self) -> usize {
            self.0.borrow().len()
        }
    }

    impl SharedData for FakeData {
        fn read(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
            let found = self.0.borrow().get(key).cloned();
            found.map_or((None, None), |(value, version)| {
                (Some(value), Some(version))
            })
        }

        fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
            let mut map = self.0.borrow_mut();
            let current = map.get(key).map(|(_, version)| *version);
            if version.is_some() && version != current {
                return false;
            }
            map.insert(
                key.to_owned(),
                (
                    value.to_vec(),
                    current.map_or(1, |version| version.wrapping_add(1)),
                ),
            );
            true
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may fail loudly")]
mod tests {
    use super::fake::FakeData;
    use super::*;
    use crate::bearer::AccessToken;

    fn cache(max_entries: usize) -> SharedCache {
        SharedCache::new(Fingerprint::of([b"idp".as_slice()]), max_entries)
    }

    fn digest(token: &str) -> TokenDigest {
        TokenDigest::of(&AccessToken::new(token))
    }

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn publish(cache: &SharedCache, data: &FakeData, token: &str, kind: Kind, time: u64) {
        let answer = format!("{token} {time}");
        let slot = Slot {
            learned_at: at(time),
            answer: answer.as_bytes(),
        };
        cache.publish(data, &digest(token), kind, &slot);
    }

    fn find(cache: &SharedCache, data: &FakeData, token: &str) -> Option<String> {
        cache.find(data, &digest(token), |slot| {
            String::from_utf8(slot.answer.to_vec()).ok()
        })
    }

    #[test]
    fn what_one_has_published_all_find() {
        let data = FakeData::default();
        publish(&cache(100), &data, "a", Kind::Active, 1);
        publish(&cache(100), &data, "b", Kind::Inactive, 2);
        assert_eq!(find(&cache(100), &data, "a").as_deref(), Some("a 1"));
        assert_eq!(find(&cache(100), &data, "b").as_deref(), Some("b 2"));
        assert_eq!(find(&cache(100), &data, "c"), None);
        let other = SharedCache::new(Fingerprint::of([b"other".as_slice()]), 100);
        assert_eq!(find(&other, &data, "a"), None);
    }

    #[test]
    fn a_newer_answer_replaces_an_older_one_of_either_kind() {
        let data = FakeData::default();
        let cache = cache(100);
        publish(&cache, &data, "a", Kind::Active, 1);
        publish(&cache, &data, "a", Kind::Inactive, 2);
        assert_eq!(find(&cache, &data, "a").as_deref(), Some("a 2"));
        publish(&cache, &data, "a", Kind::Active, 3);
        assert_eq!(find(&cache, &data, "a").as_deref(), Some("a 3"));
        cache.forget(&data, &digest("a"));
        assert_eq!(find(&cache, &data, "a"), None);
    }

    #[test]
    fn the_number_of_keys_is_bounded_and_floods_of_one_kind_stay_there() {
        let data = FakeData::default();
        let cache = cache(50);
        for n in 0..20 {
            publish(&cache, &data, &format!("good{n}"), Kind::Active, 1);
        }
        let found = || {
            (0..20)
                .filter(|n| find(&cache, &data, &format!("good{n}")).is_some())
                .count()
        };
        let before = found();
        assert!(before >= 18, "{before}");
        for n in 0..5_000 {
            publish(&cache, &data, &format!("bad{n}"), Kind::Inactive, 2);
        }
        assert_eq!(found(), before);
        assert!(data.keys() <= 200, "{}", data.keys());
    }

    #[test]
    fn one_asks_and_the_others_wait_but_not_for_long() {
        let data = FakeData::default();
        let cache = cache(100);
        cache.prepare(&data);
        let (a, now) = (digest("a"), 1_000_000);
        assert_eq!(cache.claim(&data, &a, at(now)), Claim::Ours);
        assert_eq!(cache.claim(&data, &a, at(now)), Claim::Theirs);
        assert_eq!(cache.claim(&data, &a, at(now + 249)), Claim::Theirs);
        assert_eq!(cache.claim(&data, &digest("b"), at(now)), Claim::Ours);
        assert_eq!(
            cache.claim(&data, &a, at(now + 250)),
            Claim::Ours,
            "it died"
        );
        assert_eq!(cache.claim(&data, &a, at(now + 251)), Claim::Theirs);
        cache.release(&data, &a);
        assert_eq!(
            cache.claim(&data, &a, at(now + 252)),
            Claim::Ours,
            "it gave up"
        );
        assert_eq!(
            cache.claim(&data, &a, at(now + 251)),
            Claim::Theirs,
            "a moment before"
        );
        assert_eq!(
            cache.claim(&data, &a, at(now - 1000)),
            Claim::Ours,
            "the clock was set back"
        );
        let keys = data.keys();
        cache.prepare(&data);
        assert_eq!(
            cache.claim(&data, &a, at(now - 999)),
            Claim::Theirs,
            "prepared once only"
        );
        assert_eq!(data.keys(), keys);
    }
}
