//! The core without a host: requests, answers and time go in, decisions come out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    unreachable_pub,
    reason = "tests may fail loudly"
)]

mod answers;
mod causes;
mod docs;
mod methods;
mod outage;
mod refusals;
mod requirements;
mod rules;
mod selection;
mod shadow;
mod simulation;
mod tokens;
mod worker;
