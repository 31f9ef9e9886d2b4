//! Anything happens in any order to three workers that share their data.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::cache::lease::LEASE;

/// What may happen.
#[derive(Clone, Debug)]
enum Event {
    Ask {
        worker: usize,
        token: u8,
        is_known: bool,
    },
    Renew {
        worker: usize,
        token: u8,
    },
    Leave {
        worker: usize,
        nth: usize,
    },
    Respond {
        worker: usize,
        nth: usize,
        body: Option<&'static str>,
    },
    Refuse {
        worker: usize,
        is_refused: bool,
    },
    /// The message that wakes a worker is lost.
    Lose {
        worker: usize,
    },
    /// A worker does nothing any more.
    Die {
        worker: usize,
    },
    Pass {
        millis: u64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let worker = || 0..3_usize;
    let body = prop::sample::select(vec![Some(ACTIVE), Some(INACTIVE), Some("nonsense"), None]);
    prop_oneof![
        8 => (worker(), 0..4_u8, any::<bool>())
            .prop_map(|(worker, token, is_known)| Event::Ask { worker, token, is_known }),
        2 => (worker(), 0..4_u8).prop_map(|(worker, token)| Event::Renew { worker, token }),
        2 => (worker(), any::<usize>()).prop_map(|(worker, nth)| Event::Leave { worker, nth }),
        6 => (worker(), any::<usize>(), body)
            .prop_map(|(worker, nth, body)| Event::Respond { worker, nth, body }),
        1 => (worker(), any::<bool>())
            .prop_map(|(worker, is_refused)| Event::Refuse { worker, is_refused }),
        1 => worker().prop_map(|worker| Event::Lose { worker }),
        1 => worker().prop_map(|worker| Event::Die { worker }),
        8 => (1..20_u64).prop_map(|millis| Event::Pass { millis }),
        1 => (100..3_000_u64).prop_map(|millis| Event::Pass { millis }),
    ]
}

/// Three workers over one shared store, and what their clients expect.
struct World {
    data: FakeData,
    workers: Vec<Worker>,
    is_dead: Vec<bool>,
    /// Who waits, by worker.
    waiting: Vec<BTreeMap<WaiterId, CallId>>,
    left: Vec<BTreeSet<WaiterId>>,
    last_waiter: WaiterId,
    /// When each call was first seen to await a lease.
    held_since: BTreeMap<(usize, u64), u64>,
    now: u64,
}

impl World {
    fn new() -> Self {
        let data = FakeData::default();
        let cache = r#"{"max_ttl":"2s","inactive_ttl":"1s"}"#;
        let workers = (0..3).map(|_| Worker::new(cache)).collect();
        Self {
            data,
            workers,
            is_dead: vec![false; 3],
            waiting: vec![BTreeMap::new(); 3],
            left: vec![BTreeSet::new(); 3],
            last_waiter: 0,
            held_since: BTreeMap::new(),
            now: 0,
        }
    }

    fn happen(&mut self, event: &Event) {
        let now = self.now;
        match *event {
            Event::Ask {
                worker,
                token,
                is_known,
            } if !self.is_dead[worker] => {
                self.last_waiter += 1;
                let rank = if is_known { Renewal } else { First };
                let asked =
                    self.workers[worker].ask(&token.to_string(), rank, self.last_waiter, now);
                self.waiting[worker].insert(self.last_waiter, asked.unwrap());
            }
            Event::Renew { worker, token } if !self.is_dead[worker] => {
                self.workers[worker].renew(&token.to_string(), now);
            }
            Event::Leave { worker, nth } if !self.is_dead[worker] => {
                let unfinished: Vec<_> = self.unfinished(worker);
                if let Some(waiter) = nth.checked_rem(unfinished.len()).map(|n| unfinished[n]) {
                    let call = self.waiting[worker][&waiter];
                    self.workers[worker].leave(call, waiter);
                    self.left[worker].insert(waiter);
                }
            }
            Event::Respond { worker, nth, body } if !self.is_dead[worker] => {
                let out: Vec<_> = self.workers[worker].host.out.keys().copied().collect();
                if let Some(callout) = nth.checked_rem(out.len()).map(|n| out[n]) {
                    self.workers[worker].respond(callout, body, &self.data, now);
                }
            }
            Event::Refuse { worker, is_refused } => {
                self.workers[worker].host.is_refused = is_refused;
            }
            Event::Lose { worker } => self.workers[worker].host.is_awake = false,
            Event::Die { worker } => self.is_dead[worker] = true,
            Event::Pass { millis } => {
                for _ in 0..millis {
                    self.step();
                }
            }
            _ => {}
        }
    }

    /// A millisecond passes.
    fn step(&mut self) {
        self.now += 1;
        for (index, worker) in self.workers.iter_mut().enumerate() {
            if self.is_dead[index] {
                continue;
            }
            worker.work(&self.data, self.now);
            if worker.host.is_to_tick(at(self.now)) {
                worker.tick(&self.data, self.now);
            }
            let own = worker.host.coordinators.of(only()).unwrap();
            let calls = own.calls.borrow();
            for call in calls.awaiting() {
                let since = *self.held_since.entry((index, call.0)).or_insert(self.now);
                let held = at(self.now).since(at(since));
                assert!(held <= LEASE + LOOK_AGAIN * 2, "held back for {held:?}");
            }
        }
    }

    fn unfinished(&self, worker: usize) -> Vec<WaiterId> {
        let finished = &self.workers[worker].host.finished;
        let waiters = self.waiting[worker].keys();
        let waiting = waiters
            .filter(|waiter| !finished.contains_key(waiter) && !self.left[worker].contains(waiter));
        waiting.copied().collect()
    }

    /// The endpoint answers everything, until everybody was told.
    fn settle(&mut self) {
        for worker in 0..3 {
            self.workers[worker].host.is_refused = false;
        }
        for _ in 0..3_000 {
            self.step();
            for worker in 0..3 {
                let respond = Event::Respond {
                    worker,
                    nth: 0,
                    body: Some(ACTIVE),
                };
                self.happen(&respond);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever happens, everybody who waits and stays is told exactly once, and nothing is left
    /// over. That no token is asked about twice at a time and that nobody is held back for longer
    /// than a lease is checked along the way.
    #[test]
    fn everybody_is_told_exactly_once(events in prop::collection::vec(event(), 1..120)) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
        }
        world.settle();
        for worker in 0..3 {
            let finished = &world.workers[worker].host.finished;
            prop_assert!(finished.values().all(|told| told.len() == 1));
            prop_assert!(world.left[worker].iter().all(|waiter| !finished.contains_key(waiter)));
            if !world.is_dead[worker] {
                prop_assert_eq!(world.unfinished(worker), Vec::<WaiterId>::new());
                prop_assert!(world.workers[worker].is_empty());
            }
        }
    }
}
