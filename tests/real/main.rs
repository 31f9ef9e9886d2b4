//! The filter in a real Envoy with real authorization servers behind it (RFC 7662) and real clients
//! before it: gRPC, WebSocket, a browser.
//!
//! `make test-real` installs what is started here (`dev/real-servers.sh`), pinned. What is not of
//! this repository is a program of its own in `servers/`; it is told what to do on standard input
//! and answers on standard output, in JSON, so no secret is in an argument or a file.
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

mod authorization_server;
mod browser;
#[path = "../envoy/client.rs"]
mod client;
#[path = "../envoy/gateway.rs"]
mod gateway;
mod grpc;
mod introspection;
#[path = "../envoy/option.rs"]
mod option;
mod program;
mod revocation;
#[path = "../envoy/stats.rs"]
mod stats;
mod websocket;
