//! What a token is bound to (RFC 7800): of all that `cnf` may say, a connection can prove
//! `x5t#S256` alone (RFC 8705 section 3.1).

use super::base64url;
use super::json::{Json, Text};

/// The SHA-256 of the client's certificate in lower-case hex, if it is all that stands in `cnf`.
pub fn certificate(cnf: &Json) -> Option<String> {
    let Json::Object(members) = cnf else {
        return None;
    };
    let [member] = members.as_slice() else {
        return None;
    };
    let thumbprint = member.value.text()?;
    let digest = base64url::decode(thumbprint.as_bytes())?;
    let is_one = member.name == Text::of("x5t#S256")
        && digest.len() == 32
        // There is one spelling.
        && base64url::encode(&digest) == thumbprint;
    let hex = digest.iter().map(|byte| format!("{byte:02x}"));
    is_one.then(|| hex.collect())
}
