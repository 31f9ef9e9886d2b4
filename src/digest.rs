//! Digests of access tokens: what a token is called wherever it is remembered or logged.
//!
//! BLAKE3 over the whole token. Tokens are the client's to choose, so the digest must withstand
//! somebody who looks for two tokens of one name: 256 bits of a cryptographic hash do.

use std::fmt;

use crate::bearer::AccessToken;

/// The digest of one access token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The token's digest.
    pub fn of(token: &AccessToken) -> Self {
        Self(blake3::hash(token.as_bytes()).into())
    }

    /// All 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
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
}
