//! What `portvakt check` prints, and its exit status, to the letter: `SNAPSHOTS=overwrite` writes
//! the files in `check/` anew.

use std::path::Path;

use snapbox::cmd::{Command, cargo_bin};
use snapbox::{Assert, Data};

fn check(arguments: &[&str], name: &str, code: i32) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check");
    let assert = Assert::new().action_env("SNAPSHOTS");
    let run = Command::new(cargo_bin!("portvakt")).with_assert(assert);
    let run = run.current_dir(&folder).arg("check").args(arguments);
    let run = run
        .stdin("introspection: { cluster: texas }\n")
        .assert()
        .code(code);
    let expected = folder.join(format!("{name}.stdout"));
    run.stdout_eq(Data::read_from(&expected, None));
}

#[test]
fn what_is_printed() {
    for (arguments, name, code) in [
        (&["good.yaml"][..], "good", 0),
        (&["mistakes.yaml"], "mistakes", 1),
        (&["shadow.yaml"], "shadow", 1),
        (
            &[
                "--allow",
                "shadow",
                "--allow=failure_mode_allow",
                "shadow.yaml",
            ],
            "shadow-allowed",
            1,
        ),
        (
            &[
                "--allow",
                "shadow",
                "--allow=failure_mode_allow",
                "--allow=other_case",
                "shadow.yaml",
            ],
            "good",
            0,
        ),
        (&["trailing-comma.json"], "trailing-comma", 1),
        (&["istio.yaml"], "istio", 1),
        (&["gateway.yaml"], "gateway", 1),
        (&["string-value.yaml"], "string-value", 1),
        (&["nothing.yaml"], "nothing", 1),
        (&["--allow", "no_configuration", "nothing.yaml"], "good", 0),
        (&["syntax.yaml", "good.yaml"], "syntax", 1),
        (&["-"], "stdin", 1),
        (&["missing.yaml", "shadow.yaml"], "good", 2),
        (&["--allow", "nonsense", "good.yaml"], "good", 2),
        (&[], "good", 2),
    ] {
        check(arguments, name, code);
    }
}

/// Whoever has read enough closes the pipe, and need not be told.
#[test]
fn a_reader_that_leaves_is_told_nothing() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_portvakt"))
        .arg("schema")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(2));
}
