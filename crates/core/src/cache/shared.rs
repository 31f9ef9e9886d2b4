//! What the workers of one Envoy share: the endpoint's answers, and who asks it.
//!
//! The host's shared data knows no deletion, so its keys are a fixed number of buckets
//! ([`bucket`](super::bucket)). All that is shared about a token stands in the one that its digest
//! names, so that it is fetched at once, and changed at once or not at all.

use super::bucket::{Bucket, Tag};
use super::lease::{self, Owner};
use super::record::{Change, Record, WAYS};
use crate::introspection::fingerprint::Fingerprint;
use crate::time::Time;
use crate::token::id::TokenDigest;

/// So many buckets there are at least.
const MIN_BUCKETS: u32 = 8;

/// How often a change is tried, if other workers change the same bucket at the same time.
const TRIES: usize = 4;

/// A version that nothing has. A key that is not there is made whatever version it is to have, and
/// one that is there is left as it is: so of two workers that make it one does.
const ABSENT: u32 = u32::MAX;

/// Data that all workers see, by key.
pub trait SharedData {
    /// The value, if there is any, and its version.
    fn read(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>);
    /// Sets the value. With a version: only if it is still that one, or if there is no such key.
    /// Whether it was set.
    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool;
}

/// What workers share, as one of them sees it.
#[derive(Debug)]
pub struct SharedCache {
    fingerprint: Fingerprint,
    owner: Owner,
    buckets: u32,
    /// How many leases find room in one.
    leases: usize,
}

impl SharedCache {
    /// `fingerprint` tells apart what is asked, `max_entries` how much is remembered; `owner` is
    /// random.
    pub fn new(fingerprint: Fingerprint, max_entries: usize, owner: u64) -> Self {
        // Room for twice as many answers of each kind as there are entries, so that few tokens find
        // none.
        let buckets = max_entries.saturating_mul(2).div_ceil(WAYS);
        let buckets = u32::try_from(buckets).unwrap_or(u32::MAX).max(MIN_BUCKETS);
        Self {
            fingerprint,
            owner: owner.to_le_bytes(),
            buckets,
            leases: lease::room(buckets),
        }
    }

    /// What `read` makes of what is shared about a token.
    pub fn find<T>(
        &self,
        data: &impl SharedData,
        digest: &TokenDigest,
        read: impl Fn(&Record<'_>) -> T,
    ) -> T {
        let (bytes, _) = data.read(&self.key(digest));
        read(&self.record(&bytes.unwrap_or_default(), digest))
    }

    /// Changes what is shared about a token, as `decide` says, which is asked again if another
    /// worker changed something in the meantime. What it said last, and whether that was done: it
    /// is not if others are faster again and again.
    pub fn update<'a, T>(
        &self,
        data: &impl SharedData,
        digest: &TokenDigest,
        now: Time,
        decide: impl Fn(&Record<'_>) -> (T, Change<'a>),
    ) -> (T, bool) {
        let key = self.key(digest);
        let mut further = 1..TRIES;
        loop {
            let (bytes, version) = data.read(&key);
            let bytes = bytes.unwrap_or_default();
            let record = self.record(&bytes, digest);
            let (decided, change) = decide(&record);
            let is_done = match record.with(&change, now) {
                Some(changed) => data.write(&key, &changed, version.or(Some(ABSENT))),
                None => true,
            };
            if is_done || further.next().is_none() {
                return (decided, is_done);
            }
        }
    }

    fn record<'a>(&self, bytes: &'a [u8], digest: &TokenDigest) -> Record<'a> {
        Record {
            bucket: Bucket::read(bytes),
            tag: Tag::new(&self.fingerprint, digest),
            owner: self.owner,
            leases: self.leases,
        }
    }

    fn key(&self, digest: &TokenDigest) -> String {
        format!("portvakt.bucket.{}", digest.number(self.buckets))
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may fail loudly")]
mod tests;
