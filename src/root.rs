//! The root context: one for each configuration in each VM. It reads the configuration,
//! dispatches every callout and tells the streams that wait.

use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::time::Duration;

use log::{error, warn};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, MapType, Status};

use super::data::{HostData, now};
use super::head::{property, request_id};
use super::metrics::Metrics;
use super::plugin::{Plugin, Waiter};
use super::stream::Stream;
use portvakt_core::callout::effect::{Effect, Report, Turn};
use portvakt_core::callout::provider::Provider;
use portvakt_core::callout::single_flight::WaiterId;
use portvakt_core::config::{self, Configured, Vm};
use portvakt_core::introspection::error::{Answer, IntrospectionError, Misconfiguration};
use portvakt_core::introspection::response::{MAX_BODY, Reply};
use portvakt_core::time::Time;
use portvakt_core::token::extract::AccessToken;

/// A root context. Without a plugin it was never configured, and its streams are refused.
pub(super) struct Root {
    context_id: u32,
    plugin: Option<Rc<Plugin>>,
}

impl Root {
    pub(super) fn new(context_id: u32) -> Self {
        Self {
            context_id,
            plugin: None,
        }
    }

    fn configure(&self) -> Result<Plugin, String> {
        let json = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX)
            .ok()
            .flatten()
            .unwrap_or_default();
        let vm = Vm {
            env: |name: &str| std::env::var(name).ok(),
            has_id: property(vec!["plugin_vm_id"]).is_some_and(|id| !id.is_empty()),
        };
        let Configured {
            authorizer,
            warnings,
        } = config::parse(&json, &vm).map_err(|error| error.to_string())?;
        for warning in &warnings {
            warn!("{warning}");
        }
        let host_error = |status: Status| format!("the host refused: {status:?}");
        let metrics = Metrics::define().map_err(host_error)?;
        authorizer.provider().prepare(&HostData);
        let queue = hostcalls::register_shared_queue(&self.queue_name()).map_err(host_error)?;
        Ok(Plugin::new(authorizer, metrics, queue))
    }

    /// A name that no other root context of any VM has: queues are common to all of them, and
    /// the last one to register a name owns it. `RandomState` has fresh random keys in each VM.
    fn queue_name(&self) -> String {
        let random = RandomState::new().hash_one(self.context_id);
        format!("portvakt.{random:016x}.{}", self.context_id)
    }

    /// Carries out what follows from an event.
    fn run(&self, plugin: &Plugin, mut turn: Turn, now: Time) {
        let provider = plugin.authorizer.provider();
        let mut next = || {
            plugin
                .coordinator
                .next_effect(&mut turn, provider, &HostData, now)
        };
        while let Some(effect) = next() {
            match effect {
                Effect::Dispatch { call, token } => {
                    let result = dispatch(provider, &token);
                    let coordinator = &plugin.coordinator;
                    coordinator.dispatched(call, result, provider, &HostData, now);
                }
                Effect::Finish { waiters, answer } => {
                    self.finish(plugin, &waiters, &answer, now);
                }
                Effect::Report(report) => self.report(plugin, &report),
                Effect::Wake => {
                    if plugin.wake().is_err() {
                        error!("the host lost the queue: requests that wait will time out");
                    }
                }
                Effect::SetClock(period) => {
                    let _ = hostcalls::set_tick_period(period);
                }
            }
        }
        plugin.gauge_entries();
        plugin.metrics.report();
    }

    fn report(&self, plugin: &Plugin, report: &Report) {
        let waiter = report.waiter.filter(|_| !report.transitions.is_empty());
        let request_id = waiter.and_then(|stream| {
            let is_there = hostcalls::set_effective_context(stream).is_ok();
            let id = is_there.then(request_id);
            let _ = hostcalls::set_effective_context(self.context_id);
            id
        });
        plugin.report(report, request_id.as_deref());
    }

    fn finish(&self, plugin: &Plugin, waiters: &[(WaiterId, Waiter)], answer: &Answer, now: Time) {
        for (stream, waiter) in waiters {
            // A stream that is gone leaves the effective context as it was: skip it.
            if hostcalls::set_effective_context(*stream).is_ok() {
                plugin.finish(waiter, answer, now);
            }
        }
        let _ = hostcalls::set_effective_context(self.context_id);
    }
}

/// A configuration that is gone wakes nobody.
impl Drop for Root {
    fn drop(&mut self) {
        let _ = hostcalls::set_tick_period(Duration::ZERO);
        if let Some(plugin) = &self.plugin {
            plugin.metrics.report_at_once();
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
        let Some(plugin) = &self.plugin else {
            return;
        };
        let now = now();
        let body = read_body(body_size);
        let reply = Reply {
            status: (num_headers > 0).then(read_status).flatten(),
            from_upstream: num_headers > 0
                && response_header("x-envoy-upstream-service-time").is_some(),
            body: body.as_deref(),
        };
        let provider = plugin.authorizer.provider();
        plugin
            .coordinator
            .responded(callout, reply, provider, &HostData, now);
        self.run(plugin, Turn::default(), now);
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.configure() {
            Ok(plugin) => {
                let plugin = self.plugin.insert(Rc::new(plugin));
                // Sets the clock.
                let plugin = Rc::clone(plugin);
                self.run(&plugin, Turn::default(), now());
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
        if let Some(plugin) = &self.plugin {
            self.run(plugin, Turn::default(), now());
        }
    }

    fn on_tick(&mut self) {
        if let Some(plugin) = &self.plugin {
            let now = now();
            let turn = plugin.coordinator.tick(plugin.authorizer.provider(), now);
            self.run(plugin, turn, now);
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(
            context_id,
            self.context_id,
            self.plugin.clone(),
        )))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

fn dispatch(provider: &Provider, token: &AccessToken) -> Result<u32, IntrospectionError> {
    let config = provider.config();
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
