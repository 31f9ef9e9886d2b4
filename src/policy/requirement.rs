//! What a rule asks of a token, and whether the facts meet it.

use crate::introspection::response::TokenFacts;
use crate::scope::Scope;

/// A requirement on a token's facts. The default asks for nothing but an active token.
#[derive(Debug, Default)]
pub struct Requirement {
    /// Scopes that must all have been granted.
    pub scopes: Vec<Scope>,
}

/// What the facts do not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// A scope is missing.
    Scope,
}

impl Requirement {
    /// Whether the facts meet the requirement.
    pub fn check(&self, facts: &TokenFacts) -> Result<(), Unmet> {
        if self.scopes.iter().all(|scope| facts.scopes.contains(scope)) {
            Ok(())
        } else {
            Err(Unmet::Scope)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::GrantedScopes;

    #[test]
    fn all_scopes_are_needed() {
        let cases: &[(&[&str], &str, bool)] = &[
            (&[], "", true),
            (&["a"], "", false),
            (&["a"], "a", true),
            (&["a"], "b a", true),
            (&["a", "b"], "a", false),
            (&["a", "b"], "b a c", true),
            (&["a"], "ab", false),
        ];
        for (required, granted, expected) in cases {
            let scopes = required.iter().map(|s| Scope::parse((*s).to_owned()));
            let requirement = Requirement {
                scopes: scopes.collect::<Result<_, _>>().unwrap(),
            };
            let facts = TokenFacts {
                scopes: GrantedScopes::from_claims(Some(&(*granted).into()), None),
                expires_at: None,
            };
            let found = requirement.check(&facts).is_ok();
            assert_eq!(found, *expected, "{required:?} {granted}");
        }
    }
}
