//! How a path is spelled.
//!
//! Rules compare paths decoded, Envoy's routes compare them byte by byte. Both mean the same only
//! of a path that is spelled in one canonical way: what may stand for itself does, and everything
//! else is the escape of its UTF-8 bytes, in upper-case hex. Envoy's `normalize_path` leaves such a
//! path as it is (tests/envoy/spelling.rs), but leaves others too: of `:` and `%3A` either, of
//! `%c3` and `%C3` either.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What is escaped. Not what a path may hold (RFC 3986's `pchar`), nor brackets, which Envoy and
/// browsers leave as they are; but `;`, which has no one reading.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'[')
    .remove(b']');

const ESCAPED_IN_PATH: &AsciiSet = &ESCAPED.remove(b'/');

/// Whether everything in a path stands for itself, as in most.
pub(super) fn is_plain(path: &[u8]) -> bool {
    let mut parts = percent_encode(path, ESCAPED_IN_PATH);
    parts.next().is_none_or(|part| part.as_bytes() == path)
}

/// Whether this is the canonical spelling of a segment.
pub(super) fn is_canonical(spelled: &[u8], decoded: &str) -> bool {
    let canonical = percent_encode(decoded.as_bytes(), ESCAPED).flat_map(str::bytes);
    canonical.eq(spelled.iter().copied())
}

/// An escape that is not canonical, and what is.
#[derive(Debug, PartialEq, Eq)]
pub struct OtherSpelling<'a> {
    pub escape: &'a str,
    /// What stands in its place in the canonical spelling.
    pub canonical: String,
}

/// The escapes in a path that are not canonical.
pub fn other_spellings(path: &str) -> impl Iterator<Item = OtherSpelling<'_>> {
    let escapes = path.match_indices('%').filter_map(|(at, _)| {
        let escape = path.get(at..)?.get(..3)?;
        let byte = u8::from_str_radix(escape.get(1..)?, 16).ok()?;
        let canonical: String = percent_encode(&[byte], ESCAPED).collect();
        Some(OtherSpelling { escape, canonical })
    });
    escapes.filter(|found| found.escape != found.canonical)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_canonical() {
        for (spelled, decoded, expected) in [
            ("", "", true),
            ("abc", "abc", true),
            ("-._~!$&'()*+,=:@[]", "-._~!$&'()*+,=:@[]", true),
            ("%22%25%3C%3E%5E%60%7B%7C%7D%20", "\"%<>^`{|} ", true),
            ("%C3%A6", "æ", true),
            ("%F0%9F%AB%90", "🫐", true),
            ("%3A", ":", false),
            ("%2A", "*", false),
            ("%5B", "[", false),
            ("%61", "a", false),
            ("%7E", "~", false),
            ("%2d", "-", false),
            ("%c3%A6", "æ", false),
            ("%C3%a6", "æ", false),
            ("%7b", "{", false),
            ("æ", "æ", false),
            ("|", "|", false),
            ("\"", "\"", false),
            ("a%3Ab", "a:b", false),
        ] {
            let found = is_canonical(spelled.as_bytes(), decoded);
            assert_eq!(found, expected, "{spelled}");
            let is_escaped = spelled.contains('%');
            let found = is_plain(format!("/{spelled}").as_bytes());
            assert_eq!(found, expected && !is_escaped, "{spelled}");
        }
    }

    /// The canonical spelling, told in other words.
    fn canonical(byte: u8) -> String {
        let is_itself = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@[]".contains(&byte);
        if is_itself {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    }

    fn spell((byte, style): (u8, u8)) -> Vec<u8> {
        match style {
            0 => format!("%{byte:02X}").into_bytes(),
            1 => format!("%{byte:02x}").into_bytes(),
            2 => vec![byte],
            _ => canonical(byte).into_bytes(),
        }
    }

    proptest! {
        #[test]
        fn there_is_one_canonical_spelling(
            decoded in "[^/]{0,6}",
            styles in prop::collection::vec(0..12_u8, 24),
        ) {
            let expected: String = decoded.bytes().map(canonical).collect();
            let spelled: Vec<u8> = decoded.bytes().zip(styles).flat_map(spell).collect();
            prop_assert_eq!(is_canonical(&spelled, &decoded), spelled == expected.as_bytes());
            prop_assert_eq!(is_plain(decoded.as_bytes()), decoded == expected);
            prop_assert_eq!(other_spellings(&expected).count(), 0);
        }
    }

    #[test]
    fn escapes_that_are_not_canonical() {
        for (path, expected) in [
            ("/a:b@[1]", &[][..]),
            ("/blå b|c", &[]),
            ("/bl%C3%A5%20%7Bx%7D%25", &[]),
            ("/a%2a", &[("%2a", "*")]),
            ("/a%2A/%3Ab%40", &[("%2A", "*"), ("%3A", ":"), ("%40", "@")]),
            ("/%61dmin", &[("%61", "a")]),
            ("/bl%c3%a5", &[("%c3", "%C3"), ("%a5", "%A5")]),
            ("/x%7b", &[("%7b", "%7B")]),
        ] {
            let found = other_spellings(path).map(|found| (found.escape, found.canonical));
            let found: Vec<_> = found.collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(escape, canonical)| (*escape, (*canonical).to_owned()))
                .collect();
            assert_eq!(found, expected, "{path}");
        }
    }
}
