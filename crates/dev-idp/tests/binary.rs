//! The binary as its user sees it: one line when ready, one line when it cannot start.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

fn dev_idp(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dev-idp"));
    command
        .args(args)
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn it_says_when_it_is_ready_and_ends_on_a_signal() {
    for signal in ["TERM", "INT"] {
        let any_port = ["--idp", "127.0.0.1:0", "--api", "127.0.0.1:0"];
        let mut child = dev_idp(&any_port).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(line.starts_with("dev-idp: ready, "), "{line}");
        // The shell's own `kill`: not every system has the program.
        let killed = Command::new("sh")
            .args(["-c", &format!("kill -s {signal} {}", child.id())])
            .status()
            .unwrap();
        assert!(killed.success());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{signal}: {}", output.status);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    }
}

#[test]
fn a_port_in_use_is_one_line_and_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let args = ["--idp", "127.0.0.1:0", "--api", &taken];
    let output = dev_idp(&args).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("dev-idp: cannot listen on {taken}: Address already in use");
    assert!(error.starts_with(&expected), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn a_client_needs_both_its_id_and_its_secret() {
    for half in [["--client-id", "me"], ["--client-secret", "s"]] {
        let output = dev_idp(&half).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
    }
}
