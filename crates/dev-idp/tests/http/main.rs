//! The servers as their clients see them, over HTTP/1.1 and h2c.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    unreachable_pub,
    reason = "tests may fail loudly"
)]

mod api;
mod faults;
mod idp;
mod rfc7662;
mod server;
mod support;
mod texas;
