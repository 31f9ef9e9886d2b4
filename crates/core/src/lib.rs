//! The core of Portvakt: it takes the access token from a request, has it introspected, checks it
//! against rules, and lets the request through or answers it.
//!
//! ```text
//! request head → access token → facts → rule → decision → forwarded request, or answer
//! request/       token/         cache/  policy/  authorizer.rs  upstream.rs      reply/
//!                               callout/, introspection/
//! ```
//!
//! Plain Rust without IO: requests, answers and the time go in, decisions and effects come out. It
//! knows no host. `ARCHITECTURE.md` is the map.

pub mod authorizer;
pub mod cache;
pub mod callout;
pub mod config;
pub mod explain;
pub mod introspection;
pub mod json;
mod labels;
pub mod metrics;
pub mod policy;
pub mod reply;
pub mod request;
pub mod time;
pub mod token;
pub mod upstream;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
