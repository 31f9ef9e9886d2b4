//! What tells questions to one endpoint apart from those to another, and so their answers.

/// Tells apart what is asked: endpoint, API, and everything else in the request but the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a request's fixed parts, each with its length so that no two sequences
    /// are one.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&part.len().to_le_bytes());
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// All 32 bytes, to mask others with.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
