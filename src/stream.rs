//! The context of one HTTP stream: it brings the head to the authorizer and carries out what
//! comes of it, or waits for the root context to do so.

use std::cell::OnceCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::data::{HostData, now};
use super::head::{HostHead, HostPeer};
use super::passage::{Passage, hold_back};
use super::plugin::{Plugin, reject};
use super::trap;
use portvakt_core::authorizer::{Decision, Step, UsedToken};
use portvakt_core::callout::single_flight::CallId;
use portvakt_core::introspection::health::Rank;
use portvakt_core::reply::rejection::Rejection;
use portvakt_core::request::head::{RequestHead, is_grpc};
use portvakt_core::request::trace::Trace;
use portvakt_core::time::Time;
use portvakt_core::token::providers::ProviderId;

/// One HTTP stream.
pub(super) struct Stream {
    context_id: u32,
    root_id: u32,
    plugin: Option<Rc<Plugin>>,
    passage: Passage,
    waits_for: Option<(ProviderId, CallId)>,
}

impl Stream {
    pub(super) fn new(context_id: u32, root_id: u32, plugin: Option<Rc<Plugin>>) -> Self {
        Self {
            context_id,
            root_id,
            plugin,
            passage: Passage::default(),
            waits_for: None,
        }
    }

    fn wait(
        &mut self,
        plugin: &Plugin,
        head: &HostHead<'_>,
        token: &UsedToken,
        rank: Rank,
        now: Time,
    ) {
        plugin.strip_headers();
        let inquiry = token.inquiry();
        let question = token.question(rank, Trace::of(head));
        let passage = self.passage.clone();
        let call = plugin.wait(self.context_id, inquiry, question, passage, now);
        self.waits_for = call.map(|call| (inquiry.provider, call));
        if self.waits_for.is_some() {
            if !head.ends_stream() {
                hold_back(self.context_id, self.root_id);
            }
        } else {
            let decision = plugin.authorizer.endpoint_out(inquiry.rule);
            self.carry_out(plugin, head, &decision, token);
        }
    }

    fn carry_out(
        &self,
        plugin: &Plugin,
        head: &HostHead<'_>,
        decision: &Decision,
        token: &UsedToken,
    ) {
        let digest = || Some(token.id().digest);
        let to_grpc = || is_grpc(head);
        plugin.carry_out(decision, token.subject(), digest, &self.passage, to_grpc);
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, count: usize, ends_stream: bool) -> Action {
        trap::arm();
        trap::enter("on_request_headers");
        let Some(plugin) = self.plugin.clone() else {
            let head = HostHead::new(None, count, ends_stream);
            reject(&Rejection::unconfigured(), is_grpc(&head), String::new);
            return self.passage.action();
        };
        let head = HostHead::new(Some(&plugin), count, ends_stream);
        let time = OnceCell::new();
        let now = || *time.get_or_init(now);
        let step = plugin
            .authorizer
            .on_request(&head, &HostPeer, &HostData, now);
        match step {
            Step::Decided(decision, subject) => {
                let to_grpc = || is_grpc(&head);
                plugin.carry_out(&decision, subject, || None, &self.passage, to_grpc);
            }
            Step::Known {
                decision,
                lookup,
                token,
                is_due,
            } => {
                plugin.looked_up(lookup, token.provider());
                if is_due {
                    plugin.renew(token.question(Rank::Renewal, Trace::of(&head)), now());
                }
                self.carry_out(&plugin, &head, &decision, &token);
            }
            Step::Introspect(token, rank) => self.wait(&plugin, &head, &token, rank, now()),
        }
        self.passage.action()
    }

    /// Called before the decision only if the host did not hold the body back by itself.
    fn on_http_request_body(&mut self, _size: usize, _ends_stream: bool) -> Action {
        trap::enter("on_request_body");
        self.passage.action()
    }

    /// Some servers take trailers for headers. Likewise called before the decision.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        trap::enter("on_request_trailers");
        if let Some(plugin) = &self.plugin {
            plugin.strip_trailers();
        }
        self.passage.action()
    }
}

/// A stream that ends while it waits waits no more: nobody may answer it.
impl Drop for Stream {
    fn drop(&mut self) {
        trap::enter("on_delete");
        if let (Some(plugin), Some((provider, call))) = (&self.plugin, self.waits_for) {
            plugin.coordinators.leave(provider, call, self.context_id);
        }
    }
}
