//! A local stand-in for the services around Portvakt.
//!
//! One address plays Maskinporten (it mints tokens), Texas (it introspects
//! them) and a standard introspection endpoint (RFC 7662). Another plays the
//! API that Portvakt guards. Tests start it in-process; the binary starts it
//! for a person to try things against.
//!
//! It answers as the real Texas was seen to answer, down to the error texts,
//! and can be told to fail in the ways a network fails: see [`Fault`].
//!
//! ```
//! # async fn example() -> std::io::Result<()> {
//! use dev_idp::{DevIdp, DevIdpConfig, Mint};
//!
//! let idp = DevIdp::start(DevIdpConfig::default()).await?;
//! let token = idp.mint(&Mint::default().scope("nav:helse/sykepenger/afp.read"));
//! # drop(token);
//! # Ok(())
//! # }
//! ```

mod api;
mod client;
mod connection;
mod failing;
mod fault;
mod idp;
mod keys;
mod mint;
mod provider;
mod received;
mod recorded;
mod rfc7662;
mod server;
mod state;
mod texas;
mod verify;

pub use client::Client;
pub use fault::Fault;
pub use mint::{Algorithm, Kid, Mint};
pub use provider::IdentityProvider;
pub use recorded::Recorded;
pub use server::{DevIdp, DevIdpConfig};
