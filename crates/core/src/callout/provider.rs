//! One provider: how its endpoint is asked, what it said, and whether it answers.

use std::cell::RefCell;
use std::time::Duration;

use crate::cache::freshness::Freshness;
use crate::cache::lease::Lease;
use crate::cache::lookup::Lookup;
use crate::cache::shared::SharedData;
use crate::cache::{Cache, Found, Source};
use crate::introspection::IntrospectionConfig;
use crate::introspection::error::{Answer, IntrospectionError};
use crate::introspection::health::{Health, Rank, Transition};
use crate::introspection::response::{Reading, Reply};
use crate::time::Time;
use crate::token::facts::Introspection;
use crate::token::id::{TokenDigest, TokenId, TokenKey};

/// What nobody has seen for longer, beside the time that answers take, may be over.
const SEEN_LATELY: Duration = Duration::from_secs(5);

/// One provider.
#[derive(Debug)]
pub struct Provider {
    config: IntrospectionConfig,
    cache: Cache,
    health: RefCell<Health>,
}

/// What is known about a token.
#[derive(Clone, Debug, PartialEq)]
pub enum Knowledge {
    /// Facts that count just now.
    Facts(Found, Lookup),
    /// Nothing that counts: the endpoint is to be asked.
    None(Rank),
}

impl Provider {
    /// An endpoint of which nothing is known yet.
    pub fn new(config: IntrospectionConfig, cache: Cache) -> Self {
        Self {
            health: RefCell::new(Health::new(config.timeout)),
            config,
            cache,
        }
    }

    /// How it is reached and spoken to.
    pub fn config(&self) -> &IntrospectionConfig {
        &self.config
    }

    /// How many tokens this worker remembers.
    pub fn remembers(&self) -> usize {
        self.cache.len()
    }

    /// What is known about a token in use. `id` is asked for only if this worker does not know
    /// at once.
    pub fn look_up(
        &self,
        key: &TokenKey,
        id: impl Fn() -> TokenId,
        data: &impl SharedData,
        now: Time,
    ) -> Knowledge {
        let found = self.cache.fresh(key, now);
        let reader = &self.config.response;
        let found = found.or_else(|| self.cache.look_up(&id(), now, reader, data));
        self.judge(found, now)
    }

    /// The same for a token that nobody uses just now.
    pub fn peek(&self, id: &TokenId, data: &impl SharedData, now: Time) -> Knowledge {
        let found = self.cache.peek(id, now, &self.config.response, data);
        self.judge(found, now)
    }

    fn judge(&self, found: Option<Found>, now: Time) -> Knowledge {
        let Some(found) = found else {
            return Knowledge::None(Rank::First);
        };
        match (found.freshness, found.source) {
            (Freshness::Fresh, Source::Local) => Knowledge::Facts(found, Lookup::Hit),
            (Freshness::Fresh, Source::Shared) => Knowledge::Facts(found, Lookup::SharedHit),
            (Freshness::Stale, _)
                if self.is_out(now) || self.is_lately(found.unanswered_at, now) =>
            {
                Knowledge::Facts(found, Lookup::Stale)
            }
            (Freshness::Stale | Freshness::None, _) if found.introspection.has_ended(now) => {
                Knowledge::None(Rank::First)
            }
            (Freshness::Stale | Freshness::None, _) => Knowledge::None(Rank::Renewal),
        }
    }

    /// What is known about a token in use and counts because a question about it came to nothing.
    pub fn stale(&self, id: &TokenId, data: &impl SharedData, now: Time) -> Option<Found> {
        let found = self.cache.look_up(id, now, &self.config.response, data)?;
        (found.freshness != Freshness::None).then_some(found)
    }

    /// Whether there is something to go by if the endpoint cannot be asked.
    pub fn has_stale(&self, id: &TokenId, data: &impl SharedData, now: Time) -> bool {
        let found = self.cache.peek(id, now, &self.config.response, data);
        found.is_some_and(|found| found.freshness != Freshness::None)
    }

    /// Whether the token was found inactive, or has expired: for good, however long ago.
    pub fn knows_it_ended(&self, id: &TokenId, data: &impl SharedData, now: Time) -> bool {
        let found = self.cache.peek(id, now, &self.config.response, data);
        found.is_some_and(|found| found.introspection.has_ended(now))
    }

    /// Whether a question came to nothing because the endpoint is out, and not for something that
    /// a client can bring about by itself.
    pub fn is_outage(&self, error: &IntrospectionError, now: Time) -> bool {
        match error {
            IntrospectionError::Unreachable(_) | IntrospectionError::Status(_) => true,
            IntrospectionError::Timeout => self.is_out(now),
            IntrospectionError::NotDispatched
            | IntrospectionError::Busy
            | IntrospectionError::Malformed(_)
            | IntrospectionError::Misconfigured(_) => false,
        }
    }

    /// Whether the endpoint is out, as far as anybody has looked lately.
    fn is_out(&self, now: Time) -> bool {
        self.is_lately(self.health.borrow().out_at(), now)
    }

    /// Tokens in use are asked about once a second while the endpoint does not answer, and each
    /// answer may take its time.
    fn is_lately(&self, seen_at: Option<Time>, now: Time) -> bool {
        let timeout = self.config.timeout;
        let memory = timeout.saturating_mul(2).saturating_add(SEEN_LATELY);
        seen_at.is_some_and(|at| now.apart(at) <= memory)
    }

    /// Whether this worker may ask about the token, or another one is asking. Between the request's
    /// look and this, another may have had its answer: `looks_again` for that.
    pub fn take_lease(
        &self,
        id: &TokenId,
        looks_again: bool,
        data: &impl SharedData,
        now: Time,
    ) -> Lease {
        let reader = &self.config.response;
        self.cache.take_lease(id, now, reader, data, |found| {
            let found = looks_again.then_some(found);
            self.judge(found, now).into_facts()
        })
    }

    /// This worker will not ask, or has to no avail.
    pub fn end_lease(&self, digest: &TokenDigest, data: &impl SharedData, now: Time) {
        self.cache.end_lease(digest, now, data);
    }

    /// The endpoint's reply to a callout that was dispatched at `asked_at`: reads it and remembers
    /// what it said. Others may ask from now on.
    pub fn read<'a>(
        &self,
        id: &TokenId,
        asked_at: Time,
        reply: Reply<'a>,
        data: &impl SharedData,
        now: Time,
    ) -> Reading<'a> {
        let reading = self.config.response.parse(reply);
        match &reading.answer {
            Ok(introspection) => {
                self.cache
                    .learn(id, introspection, reading.words, asked_at, now, data);
            }
            Err(_) => self.end_lease(&id.digest, data, now),
        }
        reading
    }

    /// Takes note of what a question that was asked at `asked_at` came to. What began or ended
    /// with it is worth a line each.
    pub fn observe(
        &self,
        key: &TokenKey,
        answer: &Answer,
        rank: Rank,
        asked_at: Time,
        now: Time,
    ) -> Vec<Transition> {
        let error = answer.as_ref().err();
        let is_unanswered = error.is_some_and(IntrospectionError::keeps_from_answering);
        self.cache.unanswered(key, is_unanswered.then_some(now));
        self.health
            .borrow_mut()
            .observe(answer, rank, asked_at, now)
    }

    /// Time has passed: what has ended is worth a line each.
    pub fn tick(&self, now: Time) -> Vec<Transition> {
        self.health.borrow_mut().tick(now)
    }
}

impl Knowledge {
    /// What the endpoint said, if that counts.
    pub fn into_facts(self) -> Option<Introspection> {
        match self {
            Self::Facts(found, _) => Some(found.introspection),
            Self::None(_) => None,
        }
    }
}
