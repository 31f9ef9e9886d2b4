//! What stands in one slot of the data that workers share.
//!
//! A slot is read by other workers, under other configurations, and perhaps after another
//! version of the filter wrote it. So it holds the endpoint's own words and not what was made of
//! them, and is believed only if it is whole and was written for the same token, endpoint and
//! request: anything else is a miss.

use crate::introspection::fingerprint::Fingerprint;
use crate::time::Time;
use crate::token::id::TokenDigest;

/// The layout: changes whenever the bytes below mean something else.
const LAYOUT: u8 = 1;

/// A longer answer is not remembered, in bytes.
pub const MAX_ANSWER: usize = 16 * 1024;

/// A longer answer is not shared, in bytes: with the number of slots, this bounds the memory that
/// is the workers' in common.
pub const MAX_SHARED: usize = 4 * 1024;

/// Names one token at one endpoint: slots begin with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag([u8; 32]);

/// What a slot says about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot<'a> {
    /// When the endpoint was asked.
    pub learned_at: Time,
    /// The endpoint's answer, word for word.
    pub answer: &'a [u8],
}

impl Tag {
    /// What slots about this token begin with.
    pub fn new(fingerprint: &Fingerprint, digest: &TokenDigest) -> Self {
        Self(blake3::keyed_hash(fingerprint.as_bytes(), digest.as_bytes()).into())
    }
}

impl<'a> Slot<'a> {
    /// The slot's bytes: layout, tag, time, answer, checksum.
    pub fn write(&self, tag: &Tag) -> Vec<u8> {
        let mut bytes = vec![LAYOUT];
        bytes.extend(tag.0);
        bytes.extend(self.learned_at.as_millis().to_le_bytes());
        bytes.extend(self.answer);
        let checksum = checksum(&bytes);
        bytes.extend(checksum);
        bytes
    }

    /// Reads a slot that is about this token.
    pub fn read(bytes: &'a [u8], tag: &Tag) -> Option<Self> {
        let (content, sum) = bytes.split_last_chunk::<8>()?;
        let (found, rest) = split_tag(content)?;
        let (learned_at, answer) = split_time(rest)?;
        (found == *tag && checksum(content) == *sum).then_some(Self { learned_at, answer })
    }
}

/// Whether the slot was written about this token.
pub fn is_about(bytes: &[u8], tag: &Tag) -> bool {
    split_tag(bytes).is_some_and(|(found, _)| found == *tag)
}

/// When the slot was written, whatever it is about.
pub fn written_at(bytes: &[u8]) -> Option<Time> {
    let (_, rest) = split_tag(bytes)?;
    split_time(rest).map(|(time, _)| time)
}

fn split_tag(bytes: &[u8]) -> Option<(Tag, &[u8])> {
    let (tag, rest) = bytes.strip_prefix(&[LAYOUT])?.split_first_chunk()?;
    Some((Tag(*tag), rest))
}

fn split_time(bytes: &[u8]) -> Option<(Time, &[u8])> {
    let (millis, rest) = bytes.split_first_chunk()?;
    Some((Time::from_millis(u64::from_le_bytes(*millis)), rest))
}

fn checksum(bytes: &[u8]) -> [u8; 8] {
    let hash: [u8; 32] = blake3::hash(bytes).into();
    let mut sum = [0; 8];
    sum.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::extract::AccessToken;

    fn digest(token: &str) -> TokenDigest {
        TokenDigest::of(&AccessToken::new(token))
    }

    fn fingerprint(parts: &[&str]) -> Fingerprint {
        Fingerprint::of(parts.iter().map(|part| part.as_bytes()))
    }

    #[test]
    fn a_slot_says_what_was_written() {
        let slot = Slot {
            learned_at: Time::from_millis(1_795_350_566_123),
            answer: br#"{"active":true}"#,
        };
        let tag = Tag::new(&fingerprint(&["a"]), &digest("t"));
        let bytes = slot.write(&tag);
        assert!(is_about(&bytes, &tag));
        assert_eq!(written_at(&bytes), Some(slot.learned_at));
        assert_eq!(Slot::read(&bytes, &tag), Some(slot));
    }

    #[test]
    fn another_token_another_endpoint_and_torn_bytes_are_a_miss() {
        let slot = Slot {
            learned_at: Time::from_millis(1),
            answer: br#"{"active":true}"#,
        };
        let mine = Tag::new(&fingerprint(&["http://idp", "texas"]), &digest("t"));
        let bytes = slot.write(&mine);
        for other in [
            Tag::new(&fingerprint(&["http://idp", "texas"]), &digest("u")),
            Tag::new(&fingerprint(&["http://other", "texas"]), &digest("t")),
            Tag::new(&fingerprint(&["http://idpt", "exas"]), &digest("t")),
        ] {
            assert!(!is_about(&bytes, &other));
            assert_eq!(Slot::read(&bytes, &other), None);
        }
        for length in 0..bytes.len() {
            assert_eq!(Slot::read(&bytes[..length], &mine), None, "cut to {length}");
        }
        for index in 0..bytes.len() {
            let mut torn = bytes.clone();
            torn[index] ^= 1;
            assert_eq!(Slot::read(&torn, &mine), None, "changed at {index}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(Slot::read(&longer, &mine), None);
    }
}
