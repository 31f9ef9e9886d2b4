//! Portvakt: an Envoy filter that takes the access token from each request, has it introspected,
//! checks it against rules, and lets the request through or answers it.
//!
//! ```text
//! request head → access token → facts → rule → decision → forwarded request, or rejection
//! head.rs        bearer.rs      cache/  policy/  authorizer.rs              rejection.rs
//!                               callout/, introspection/
//! ```
//!
//! Everything but [`host`] is plain Rust without IO; `ARCHITECTURE.md` is the map.

pub mod authorizer;
pub mod bearer;
pub mod binding;
pub mod cache;
pub mod callout;
pub mod claims;
pub mod config;
pub mod digest;
pub mod forward;
pub mod head;
pub mod host;
pub mod introspection;
pub mod json;
pub mod json_text;
mod labels;
pub mod method;
pub mod object;
pub mod policy;
pub mod precheck;
pub mod preflight;
pub mod protected_resource;
pub mod rejection;
pub mod scope;
pub mod time;

#[allow(
    missing_docs,
    reason = "the SDK's macro exports a function without documentation"
)]
mod entry {
    proxy_wasm::main! {{ crate::host::start(); }}
}
