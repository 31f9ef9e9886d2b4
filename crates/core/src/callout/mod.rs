//! Who asks the introspection endpoint about which token, and when.
//!
//! Sans-IO: requests, answers and the time go in, effects come out, and the host carries them out.
//! [`coordinator`] is the protocol within a worker and between workers; [`window`] bounds how many
//! questions about unknown tokens are out at once.

pub mod coordinator;
pub mod coordinators;
pub mod effect;
mod load;
pub mod provider;
pub mod providers;
pub mod single_flight;
pub mod window;
