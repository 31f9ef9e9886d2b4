//! What access tokens are called wherever they are remembered or logged, so that no token is.
//!
//! Tokens are the client's to choose, so a name must withstand somebody who looks for two tokens
//! of one name, or for many tokens that crowd one place:
//! - [`TokenKey`] is what one worker calls a token for itself: SipHash-1-3 with 128 bits. Its key
//!   is random, secret and made anew for each configuration in each VM, so a client can neither
//!   compute a token's name nor learn it. Two tokens share one with a probability of 2⁻¹²⁸.
//!   It is taken for every request, and cheap.
//! - [`TokenDigest`] is what all workers and the log call it: BLAKE3 with 256 bits, for which
//!   nobody can find two tokens of one name. It is taken when a token is not known.

use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use siphasher::sip128::SipHasher13;

use crate::token::extract::AccessToken;
use crate::token::providers::ProviderId;

/// Gives tokens their keys.
pub struct TokenKeys(SipHasher13);

/// What this worker calls a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenKey(u128);

/// Hashes tokens' keys for tables, by which they are nothing else: keys are hashes already, by a
/// secret, so that nobody can aim for one place of a table.
#[derive(Default)]
pub struct KeyHasher(u64);

/// Makes [`KeyHasher`]s.
pub type BuildKeyHasher = BuildHasherDefault<KeyHasher>;

/// What everybody calls a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

/// Both names of one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenId {
    /// What this worker calls it.
    pub key: TokenKey,
    /// What everybody calls it.
    pub digest: TokenDigest,
}

impl Default for TokenKeys {
    /// With a random key of its own.
    fn default() -> Self {
        // The standard library has 128 random bits from the host; they come out hashed.
        let random = RandomState::new();
        Self(SipHasher13::new_with_keys(
            random.hash_one(0),
            random.hash_one(1),
        ))
    }
}

impl TokenKey {
    /// What this worker calls the token with one provider. Keys are random, so that no other
    /// token's is near.
    #[must_use]
    pub fn with(self, provider: ProviderId) -> Self {
        Self(self.0 ^ provider.number())
    }
}

impl TokenKeys {
    /// The token's key.
    pub fn key(&self, token: &AccessToken) -> TokenKey {
        TokenKey(portvakt_octets::hash(&self.0, token.as_bytes()))
    }
}

impl Hasher for KeyHasher {
    #[expect(clippy::cast_possible_truncation, reason = "its lower half")]
    fn write_u128(&mut self, key: u128) {
        self.0 ^= key as u64;
    }

    /// A key is no other thing than a number.
    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = self.0.rotate_left(8) ^ u64::from(*octet);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
impl TokenId {
    /// The name of a token for tests, for which one key is as good as another.
    pub(crate) fn of(text: &str) -> Self {
        let digest = TokenDigest::of(&AccessToken::new(text));
        let (start, _) = digest.0.split_first_chunk().unwrap();
        Self {
            key: TokenKey(u128::from_le_bytes(*start)),
            digest,
        }
    }
}

impl TokenDigest {
    /// The token's digest.
    pub fn of(token: &AccessToken) -> Self {
        Self(blake3::hash(token.as_bytes()).into())
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A number below `limit`, which digests are spread over evenly.
    pub fn number(&self, limit: u32) -> u32 {
        let word = self.0.first_chunk().copied().unwrap_or_default();
        u32::from_le_bytes(word)
            .checked_rem(limit)
            .unwrap_or_default()
    }
}

/// The first 8 hex digits: enough to find a token's lines in a log.
impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenDigest({self})")
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKeys(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_called_by_the_first_8_digits() {
        let digest = |text| TokenDigest::of(&AccessToken::new(text));
        // The first digits of BLAKE3("abc"), from the algorithm's own test vectors.
        assert_eq!(digest("abc").to_string(), "6437b3ac");
        assert_ne!(digest("abc"), digest("abd"));
    }

    #[test]
    fn keys_are_the_same_in_one_place_only() {
        let (one, other) = (TokenKeys::default(), TokenKeys::default());
        let token = AccessToken::new("abc");
        assert_eq!(one.key(&token), one.key(&token));
        assert_ne!(one.key(&token), one.key(&AccessToken::new("abd")));
        assert_ne!(one.key(&token), other.key(&token));
        assert_eq!(
            format!("{:?} {:?}", one, one.key(&token)),
            "TokenKeys(…) TokenKey(…)"
        );
    }
}
