//! Two minutes of outage in fast motion.

use std::time::Duration;

use crate::worker::Worker;

fn worker(cache: &str, failure_mode_allow: bool) -> Worker {
    Worker::new(&format!(
        r#"{{
            "introspection": {{ "cluster": "texas", "endpoint": "http://texas/introspect" }},
            "required_scopes": ["a"],
            "cache": {cache},
            "failure_mode_allow": {failure_mode_allow}
        }}"#
    ))
}

/// What the endpoint says of a token that expires so many seconds from now.
fn says(worker: &Worker, active: bool, lifetime: Option<u64>) -> (u16, String) {
    let exp = lifetime.map(|seconds| worker.now.as_millis() / 1000 + seconds);
    let exp = exp
        .map(|exp| format!(r#","exp":{exp}"#))
        .unwrap_or_default();
    (200, format!(r#"{{"active":{active},"scope":"a"{exp}}}"#))
}

/// A token that is learned at the start, and the statuses of its requests, one every ten seconds
/// of an outage that begins right after. `None`: the token is not known before.
struct Case {
    cache: &'static str,
    failure_mode_allow: bool,
    known: Option<(bool, Option<u64>)>,
    statuses: [u16; 13],
}

fn check(case: &Case, failure: (u16, &str)) {
    let mut worker = worker(case.cache, case.failure_mode_allow);
    let what = (case.cache, case.failure_mode_allow, case.known, failure);
    if let Some((active, lifetime)) = case.known {
        worker.endpoint = Some(says(&worker, active, lifetime));
        let status = worker.request("GET /", Some("Bearer t")).status();
        assert_eq!(status, if active { 200 } else { 401 }, "{what:?}");
    }
    worker.endpoint = Some((failure.0, failure.1.to_owned()));
    let mut statuses = Vec::new();
    for _ in 0..13 {
        statuses.push(worker.request("GET /", Some("Bearer t")).status());
        worker.pass(Duration::from_secs(10));
    }
    assert_eq!(statuses, case.statuses, "{what:?}");

    // The first answer after the outage counts at once.
    for (active, status) in [(true, 200), (false, 401)] {
        worker.endpoint = Some(says(&worker, active, None));
        let unknown = format!("Bearer new{active}");
        assert_eq!(
            worker.request("GET /", Some(&unknown)).status(),
            status,
            "{what:?}"
        );
    }
    worker.endpoint = Some(says(&worker, true, None));
    assert_eq!(
        worker.request("GET /", Some("Bearer t")).status(),
        200,
        "{what:?}"
    );
}

const STALE: &str = r#"{ "max_ttl": "20s", "inactive_ttl": "5s", "stale_if_error": "60s" }"#;
const NO_STALE: &str = r#"{ "max_ttl": "20s", "inactive_ttl": "5s", "stale_if_error": "0s" }"#;
const OFF: &str = r#"{ "max_ttl": "0s", "inactive_ttl": "0s" }"#;

#[test]
fn two_minutes() {
    let up_to = |good: usize, then: u16| {
        let mut statuses = [then; 13];
        statuses
            .iter_mut()
            .take(good)
            .for_each(|status| *status = 200);
        statuses
    };
    let mut inactive = [503; 13];
    inactive[0] = 401;
    let active = Some((true, None));
    let cases = [
        Case {
            cache: STALE,
            failure_mode_allow: false,
            known: None,
            statuses: [503; 13],
        },
        Case {
            cache: STALE,
            failure_mode_allow: false,
            known: active,
            statuses: up_to(8, 503),
        },
        Case {
            cache: STALE,
            failure_mode_allow: false,
            known: Some((true, Some(45))),
            statuses: up_to(5, 503),
        },
        Case {
            cache: STALE,
            failure_mode_allow: false,
            known: Some((false, None)),
            statuses: inactive,
        },
        Case {
            cache: NO_STALE,
            failure_mode_allow: false,
            known: active,
            statuses: up_to(2, 503),
        },
        Case {
            cache: OFF,
            failure_mode_allow: false,
            known: active,
            statuses: [503; 13],
        },
        // Failure mode: unknown tokens pass, those known to be inactive or past `exp` never.
        Case {
            cache: STALE,
            failure_mode_allow: true,
            known: None,
            statuses: [200; 13],
        },
        Case {
            cache: STALE,
            failure_mode_allow: true,
            known: active,
            statuses: [200; 13],
        },
        Case {
            cache: STALE,
            failure_mode_allow: true,
            known: Some((true, Some(45))),
            statuses: up_to(5, 401),
        },
        Case {
            cache: STALE,
            failure_mode_allow: true,
            known: Some((false, None)),
            statuses: [401; 13],
        },
    ];
    for case in &cases {
        for failure in [
            (500, ""),
            (429, ""),
            (
                200,
                r#"{"active":false,"error":"fetch: error sending request"}"#,
            ),
        ] {
            check(case, failure);
        }
    }
}

#[test]
fn what_a_token_may_bring_about_is_no_outage() {
    for (status, body) in [
        (200, r#"{"active":true,"active":false}"#),
        (200, "nonsense"),
        (400, "{}"),
        (401, "{}"),
    ] {
        let mut worker = worker(STALE, true);
        worker.endpoint = Some(says(&worker, true, None));
        assert_eq!(worker.request("GET /", Some("Bearer known")).status(), 200);
        worker.pass(Duration::from_secs(30));
        worker.endpoint = Some((status, body.to_owned()));
        assert_eq!(
            worker.request("GET /", Some("Bearer known")).status(),
            503,
            "{body}"
        );
        assert_eq!(
            worker.request("GET /", Some("Bearer unknown")).status(),
            503,
            "{body}"
        );
    }
}

/// Anybody can send tokens that take long to ask about. That a known one does is something else.
#[test]
fn timeouts_of_unknown_tokens_are_no_outage() {
    let mut worker = worker(STALE, true);
    worker.endpoint = Some(says(&worker, true, None));
    assert_eq!(worker.request("GET /", Some("Bearer known")).status(), 200);
    worker.pass(Duration::from_secs(30));
    worker.times_out = true;
    let mut unknown = 0;
    for (token, status, callouts) in [
        ("unknown", 503, 1),
        ("unknown", 503, 1),
        // Its own question came to nothing: what was known counts, and no other has to wait.
        ("known", 200, 1),
        ("known", 200, 0),
        // By now somebody has seen an outage.
        ("unknown", 200, 1),
    ] {
        unknown += 1;
        let before = worker.callouts();
        let token = match token {
            "unknown" => format!("Bearer unknown{unknown}"),
            token => format!("Bearer {token}"),
        };
        assert_eq!(
            worker.request("GET /", Some(&token)).status(),
            status,
            "{unknown}"
        );
        assert_eq!(worker.callouts() - before, callouts, "{unknown}");
    }
}

/// Stale facts count for as long as something keeps the endpoint from answering, and no longer.
#[test]
fn an_answer_that_is_none_ends_what_a_timeout_began() {
    for (status, body, expected) in [(500, "", 200), (401, "{}", 503), (200, "nonsense", 503)] {
        let mut worker = worker(STALE, false);
        worker.endpoint = Some(says(&worker, true, None));
        assert_eq!(worker.request("GET /", Some("Bearer t")).status(), 200);
        worker.pass(Duration::from_secs(30));
        worker.times_out = true;
        assert_eq!(worker.request("GET /", Some("Bearer t")).status(), 200);
        worker.times_out = false;
        worker.endpoint = Some((status, body.to_owned()));
        worker.pass(Duration::from_millis(1_100));
        // Asked about in the background, then as before.
        assert_eq!(worker.request("GET /", Some("Bearer t")).status(), 200);
        worker.pass(Duration::from_millis(100));
        let found = worker.request("GET /", Some("Bearer t")).status();
        assert_eq!(found, expected, "{status} {body}");
    }
}

#[test]
fn a_known_token_does_not_wait_for_an_endpoint_that_is_out() {
    let mut worker = worker(STALE, false);
    worker.endpoint = Some(says(&worker, true, None));
    worker.request("GET /", Some("Bearer t"));
    worker.pass(Duration::from_secs(30));
    worker.endpoint = Some((500, String::new()));
    assert_eq!(worker.callouts(), 1);
    for (millis, callouts) in [(0, 2), (100, 2), (100, 2), (1000, 3), (100, 3), (1000, 4)] {
        worker.pass(Duration::from_millis(millis));
        assert_eq!(worker.request("GET /", Some("Bearer t")).status(), 200);
        assert_eq!(worker.callouts(), callouts, "a failing renewal is paced");
    }
    // Revoked in the meantime: the background question finds that out.
    worker.endpoint = Some(says(&worker, false, None));
    worker.pass(Duration::from_secs(1));
    assert_eq!(worker.request("GET /", Some("Bearer t")).status(), 200);
    assert_eq!(worker.request("GET /", Some("Bearer t")).status(), 401);
}

#[test]
fn an_outage_that_nobody_has_seen_for_long_may_be_over() {
    let mut worker = worker(STALE, false);
    worker.endpoint = Some(says(&worker, true, None));
    assert_eq!(
        worker.request("GET /", Some("Bearer revoked")).status(),
        200
    );
    worker.endpoint = Some((500, String::new()));
    assert_eq!(worker.request("GET /", Some("Bearer other")).status(), 503);
    worker.pass(Duration::from_secs(30));
    worker.endpoint = Some(says(&worker, false, None));
    assert_eq!(
        worker.request("GET /", Some("Bearer revoked")).status(),
        401
    );
}

/// No host is there, or the circuit breaker is full: what is known counts all the same, and what is
/// not does not pass, whether an outage was seen or not.
#[test]
fn what_is_known_outlives_an_endpoint_that_nobody_can_ask() {
    for (is_out, failure_mode_allow, known, unknown) in [
        (true, false, 200, 503),
        (true, true, 200, 503),
        (false, false, 200, 503),
        (false, true, 200, 503),
    ] {
        let mut worker = worker(
            r#"{ "max_ttl": "10s", "stale_if_error": "1m" }"#,
            failure_mode_allow,
        );
        worker.endpoint = Some(says(&worker, true, None));
        assert_eq!(worker.request("GET /", Some("Bearer t")).status(), 200);
        worker.pass(Duration::from_secs(11));
        if is_out {
            worker.endpoint = Some((500, String::new()));
            worker.request("GET /", Some("Bearer other"));
        }
        worker.dispatches_nothing = true;
        let what = (is_out, failure_mode_allow);
        for n in 0..3 {
            let flood = format!("Bearer flood{n}");
            assert_eq!(
                worker.request("GET /", Some(&flood)).status(),
                unknown,
                "{what:?}"
            );
            assert_eq!(
                worker.request("GET /", Some("Bearer t")).status(),
                known,
                "{what:?}"
            );
        }
    }
}
