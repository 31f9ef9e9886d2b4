//! The section `forward`.

use super::claim::claim;
use super::context::Context;
use super::raw::{RawAuthorization, RawForward};
use super::{ConfigError, header_name, refuse};
use crate::token::claims::ClaimId;
use crate::upstream::Forwarding;

/// Headers that say how a message is to be read or where it goes, and so are not for claims.
const NOT_FOR_CLAIMS: [&str; 20] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-http-method-override",
    "x-request-id",
];

pub(super) fn forwarding(
    raw: RawForward,
    token_header: &str,
    context: &mut Context,
) -> Result<Forwarding, ConfigError> {
    let names = raw.claims.0;
    let mut headers: Vec<(String, ClaimId)> = Vec::with_capacity(names.len());
    for (name, path) in names {
        let key = format!("forward.claims.{name}");
        let name = managed(&key, &name, token_header)?;
        if headers.iter().any(|(other, _)| *other == name) {
            return refuse(key, "is given twice");
        }
        headers.push((name, claim(&key, &path, context)?));
    }
    let key = "forward.payload_header";
    let payload_header = raw.payload_header;
    let payload_header = payload_header
        .map(|name| managed(key, &name, token_header))
        .transpose()?;
    if let Some(name) = &payload_header
        && headers.iter().any(|(other, _)| other == name)
    {
        return refuse(key, format!("{name:?} carries a claim already"));
    }
    let filter_state = raw.filter_state.0.into_iter().map(|(name, path)| {
        let key = format!("forward.filter_state.{name}");
        Ok((state_name(&key, name)?, claim(&key, &path, context)?))
    });
    Ok(Forwarding {
        headers,
        payload_header,
        filter_state: filter_state.collect::<Result<_, _>>()?,
        token_header: match raw.authorization {
            RawAuthorization::Keep => None,
            RawAuthorization::Remove => Some(token_header.to_owned()),
        },
    })
}

/// The name of a header that the filter may set and remove, lower-case.
fn managed(key: &str, name: &str, token_header: &str) -> Result<String, ConfigError> {
    let name = header_name(key, name)?;
    if name.contains('_') {
        return refuse(
            key,
            format!("{name:?} has a `_`, which many servers take for a `-`, and clients could use"),
        );
    }
    if NOT_FOR_CLAIMS.contains(&name.as_str()) || name.starts_with("x-envoy-") {
        return refuse(key, format!("{name:?} is not for claims"));
    }
    if name == token_header || name == "authorization" {
        return refuse(key, format!("{name:?} is where tokens are"));
    }
    Ok(name)
}

/// A name below `wasm.portvakt.` in Envoy's filter state.
fn state_name(key: &str, name: String) -> Result<String, ConfigError> {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if name.is_empty() || !name.bytes().all(is_word) {
        return refuse(key, "is no name: letters, digits, `-`, `_` and `.`");
    }
    if ["reason", "shadow_reason"].contains(&name.as_str()) {
        return refuse(
            key,
            "is where the filter puts why it refused a request, or would have",
        );
    }
    Ok(name)
}
