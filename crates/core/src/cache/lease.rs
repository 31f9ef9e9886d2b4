//! Leases: one worker asks about a token while the others wait for its answer.
//!
//! A worker that is about to ask takes a lease in the data that all workers share. A lease holds
//! for a limited time, so nobody waits for a worker that died, and only its owner ends it early.

use std::time::Duration;

use super::shared::SharedData;
use super::slot::{Slot, Tag, written_at};
use crate::introspection::fingerprint::Fingerprint;
use crate::time::Time;
use crate::token::id::TokenDigest;

/// How long a lease holds the other workers back, and a request is held back by leases. An
/// endpoint that takes longer may be asked by several workers at once.
pub const LEASE: Duration = Duration::from_millis(250);

/// How many leases there are at once, at most.
const LEASES: u32 = 1024;

/// What stands where no lease is: the host reads an empty value as none at all.
const FREE: &[u8] = b"-";

/// The leases of one worker under one configuration.
#[derive(Debug)]
pub struct Leases {
    fingerprint: Fingerprint,
    /// Tells this worker's leases from all others.
    owner: [u8; 8],
}

/// Who asks about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// This worker.
    Ours,
    /// Another one is asking.
    Theirs,
}

impl Leases {
    /// `fingerprint` tells apart what is asked; `owner` is random.
    pub fn new(fingerprint: Fingerprint, owner: u64) -> Self {
        Self {
            // A lease is no answer, not even where a slot is.
            fingerprint: Fingerprint::of([b"lease".as_slice(), fingerprint.as_bytes()]),
            owner: owner.to_le_bytes(),
        }
    }

    /// Makes the places for leases, if they are not there yet: only a place that exists can be
    /// taken by exactly one of two workers.
    pub fn prepare(data: &impl SharedData) {
        for key in (0..LEASES).map(key) {
            if data.read(&key).0.is_none() {
                data.write(&key, FREE, None);
            }
        }
    }

    /// Takes the lease of a token, unless another worker has it.
    pub fn take(&self, data: &impl SharedData, digest: &TokenDigest, now: Time) -> Lease {
        let (key, tag) = self.place(digest);
        let (bytes, version) = data.read(&key);
        let bytes = bytes.unwrap_or_default();
        // Another worker's clock was perhaps read a moment later than `now`.
        let holds = |since: Time| now.apart(since) < LEASE;
        if written_at(&bytes).is_some_and(holds) {
            // If the place is taken for another token, this worker asks without a lease.
            return match Slot::read(&bytes, &tag) {
                Some(lease) if lease.answer != self.owner => Lease::Theirs,
                _ => Lease::Ours,
            };
        }
        let lease = Slot {
            learned_at: now,
            answer: &self.owner,
        };
        if data.write(&key, &lease.write(&tag), version) {
            Lease::Ours
        } else {
            Lease::Theirs
        }
    }

    /// Ends this worker's lease: the others find the answer, or may ask for themselves.
    pub fn end(&self, data: &impl SharedData, digest: &TokenDigest) {
        let (key, tag) = self.place(digest);
        let (bytes, version) = data.read(&key);
        let bytes = bytes.unwrap_or_default();
        if Slot::read(&bytes, &tag).is_some_and(|lease| lease.answer == self.owner) {
            data.write(&key, FREE, version);
        }
    }

    fn place(&self, digest: &TokenDigest) -> (String, Tag) {
        let number = digest.numbers(LEASES).next().unwrap_or_default();
        (key(number), Tag::new(&self.fingerprint, digest))
    }
}

fn key(number: u32) -> String {
    format!("portvakt.lease.{number}")
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may fail loudly")]
mod tests {
    use super::*;
    use crate::testing::shared_data::FakeData;
    use crate::token::extract::AccessToken;

    fn leases(owner: u64) -> Leases {
        Leases::new(Fingerprint::of([b"idp".as_slice()]), owner)
    }

    fn digest(token: &str) -> TokenDigest {
        TokenDigest::of(&AccessToken::new(token))
    }

    #[test]
    fn one_asks_and_the_others_wait_but_not_for_long() {
        use Lease::{Ours, Theirs};

        let data = FakeData::default();
        Leases::prepare(&data);
        let keys = data.keys();
        let (one, other) = (leases(1), leases(2));
        let a = digest("a");
        let start = 1_000_000;
        let take = |leases: &Leases, token: &str, millis: u64| {
            leases.take(&data, &digest(token), Time::from_millis(millis))
        };
        for (leases, token, millis, expected, what) in [
            (&one, "a", start, Ours, "free"),
            (&one, "a", start, Ours, "its own"),
            (&other, "a", start, Theirs, "taken"),
            (&other, "a", start + 249, Theirs, "taken"),
            (&other, "b", start, Ours, "another token"),
            (&other, "a", start + 250, Ours, "the owner died"),
            (&one, "a", start + 251, Theirs, "taken over"),
        ] {
            assert_eq!(take(leases, token, millis), expected, "{token}: {what}");
        }
        one.end(&data, &a);
        assert_eq!(take(&one, "a", start + 252), Theirs, "not its own to end");
        other.end(&data, &a);
        assert_eq!(take(&one, "a", start + 253), Ours, "ended");
        assert_eq!(take(&other, "a", start + 252), Theirs, "a moment before");
        assert_eq!(
            take(&other, "a", start - 1000),
            Ours,
            "the clock was set back"
        );
        Leases::prepare(&data);
        assert_eq!(take(&one, "a", start - 999), Theirs, "prepared once only");
        assert_eq!(data.keys(), keys);
    }

    #[test]
    fn a_lease_is_no_answer() {
        use crate::cache::shared::SharedCache;

        let fingerprint = Fingerprint::of([b"idp".as_slice()]);
        let (data, a) = (FakeData::default(), digest("a"));
        Leases::new(fingerprint, 1).take(&data, &a, Time::from_millis(1));
        let number = a.numbers(LEASES).next().unwrap();
        let lease = data.read(&key(number)).0.unwrap();
        let number = a.numbers(16).next().unwrap();
        data.write(&format!("portvakt.active.{number}"), &lease, None);
        let found = SharedCache::new(fingerprint, 1).find(&data, &a, |_| Some(()));
        assert_eq!(found, None);
    }

    /// Data in which another worker is always a moment ahead.
    struct Raced(FakeData);

    impl SharedData for Raced {
        fn read(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
            self.0.read(key)
        }

        fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
            self.0.write(key, b"other", None);
            self.0.write(key, value, version)
        }
    }

    #[test]
    fn of_two_at_once_one_has_it() {
        let data = Raced(FakeData::default());
        Leases::prepare(&data.0);
        let found = leases(1).take(&data, &digest("a"), Time::from_millis(1));
        assert_eq!(found, Lease::Theirs);
    }
}
