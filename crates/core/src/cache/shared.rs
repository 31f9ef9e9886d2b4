//! What the workers of one Envoy share: the endpoint's answers.
//!
//! The host's shared data knows no deletion, so its keys are a fixed number of slots. A token may
//! stand in any of [`WAYS`] slots that its digest names. Answers about active and about inactive
//! tokens have slots of their own, so that a flood of unknown tokens overwrites no good one.

use super::slot::{Slot, Tag, is_about, written_at};
use crate::introspection::fingerprint::Fingerprint;
use crate::token::id::TokenDigest;

/// In how many slots a token may stand.
const WAYS: usize = 2;

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

    /// The newest of the answers about a token that `read` can make something of.
    pub fn find<T>(
        &self,
        data: &impl SharedData,
        digest: &TokenDigest,
        read: impl Fn(&Slot<'_>) -> Option<T>,
    ) -> Option<T> {
        let tag = Tag::new(&self.fingerprint, digest);
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
        let bytes = slot.write(&Tag::new(&self.fingerprint, digest));
        // The slot to overwrite: an empty one, else the one that was written first.
        let slots = self.keys(kind, digest).map(|key| {
            let (content, version) = data.read(&key);
            let age = content.and_then(|bytes| written_at(&bytes));
            (age, key, version)
        });
        // If another worker was faster this answer is not shared.
        if let Some((_, key, version)) = slots.min_by_key(|(age, ..)| *age) {
            data.write(&key, &bytes, version);
        }
    }

    /// Slots say nothing about the token any more.
    pub fn forget(&self, data: &impl SharedData, digest: &TokenDigest) {
        let tag = Tag::new(&self.fingerprint, digest);
        for key in Kind::ALL.iter().flat_map(|kind| self.keys(*kind, digest)) {
            let (bytes, version) = data.read(&key);
            if bytes.is_some_and(|bytes| is_about(&bytes, &tag)) {
                data.write(&key, EMPTY, version);
            }
        }
    }

    fn keys(&self, kind: Kind, digest: &TokenDigest) -> impl Iterator<Item = String> {
        let kind = match kind {
            Kind::Active => "active",
            Kind::Inactive => "inactive",
        };
        digest
            .numbers(self.slots)
            .take(WAYS)
            .map(move |slot| format!("portvakt.{kind}.{slot}"))
    }
}

impl Kind {
    const ALL: [Self; 2] = [Self::Active, Self::Inactive];
}

/// What stands where nothing is said: the host reads an empty value as none at all.
const EMPTY: &[u8] = b"-";

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may fail loudly")]
mod tests {
    use super::*;
    use crate::testing::shared_data::FakeData;
    use crate::time::Time;
    use crate::token::extract::AccessToken;

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
}
