//! Whatever happens, in whatever order: workers that share their facts, requests of all kinds,
//! an endpoint that changes its mind, fails and is slow, lost messages, a clock that is set, and
//! failures of everything that the host is asked for. An independent reading of what the endpoint
//! said tells who may be let through.

mod event;
mod given;
mod judge;
mod outages;
mod world;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use self::event::{Event, event};
use self::world::{Config, World};

/// A configuration, and what happens.
fn run() -> impl Strategy<Value = (Config, Vec<Event>)> {
    let config = (any::<bool>(), prop::bool::weighted(0.3));
    let config = config.prop_map(|(is_shared, failure_mode_allow)| Config {
        is_shared,
        failure_mode_allow,
    });
    let events = prop::collection::vec(event(), 1..250);
    (config, events)
}

fn play((config, events): &(Config, Vec<Event>)) -> World {
    let mut world = World::new(*config);
    for event in events {
        world.happen(event);
    }
    world.settle();
    let waiting = world.waiting.len();
    assert_eq!(waiting, 0, "so many wait for ever");
    for host in &world.hosts {
        assert!(host.coordinators.is_empty(), "something is left over");
    }
    world
}

proptest! {
    /// Nobody is let through but by the word of an answer about this very token that was given,
    /// is good for the request, has not expired, is young enough and the newest there is; every
    /// refusal has its reason in some answer, or in none; whether the facts are fresh, cached,
    /// shared or stale. And everybody who stays is told exactly once.
    #[test]
    fn nobody_is_let_through_but_by_the_endpoints_word(run in run()) {
        play(&run);
    }
}

/// The property says nothing about what never happens.
#[test]
fn the_simulation_gets_everywhere() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::new();
    for _ in 0..150 {
        let tree = run().new_tree(&mut runner).unwrap();
        for (what, count) in play(&tree.current()).seen {
            *seen.entry(what).or_insert(0) += count;
        }
    }
    for (by, what) in [
        ("rules", "anonymous"),
        ("rules", "403"),
        ("hit", "token"),
        ("hit", "401"),
        ("hit", "403"),
        ("shared_hit", "token"),
        ("shared_hit", "401"),
        ("shared_hit", "403"),
        ("stale", "token"),
        ("stale", "403"),
        ("answer", "token"),
        ("answer", "401"),
        ("answer", "403"),
        ("no word", "503"),
        ("no word", "failure_mode"),
    ] {
        let count = seen.get(&(by, what.to_owned()));
        assert!(
            count.is_some_and(|count| *count > 0),
            "{by} {what}: {seen:?}"
        );
    }
}
