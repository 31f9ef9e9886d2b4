//! Leases: one worker asks about a token while the others wait for its answer.
//!
//! A worker that is about to ask takes a lease in the data that all workers share. A lease holds
//! for a limited time, so nobody waits for a worker that died, and only its owner ends it early.

use std::time::Duration;

use super::bucket::{Entry, Kind};
use crate::time::Time;
use crate::token::facts::Introspection;

/// How long a lease holds the other workers back, and a request is held back by leases. An
/// endpoint that takes longer may be asked by several workers at once.
pub const LEASE: Duration = Duration::from_millis(250);

/// For so many leases there is room at once, at least.
const LEASES: u32 = 1024;

/// And for so many in each bucket.
const IN_A_BUCKET: u32 = 3;

/// Tells one worker's leases from all others.
pub(super) type Owner = [u8; 8];

/// Who asks about a token.
#[derive(Clone, Debug, PartialEq)]
pub enum Lease {
    /// This worker.
    Ours,
    /// Another one is asking.
    Theirs,
    /// Nobody need: this has been said meanwhile.
    Needless(Introspection),
}

/// Who has the lease of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// This worker.
    Ours,
    /// Another one.
    Theirs,
    Nobody,
    /// Nobody, nor can anybody: the bucket is full of others.
    NoRoom,
}

/// How many leases find room in one of so many buckets.
pub(super) fn room(buckets: u32) -> usize {
    let even = LEASES.div_ceil(buckets.max(1));
    usize::try_from(even.max(IN_A_BUCKET)).unwrap_or(usize::MAX)
}

/// Whether this is a lease that holds. Another worker's clock was perhaps read a moment later than
/// `now`.
pub(super) fn holds(entry: &Entry<'_>, now: Time) -> bool {
    entry.kind == Kind::Lease && now.apart(entry.time) < LEASE
}
