mod world;

use std::time::Duration;

use super::super::single_flight::{LOOK_AGAIN, MAX_BYTES, MAX_CALLS, TICK};
use super::super::window::START;
use super::*;
use crate::callout::providers::Providers;
use crate::config::{self, Vm};
use crate::introspection::health::Rank::{First, Renewal};
use crate::introspection::health::Transition;
use crate::introspection::outcome::Outcome;
use crate::testing::host::FakeHost;
use crate::testing::shared_data::FakeData;
use crate::token::extract::AccessToken;
use crate::token::id::TokenId;
use crate::token::providers::ProviderId;

const EPOCH: u64 = 1_795_000_000_000;

const ACTIVE: &str = r#"{"active":true}"#;
const INACTIVE: &str = r#"{"active":false}"#;

fn providers(cache: &str) -> Providers {
    let config = format!(
        r#"{{
            "introspection": {{ "cluster": "idp", "endpoint": "http://idp/i", "timeout": "1s" }},
            "required_scopes": ["a"],
            "cache": {cache}
        }}"#
    );
    let vm = Vm {
        env: |_: &str| None,
        has_id: true,
    };
    let configured = config::parse(config.as_bytes(), &vm).unwrap();
    configured.authorizer.providers
}

/// One worker: its host, and the endpoint as it knows it.
struct Worker {
    host: FakeHost,
    providers: Providers,
}

impl Worker {
    fn new(cache: &str) -> Self {
        let providers = providers(cache);
        Self {
            host: FakeHost::new(&providers),
            providers,
        }
    }

    fn ask(&mut self, token: &str, rank: Rank, waiter: WaiterId, now: u64) -> Option<CallId> {
        let question = question(token, rank);
        self.host.ask(question, waiter, &self.providers, at(now))
    }

    fn renew(&mut self, token: &str, now: u64) -> bool {
        self.host.renew(question(token, Renewal), at(now))
    }

    fn work(&mut self, data: &FakeData, now: u64) {
        self.host.work(&self.providers, data, at(now));
    }

    fn tick(&mut self, data: &FakeData, now: u64) {
        self.host.tick(&self.providers, data, at(now));
    }

    fn respond(&mut self, callout: u32, body: Option<&str>, data: &FakeData, now: u64) {
        self.host
            .respond(callout, body, &self.providers, data, at(now));
    }

    fn leave(&self, call: CallId, waiter: WaiterId) {
        self.host.coordinators.leave(only(), call, waiter);
    }

    /// Which tokens are asked about, in the order of the callouts.
    fn asked(&self) -> Vec<&str> {
        let out = self.host.out.values();
        out.map(|callout| callout.token.as_str()).collect()
    }

    /// Who was told something.
    fn finished(&self) -> Vec<WaiterId> {
        self.host.finished.keys().copied().collect()
    }

    /// What a waiter was told, by the names in metrics.
    fn told(&self, waiter: WaiterId) -> Vec<&'static str> {
        let told = self.host.finished.get(&waiter).into_iter().flatten();
        told.map(|answer| Outcome::from(answer).name()).collect()
    }

    fn is_empty(&self) -> bool {
        self.host.coordinators.is_empty()
    }
}

fn question(token: &str, rank: Rank) -> Question {
    Question {
        provider: only(),
        trace: None,
        token_id: token_id(token),
        token: AccessToken::new(token),
        rank,
    }
}

fn token_id(token: &str) -> TokenId {
    TokenId::of(token)
}

/// The only provider.
fn only() -> ProviderId {
    ProviderId::at(0).unwrap()
}

fn at(millis: u64) -> Time {
    Time::from_millis(EPOCH + millis)
}

/// A worker of its own, which shares nothing.
fn alone() -> (Worker, FakeData) {
    let data = FakeData::default();
    (Worker::new(r#"{"shared":false}"#), data)
}

#[test]
fn one_callout_for_all_who_wait_for_a_token() {
    let (mut worker, data) = alone();
    let a = worker.ask("a", First, 1, 0);
    assert_eq!(worker.ask("a", First, 2, 0), a);
    let b = worker.ask("b", First, 3, 0);
    assert_ne!(a, b);
    worker.work(&data, 0);
    assert_eq!(worker.asked(), ["a", "b"]);
    assert_eq!(worker.ask("a", First, 4, 1), a, "joins what is in flight");
    worker.respond(2, Some(INACTIVE), &data, 2);
    assert_eq!(worker.finished(), [3]);
    worker.respond(1, Some(ACTIVE), &data, 3);
    assert_eq!(worker.finished(), [1, 2, 3, 4]);
    let ends: Vec<_> = worker
        .host
        .reports
        .iter()
        .map(|r| (r.outcome, r.took))
        .collect();
    let took = |millis| Some(Duration::from_millis(millis));
    assert_eq!(
        ends,
        [
            (Some(Outcome::Inactive), took(2)),
            (Some(Outcome::Active), took(3))
        ]
    );
    worker.respond(1, Some(ACTIVE), &data, 4);
    assert!(worker.is_empty());
}

#[test]
fn turns_are_bounded_and_nobody_is_told_twice() {
    let (mut worker, data) = alone();
    // Seventy for one token, and a hundred tokens with one each.
    for waiter in 0..70 {
        worker.ask("a", First, waiter, 0);
    }
    worker.work(&data, 0);
    worker.host.is_refused = true;
    worker.respond(1, Some(ACTIVE), &data, 1);
    for waiter in 100..200 {
        worker.ask(&waiter.to_string(), First, waiter, 2);
    }
    worker.work(&data, 2);
    assert_eq!(worker.finished().len(), 170);
    assert!(worker.host.finished.values().all(|told| told.len() == 1));
    assert!(worker.is_empty());
}

#[test]
fn who_leaves_is_not_told_and_the_others_are() {
    let (mut worker, data) = alone();
    let call = worker.ask("a", First, 1, 0).unwrap();
    worker.ask("a", First, 2, 0);
    worker.work(&data, 0);
    worker.leave(call, 1);
    worker.respond(1, Some(ACTIVE), &data, 1);
    assert_eq!(worker.finished(), [2]);
    // Nobody asks for somebody who has left before the callout; but one in flight goes on.
    let call = worker.ask("b", First, 3, 2).unwrap();
    worker.leave(call, 3);
    worker.work(&data, 2);
    assert!(worker.is_empty());
    let call = worker.ask("c", First, 4, 3).unwrap();
    worker.work(&data, 3);
    worker.leave(call, 4);
    assert_eq!(worker.ask("c", First, 5, 4), Some(call));
    worker.respond(2, Some(ACTIVE), &data, 5);
    assert_eq!(worker.finished(), [2, 5]);
    assert!(worker.is_empty());
}

#[test]
fn a_renewal_is_asked_though_nobody_waits_and_whoever_comes_joins_it() {
    let (mut worker, data) = alone();
    assert!(worker.renew("a", 0));
    assert!(!worker.renew("a", 0), "it is on its way already");
    worker.work(&data, 0);
    assert_eq!(worker.asked(), ["a"]);
    worker.ask("a", Renewal, 1, 1);
    worker.respond(1, Some(ACTIVE), &data, 2);
    assert_eq!(worker.finished(), [1]);
    assert!(worker.is_empty());
    assert!(worker.renew("a", 3));
}

#[test]
fn questions_about_tokens_in_use_go_first() {
    let (mut worker, data) = alone();
    for waiter in 0..1_000 {
        worker.ask(&format!("junk{waiter}"), First, waiter, 0);
    }
    worker.work(&data, 0);
    assert_eq!(worker.host.out.len(), START, "a bound of their own");
    worker.ask("good", Renewal, 5_000, 1);
    worker.renew("renewed", 1);
    // One of the flood turns out to be in use.
    worker.ask("junk900", Renewal, 5_001, 1);
    worker.work(&data, 1);
    let asked = worker.asked();
    assert_eq!(asked[START..], ["good", "renewed", "junk900"]);
    let callouts: Vec<_> = worker.host.out.keys().copied().collect();
    for callout in callouts {
        worker.respond(callout, Some(ACTIVE), &data, 2);
    }
    assert!(worker.host.out.len() > START, "the window has grown");
    // What is left is told in time that it cannot be asked about.
    worker.tick(&data, 9_999);
    assert_eq!(worker.finished().len(), START + 3);
    worker.tick(&data, 10_000);
    let finished = worker.finished().into_iter();
    let busy = finished.filter(|waiter| worker.told(*waiter) == ["unreachable"]);
    assert_eq!(busy.count(), 1_000 + 2 - START - 3 - worker.host.out.len());
    let told: Vec<_> = worker
        .host
        .reports
        .iter()
        .flat_map(|report| &report.transitions)
        .collect();
    assert_eq!(told, [&Transition::Began(IntrospectionError::Busy)]);
}

#[test]
fn there_is_room_for_so_many_unknown_tokens_and_for_every_known_one() {
    let (mut worker, data) = alone();
    worker.host.is_refused = true;
    for waiter in 0..u32::try_from(MAX_CALLS).unwrap() {
        assert!(worker.ask(&format!("{waiter}"), First, waiter, 0).is_some());
    }
    assert!(worker.ask("another", First, 9_000, 0).is_none());
    assert!(worker.ask("0", First, 9_001, 0).is_some(), "joins");
    assert!(worker.ask("known", Renewal, 9_002, 0).is_some());
    worker.work(&data, 0);
    assert!(worker.is_empty());
    let (mut worker, _) = alone();
    let long = |n: u32| format!("{n}{}", "x".repeat(65_536 - n.to_string().len()));
    let asked = (0..).take_while(|n| worker.ask(&long(*n), First, *n, 0).is_some());
    assert_eq!(asked.count(), MAX_BYTES / 65_536);
}

#[test]
fn where_there_is_no_room_at_the_endpoint_others_wait() {
    let (mut worker, data) = alone();
    worker.ask("a", First, 1, 0);
    worker.work(&data, 0);
    worker.host.is_refused = true;
    for (waiter, (token, rank)) in [("b", First), ("c", First), ("d", Renewal)]
        .iter()
        .enumerate()
    {
        let waiter = 2 + WaiterId::try_from(waiter).unwrap();
        worker.ask(token, *rank, waiter, 1);
    }
    worker.work(&data, 1);
    assert!(worker.finished().is_empty());
    worker.tick(&data, 2);
    assert_eq!(worker.asked(), ["a"], "tried again, in vain");
    assert!(worker.finished().is_empty());
    worker.host.is_refused = false;
    worker.tick(&data, 2);
    assert_eq!(worker.asked(), ["a", "d"], "the window has shrunk to one");
    worker.respond(1, Some(ACTIVE), &data, 2);
    assert_eq!(worker.asked(), ["d", "b"]);
    worker.respond(2, Some(ACTIVE), &data, 3);
    worker.respond(3, Some(ACTIVE), &data, 4);
    worker.respond(4, Some(ACTIVE), &data, 5);
    assert_eq!(worker.finished().len(), 4);
    // Where nothing is in flight, nothing will make room.
    worker.host.is_refused = true;
    worker.ask("e", First, 6, 6);
    worker.work(&data, 6);
    assert_eq!(worker.told(6), ["unreachable"]);
    assert!(worker.is_empty());
}

#[test]
fn known_tokens_do_not_wait_for_room() {
    let data = FakeData::default();
    let cache = r#"{"shared":false,"max_ttl":"1s","stale_if_error":"1m"}"#;
    let mut worker = Worker::new(cache);
    worker.ask("known", First, 1, 0);
    worker.work(&data, 0);
    worker.respond(1, Some(ACTIVE), &data, 0);
    worker.ask("junk", First, 2, 2_000);
    worker.work(&data, 2_000);
    worker.host.is_refused = true;
    worker.ask("known", Renewal, 3, 2_001);
    worker.work(&data, 2_001);
    assert_eq!(worker.told(3), ["unreachable"]);
}

#[test]
fn a_call_awaits_another_workers_lease_for_so_long() {
    let data = FakeData::default();
    let mut workers = [(); 2].map(|()| Worker::new("{}"));
    let [one, other] = &mut workers;
    one.ask("a", First, 1, 0);
    one.work(&data, 0);
    other.ask("a", First, 1, 1);
    other.work(&data, 1);
    assert_eq!((one.host.out.len(), other.host.out.len()), (1, 0));
    assert_eq!(other.host.clock, LOOK_AGAIN);
    for now in [11, 100, 249] {
        other.tick(&data, now);
        assert!(other.host.out.is_empty(), "{now}");
    }
    other.tick(&data, 251);
    assert_eq!(
        (other.host.out.len(), other.host.clock),
        (1, TICK),
        "it asks itself"
    );
    // The lease is the other's by now: that the first is done does not end it.
    one.respond(1, None, &data, 252);
    one.ask("a", First, 2, 253);
    one.work(&data, 253);
    assert!(one.host.out.is_empty());
    other.respond(1, Some(ACTIVE), &data, 260);
    one.tick(&data, 261);
    assert_eq!(one.told(2), ["active"], "the answer was there");
}

/// Whatever a question came to, nobody waits for its lease any longer.
#[test]
fn a_lease_ends_with_the_question() {
    for (what, is_refused, body) in [
        ("not dispatched", true, None),
        ("timed out", false, None),
        ("nonsense", false, Some("nonsense")),
    ] {
        let data = FakeData::default();
        let mut workers = [(); 2].map(|()| Worker::new("{}"));
        let [one, other] = &mut workers;
        one.host.is_refused = is_refused;
        one.ask("a", First, 1, 0);
        one.work(&data, 0);
        if !is_refused {
            one.respond(1, body, &data, 1);
        }
        assert_eq!(one.finished(), [1], "{what}");
        other.ask("a", First, 1, 2);
        other.work(&data, 2);
        assert_eq!(other.asked(), ["a"], "{what}");
    }
}

/// Between a request's look and its lease another worker may have had the answer.
#[test]
fn an_answer_that_is_there_by_now_is_not_asked_for() {
    let data = FakeData::default();
    let mut workers = [(); 2].map(|()| Worker::new("{}"));
    let [one, other] = &mut workers;
    one.ask("a", First, 1, 0);
    one.work(&data, 0);
    other.ask("a", First, 1, 1);
    one.respond(1, Some(ACTIVE), &data, 2);
    other.work(&data, 3);
    assert_eq!((other.told(1), other.host.callouts), (vec!["active"], 0));
    // Nor is it renewed behind a lease that nobody needs.
    one.renew("a", 4);
    one.work(&data, 4);
    assert_eq!(one.asked(), ["a"]);
}

/// Whoever sends junk and leaves does not stand in the way of a token in use.
#[test]
fn junk_that_awaits_a_lease_holds_nobody_back() {
    for leaves in [true, false] {
        let data = FakeData::default();
        let mut workers = [(); 2].map(|()| Worker::new("{}"));
        let [one, other] = &mut workers;
        for (waiter, token) in ["good".to_owned()]
            .into_iter()
            .chain((0..7).map(|n| format!("junk{n}")))
            .enumerate()
        {
            one.ask(&token, Renewal, u32::try_from(waiter).unwrap(), 0);
        }
        one.work(&data, 0);
        assert_eq!(one.host.out.len(), 8, "it has the leases");
        for waiter in 0..5_000 {
            let token = format!("junk{}", waiter % 7);
            let call = other.ask(&token, First, waiter, 1).unwrap();
            other.work(&data, 1);
            if leaves {
                other.leave(call, waiter);
            }
        }
        other.ask("good", Renewal, 9_000, 2);
        other.work(&data, 2);
        one.respond(1, Some(ACTIVE), &data, 3);
        other.tick(&data, 11);
        assert_eq!(other.told(9_000), ["active"], "{leaves}");
    }
}
