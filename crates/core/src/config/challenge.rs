//! The section `challenge`.

use super::context::{Context, Refused};
use super::raw::RawChallenge;
use crate::introspection::request::Endpoint;
use crate::reply::challenge::ChallengeParameters;
use crate::reply::metadata::ProtectedResource;

/// What challenges carry, with the metadata that the filter serves, if it does.
pub(super) fn challenge_parameters(
    raw: RawChallenge,
    described: Option<&ProtectedResource>,
    context: &mut Context,
) -> Result<ChallengeParameters, Refused> {
    let realm = quotable("challenge.realm", raw.realm, context);
    let metadata = quotable(
        "challenge.resource_metadata",
        raw.resource_metadata,
        context,
    );
    let metadata = metadata.and_then(|metadata| match metadata {
        Some(url) if Endpoint::parse(&url).is_err() => context.refuse(
            "challenge.resource_metadata",
            format!("{url:?} is no http or https URL"),
        ),
        metadata => Ok(metadata),
    });
    Ok(ChallengeParameters {
        realm: realm?,
        resource_metadata: metadata?
            .or_else(|| described.map(|resource| resource.url().to_owned())),
    })
}

/// What can stand in quotes in a header.
fn quotable(
    key: &str,
    text: Option<String>,
    context: &mut Context,
) -> Result<Option<String>, Refused> {
    let is_quotable = |text: &String| {
        let mut bytes = text.bytes();
        bytes.all(|b| matches!(b, b' '..=b'~') && !b"\"\\".contains(&b))
    };
    match text {
        Some(text) if !is_quotable(&text) => context.refuse(
            key,
            format!("{text:?} is not of printable ASCII without `\"` and `\\`"),
        ),
        text => Ok(text),
    }
}
