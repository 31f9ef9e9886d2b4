//! What the host knows and workers share: the clock and the shared data.

use proxy_wasm::hostcalls;

use portvakt_core::cache::shared::SharedData;
use portvakt_core::time::Time;

/// The time. Should the host not tell, it is the epoch, at which nothing that is known counts.
pub(super) fn now() -> Time {
    hostcalls::get_current_time().map_or(Time::from_millis(0), Time::from)
}

/// The shared data of all VMs with the same `vm_id`.
pub(super) struct HostData;

impl SharedData for HostData {
    fn read(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        hostcalls::get_shared_data(key).unwrap_or_default()
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        hostcalls::set_shared_data(key, Some(value), version).is_ok()
    }
}
