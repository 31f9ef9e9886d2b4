//! Paths as docs/configuration.md says that they are read: refused where some server would read
//! them otherwise, else compared decoded and by segments.

/// A path in its one reading.
#[derive(Debug, PartialEq)]
pub enum Reading {
    /// It does not begin with `/`.
    NotAbsolute,
    /// Some server would read it otherwise.
    Ambiguous,
    Segments(Vec<Segment>),
}

/// What stands between two slashes.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub decoded: String,
    /// Whether it is spelled in the one way that Envoy's routes compare.
    pub is_canonical: bool,
}

/// A condition on paths, as it is written in a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern<'a> {
    Exact(&'a str),
    Prefix(&'a str),
    Template(&'a str),
}

/// Characters that a path may hold as they are, and that are not escaped.
const PLAIN: &[u8] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@[]";

/// What no escape may stand for.
const NEVER_ESCAPED: &[u8] = b"./\\;?#";

pub fn read(target: &[u8]) -> Reading {
    let mut path = Vec::new();
    for byte in target {
        if *byte == b'?' {
            break;
        }
        path.push(*byte);
    }
    if path.first() != Some(&b'/') {
        return Reading::NotAbsolute;
    }
    let parts: Vec<&[u8]> = path[1..].split(|byte| *byte == b'/').collect();
    let mut segments = Vec::new();
    for (position, part) in parts.iter().enumerate() {
        let is_last = position + 1 == parts.len();
        match segment(part) {
            Some(_) if part.is_empty() && !is_last => return Reading::Ambiguous,
            Some(segment) => segments.push(segment),
            None => return Reading::Ambiguous,
        }
    }
    Reading::Segments(segments)
}

fn segment(text: &[u8]) -> Option<Segment> {
    if text == b"." || text == b".." {
        return None;
    }
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        if byte < 0x20 || byte == 0x7f || b"\\;#".contains(&byte) {
            return None;
        }
        if byte != b'%' {
            decoded.push(byte);
            at += 1;
            continue;
        }
        let escaped = escape(text, at)?;
        if escaped < 0x20 || escaped == 0x7f || NEVER_ESCAPED.contains(&escaped) {
            return None;
        }
        decoded.push(escaped);
        at += 3;
    }
    // Decoded twice it would be another.
    if (0..decoded.len()).any(|at| decoded[at] == b'%' && escape(&decoded, at).is_some()) {
        return None;
    }
    let is_canonical = text == canonical(&decoded).as_bytes();
    Some(Segment {
        decoded: String::from_utf8(decoded).ok()?,
        is_canonical,
    })
}

fn escape(text: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(at + 1)? * 16 + digit(at + 2)?).ok()
}

fn canonical(decoded: &[u8]) -> String {
    let spell = |byte: &u8| {
        if PLAIN.contains(byte) {
            char::from(*byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    decoded.iter().map(spell).collect()
}

impl<'a> Pattern<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Exact(text) | Self::Prefix(text) | Self::Template(text) => text,
        }
    }

    /// The pattern's segments: `None` for a parameter. An escaped brace is none.
    fn segments(self) -> Vec<Option<String>> {
        let Reading::Segments(segments) = read(self.text().as_bytes()) else {
            return Vec::new();
        };
        let is_template = matches!(self, Self::Template(_));
        let written = self.text().split('/').skip(1);
        let segments = written.zip(segments).map(|(written, segment)| {
            let is_parameter = is_template && written.starts_with('{');
            (!is_parameter).then_some(segment.decoded)
        });
        segments.collect()
    }

    /// The positions of the path's segments that the pattern names; `None`: it is not for the path.
    pub fn named(self, path: &[Segment]) -> Option<Vec<usize>> {
        let mut pattern = self.segments();
        if matches!(self, Self::Prefix(_)) {
            // A slash at its end makes no difference.
            if pattern.last() == Some(&Some(String::new())) {
                pattern.pop();
            }
            if path.len() < pattern.len() {
                return None;
            }
        } else if path.len() != pattern.len() {
            return None;
        }
        let mut named = Vec::new();
        for (position, expected) in pattern.iter().enumerate() {
            let found = &path[position].decoded;
            match expected {
                Some(expected) if expected == found => named.push(position),
                None if !found.is_empty() => {}
                _ => return None,
            }
        }
        Some(named)
    }
}
