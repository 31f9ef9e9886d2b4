//! What the module asked its host for.

use std::fmt::{self, Display, Formatter};

use crate::status::Status;

/// A host call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// proxy-wasm's name, without `proxy_`.
    pub name: String,
    /// For whom a name says too little.
    pub about: String,
    pub status: Status,
    /// The host did not carry it out.
    pub was_made_to_fail: bool,
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}) {:?}", self.name, self.about, self.status)
    }
}

impl Call {
    /// What can fail by itself: a stream can be gone where the root context cannot.
    pub fn kind(&self) -> String {
        match (self.name.as_str(), self.about.as_str()) {
            ("set_effective_context", "root") => "set_effective_context(root)".to_owned(),
            (name, _) => name.to_owned(),
        }
    }
}

/// How often each was called, in the order of first calls: `get_property 2, log 1`.
pub fn tally(calls: &[Call]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for call in calls {
        match counts.iter_mut().find(|(name, _)| *name == call.name) {
            Some((_, count)) => *count += 1,
            None => counts.push((&call.name, 1)),
        }
    }
    let counts = counts.iter().map(|(name, count)| format!("{name} {count}"));
    counts.collect::<Vec<_>>().join(", ")
}
