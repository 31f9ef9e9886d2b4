//! The facts that one worker remembers.
//!
//! Two caches, each with its own bound: a flood of unknown tokens fills the one for inactive
//! tokens and pushes no good one out. Both evict by `quick_cache`'s scan-resistant policy.
//!
//! Keys are BLAKE3 digests of whole tokens. Clients choose tokens, but cannot choose two of one
//! digest, so nobody gets another's facts; and the table hashes digests with keys that are random
//! in each VM, so nobody can aim for one bucket.

use std::hash::RandomState;
use std::rc::Rc;

use quick_cache::UnitWeighter;
use quick_cache::unsync::{Cache, DefaultLifecycle};

use crate::digest::TokenDigest;
use crate::introspection::response::Introspection;
use crate::time::Time;

/// Facts about a token, and when they were learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// What the endpoint said.
    pub(super) what: Rc<Introspection>,
    /// When it said it.
    pub(super) learned_at: Time,
    /// When the token, if it is in use, is to be asked about again.
    pub(super) renew_at: Option<Time>,
}

/// The facts that one worker remembers, at most `max_entries` of each kind.
#[derive(Debug)]
pub(super) struct LocalCache {
    active: Facts,
    inactive: Facts,
}

type Facts =
    Cache<TokenDigest, Known, UnitWeighter, RandomState, DefaultLifecycle<TokenDigest, Known>>;

impl LocalCache {
    /// An empty cache.
    pub(super) fn new(max_entries: usize) -> Self {
        let facts = || {
            // Nothing is allocated ahead. The first number sizes the memory of what was evicted
            // lately, without which a new token could never replace an old one.
            Cache::with(
                max_entries,
                u64::try_from(max_entries).unwrap_or(u64::MAX),
                UnitWeighter,
                RandomState::new(),
                DefaultLifecycle::default(),
            )
        };
        Self {
            active: facts(),
            inactive: facts(),
        }
    }

    /// What is known about a token.
    pub(super) fn get(&self, digest: &TokenDigest) -> Option<&Known> {
        self.active
            .get(digest)
            .or_else(|| self.inactive.get(digest))
    }

    /// Remembers facts in place of what was known before.
    pub(super) fn insert(&mut self, digest: TokenDigest, known: Known) {
        let (own, other) = match known.what.as_ref() {
            Introspection::Active(_) => (&mut self.active, &mut self.inactive),
            Introspection::Inactive => (&mut self.inactive, &mut self.active),
        };
        other.remove(&digest);
        own.insert(digest, known);
    }

    /// Forgets a token.
    pub(super) fn remove(&mut self, digest: &TokenDigest) {
        self.active.remove(digest);
        self.inactive.remove(digest);
    }

    /// Sets when the token is to be renewed.
    pub(super) fn set_renewal(&mut self, digest: &TokenDigest, renew_at: Time) {
        if let Some(mut known) = self.active.get_mut(digest) {
            known.renew_at = Some(renew_at);
        }
    }

    /// How many tokens are remembered.
    pub(super) fn len(&self) -> usize {
        self.active.len().saturating_add(self.inactive.len())
    }
}
