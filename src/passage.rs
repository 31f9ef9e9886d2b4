//! Whether a request may go on to the upstream: its head, its body and its trailers.
//!
//! A request is held until it was decided to let it through, and held for good if it is refused.
//! That rests on a state of the stream, which each of its callbacks goes by, and not on what the
//! host makes of a paused head: with `allow_on_headers_stop_iteration` in Envoy's `PluginConfig`
//! that alone holds neither body nor trailers.

use std::cell::Cell;
use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::types::Action;

/// A stream's state, which whoever decides for it later can change. Closed at first.
#[derive(Clone, Debug, Default)]
pub(super) struct Passage(Rc<Cell<bool>>);

impl Passage {
    /// The request was let through.
    pub(super) fn open(&self) {
        self.0.set(true);
    }

    /// Whether the request was let through.
    pub(super) fn is_open(&self) -> bool {
        self.0.get()
    }

    /// What every callback of the request answers.
    pub(super) fn action(&self) -> Action {
        if self.is_open() {
            Action::Continue
        } else {
            Action::Pause
        }
    }
}

/// Makes the host hold the stream's body and trailers as well, with back-pressure, until it is
/// resumed. To be called in its callback for the head.
///
/// The SDK's `Action` has no word for that (`StopAllIterationAndWatermark`), and a pause in the
/// callback for the body means a buffer of bounded size, and then 413. But after a local response
/// the host stops all iteration in any case, and a root context has nobody to respond to.
/// Should a host not do so, the stream's own callbacks still hold what they are shown.
pub(super) fn hold_back(stream_id: u32, root_id: u32) {
    if hostcalls::set_effective_context(root_id).is_ok() {
        let _ = hostcalls::send_http_response(503, vec![], None);
        let _ = hostcalls::set_effective_context(stream_id);
    }
}
