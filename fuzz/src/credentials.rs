//! The access token of a request's head.
//!
//! Input: a line `HEADER MAX_LENGTH SCHEME` (no scheme: the bare token), then a line for each time
//! that the header was sent.
//!
//! Oracle: a token is taken only if the header was sent once, and is one scheme (in any case),
//! spaces and one `b64token` of at most that length (RFC 6750 section 2.1), and it is that one to
//! the byte. Credentials are missing only where nothing in the head is of our scheme.

use portvakt_core::request::head::RequestHead;
use portvakt_core::testing::head::FakeHead;
use portvakt_core::token::extract::{CredentialsError, TokenSource};

use crate::naive::b64token::is_b64token;
use crate::text::{lines, words};

#[derive(Debug, PartialEq)]
enum Expected {
    Token(Vec<u8>),
    Missing,
    Malformed,
}

pub fn check(input: &[u8]) -> bool {
    let lines = lines(input, 64);
    let Some(source) = source(lines[0]) else {
        return false;
    };
    let values = &lines[1..];
    let mut headers: Vec<(&str, &[u8])> = vec![(":method", b"GET"), ("x-other", b"Bearer other")];
    headers.extend(values.iter().map(|value| (source.header.as_str(), *value)));
    let head = FakeHead::of(&headers);

    let found = match source.extract(&head) {
        Ok(token) => {
            assert_eq!(token.as_bytes(), token.expose().as_bytes());
            assert_eq!(format!("{token:?}"), "AccessToken(…)");
            Expected::Token(token.as_bytes().to_vec())
        }
        Err(CredentialsError::Missing) => Expected::Missing,
        Err(CredentialsError::Malformed) => Expected::Malformed,
    };
    assert_eq!(found, expected(&source, values), "{source:?}");
    // A header is only looked at: it is there as it was.
    assert_eq!(head.names().len(), headers.len());
    true
}

fn source(line: &[u8]) -> Option<TokenSource> {
    let words = words(line);
    let header = match words.first() {
        Some(&"authorization") => "authorization",
        Some(&"x-token") => "x-token",
        _ => return None,
    };
    let scheme = words.get(2).copied().unwrap_or_default();
    // As the configuration has it: a token (RFC 9110 section 5.6.2).
    let is_scheme = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    scheme.bytes().all(is_scheme).then(|| TokenSource {
        header: header.to_owned(),
        scheme: scheme.to_owned(),
        max_length: words
            .get(1)
            .and_then(|text| text.parse().ok())
            .unwrap_or(8192),
    })
}

fn expected(source: &TokenSource, values: &[&[u8]]) -> Expected {
    // Envoy shows the values of `authorization` as one, without those that are empty.
    let is_joined = source.header == "authorization";
    let sent: Vec<&[u8]> = values
        .iter()
        .copied()
        .filter(|value| !is_joined || !value.is_empty())
        .collect();
    match sent.as_slice() {
        [] => return Expected::Missing,
        [one] if trimmed(one).is_empty() => return Expected::Missing,
        [one] => {
            if let Some(token) = credentials(&source.scheme, trimmed(one))
                && is_b64token(token)
                && token.len() <= source.max_length
            {
                return Expected::Token(token.to_vec());
            }
        }
        _ if !is_joined => return Expected::Malformed,
        _ => {}
    }
    if source.scheme.is_empty() {
        return Expected::Malformed;
    }
    // What a proxy makes of several headers of one name is a list (RFC 9110 section 5.3).
    let mut parts = sent.iter().flat_map(|value| value.split(|b| *b == b','));
    if parts.any(|part| is_ours(&source.scheme, trimmed(part))) {
        Expected::Malformed
    } else {
        Expected::Missing
    }
}

/// What stands behind the scheme and at least one space; all of it, where there is no scheme.
fn credentials<'a>(scheme: &str, value: &'a [u8]) -> Option<&'a [u8]> {
    if scheme.is_empty() {
        return Some(value);
    }
    if value.len() <= scheme.len() || !is_ours(scheme, value) {
        return None;
    }
    let mut token = &value[scheme.len() + 1..];
    while token.first() == Some(&b' ') {
        token = &token[1..];
    }
    Some(token)
}

/// Whether the scheme is there, and ends there.
fn is_ours(scheme: &str, value: &[u8]) -> bool {
    let lower = |bytes: &[u8]| {
        bytes
            .iter()
            .map(u8::to_ascii_lowercase)
            .collect::<Vec<u8>>()
    };
    value.len() >= scheme.len()
        && lower(&value[..scheme.len()]) == lower(scheme.as_bytes())
        && (value.len() == scheme.len() || value[scheme.len()] == b' ')
}

/// Without spaces and tabs at its ends (RFC 9110 section 5.5).
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
