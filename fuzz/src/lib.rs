//! Fuzz targets over the core, each with an oracle.
//!
//! A target reads an input, has the core decide, and decides the same anew by [`naive`]: the RFCs
//! and the documents, read slowly and to the letter, without a line of the core. Where the two
//! differ it fails. Inputs are texts, one thing a line, so that seeds and findings can be read and
//! written by hand.

mod naive;
mod text;

pub mod credentials;
pub mod paths;

/// What is run on an input: it panics where the core is wrong.
pub type Target = fn(&[u8]);

/// All targets, by name; each has a file in `fuzz_targets/`.
pub const TARGETS: &[(&str, Target)] =
    &[("credentials", credentials::check), ("paths", paths::check)];
