//! What looks at each octet of every access token, known or not: most of what the filter itself
//! computes for one that is known.
//!
//! The module is compiled for size, and this for speed. A crate has one level of optimization,
//! hence this one; and nothing here may be inlined into what is compiled for size.

use siphasher::sip128::SipHasher13;

/// Whether these are octets of `b64token` before its padding (RFC 6750 section 2.1).
#[inline(never)]
pub fn are_b64token(octets: &[u8]) -> bool {
    // Without a way out in the middle: nearly all tokens are good to their end.
    octets.iter().fold(true, |all, b| all & is_b64token(*b))
}

fn is_b64token(b: u8) -> bool {
    B64TOKEN.get(usize::from(b)).is_some_and(|is_one| *is_one)
}

/// By octet.
static B64TOKEN: [bool; 256] = table();

#[expect(
    clippy::indexing_slicing,
    reason = "of a constant: it is the build that would fail"
)]
const fn table() -> [bool; 256] {
    let mut table = [false; 256];
    let mut rest: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
    while let [b, others @ ..] = rest {
        table[*b as usize] = true;
        rest = others;
    }
    table
}

/// SipHash-1-3 of 128 bits, by this hasher's key.
#[inline(never)]
pub fn hash(hasher: &SipHasher13, octets: &[u8]) -> u128 {
    hasher.hash(octets).as_u128()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests may fail loudly")]

    use super::*;

    #[test]
    fn octets_of_b64token() {
        for b in 0..=u8::MAX {
            let expected = b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
            // Wherever it stands.
            for position in 0..36 {
                let mut octets = [b'a'; 36];
                octets[position] = b;
                assert_eq!(are_b64token(&octets), expected, "{b} at {position}");
            }
        }
    }

    #[test]
    fn hashes_are_by_key() {
        let (one, other) = (
            SipHasher13::new_with_keys(1, 2),
            SipHasher13::new_with_keys(1, 3),
        );
        assert_eq!(hash(&one, b"token"), one.hash(b"token").as_u128());
        assert_ne!(hash(&one, b"token"), hash(&one, b"tokem"));
        assert_ne!(hash(&one, b"token"), hash(&other, b"token"));
    }
}
