//! The built filter in a real Envoy, against the local identity provider.
//!
//! `make test` builds the filter and says where it and Envoy are. Each test starts an Envoy of its
//! own, from the very `envoy.yaml` that users copy, on free ports, and ends it.
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

/// Tests that take a [`gateway::PausedHead`], each run with both.
macro_rules! with_either_paused_head {
    ($($test:ident),* $(,)?) => {
        mod paused_head_holds_all {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test($crate::gateway::PausedHead::HoldsAll).await;
                }
            )*
        }

        mod paused_head_holds_itself {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test($crate::gateway::PausedHead::HoldsItself).await;
                }
            )*
        }
    };
}

mod answers;
mod binding;
mod cache;
mod capabilities;
mod chains;
mod client;
mod configuration;
mod deploy;
mod discovery;
mod explain;
mod faults;
mod fleet;
mod floods;
mod forwarding;
mod frames;
mod gateway;
mod hostile;
mod logs;
mod methods;
mod metrics;
mod option;
mod precheck;
mod protocols;
mod providers;
mod realm;
mod recipes;
mod reconfiguration;
mod recorder;
mod rfc7662;
mod rules;
mod sample;
mod settings;
mod shadow;
mod smuggling;
mod spelling;
mod stats;
mod targets;
mod trailers;
mod unknown_tokens;
mod upgrades;
mod waiting;
