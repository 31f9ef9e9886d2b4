//! Portvakt, the filter: it carries bytes into the core and effects out. The core, `portvakt-core`,
//! decides; only this crate knows proxy-wasm.
//!
//! It holds every hazard of the host, because a panic takes a whole worker down:
//! - bytes, never texts, are fetched: the SDK panics on what is not UTF-8;
//! - every callout is dispatched by the root context, never by a stream, whose client may leave;
//! - only so many streams are resumed or answered, and callouts dispatched, in one call of the VM
//!   ([`Turn`](portvakt_core::callout::effect::Turn)): what the host defers to the end of a call runs
//!   nested, and its stack is finite;
//! - no `RefCell` borrow is held across a call to the host.

mod data;
mod head;
mod metrics;
mod notice;
mod passage;
mod plugin;
mod root;
mod stream;
mod trap;

use proxy_wasm::traits::RootContext;
use proxy_wasm::types::LogLevel;

/// Registers the filter with the SDK. Envoy calls it when it loads the module.
fn start() {
    trap::enter("start");
    // The host filters by its own level, which can change while it runs.
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|context_id| -> Box<dyn RootContext> {
        Box::new(root::Root::new(context_id))
    });
}

proxy_wasm::main! {{ start(); }}
