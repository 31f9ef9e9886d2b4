//! JWTs (RFC 7519) as far as `jwt_precheck` and `issuers` look at them (docs/configuration.md).

use super::answer::millis;
use super::base64url;
use super::json::Json;

/// Why a token is not worth a question.
#[derive(Debug, PartialEq)]
pub enum Hopeless {
    Parts,
    Json,
    Algorithm,
    Issuer,
    Time,
}

/// Three parts of base64url with points between them, none of them empty.
pub fn parts(token: &[u8]) -> Option<[Vec<u8>; 3]> {
    let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
    let decoded = parts.iter().map(|part| base64url::decode(part));
    let decoded: Vec<Vec<u8>> = decoded.collect::<Option<_>>()?;
    let is_whole = decoded.iter().all(|part| !part.is_empty());
    decoded.try_into().ok().filter(|_| is_whole)
}

/// The token's `iss`, if that is one text.
pub fn issuer(token: &[u8]) -> Option<String> {
    let [_, payload, _] = parts(token)?;
    let payload = Json::read(str::from_utf8(&payload).ok()?)?;
    match payload.members("iss").as_slice() {
        [issuer] => issuer.text(),
        _ => None,
    }
}

/// What of a token is looked at: an object that everybody can read.
fn object(json: &[u8]) -> Option<Json> {
    let object = Json::read(str::from_utf8(json).ok()?)?;
    let is_object = matches!(object, Json::Object(_));
    let is_readable = object.is_sound() && object.depth() <= super::json::MAX_DEPTH;
    (is_object && is_readable).then_some(object)
}

/// Of several members of one name the last one counts, as most read it.
fn last(object: &Json, name: &str) -> Option<Json> {
    object.members(name).last().map(|value| (*value).clone())
}

/// `leeway` and the times at which `exp` and `nbf` are looked at in milliseconds.
pub fn precheck(
    token: &[u8],
    issuer: Option<&str>,
    leeway: u64,
    [at_exp, at_nbf]: [u64; 2],
) -> Result<(), Hopeless> {
    let [header, payload, _] = parts(token).ok_or(Hopeless::Parts)?;
    let header = object(&header).ok_or(Hopeless::Json)?;
    let payload = object(&payload).ok_or(Hopeless::Json)?;
    let algorithm = last(&header, "alg").and_then(|alg| alg.text());
    match algorithm {
        Some(name) if !name.is_empty() && !name.eq_ignore_ascii_case("none") => {}
        _ => return Err(Hopeless::Algorithm),
    }
    if let Some(issuer) = issuer
        && last(&payload, "iss").and_then(|iss| iss.text()).as_deref() != Some(issuer)
    {
        return Err(Hopeless::Issuer);
    }
    let expired = match last(&payload, "exp") {
        None => false,
        Some(Json::Number(digits)) => at_exp.saturating_sub(leeway) >= millis(&digits),
        Some(_) => true,
    };
    let to_come = match last(&payload, "nbf") {
        None => false,
        Some(Json::Number(digits)) => at_nbf.saturating_add(leeway) < millis(&digits),
        Some(_) => true,
    };
    if expired || to_come {
        return Err(Hopeless::Time);
    }
    Ok(())
}
