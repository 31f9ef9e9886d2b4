//! What the endpoint said about a token, in the form that rules and the upstream go by.

use std::rc::Rc;

use crate::time::Time;
use crate::token::binding::Binding;
use crate::token::claims::Claims;
use crate::token::scope::GrantedScopes;

/// What the endpoint said about a token.
#[derive(Clone, Debug, PartialEq)]
pub enum Introspection {
    /// The token is active.
    Active(Rc<TokenFacts>),
    /// The token is not active, whatever the reason.
    Inactive,
}

impl Introspection {
    /// Whether the token has been inactive, or is past its `exp`: for good, in either case.
    pub fn has_ended(&self, now: Time) -> bool {
        match self {
            Self::Active(facts) => facts.expires_at.is_some_and(|exp| now >= exp),
            Self::Inactive => true,
        }
    }

    /// About how much memory it takes, in bytes.
    pub fn size(&self) -> usize {
        match self {
            Self::Active(facts) => facts.size(),
            Self::Inactive => 0,
        }
    }
}

/// The facts about an active token that rules and the upstream go by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenFacts {
    /// The scopes it was granted.
    pub scopes: GrantedScopes,
    /// When it expires (`exp`), if that is known.
    pub expires_at: Option<Time>,
    /// What it is bound to (`cnf`), if it is.
    pub binding: Option<Binding>,
    /// The claims that the configuration asks for.
    pub claims: Claims,
    /// All claims as base64url of JSON, if they are to be forwarded and are not too many.
    pub payload: Option<String>,
}

impl TokenFacts {
    fn size(&self) -> usize {
        let payload = self.payload.as_ref().map_or(0, String::len);
        [self.scopes.size(), self.claims.size(), payload]
            .into_iter()
            .fold(size_of::<Self>(), usize::saturating_add)
    }
}
