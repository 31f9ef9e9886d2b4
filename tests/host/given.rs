//! Which failures a host call can come to in a real Envoy (1.40), as the filter calls it: with
//! addresses in the module's memory, types that there are, and all capabilities allowed.
//!
//! Read in the sources of Envoy's `Context` and of proxy-wasm's C++ host. A capability that
//! `capability_restriction_config` does not allow fails with `InternalFailure`, which takes the
//! VM down; the list that docs/operations.md gives allows all that the filter calls.

use crate::status::Status::{
    self, BadArgument, CasMismatch, Empty, InternalFailure, NotFound, SerializationFailure,
};

/// Those that Envoy gives. Of the calls that are not here none ever fails.
pub const GIVEN: &[(&str, &[Status])] = &[
    // There is no such buffer, header, property or key.
    ("get_buffer_bytes", &[NotFound]),
    ("get_header_map_value", &[NotFound]),
    (
        "get_property",
        &[NotFound, SerializationFailure, InternalFailure],
    ),
    ("get_shared_data", &[NotFound]),
    // Another worker was first.
    ("set_shared_data", &[CasMismatch]),
    // The queue's owner is gone, or there is nothing in it.
    ("enqueue_shared_queue", &[NotFound]),
    ("dequeue_shared_queue", &[NotFound, Empty]),
    // No such cluster; no host, or no room.
    ("http_call", &[BadArgument, InternalFailure]),
    // The stream is gone; the root context is there as long as its VM calls.
    ("set_effective_context", &[BadArgument]),
    // No such metric, or a counter by less than one.
    ("increment_metric", &[NotFound, BadArgument]),
    ("record_metric", &[NotFound]),
];

/// What a call can come to.
pub fn given(call: &str) -> &'static [Status] {
    let found = GIVEN.iter().find(|(name, _)| *name == call);
    found.map_or(&[], |(_, statuses)| statuses)
}
