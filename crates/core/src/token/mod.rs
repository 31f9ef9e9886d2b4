//! The access token: where it is, what it is called, and what is known of it.

pub mod binding;
pub mod claims;
pub mod extract;
pub mod facts;
pub mod id;
pub mod issuer;
pub mod jwt;
pub mod providers;
pub mod scope;
