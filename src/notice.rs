//! What is said about a configuration when it begins: once, though each worker's VM, Envoy's main
//! thread and the VM in which it tries a configuration all begin with it.

use std::hash::{DefaultHasher, Hash, Hasher};

use log::warn;

use super::data::{HostData, now};
use portvakt_core::cache::shared::SharedData;

/// Two that say the same within this time, in milliseconds, speak of the same beginning.
const SAME: u64 = 10_000;

/// Shared data has no deletion, so there are so many places for what was said.
const PLACES: u64 = 64;

/// Logs a warning, unless another VM just did. Should two of them come at once, both do.
pub(super) fn warn_once(line: &str) {
    let mut hasher = DefaultHasher::new();
    line.hash(&mut hasher);
    let said = hasher.finish();
    let place = said.checked_rem(PLACES).unwrap_or_default();
    let key = format!("portvakt.notice.{place}");
    let (before, version) = HostData.read(&key);
    let millis = now().as_millis();
    let is_said = before
        .and_then(|bytes| parse(&bytes))
        .is_some_and(|(at, line)| line == said && millis.abs_diff(at) < SAME);
    if !is_said {
        let value = [millis.to_le_bytes(), said.to_le_bytes()].concat();
        HostData.write(&key, &value, version);
        warn!("{line}");
    }
}

fn parse(bytes: &[u8]) -> Option<(u64, u64)> {
    let (at, rest) = bytes.split_first_chunk()?;
    let line = rest.try_into().ok()?;
    Some((u64::from_le_bytes(*at), u64::from_le_bytes(line)))
}
