//! All claims in one header: the members of the endpoint's answer, byte for byte and in its order.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::json::text::{Ambiguity, members};
use crate::upstream::MAX_VALUE;

/// The answer without `active`, as base64url; `None` if that is too long for a header. `answer` is
/// known to be JSON.
pub(super) fn payload(answer: &str) -> Result<Option<String>, Ambiguity> {
    let members = members(answer)?;
    let claims = members
        .iter()
        .filter(|member| member.name.as_text() != Some("active"));
    let mut json = String::with_capacity(answer.len());
    for claim in claims {
        json.push(if json.is_empty() { '{' } else { ',' });
        json.push_str(claim.name_text);
        json.push(':');
        json.push_str(claim.value_text);
    }
    json.push_str(if json.is_empty() { "{}" } else { "}" });
    let payload = URL_SAFE_NO_PAD.encode(json);
    Ok((payload.len() <= MAX_VALUE).then_some(payload))
}
