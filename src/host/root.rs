//! The root context: one for each configuration in each VM. It reads the configuration,
//! dispatches every callout and tells the streams that wait.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::time::Duration;

use log::error;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, MapType, Status};

use super::data::{HostData, now};
use super::gate::Gate;
use super::metrics::Metrics;
use super::stream::Stream;
use super::{BATCH, LOOK_AGAIN, REPORT};
use crate::bearer::AccessToken;
use crate::cache::shared::Claim;
use crate::config;
use crate::digest::TokenDigest;
use crate::introspection::flights::{Departure, Landing};
use crate::introspection::response::{
    IntrospectionError, MAX_BODY, Misconfiguration, Reading, Reply,
};
use crate::time::Time;

/// A root context. Without a gate it was never configured, and its streams are refused.
pub(super) struct Root {
    context_id: u32,
    gate: Option<Rc<Gate>>,
    ticks: Cell<Duration>,
}

impl Root {
    pub(super) fn new(context_id: u32) -> Self {
        Self {
            context_id,
            gate: None,
            ticks: Cell::new(Duration::ZERO),
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
        if let Some(shared) = authorizer.cache.shared() {
            shared.prepare(&HostData);
        }
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
        let now = now();
        for _ in 0..BATCH {
            // A statement of its own, so that the borrow ends before the host is called.
            let departure = gate.flights.borrow_mut().next_departure();
            match departure {
                Some(departure) => depart(gate, departure, now),
                None => break,
            }
        }
        self.tell_some(gate, now);
        gate.metrics.report();
        let has_deferred = gate.flights.borrow().has_deferred();
        self.tick(if has_deferred { LOOK_AGAIN } else { REPORT });
    }

    /// Sets the clock. Setting it anew would put its next tick off.
    fn tick(&self, period: Duration) {
        if self.ticks.replace(period) != period {
            let _ = hostcalls::set_tick_period(period);
        }
    }

    /// Tells some of those whose flight has arrived.
    fn tell_some(&self, gate: &Gate, now: Time) {
        let batch = gate.flights.borrow_mut().next_batch(BATCH);
        if let Some(batch) = batch {
            for (stream, waiter) in &batch.waiters {
                // A stream that is gone leaves the effective context as it was: skip it.
                if hostcalls::set_effective_context(*stream).is_ok() {
                    gate.tell(waiter, &batch.answer, now);
                }
            }
            let _ = hostcalls::set_effective_context(self.context_id);
        }
        let has_work = gate.flights.borrow().has_work();
        if has_work && gate.ring().is_err() {
            error!("the host lost the queue: requests that wait will time out");
        }
    }

    fn land(&self, gate: &Gate, landing: Landing, num_headers: usize, body_size: usize) {
        let now = now();
        let body = read_body(body_size);
        let reply = Reply {
            status: (num_headers > 0).then(read_status).flatten(),
            from_upstream: num_headers > 0
                && response_header("x-envoy-upstream-service-time").is_some(),
            body: body.as_deref(),
        };
        let reading =
            gate.authorizer
                .on_reply(&landing.name, landing.asked_at, reply, &HostData, now);
        release(gate, &landing.name.digest);
        gate.metrics.took(now.since(landing.asked_at));
        gate.observe(&reading, &landing.name.digest, now);
        gate.gauge_entries();
        gate.flights
            .borrow_mut()
            .arrived(landing.id, reading.answer);
        self.tell_some(gate, now);
        gate.metrics.report();
    }

    /// Flights that let another worker ask first: its answer may be there, or they try again.
    fn look_again(&self, gate: &Gate) {
        let now = now();
        let deferred = gate.flights.borrow_mut().take_deferred(BATCH);
        for departure in deferred {
            let known = gate.authorizer.peek(&departure.name, &HostData, now);
            let mut flights = gate.flights.borrow_mut();
            match known {
                Some((found, _)) => flights.arrived(departure.id, Ok(found.what)),
                None => flights.depart_after_all(departure),
            }
        }
        gate.gauge_entries();
        self.work(gate);
    }
}

/// A configuration that is gone wakes nobody.
impl Drop for Root {
    fn drop(&mut self) {
        self.tick(Duration::ZERO);
        if let Some(gate) = &self.gate {
            gate.metrics.report_at_once();
        }
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
        if let Some(gate) = &self.gate {
            let landing = gate.flights.borrow_mut().landing(callout);
            if let Some(landing) = landing {
                self.land(gate, landing, num_headers, body_size);
            }
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.configure() {
            Ok(gate) => {
                self.gate = Some(Rc::new(gate));
                self.tick(REPORT);
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

    fn on_tick(&mut self) {
        if let Some(gate) = &self.gate {
            self.look_again(gate);
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(context_id, self.gate.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Dispatches a flight's callout, or lets another worker ask first.
fn depart(gate: &Gate, departure: Departure, now: Time) {
    if let Some(shared) = gate.authorizer.cache.shared()
        && departure.may_be_held_back(now)
    {
        if shared.claim(&HostData, &departure.name.digest, now) == Claim::Theirs {
            gate.flights.borrow_mut().defer(departure, now);
            return;
        }
        // Between the request's look and this claim another worker may have had its answer.
        if !departure.is_renewal
            && let Some((found, _)) = gate.authorizer.peek(&departure.name, &HostData, now)
        {
            release(gate, &departure.name.digest);
            gate.flights
                .borrow_mut()
                .arrived(departure.id, Ok(found.what));
            return;
        }
    }
    let Departure {
        id, token, name, ..
    } = departure;
    match dispatch(gate, &token) {
        Ok(callout) => {
            let landing = Landing {
                id,
                name,
                asked_at: now,
            };
            gate.flights.borrow_mut().departed(callout, landing);
        }
        Err(error) => {
            release(gate, &name.digest);
            let reading = Reading::failed(error);
            gate.observe(&reading, &name.digest, now);
            gate.flights.borrow_mut().arrived(id, reading.answer);
        }
    }
}

/// Another worker need not wait for this one any longer.
fn release(gate: &Gate, digest: &TokenDigest) {
    if let Some(shared) = gate.authorizer.cache.shared() {
        shared.release(&HostData, digest);
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
        Status::BadArgument => IntrospectionError::Misconfigured(Misconfiguration::NoCluster),
        _ => IntrospectionError::NotDispatched,
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
