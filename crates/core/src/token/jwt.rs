//! Tokens that cannot be right, whatever the endpoint would say: they are refused without a
//! callout. Nothing is accepted here, and nothing here counts for a token that passes.
//!
//! A JWT (RFC 7519) that an issuer gave out has three parts, names an algorithm and its issuer,
//! and is not past its time. What cannot be judged is left to the endpoint.

use std::time::Duration;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::time::Time;
use crate::token::extract::AccessToken;

/// What a token must look like to be asked about.
#[derive(Clone, Debug)]
pub struct Precheck {
    /// The `iss` that it must have, if any is configured.
    pub issuer: Option<String>,
    /// How far clocks may differ.
    pub leeway: Duration,
}

/// Why a token cannot be right.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PrecheckError {
    /// It has not three parts of base64url.
    #[error("not three parts of base64url")]
    Parts,
    /// Its header or payload is no JSON object.
    #[error("header or payload is no JSON object")]
    Json,
    /// It names no algorithm, or `none`.
    #[error("no algorithm")]
    Algorithm,
    /// It is from another issuer.
    #[error("another issuer")]
    Issuer,
    /// It has expired, or is not valid yet, or says so in a way that is no time.
    #[error("expired, or not valid yet")]
    Time,
}

/// Strict but for bits that some encoders leave behind the last character: the endpoint may mind.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

impl Precheck {
    /// Whether the token is worth a question.
    pub fn check(&self, token: &AccessToken, now: Time) -> Result<(), PrecheckError> {
        // Every condition that there is must be taken out here, and be checked.
        let Self { issuer, leeway } = self;
        let [header, payload, _] = parts(token).ok_or(PrecheckError::Parts)?;
        let header = object(&header).ok_or(PrecheckError::Json)?;
        let payload = object(&payload).ok_or(PrecheckError::Json)?;
        let algorithm = header.get("alg").and_then(Value::as_str);
        if algorithm.is_none_or(|name| name.is_empty() || name.eq_ignore_ascii_case("none")) {
            return Err(PrecheckError::Algorithm);
        }
        if let Some(issuer) = issuer
            && payload.get("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err(PrecheckError::Issuer);
        }
        let is_past = |exp: Time| now.before(*leeway) >= exp;
        let is_to_come = |nbf: Time| now.after(*leeway) < nbf;
        if is_so(payload.get("exp"), is_past) || is_so(payload.get("nbf"), is_to_come) {
            return Err(PrecheckError::Time);
        }
        Ok(())
    }
}

/// Header, payload and signature of a token that looks like a signed JWT (RFC 7515 section 3.1).
pub(super) fn parts(token: &AccessToken) -> Option<[Vec<u8>; 3]> {
    let mut parts = token.as_bytes().split(|b| *b == b'.').map(decode);
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

/// One part, which is not empty: a JWT without a signature is not signed.
fn decode(part: &[u8]) -> Option<Vec<u8>> {
    BASE64URL.decode(part).ok().filter(|part| !part.is_empty())
}

fn object(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(json).ok()
}

/// Whether this holds for a claim that is there; one that is no number is not right either.
fn is_so(claim: Option<&Value>, holds: impl Fn(Time) -> bool) -> bool {
    match claim {
        None => false,
        Some(Value::Number(date)) => holds(Time::from_numeric_date(date)),
        Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_795_000_000;

    fn part(text: &str) -> String {
        BASE64URL.encode(text)
    }

    fn jwt(header: &Value, payload: &Value) -> String {
        let (header, payload) = (part(&header.to_string()), part(&payload.to_string()));
        format!("{header}.{payload}.c2ln")
    }

    fn check(token: &str, expected: Result<(), PrecheckError>) {
        let precheck = Precheck {
            issuer: Some("https://idp/".to_owned()),
            leeway: Duration::from_secs(60),
        };
        let now = Time::from_millis(NOW * 1000);
        let found = precheck.check(&AccessToken::new(token), now);
        assert_eq!(found, expected, "{token}");
    }

    #[test]
    fn what_does_not_look_like_a_jwt() {
        let (header, payload) = (
            part(r#"{"alg":"RS256"}"#),
            part(r#"{"iss":"https://idp/"}"#),
        );
        for (token, expected) in [
            (format!("{header}.{payload}.c2ln"), Ok(())),
            // The last character has bits to spare.
            (format!("{header}.{payload}.c2k"), Ok(())),
            (format!("{header}.{payload}.c2l"), Ok(())),
            ("garbage".to_owned(), Err(PrecheckError::Parts)),
            (format!("{header}.{payload}"), Err(PrecheckError::Parts)),
            (format!("{header}.{payload}."), Err(PrecheckError::Parts)),
            (
                format!("{header}.{payload}.c2ln."),
                Err(PrecheckError::Parts),
            ),
            (
                format!("{header}.{payload}.c2ln.c2ln.c2ln"),
                Err(PrecheckError::Parts),
            ),
            (
                format!("{header}.{payload}.c2ln="),
                Err(PrecheckError::Parts),
            ),
            (format!("{header}.{payload}.c"), Err(PrecheckError::Parts)),
            (
                format!("{header}.{payload}.c/+n"),
                Err(PrecheckError::Parts),
            ),
            (format!(".{payload}.c2ln"), Err(PrecheckError::Parts)),
            ("..".to_owned(), Err(PrecheckError::Parts)),
            (
                format!("{}.{payload}.c2ln", part("[]")),
                Err(PrecheckError::Json),
            ),
            (
                format!("{}.{payload}.c2ln", part("{")),
                Err(PrecheckError::Json),
            ),
            (
                format!("{header}.{}.c2ln", part("1")),
                Err(PrecheckError::Json),
            ),
            (
                format!("{header}.{}.c2ln", part("{} {}")),
                Err(PrecheckError::Json),
            ),
            (
                format!("{header}.{}.c2ln", BASE64URL.encode(b"{\"a\":\"\xff\"}")),
                Err(PrecheckError::Json),
            ),
            (
                format!("{header}.{}.c2ln", part(&"[".repeat(2000))),
                Err(PrecheckError::Json),
            ),
        ] {
            check(&token, expected);
        }
    }

    #[test]
    fn what_a_jwt_says_of_itself() {
        let rs256 = || json!({ "alg": "RS256" });
        let payload = |more: Value| {
            let mut payload = json!({ "iss": "https://idp/" });
            payload
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            payload
        };
        for (header, payload, expected) in [
            (json!({}), payload(json!({})), Err(PrecheckError::Algorithm)),
            (
                json!({ "alg": "none" }),
                payload(json!({})),
                Err(PrecheckError::Algorithm),
            ),
            (
                json!({ "alg": "NoNe" }),
                payload(json!({})),
                Err(PrecheckError::Algorithm),
            ),
            (
                json!({ "alg": "" }),
                payload(json!({})),
                Err(PrecheckError::Algorithm),
            ),
            (
                json!({ "alg": 1 }),
                payload(json!({})),
                Err(PrecheckError::Algorithm),
            ),
            (json!({ "alg": "ES256" }), payload(json!({})), Ok(())),
            (rs256(), json!({}), Err(PrecheckError::Issuer)),
            (
                rs256(),
                payload(json!({ "iss": "https://idp" })),
                Err(PrecheckError::Issuer),
            ),
            (
                rs256(),
                payload(json!({ "iss": ["https://idp/"] })),
                Err(PrecheckError::Issuer),
            ),
            (rs256(), payload(json!({ "exp": NOW + 1 })), Ok(())),
            (rs256(), payload(json!({ "exp": NOW - 59 })), Ok(())),
            (
                rs256(),
                payload(json!({ "exp": NOW - 60 })),
                Err(PrecheckError::Time),
            ),
            (
                rs256(),
                payload(json!({ "exp": 1_794_999_939.5 })),
                Err(PrecheckError::Time),
            ),
            (
                rs256(),
                payload(json!({ "exp": -1 })),
                Err(PrecheckError::Time),
            ),
            (
                rs256(),
                payload(json!({ "exp": "1" })),
                Err(PrecheckError::Time),
            ),
            (
                rs256(),
                payload(json!({ "exp": null })),
                Err(PrecheckError::Time),
            ),
            (rs256(), payload(json!({ "nbf": NOW + 60 })), Ok(())),
            (
                rs256(),
                payload(json!({ "nbf": NOW + 61 })),
                Err(PrecheckError::Time),
            ),
            (
                rs256(),
                payload(json!({ "nbf": 1e300 })),
                Err(PrecheckError::Time),
            ),
            (
                rs256(),
                payload(json!({ "nbf": {} })),
                Err(PrecheckError::Time),
            ),
        ] {
            check(&jwt(&header, &payload), expected);
        }
    }

    #[test]
    fn without_an_issuer_any_will_do() {
        let precheck = Precheck {
            issuer: None,
            leeway: Duration::ZERO,
        };
        let token = AccessToken::new(&jwt(&json!({ "alg": "RS256" }), &json!({})));
        assert_eq!(precheck.check(&token, Time::from_millis(0)), Ok(()));
    }
}
