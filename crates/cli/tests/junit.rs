//! What `portvakt test --junit` writes: the same as it prints, as continuous integration reads it.

use std::path::Path;
use std::process::Command;

#[test]
fn results_as_xml() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.xml");
    let run = Command::new(env!("CARGO_BIN_EXE_portvakt"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["test", "tests/files/failing.yaml", "--junit"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(1), "{run:?}");
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="portvakt" tests="3" skipped="0" failures="2" errors="0">
    <testsuite name="tests/files/failing.yaml" tests="3" skipped="0" errors="0" failures="2">
        <testcase name="reading"/>
        <testcase name="writing">
            <failure message="decision: expected allow, got deny; status: expected 200, got 403"/>
        </testcase>
        <testcase name="the API learns who it is">
            <failure message="upstream header x-consumer: expected 0192:2, got 0192:910753614"/>
        </testcase>
    </testsuite>
</testsuites>
"#;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), expected);
}

#[test]
fn where_nothing_can_be_written() {
    let run = Command::new(env!("CARGO_BIN_EXE_portvakt"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["test", "tests/files/failing.yaml", "--junit"])
        .arg(Path::new("no-such-folder").join("results.xml"))
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(2), "{run:?}");
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(said.contains("cannot write no-such-folder"), "{said}");
}
