//! Scopes: what a rule asks for and what a token was granted.
//!
//! Scopes are compared as whole scope-tokens (RFC 6749 section 3.3), byte by byte. Maskinporten
//! permits `æøå` in them, so they may hold non-ASCII characters.

use serde_json::Value;
use thiserror::Error;

use crate::json::ALLOCATION;

/// One scope-token that a rule asks for, or with a `*` at its end any that begins so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(String);

/// The text is no scope-token.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ScopeError {
    /// It has characters that no scope-token has.
    #[error(
        "{0:?} is no scope: one or more characters without spaces, control characters, `\"` and `\\`"
    )]
    Characters(String),
    /// It has a `*` that is not at its end.
    #[error("{0:?} has a `*` that is not its last character, where alone it stands for any rest")]
    Wildcard(String),
}

/// The scopes that a token was granted, as the endpoint named them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantedScopes(Vec<Box<str>>);

impl Scope {
    /// Parses one scope-token.
    pub fn parse(text: String) -> Result<Self, ScopeError> {
        let is_allowed =
            |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\\');
        if text.is_empty() || !text.chars().all(is_allowed) {
            return Err(ScopeError::Characters(text));
        }
        if text.strip_suffix('*').unwrap_or(&text).contains('*') {
            return Err(ScopeError::Wildcard(text));
        }
        Ok(Self(text))
    }

    /// The scope-token, if it is one and not the beginning of many.
    pub fn token(&self) -> Option<&str> {
        (!self.0.ends_with('*')).then_some(&self.0)
    }

    /// As it is written in a configuration.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is(&self, granted: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => granted.starts_with(beginning),
            None => granted == self.0,
        }
    }
}

impl GrantedScopes {
    /// From the claim `scope`, or where that is absent `scp`: a string of scope-tokens with
    /// spaces between them, or an array of scope-tokens. Anything else grants nothing.
    pub fn from_claims(scope: Option<&Value>, scp: Option<&Value>) -> Self {
        let mut tokens: Vec<&str> = match scope.or(scp) {
            Some(Value::String(text)) => text.split(' ').collect(),
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        tokens.retain(|token| !token.is_empty());
        tokens.sort_unstable();
        tokens.dedup();
        Self(tokens.into_iter().map(Box::from).collect())
    }

    /// Whether this very scope-token was granted, or one that begins so.
    pub fn contains(&self, scope: &Scope) -> bool {
        self.0.iter().any(|granted| scope.is(granted))
    }

    /// About how much memory they take, in bytes.
    pub fn size(&self) -> usize {
        let each = size_of::<Box<str>>().saturating_add(ALLOCATION);
        let sizes = self.0.iter().map(|token| token.len());
        sizes.fold(0, |all, len| all.saturating_add(len).saturating_add(each))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_a_scope() {
        for text in ["a", "nav:helse/sykepenger/afp.read", "nav:blåbær", "!#[]~"] {
            assert!(Scope::parse(text.to_owned()).is_ok(), "{text}");
        }
        for text in [
            "", "a b", " a", "a\tb", "a\"b", "a\\b", "a\nb", "a\u{a0}b", "\u{7f}",
        ] {
            assert!(Scope::parse(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_granted() {
        let none = Value::Null;
        let cases = [
            (json!("a b c"), none.clone(), "b", true),
            (json!("a  b"), none.clone(), "b", true),
            (json!("abc"), none.clone(), "b", false),
            (json!("a:b"), none.clone(), "a", false),
            (json!("A"), none.clone(), "a", false),
            (json!("a\tb"), none.clone(), "a", false),
            (json!("nav:blåbær"), none.clone(), "nav:blåbær", true),
            (
                json!("nav:bla\u{30a}bær"),
                none.clone(),
                "nav:blåbær",
                false,
            ),
            (json!(["a", "b"]), none.clone(), "b", true),
            (json!(["a b"]), none.clone(), "b", false),
            (json!([1, "b", null]), none.clone(), "b", true),
            (json!({"b": true}), none.clone(), "b", false),
            (json!(7), none.clone(), "7", false),
            (json!(""), none.clone(), "a", false),
            (none.clone(), json!("a b"), "b", true),
            (none.clone(), json!(["b"]), "b", true),
            (json!("a"), json!("b"), "b", false),
            (none.clone(), none.clone(), "a", false),
            (
                json!("nav:helse/a nav:x"),
                none.clone(),
                "nav:helse/*",
                true,
            ),
            (json!("nav:helse/"), none.clone(), "nav:helse/*", true),
            (json!("nav:helse"), none.clone(), "nav:helse/*", false),
            (json!("x:nav:helse/a"), none.clone(), "nav:helse/*", false),
            (json!("a"), none.clone(), "*", true),
            (json!(""), none.clone(), "*", false),
            // What is granted is no pattern.
            (json!("nav:*"), none.clone(), "nav:x", false),
            (json!("nav:*"), none.clone(), "nav:*", true),
        ];
        for (scope, scp, asked, expected) in cases {
            let given = |value: &Value| (!value.is_null()).then(|| value.clone());
            let granted = GrantedScopes::from_claims(given(&scope).as_ref(), given(&scp).as_ref());
            let asked = Scope::parse(asked.to_owned()).unwrap();
            assert_eq!(
                granted.contains(&asked),
                expected,
                "{scope} {scp} {asked:?}"
            );
        }
    }
}
