//! The tour that `make demo` plays.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The tour checks each answer itself and ends with failure where one is another. Here it is seen
/// that it tells all of them, in under a minute.
#[test]
fn the_tour_is_as_told_and_takes_less_than_a_minute() {
    let begin = Instant::now();
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/dev/demo.sh"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{errors}");
    assert!(begin.elapsed() < Duration::from_secs(60), "{told}");

    let answers = told
        .lines()
        .filter_map(|line| line.trim().strip_prefix("answer: "));
    let answers: Vec<_> = answers.collect();
    let expected = [
        "401, no_credentials",
        "403, insufficient_scope",
        "200, the endpoint was asked",
        "200, the endpoint was not asked",
        "200, the endpoint was not asked",
        "503, endpoint_out",
        "200, the endpoint was asked",
        "200, the endpoint was asked",
        "401, invalid_token",
        "200, but in earnest it would be no_credentials",
    ];
    assert_eq!(answers, expected, "{told}");
}
