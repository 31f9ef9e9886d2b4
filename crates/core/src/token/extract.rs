//! Taking the access token out of a request (RFC 6750 section 2.1).
//!
//! Exactly one credential is accepted. Anything that could be read in two ways is malformed,
//! because the upstream might read it the other way.

use std::fmt;
use std::ops::Range;

use thiserror::Error;

use crate::request::head::{RequestHead, Single};
use crate::token::id::TokenDigest;

/// Where the access token is, and how long it may be.
#[derive(Clone, Debug)]
pub struct TokenSource {
    /// The header's name, lower-case.
    pub header: String,
    /// The authentication scheme before the token, compared without regard to case.
    /// Empty: the header's value is the bare token.
    pub scheme: String,
    /// The longest token that is looked at, in bytes.
    pub max_length: usize,
}

/// An access token as a client sent it: only `b64token` characters, so it can stand in any
/// header, JSON string or form. It never prints its content.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(Vec<u8>);

/// Why there is no access token to go by.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CredentialsError {
    /// No credentials, or credentials of another scheme.
    #[error("no credentials")]
    Missing,
    /// Malformed, repeated or over-long credentials.
    #[error("malformed credentials")]
    Malformed,
}

impl TokenSource {
    /// The request's one access token.
    pub fn extract(&self, head: &impl RequestHead) -> Result<AccessToken, CredentialsError> {
        let value = match head.single(&self.header) {
            Single::Absent => return Err(CredentialsError::Missing),
            Single::Value(value) => value,
            Single::Repeated => return Err(CredentialsError::Malformed),
        };
        let token = self.within(&value)?;
        let mut value = value.into_owned();
        value.truncate(token.end);
        value.drain(..token.start);
        Ok(AccessToken(value))
    }

    /// Where in the header's value the token is.
    fn within(&self, value: &[u8]) -> Result<Range<usize>, CredentialsError> {
        let value = trim_end(value);
        let given = trim_start(value);
        if given.is_empty() {
            return Err(CredentialsError::Missing);
        }
        let token = self.credentials(given)?;
        if token.len() > self.max_length || !is_b64token(token) {
            return Err(CredentialsError::Malformed);
        }
        Ok(value.len().saturating_sub(token.len())..value.len())
    }

    /// What follows the scheme, to the end.
    fn credentials<'a>(&self, value: &'a [u8]) -> Result<&'a [u8], CredentialsError> {
        if self.scheme.is_empty() {
            return Ok(value);
        }
        if let Some(rest) = self.after_scheme(value) {
            return Ok(rest);
        }
        // Envoy joins repeated headers: ours may be behind another's.
        let ours_is_behind = value
            .split(|b| *b == b',')
            .any(|part| self.after_scheme(trim_end(trim_start(part))).is_some());
        Err(if ours_is_behind {
            CredentialsError::Malformed
        } else {
            CredentialsError::Missing
        })
    }

    fn after_scheme<'a>(&self, value: &'a [u8]) -> Option<&'a [u8]> {
        let (scheme, rest) = value.split_at_checked(self.scheme.len())?;
        // As it is written by nearly all.
        let is_ours = scheme == self.scheme.as_bytes();
        if !is_ours && !scheme.eq_ignore_ascii_case(self.scheme.as_bytes()) {
            return None;
        }
        match rest.first() {
            Some(b' ') => Some(skip_spaces(rest)),
            // Our scheme with nothing behind it, or (`Bearer,…`) with another's credentials.
            None | Some(b',') => Some(rest),
            Some(_) => None,
        }
    }
}

impl AccessToken {
    /// The token itself, for the introspection request and nothing else.
    pub fn expose(&self) -> &str {
        // ASCII, all of it.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Its bytes, for its digest.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// No token at all: what stands in its place where only the rest matters.
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    /// What stands in place of a token of that digest where people read it.
    pub(crate) fn called(digest: &TokenDigest) -> Self {
        Self(format!("token-{digest}").into_bytes())
    }

    /// A token from a text, for tests and tools that have no request.
    #[cfg(test)]
    pub(crate) fn new(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

/// RFC 6750: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_b64token(value: &[u8]) -> bool {
    let padding = value.iter().rev().take_while(|b| **b == b'=').count();
    let body = value.get(..value.len().saturating_sub(padding));
    body.is_some_and(|body| !body.is_empty() && portvakt_octets::are_b64token(body))
}

fn trim_start(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    value
}

fn trim_end(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn skip_spaces(mut value: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::CredentialsError::{Malformed, Missing};
    use super::*;
    use crate::testing::head::FakeHead;

    /// The values of the header, one for each time it was sent, and what comes of them.
    type Case<'a> = (&'a [&'a [u8]], Result<&'a str, CredentialsError>);

    fn check(source: &TokenSource, (headers, expected): Case<'_>) {
        let headers: Vec<_> = headers
            .iter()
            .map(|value| (source.header.as_str(), *value))
            .collect();
        let found = source.extract(&FakeHead::of(&headers));
        let found = found.as_ref().map(AccessToken::expose).map_err(|e| *e);
        assert_eq!(found, expected, "{headers:?}");
    }

    fn bearer() -> TokenSource {
        TokenSource {
            header: "authorization".to_owned(),
            scheme: "Bearer".to_owned(),
            max_length: 16,
        }
    }

    #[test]
    fn bearer_credentials() {
        let cases: &[Case<'_>] = &[
            (&[], Err(Missing)),
            (&[b""], Err(Missing)),
            (&[b"  "], Err(Missing)),
            (&[b"Basic YTpi"], Err(Missing)),
            (&[b"Bearerx abc"], Err(Missing)),
            (&[b"Bear"], Err(Missing)),
            (&[b"DPoP abc"], Err(Missing)),
            (&[b"Digest username=\"a\", realm=\"b\""], Err(Missing)),
            (&[b"\xff\xfe"], Err(Missing)),
            (&[b"Bearer abc"], Ok("abc")),
            (&[b"bearer abc"], Ok("abc")),
            (&[b"BEARER abc"], Ok("abc")),
            (&[b"Bearer   abc"], Ok("abc")),
            (&[b" Bearer abc "], Ok("abc")),
            (&[b"Bearer aZ09-._~+/=="], Ok("aZ09-._~+/==")),
            (&[b"Bearer 0123456789abcdef"], Ok("0123456789abcdef")),
            (&[b"Bearer 0123456789abcdefg"], Err(Malformed)),
            (&[b"Bearer"], Err(Malformed)),
            (&[b"Bearer "], Err(Malformed)),
            (&[b"Bearer =="], Err(Malformed)),
            (&[b"Bearer a=b"], Err(Malformed)),
            (&[b"Bearer a b"], Err(Malformed)),
            (&[b"Bearer \tabc"], Err(Malformed)),
            (&[b"Bearer\tabc"], Err(Missing)),
            (&[b"Bearer a,b"], Err(Malformed)),
            (&[b"Bearer \"abc\""], Err(Malformed)),
            (&[b"Bearer ab\xff"], Err(Malformed)),
            (&["Bearer bl\u{e5}".as_bytes()], Err(Malformed)),
            (&[b"Bearer abc\0"], Err(Malformed)),
            (&[b"Bearer abc", b"Bearer abc"], Err(Malformed)),
            (&[b"Bearer abc", b"Basic YTpi"], Err(Malformed)),
            (&[b"Basic YTpi", b"Bearer abc"], Err(Malformed)),
            (&[b"Basic YTpi", b"bearer"], Err(Malformed)),
            (&[b"Bearer", b"Bearer abc"], Err(Malformed)),
            (&[b"", b"Bearer abc"], Ok("abc")),
        ];
        for case in cases {
            check(&bearer(), *case);
        }
    }

    #[test]
    fn bare_token_in_a_header_of_its_own() {
        let source = TokenSource {
            header: "x-token".to_owned(),
            scheme: String::new(),
            max_length: 8,
        };
        let cases: &[Case<'_>] = &[
            (&[], Err(Missing)),
            (&[b"abc"], Ok("abc")),
            (&[b"Bearer abc"], Err(Malformed)),
            (&[b"abc", b"def"], Err(Malformed)),
            (&[b"", b"abc"], Err(Malformed)),
            (&[b"123456789"], Err(Malformed)),
        ];
        for case in cases {
            check(&source, *case);
        }
    }

    #[test]
    fn a_token_never_prints_its_content() {
        let token = AccessToken::new("secret");
        assert_eq!(format!("{token:?}"), "AccessToken(…)");
    }
}
