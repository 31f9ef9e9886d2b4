//! Traps on demand, in a build for tests alone (the feature `trap`): the fault matrix lets a VM die
//! in each of its callbacks. Without the feature nothing of it is in the module.

#[cfg(feature = "trap")]
pub(super) use armed::{arm, enter};

/// A callback begins.
#[cfg(not(feature = "trap"))]
pub(super) fn enter(_callback: &str) {}

/// A request may say which callback is to trap.
#[cfg(not(feature = "trap"))]
pub(super) fn arm() {}

#[cfg(feature = "trap")]
mod armed {
    use std::cell::RefCell;

    use proxy_wasm::hostcalls;
    use proxy_wasm::types::MapType;

    /// Names the callback, in a request.
    const HEADER: &str = "x-portvakt-trap";

    /// Names it for every VM, in the environment.
    const VARIABLE: &str = "PORTVAKT_TRAP";

    thread_local! {
        /// The callback that traps when it is called next. A VM has one thread.
        static ARMED: RefCell<Option<String>> = RefCell::new(std::env::var(VARIABLE).ok());
    }

    pub(in super::super) fn arm() {
        let header = hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, HEADER);
        if let Ok(Some(name)) = header {
            ARMED.set(Some(String::from_utf8_lossy(&name).into_owned()));
        }
    }

    pub(in super::super) fn enter(callback: &str) {
        if ARMED.with_borrow(|armed| armed.as_deref() == Some(callback)) {
            std::process::abort();
        }
    }
}
