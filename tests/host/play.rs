//! A request's life in a VM, from its head to its end.

use std::cell::RefCell;
use std::rc::Rc;

use crate::call::Call;
use crate::kinds::{Before, Kind, answer};
use crate::stream::Stream;
use crate::vm::{Fault, Reply, Vm};
use crate::world::World;

/// One step in a request's life.
pub struct Phase {
    pub name: &'static str,
    pub calls: Vec<Call>,
    /// What the interpreter charged.
    pub fuel: u64,
}

/// What was seen.
pub struct Played {
    pub phases: Vec<Phase>,
    pub stream: Stream,
    pub world: Rc<RefCell<World>>,
    pub trap: Option<String>,
}

/// `cache.max_ttl`, and how long before its end a token is renewed, in milliseconds.
const MAX_TTL: u64 = 60_000;
const RENEWED: u64 = 500;
/// Nobody waits any longer.
const PATIENCE: u64 = 30_000;

/// Plays a request of a kind, after what was before. The fault is for its own calls, of which there are
/// more with one, for the log.
pub fn play(kind: &Kind, fault: Option<Fault>) -> Played {
    let world = Rc::new(RefCell::new(World::default()));
    let configuration = kind.policy.configuration();
    let mut vm = Vm::new(&world, &configuration);
    let mut other = None;
    match kind.before {
        Before::Nothing | Before::Outage | Before::Waiting => {}
        Before::Same | Before::Due | Before::Stale => come_and_go(&mut vm, kind),
        Before::Elsewhere => {
            let other = other.insert(Vm::new(&world, &configuration));
            come_and_go(other, kind);
        }
    }
    match kind.before {
        Before::Due => world.borrow_mut().now += MAX_TTL - RENEWED,
        Before::Stale => world.borrow_mut().now += MAX_TTL + RENEWED,
        Before::Waiting => {
            vm.head(stream(kind), true);
            vm.wake();
        }
        _ => {}
    }
    vm.tick();
    vm.store.data_mut().calls.clear();
    if fault.is_some() {
        // All that there is to log.
        world.borrow_mut().log_level = 0;
    }
    vm.store.data_mut().fault = fault;
    let mut player = Player {
        vm,
        kind,
        phases: Vec::new(),
    };
    player.play(world)
}

/// The same request, with what follows from it.
fn come_and_go(vm: &mut Vm, kind: &Kind) {
    let id = vm.head(stream(kind), true);
    vm.wake();
    let callouts = vm.store.data().callouts.clone();
    for (callout, asked) in callouts {
        vm.respond(callout, answer(&asked.body));
    }
    vm.end(id);
    vm.tick();
}

/// A request of that kind.
pub fn stream(kind: &Kind) -> Stream {
    let mut stream = Stream::new(&kind.request());
    let route = ("xds.route_name".to_owned(), b"api".to_vec());
    stream.properties.extend([route]);
    stream
}

struct Player<'a> {
    vm: Vm,
    kind: &'a Kind,
    phases: Vec<Phase>,
}

impl Player<'_> {
    fn play(&mut self, world: Rc<RefCell<World>>) -> Played {
        let mut id = 0;
        let request = stream(self.kind);
        let ends_stream = !self.kind.line.starts_with("POST ");
        self.phase("head", |vm| id = vm.head(request, ends_stream));
        if !ends_stream {
            // Whatever Envoy makes of a paused head, the stream holds its body.
            self.phase("body", |vm| vm.body(id, true));
        }
        self.settle();
        // What came to nothing is told so by the clock.
        let end = world.borrow().now + PATIENCE;
        while self.vm.stream(id).fate.is_none() && world.borrow().now < end {
            let period = self.vm.store.data().tick_period.max(1);
            world.borrow_mut().now += u64::from(period);
            self.phase("tick", Vm::tick);
            self.settle();
        }
        let mut stream = None;
        self.phase("end", |vm| stream = Some(vm.end(id)));
        self.phase("tick", Vm::tick);
        Played {
            phases: std::mem::take(&mut self.phases),
            stream: stream.unwrap(),
            world,
            trap: self.vm.trap.clone(),
        }
    }

    /// What the root context is woken for, and the endpoint's answers.
    fn settle(&mut self) {
        self.phase("wake", Vm::wake);
        let callouts = self.vm.store.data().callouts.clone();
        for (callout, asked) in callouts {
            assert_eq!(asked.cluster, "texas", "a callout to another");
            let reply = match self.kind.before {
                Before::Outage | Before::Stale => Reply::no_connection(),
                _ => answer(&asked.body),
            };
            self.phase("answer", |vm| vm.respond(callout, reply));
            self.phase("wake", Vm::wake);
        }
    }

    /// Of one that makes no call there is nothing to say.
    fn phase(&mut self, name: &'static str, step: impl FnOnce(&mut Vm)) {
        let (fuel, calls) = (self.vm.fuel(), self.vm.store.data().calls.len());
        step(&mut self.vm);
        let calls = self.vm.store.data().calls[calls..].to_vec();
        if !calls.is_empty() {
            let fuel = self.vm.fuel() - fuel;
            self.phases.push(Phase { name, calls, fuel });
        }
    }
}
