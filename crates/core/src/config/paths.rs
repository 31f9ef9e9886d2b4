//! Paths of rules, as they are written. Whoever writes a pattern of another language would get a
//! rule for a path that nobody asks for, and a wider rule below would decide: what can be meant as
//! a pattern only is refused. What is meant to the letter all the same is written as an escape.

use super::context::{Context, Refused};
use crate::policy::template::Template;
use crate::request::path::Path;
use crate::request::spelling::{OtherSpelling, other_spellings};

/// A path that is meant to the letter.
pub(super) fn literal(
    key: String,
    text: &str,
    context: &mut Context,
) -> Result<Path<'static>, Refused> {
    refuse_misread(&key, text, context)?;
    if text.contains(['*', '{', '}']) {
        return context.refuse(
            key,
            format!(
                "{text:?} looks like a pattern; see `prefix` and `template`, or write `%2A`, `%7B`, `%7D`"
            ),
        );
    }
    path(key, text, context)
}

/// Paths with parameters.
pub(super) fn template(
    key: String,
    text: &str,
    context: &mut Context,
) -> Result<Template, Refused> {
    path(key.clone(), text, context)?;
    Template::parse(text).or_else(|error| context.refuse(key, format!("{text:?} is {error}")))
}

fn path(key: String, text: &str, context: &mut Context) -> Result<Path<'static>, Refused> {
    refuse_misread(&key, text, context)?;
    match Path::parse(text.as_bytes()) {
        Ok(_) if text.contains('?') => context.refuse(
            key,
            format!("{text:?} holds a query, which takes no part in matching"),
        ),
        Ok(path) => match text.split('/').find_map(other_spelling) {
            None => Ok(path.into_owned()),
            Some(OtherSpelling { escape, canonical }) => context.refuse(
                key,
                format!(
                    "{text:?} spells `{canonical}` as `{escape}`; write `{canonical}`, as requests must"
                ),
            ),
        },
        Err(error) => context.refuse(key, format!("{text:?} is {error}")),
    }
}

/// What a segment may have escaped though requests have it as it is, where it looks like a pattern.
const LIKE_PATTERNS: [(&str, &str); 9] = [
    ("%24", "$"),
    ("%28", "("),
    ("%29", ")"),
    ("%2A", "*"),
    ("%2B", "+"),
    ("%2C", ","),
    ("%3A", ":"),
    ("%5B", "["),
    ("%5D", "]"),
];

/// The first escape in a segment that no request may have in its place, and the rule neither.
fn other_spelling(segment: &str) -> Option<OtherSpelling<'_>> {
    let mut plain = segment.to_owned();
    for (escape, canonical) in LIKE_PATTERNS {
        plain = plain.replace(escape, canonical);
    }
    let is_meant = |escape: &str| {
        let mut like = LIKE_PATTERNS.iter().map(|(escape, _)| *escape);
        escape == "%2A" || (is_pattern(&plain) && like.any(|like| like == escape))
    };
    other_spellings(segment).find(|found| !is_meant(found.escape))
}

fn refuse_misread(key: &str, text: &str, context: &mut Context) -> Result<(), Refused> {
    match misread(text) {
        Some(problem) => context.refuse(key, format!("{text:?} {problem}")),
        None => Ok(()),
    }
}

/// Why a text can be no path, and how it is written.
fn misread(text: &str) -> Option<String> {
    if text.starts_with(['^', '~']) || text.contains("(?") {
        return Some("looks like a regular expression; see `prefix` and `template`".to_owned());
    }
    // RFC 3986 section 3.3: no path has these unescaped, and braces are a template's.
    if let Some(odd) = text.chars().find(|c| "|^`<>\" \t".contains(*c)) {
        let hint = match odd {
            '|' => "for several paths write several rules",
            '<' | '>' => "a parameter is written `{id}`, in `template`",
            _ => "see `prefix` and `template`",
        };
        let byte = u32::from(odd);
        return Some(format!(
            "has {odd:?}, which no path has; {hint}, or if it is meant so, `%{byte:02X}`"
        ));
    }
    let segment = text
        .split('/')
        .skip(1)
        .find(|segment| is_pattern(segment))?;
    Some(format!(
        "has {segment:?}, which looks like a pattern; a parameter is one whole segment, `{{id}}`, \
         in `template`; what is meant to the letter is escaped, e.g. `%3A` for `:`"
    ))
}

/// Whether a segment can only be meant as a parameter or a regular expression. Elsewhere in
/// segments these characters are common: `/Orders(42)`, `/orders:batch`, `/$metadata`, `/a+b`.
fn is_pattern(segment: &str) -> bool {
    let is_group = |open, close: char| {
        let rest = segment.trim_end_matches(['+', '?', '*', '$']);
        segment.starts_with(open) && rest.ends_with(close)
    };
    matches!(segment, "+" | "...")
        || segment.starts_with(':')
        || segment.ends_with(',')
        || segment.ends_with('$')
        || segment.ends_with(".+")
        || is_group('(', ')')
        || is_group('[', ']')
        || has_class(segment)
}

/// A class of characters: `[0-9]`, `[^x]`, or brackets that repeat.
fn has_class(segment: &str) -> bool {
    segment.split('[').skip(1).any(|rest| {
        rest.split_once(']').is_some_and(|(inside, after)| {
            inside.contains('-') || inside.starts_with('^') || after.starts_with(['+', '?'])
        })
    })
}
