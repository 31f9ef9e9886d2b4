//! A worker for tests: what the filter is in Envoy, but for one request at a time and with a clock
//! and an endpoint that are told what to do.

use std::collections::BTreeMap;
use std::time::Duration;

use portvakt_core::authorizer::{Authorizer, Decision, Step, UsedToken};
use portvakt_core::callout::single_flight::Question;
use portvakt_core::config::{self, ConfigErrors, Vm};
use portvakt_core::introspection::error::Answer;
use portvakt_core::introspection::health::Rank;
use portvakt_core::request::head::Peer;
use portvakt_core::request::trace::Trace;
pub use portvakt_core::testing::head::FakeHead as Head;
use portvakt_core::testing::host::{Callout, FakeHost};
use portvakt_core::testing::shared_data::FakeData;
use portvakt_core::time::Time;

/// A configuration at work, a clock and an endpoint.
pub struct Worker {
    pub authorizer: Authorizer,
    host: FakeHost,
    pub now: Time,
    data: FakeData,
    /// Status and body of the endpoint's answers; `None`: it must not be asked.
    pub endpoint: Option<(u16, String)>,
    /// The same for single providers, by their names.
    pub endpoints: BTreeMap<&'static str, (u16, String)>,
    /// Every callout so far.
    pub asked: Vec<Callout>,
    /// Whether Envoy dispatches no callouts: there is no host, or the circuit breaker is full.
    pub dispatches_nothing: bool,
    /// Whether the endpoint takes too long.
    pub times_out: bool,
}

/// A plugin with a `vm_id` of its own, and nothing in its environment.
const VM: Vm<fn(&str) -> Option<String>> = Vm {
    env: |_| None,
    has_id: true,
};

/// How a request ends.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// The grant's name.
    Passed(&'static str),
    /// The reason's name: it passed, but only because nothing is refused.
    Shadow(&'static str),
    /// Status and challenge.
    Refused(u16, Option<String>),
}

impl End {
    pub fn status(&self) -> u16 {
        match self {
            Self::Passed(_) | Self::Shadow(_) => 200,
            Self::Refused(status, _) => *status,
        }
    }
}

impl Worker {
    pub fn new(config: &str) -> Self {
        Self::try_new(config).unwrap()
    }

    pub fn try_new(config: &str) -> Result<Self, ConfigErrors> {
        let authorizer = config::parse(config.as_bytes(), &VM)?.authorizer;
        Ok(Self {
            host: FakeHost::new(authorizer.providers()),
            authorizer,
            now: Time::from_millis(1_795_000_000_000),
            data: FakeData::default(),
            endpoint: None,
            endpoints: BTreeMap::new(),
            asked: Vec::new(),
            dispatches_nothing: false,
            times_out: false,
        })
    }

    /// Another worker of the same Envoy, with a configuration of its own.
    pub fn beside(&self, config: &str) -> Self {
        Self {
            now: self.now,
            data: self.data.clone(),
            ..Self::new(config)
        }
    }

    pub fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }

    /// A request, from its head to its end.
    pub fn request(&mut self, line: &str, authorization: Option<&str>) -> End {
        let head = Head::new(line);
        self.send(&match authorization {
            Some(value) => head.header("authorization", value),
            None => head,
        })
    }

    /// The same with any head.
    pub fn send(&mut self, head: &Head<'_>) -> End {
        end(&self.decision(head))
    }

    /// What is decided about it.
    pub fn decision(&mut self, head: &Head<'_>) -> Decision {
        match self
            .authorizer
            .on_request(head, head, &self.data, || self.now)
        {
            Step::Decided(decision, _) => decision,
            Step::Known {
                decision,
                token,
                is_due,
                ..
            } => {
                if is_due {
                    let question = token.question(Rank::Renewal, Trace::of(head));
                    self.host.renew(question, self.now);
                    self.work();
                }
                decision
            }
            Step::Introspect(token, rank) => {
                let answer = self.ask(token.question(rank, Trace::of(head)));
                self.judge(&token, &answer, head)
            }
        }
    }

    /// Who was asked, in order, by name.
    pub fn asked(&self) -> Vec<&str> {
        let asked = self.asked.iter().map(|callout| callout.provider);
        let asked = asked.map(|id| self.authorizer.providers().get(id).unwrap());
        asked
            .map(|provider| provider.config().name.as_str())
            .collect()
    }

    /// How often the endpoint was to be asked.
    pub fn callouts(&self) -> usize {
        self.host.callouts
    }

    fn ask(&mut self, question: Question) -> Answer {
        let providers = self.authorizer.providers();
        let asked = self.host.ask(question, REQUEST, providers, self.now);
        asked.expect("there is room");
        self.work();
        let told = self.host.finished.remove(&REQUEST);
        let [answer] = told.unwrap().try_into().expect("it is told once");
        answer
    }

    /// Does what there is to do; the endpoint answers at once.
    fn work(&mut self) {
        let (providers, data, now) = (self.authorizer.providers(), &self.data, self.now);
        self.host.is_refused = self.dispatches_nothing;
        self.host.work(providers, data, now);
        while let Some((number, callout)) = self.host.out.pop_first() {
            let provider = providers.get(callout.provider).unwrap();
            let own = self.endpoints.get(provider.config().name.as_str());
            let endpoint = own.or(self.endpoint.as_ref());
            let (status, body) = endpoint.expect("the endpoint must not be asked").clone();
            self.asked.push(callout);
            let reply = (!self.times_out).then_some((status, body.as_str()));
            self.host.reply(number, reply, providers, data, now);
        }
    }

    fn judge(&self, token: &UsedToken, answer: &Answer, peer: &impl Peer) -> Decision {
        let inquiry = token.inquiry();
        self.authorizer
            .on_answer(&inquiry, answer, peer, &self.data, self.now)
            .0
    }
}

/// The request that waits.
const REQUEST: u32 = 1;

fn end(decision: &Decision) -> End {
    match decision {
        Decision::Forward(grant) => End::Passed(grant.allowed().name()),
        Decision::Shadow(rejection) => End::Shadow(rejection.reason().name()),
        Decision::Reject(rejection) => {
            let response = rejection.response(false);
            let mut headers = response.headers.iter();
            let challenge = headers.find(|(name, _)| *name == "www-authenticate");
            End::Refused(
                response.status,
                challenge.map(|(_, value)| (*value).to_owned()),
            )
        }
        Decision::ServeMetadata => panic!("no metadata are configured"),
    }
}
