//! The signing keys, one for each identity provider: made at every start, never stored.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm as JwtAlgorithm, DecodingKey, EncodingKey, Header};
use rsa::RsaPrivateKey;
use rsa::pkcs1::{EncodeRsaPrivateKey as _, EncodeRsaPublicKey as _};
use rsa::rand_core::OsRng;

use crate::mint::{Algorithm, Kid, Mint};
use crate::provider::IdentityProvider;

const KEY_BITS: usize = 2048;

/// One RSA key, in the shapes that minting, verifying and publishing need.
pub(crate) struct Keys {
    provider: IdentityProvider,
    id: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    public: Jwk,
    /// The public key taken for an HMAC secret: what a forger would try.
    hmac: EncodingKey,
    /// How far the clock of who has these keys is ahead, in seconds.
    ahead: AtomicU32,
}

impl Keys {
    /// Makes a new key. Takes a good part of a second.
    pub(crate) fn generate(provider: IdentityProvider) -> io::Result<Self> {
        let private = RsaPrivateKey::new(&mut OsRng, KEY_BITS).map_err(io::Error::other)?;
        let private_der = private.to_pkcs1_der().map_err(io::Error::other)?;
        let public_der = private
            .to_public_key()
            .to_pkcs1_der()
            .map_err(io::Error::other)?;

        let signing = EncodingKey::from_rsa_der(private_der.as_bytes());
        let mut public =
            Jwk::from_encoding_key(&signing, JwtAlgorithm::RS256).map_err(io::Error::other)?;
        let id = public
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(io::Error::other)?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);

        Ok(Self {
            provider,
            id,
            verifying: DecodingKey::from_jwk(&public).map_err(io::Error::other)?,
            signing,
            public,
            hmac: EncodingKey::from_secret(public_der.as_bytes()),
            ahead: AtomicU32::new(0),
        })
    }

    /// Signs a token. Should that fail, the text says why and is no token.
    pub(crate) fn mint(&self, mint: &Mint) -> String {
        let (kid, algorithm) = mint.header();
        let (algorithm, key) = match algorithm {
            Algorithm::Rs256 => (JwtAlgorithm::RS256, &self.signing),
            Algorithm::Rs384 => (JwtAlgorithm::RS384, &self.signing),
            Algorithm::Rs512 => (JwtAlgorithm::RS512, &self.signing),
            Algorithm::Hs256 => (JwtAlgorithm::HS256, &self.hmac),
        };
        let mut header = Header::new(algorithm);
        header.kid = match kid {
            Kid::Known => Some(self.id.clone()),
            Kid::Unknown => Some("unknown".to_owned()),
            Kid::Absent => None,
        };
        jsonwebtoken::encode(&header, &mint.claims(self.now()), key)
            .unwrap_or_else(|error| format!("not signed: {error}"))
    }

    /// The identity provider that signs with it.
    pub(crate) fn provider(&self) -> IdentityProvider {
        self.provider
    }

    /// How far the clock is ahead, in seconds.
    pub(crate) fn ahead(&self) -> u32 {
        self.ahead.load(Ordering::Relaxed)
    }

    /// Seconds since 1970, by that clock.
    pub(crate) fn now(&self) -> i64 {
        now().saturating_add(self.ahead().into())
    }

    /// The key with this id, if it is known.
    pub(crate) fn find(&self, kid: &str) -> Option<&DecodingKey> {
        (kid == self.id).then_some(&self.verifying)
    }

    /// The public key, to be published.
    fn public(&self) -> Jwk {
        self.public.clone()
    }
}

/// The keys of all identity providers that are enabled.
pub(crate) struct KeyRing(Vec<Keys>);

impl KeyRing {
    /// Makes a new key for each.
    pub(crate) fn generate(providers: &[IdentityProvider]) -> io::Result<Self> {
        let keys = providers.iter().map(|provider| Keys::generate(*provider));
        keys.collect::<Result<_, _>>().map(Self)
    }

    /// The keys of a provider, if it is enabled.
    pub(crate) fn of(&self, provider: IdentityProvider) -> Option<&Keys> {
        self.0.iter().find(|keys| keys.provider == provider)
    }

    /// Sets how far the clock is ahead, in seconds.
    pub(crate) fn set_ahead(&self, seconds: u32) {
        for keys in &self.0 {
            keys.ahead.store(seconds, Ordering::Relaxed);
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Keys> {
        self.0.iter()
    }

    /// Signs a token. Should that fail, the text says why and is no token.
    pub(crate) fn mint(&self, mint: &Mint) -> String {
        let provider = mint.provider();
        self.of(provider).map_or_else(
            || format!("not signed: {} is not enabled", provider.name()),
            |keys| keys.mint(mint),
        )
    }

    /// The public keys, to be published.
    pub(crate) fn jwks(&self) -> JwkSet {
        JwkSet {
            keys: self.0.iter().map(Keys::public).collect(),
        }
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|passed| i64::try_from(passed.as_secs()).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::decode_header;
    use serde_json::Value;

    use super::*;

    #[test]
    fn tokens_carry_the_published_key_id_and_no_private_part_is_published() {
        let ring = KeyRing::generate(&[IdentityProvider::default()]).unwrap();
        let keys = ring.of(IdentityProvider::default()).unwrap();
        let jwks = serde_json::to_value(ring.jwks()).unwrap();
        let key = jwks["keys"][0].as_object().unwrap();
        let names: Vec<&str> = key.keys().map(String::as_str).collect();
        assert_eq!(names, ["alg", "e", "kid", "kty", "n", "use"]);
        assert_eq!((&key["kty"], &key["use"]), (&"RSA".into(), &"sig".into()));

        let kid = |mint: Mint| {
            let header = decode_header(keys.mint(&mint)).unwrap();
            header.kid.map_or(Value::Null, Value::from)
        };
        assert_eq!(kid(Mint::default()), key["kid"]);
        assert_eq!(kid(Mint::default().kid(Kid::Unknown)), "unknown");
        assert_eq!(kid(Mint::default().kid(Kid::Absent)), Value::Null);
    }

    #[test]
    fn every_algorithm_signs() {
        let keys = Keys::generate(IdentityProvider::default()).unwrap();
        for (algorithm, name) in [
            (Algorithm::Rs256, JwtAlgorithm::RS256),
            (Algorithm::Rs384, JwtAlgorithm::RS384),
            (Algorithm::Rs512, JwtAlgorithm::RS512),
            (Algorithm::Hs256, JwtAlgorithm::HS256),
        ] {
            let token = keys.mint(&Mint::default().algorithm(algorithm));
            assert_eq!(decode_header(token).unwrap().alg, name);
        }
    }
}
