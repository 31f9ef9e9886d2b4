//! The request's path as rules see it.
//!
//! A rule may only decide on a path that every upstream reads as we do. What some would read
//! otherwise is refused: empty and dot segments, backslashes, path parameters (`/admin;x`, which
//! some servers cut off), encoded slashes, dots, question marks, number signs and control
//! characters, what is not UTF-8, and what would be another path if it were decoded twice. The rest
//! is compared percent-decoded, so that `/%61dmin` cannot slip past a rule for `/admin`; but what a
//! rule names must be spelled canonically, or Envoy's routes would not take it for what the rule
//! does.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use thiserror::Error;

use crate::request::spelling;

/// A path without query that has one reading: percent-decoded, beginning with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    text: Cow<'a, str>,
    /// Which of its segments are not spelled canonically, in their order.
    misspelled: Vec<usize>,
}

/// Why a path decides nothing.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PathError {
    /// The upstream could read it otherwise.
    #[error("a path that could be read in two ways")]
    Ambiguous,
    /// It does not begin with `/`, as in `OPTIONS *` or `CONNECT`.
    #[error("a path that does not begin with `/`")]
    NotAbsolute,
}

impl<'a> Path<'a> {
    /// Parses the `:path` of a request, with its query.
    pub fn parse(target: &'a [u8]) -> Result<Self, PathError> {
        let path = target.split(|b| *b == b'?').next().unwrap_or_default();
        let rest = path.strip_prefix(b"/").ok_or(PathError::NotAbsolute)?;
        if has_ambiguous_segment(rest) {
            return Err(PathError::Ambiguous);
        }
        let (text, misspelled) = if spelling::is_plain(path) {
            let text = str::from_utf8(path).map_err(|_| PathError::Ambiguous)?;
            (Cow::Borrowed(text), Vec::new())
        } else {
            let text = decode(path).ok_or(PathError::Ambiguous)?;
            let misspelled = misspelled(path, &text);
            (text, misspelled)
        };
        Ok(Self { text, misspelled })
    }

    /// What stands between the slashes.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.text.split('/').skip(1)
    }

    /// How many segments there are. A slash at the end makes no difference.
    pub fn depth(&self) -> usize {
        self.segments()
            .filter(|segment| !segment.is_empty())
            .count()
    }

    /// Positions of segments that are not spelled canonically.
    pub fn misspelled(&self) -> &[usize] {
        &self.misspelled
    }

    /// The path as a text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this very path is meant.
    pub fn is(&self, other: &Path<'_>) -> bool {
        self.text == other.text
    }

    /// Whether this is `prefix` or lies below it, by whole segments: `/api` is the prefix of
    /// `/api` and `/api/x`, not of `/apix`. A slash at the prefix's end makes no difference.
    pub fn is_below(&self, prefix: &Path<'_>) -> bool {
        self.text
            .strip_prefix(prefix.text.strip_suffix('/').unwrap_or(&prefix.text))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The same path, kept.
    pub fn into_owned(self) -> Path<'static> {
        Path {
            text: Cow::Owned(self.text.into_owned()),
            misspelled: self.misspelled,
        }
    }
}

/// Empty segments (but for the last: a trailing slash), `.` and `..`.
fn has_ambiguous_segment(path: &[u8]) -> bool {
    let mut segments = path.split(|b| *b == b'/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if (segment.is_empty() && !is_last) || matches!(segment, b"." | b"..") {
            return true;
        }
    }
    false
}

/// The path decoded, if it has one reading.
fn decode(path: &[u8]) -> Option<Cow<'_, str>> {
    let is_ambiguous = |b: &u8| b.is_ascii_control() || matches!(b, b'\\' | b'#' | b';');
    if path.iter().any(is_ambiguous) || has_ambiguous_escape(path) {
        return None;
    }
    let decoded = percent_decode(path).decode_utf8().ok();
    decoded.filter(|decoded| !has_escape(decoded))
}

/// No escape stands for a slash, so both have the same segments.
fn misspelled(path: &[u8], decoded: &str) -> Vec<usize> {
    let spelled = path.split(|b| *b == b'/');
    let pairs = spelled.zip(decoded.split('/')).skip(1).enumerate();
    pairs
        .filter(|(_, (spelled, decoded))| !spelling::is_canonical(spelled, decoded))
        .map(|(position, _)| position)
        .collect()
}

/// Whether a decoded path could be decoded again.
fn has_escape(path: &str) -> bool {
    path.as_bytes().windows(3).any(
        |w| matches!(w, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()),
    )
}

/// Escapes that are broken, or that stand for `/`, `\`, `.`, `;`, `?`, `#` or a control character.
fn has_ambiguous_escape(path: &[u8]) -> bool {
    path.split(|b| *b == b'%').skip(1).any(|escape| {
        let digit = |index: usize| escape.get(index).map(u8::to_ascii_lowercase);
        match (digit(0), digit(1)) {
            (Some(high), Some(low)) => {
                !high.is_ascii_hexdigit()
                    || !low.is_ascii_hexdigit()
                    || matches!((high, low), (b'0' | b'1', _))
                    || matches!(
                        &[high, low],
                        b"2e" | b"2f" | b"23" | b"3b" | b"3f" | b"5c" | b"7f"
                    )
            }
            _ => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::PathError::{Ambiguous, NotAbsolute};
    use super::*;

    fn path(text: &str) -> Path<'_> {
        Path::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn reading() {
        let cases: &[(&str, Result<&str, PathError>)] = &[
            ("/", Ok("/")),
            ("/a/b", Ok("/a/b")),
            ("/a/b/", Ok("/a/b/")),
            ("/a?b=//&c=/../", Ok("/a")),
            ("/?", Ok("/")),
            ("/a?b#f", Ok("/a")),
            ("/%61dmin", Ok("/admin")),
            ("/a%20b", Ok("/a b")),
            ("/bl%C3%A5", Ok("/blå")),
            ("/bl%c3%a5", Ok("/blå")),
            ("/a%3Fb", Err(Ambiguous)),
            ("/a%23b", Err(Ambiguous)),
            ("/%2561dmin", Err(Ambiguous)),
            ("/a%25", Ok("/a%")),
            ("/a%25zz", Ok("/a%zz")),
            ("/a%25%61", Ok("/a%a")),
            ("/%25%36%31dmin", Err(Ambiguous)),
            ("/%256%31dmin", Err(Ambiguous)),
            ("/x%25%32%66y", Err(Ambiguous)),
            ("/%c0%ae%c0%ae/admin", Err(Ambiguous)),
            ("/bl%E5", Err(Ambiguous)),
            ("/100%25", Ok("/100%")),
            ("/...", Ok("/...")),
            ("/.well-known/x", Ok("/.well-known/x")),
            ("/a..b/c.d", Ok("/a..b/c.d")),
            ("//", Err(Ambiguous)),
            ("//a", Err(Ambiguous)),
            ("/a//b", Err(Ambiguous)),
            ("/a//", Err(Ambiguous)),
            ("/.", Err(Ambiguous)),
            ("/..", Err(Ambiguous)),
            ("/a/./b", Err(Ambiguous)),
            ("/a/../b", Err(Ambiguous)),
            ("/a/..", Err(Ambiguous)),
            ("/a/..;x=1/b", Err(Ambiguous)),
            ("/a;v=1/b", Err(Ambiguous)),
            ("/a/;/b", Err(Ambiguous)),
            ("/a%3bx", Err(Ambiguous)),
            ("/a%3Bx", Err(Ambiguous)),
            ("/a%0a", Err(Ambiguous)),
            ("/a%1F", Err(Ambiguous)),
            ("/a%7f", Err(Ambiguous)),
            ("/a/.;/b", Err(Ambiguous)),
            ("/a\\b", Err(Ambiguous)),
            ("/a#f", Err(Ambiguous)),
            ("/a\nb", Err(Ambiguous)),
            ("/a\x7f", Err(Ambiguous)),
            ("/a%2fb", Err(Ambiguous)),
            ("/a%2Fb", Err(Ambiguous)),
            ("/a%5cb", Err(Ambiguous)),
            ("/a%5Cb", Err(Ambiguous)),
            ("/%2e%2e/b", Err(Ambiguous)),
            ("/.%2E/b", Err(Ambiguous)),
            ("/a%00", Err(Ambiguous)),
            ("/a%", Err(Ambiguous)),
            ("/a%2", Err(Ambiguous)),
            ("/a%zz", Err(Ambiguous)),
            ("/a%+1", Err(Ambiguous)),
            ("*", Err(NotAbsolute)),
            ("", Err(NotAbsolute)),
            ("a/b", Err(NotAbsolute)),
            ("?/a", Err(NotAbsolute)),
        ];
        for (target, expected) in cases {
            let found = Path::parse(target.as_bytes());
            let found = found.as_ref().map(Path::as_str).map_err(|error| *error);
            assert_eq!(found, *expected, "{target}");
        }
        assert_eq!(Path::parse(b"/a\xff"), Err(Ambiguous));
    }

    #[test]
    fn spelling() {
        let none: &[usize] = &[];
        for (target, expected) in [
            ("/", none),
            ("/a/b/", none),
            ("/a:b/c@d?%61=%62", none),
            ("/bl%C3%A5/%20", none),
            ("/%61/b/%3A/", &[0, 2]),
            ("/a/%c3%a5/{b}", &[1, 2]),
            ("/a/blå", &[1]),
            ("/a/%2A/b|", &[1, 2]),
        ] {
            assert_eq!(path(target).misspelled(), expected, "{target}");
        }
    }

    #[test]
    fn prefixes_end_where_segments_end() {
        for (prefix, below, expected) in [
            ("/api", "/api", true),
            ("/api", "/api/", true),
            ("/api", "/api/x", true),
            ("/api", "/apix", false),
            ("/api", "/ap", false),
            ("/api", "/API", false),
            ("/api", "/x/api", false),
            ("/api", "/%61pi/x", true),
            ("/%61pi", "/api/x", true),
            ("/api/", "/api", true),
            ("/api/", "/apix", false),
            ("/api/", "/api/", true),
            ("/api/", "/api/x", true),
            ("/", "/", true),
            ("/", "/anything/at/all", true),
        ] {
            assert_eq!(
                path(below).is_below(&path(prefix)),
                expected,
                "{prefix} {below}"
            );
        }
    }

    #[test]
    fn exact_paths() {
        for (one, other, expected) in [
            ("/a", "/a", true),
            ("/a", "/%61", true),
            ("/a", "/a?x", true),
            ("/a", "/a/", false),
            ("/a", "/A", false),
        ] {
            assert_eq!(path(one).is(&path(other)), expected, "{one} {other}");
        }
    }
}
