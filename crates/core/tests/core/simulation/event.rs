//! What may happen.

use proptest::prelude::*;

use super::world::{TOKENS, WORKERS};

/// What the endpoint says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    Active {
        scope: &'static str,
        /// Seconds from when it is asked; `None`: it says no `exp`.
        lives: Option<u64>,
    },
    Inactive,
}

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Well,
    Status(u16),
    Garbage,
    Timeout,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    None,
    Malformed,
    Token(usize),
}

/// What may happen.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Request {
        worker: usize,
        path: &'static str,
        credentials: Credentials,
    },
    /// A client leaves.
    Leave {
        nth: usize,
    },
    /// The endpoint answers one of its questions.
    Respond {
        worker: usize,
        nth: usize,
        manner: Manner,
    },
    /// It answers all of them.
    RespondToAll {
        manner: Manner,
    },
    /// The endpoint changes its mind.
    Truth {
        token: usize,
        truth: Truth,
    },
    /// From now on Envoy dispatches nothing, or does again.
    Dispatch {
        worker: usize,
        fails: bool,
    },
    /// From now on shared data is there, or is not.
    Data {
        fails: bool,
    },
    /// From now on no queue takes messages, or all do again.
    Queue {
        fails: bool,
    },
    /// A message on a queue is lost.
    Lose {
        worker: usize,
    },
    Pass {
        millis: u64,
    },
    /// The clock is set.
    Clock {
        millis: i64,
    },
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let worker = || 0..WORKERS;
    let token = || 0..TOKENS.len();
    let path = prop::sample::select(vec!["/a", "/b", "/any", "/open", "/none"]);
    let credentials = prop_oneof![
        1 => Just(Credentials::None),
        1 => Just(Credentials::Malformed),
        12 => token().prop_map(Credentials::Token),
    ];
    let manner = prop_oneof![
        8 => Just(Manner::Well),
        1 => prop::sample::select(vec![400, 401, 404, 429, 500, 503]).prop_map(Manner::Status),
        1 => Just(Manner::Garbage),
        1 => Just(Manner::Timeout),
    ];
    let lives = prop::option::of(0..6_u64);
    let truth = prop_oneof![
        3 => (prop::sample::select(vec!["", "a", "b", "a b", "ab"]), lives)
            .prop_map(|(scope, lives)| Truth::Active { scope, lives }),
        2 => Just(Truth::Inactive),
    ];
    let clock = prop_oneof![-5_000..5_000_i64, Just(-3_600_000), Just(3_600_000)];
    let fails = || prop::bool::weighted(0.2);
    prop_oneof![
        20 => (worker(), path, credentials)
            .prop_map(|(worker, path, credentials)| Event::Request { worker, path, credentials }),
        2 => any::<usize>().prop_map(|nth| Event::Leave { nth }),
        4 => (worker(), any::<usize>(), manner.clone())
            .prop_map(|(worker, nth, manner)| Event::Respond { worker, nth, manner }),
        8 => manner.prop_map(|manner| Event::RespondToAll { manner }),
        3 => (token(), truth).prop_map(|(token, truth)| Event::Truth { token, truth }),
        1 => (worker(), fails()).prop_map(|(worker, fails)| Event::Dispatch { worker, fails }),
        1 => fails().prop_map(|fails| Event::Data { fails }),
        1 => fails().prop_map(|fails| Event::Queue { fails }),
        1 => worker().prop_map(|worker| Event::Lose { worker }),
        8 => (1..40_u64).prop_map(|millis| Event::Pass { millis }),
        3 => (100..2_500_u64).prop_map(|millis| Event::Pass { millis }),
        1 => clock.prop_map(|millis| Event::Clock { millis }),
    ]
}
