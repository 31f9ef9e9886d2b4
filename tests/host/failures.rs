//! Each host call of each kind of requests, made to fail in each way that Envoy can make it fail:
//! once, and from then on for good. Whatever fails, the VM lives, who is to be refused is never let
//! through, and nobody is told a byte of a token or of what the endpoint said.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::call::Call;
use crate::given::{GIVEN, given};
use crate::kinds::{End, KINDS, Kind, SECRETS};
use crate::play::{Played, play};
use crate::policies::Policy;
use crate::status::Status;
use crate::stream::{Fate, Stream};
use crate::vm::{Fault, Vm};

/// So many bytes of a secret that stand somewhere stand there by no accident.
const RECOGNIZED: usize = 8;

/// What is made to fail.
#[derive(Clone, Debug)]
enum Failing {
    /// The call at this position.
    One(usize, Status),
    /// Calls of this kind, from this position on.
    From(usize, String, Status),
}

impl Failing {
    fn fault(&self) -> Fault {
        match self.clone() {
            Self::One(position, status) => {
                Box::new(move |at, _| (at == position).then_some(status))
            }
            Self::From(position, name, status) => {
                Box::new(move |at, call| (at >= position && call.kind() == name).then_some(status))
            }
        }
    }
}

/// The calls of a request, at the most talkative log level.
fn calls(kind: &Kind) -> Vec<Call> {
    let phases = play(kind, Some(Box::new(|_, _| None))).phases;
    phases.into_iter().flat_map(|phase| phase.calls).collect()
}

/// All that can fail for a kind.
fn failings(kind: &Kind) -> Vec<Failing> {
    let mut all = Vec::new();
    let mut names = BTreeSet::new();
    for (position, call) in calls(kind).iter().enumerate() {
        for status in given(&call.kind()) {
            all.push(Failing::One(position, *status));
            if names.insert((call.kind(), *status)) {
                all.push(Failing::From(position, call.kind(), *status));
            }
        }
    }
    all
}

#[test]
fn no_failing_host_call_lets_a_request_through_or_takes_the_vm_down() {
    let mut tried = 0;
    let mut wrong = Vec::new();
    // The rules' number makes no difference to calls.
    for kind in KINDS.iter().filter(|kind| kind.policy != Policy::ManyRules) {
        for failing in failings(kind) {
            tried += 1;
            let played = play(kind, Some(failing.fault()));
            if let Err(what) = judge(kind, &failing, &played) {
                wrong.push(format!("{}: {failing:?}: {what}", kind.name));
            }
        }
    }
    eprintln!("{tried} failures were tried");
    assert!(tried > 500, "{tried}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with what was played.
fn judge(kind: &Kind, failing: &Failing, played: &Played) -> Result<(), String> {
    if let Some(trap) = &played.trap {
        return Err(format!("the VM is dead: {trap}"));
    }
    let failed: Vec<_> = played
        .phases
        .iter()
        .flat_map(|phase| &phase.calls)
        .collect();
    let failed = |name: &str, about: &str| {
        let mut calls = failed.iter();
        calls.any(|call| call.name == name && call.was_made_to_fail && call.about == about)
    };
    match (kind.end, &played.stream.fate) {
        (End::Answered(_), Some(Fate::LetThrough)) => return Err("let through".to_owned()),
        (End::LetThrough(headers), Some(Fate::LetThrough)) => {
            for name in ["x-consumer", "x-client-id"] {
                let is = played.stream.header(name);
                let given = headers.iter().find(|(n, _)| *n == name);
                let is_given = is == given.map(|(_, value)| value.as_bytes());
                // What the host says is not there is not removed.
                let is_hidden = failed("get_header_map_value", name);
                if is.is_some() && !is_given && !is_hidden {
                    return Err(format!("{name} is the client's"));
                }
            }
        }
        (expected, Some(Fate::Answered { status, .. })) => {
            if *status < 400 && expected != End::Answered(*status) {
                return Err(format!("answered {status}"));
            }
        }
        // A stream that is gone is told nothing.
        (_, None) => {
            let is_gone = matches!(failing, Failing::One(at, _) | Failing::From(at, ..)
                if call_at(played, *at).is_some_and(|call| call.name == "set_effective_context"));
            if !is_gone {
                return Err("nothing came of it".to_owned());
            }
        }
    }
    match leak(played) {
        Some(place) => Err(format!("a secret is in {place}")),
        None => Ok(()),
    }
}

fn call_at(played: &Played, position: usize) -> Option<&Call> {
    let mut calls = played.phases.iter().flat_map(|phase| &phase.calls);
    calls.nth(position)
}

/// Where a part of a secret stands that is for nobody: an answer, the log, what access logs are
/// told, a metric.
fn leak(played: &Played) -> Option<String> {
    let world = played.world.borrow();
    let mut places: Vec<(String, Vec<u8>)> = Vec::new();
    if let Some(Fate::Answered { headers, body, .. }) = &played.stream.fate {
        places.push(("the answer's body".to_owned(), body.clone()));
        for (name, value) in headers {
            places.push((format!("the answer's {name}"), value.clone()));
        }
    }
    for line in &world.log {
        places.push((format!("the log: {line}"), line.clone().into_bytes()));
    }
    for metric in &world.metrics {
        places.push((metric.name.clone(), metric.name.clone().into_bytes()));
    }
    if let Some(reason) = played.stream.filter_state.get("portvakt.reason") {
        places.push(("the reason".to_owned(), reason.clone()));
    }
    let is_in = |bytes: &[u8]| {
        let parts = SECRETS
            .iter()
            .flat_map(|secret| secret.as_bytes().windows(RECOGNIZED));
        let mut parts = parts.filter(|part| !part.starts_with(b"0192:"));
        parts.any(|part| bytes.windows(RECOGNIZED).any(|window| window == part))
    };
    places
        .into_iter()
        .find(|(_, bytes)| is_in(bytes))
        .map(|(place, _)| place)
}

/// A good configuration is taken whatever the host does not give: Envoy would leave the filter out of
/// a worker in which it is not. Who is to be refused is refused in any case.
#[test]
fn no_failing_host_call_takes_the_vm_down_when_it_is_configured() {
    let kind = KINDS
        .iter()
        .find(|kind| kind.name == "refused: no token")
        .unwrap();
    let configuration = kind.policy.configuration();
    let begin = |fault: Fault| {
        let world = Rc::default();
        let mut vm = Vm::unconfigured(&world, &configuration);
        vm.store.data_mut().calls.clear();
        vm.store.data_mut().fault = Some(fault);
        let is_configured = vm.configure();
        (vm, is_configured)
    };
    let (vm, is_configured) = begin(Box::new(|_, _| None));
    assert!(is_configured);
    let mut seen = BTreeSet::new();
    for (position, call) in vm.store.data().calls.iter().enumerate() {
        for status in given(&call.kind()) {
            if !seen.insert((call.kind(), *status)) {
                continue;
            }
            let one = Failing::One(position, *status);
            let all = Failing::From(position, call.kind(), *status);
            for failing in [one, all] {
                let (mut vm, is_configured) = begin(failing.fault());
                assert!(is_configured, "{failing:?}");
                let id = vm.head(Stream::new(&kind.request()), true);
                assert_eq!(vm.trap, None, "{failing:?}");
                let fate = vm.stream(id).fate.clone();
                let is_refused = matches!(
                    fate,
                    Some(Fate::Answered {
                        status: 401 | 503,
                        ..
                    })
                );
                assert!(is_refused, "{failing:?}: {fate:?}");
            }
        }
    }
    assert!(seen.len() > 3, "{seen:?}");
}

/// Some servers take trailers for headers: what only the filter may say is removed from them, and
/// so are tokens. Those of a request that is held are held.
#[test]
fn trailers_say_nothing_in_the_filters_name() {
    let trailers = [
        ("x-consumer", "0192:forged"),
        ("authorization", "Bearer forged"),
        ("grpc-status", "0"),
    ];
    for (name, is_held) in [
        ("no token needed, two claims forged", false),
        ("unknown token, two claims forwarded", true),
    ] {
        let kind = KINDS.iter().find(|kind| kind.name == name).unwrap();
        let mut vm = Vm::new(&Rc::default(), &kind.policy.configuration());
        let id = vm.head(Stream::new(&kind.request()), false);
        vm.trailers(id, &trailers);
        let stream = vm.stream(id);
        assert_eq!(stream.fate.is_none(), is_held, "{name}");
        let left: Vec<_> = stream
            .trailers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(left, ["grpc-status"], "{name}");
    }
}

/// All failures that a call is told of, other than those that Envoy gives, take the VM down: the
/// SDK takes them for impossible. These are the exceptions.
const SURVIVED: &[(&str, Status)] = &[];

/// That the SDK panics is why the filter must call nothing at a time when Envoy fails it so.
#[test]
fn what_takes_the_vm_down_is_nothing_that_envoy_gives() {
    let mut fatal = BTreeSet::new();
    let mut survived = BTreeSet::new();
    for kind in KINDS.iter().filter(|kind| kind.policy != Policy::ManyRules) {
        let mut seen = BTreeSet::new();
        for (position, call) in calls(kind).iter().enumerate() {
            for status in Status::FAILURES.iter().copied() {
                let failure = (call.kind(), status);
                if fatal.contains(&failure) || !seen.insert(failure.clone()) {
                    continue;
                }
                let played = play(kind, Some(Failing::One(position, status).fault()));
                if played.trap.is_some() {
                    fatal.insert(failure);
                } else {
                    survived.insert(failure);
                }
            }
        }
    }
    let given = GIVEN
        .iter()
        .flat_map(|(call, statuses)| statuses.iter().map(move |s| (*call, *s)));
    let expected: BTreeSet<_> = given.chain(SURVIVED.iter().copied()).collect();
    let survived: BTreeSet<_> = survived
        .iter()
        .map(|(call, s)| (call.as_str(), *s))
        .collect();
    let fatal: BTreeSet<_> = fatal.iter().map(|(call, s)| (call.as_str(), *s)).collect();
    assert_eq!(survived, expected);
    assert!(fatal.is_disjoint(&expected));
}
