//! What one configuration does in one VM: what a root context and its streams share, and what
//! either does on behalf of a stream.

use std::cell::Cell;
use std::time::Duration;

use log::{debug, info, warn};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{LogLevel, MapType, Status};

use super::data::HostData;
use super::head::{HostHead, HostPeer, request_id};
use super::metrics::Metrics;
use super::passage::Passage;
use portvakt_core::authorizer::{Authorizer, Decision, Grant, Inquiry, Subject};
use portvakt_core::cache::lookup::Lookup;
use portvakt_core::callout::coordinators::Coordinators;
use portvakt_core::callout::effect::Report;
use portvakt_core::callout::single_flight::{Asked, CallId, Question, WaiterId};
use portvakt_core::introspection::error::Answer;
use portvakt_core::introspection::health::Transition;
use portvakt_core::reply::metadata;
use portvakt_core::reply::rejection::Rejection;
use portvakt_core::request::head::is_grpc;
use portvakt_core::time::Time;
use portvakt_core::token::facts::TokenFacts;
use portvakt_core::token::id::TokenDigest;
use portvakt_core::token::providers::ProviderId;
use portvakt_core::upstream::Edit;

/// One configuration at work in one VM.
#[derive(Debug)]
pub(super) struct Plugin {
    pub(super) authorizer: Authorizer,
    pub(super) coordinators: Coordinators<Waiter>,
    pub(super) metrics: Metrics,
    /// How many headers of a request are looked at, if they are there.
    pub(super) headers_looked_at: usize,
    queue: u32,
    /// Whether the root context is to be woken already.
    is_woken: Cell<bool>,
    /// How many tokens the gauge says that this plugin remembers.
    gauged: Cell<usize>,
    /// When the host was told last what was counted.
    told_at: Cell<Option<Time>>,
}

/// How often the host is told what was counted.
const TELL: Duration = Duration::from_secs(1);

/// A paused request, as it must be remembered to be decided on.
#[derive(Debug)]
pub(super) struct Waiter {
    inquiry: Inquiry,
    passage: Passage,
}

impl Plugin {
    pub(super) fn new(authorizer: Authorizer, metrics: Metrics, queue: u32) -> Self {
        Self {
            coordinators: Coordinators::new(authorizer.providers()),
            headers_looked_at: authorizer.headers_looked_at(),
            authorizer,
            metrics,
            queue,
            is_woken: Cell::new(false),
            gauged: Cell::new(0),
            told_at: Cell::new(None),
        }
    }

    /// Wakes the root context: `on_queue_ready` runs after the VM call at hand. All who wake it
    /// before then do so once.
    pub(super) fn wake(&self) -> Result<(), Status> {
        if !self.is_woken.get() {
            // An empty message: to fetch any other the host would enter the VM for memory.
            hostcalls::enqueue_shared_queue(self.queue, None)?;
            self.is_woken.set(true);
        }
        Ok(())
    }

    /// The root context runs: whoever wakes it from now on means another time.
    pub(super) fn awake(&self) {
        self.is_woken.set(false);
    }

    /// The stream begins to wait for the word about its token. `None` if it need not.
    pub(super) fn wait(
        &self,
        stream: WaiterId,
        inquiry: Inquiry,
        question: Question,
        passage: Passage,
        now: Time,
    ) -> Option<CallId> {
        let waiter = Waiter { inquiry, passage };
        let providers = self.authorizer.providers();
        let asked = self
            .coordinators
            .ask(question, stream, waiter, providers, now);
        let Ok(Asked { call, is_new }) = asked else {
            return None;
        };
        if !is_new {
            self.looked_up(Lookup::Coalesced, inquiry.provider);
            return Some(call);
        }
        self.looked_up(Lookup::Miss, inquiry.provider);
        if self.wake().is_err() {
            self.coordinators.cancel(inquiry.provider, call);
            return None;
        }
        Some(call)
    }

    /// A token in use is asked about though nobody waits.
    pub(super) fn renew(&self, question: Question, now: Time) {
        if self.coordinators.renew(question, now) {
            // Without the queue the token is asked about when its time is up.
            let _ = self.wake();
        }
    }

    /// A call came to something: counts, and tells the operator what has changed. `request_id` is
    /// that of a request that waited for it.
    pub(super) fn report(&self, id: ProviderId, report: &Report, request_id: Option<&str>) {
        if let Some(outcome) = report.outcome {
            self.metrics.counters.answered(outcome, id);
        }
        if let Some(took) = report.took {
            self.metrics.took(id, took);
        }
        // Most of the time there is nothing to say.
        let provider = self.authorizer.providers().get(id);
        let provider = provider.filter(|_| !report.transitions.is_empty());
        let Some(provider) = provider else {
            return;
        };
        let request = request_id.map(|id| format!(" request={id}"));
        let token = report.digest.map(|digest| format!(" token={digest}"));
        let config = provider.config();
        let about = request.unwrap_or_default() + &token.unwrap_or_default();
        let about = format!(" provider={:?}{about}", config.name);
        for transition in &report.transitions {
            match transition {
                Transition::Began(error) => {
                    let what = config.explain(error);
                    warn!("tokens cannot be checked: {what}{about}");
                }
                Transition::Ended {
                    kind,
                    is_well: true,
                } => {
                    let what = config.explain(kind);
                    info!("tokens can be checked again; it is over: {what}{about}");
                }
                Transition::Ended { kind, .. } => {
                    info!("it is over: {}{about}", config.explain(kind));
                }
            }
        }
    }

    /// Tells the host what was counted, if that was not done within the last second.
    pub(super) fn tell_in_time(&self, now: Time) {
        let told_at = self.told_at.get();
        if told_at.is_none_or(|at| now.apart(at) >= TELL) {
            self.tell(now);
        }
    }

    /// Tells the host what was counted, and that this version runs.
    pub(super) fn tell(&self, now: Time) {
        self.metrics.runs(true);
        self.tell_counts(now);
    }

    /// Tells the host what was counted.
    pub(super) fn tell_counts(&self, now: Time) {
        self.told_at.set(Some(now));
        self.gauge(self.authorizer.providers().remembers());
        self.metrics.report();
    }

    fn gauge(&self, entries: usize) {
        let before = self.gauged.replace(entries);
        let signed = |n| i64::try_from(n).unwrap_or(i64::MAX);
        if entries != before {
            self.metrics
                .remembers(signed(entries).saturating_sub(signed(before)));
        }
    }

    /// Removes what the client sent in the filter's name from the headers of the request in the
    /// effective context, of which the upstream is told nothing, or not yet.
    pub(super) fn strip_headers(&self) {
        for name in self.authorizer.managed_headers() {
            strip(MapType::HttpRequestHeaders, name);
        }
    }

    /// Likewise from its trailers, where no token is looked for either.
    pub(super) fn strip_trailers(&self) {
        for name in self.authorizer.managed_trailers() {
            strip(MapType::HttpRequestTrailers, name);
        }
    }

    /// Tells the upstream what it is to know with the request in the effective context; with the
    /// facts for which it is let through, if it is for any. What the client sent in the filter's
    /// name is replaced, or else removed.
    fn edit(&self, facts: Option<&TokenFacts>) {
        let map = MapType::HttpRequestHeaders;
        let mut replaced = Vec::new();
        for edit in self.authorizer.edits(facts) {
            match edit {
                Edit::RemoveHeader(name) => remove(map, name),
                Edit::SetHeader(name, value) => {
                    if hostcalls::set_map_value_bytes(map, name, Some(value.as_bytes())).is_ok() {
                        replaced.push(name);
                    }
                }
                Edit::SetFilterState(name, value) => {
                    set_filter_state(name, &value);
                }
                Edit::LeaveOut(omission) => self.metrics.counters.left_out(omission),
            }
        }
        for name in self.authorizer.managed_headers() {
            if !replaced.contains(&name) {
                strip(map, name);
            }
        }
    }

    /// Answers the stream in the effective context with what clients can read about the API.
    pub(super) fn serve_metadata(&self) {
        let document = self.authorizer.metadata();
        let headers = metadata::HEADERS.to_vec();
        let _ = hostcalls::send_http_response(200, headers, Some(document.as_bytes()));
    }

    /// What a request is about, for the log.
    fn describe(&self, subject: Subject, digest: Option<TokenDigest>) -> String {
        let rule = subject.rule.and_then(|id| self.authorizer.rules().get(id));
        let rule = rule.map(|rule| format!(" rule={:?}", rule.name));
        let provider = subject.provider;
        let provider = provider.and_then(|id| self.authorizer.providers().get(id));
        let provider = provider.map(|provider| format!(" provider={:?}", provider.config().name));
        let token = digest.map(|digest| format!(" token={digest}"));
        [token, rule, provider].into_iter().flatten().collect()
    }

    /// Tokens were looked for, this one among them.
    pub(super) fn looked_up(&self, lookup: Lookup, provider: ProviderId) {
        self.metrics.counters.looked_up(lookup, provider);
    }

    /// Decides for a waiter whose call was answered, and carries the decision out. The effective
    /// context must be the waiter's stream.
    pub(super) fn finish(&self, waiter: &Waiter, answer: &Answer, now: Time) {
        let inquiry = &waiter.inquiry;
        let (decision, lookup) = self
            .authorizer
            .on_answer(inquiry, answer, &HostPeer, &HostData, now);
        if let Some(lookup) = lookup {
            self.looked_up(lookup, inquiry.provider);
        }
        self.carry_out(
            &decision,
            inquiry.subject(),
            || Some(inquiry.token_id.digest),
            &waiter.passage,
            // A request that waits can still be looked at.
            || is_grpc(&HostHead::new(None, 0, false)),
        );
        if waiter.passage.is_open() {
            // The last thing done for the stream: nothing may be changed after it.
            let _ = hostcalls::resume_http_request();
        }
    }

    /// Carries out a decision about the stream in the effective context, whether it has waited or
    /// not. `digest` is what the log calls its token.
    pub(super) fn carry_out(
        &self,
        decision: &Decision,
        subject: Subject,
        digest: impl FnOnce() -> Option<TokenDigest>,
        passage: &Passage,
        to_grpc: impl FnOnce() -> bool,
    ) {
        self.metrics.counters.decided(decision, subject.rule);
        let about = || self.describe(subject, digest());
        match decision {
            Decision::Forward(grant) => {
                if *grant == Grant::FailureMode {
                    set_reason(grant.allowed().name());
                }
                self.edit(grant.facts());
                passage.open();
            }
            Decision::Shadow(rejection) => {
                set_filter_state("shadow_reason", rejection.reason().name());
                log("would be refused", rejection, about);
                self.edit(None);
                passage.open();
            }
            Decision::ServeMetadata => {
                self.strip_headers();
                self.serve_metadata();
            }
            Decision::Reject(rejection) => {
                self.strip_headers();
                reject(rejection, to_grpc(), about);
            }
        }
        self.metrics.counted();
    }
}

/// What a configuration that is gone remembered is gone with it.
impl Drop for Plugin {
    fn drop(&mut self) {
        self.metrics.report();
        self.metrics.runs(false);
        self.gauge(0);
    }
}

/// Answers the stream in the effective context. `subject` is what the log says beside the reason.
pub(super) fn reject(rejection: &Rejection, to_grpc: bool, subject: impl FnOnce() -> String) {
    set_reason(rejection.reason().name());
    log("refused", rejection, subject);
    let response = rejection.response(to_grpc);
    // The last thing done for the stream: nothing may be changed after it.
    let _ = hostcalls::send_http_response(
        response.status.into(),
        response.headers,
        Some(response.body.as_bytes()),
    );
}

/// For the access log.
fn set_reason(reason: &str) {
    set_filter_state("reason", reason);
}

fn set_filter_state(name: &str, value: &str) {
    let name = format!("portvakt.{name}");
    let _ = hostcalls::set_property(vec![&name], Some(value.as_bytes()));
}

/// To be asked is cheaper for Envoy than to remove what is not there, after which it would choose
/// the route anew.
fn strip(map: MapType, name: &str) {
    if let Ok(Some(_)) = hostcalls::get_map_value_bytes(map, name) {
        remove(map, name);
    }
}

fn remove(map: MapType, name: &str) {
    let _ = hostcalls::set_map_value_bytes(map, name, None);
}

/// Says why the request in the effective context is refused, or would be. `subject` is asked for
/// only if somebody reads it.
fn log(what: &str, rejection: &Rejection, subject: impl FnOnce() -> String) {
    if let Ok(LogLevel::Trace | LogLevel::Debug) = hostcalls::get_log_level() {
        let reason = rejection.reason().name();
        let cause = rejection.cause().map(|cause| format!(" ({cause})"));
        let cause = cause.unwrap_or_default();
        let (id, subject) = (request_id(), subject());
        debug!("{what}: {reason}{cause} request={id}{subject}");
    }
}
