//! What operators see: a real Prometheus scrapes running gateways, and every query of the dashboard
//! and of the rules is run against it. And the tour that `make demo` plays.
//!
//! `make test-observability` builds what is needed and says where Envoy and Prometheus are.
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

#[path = "../envoy/capabilities.rs"]
mod capabilities;
#[path = "../envoy/client.rs"]
mod client;
mod demo;
#[path = "../envoy/gateway.rs"]
mod gateway;
mod prometheus;
mod queries;
mod scenario;
#[path = "../envoy/stats.rs"]
mod stats;
mod traffic;
