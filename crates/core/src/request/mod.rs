//! The request's head: one reading of each of its parts.

pub mod head;
pub mod host;
pub mod method;
pub mod path;
pub mod preflight;
pub mod spelling;
pub mod trace;
