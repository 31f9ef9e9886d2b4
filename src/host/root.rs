//! The root context: one for each configuration in each VM. It reads the configuration,
//! dispatches every callout and tells the streams that wait.

use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use log::error;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, MapType, Status};

use super::BATCH;
use super::gate::Gate;
use super::metrics::Metrics;
use super::stream::Stream;
use crate::bearer::AccessToken;
use crate::config;
use crate::introspection::flights::FlightId;
use crate::introspection::response::{IntrospectionError, MAX_BODY, Reply};

/// A root context. Without a gate it was never configured, and its streams are refused.
pub(super) struct Root {
    context_id: u32,
    gate: Option<Rc<Gate>>,
}

impl Root {
    pub(super) fn new(context_id: u32) -> Self {
        Self {
            context_id,
            gate: None,
        }
    }

    fn configure(&self) -> Result<Gate, String> {
        let json = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX)
            .ok()
            .flatten()
            .unwrap_or_default();
        let env = |name: &str| std::env::var(name).ok();
        let authorizer = config::parse(&json, env).map_err(|error| error.to_string())?;
        let host_error = |status: Status| format!("the host refused: {status:?}");
        let metrics = Metrics::define().map_err(host_error)?;
        let queue = hostcalls::register_shared_queue(&self.queue_name()).map_err(host_error)?;
        Ok(Gate::new(authorizer, metrics, queue))
    }

    /// A name that no other root context of any VM has: queues are common to all of them, and
    /// the last one to register a name owns it. `RandomState` has fresh random keys in each VM.
    fn queue_name(&self) -> String {
        let random = RandomState::new().hash_one(self.context_id);
        format!("portvakt.{random:016x}.{}", self.context_id)
    }

    /// Does as much as may be done in one call of the VM, and rings for the rest.
    fn work(&self, gate: &Gate) {
        for (flight, token) in std::iter::from_fn(|| gate.next_departure()).take(BATCH) {
            match dispatch(gate, &token) {
                Ok(callout) => gate.departed(flight, callout),
                Err(error) => gate.arrived(flight, Err(error)),
            }
        }
        self.tell_some(gate);
    }

    fn tell_some(&self, gate: &Gate) {
        if let Some(batch) = gate.next_batch(BATCH) {
            for (stream, waiter) in &batch.waiters {
                // A stream that is gone leaves the effective context as it was: skip it.
                if hostcalls::set_effective_context(*stream).is_ok() {
                    gate.tell(waiter, &batch.answer);
                }
            }
            let _ = hostcalls::set_effective_context(self.context_id);
        }
        if gate.has_work() && gate.ring().is_err() {
            error!("the host lost the queue: requests that wait will time out");
        }
    }

    fn land(&self, gate: &Gate, flight: FlightId, num_headers: usize, body_size: usize) {
        let body = read_body(body_size);
        let reply = Reply {
            status: (num_headers > 0).then(read_status).flatten(),
            from_upstream: num_headers > 0
                && response_header("x-envoy-upstream-service-time").is_some(),
            body: body.as_deref(),
        };
        let answer = gate.authorizer.introspection.api.parse(reply);
        gate.arrived(flight, answer);
        self.tell_some(gate);
    }
}

impl Context for Root {
    fn on_http_call_response(
        &mut self,
        callout: u32,
        num_headers: usize,
        body_size: usize,
        _num_trailers: usize,
    ) {
        if let Some(gate) = &self.gate
            && let Some(flight) = gate.landing(callout)
        {
            self.land(gate, flight, num_headers, body_size);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.configure() {
            Ok(gate) => {
                self.gate = Some(Rc::new(gate));
                true
            }
            Err(line) => {
                error!("{line}");
                false
            }
        }
    }

    fn on_queue_ready(&mut self, queue: u32) {
        while let Ok(Some(_)) = hostcalls::dequeue_shared_queue(queue) {}
        if let Some(gate) = &self.gate {
            self.work(gate);
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(context_id, self.gate.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

fn dispatch(gate: &Gate, token: &AccessToken) -> Result<u32, IntrospectionError> {
    let config = &gate.authorizer.introspection;
    let request = config.request(token);
    let headers = request.headers.iter().map(|(n, v)| (*n, v.as_str()));
    hostcalls::dispatch_http_call(
        &config.cluster,
        headers.collect(),
        Some(&request.body),
        vec![],
        config.timeout,
    )
    .map_err(|status| match status {
        Status::BadArgument => {
            IntrospectionError::Misconfigured(format!("is there a cluster `{}`?", config.cluster))
        }
        _ => IntrospectionError::Unreachable("Envoy did not dispatch the callout".to_owned()),
    })
}

fn read_status() -> Option<u16> {
    let status = response_header(":status")?;
    str::from_utf8(&status).ok()?.parse().ok()
}

/// Only good where the callout has an answer: else the SDK panics.
fn response_header(name: &str) -> Option<Vec<u8>> {
    hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, name)
        .ok()
        .flatten()
}

/// `None` if the body is longer than what is read.
fn read_body(size: usize) -> Option<Vec<u8>> {
    match size {
        0 => Some(Vec::new()),
        1..=MAX_BODY => hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, size)
            .ok()
            .flatten(),
        _ => None,
    }
}
