//! Where the characters of a scalar stand in the file: for a text within a text.

use std::ops::Range;

use granit_parser::ScalarStyle;

/// For each byte of a scalar's text the byte of the file that it comes from. `None` where that
/// cannot be said: lines that are folded.
pub(super) fn offsets(
    file: &str,
    span: &Range<usize>,
    text: &str,
    style: ScalarStyle,
) -> Option<Vec<usize>> {
    let raw = file.get(span.clone())?;
    let found = match style {
        ScalarStyle::Literal => literal(file, span, text)?,
        ScalarStyle::Folded => return None,
        ScalarStyle::Plain => align(raw, span.start, text, None)?,
        ScalarStyle::SingleQuoted => align(
            raw.strip_prefix('\'')?,
            span.start.checked_add(1)?,
            text,
            Some('\''),
        )?,
        ScalarStyle::DoubleQuoted => align(
            raw.strip_prefix('"')?,
            span.start.checked_add(1)?,
            text,
            Some('\\'),
        )?,
    };
    (found.len() == text.len()).then_some(found)
}

/// A block: its lines are the text's, behind an indent. Its span begins in its first line that has
/// something in it.
fn literal(file: &str, span: &Range<usize>, text: &str) -> Option<Vec<usize>> {
    let is_blank = |line: &str| line.trim().is_empty();
    let lead = text
        .split_inclusive('\n')
        .take_while(|line| is_blank(line))
        .count();
    let line_start = |at: usize| Some(file.get(..at)?.rfind('\n')?.saturating_add(1));
    let mut offset = line_start(span.start)?;
    let first = file.get(offset..)?.lines().next()?;
    if !is_blank(first) {
        for _ in 0..lead {
            offset = line_start(offset.checked_sub(1)?)?;
        }
    }
    let mut lines = file.get(offset..)?.split_inclusive('\n');
    let content = text.lines().find(|line| !is_blank(line))?;
    let raw = lines
        .clone()
        .map(|line| line.trim_end_matches(['\n', '\r']))
        .find(|line| !is_blank(line))?;
    let indent = raw.len().checked_sub(content.len())?;
    let mut found = Vec::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let raw = lines.next().unwrap_or_default();
        let start = if is_blank(raw) && is_blank(line) {
            0
        } else {
            indent
        };
        for index in 0..line.len() {
            found.push(offset.checked_add(start)?.checked_add(index)?);
        }
        offset = offset.checked_add(raw.len())?;
    }
    Some(found)
}

/// Character by character, on one line. An escape is all bytes of what it stands for.
fn align(raw: &str, start: usize, text: &str, escape: Option<char>) -> Option<Vec<usize>> {
    let mut found = Vec::with_capacity(text.len());
    let mut raw = raw.char_indices().peekable();
    for character in text.chars() {
        let (index, next) = raw.next()?;
        if next == '\n' {
            return None;
        }
        if Some(next) == escape {
            let (_, kind) = raw.next()?;
            let digits = match (next, kind) {
                ('\\', 'x') => 2,
                ('\\', 'u') => 4,
                ('\\', 'U') => 8,
                _ => 0,
            };
            for _ in 0..digits {
                raw.next()?;
            }
        } else if next != character {
            return None;
        }
        for _ in 0..character.len_utf8() {
            found.push(start.checked_add(index)?);
        }
    }
    Some(found)
}
