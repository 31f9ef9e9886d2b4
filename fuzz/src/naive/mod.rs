//! The RFCs and the documents, read slowly.
//!
//! Nothing here is fast, and nothing is the core's.

pub mod answer;
pub mod b64token;
pub mod base64url;
pub mod claim;
pub mod cnf;
pub mod host;
pub mod json;
pub mod jwt;
pub mod path;
pub mod proto;
pub mod requirement;
