//! Known tokens: what the endpoint said about them, for as long as it counts.
//!
//! Facts are remembered, never verdicts: rules run on every request. Each worker remembers for
//! itself ([`local`]) and shares the endpoint's answers with the others ([`shared`]).

pub mod bucket;
pub mod freshness;
pub mod lease;
pub mod local;
pub mod lookup;
pub mod record;
pub mod shared;

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use crate::cache::bucket::{Kind, MAX_ANSWER, MAX_SHARED};
use crate::cache::freshness::{Freshness, Lifetimes, SAME_MOMENT};
use crate::cache::lease::{Holder, Lease};
use crate::cache::local::{Known, LocalCache};
use crate::cache::record::{Change, LeaseChange, Record, Said};
use crate::cache::shared::{SharedCache, SharedData};
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
    /// Where no answer is kept there is nothing to share.
    pub fn new(
        lifetimes: Lifetimes,
        local: Rc<RefCell<LocalCache>>,
        max_entries: usize,
        sharing: Option<Fingerprint>,
    ) -> Self {
        let sharing = sharing.filter(|_| lifetimes.keep_anything());
        let owner = RandomState::new().hash_one(0);
        Self {
            lifetimes,
            local,
            shared: sharing.map(|fingerprint| SharedCache::new(fingerprint, max_entries, owner)),
        }
    }

    /// Whether this worker is to ask about the token, or another one is asking. It need not if
    /// something is known by now that `counts`.
    pub fn take_lease(
        &self,
        id: &TokenId,
        now: Time,
        reader: &ResponseReader,
        data: &impl SharedData,
        counts: impl Fn(Found) -> Option<Introspection>,
    ) -> Lease {
        let known = self.local.borrow().get(&id.key).cloned();
        let own = known.as_ref();
        let own = own.map(|known| self.found(known, Source::Local, now));
        if let Some(introspection) = own.and_then(&counts) {
            return Lease::Needless(introspection);
        }
        let Some(shared) = self.leasing() else {
            return Lease::Ours;
        };
        let decide = |record: &Record<'_>| {
            let newer = self.newer(record, known.as_ref(), reader);
            let found = newer
                .as_ref()
                .map(|newer| self.found(newer, Source::Shared, now));
            let (lease, change) = match (found.and_then(&counts), record.holder(now)) {
                (Some(introspection), _) => (Lease::Needless(introspection), LeaseChange::AsItWas),
                (None, Holder::Theirs) => (Lease::Theirs, LeaseChange::AsItWas),
                (None, Holder::Ours | Holder::NoRoom) => (Lease::Ours, LeaseChange::AsItWas),
                (None, Holder::Nobody) => (Lease::Ours, LeaseChange::Taken),
            };
            let change = Change {
                said: Said::AsItWas,
                lease: change,
            };
            ((lease, newer), change)
        };
        let ((lease, newer), is_done) = shared.update(data, &id.digest, now, decide);
        if let Some(newer) = newer {
            self.local.borrow_mut().insert(id.key, newer);
        }
        if is_done { lease } else { Lease::Theirs }
    }

    /// This worker has asked, or will not.
    pub fn end_lease(&self, digest: &TokenDigest, now: Time, data: &impl SharedData) {
        let ended = Change {
            said: Said::AsItWas,
            lease: LeaseChange::Ended,
        };
        if let Some(shared) = self.leasing() {
            shared.update(data, digest, now, |_| ((), ended));
        }
    }

    /// Where no answer about an active token is kept there is nothing to wait for.
    fn leasing(&self) -> Option<&SharedCache> {
        let shared = self.shared.as_ref();
        shared.filter(|_| !self.lifetimes.max_ttl.is_zero())
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
            && let Some(newer) = self.find_shared(id, known.as_ref(), reader, data)
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

    /// What is shared about a token and newer than what is known.
    fn find_shared(
        &self,
        id: &TokenId,
        known: Option<&Known>,
        reader: &ResponseReader,
        data: &impl SharedData,
    ) -> Option<Known> {
        let shared = self.shared.as_ref()?;
        shared.find(data, &id.digest, |record| self.newer(record, known, reader))
    }

    fn newer(
        &self,
        record: &Record<'_>,
        known: Option<&Known>,
        reader: &ResponseReader,
    ) -> Option<Known> {
        record.newest(|answer| {
            // What is older need not be read.
            let is_newer = known.is_none_or(|known| known.learned_at < answer.time);
            let said = is_newer.then(|| reader.parse_body(answer.content))?;
            Some(self.known(said.ok()?, answer.time))
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

    /// Remembers what the endpoint said when it was asked at `asked_at`, in `answer`'s words. With
    /// that this worker's lease of the token ends.
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
        // What was learned in the future was learned before the clock was set back.
        let is_newer = |other: Time| asked_at < other && other <= now.after(SAME_MOMENT);
        let own = self.local.borrow().get(&id.key).map(|own| own.learned_at);
        let is_older_than_own = own.is_some_and(is_newer);
        let is_kept = self.lifetimes.freshness(introspection, asked_at, now) == Freshness::Fresh
            && answer.len() <= MAX_ANSWER
            && introspection.size() <= MAX_FACTS;
        let said = if is_kept && answer.len() <= MAX_SHARED {
            Said::Answer {
                kind: match introspection {
                    Introspection::Active(_) => Kind::Active,
                    Introspection::Inactive => Kind::Inactive,
                },
                asked_at,
                words: answer,
            }
        } else {
            // What was known about the token is not so any more.
            Said::Nothing
        };
        let is_late = self.shared.as_ref().map_or(is_older_than_own, |shared| {
            let learned = shared.update(data, &id.digest, now, |record| {
                let mut others = record.answers();
                let is_late = is_older_than_own || others.any(|other| is_newer(other.time));
                let change = Change {
                    said: if is_late { Said::AsItWas } else { said },
                    lease: LeaseChange::Ended,
                };
                (is_late, change)
            });
            learned.0
        });
        let mut local = self.local.borrow_mut();
        match (is_late, is_kept) {
            (true, _) if is_older_than_own => {}
            (false, true) => local.insert(id.key, self.known(introspection.clone(), asked_at)),
            // What this worker knew is older still than what came too late: another worker's is to
            // be looked for.
            (true, _) | (false, false) => local.remove(&id.key),
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
