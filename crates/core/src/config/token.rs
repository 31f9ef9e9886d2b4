//! The section `token`.

use super::context::{Context, Refused};
use super::header_name;
use super::raw::{Integer, RawToken};
use crate::token::extract::TokenSource;

/// The longest `token.max_length`: more than Envoy takes in all headers together by default.
const MAX_TOKEN_LENGTH: u64 = 65_536;

pub(super) fn token_source(raw: RawToken, context: &mut Context) -> Result<TokenSource, Refused> {
    let header = raw.header.unwrap_or_else(|| "authorization".to_owned());
    let scheme = raw.scheme.unwrap_or_else(|| "Bearer".to_owned());
    let max_length = raw.max_length.map_or(8192, |Integer(length)| length);
    // A scheme is a token as a method is (RFC 9110 section 11.1).
    let is_scheme = scheme.is_empty() || http::Method::from_bytes(scheme.as_bytes()).is_ok();
    let scheme = if is_scheme {
        Ok(scheme)
    } else {
        context.refuse(
            "token.scheme",
            format!("{scheme:?} is no authentication scheme, e.g. `Bearer`, or `\"\"` for none"),
        )
    };
    let max_length = if (1..=MAX_TOKEN_LENGTH).contains(&max_length) {
        Ok(usize::try_from(max_length).unwrap_or(usize::MAX))
    } else {
        context.refuse(
            "token.max_length",
            format!("{max_length} is not within 1 to {MAX_TOKEN_LENGTH} bytes"),
        )
    };
    let header = header_name("token.header", &header, context);
    Ok(TokenSource {
        header: header?,
        scheme: scheme?,
        max_length: max_length?,
    })
}
