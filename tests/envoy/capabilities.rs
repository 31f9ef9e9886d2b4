//! What Envoy may keep the filter from doing (`capability_restriction_config`).

use serde_json::{Map, Value, json};

use crate::gateway::filter_config;

/// What Envoy must let the filter do, if `capability_restriction_config` lists anything at all.
const CAPABILITIES: [&str; 39] = [
    "environ_get",
    "environ_sizes_get",
    "fd_write",
    "proc_exit",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_dequeue_shared_queue",
    "proxy_enqueue_shared_queue",
    "proxy_get_buffer_bytes",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_get_log_level",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_http_call_response",
    "proxy_on_memory_allocate",
    "proxy_on_queue_ready",
    "proxy_on_request_body",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_tick",
    "proxy_on_vm_start",
    "proxy_record_metric",
    "proxy_register_shared_queue",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_send_local_response",
    "proxy_set_effective_context",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
    "random_get",
];

/// Lets the filter do all that it does, but for these.
pub fn restrict(config: &mut Value, without: &[&str]) {
    let allowed = CAPABILITIES.iter().filter(|name| !without.contains(*name));
    let allowed = allowed.map(|name| ((*name).to_owned(), json!({})));
    let allowed: Map<_, _> = allowed.collect();
    let vm = &mut filter_config(config)["vm_config"];
    vm["capability_restriction_config"] = json!({ "allowed_capabilities": allowed });
}
