//! What looks at each octet of every access token, known or not, and of every answer about one: most
//! of what the filter itself computes for a token that is known.
//!
//! The module is compiled for size, and this for speed. A crate has one level of optimization,
//! hence this one; and nothing here may be inlined into what is compiled for size.

use siphasher::sip128::SipHasher13;

/// Whether these are octets of `b64token` before its padding (RFC 6750 section 2.1).
#[inline(never)]
pub fn are_b64token(octets: &[u8]) -> bool {
    let (sixteens, rest) = octets.as_chunks();
    sixteen::are_b64token(sixteens) && rest.iter().all(|b| is_b64token(*b))
}

fn is_b64token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
}

/// 16 octets at a time. What is linked for size as a whole gets no such loops from the compiler.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod sixteen {
    use core::arch::wasm32::{
        u8x16_all_true, u8x16_eq, u8x16_lt, u8x16_min, u8x16_splat, u8x16_sub, u64x2, v128,
        v128_and, v128_any_true, v128_or,
    };

    pub(super) fn are_b64token(sixteens: &[[u8; 16]]) -> bool {
        // Without a way out in the middle: nearly all tokens are good to their end.
        let all = u8x16_splat(u8::MAX);
        let all = sixteens
            .iter()
            .fold(all, |all, octets| v128_and(all, which(*octets)));
        u8x16_all_true(all)
    }

    pub(super) fn have_control(sixteens: &[[u8; 16]]) -> bool {
        let least = sixteens.iter().fold(u8x16_splat(u8::MAX), |least, octets| {
            u8x16_min(least, vector(*octets))
        });
        v128_any_true(u8x16_lt(least, u8x16_splat(b' ')))
    }

    fn vector(octets: [u8; 16]) -> v128 {
        let [low, high] = [0, 64].map(|shift| u128::from_le_bytes(octets) >> shift);
        #[expect(clippy::cast_possible_truncation, reason = "the halves")]
        u64x2(low as u64, high as u64)
    }

    /// Which of them are.
    fn which(octets: [u8; 16]) -> v128 {
        let b = vector(octets);
        let is = |one| u8x16_eq(b, u8x16_splat(one));
        let is_within =
            |b, first, count| u8x16_lt(u8x16_sub(b, u8x16_splat(first)), u8x16_splat(count));
        let are_letters = is_within(v128_or(b, u8x16_splat(0x20)), b'a', 26);
        // `-`, `.`, `/` and the digits stand in a row.
        let are_in_row = is_within(b, b'-', 13);
        let are_others = v128_or(is(b'_'), v128_or(is(b'~'), is(b'+')));
        v128_or(are_others, v128_or(are_in_row, are_letters))
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod sixteen {
    pub(super) fn are_b64token(sixteens: &[[u8; 16]]) -> bool {
        sixteens
            .as_flattened()
            .iter()
            .all(|b| super::is_b64token(*b))
    }

    pub(super) fn have_control(sixteens: &[[u8; 16]]) -> bool {
        sixteens
            .as_flattened()
            .iter()
            .any(|b| super::is_control(*b))
    }
}

/// Whether there is a control character of ASCII among them, but for DEL.
#[inline(never)]
pub fn have_control(octets: &[u8]) -> bool {
    let (sixteens, rest) = octets.as_chunks();
    sixteen::have_control(sixteens) || rest.iter().any(|b| is_control(*b))
}

fn is_control(b: u8) -> bool {
    b < b' '
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
    fn control_characters() {
        for b in 0..=u8::MAX {
            for position in 0..36 {
                let mut octets = [b' '; 36];
                octets[position] = b;
                assert_eq!(have_control(&octets), b < 0x20, "{b} at {position}");
            }
        }
    }

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
