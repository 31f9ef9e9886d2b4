//! A gate for tests: what `src/host/` is in Envoy, but for one request at a time and with a clock
//! and an endpoint that are told what to do.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use portvakt::authorizer::{Authorizer, Decision, Question, Step};
use portvakt::cache::shared::SharedData;
use portvakt::config;
use portvakt::head::{Peer, RequestHead, Single};
use portvakt::introspection::response::{IntrospectionError, Reply};
use portvakt::time::Time;

/// A configuration at work, a clock and an endpoint.
pub struct Gate {
    pub authorizer: Authorizer,
    pub now: Time,
    data: Data,
    /// Status and body of the endpoint's answers; `None`: it must not be asked.
    pub endpoint: Option<(u16, String)>,
    /// Whether Envoy dispatches no callouts.
    pub breaker_is_open: bool,
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
            now: Time::from_millis(1_795_000_000_000),
            data: Data::default(),
            endpoint: None,
            breaker_is_open: false,
            callouts: 0,
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
                question,
                is_due,
                ..
            } => {
                if is_due {
                    self.ask(&question, head);
                }
                end(&decision)
            }
            Step::Introspect(question) => end(&self.ask(&question, head)),
        }
    }

    fn ask(&mut self, question: &Question, peer: &impl Peer) -> Decision {
        self.callouts += 1;
        let (status, body) = self
            .endpoint
            .clone()
            .expect("the endpoint must not be asked");
        let reply = Reply {
            status: Some(status),
            from_upstream: true,
            body: Some(body.as_bytes()),
        };
        let (core, data) = (&self.authorizer, &self.data);
        let answer = if self.breaker_is_open {
            Err(IntrospectionError::NotDispatched)
        } else {
            core.on_reply(&question.name(), self.now, reply, data, self.now)
        };
        core.observe(&answer, self.now);
        core.on_answer(
            question.rule,
            &question.name(),
            &answer,
            peer,
            data,
            self.now,
        )
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

#[derive(Default)]
struct Data(RefCell<HashMap<String, Vec<u8>>>);

impl SharedData for Data {
    fn read(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        (self.0.borrow().get(key).cloned(), None)
    }

    fn write(&self, key: &str, value: &[u8], _: Option<u32>) -> bool {
        self.0.borrow_mut().insert(key.to_owned(), value.to_vec());
        true
    }
}
