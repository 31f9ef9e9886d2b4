//! The built filter in an interpreter, under a host that counts its calls and can make them fail.
//!
//! It is made after Envoy, of which it has only what the filter calls; what Envoy itself makes of
//! the filter, tests/envoy says. `make test` says where the built filter is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stderr,
    dead_code,
    unreachable_pub,
    reason = "tests may fail loudly"
)]

mod call;
mod counts;
mod failures;
mod given;
mod imports;
mod kinds;
mod octets;
mod play;
mod policies;
mod status;
mod stream;
mod vm;
mod world;
