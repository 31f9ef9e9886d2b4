//! What stands under one key of the data that workers share: a *bucket* of answers and leases.
//!
//! All that is shared about a token stands in one bucket, so that one call to the host fetches it
//! and one changes it.
//!
//! A bucket is read by other workers, under other configurations, and perhaps after another
//! version of the filter wrote it. So it holds the endpoint's own words and not what was made of
//! them, and an entry is believed only if it is whole and was written for the same token, endpoint
//! and request: anything else is a miss.

use siphasher::sip128::SipHasher13;

use crate::introspection::fingerprint::Fingerprint;
use crate::time::Time;
use crate::token::id::TokenDigest;

/// The layout: changes whenever the bytes below mean something else.
const LAYOUT: u8 = 2;

/// A longer answer is not remembered, in bytes.
pub const MAX_ANSWER: usize = 16 * 1024;

/// A longer answer is not shared, in bytes: with the number of buckets, this bounds the memory that
/// is the workers' in common.
pub const MAX_SHARED: usize = 4 * 1024;

/// Names one token at one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag([u8; 32]);

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An answer about an active token.
    Active,
    /// An answer about an inactive token.
    Inactive,
    /// A worker asks about a token.
    Lease,
}

/// An entry, which need not be whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    pub kind: Kind,
    /// When the endpoint was asked, or the lease taken.
    pub time: Time,
    /// The endpoint's answer, word for word, or who has the lease.
    pub content: &'a [u8],
    tag: &'a [u8],
    /// All of it.
    bytes: &'a [u8],
}

/// The entries of a bucket.
#[derive(Clone, Copy, Debug)]
pub struct Bucket<'a>(&'a [u8]);

impl Tag {
    /// What entries about this token are named. At one endpoint two tokens of one name would have one digest.
    pub fn new(fingerprint: &Fingerprint, digest: &TokenDigest) -> Self {
        let mut tag = *digest.as_bytes();
        let (halves, _) = tag.as_chunks_mut();
        let (masks, _) = fingerprint.as_bytes().as_chunks();
        for (half, mask) in halves.iter_mut().zip(masks) {
            *half = (u128::from_le_bytes(*half) ^ u128::from_le_bytes(*mask)).to_le_bytes();
        }
        Self(tag)
    }
}

impl Kind {
    const ALL: [Self; 3] = [Self::Active, Self::Inactive, Self::Lease];

    fn code(self) -> u8 {
        match self {
            Self::Active => 1,
            Self::Inactive => 2,
            Self::Lease => 3,
        }
    }

    fn of(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whether it is the endpoint's word.
    pub fn is_answer(self) -> bool {
        match self {
            Self::Active | Self::Inactive => true,
            Self::Lease => false,
        }
    }
}

impl<'a> Bucket<'a> {
    /// What stands there. Bytes of another layout, and those behind something that is no entry,
    /// are none.
    pub fn read(bytes: &'a [u8]) -> Self {
        Self(bytes.strip_prefix(&[LAYOUT]).unwrap_or_default())
    }

    /// All of them, whole or not.
    pub fn entries(self) -> impl Iterator<Item = Entry<'a>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (entry, others) = split_entry(rest)?;
            rest = others;
            Some(entry)
        })
    }

    /// How many bytes they take.
    pub fn size(self) -> usize {
        self.0.len()
    }

    /// Those about this token that are whole, of those that are meant.
    pub fn about(
        self,
        tag: &Tag,
        are_meant: impl Fn(&Entry<'a>) -> bool,
    ) -> impl Iterator<Item = Entry<'a>> {
        // What costs most comes last.
        self.entries()
            .filter(move |entry| are_meant(entry) && entry.is_about(tag) && entry.is_whole())
    }
}

impl Entry<'_> {
    /// Whether it was written about this token.
    pub fn is_about(&self, tag: &Tag) -> bool {
        self.tag == tag.0
    }

    fn is_whole(&self) -> bool {
        let parts = self.bytes.split_last_chunk();
        parts.is_some_and(|(content, sum)| checksum(content) == *sum)
    }
}

/// The first entry: length of its content, kind, tag, time, content, checksum.
fn split_entry(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (code, rest) = rest.split_first()?;
    let (tag, rest) = rest.split_at_checked(32)?;
    let (millis, rest) = rest.split_first_chunk()?;
    let (content, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    let (_, rest) = rest.split_first_chunk::<8>()?;
    let entry = Entry {
        kind: Kind::of(*code)?,
        time: Time::from_millis(u64::from_le_bytes(*millis)),
        content,
        tag,
        bytes: bytes.get(..bytes.len().checked_sub(rest.len())?)?,
    };
    Some((entry, rest))
}

/// What an answer's entry takes beside its words, and a lease's altogether, in bytes.
const FURTHER: usize = 128;

/// A bucket that is being written.
#[derive(Debug)]
pub struct Draft(Vec<u8>);

impl Draft {
    /// Without entries. There is room for one more of each kind beside so many bytes.
    pub fn new(size: usize) -> Self {
        let mut bytes = Vec::with_capacity(size.saturating_add(FURTHER));
        bytes.push(LAYOUT);
        Self(bytes)
    }

    /// With an entry as it was found.
    pub fn keep(&mut self, entry: &Entry<'_>) {
        self.0.extend_from_slice(entry.bytes);
    }

    /// With a new entry. Content that is too long for any is not written.
    pub fn add(&mut self, kind: Kind, tag: &Tag, time: Time, content: &[u8]) {
        let Ok(length) = u16::try_from(content.len()) else {
            return;
        };
        let start = self.0.len();
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.push(kind.code());
        self.0.extend_from_slice(&tag.0);
        self.0.extend_from_slice(&time.as_millis().to_le_bytes());
        self.0.extend_from_slice(content);
        let sum = checksum(self.0.get(start..).unwrap_or_default());
        self.0.extend_from_slice(&sum);
    }

    /// The bucket's bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Against what was torn, not against what was forged.
fn checksum(bytes: &[u8]) -> [u8; 8] {
    let sum = portvakt_octets::hash(&SipHasher13::new(), bytes).to_le_bytes();
    sum.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::extract::AccessToken;

    const ANSWER: &[u8] = br#"{"active":true}"#;

    fn tag(parts: &[&str], token: &str) -> Tag {
        let fingerprint = Fingerprint::of(parts.iter().map(|part| part.as_bytes()));
        Tag::new(&fingerprint, &TokenDigest::of(&AccessToken::new(token)))
    }

    fn mine() -> Tag {
        tag(&["http://idp", "texas"], "t")
    }

    fn other() -> Tag {
        tag(&["http://idp", "texas"], "u")
    }

    /// An answer about another token, then one about mine, then a lease.
    fn bucket() -> Vec<u8> {
        let at = Time::from_millis;
        let mut draft = Draft::new(0);
        draft.add(Kind::Inactive, &other(), at(1), br#"{"active":false}"#);
        draft.add(Kind::Active, &mine(), at(1_795_350_566_123), ANSWER);
        draft.add(Kind::Lease, &mine(), at(2), b"owner");
        draft.into_bytes()
    }

    fn about(bytes: &[u8], tag: &Tag) -> Vec<(Kind, u64, Vec<u8>)> {
        let about = Bucket::read(bytes).about(tag, |_| true);
        about
            .map(|entry| (entry.kind, entry.time.as_millis(), entry.content.to_vec()))
            .collect()
    }

    #[test]
    fn a_bucket_says_what_was_written() {
        let answer = (Kind::Active, 1_795_350_566_123, ANSWER.to_vec());
        let lease = (Kind::Lease, 2, b"owner".to_vec());
        assert_eq!(about(&bucket(), &mine()), [answer, lease]);
        let bytes = bucket();
        let mut copy = Draft::new(0);
        for entry in Bucket::read(&bytes).entries() {
            copy.keep(&entry);
        }
        assert_eq!(copy.into_bytes(), bytes);
        let mut long = Draft::new(0);
        long.add(
            Kind::Active,
            &mine(),
            Time::from_millis(1),
            &vec![b' '; 65_536],
        );
        assert_eq!(long.into_bytes(), Draft::new(0).into_bytes());
    }

    /// Nothing else is ever said about a token than was written about it.
    #[test]
    fn another_token_another_endpoint_and_torn_bytes_are_a_miss() {
        let bytes = bucket();
        for other in [
            tag(&["http://idp", "texas"], "v"),
            tag(&["http://other", "texas"], "t"),
            tag(&["http://idpt", "exas"], "t"),
        ] {
            assert_eq!(about(&bytes, &other), []);
        }
        let written = [about(&bytes, &mine()), about(&bytes, &other())].concat();
        let check = |torn: &[u8], what: &str| {
            for tag in [mine(), other()] {
                let found = about(torn, &tag);
                let is_written = found.iter().all(|entry| written.contains(entry));
                assert!(is_written, "{what}: {found:?}");
            }
            about(torn, &mine()).len() + about(torn, &other()).len()
        };
        for length in 0..bytes.len() {
            assert!(check(&bytes[..length], "cut") < 3, "{length}");
        }
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut torn = bytes.clone();
                torn[index] ^= 1 << bit;
                assert!(check(&torn, "changed") < 3, "{index}");
            }
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(check(&longer, "longer"), 3);
    }
}
