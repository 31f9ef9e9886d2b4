//! Is this token good? Asked the way Texas asks.
//!
//! Texas checks tokens with the `jsonwebtoken` crate and passes its error
//! texts on. The same crate with the same settings gives the same texts here.

use std::collections::HashMap;
use std::fmt;

use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::Value;

use crate::keys::Keys;

/// Clocks may differ by this much.
const LEEWAY_SECONDS: u32 = 60;

/// A map without an order: every answer lists the claims in another one.
pub(crate) type Claims = HashMap<String, Value>;

/// Why a token was not accepted. Shown, it is Texas's text.
#[derive(Debug)]
pub(crate) enum Rejected {
    Header(Error),
    NoKeyId,
    UnknownKey,
    Token(Error),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(error) => write!(f, "invalid token header: {error}"),
            Self::NoKeyId => f.write_str("missing key id from token header"),
            Self::UnknownKey => {
                f.write_str("token can not be validated with this identity provider")
            }
            Self::Token(error) => write!(f, "invalid token: {error}"),
        }
    }
}

/// The claims of `token` if its signature, issuer and times are in order.
/// Nothing else is looked at: not the audience, not the scope.
pub(crate) fn verify(keys: &Keys, token: &str) -> Result<Claims, Rejected> {
    let kid = decode_header(token)
        .map_err(Rejected::Header)?
        .kid
        .ok_or(Rejected::NoKeyId)?;
    let key = keys.find(&kid).ok_or(Rejected::UnknownKey)?;
    let claims = decode::<Claims>(token, key, &validation(keys))
        .map_err(Rejected::Token)?
        .claims;
    issued_by_now(&claims, keys.now()).map_err(|kind| Rejected::Token(kind.into()))?;
    Ok(claims)
}

fn validation(keys: &Keys) -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.leeway = LEEWAY_SECONDS.into();
    // It asks for the time by itself: for a clock that is ahead a token has so much less of it.
    validation.reject_tokens_expiring_in_less_than = keys.ahead().into();
    validation.validate_nbf = true;
    validation.validate_aud = false;
    validation.set_required_spec_claims(&["iss", "exp"]);
    validation.set_issuer(&[keys.provider().issuer()]);
    validation
}

/// `jsonwebtoken` does not look at `iat`.
fn issued_by_now(claims: &Claims, now: i64) -> Result<(), ErrorKind> {
    let issued_at = claims
        .get("iat")
        .and_then(Value::as_u64)
        .ok_or_else(|| ErrorKind::MissingRequiredClaim("iat".to_owned()))?;
    let latest = now.saturating_add(LEEWAY_SECONDS.into());
    match i64::try_from(issued_at) {
        Ok(issued_at) if issued_at <= latest => Ok(()),
        _ => Err(ErrorKind::ImmatureSignature),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::keys::{KeyRing, now};
    use crate::mint::{Algorithm, Kid, Mint};
    use crate::provider::IdentityProvider;

    /// Seconds well past the leeway, and well within it.
    const BEYOND: i64 = 90;
    const WITHIN: i64 = 30;

    type Expected = Result<(), String>;

    fn verified(keys: &Keys, token: &str) -> Expected {
        verify(keys, token)
            .map(drop)
            .map_err(|rejected| rejected.to_string())
    }

    fn invalid(what: &str) -> String {
        format!("invalid token: {what}")
    }

    fn missing(claim: &str) -> String {
        invalid(&format!("Missing required claim: {claim}"))
    }

    /// Each case: its name, the token and the outcome.
    fn check<const N: usize>(cases: [(&str, Mint, Expected); N]) {
        let keys = Keys::generate(IdentityProvider::default()).unwrap();
        for (case, mint, expected) in cases {
            assert_eq!(verified(&keys, &keys.mint(&mint)), expected, "{case}");
        }
    }

    fn mint() -> Mint {
        Mint::default()
    }

    #[test]
    fn the_key_and_the_algorithm_must_be_the_published_ones() {
        let no_kid = Err("missing key id from token header".to_owned());
        let unknown = "token can not be validated with this identity provider";
        let algorithm = |algorithm| mint().algorithm(algorithm);
        check([
            ("good", mint(), Ok(())),
            ("no kid", mint().kid(Kid::Absent), no_kid),
            ("unknown", mint().kid(Kid::Unknown), Err(unknown.to_owned())),
            (
                "RS384",
                algorithm(Algorithm::Rs384),
                Err(invalid("InvalidAlgorithm")),
            ),
            (
                "RS512",
                algorithm(Algorithm::Rs512),
                Err(invalid("InvalidAlgorithm")),
            ),
            (
                "HS256",
                algorithm(Algorithm::Hs256),
                Err(invalid("InvalidAlgorithm")),
            ),
        ]);
    }

    #[test]
    fn the_issuer_must_be_exact_and_the_required_claims_there() {
        let without = |claim| mint().claim(claim, Value::Null);
        let issuer = |issuer: &str| mint().claim("iss", issuer);
        check([
            (
                "other",
                issuer("https://maskinporten.no/"),
                Err(invalid("InvalidIssuer")),
            ),
            (
                "no slash",
                issuer("https://test.maskinporten.no"),
                Err(invalid("InvalidIssuer")),
            ),
            ("no exp", without("exp"), Err(missing("exp"))),
            ("no iat", without("iat"), Err(missing("iat"))),
            ("no iss", without("iss"), Err(missing("iss"))),
            (
                "exp as text",
                mint().claim("exp", "1795350566"),
                Err(missing("exp")),
            ),
        ]);
    }

    #[test]
    fn the_times_must_be_right_within_the_leeway() {
        let lifetime = |seconds| mint().lifetime_seconds(seconds);
        let from_now = |claim, seconds| mint().claim(claim, now() + seconds);
        check([
            ("exp just past", lifetime(-WITHIN), Ok(())),
            (
                "exp past",
                lifetime(-BEYOND),
                Err(invalid("ExpiredSignature")),
            ),
            ("nbf just ahead", from_now("nbf", WITHIN), Ok(())),
            (
                "nbf ahead",
                from_now("nbf", BEYOND),
                Err(invalid("ImmatureSignature")),
            ),
            ("iat just ahead", from_now("iat", WITHIN), Ok(())),
            (
                "iat ahead",
                from_now("iat", BEYOND),
                Err(invalid("ImmatureSignature")),
            ),
            (
                "iat at the end",
                mint().claim("iat", u64::MAX),
                Err(invalid("ImmatureSignature")),
            ),
        ]);
    }

    #[test]
    fn a_clock_that_is_ahead() {
        let provider = IdentityProvider::default();
        let ring = KeyRing::generate(&[provider]).unwrap();
        let keys = ring.of(provider).unwrap();
        let outlives = |seconds| keys.mint(&mint().lifetime_seconds(3600 + seconds));
        let (expired, good) = (outlives(-BEYOND), outlives(-WITHIN));
        assert_eq!(verified(keys, &expired), Ok(()));
        ring.set_ahead(3600);
        assert_eq!(verified(keys, &expired), Err(invalid("ExpiredSignature")));
        assert_eq!(verified(keys, &good), Ok(()));
        assert_eq!(verified(keys, &keys.mint(&mint())), Ok(()));
        ring.set_ahead(0);
        assert_eq!(verified(keys, &expired), Ok(()));
    }

    #[test]
    fn nothing_else_is_looked_at() {
        let without = |claim| mint().claim(claim, Value::Null);
        check([
            ("audience", mint().claim("aud", "somebody"), Ok(())),
            ("no scope", without("scope"), Ok(())),
            (
                "scopes in an array",
                mint().claim("scope", json!(["a:b"])),
                Ok(()),
            ),
            (
                "scope beyond ASCII",
                mint().scope("nav:hjelpemidler/søknad.les"),
                Ok(()),
            ),
            ("no consumer", without("consumer"), Ok(())),
            ("no token type", without("token_type"), Ok(())),
            (
                "bound to a key",
                mint().claim("cnf", json!({"jkt": "x"})),
                Ok(()),
            ),
        ]);
    }

    #[test]
    fn a_token_that_was_changed_is_refused() {
        let keys = Keys::generate(IdentityProvider::default()).unwrap();
        let token = keys.mint(&mint());
        let other = keys.mint(&mint().scope("nav:other/scope.read"));
        let part = |token: &str, index| token.split('.').nth(index).unwrap().to_owned();
        let tampered = [part(&token, 0), part(&other, 1), part(&token, 2)].join(".");
        let unsigned = [part(&token, 0), part(&token, 1), String::new()].join(".");
        let garbage = "invalid token header: InvalidToken".to_owned();
        for (token, expected) in [
            (tampered.as_str(), invalid("InvalidSignature")),
            (&unsigned, invalid("InvalidSignature")),
            ("", garbage.clone()),
            ("garbage", garbage),
        ] {
            assert_eq!(verified(&keys, token), Err(expected), "{token}");
        }
    }

    #[test]
    fn a_key_made_elsewhere_is_unknown() {
        let token = Keys::generate(IdentityProvider::default())
            .unwrap()
            .mint(&mint());
        let verified = verify(
            &Keys::generate(IdentityProvider::default()).unwrap(),
            &token,
        );
        assert!(matches!(verified, Err(Rejected::UnknownKey)));
    }
}
