//! The facts that one worker remembers.
//!
//! Two caches, each with its own bound: a flood of unknown tokens fills the one for inactive
//! tokens and pushes no good one out. Both evict by `quick_cache`'s scan-resistant policy. Facts
//! that take much memory take the places of several tokens, so that memory is bounded too.
//!
//! Tokens are known by their [`TokenKey`], which clients can neither compute nor choose: nobody
//! gets another's facts, and nobody can aim for one bucket of the table.

use std::cell::RefCell;
use std::rc::Rc;

use quick_cache::Weighter;
use quick_cache::unsync::{Cache, DefaultLifecycle};

use crate::time::Time;
use crate::token::facts::Introspection;
use crate::token::id::{BuildKeyHasher, TokenKey};

/// Facts about a token, and when they were learned.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    /// What the endpoint said.
    pub(super) introspection: Introspection,
    /// When it said it.
    pub(super) learned_at: Time,
    /// When the token, if it is in use, is to be asked about again.
    pub(super) renew_at: Option<Time>,
    /// When a question about it came to nothing, since it was learned.
    pub(super) unanswered_at: Option<Time>,
}

/// The facts that one worker remembers, at most `max_entries` of each kind.
#[derive(Debug)]
pub struct LocalCache {
    active: Facts,
    inactive: Facts,
}

type Facts = Cache<TokenKey, Known, Places, BuildKeyHasher, DefaultLifecycle<TokenKey, Known>>;

/// How many tokens' places facts take.
#[derive(Clone, Debug)]
struct Places;

/// How much memory one place is, in bytes.
const PLACE: usize = 2048;

impl Weighter<TokenKey, Known> for Places {
    fn weight(&self, _: &TokenKey, known: &Known) -> u64 {
        let places = known.introspection.size().div_ceil(PLACE).max(1);
        u64::try_from(places).unwrap_or(u64::MAX)
    }
}

impl LocalCache {
    /// An empty cache, for all who are asked about tokens.
    pub fn common(max_entries: usize) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self::new(max_entries)))
    }

    fn new(max_entries: usize) -> Self {
        let facts = || {
            // Nothing is allocated ahead. The first number sizes the memory of what was evicted
            // lately, without which a new token could never replace an old one.
            Cache::with(
                max_entries,
                u64::try_from(max_entries).unwrap_or(u64::MAX),
                Places,
                BuildKeyHasher::default(),
                DefaultLifecycle::default(),
            )
        };
        Self {
            active: facts(),
            inactive: facts(),
        }
    }

    /// What is known about a token.
    pub(super) fn get(&self, key: &TokenKey) -> Option<&Known> {
        self.active.get(key).or_else(|| self.inactive.get(key))
    }

    /// Remembers facts in place of what was known before.
    pub(super) fn insert(&mut self, key: TokenKey, known: Known) {
        let (own, other) = match &known.introspection {
            Introspection::Active(_) => (&mut self.active, &mut self.inactive),
            Introspection::Inactive => (&mut self.inactive, &mut self.active),
        };
        other.remove(&key);
        own.insert(key, known);
    }

    /// Forgets a token.
    pub(super) fn remove(&mut self, key: &TokenKey) {
        self.active.remove(key);
        self.inactive.remove(key);
    }

    /// Sets when the token is to be renewed.
    pub(super) fn set_renewal(&mut self, key: &TokenKey, renew_at: Time) {
        if let Some(mut known) = self.active.get_mut(key) {
            known.renew_at = Some(renew_at);
        }
    }

    /// A question about the token came to nothing at that time, or to something (`None`).
    pub(super) fn set_unanswered(&mut self, key: &TokenKey, at: Option<Time>) {
        if let Some(mut known) = self.active.get_mut(key) {
            known.unanswered_at = at;
        }
    }

    /// How many tokens are remembered.
    pub(super) fn len(&self) -> usize {
        self.active.len().saturating_add(self.inactive.len())
    }
}
