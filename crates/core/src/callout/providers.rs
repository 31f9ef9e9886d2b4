//! Whom to ask about a token: the providers of a configuration.
//!
//! A rule names those that it trusts. Among them it is the one whose issuers hold the token's
//! `iss`, which is read without trust, else the one that has no issuers. What one of them said is
//! never another's word: a token has a name of its own with each.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use quick_cache::unsync::Cache;

use super::provider::Provider;
use crate::token::extract::AccessToken;
use crate::token::id::{TokenKey, TokenKeys};
use crate::token::issuer::issuer;
use crate::token::providers::{ProviderId, ProviderSet};

/// The providers of a configuration.
#[derive(Debug)]
pub struct Providers {
    all: Vec<Provider>,
    keys: TokenKeys,
    /// Those without issuers.
    unnamed: ProviderSet,
    by_issuer: HashMap<Rc<str>, ProviderSet>,
    /// Whose issuers hold the `iss` of a token: to read that costs more than all else that is done
    /// for a known token.
    holders: RefCell<Cache<TokenKey, ProviderSet>>,
}

impl Providers {
    /// Providers by their position. Of at most `max_entries` tokens it is remembered whose they
    /// are.
    pub fn new(all: Vec<Provider>, max_entries: usize) -> Self {
        let mut unnamed = ProviderSet::default();
        let mut by_issuer: HashMap<Rc<str>, ProviderSet> = HashMap::new();
        for (position, provider) in all.iter().enumerate() {
            let id = ProviderId::at(position);
            let issuers = provider.config().issuers();
            if issuers.is_empty() {
                unnamed.extend(id);
            }
            for issuer in issuers {
                by_issuer
                    .entry(issuer.as_str().into())
                    .or_default()
                    .extend(id);
            }
        }
        Self {
            all,
            keys: TokenKeys::default(),
            unnamed,
            by_issuer,
            holders: RefCell::new(Cache::new(max_entries)),
        }
    }

    /// The provider of that name.
    pub fn get(&self, id: ProviderId) -> Option<&Provider> {
        self.all.get(id.position())
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Provider> + Clone {
        self.all.iter()
    }

    /// All of them, by name.
    pub fn with_ids(&self) -> impl Iterator<Item = (ProviderId, &Provider)> + Clone {
        let ids = (0..self.all.len()).filter_map(ProviderId::at);
        ids.zip(&self.all)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many tokens this worker remembers.
    pub fn remembers(&self) -> usize {
        // They have one cache.
        self.all.first().map_or(0, Provider::remembers)
    }

    /// Whom of `asked` to ask about the token, and what this worker calls it there; `None`: nobody.
    pub fn select(
        &self,
        asked: ProviderSet,
        token: &AccessToken,
    ) -> Option<(ProviderId, &Provider, TokenKey)> {
        let key = self.keys.key(token);
        let id = if self.by_issuer.is_empty() {
            asked.first()
        } else {
            let holders = self.holders(key, token).and(asked);
            holders.first().or_else(|| asked.and(self.unnamed).first())
        };
        let id = id?;
        Some((id, self.get(id)?, key.with(id)))
    }

    /// Those whose issuers hold the token's `iss`.
    fn holders(&self, key: TokenKey, token: &AccessToken) -> ProviderSet {
        if let Some(known) = self.holders.borrow().get(&key) {
            return *known;
        }
        let issuer = issuer(token);
        let holders = issuer.and_then(|issuer| self.by_issuer.get(issuer.as_str()).copied());
        let holders = holders.unwrap_or_default();
        self.holders.borrow_mut().insert(key, holders);
        holders
    }
}
