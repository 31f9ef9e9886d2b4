//! How often the filter calls its host for each kind of requests, and in which callback. Each call
//! costs about as much as all the rest of a hit, so none may be added unseen.

use std::fmt::Write as _;
use std::rc::Rc;

use crate::call::tally;
use crate::kinds::{End, KINDS, Kind, answer};
use crate::play::{play, stream};
use crate::stream::Fate;
use crate::vm::Vm;

/// By kind and step, in the order in which they happen. Where a test fails it says how these lines
/// would have to read.
#[rustfmt::skip]
const CALLS: &[(&str, &str, &str)] = &[
    ("no token needed", "head", "get_header_map_value 1"),
    ("no token needed, one is there", "head", "get_header_map_value 1"),
    ("known token", "head", "get_header_map_value 1, get_current_time_nanoseconds 1"),
    ("known token, with a body", "head", "get_header_map_value 2, get_current_time_nanoseconds 1"),
    ("known token, prefix and method", "head", "get_header_map_pairs 1, get_current_time_nanoseconds 1"),
    ("known token, 1,000 rules", "head", "get_header_map_value 2, get_current_time_nanoseconds 1"),
    ("known token, host", "head", "get_header_map_value 2, get_current_time_nanoseconds 1"),
    ("known token, route", "head", "get_property 1, get_header_map_value 1, get_current_time_nanoseconds 1"),
    ("known token, two claims forwarded", "head", "get_header_map_value 2, get_current_time_nanoseconds 1, replace_header_map_value 2"),
    ("known token, two claims forged", "head", "get_header_map_value 2, get_current_time_nanoseconds 1, replace_header_map_value 2"),
    ("no token needed, two claims forged", "head", "get_header_map_value 3, remove_header_map_value 2"),
    ("known token, answer forwarded", "head", "get_header_map_value 1, get_current_time_nanoseconds 1, replace_header_map_value 1, set_property 1"),
    ("known token, header of its own", "head", "get_header_map_pairs 1, get_current_time_nanoseconds 1"),
    ("known token, gRPC", "head", "get_header_map_pairs 1, get_current_time_nanoseconds 1"),
    ("known token, renewed", "head", "get_header_map_value 2, get_current_time_nanoseconds 1, get_shared_data 1, enqueue_shared_queue 1"),
    ("known token, renewed", "wake", "dequeue_shared_queue 1, get_current_time_nanoseconds 1, get_shared_data 1, set_shared_data 1, http_call 1"),
    ("known token, renewed", "answer", "set_effective_context 1, get_current_time_nanoseconds 1, get_buffer_bytes 1, get_header_map_value 2, get_shared_data 1, set_shared_data 1, record_metric 1, increment_metric 3"),
    ("known to another worker", "head", "get_header_map_value 1, get_current_time_nanoseconds 1, get_shared_data 1"),
    ("unknown token", "head", "get_header_map_value 3, get_current_time_nanoseconds 1, get_shared_data 1, enqueue_shared_queue 1, set_effective_context 2, send_local_response 1"),
    ("unknown token", "wake", "dequeue_shared_queue 1, get_current_time_nanoseconds 1, get_shared_data 1, set_shared_data 1, http_call 1"),
    ("unknown token", "answer", "set_effective_context 2, get_current_time_nanoseconds 1, get_buffer_bytes 1, get_header_map_value 2, get_shared_data 1, set_shared_data 1, record_metric 1, continue_stream 1, increment_metric 4, define_metric 1"),
    ("unknown token, two claims forwarded", "head", "get_header_map_value 5, get_current_time_nanoseconds 1, get_shared_data 1, remove_header_map_value 2, enqueue_shared_queue 1"),
    ("unknown token, two claims forwarded", "wake", "dequeue_shared_queue 1, get_current_time_nanoseconds 1, get_shared_data 1, set_shared_data 1, http_call 1"),
    ("unknown token, two claims forwarded", "answer", "set_effective_context 2, get_current_time_nanoseconds 1, get_buffer_bytes 1, get_header_map_value 2, get_shared_data 1, set_shared_data 1, record_metric 1, replace_header_map_value 2, continue_stream 1, increment_metric 4, define_metric 1"),
    ("unknown token, another waits", "head", "get_header_map_value 2, get_current_time_nanoseconds 1, get_shared_data 1"),
    ("unknown token, another waits", "answer", "set_effective_context 3, get_current_time_nanoseconds 1, get_buffer_bytes 1, get_header_map_value 2, get_shared_data 1, set_shared_data 1, record_metric 1, continue_stream 2, increment_metric 4, define_metric 1"),
    ("unknown token, active not kept", "head", "get_header_map_value 2, get_current_time_nanoseconds 1, get_shared_data 1, enqueue_shared_queue 1"),
    ("unknown token, active not kept", "wake", "dequeue_shared_queue 1, get_current_time_nanoseconds 1, http_call 1"),
    ("unknown token, active not kept", "answer", "set_effective_context 2, get_current_time_nanoseconds 1, get_buffer_bytes 1, get_header_map_value 2, get_shared_data 1, record_metric 1, continue_stream 1, increment_metric 3"),
    ("unknown token, nothing kept", "head", "get_header_map_value 2, get_current_time_nanoseconds 1, enqueue_shared_queue 1"),
    ("unknown token, nothing kept", "wake", "dequeue_shared_queue 1, get_current_time_nanoseconds 1, http_call 1"),
    ("unknown token, nothing kept", "answer", "set_effective_context 2, get_current_time_nanoseconds 1, get_buffer_bytes 1, get_header_map_value 2, record_metric 1, continue_stream 1, increment_metric 3"),
    ("unknown token, wrong scope", "head", "get_header_map_value 3, get_current_time_nanoseconds 1, get_shared_data 1, enqueue_shared_queue 1, set_effective_context 2, send_local_response 1"),
    ("unknown token, wrong scope", "wake", "dequeue_shared_queue 1, get_current_time_nanoseconds 1, get_shared_data 1, set_shared_data 1, http_call 1"),
    ("unknown token, wrong scope", "answer", "set_effective_context 2, get_current_time_nanoseconds 1, get_buffer_bytes 1, get_header_map_value 3, get_shared_data 1, set_shared_data 1, record_metric 1, set_property 1, get_log_level 1, send_local_response 1, increment_metric 4, define_metric 1"),
    ("unknown token, inactive", "head", "get_header_map_value 3, get_current_time_nanoseconds 1, get_shared_data 1, enqueue_shared_queue 1, set_effective_context 2, send_local_response 1"),
    ("unknown token, inactive", "wake", "dequeue_shared_queue 1, get_current_time_nanoseconds 1, get_shared_data 1, set_shared_data 1, http_call 1"),
    ("unknown token, inactive", "answer", "set_effective_context 2, get_current_time_nanoseconds 1, get_buffer_bytes 1, get_header_map_value 3, get_shared_data 1, set_shared_data 1, record_metric 1, set_property 1, get_log_level 1, send_local_response 1, increment_metric 4, define_metric 1"),
    ("unknown token, inactive, gRPC", "head", "get_header_map_value 2, get_current_time_nanoseconds 1, get_shared_data 1, enqueue_shared_queue 1"),
    ("unknown token, inactive, gRPC", "wake", "dequeue_shared_queue 1, get_current_time_nanoseconds 1, get_shared_data 1, set_shared_data 1, http_call 1"),
    ("unknown token, inactive, gRPC", "answer", "set_effective_context 2, get_current_time_nanoseconds 1, get_buffer_bytes 1, get_header_map_value 3, get_shared_data 1, set_shared_data 1, record_metric 1, set_property 1, get_log_level 1, send_local_response 1, increment_metric 4, define_metric 1"),
    ("unknown token, outage", "head", "get_header_map_value 2, get_current_time_nanoseconds 1, get_shared_data 1, enqueue_shared_queue 1"),
    ("unknown token, outage", "wake", "dequeue_shared_queue 1, get_current_time_nanoseconds 1, get_shared_data 1, set_shared_data 1, http_call 1"),
    ("unknown token, outage", "answer", "set_effective_context 4, get_current_time_nanoseconds 1, get_buffer_bytes 1, get_header_map_value 3, get_shared_data 2, set_shared_data 1, get_property 1, record_metric 1, log 1, set_property 1, get_log_level 1, send_local_response 1, define_metric 1, increment_metric 3"),
    ("unknown token, outage, failure mode", "head", "get_header_map_value 2, get_current_time_nanoseconds 1, get_shared_data 1, enqueue_shared_queue 1"),
    ("unknown token, outage, failure mode", "wake", "dequeue_shared_queue 1, get_current_time_nanoseconds 1, get_shared_data 1, set_shared_data 1, http_call 1"),
    ("unknown token, outage, failure mode", "answer", "set_effective_context 4, get_current_time_nanoseconds 1, get_buffer_bytes 1, get_header_map_value 2, get_shared_data 3, set_shared_data 1, get_property 1, record_metric 1, log 1, set_property 1, continue_stream 1, define_metric 1, increment_metric 3"),
    ("stale token, outage", "head", "get_header_map_value 2, get_current_time_nanoseconds 1, get_shared_data 1, enqueue_shared_queue 1"),
    ("stale token, outage", "wake", "dequeue_shared_queue 1, get_current_time_nanoseconds 1, get_shared_data 1, set_shared_data 1, http_call 1"),
    ("stale token, outage", "answer", "set_effective_context 4, get_current_time_nanoseconds 1, get_buffer_bytes 1, get_header_map_value 2, get_shared_data 2, set_shared_data 1, get_property 1, record_metric 1, log 1, continue_stream 1, increment_metric 4"),
    ("refused: no rule", "head", "get_header_map_pairs 1, set_property 1, get_log_level 1, send_local_response 1"),
    ("refused: method", "head", "get_header_map_pairs 1, set_property 1, get_log_level 1, send_local_response 1"),
    ("refused: path read otherwise", "head", "get_header_map_pairs 1, set_property 1, get_log_level 1, send_local_response 1"),
    ("refused: no token", "head", "get_header_map_value 3, set_property 1, get_log_level 1, send_local_response 1"),
    ("refused: no token, gRPC", "head", "get_header_map_value 3, set_property 1, get_log_level 1, send_local_response 1"),
    ("refused: two tokens", "head", "get_header_map_value 3, set_property 1, get_log_level 1, send_local_response 1"),
    ("refused: no bearer token", "head", "get_header_map_value 3, set_property 1, get_log_level 1, send_local_response 1"),
    ("refused: inactive", "head", "get_header_map_value 2, get_current_time_nanoseconds 1, set_property 1, get_log_level 1, send_local_response 1"),
    ("refused: wrong scope", "head", "get_header_map_value 2, get_current_time_nanoseconds 1, set_property 1, get_log_level 1, send_local_response 1"),
    ("refused: wrong claim", "head", "get_header_map_value 5, get_current_time_nanoseconds 1, set_property 1, get_log_level 1, send_local_response 1"),
    ("preflight", "head", "get_header_map_value 5, get_header_map_pairs 1"),
    ("shadow, wrong scope", "head", "get_header_map_value 1, get_current_time_nanoseconds 1, set_property 1, get_log_level 1"),
    ("metadata", "head", "get_header_map_value 2, send_local_response 1"),
];

/// With `PORTVAKT_CALLS=1` and `--nocapture` it also says what each call is about, and the fuel that
/// each step takes: the interpreter's instructions, by whole blocks, so that what an early return
/// leaves out of one counts too. It is the same in every run of one module.
#[test]
fn no_request_calls_its_host_more_often_than_is_known() {
    let is_told = std::env::var_os("PORTVAKT_CALLS").is_some();
    let mut actual = String::new();
    for kind in KINDS {
        let played = play(kind, None);
        assert_eq!(played.trap, None, "{}", kind.name);
        let steps = played.phases.iter().filter(|phase| phase.name != "tick");
        for phase in steps {
            let (name, step, calls) = (kind.name, phase.name, tally(&phase.calls));
            writeln!(actual, "    ({name:?}, {step:?}, {calls:?}),").unwrap();
            if is_told {
                eprintln!("{name}: {step}: fuel {}", phase.fuel);
                for call in &phase.calls {
                    eprintln!("    {call}");
                }
            }
        }
    }
    let mut expected = String::new();
    for (name, step, calls) in CALLS {
        writeln!(expected, "    ({name:?}, {step:?}, {calls:?}),").unwrap();
    }
    assert!(actual == expected, "{}", difference(&expected, &actual));
}

/// The table as it would have to be, with what is new marked, and what is gone behind it.
fn difference(expected: &str, actual: &str) -> String {
    let mut text = "these would be right (> is new, < is gone):\n".to_owned();
    for line in actual.lines() {
        let is_new = !expected.lines().any(|other| other == line);
        writeln!(text, "{}{line}", if is_new { ">" } else { " " }).unwrap();
    }
    for line in expected.lines() {
        if !actual.lines().any(|other| other == line) {
            writeln!(text, "<{line}").unwrap();
        }
    }
    text
}

/// What was counted is told once a second, however many requests there were.
#[test]
fn a_tick_calls_its_host_once_for_each_counter_that_has_changed() {
    let played = play(kind("known token"), None);
    let tick = played.phases.last().unwrap();
    let calls = tally(&tick.calls);
    assert_eq!(
        (tick.name, calls.as_str()),
        (
            "tick",
            "get_current_time_nanoseconds 1, record_metric 1, increment_metric 2"
        )
    );
}

fn kind(name: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.name == name).unwrap()
}

/// Requests that come before the root context runs wake it once, and all their tokens are asked
/// about then.
#[test]
fn all_who_come_before_the_root_runs_wake_it_once() {
    let good = kind("unknown token, another waits");
    let world = Rc::default();
    let mut vm = Vm::new(&world, &good.policy.configuration());
    let other = kind("unknown token, wrong scope");
    for round in 1..=2 {
        vm.store.data_mut().calls.clear();
        for kind in [good, other] {
            vm.head(stream(kind), true);
        }
        vm.wake();
        let calls = tally(&vm.store.data().calls);
        assert!(calls.contains("enqueue_shared_queue 1,"), "{calls}");
        assert_eq!(vm.store.data().callouts.len(), 2, "{round}");
        for (callout, asked) in vm.store.data().callouts.clone() {
            vm.respond(callout, answer(&asked.body));
        }
        // So that they are not known any more.
        world.borrow_mut().now += 600_000;
    }
}

/// Where the clock does not tick whatever runs tells what was counted, once a second.
#[test]
fn counts_are_told_without_the_clock() {
    let kinds = ["unknown token, another waits", "unknown token, inactive"].map(kind);
    let world = Rc::default();
    let mut vm = Vm::new(&world, &kinds[0].policy.configuration());
    for (kind, later, is_told) in [(kinds[0], 0, false), (kinds[1], 1_000, true)] {
        world.borrow_mut().now += later;
        vm.store.data_mut().calls.clear();
        vm.head(stream(kind), true);
        vm.wake();
        let calls = tally(&vm.store.data().calls);
        assert_eq!(calls.contains("increment_metric"), is_told, "{calls}");
    }
}

/// The kinds are what their names say.
#[test]
fn what_becomes_of_each_kind() {
    for kind in KINDS {
        let Kind { name, end, .. } = kind;
        let stream = play(kind, None).stream;
        match (*end, stream.fate.as_ref().unwrap()) {
            (End::LetThrough(headers), Fate::LetThrough) => {
                for header in ["x-consumer", "x-client-id"] {
                    let expected = headers.iter().find(|(n, _)| *n == header);
                    let expected = expected.map(|(_, value)| value.as_bytes());
                    assert_eq!(stream.header(header), expected, "{name}");
                }
            }
            (End::Answered(expected), Fate::Answered { status, .. }) => {
                assert_eq!(*status, expected, "{name}");
            }
            (_, fate) => panic!("{name}: {fate:?}"),
        }
    }
}
