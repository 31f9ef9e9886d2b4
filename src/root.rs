//! The root context: one for each configuration in each VM. It reads the configuration,
//! dispatches every callout and tells the streams that wait.

use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::time::Duration;

use log::error;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, MapType, Status};

use super::data::{HostData, now};
use super::head::{property, request_id};
use super::metrics::Metrics;
use super::notice::warn_once;
use super::plugin::{Plugin, Waiter};
use super::stream::Stream;
use super::trap;
use portvakt_core::callout::effect::{Effect, Report};
use portvakt_core::callout::provider::Provider;
use portvakt_core::callout::single_flight::WaiterId;
use portvakt_core::config::{self, Configured, Vm};
use portvakt_core::introspection::error::{Answer, IntrospectionError, Misconfiguration};
use portvakt_core::introspection::response::{MAX_BODY, Reply};
use portvakt_core::request::trace::Trace;
use portvakt_core::time::Time;
use portvakt_core::token::extract::AccessToken;
use portvakt_core::token::providers::ProviderId;

/// A root context. Without a plugin it was never configured, and its streams are refused.
pub(super) struct Root {
    context_id: u32,
    plugin: Option<Rc<Plugin>>,
}

/// Why a root context has no plugin.
enum Unconfigured {
    /// The configuration is refused. So it is in every VM, and Envoy does not take it.
    Refused(String),
    /// The host did not give what the plugin needs. That may happen in one worker of several, in
    /// which Envoy would then leave the filter out: so the VM is told to be well, and refuses all.
    Host(Status),
}

impl Root {
    pub(super) fn new(context_id: u32) -> Self {
        Self {
            context_id,
            plugin: None,
        }
    }

    fn configure(&self, size: usize) -> Result<Plugin, Unconfigured> {
        let json = match hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size) {
            Ok(Some(json)) => json,
            Ok(None) if size == 0 => Vec::new(),
            Ok(None) => return Err(Unconfigured::Host(Status::NotFound)),
            Err(status) => return Err(Unconfigured::Host(status)),
        };
        let vm = Vm {
            env: |name: &str| std::env::var(name).ok(),
            has_id: property(vec!["plugin_vm_id"]).is_some_and(|id| !id.is_empty()),
        };
        let Configured {
            authorizer,
            warnings,
        } = config::parse(&json, &vm).map_err(|error| Unconfigured::Refused(error.to_string()))?;
        for warning in &warnings {
            warn_once(&warning.to_string());
        }
        let metrics = Metrics::define(&authorizer).map_err(Unconfigured::Host)?;
        let queue = hostcalls::register_shared_queue(&self.queue_name());
        let queue = queue.map_err(Unconfigured::Host)?;
        Ok(Plugin::new(authorizer, metrics, queue))
    }

    /// A name that no other root context of any VM has: queues are common to all of them, and
    /// the last one to register a name owns it. `RandomState` has fresh random keys in each VM.
    fn queue_name(&self) -> String {
        let random = RandomState::new().hash_one(self.context_id);
        format!("portvakt.{random:016x}.{}", self.context_id)
    }

    /// Carries out what follows from an event.
    fn run(&self, plugin: &Plugin, now: Time) {
        plugin.awake();
        let (coordinators, providers) = (&plugin.coordinators, plugin.authorizer.providers());
        // Streams that were told something leave the effective context theirs.
        let mut is_own_context = true;
        let mut turn = coordinators.turn();
        let mut next = || coordinators.next_effect(&mut turn, providers, &HostData, now);
        while let Some((id, effect)) = next() {
            match effect {
                Effect::Dispatch { call, token, trace } => {
                    self.come_back(&mut is_own_context);
                    // In a stream's context the answer would be lost with the stream.
                    let result = match providers.get(id) {
                        Some(provider) if is_own_context => {
                            dispatch(provider, &token, trace.as_ref())
                        }
                        _ => Err(IntrospectionError::NotDispatched),
                    };
                    coordinators.dispatched(id, call, result, providers, &HostData, now);
                }
                Effect::Finish { waiters, answer } => {
                    is_own_context = false;
                    Self::finish(plugin, &waiters, &answer, now);
                }
                Effect::Report(report) => self.report(plugin, id, &report),
                Effect::Wake => {
                    if plugin.wake().is_err() {
                        error!("the host lost the queue: requests that wait go on with the tick");
                    }
                }
                Effect::SetClock(period) => {
                    self.come_back(&mut is_own_context);
                    let _ = hostcalls::set_tick_period(period);
                }
            }
        }
    }

    /// What only a root context can do is done in its own context.
    fn come_back(&self, is_own_context: &mut bool) {
        if !*is_own_context {
            *is_own_context = hostcalls::set_effective_context(self.context_id).is_ok();
        }
    }

    fn report(&self, plugin: &Plugin, id: ProviderId, report: &Report) {
        let waiter = report.waiter.filter(|_| !report.transitions.is_empty());
        let request_id = waiter.and_then(|stream| {
            let is_there = hostcalls::set_effective_context(stream).is_ok();
            let request_id = is_there.then(request_id);
            let _ = hostcalls::set_effective_context(self.context_id);
            request_id
        });
        plugin.report(id, report, request_id.as_deref());
    }

    fn finish(plugin: &Plugin, waiters: &[(WaiterId, Waiter)], answer: &Answer, now: Time) {
        for (stream, waiter) in waiters {
            // A stream that is gone leaves the effective context as it was: skip it.
            if hostcalls::set_effective_context(*stream).is_ok() {
                plugin.finish(waiter, answer, now);
            }
        }
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
        trap::enter("on_http_call_response");
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
        let providers = plugin.authorizer.providers();
        plugin
            .coordinators
            .responded(callout, reply, providers, &HostData, now);
        self.run(plugin, now);
        // Who sees what comes of an answer can see it counted.
        plugin.tell_counts(now);
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        trap::enter("on_configure");
        match self.configure(size) {
            Ok(plugin) => {
                let plugin = self.plugin.insert(Rc::new(plugin));
                // Sets the clock.
                let plugin = Rc::clone(plugin);
                let now = now();
                self.run(&plugin, now);
                plugin.tell(now);
                true
            }
            Err(Unconfigured::Refused(line)) => {
                error!("{line}");
                false
            }
            Err(Unconfigured::Host(status)) => {
                error!("the host gave {status:?}: without what it refused, so is every request");
                true
            }
        }
    }

    fn on_queue_ready(&mut self, queue: u32) {
        trap::enter("on_queue_ready");
        // Called once for each message.
        let _ = hostcalls::dequeue_shared_queue(queue);
        if let Some(plugin) = &self.plugin {
            let now = now();
            self.run(plugin, now);
            plugin.tell_in_time(now);
        }
    }

    fn on_tick(&mut self) {
        trap::enter("on_tick");
        if let Some(plugin) = &self.plugin {
            let now = now();
            let providers = plugin.authorizer.providers();
            plugin.coordinators.tick(providers, &HostData, now);
            self.run(plugin, now);
            plugin.tell(now);
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        trap::enter("on_context_create");
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

fn dispatch(
    provider: &Provider,
    token: &AccessToken,
    trace: Option<&Trace>,
) -> Result<u32, IntrospectionError> {
    let config = provider.config();
    let request = config.request(token);
    let headers = request.headers.iter().map(|(n, v)| (*n, v.as_ref()));
    let headers = headers.chain(trace.into_iter().flat_map(Trace::headers));
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
