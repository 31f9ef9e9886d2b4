//! Known tokens: what the endpoint said about them, for as long as it counts.
//!
//! Facts are remembered, never verdicts: rules run on every request. Each worker remembers for
//! itself ([`local`]) and shares the endpoint's answers with the others ([`shared`]).

pub mod freshness;
pub mod lease;
pub mod local;
pub mod lookup;
pub mod shared;
pub mod slot;

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use crate::cache::freshness::{Freshness, Lifetimes, SAME_MOMENT};
use crate::cache::lease::{Lease, Leases};
use crate::cache::local::{Known, LocalCache};
use crate::cache::shared::{Kind, SharedCache, SharedData};
use crate::cache::slot::{MAX_ANSWER, MAX_SHARED, Slot};
use crate::introspection::fingerprint::Fingerprint;
use crate::introspection::response::ResponseReader;
use crate::time::Time;
use crate::token::facts::Introspection;
use crate::token::id::{TokenDigest, TokenId, TokenKey};

/// Facts that take more memory are not remembered, in bytes.
const MAX_FACTS: usize = 64 * 1024;

/// What is known about tokens.
#[derive(Debug)]
pub struct Cache {
    lifetimes: Lifetimes,
    local: Rc<RefCell<LocalCache>>,
    shared: Option<SharedCache>,
    leases: Option<Leases>,
}

/// What is known about one token.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// What the endpoint said.
    pub introspection: Introspection,
    /// What that is worth now.
    pub freshness: Freshness,
    /// Where it was found.
    pub source: Source,
    /// Whether the caller is to ask again, in the background. It is told so once in a while.
    pub is_due: bool,
    /// When a question about the token came to nothing, if none has been answered since.
    pub unanswered_at: Option<Time>,
}

/// Where facts were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In this worker.
    Local,
    /// In what another worker has shared.
    Shared,
}

impl Cache {
    /// What is known to this worker is in `local`. It is shared with workers of the same
    /// fingerprint, of which each remembers `max_entries` tokens of each kind; `None`: with nobody.
    pub fn new(
        lifetimes: Lifetimes,
        local: Rc<RefCell<LocalCache>>,
        max_entries: usize,
        sharing: Option<Fingerprint>,
    ) -> Self {
        // Where no answer about an active token is kept there is nothing to wait for.
        let leasing = sharing.filter(|_| !lifetimes.max_ttl.is_zero());
        let owner = RandomState::new().hash_one(0);
        Self {
            lifetimes,
            local,
            shared: sharing.map(|fingerprint| SharedCache::new(fingerprint, max_entries)),
            leases: leasing.map(|fingerprint| Leases::new(fingerprint, owner)),
        }
    }

    /// Makes ready what workers share. To be called once, before anything else.
    pub fn prepare(&self, data: &impl SharedData) {
        if self.leases.is_some() {
            Leases::prepare(data);
        }
    }

    /// Whether this worker may ask about the token, or another one is asking.
    pub fn take_lease(&self, data: &impl SharedData, digest: &TokenDigest, now: Time) -> Lease {
        let leases = self.leases.as_ref();
        leases.map_or(Lease::Ours, |leases| leases.take(data, digest, now))
    }

    /// This worker has asked, or will not.
    pub fn end_lease(&self, data: &impl SharedData, digest: &TokenDigest) {
        if let Some(leases) = &self.leases {
            leases.end(data, digest);
        }
    }

    /// What this worker knows about a token, if that is fresh and not due to be asked about
    /// again: then there is nothing to look for anywhere else.
    pub fn fresh(&self, key: &TokenKey, now: Time) -> Option<Found> {
        let local = self.local.borrow();
        let found = self.found(local.get(key)?, Source::Local, now);
        (found.freshness == Freshness::Fresh && !found.is_due).then_some(found)
    }

    /// What is known about a token that is in use. If it is due to be asked about again, the next
    /// caller is told so only after a while.
    pub fn look_up(
        &self,
        id: &TokenId,
        now: Time,
        reader: &ResponseReader,
        data: &impl SharedData,
    ) -> Option<Found> {
        let found = self.peek(id, now, reader, data)?;
        if found.is_due {
            let next = self.lifetimes.next_renewal(now);
            self.local.borrow_mut().set_renewal(&id.key, next);
        }
        Some(found)
    }

    /// What is known about a token.
    pub fn peek(
        &self,
        id: &TokenId,
        now: Time,
        reader: &ResponseReader,
        data: &impl SharedData,
    ) -> Option<Found> {
        let known = self.local.borrow().get(&id.key).cloned();
        let found = known
            .as_ref()
            .map(|known| self.found(known, Source::Local, now));
        if found
            .as_ref()
            .is_none_or(|f| f.is_due || f.freshness != Freshness::Fresh)
            && let Some(newer) = self.find_shared(id, reader, data)
            && known.is_none_or(|known| known.learned_at < newer.learned_at)
        {
            let found = self.found(&newer, Source::Shared, now);
            self.local.borrow_mut().insert(id.key, newer);
            return Some(found);
        }
        found
    }

    fn found(&self, known: &Known, source: Source, now: Time) -> Found {
        let freshness = self
            .lifetimes
            .freshness(&known.introspection, known.learned_at, now);
        Found {
            introspection: known.introspection.clone(),
            freshness,
            source,
            is_due: match freshness {
                Freshness::Fresh => known.renew_at.is_some_and(|at| now >= at),
                Freshness::Stale => known.renew_at.is_none_or(|at| now >= at),
                Freshness::None => false,
            },
            unanswered_at: known.unanswered_at,
        }
    }

    fn find_shared(
        &self,
        id: &TokenId,
        reader: &ResponseReader,
        data: &impl SharedData,
    ) -> Option<Known> {
        self.shared.as_ref()?.find(data, &id.digest, |slot| {
            let introspection = reader.parse_body(slot.answer).ok()?;
            Some(self.known(introspection, slot.learned_at))
        })
    }

    fn known(&self, introspection: Introspection, learned_at: Time) -> Known {
        Known {
            renew_at: self.lifetimes.renewal(&introspection, learned_at),
            introspection,
            learned_at,
            unanswered_at: None,
        }
    }

    /// A question about the token came to nothing at that time, or to something (`None`).
    pub fn unanswered(&self, key: &TokenKey, at: Option<Time>) {
        self.local.borrow_mut().set_unanswered(key, at);
    }

    /// Remembers what the endpoint said when it was asked at `asked_at`, in `answer`'s words.
    pub fn learn(
        &self,
        id: &TokenId,
        introspection: &Introspection,
        answer: &[u8],
        asked_at: Time,
        now: Time,
        data: &impl SharedData,
    ) {
        // An answer may land after a newer one: of another worker, or of an older configuration.
        if self
            .knows_since(id, now, data)
            .is_some_and(|newer| asked_at < newer)
        {
            return;
        }
        let is_kept = self.lifetimes.freshness(introspection, asked_at, now) == Freshness::Fresh;
        if !is_kept || answer.len() > MAX_ANSWER || introspection.size() > MAX_FACTS {
            self.forget(id, data);
            return;
        }
        let known = self.known(introspection.clone(), asked_at);
        self.local.borrow_mut().insert(id.key, known);
        if let Some(shared) = &self.shared {
            if answer.len() > MAX_SHARED {
                shared.forget(data, &id.digest);
                return;
            }
            let kind = match introspection {
                Introspection::Active(_) => Kind::Active,
                Introspection::Inactive => Kind::Inactive,
            };
            let slot = Slot {
                learned_at: asked_at,
                answer,
            };
            shared.publish(data, &id.digest, kind, &slot);
        }
    }

    /// When the newest answer about the token was asked for, in this worker or another.
    fn knows_since(&self, id: &TokenId, now: Time, data: &impl SharedData) -> Option<Time> {
        // What was learned in the future was learned before the clock was set back.
        let is_past = |learned_at: &Time| *learned_at <= now.after(SAME_MOMENT);
        let local = self
            .local
            .borrow()
            .get(&id.key)
            .map(|known| known.learned_at)
            .filter(is_past);
        let shared = self.shared.as_ref();
        let shared =
            shared.and_then(|shared| shared.find(data, &id.digest, |slot| Some(slot.learned_at)));
        local.max(shared.filter(is_past))
    }

    /// What was known about the token is not so any more.
    fn forget(&self, id: &TokenId, data: &impl SharedData) {
        self.local.borrow_mut().remove(&id.key);
        if let Some(shared) = &self.shared {
            shared.forget(data, &id.digest);
        }
    }

    /// How many tokens this worker remembers.
    pub fn len(&self) -> usize {
        self.local.borrow().len()
    }

    /// Whether this worker remembers none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may fail loudly")]
mod tests;
