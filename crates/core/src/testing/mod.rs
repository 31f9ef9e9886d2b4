//! Doubles of what a host gives: a request's head and its client, shared data, and the host
//! itself. They behave like the real ones, and are the only ones: this crate's tests and others'
//! use them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::arithmetic_side_effects,
    reason = "doubles may fail loudly"
)]

pub mod head;
pub mod host;
pub mod shared_data;
