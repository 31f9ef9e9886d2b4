//! What providers have to do with each other: nothing but the place where they are asked.

use super::super::window::START;
use super::*;
use crate::config::{self, Vm};
use crate::introspection::health::Rank::{self, First, Renewal};
use crate::introspection::outcome::Outcome;
use crate::testing::host::FakeHost;
use crate::testing::shared_data::FakeData;
use crate::token::extract::AccessToken;
use crate::token::id::TokenId;

const ACTIVE: &str = r#"{"active":true}"#;

/// In the order of their positions; two of them are asked at one cluster.
const CONFIG: &str = r#"{
    "providers": {
        "a": { "cluster": "texas", "endpoint": "http://texas/i", "issuers": ["a"] },
        "b": { "cluster": "texas", "endpoint": "http://texas/i", "issuers": ["b"] },
        "elsewhere": { "cluster": "idp", "endpoint": "http://idp/i" }
    },
    "required_scopes": ["a"],
    "cache": { "shared": false }
}"#;

const A: usize = 0;
const B: usize = 1;
const ELSEWHERE: usize = 2;

struct Worker {
    host: FakeHost,
    providers: Providers,
    data: FakeData,
}

impl Worker {
    fn new() -> Self {
        let vm = Vm {
            env: |_: &str| None,
            has_id: true,
        };
        let configured = config::parse(CONFIG.as_bytes(), &vm).unwrap();
        let providers = configured.authorizer.providers;
        Self {
            host: FakeHost::new(&providers),
            providers,
            data: FakeData::default(),
        }
    }

    /// A request waits for a provider's word about a token of its own.
    fn ask(&mut self, provider: usize, rank: Rank, waiter: WaiterId, now: u64) {
        let token = format!("{provider}-{waiter}");
        let question = Question {
            provider: ProviderId::at(provider).unwrap(),
            token_id: TokenId::of(&token),
            token: AccessToken::new(&token),
            rank,
            trace: None,
        };
        let asked = self.host.ask(question, waiter, &self.providers, at(now));
        asked.expect("there is room");
        self.host.work(&self.providers, &self.data, at(now));
    }

    /// The callout to a provider that is out for longest is answered, or times out.
    fn respond(&mut self, provider: usize, body: Option<&str>, now: u64) {
        let mut out = self.host.out.iter();
        let oldest = out.find(|(_, out)| out.provider.position() == provider);
        let callout = *oldest.unwrap().0;
        self.host
            .respond(callout, body, &self.providers, &self.data, at(now));
    }

    /// How many callouts are out to a provider.
    fn out(&self, provider: usize) -> usize {
        let out = self.host.out.values();
        out.filter(|out| out.provider.position() == provider)
            .count()
    }

    /// What a waiter was told, by the name in metrics.
    fn told(&self, waiter: WaiterId) -> Option<&'static str> {
        let told = self.host.finished.get(&waiter)?.first()?;
        Some(Outcome::from(told).name())
    }
}

fn at(millis: u64) -> Time {
    Time::from_millis(1_795_000_000_000 + millis)
}

#[test]
fn what_may_be_out_at_a_cluster_is_shared_and_goes_round() {
    let mut worker = Worker::new();
    for waiter in 0..100 {
        worker.ask(A, First, waiter, 0);
    }
    worker.ask(B, First, 200, 0);
    worker.ask(ELSEWHERE, First, 300, 0);
    let out = [A, B, ELSEWHERE].map(|provider| worker.out(provider));
    assert_eq!(out, [START, 0, 1], "a flood takes no room elsewhere");
    // Whoever gets an answer sends another token at once.
    let mut answers = 0;
    while worker.out(B) == 0 {
        worker.respond(A, Some(r#"{"active":false}"#), 1);
        worker.ask(A, First, 1_000 + answers, 1);
        answers += 1;
    }
    assert!(answers <= 2, "{answers}");
    worker.ask(B, Renewal, 201, 2);
    assert_eq!(worker.out(B), 2, "tokens in use find room at any time");
}

#[test]
fn where_there_is_no_room_at_a_cluster_all_who_are_asked_there_wait() {
    let mut worker = Worker::new();
    worker.ask(A, First, 1, 0);
    worker.host.is_refused = true;
    worker.ask(B, First, 2, 0);
    worker.ask(ELSEWHERE, First, 3, 0);
    assert_eq!(worker.told(2), None, "it waits for the other's answer");
    assert_eq!(worker.told(3), Some("unreachable"), "nothing is out there");
    worker.host.is_refused = false;
    worker.respond(A, Some(ACTIVE), 1);
    assert_eq!(worker.out(B), 1);
    worker.respond(B, Some(ACTIVE), 2);
    assert_eq!(
        [1, 2].map(|waiter| worker.told(waiter)),
        [Some("active"); 2]
    );
    assert!(worker.host.coordinators.is_empty());
}

/// A flood of tokens in one provider's name slows the endpoint down for the other: that is no
/// outage of the other, in which its tokens would count for longer, or requests pass without.
#[test]
fn a_flood_of_one_is_no_outage_of_another() {
    let mut worker = Worker::new();
    for round in 0..10 {
        let now = u64::from(round) * 1_000;
        worker.ask(B, Renewal, 100 + round, now);
        for waiter in 0..3 {
            worker.ask(A, First, 1_000 + 10 * round + waiter, now);
        }
        worker.respond(B, None, now + 1_000);
    }
    let b = worker.providers.iter().nth(B).unwrap();
    assert_eq!(worker.told(109), Some("timeout"));
    assert!(!b.is_outage(&IntrospectionError::Timeout, at(10_000)));
}
