//! One Envoy with its workers, its clients and the endpoint.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use portvakt_core::authorizer::{Decision, Inquiry, Step};
use portvakt_core::cache::shared::SharedData;
use portvakt_core::callout::single_flight::CallId;
use portvakt_core::introspection::error::{Answer, IntrospectionError};
use portvakt_core::introspection::health::Rank;
use portvakt_core::testing::host::FakeHost;
use portvakt_core::testing::shared_data::FakeData;
use portvakt_core::time::Time;

use super::event::{Credentials, Event, Manner, Truth};
use super::given::{Given, Moment};
use super::outages::Outages;
use crate::worker::{Head, Worker};

pub(super) const WORKERS: usize = 3;

/// So that nothing else looks like them, nor like each other.
pub(super) const TOKENS: [&str; 4] = [
    "Yk3vQ8mLw2Rz6TnXc1Ha",
    "p5JdS0gUe7BiOq9VfKyM",
    "nZ4xW6tCr8GbEj2lPuAs",
    "h1DoI3FmNv7QyXk5RwTz",
];

/// Milliseconds, as in [`Config::json`].
pub(super) const MAX_TTL: u64 = 2_000;
pub(super) const INACTIVE_TTL: u64 = 1_000;
pub(super) const STALE_IF_ERROR: u64 = 3_000;

const EPOCH: u64 = 1_795_000_000_000;

/// What is configured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Config {
    pub(super) is_shared: bool,
    pub(super) failure_mode_allow: bool,
}

impl Config {
    /// With room for so few tokens that they stand in each other's places, in the workers and between
    /// them.
    fn json(self) -> String {
        serde_json::json!({
        "introspection": { "cluster": "idp", "endpoint": "http://idp/i", "timeout": "1s" },
        "rules": [
            { "match": { "path": "/a" }, "require": { "scopes": ["a"] } },
            { "match": { "path": "/b" }, "require": { "scopes": ["b"] } },
            { "match": { "path": "/any" }, "require": {} },
            { "match": { "path": "/open" }, "anonymous": true },
        ],
        "forward": { "claims": { "x-answer": "jti" } },
        "cache": {
            "max_entries": 2, "max_ttl": "2s", "inactive_ttl": "1s", "stale_if_error": "3s", "shared": self.is_shared,
        },
        "failure_mode_allow": self.failure_mode_allow,
    })
    .to_string()
    }
}

/// Shared data that may be out.
#[derive(Clone, Default)]
pub(super) struct Data {
    inner: FakeData,
    fails: Cell<bool>,
}

impl SharedData for Data {
    fn read(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        if self.fails.get() {
            return (None, None);
        }
        self.inner.read(key)
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        !self.fails.get() && self.inner.write(key, value, version)
    }
}

/// A request that waits.
pub(super) struct Waiting {
    worker: usize,
    call: CallId,
    inquiry: Inquiry,
    path: &'static str,
    token: usize,
    /// How often the clock had been set when its question was opened.
    sets: usize,
}

/// One Envoy, its clients and the endpoint.
pub(super) struct World {
    pub(super) authorizers: Vec<Worker>,
    pub(super) hosts: Vec<FakeHost>,
    pub(super) data: Data,
    pub(super) queue_fails: bool,
    pub(super) config: Config,
    pub(super) truths: [Truth; TOKENS.len()],
    /// By the number in their `jti`.
    pub(super) given: Vec<Given>,
    /// When the callouts that are out were dispatched, by worker and number.
    asked: BTreeMap<(usize, u32), Moment>,
    /// When anything kept the endpoint from answering, but for what does so now.
    outages: Outages,
    /// How often the clock was set.
    sets: usize,
    pub(super) last_waiter: u32,
    pub(super) waiting: BTreeMap<u32, Waiting>,
    pub(super) left: BTreeSet<u32>,
    /// Milliseconds, which no one sets.
    pub(super) now: u64,
    /// By how much the clock is wrong, in milliseconds.
    pub(super) skew: i64,
    /// By worker: how often the clock ticks, and when it has last.
    pub(super) ticks: Vec<(u64, u64)>,
    /// What was decided, and how it was known.
    pub(super) seen: BTreeMap<(&'static str, String), usize>,
}

impl World {
    pub(super) fn new(config: Config) -> Self {
        let configuration = config.json();
        let authorizers: Vec<_> = (0..WORKERS).map(|_| Worker::new(&configuration)).collect();
        let data = Data::default();
        Self {
            hosts: authorizers
                .iter()
                .map(|worker| FakeHost::new(worker.authorizer.providers()))
                .collect(),
            authorizers,
            data,
            queue_fails: false,
            config,
            truths: [Truth::Active {
                scope: "a b",
                lives: None,
            }; TOKENS.len()],
            given: Vec::new(),
            asked: BTreeMap::new(),
            outages: Outages::default(),
            sets: 0,
            last_waiter: 0,
            waiting: BTreeMap::new(),
            left: BTreeSet::new(),
            now: EPOCH,
            skew: 0,
            ticks: vec![(0, EPOCH); WORKERS],
            seen: BTreeMap::new(),
        }
    }

    /// By the clock.
    pub(super) fn time(&self) -> Time {
        Time::from_millis(self.now.saturating_add_signed(self.skew))
    }

    pub(super) fn moment(&self) -> Moment {
        Moment {
            at: self.now,
            clock: self.time().as_millis(),
        }
    }

    /// Whether anything keeps the endpoint from answering, or did lately by the clock.
    pub(super) fn is_out(&self) -> bool {
        self.is_refused() || self.outages.were_lately(self.time().as_millis())
    }

    fn is_refused(&self) -> bool {
        self.hosts.iter().any(|host| host.is_refused)
    }

    pub(super) fn happen(&mut self, event: &Event) {
        match *event {
            Event::Request {
                worker,
                path,
                credentials,
            } => self.request(worker, path, credentials),
            Event::Leave { nth } => {
                let waiters: Vec<_> = self.waiting.keys().copied().collect();
                if let Some(waiter) = nth.checked_rem(waiters.len()).map(|n| waiters[n]) {
                    let gone = self.waiting.remove(&waiter).unwrap();
                    let coordinators = &self.hosts[gone.worker].coordinators;
                    coordinators.leave(gone.inquiry.provider, gone.call, waiter);
                    self.left.insert(waiter);
                }
            }
            Event::Respond {
                worker,
                nth,
                manner,
            } => self.respond(worker, nth, manner),
            Event::RespondToAll { manner } => {
                for worker in 0..WORKERS {
                    for _ in 0..self.hosts[worker].out.len() {
                        self.respond(worker, 0, manner);
                    }
                }
            }
            Event::Truth { token, truth } => self.truths[token] = truth,
            Event::Dispatch { worker, fails } => {
                if self.hosts[worker].is_refused || fails {
                    self.outages.note(self.time().as_millis());
                }
                self.hosts[worker].is_refused = fails;
            }
            Event::Data { fails } => self.data.fails.set(fails),
            Event::Queue { fails } => self.queue_fails = fails,
            Event::Lose { worker } => self.hosts[worker].is_awake = false,
            Event::Pass { millis } => (0..millis).for_each(|_| self.step()),
            Event::Clock { millis } => {
                if self.is_refused() {
                    self.outages.note(self.time().as_millis());
                }
                self.skew = self.skew.saturating_add(millis);
                self.sets += 1;
            }
        }
    }

    fn request(&mut self, worker: usize, path: &'static str, credentials: Credentials) {
        let line = format!("GET {path}");
        let bearer;
        let head = Head::new(&line).host("api.example.com");
        let head = match credentials {
            Credentials::None => head,
            Credentials::Malformed => head.header("authorization", "Bearer a b"),
            Credentials::Token(token) => {
                bearer = format!("Bearer {}", TOKENS[token]);
                head.header("authorization", &bearer)
            }
        };
        let now = self.time();
        let authorizer = &self.authorizers[worker].authorizer;
        let step = authorizer.on_request(&head, &head, &self.data, || now);
        let Credentials::Token(token) = credentials else {
            return Self::judge_without_token(path, credentials, &step);
        };
        match step {
            Step::Decided(decision, _) => self.decided(worker, path, token, &decision, "rules"),
            Step::Known {
                decision,
                lookup,
                token: used,
                is_due,
                ..
            } => {
                if is_due {
                    let question = used.question(Rank::Renewal, None);
                    let was_awake = self.hosts[worker].is_awake;
                    self.hosts[worker].renew(question, now);
                    if self.queue_fails {
                        self.hosts[worker].is_awake = was_awake;
                    }
                }
                self.decided(worker, path, token, &decision, lookup.name());
            }
            Step::Introspect(used, rank) => {
                self.last_waiter += 1;
                let (waiter, inquiry) = (self.last_waiter, used.inquiry());
                let providers = authorizer.providers();
                let was_awake = std::mem::take(&mut self.hosts[worker].is_awake);
                let question = used.question(rank, None);
                let call = self.hosts[worker].ask(question, waiter, providers, now);
                let call = call.expect("there is room");
                let is_new = std::mem::replace(&mut self.hosts[worker].is_awake, was_awake);
                if is_new && self.queue_fails {
                    // As the filter does.
                    self.hosts[worker]
                        .coordinators
                        .cancel(inquiry.provider, call);
                    let decision = authorizer.endpoint_out(inquiry.rule);
                    assert!(matches!(decision, Decision::Reject(_)), "{decision:?}");
                    return self.decided(worker, path, token, &decision, "no word");
                }
                self.hosts[worker].is_awake |= is_new;
                let mut others = self.waiting.values();
                let other = others.find(|other| (other.worker, other.call) == (worker, call));
                let waiting = Waiting {
                    worker,
                    call,
                    inquiry,
                    path,
                    token,
                    sets: other.map_or(self.sets, |other| other.sets),
                };
                self.waiting.insert(waiter, waiting);
            }
        }
    }

    fn respond(&mut self, worker: usize, nth: usize, manner: Manner) {
        let out: Vec<_> = self.hosts[worker].out.keys().copied().collect();
        let Some(callout) = nth.checked_rem(out.len()).map(|n| out[n]) else {
            return;
        };
        let asked = &self.hosts[worker].out[&callout].token;
        let token = TOKENS.iter().position(|token| token == asked).unwrap();
        let now = self.time();
        let asked = self.asked.remove(&(worker, callout)).unwrap();
        let reply = match manner {
            Manner::Well => Some((200, self.answer(worker, token, asked))),
            Manner::Status(status) => Some((status, "{}".to_owned())),
            Manner::Garbage => Some((
                200,
                format!("{{\"active\":true,\"jti\":{:?}", TOKENS[token]),
            )),
            Manner::Timeout => None,
        };
        if matches!(manner, Manner::Timeout | Manner::Status(429 | 500..)) {
            self.outages.note(self.time().as_millis());
        }
        let reply = reply
            .as_ref()
            .map(|(status, body)| (*status, body.as_str()));
        let providers = self.authorizers[worker].authorizer.providers();
        let host = &mut self.hosts[worker];
        host.reply(callout, reply, providers, &self.data, now);
        self.tell(worker);
    }

    /// What the endpoint says of a token just now.
    fn answer(&mut self, worker: usize, token: usize, asked: Moment) -> String {
        let truth = self.truths[token];
        let landed = self.moment();
        let exp = match truth {
            Truth::Active { lives, .. } => lives.map(|lives| landed.clock / 1_000 + lives),
            Truth::Inactive => None,
        };
        let jti = format!("serial-number-{}", self.given.len());
        self.given.push(Given {
            worker,
            token,
            truth,
            asked,
            landed,
            exp,
            is_seen: !self.config.is_shared || !self.data.fails.get(),
        });
        let mut body = match truth {
            Truth::Active { scope, .. } => {
                serde_json::json!({ "active": true, "scope": scope, "jti": jti })
            }
            Truth::Inactive => serde_json::json!({ "active": false, "jti": jti }),
        };
        if let Some(exp) = exp {
            body["exp"] = exp.into();
        }
        body.to_string()
    }

    /// A millisecond passes.
    fn step(&mut self) {
        self.now += 1;
        if self.is_refused() {
            self.outages.note(self.time().as_millis());
        }
        for worker in 0..WORKERS {
            let now = self.time();
            let providers = self.authorizers[worker].authorizer.providers();
            let host = &mut self.hosts[worker];
            let period = u64::try_from(host.clock.as_millis()).unwrap();
            if self.ticks[worker].0 != period {
                self.ticks[worker] = (period, self.now);
            }
            // Envoy's timers do not go by the clock that can be set.
            if self.now - self.ticks[worker].1 >= period {
                self.ticks[worker].1 = self.now;
                host.tick(providers, &self.data, now);
            }
            host.work(providers, &self.data, now);
            self.tell(worker);
        }
    }

    /// Those who were told something are decided on, as they are in the filter: at once. What was
    /// dispatched is taken note of.
    fn tell(&mut self, worker: usize) {
        let now = self.moment();
        for callout in self.hosts[worker].out.keys() {
            self.asked.entry((worker, *callout)).or_insert(now);
        }
        let finished = std::mem::take(&mut self.hosts[worker].finished);
        for (waiter, answers) in finished {
            let [answer]: [Answer; 1] = answers.try_into().expect("nobody is told twice at once");
            assert!(!self.left.contains(&waiter), "who has left is told");
            let told = self.waiting.remove(&waiter).expect("nobody is told twice");
            assert_eq!(told.worker, worker);
            // A question that pends for too long by the clock is given up.
            if answer == Err(IntrospectionError::Busy) && told.sets != self.sets {
                self.outages.note(self.time().as_millis());
            }
            let authorizer = &self.authorizers[worker].authorizer;
            let nobody = Head::default();
            let now = self.time();
            let (decision, lookup) =
                authorizer.on_answer(&told.inquiry, &answer, &nobody, &self.data, now);
            let by = match (lookup, answer.is_ok()) {
                (Some(lookup), _) => lookup.name(),
                (None, true) => "answer",
                (None, false) => "no word",
            };
            self.decided(worker, told.path, told.token, &decision, by);
        }
    }

    /// The endpoint answers everything, and nothing fails any more, until everybody was told.
    pub(super) fn settle(&mut self) {
        self.data.fails.set(false);
        self.queue_fails = false;
        if self.is_refused() {
            self.outages.note(self.time().as_millis());
        }
        self.hosts
            .iter_mut()
            .for_each(|host| host.is_refused = false);
        for _ in 0..2_000 {
            self.step();
            for worker in 0..WORKERS {
                self.respond(worker, 0, Manner::Well);
            }
        }
    }
}
