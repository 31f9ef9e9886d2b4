//! Tokens of inputs.

use portvakt_core::testing::head::FakeHead;
use portvakt_core::token::extract::{AccessToken, TokenSource};

use crate::naive::base64url;

/// A token: `raw` and a space, then its bytes; else lines that are its parts before they are
/// base64url, with points between them.
pub fn token(input: &[u8]) -> Vec<u8> {
    if let Some(token) = input.strip_prefix(b"raw ") {
        return token.to_vec();
    }
    let parts: Vec<String> = input
        .split(|b| *b == b'\n')
        .map(base64url::encode)
        .collect();
    parts.join(".").into_bytes()
}

/// The token as a request has it; `None`: it is none.
pub fn access_token(token: &[u8]) -> Option<AccessToken> {
    let source = TokenSource {
        header: "x-token".to_owned(),
        scheme: String::new(),
        max_length: 65536,
    };
    let found = source.extract(&FakeHead::of(&[("x-token", token)])).ok()?;
    (found.as_bytes() == token).then_some(found)
}
