//! Files, the plugin configurations in them, and where in the file each key stands.
//!
//! A file is read into a tree whose nodes know their place ([`tree`]). [`find`] looks for plugin
//! configurations in it, and [`reading`] says what each is for the filter: the same text is one
//! thing to Envoy's YAML loader, another to Kubernetes, and a third as JSON.

pub(crate) mod find;
pub(crate) mod located;
mod offsets;
pub(crate) mod reading;
pub(crate) mod tree;

use std::fs;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use crate::outcome::Failure;

/// A file, or standard input.
#[derive(Debug)]
pub(crate) struct Source {
    /// What it is called in messages.
    pub(crate) name: String,
    /// What is in it.
    pub(crate) text: String,
}

/// The longest file that is read, in bytes: more than any gateway's configuration.
const MAX_LENGTH: u64 = 32 << 20;

/// A place in a file: line and column, both from 1. Columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Source {
    /// Reads a file; `-` is standard input.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let is_stdin = path == Path::new("-");
        let name = if is_stdin {
            "standard input".to_owned()
        } else {
            path.display().to_string()
        };
        let cannot =
            |error: &dyn std::fmt::Display| Failure::new(format!("cannot read {name}: {error}"));
        let mut bytes = Vec::new();
        let limit = MAX_LENGTH.saturating_add(1);
        let read = if is_stdin {
            std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
        } else {
            fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
        };
        let length = read.map_err(|error| cannot(&error))?;
        if u64::try_from(length).unwrap_or(u64::MAX) > MAX_LENGTH {
            return Err(cannot(&"it is larger than 32 MB"));
        }
        let text = String::from_utf8(bytes).map_err(|_| cannot(&"it is no UTF-8"))?;
        Ok(Self { name, text })
    }

    /// Where a byte stands.
    pub(crate) fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let lines = before.bytes().filter(|b| *b == b'\n').count();
        let columns = before.get(line_start..).unwrap_or_default().chars().count();
        Position {
            line: lines.saturating_add(1),
            column: columns.saturating_add(1),
        }
    }

    /// The line that a byte stands in, with its end.
    pub(crate) fn line(&self, offset: usize) -> Range<usize> {
        let (before, after) = self
            .text
            .split_at_checked(offset)
            .unwrap_or((&self.text, ""));
        let start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let rest = after
            .find('\n')
            .map_or(after.len(), |at| at.saturating_add(1));
        start..before.len().saturating_add(rest)
    }

    /// The text at some bytes.
    pub(crate) fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }
}
