//! Path templates: `/orders/{id}/lines/{line}`. A parameter is one whole segment, not empty.

use std::fmt;

use percent_encoding::percent_decode_str;
use thiserror::Error;

use crate::request::path::{Path, PathError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// Percent-decoded.
    Literal(String),
    Parameter,
}

/// The text is no template.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TemplateError {
    /// It is no path.
    #[error("{0}")]
    Path(#[from] PathError),
    /// A parameter is not a whole segment, has no name, or an odd one; or there is a `*`.
    #[error("a template whose parameters are not whole segments like `{{id}}`")]
    Parameter,
    /// It has more parameters than the router can tell apart.
    #[error("a template with more than {MAX_PARAMETERS} parameters")]
    TooMany,
}

/// With more in one route `matchit` panics.
const MAX_PARAMETERS: usize = 25;

impl Template {
    /// Parses a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Path::parse(text.as_bytes())?;
        let segments = text.split('/').skip(1).map(Segment::parse);
        let segments = segments.collect::<Result<Vec<_>, _>>()?;
        let is_parameter = |segment: &&Segment| **segment == Segment::Parameter;
        if segments.iter().filter(is_parameter).count() > MAX_PARAMETERS {
            return Err(TemplateError::TooMany);
        }
        Ok(Self(segments))
    }

    /// The very path, as a template without parameters.
    pub fn of(path: &Path<'_>) -> Self {
        let segments = path.segments().map(|s| Segment::Literal(s.to_owned()));
        Self(segments.collect())
    }

    /// Whether the path is one of those that the template describes.
    pub fn matches(&self, path: &Path<'_>) -> bool {
        let mut segments = path.segments();
        let matches =
            |segment: &Segment| segments.next().is_some_and(|found| segment.matches(found));
        self.0.iter().all(matches) && segments.next().is_none()
    }

    /// Whether it describes that path and no other.
    pub fn is(&self, path: &Path<'_>) -> bool {
        let is_named = |segment: &Segment| matches!(segment, Segment::Literal(_));
        self.0.iter().all(is_named) && self.matches(path)
    }

    /// Whether all that it describes is that path or lies below it.
    pub fn is_below(&self, prefix: &Path<'_>) -> bool {
        let named = prefix.segments().take(prefix.depth());
        let is_named = |(position, name): (usize, &str)| matches!(self.0.get(position), Some(Segment::Literal(own)) if own == name);
        named.enumerate().all(is_named)
    }

    /// Whether it describes all that the other describes.
    pub fn takes_all_of(&self, other: &Self) -> bool {
        let mut pairs = self.0.iter().zip(&other.0);
        self.0.len() == other.0.len() && pairs.all(|(one, other)| one.takes_all_of(other))
    }

    /// Whether the segment at that position is named, and not a parameter.
    pub fn names(&self, position: usize) -> bool {
        matches!(self.0.get(position), Some(Segment::Literal(_)))
    }

    /// Whether some path is described by both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let pairs = || self.0.iter().zip(&other.0);
        self.0.len() == other.0.len() && pairs().all(|(one, other)| one.overlaps(other))
    }

    /// The template as a route of `matchit`, in which all parameters have one name.
    pub fn route(&self) -> String {
        let segments = self.0.iter().map(|segment| match segment {
            Segment::Literal(text) => escape(text),
            Segment::Parameter => "{p}".to_owned(),
        });
        segments.fold(String::new(), |route, segment| route + "/" + &segment)
    }
}

/// Parameters have no names any more.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => write!(f, "/{text}"),
            Segment::Parameter => f.write_str("/{}"),
        })
    }
}

/// A literal text in a route of `matchit`.
pub fn escape(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

impl Segment {
    fn takes_all_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Parameter, Self::Parameter) => true,
            (Self::Parameter, Self::Literal(text)) => !text.is_empty(),
            (Self::Literal(_), Self::Parameter) => false,
            (Self::Literal(one), Self::Literal(other)) => one == other,
        }
    }

    fn parse(text: &str) -> Result<Self, TemplateError> {
        let name = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match name {
            Some(name) if is_name(name) => Ok(Self::Parameter),
            None if !text.contains(['{', '}', '*']) => {
                let decoded = percent_decode_str(text).decode_utf8_lossy();
                Ok(Self::Literal(decoded.into_owned()))
            }
            _ => Err(TemplateError::Parameter),
        }
    }

    fn matches(&self, segment: &str) -> bool {
        match self {
            Self::Literal(expected) => expected == segment,
            Self::Parameter => !segment.is_empty(),
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(one), Self::Literal(other)) => one == other,
            (Self::Literal(literal), Self::Parameter)
            | (Self::Parameter, Self::Literal(literal)) => !literal.is_empty(),
            (Self::Parameter, Self::Parameter) => true,
        }
    }
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    !text.is_empty() && bytes.all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_template() {
        for text in [
            "/",
            "/{id}",
            "/a/{id}/b/{x-1}",
            "/a/",
            "/%7Bid%7D",
            "/{id}/{id}",
        ] {
            assert!(Template::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "a/{id}",
            "/a/{}",
            "/a/{id",
            "/a/id}",
            "/a/{id}.json",
            "/a/x{id}",
            "/{a}{b}",
            "/{*rest}",
            "/{a b}",
            "/{a{b}}",
            "/a//{id}",
            "/../{id}",
            "/a/{id}/%2f",
            "/a/*",
            "/a/{id}/**",
            "*",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn matching() {
        for (template, path, expected) in [
            ("/orders/{id}", "/orders/1", true),
            ("/orders/{id}", "/orders/%C3%A5%20x?y=/z", true),
            ("/orders/{id}", "/orders/", false),
            ("/orders/{id}", "/orders", false),
            ("/orders/{id}", "/orders/1/", false),
            ("/orders/{id}", "/orders/1/lines", false),
            ("/orders/{id}/lines/{line}", "/orders/1/lines/2", true),
            ("/orders/{id}/lines/{line}", "/orders/1/rows/2", false),
            ("/{a}/b", "/x/b", true),
            ("/%6Frders/{id}", "/orders/1", true),
            ("/orders/{id}", "/%6frders/1", true),
            ("/%7Bid%7D", "/{id}", true),
            ("/%7Bid%7D", "/1", false),
            ("/", "/", true),
            ("/{id}", "/", false),
        ] {
            let path = Path::parse(path.as_bytes()).unwrap();
            let found = Template::parse(template).unwrap().matches(&path);
            assert_eq!(found, expected, "{template} {path:?}");
        }
    }

    #[test]
    fn overlapping() {
        for (one, other, expected) in [
            ("/a/{x}", "/a/b", true),
            ("/a/{x}", "/{x}/b", true),
            ("/a/{x}/c", "/a/b/{y}", true),
            ("/a/{x}", "/b/{x}", false),
            ("/a/{x}", "/a/{x}/b", false),
            ("/a/{x}", "/a/", false),
            ("/a", "/a", true),
        ] {
            let template = |text| Template::parse(text).unwrap();
            assert_eq!(
                template(one).overlaps(&template(other)),
                expected,
                "{one} {other}"
            );
            assert_eq!(
                template(other).overlaps(&template(one)),
                expected,
                "{one} {other}"
            );
        }
    }
}
