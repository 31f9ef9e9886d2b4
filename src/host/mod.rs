//! The host adapter, the only module that knows proxy-wasm: it carries bytes in and steps out.
//!
//! It also holds every hazard of the host, because a panic takes a whole worker down:
//! - bytes, never texts, are fetched: the SDK panics on what is not UTF-8;
//! - every callout is dispatched by the root context, never by a stream, whose client may leave;
//! - at most [`BATCH`] streams are resumed or answered, and callouts dispatched, in one call of
//!   the VM: what the host defers to the end of a call runs nested, and its stack is finite;
//! - no `RefCell` borrow is held across a call to the host.

mod data;
mod gate;
mod head;
mod metrics;
mod passage;
mod root;
mod stream;

use std::time::Duration;

use proxy_wasm::traits::RootContext;
use proxy_wasm::types::LogLevel;

/// How much is done in one call of the VM. About 270 were seen to overflow the stack.
const BATCH: usize = 32;

/// How often flights that let another worker ask first look for its answer.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How often the host is told what was counted, at least.
const REPORT: Duration = Duration::from_secs(1);

/// Registers the filter with the SDK. Envoy calls it when it loads the module.
pub fn start() {
    // The host filters by its own level, which can change while it runs.
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|context_id| -> Box<dyn RootContext> {
        Box::new(root::Root::new(context_id))
    });
}
