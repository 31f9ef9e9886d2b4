//! The programs in `servers/`, and what they run on.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long a program may take to start, or a client to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program, which ends when this is dropped, or when the tests do.
pub struct Program {
    child: Child,
    /// Open as long as the program is to run.
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    log: NamedTempFile,
}

impl Program {
    /// Starts one of the servers and waits until it says where it listens.
    pub async fn serve(name: &str, settings: &Value) -> (Self, Value) {
        let mut program = Self::start(name, settings).await;
        let mut line = String::new();
        let read = timeout(PATIENCE, program.stdout.read_line(&mut line)).await;
        read.expect("it does not start").unwrap();
        let said = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{name} ended"));
        (program, said)
    }

    /// Runs one of the clients to its end.
    pub async fn run(name: &str, settings: &Value) -> Value {
        let mut program = Self::start(name, settings).await;
        let mut said = String::new();
        let read = timeout(PATIENCE, program.stdout.read_to_string(&mut said)).await;
        read.expect("it does not end").unwrap();
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{name} failed"))
    }

    async fn start(name: &str, settings: &Value) -> Self {
        let log = NamedTempFile::new().unwrap();
        let runtime = if has_extension(name, "mjs") {
            installed("node")
        } else {
            installed("venv/bin/python")
        };
        let mut child = Command::new(runtime)
            .arg(
                Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("tests/real/servers")
                    .join(name),
            )
            .env("NODE_MODULES", installed("node_modules"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log.path()).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let line = format!("{settings}\n");
        stdin.write_all(line.as_bytes()).await.unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            stdin,
            stdout,
            log,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read(self.log.path()).unwrap_or_default();
            eprintln!("The program's log:\n{}", String::from_utf8_lossy(&log));
        }
    }
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|found| found == extension)
}

/// What `dev/real-servers.sh` has installed.
fn installed(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(".tools/real")
        .join(name);
    assert!(
        path.exists(),
        "{name} is not installed: run `make test-real`"
    );
    path
}
