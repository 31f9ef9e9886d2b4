//! A token that is made up, for a request that has none: one of which the answer could speak.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::authorizer::{Authorizer, Subject};
use crate::introspection::response::Reply;
use crate::policy::Access;

/// The claims of an answer that the token would have too, where the filter looks at it before
/// anybody was asked.
const LOOKED_AT: [&str; 3] = ["iss", "exp", "nbf"];

impl Authorizer {
    /// The header that access tokens come in.
    pub fn token_header(&self) -> &str {
        &self.token.header
    }

    /// A token as it stands in that header.
    pub fn credentials(&self, token: &str) -> String {
        format!("{} {token}", self.token.scheme)
            .trim_start()
            .to_owned()
    }

    /// The header's value with a token that gets as far as the endpoint: an opaque one, or where
    /// that makes a difference a JWT with what the answer says of issuer and time.
    pub(super) fn assumed_credentials(&self, subject: Subject, reply: Reply<'_>) -> String {
        let mut providers = self.providers.iter();
        let has_issuers = providers.any(|provider| !provider.config().issuers().is_empty());
        let token = if has_issuers || self.precheck.is_some() {
            self.assumed_jwt(subject, reply)
        } else {
            "assumed".chars().take(self.token.max_length).collect()
        };
        self.credentials(&token)
    }

    fn assumed_jwt(&self, subject: Subject, reply: Reply<'_>) -> String {
        let answer = reply
            .body
            .and_then(|body| serde_json::from_slice(body).ok());
        let mut claims: Map<String, Value> = answer.unwrap_or_default();
        claims.retain(|name, _| LOOKED_AT.contains(&name.as_str()));
        if !claims.contains_key("iss")
            && let Some(issuer) = self.likely_issuer(subject)
        {
            claims.insert("iss".to_owned(), issuer.into());
        }
        let parts = [json!({ "alg": "RS256" }), Value::Object(claims)];
        let [header, payload] = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        format!("{header}.{payload}.AAAA")
    }

    /// An issuer whose tokens are not refused ahead, and known to somebody whom the rule trusts.
    fn likely_issuer(&self, subject: Subject) -> Option<String> {
        let precheck = self.precheck.as_ref();
        if let Some(issuer) = precheck.and_then(|precheck| precheck.issuer.clone()) {
            return Some(issuer);
        }
        match &self.rules.get(subject.rule?)?.access {
            Access::Anonymous => None,
            Access::Token(access) => {
                let mut trusted = access.providers.iter();
                let first = self.providers.get(trusted.next()?)?;
                first.config().issuers().first().cloned()
            }
        }
    }
}
