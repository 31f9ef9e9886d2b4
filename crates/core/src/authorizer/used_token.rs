//! The access token of a request once it was taken out: by which rule it is judged, and whom to ask
//! about it. A request that waits is remembered by these and by the token's names, without it.

use std::cell::OnceCell;

use crate::callout::single_flight::Question;
use crate::introspection::health::Rank;
use crate::policy::RuleId;
use crate::request::trace::Trace;
use crate::token::extract::AccessToken;
use crate::token::id::{TokenDigest, TokenId, TokenKey};
use crate::token::providers::ProviderId;

/// What a decision is about, for metrics and log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The rule that the request is for, if one is.
    pub rule: Option<RuleId>,
    /// Whose word it is about the token, if anybody's.
    pub provider: Option<ProviderId>,
}

/// The access token of a request, the rule that the request is for, and whom to ask.
#[derive(Debug, PartialEq, Eq)]
pub struct UsedToken {
    rule: RuleId,
    provider: ProviderId,
    pub(super) token: AccessToken,
    /// What this worker calls the token.
    pub(super) key: TokenKey,
    /// What everybody calls the token, once somebody has asked for it.
    digest: OnceCell<TokenDigest>,
}

/// What a request waits for: a provider's word about a token, to be judged by a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inquiry {
    pub rule: RuleId,
    pub provider: ProviderId,
    pub token_id: TokenId,
}

impl Subject {
    /// A decision about which nobody is asked.
    pub(super) fn of_rule(rule: RuleId) -> Self {
        Self {
            rule: Some(rule),
            provider: None,
        }
    }
}

impl UsedToken {
    pub(super) fn new(
        rule: RuleId,
        provider: ProviderId,
        token: AccessToken,
        key: TokenKey,
    ) -> Self {
        Self {
            rule,
            provider,
            token,
            key,
            digest: OnceCell::new(),
        }
    }

    /// What the token is called.
    pub fn id(&self) -> TokenId {
        TokenId {
            key: self.key,
            digest: *self.digest.get_or_init(|| TokenDigest::of(&self.token)),
        }
    }

    /// What a decision about it is about.
    pub fn subject(&self) -> Subject {
        Subject {
            rule: Some(self.rule),
            provider: Some(self.provider),
        }
    }

    /// Whom to ask about it.
    pub fn provider(&self) -> ProviderId {
        self.provider
    }

    /// What a request that uses it waits for.
    pub fn inquiry(&self) -> Inquiry {
        Inquiry {
            rule: self.rule,
            provider: self.provider,
            token_id: self.id(),
        }
    }

    /// The question about it.
    pub fn question(&self, rank: Rank, trace: Option<Trace>) -> Question {
        Question {
            provider: self.provider,
            token_id: self.id(),
            token: self.token.clone(),
            rank,
            trace,
        }
    }
}

impl Inquiry {
    /// What a decision about it is about.
    pub fn subject(&self) -> Subject {
        Subject {
            rule: Some(self.rule),
            provider: Some(self.provider),
        }
    }
}
