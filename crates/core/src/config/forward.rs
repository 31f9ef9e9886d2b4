//! The section `forward`.

use super::claim::claim;
use super::context::{Context, Refused, all};
use super::header_name;
use super::raw::{RawAuthorization, RawForward};
use crate::request::method;
use crate::token::claims::ClaimId;
use crate::upstream::Forwarding;

/// Headers that say how a message is to be read or where it goes, and so are not for claims.
const NOT_FOR_CLAIMS: [&str; 19] = [
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
    "x-request-id",
];

pub(super) fn forwarding(
    raw: RawForward,
    token_header: Result<&str, Refused>,
    context: &mut Context,
) -> Result<Forwarding, Refused> {
    let names = raw.claims.0;
    let mut headers: Vec<(String, ClaimId)> = Vec::with_capacity(names.len());
    let mut claims = Ok(());
    for (name, path) in names {
        match header(&name, &path, &headers, token_header, context) {
            Ok(header) => headers.push(header),
            Err(refused) => claims = Err(refused),
        }
    }
    let payload_header = payload_header(raw.payload_header, &headers, token_header, context);
    let filter_state = raw.filter_state.0.into_iter().map(|(name, path)| {
        let key = format!("forward.filter_state.{name}");
        let name = state_name(&key, name, context)?;
        Ok((name, claim(&key, &path, context)?))
    });
    let filter_state = all(filter_state);
    claims?;
    Ok(Forwarding {
        headers,
        payload_header: payload_header?,
        filter_state: filter_state?,
        token_header: match raw.authorization {
            RawAuthorization::Keep => None,
            RawAuthorization::Remove => Some(token_header?.to_owned()),
        },
    })
}

/// A header with the claim that it carries. There are others already.
fn header(
    name: &str,
    path: &str,
    others: &[(String, ClaimId)],
    token_header: Result<&str, Refused>,
    context: &mut Context,
) -> Result<(String, ClaimId), Refused> {
    let key = format!("forward.claims.{name}");
    let name = managed(&key, name, token_header, context)?;
    if others.iter().any(|(other, _)| *other == name) {
        return context.refuse(key, "is given twice");
    }
    Ok((name, claim(&key, path, context)?))
}

fn payload_header(
    given: Option<String>,
    headers: &[(String, ClaimId)],
    token_header: Result<&str, Refused>,
    context: &mut Context,
) -> Result<Option<String>, Refused> {
    let key = "forward.payload_header";
    let Some(name) = given else {
        return Ok(None);
    };
    let name = managed(key, &name, token_header, context)?;
    if headers.iter().any(|(other, _)| *other == name) {
        return context.refuse(key, format!("{name:?} carries a claim already"));
    }
    Ok(Some(name))
}

/// The name of a header that the filter may set and remove, lower-case.
fn managed(
    key: &str,
    name: &str,
    token_header: Result<&str, Refused>,
    context: &mut Context,
) -> Result<String, Refused> {
    let name = header_name(key, name, context)?;
    if name.contains('_') {
        return context.refuse(
            key,
            format!("{name:?} has a `_`, which many servers take for a `-`, and clients could use"),
        );
    }
    let says_method = method::OVERRIDES.contains(&name.as_str());
    if NOT_FOR_CLAIMS.contains(&name.as_str()) || says_method || name.starts_with("x-envoy-") {
        return context.refuse(key, format!("{name:?} is not for claims"));
    }
    if token_header.is_ok_and(|header| header == name) || name == "authorization" {
        return context.refuse(key, format!("{name:?} is where tokens are"));
    }
    Ok(name)
}

/// A name below `wasm.portvakt.` in Envoy's filter state.
fn state_name(key: &str, name: String, context: &mut Context) -> Result<String, Refused> {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if name.is_empty() || !name.bytes().all(is_word) {
        return context.refuse(key, "is no name: letters, digits, `-`, `_` and `.`");
    }
    if ["reason", "shadow_reason"].contains(&name.as_str()) {
        return context.refuse(
            key,
            "is where the filter puts why it refused a request, or would have",
        );
    }
    Ok(name)
}
