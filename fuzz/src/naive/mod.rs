//! The RFCs and the documents, read slowly.
//!
//! Nothing here is fast, and nothing is the core's.

pub mod b64token;
pub mod host;
pub mod path;
