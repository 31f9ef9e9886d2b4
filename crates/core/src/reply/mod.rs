//! What clients are answered, where they are not let through.

pub mod cause;
pub mod challenge;
pub mod metadata;
pub mod reason;
pub mod rejection;
