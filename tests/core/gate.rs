//! A gate for tests: what `src/host/` is in Envoy, but for one request at a time and with a clock
//! and an endpoint that are told what to do.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use portvakt::authorizer::{Authorizer, Decision, Step, UsedToken};
use portvakt::cache::shared::SharedData;
use portvakt::callout::calls::{CallId, Question};
use portvakt::callout::coordinator::Coordinator;
use portvakt::callout::effect::{Effect, Turn};
use portvakt::config;
use portvakt::head::{Peer, RequestHead, Single};
use portvakt::introspection::error::IntrospectionError;
use portvakt::introspection::health::Rank;
use portvakt::introspection::response::{Answer, Reply};
use portvakt::time::Time;

/// A configuration at work, a clock and an endpoint.
pub struct Gate {
    pub authorizer: Authorizer,
    coordinator: Coordinator<()>,
    pub now: Time,
    data: Data,
    /// Status and body of the endpoint's answers; `None`: it must not be asked.
    pub endpoint: Option<(u16, String)>,
    /// Whether Envoy dispatches no callouts: there is no host, or the circuit breaker is full.
    pub dispatches_nothing: bool,
    /// Whether the endpoint takes too long.
    pub times_out: bool,
    /// How often the endpoint was asked.
    pub callouts: usize,
}

/// How a request ends.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// The grant's name.
    Passed(&'static str),
    /// Status and challenge.
    Refused(u16, Option<String>),
}

impl End {
    pub fn status(&self) -> u16 {
        match self {
            Self::Passed(_) => 200,
            Self::Refused(status, _) => *status,
        }
    }
}

impl Gate {
    pub fn new(config: &str) -> Self {
        Self {
            authorizer: config::parse(config.as_bytes(), |_| None).unwrap(),
            coordinator: Coordinator::default(),
            now: Time::from_millis(1_795_000_000_000),
            data: Data::default(),
            endpoint: None,
            dispatches_nothing: false,
            times_out: false,
            callouts: 0,
        }
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
        match self
            .authorizer
            .on_request(head, head, &self.data, || self.now)
        {
            Step::Decided(decision) => end(&decision),
            Step::Known {
                decision,
                token,
                is_due,
                ..
            } => {
                if is_due {
                    self.coordinator
                        .renew(token.question(Rank::Renewal), self.now);
                    self.run();
                }
                end(&decision)
            }
            Step::Introspect(token, rank) => {
                let answer = self.ask(token.question(rank));
                end(&self.decide(&token, &answer, head))
            }
        }
    }

    fn ask(&mut self, question: Question) -> Answer {
        let provider = &self.authorizer.provider;
        let asked = self.coordinator.ask(question, 1, (), provider, self.now);
        asked.expect("there is room");
        self.run().expect("the request is decided on")
    }

    /// Carries out what follows; gives what the request that waits is told.
    fn run(&mut self) -> Option<Answer> {
        let mut told = None;
        let mut turn = Turn::default();
        loop {
            let provider = &self.authorizer.provider;
            let effect = self
                .coordinator
                .next_effect(&mut turn, provider, &self.data, self.now);
            match effect {
                None => return told,
                Some(Effect::Dispatch { call, .. }) => self.dispatch(call),
                Some(Effect::Finish { answer, .. }) => told = Some((*answer).clone()),
                Some(Effect::Report(_) | Effect::SetClock(_)) => {}
                Some(Effect::Wake) => turn = Turn::default(),
            }
        }
    }

    fn dispatch(&mut self, call: CallId) {
        self.callouts += 1;
        let (provider, data, now) = (&self.authorizer.provider, &self.data, self.now);
        if self.dispatches_nothing {
            let error = Err(IntrospectionError::NotDispatched);
            self.coordinator
                .dispatched(call, error, provider, data, now);
            return;
        }
        let (status, body) = self
            .endpoint
            .clone()
            .expect("the endpoint must not be asked");
        self.coordinator
            .dispatched(call, Ok(7), provider, data, now);
        let reply = Reply {
            status: Some(if self.times_out { 504 } else { status }),
            from_upstream: !self.times_out,
            body: Some(body.as_bytes()),
        };
        self.coordinator.landed(7, reply, provider, data, now);
    }

    fn decide(&self, token: &UsedToken, answer: &Answer, peer: &impl Peer) -> Decision {
        let (rule, name) = (token.rule, token.name());
        self.authorizer
            .on_answer(rule, &name, answer, peer, &self.data, self.now)
            .0
    }
}

fn end(decision: &Decision) -> End {
    match decision {
        Decision::Forward(grant) => End::Passed(grant.name()),
        Decision::Reject(rejection) => {
            let response = rejection.response(false);
            let mut headers = response.headers.iter();
            let challenge = headers.find(|(name, _)| *name == "www-authenticate");
            End::Refused(
                response.status,
                challenge.map(|(_, value)| (*value).to_owned()),
            )
        }
        Decision::Describe => panic!("no metadata are configured"),
    }
}

/// A request's head, and the client that sent it.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    headers: Vec<(&'a str, &'a str)>,
    route: Option<&'a str>,
    certificate: Option<&'a str>,
}

impl<'a> Head<'a> {
    /// Method and path.
    pub fn new(line: &'a str) -> Self {
        let (method, path) = line.split_once(' ').unwrap();
        Self {
            headers: vec![(":method", method), (":path", path)],
            route: None,
            certificate: None,
        }
    }

    pub fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub fn host(self, authority: &'a str) -> Self {
        self.header(":authority", authority)
    }

    /// The name of the route that Envoy has chosen.
    pub fn route(mut self, name: &'a str) -> Self {
        self.route = Some(name);
        self
    }

    /// The digest of the certificate that the client has shown.
    pub fn certificate(mut self, digest: &'a str) -> Self {
        self.certificate = Some(digest);
        self
    }
}

impl RequestHead for Head<'_> {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        let mut all = self.headers.iter().filter(|(n, _)| *n == name);
        all.next().map(|(_, value)| value.as_bytes().to_vec())
    }

    fn single(&self, name: &str) -> Single {
        let all = self.headers.iter().filter(|(n, _)| *n == name);
        Single::of(all.map(|(_, value)| value.as_bytes().to_vec()))
    }

    fn names(&self) -> Vec<String> {
        let names = self.headers.iter().map(|(name, _)| *name);
        names.map(str::to_owned).collect()
    }

    fn route_name(&self) -> Option<Vec<u8>> {
        self.route.map(|name| name.as_bytes().to_vec())
    }

    fn ends_stream(&self) -> bool {
        true
    }
}

impl Peer for Head<'_> {
    fn certificate_digest(&self) -> Option<Vec<u8>> {
        self.certificate.map(|digest| digest.as_bytes().to_vec())
    }
}

#[derive(Clone, Default)]
struct Data(Rc<RefCell<HashMap<String, Vec<u8>>>>);

impl SharedData for Data {
    fn read(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        (self.0.borrow().get(key).cloned(), None)
    }

    fn write(&self, key: &str, value: &[u8], _: Option<u32>) -> bool {
        self.0.borrow_mut().insert(key.to_owned(), value.to_vec());
        true
    }
}
