//! Fuzz targets over the core, each with an oracle.
//!
//! A target reads an input, has the core decide, and decides the same anew by `naive`: the RFCs
//! and the documents, read slowly and to the letter, without a line of the core. Where the two
//! differ it fails. Inputs are texts, one thing a line, so that seeds and findings can be read and
//! written by hand.

mod answers;
mod naive;
mod text;
mod token;
mod told;

pub mod claims_to_headers;
pub mod configuration;
mod credentials;
pub mod issuer_selection;
pub mod jwt_precheck;
pub mod paths;
mod requirements;
mod shared_slots;

/// What is run on an input: it panics where the core is wrong. It says whether the input came to
/// the end of the oracle; what is no input to it, or is refused as a configuration, is left before.
pub type Target = fn(&[u8]) -> bool;

/// All targets, by name; each has a file in `fuzz_targets/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("claims_to_headers", claims_to_headers::check),
    ("configuration", configuration::check),
    ("credentials", credentials::check),
    ("issuer_selection", issuer_selection::check),
    ("jwt_precheck", jwt_precheck::check),
    ("paths", paths::check),
    ("requirements", requirements::check),
    ("response_rfc7662", answers::check_rfc7662),
    ("response_texas", answers::check_texas),
    ("shared_slots", shared_slots::check),
];

/// Runs the target of that name.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, check) = target.expect("a target of that name");
    check(input);
}
