//! Two workers over one shared store, beside the simplest thing that could be right.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Something that happens to a cache.
#[derive(Clone, Debug)]
enum Event {
    Learn {
        worker: usize,
        token: u8,
        answer: Answered,
    },
    LookUp {
        worker: usize,
        token: u8,
    },
    Pass {
        millis: u64,
    },
}

#[derive(Clone, Copy, Debug)]
enum Answered {
    /// Expires that many seconds from now, or never.
    Active(Option<u64>),
    Inactive,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let answer = prop_oneof![
        Just(Answered::Inactive),
        Just(Answered::Active(None)),
        (0..300_u64).prop_map(|exp| Answered::Active(Some(exp))),
    ];
    let event = prop_oneof![
        (0..2_usize, 0..4_u8, answer).prop_map(|(worker, token, answer)| Event::Learn {
            worker,
            token,
            answer
        }),
        (0..2_usize, 0..4_u8).prop_map(|(worker, token)| Event::LookUp { worker, token }),
        (0..40_000_u64).prop_map(|millis| Event::Pass { millis }),
    ];
    prop::collection::vec(event, 1..60)
}

/// When it was learned, what, and when that expires.
type Learned = (u64, Answered, Option<u64>);

/// The simplest thing that could be right: the last answer that each worker has seen, itself or,
/// when that one does not count any more, as the last of all.
#[derive(Default)]
struct Model {
    own: [HashMap<u8, Learned>; 2],
    last: HashMap<u8, Learned>,
}

impl Model {
    fn learn(&mut self, worker: usize, token: u8, answer: Answered, now: u64) {
        let exp = match answer {
            Answered::Active(exp) => exp.map(|exp| (now / 1000 + exp) * 1000),
            Answered::Inactive => None,
        };
        if exp.is_some_and(|exp| exp <= now) {
            self.own[worker].remove(&token);
            self.last.remove(&token);
        } else {
            self.own[worker].insert(token, (now, answer, exp));
            self.last.insert(token, (now, answer, exp));
        }
    }

    fn look_up(&mut self, worker: usize, token: u8, now: u64) -> Said {
        let is_fresh =
            |said: &Said| matches!(said, Said::Active(Freshness::Fresh) | Said::Inactive);
        let own = self.own[worker].get(&token).copied();
        let mine = own.map_or(Said::Nothing, |known| Self::said(known, now));
        let due = own.is_some_and(|(learned, answer, exp)| {
            let end = learned + 60_000;
            matches!(answer, Answered::Active(_))
                && exp.is_none_or(|exp| exp > end)
                && now >= learned + 54_000
        });
        if is_fresh(&mine) && !due {
            return mine;
        }
        match self.last.get(&token).copied() {
            Some(last) if own.is_none_or(|own| own.0 < last.0) => {
                self.own[worker].insert(token, last);
                Self::said(last, now)
            }
            _ => mine,
        }
    }

    fn said((learned, answer, exp): Learned, now: u64) -> Said {
        let age = now - learned;
        match answer {
            Answered::Inactive if age < 5_000 => Said::Inactive,
            Answered::Active(_) if exp.is_some_and(|exp| now >= exp) => Said::Nothing,
            Answered::Active(_) if age < 60_000 => Said::Active(Freshness::Fresh),
            Answered::Active(_) if age < 180_000 => Said::Active(Freshness::Stale),
            Answered::Inactive | Answered::Active(_) => Said::Nothing,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Two workers over one shared store, and a model of them, agree on any sequence. A renewal
    /// that is due looks at the shared store at most once a second, so `Pass` never ends within
    /// that time.
    #[test]
    fn the_cache_and_its_model_agree(events in events()) {
        let data = FakeData::default();
        let workers = [worker(lifetimes(), 100), worker(lifetimes(), 100)];
        let mut model = Model::default();
        let mut now = 0;
        for event in events {
            match event {
                Event::Pass { millis } => now += millis,
                Event::Learn { worker, token, answer } => {
                    // Two answers of one moment have no order: none come.
                    now += 1_000;
                    let text = match answer {
                        Answered::Inactive => INACTIVE.to_owned(),
                        Answered::Active(exp) => active("a", exp.map(|exp| now / 1000 + exp)),
                    };
                    learn(&workers[worker], &data, token, &text, now);
                    model.learn(worker, token, answer, now);
                }
                Event::LookUp { worker, token } => {
                    now += 1_000;
                    let found = said(look_up(&workers[worker], &data, token, now));
                    prop_assert_eq!(found, model.look_up(worker, token, now));
                }
            }
        }
    }
}
