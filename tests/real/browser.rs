//! What a page in a browser (Chromium) can read of an answer to a request to another origin.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::gateway::{CONNECTION_MANAGER, Gateway, Setup, at};
use crate::option::with_option;

/// How long a browser may take to load a page and run it.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Chromium, if it is installed. It must be where everything is tested.
fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("chromium"))
        .find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "chromium is missing");
        eprintln!("skipped: chromium is missing");
    }
    found
}

/// A browser on a page. Dropping it ends it.
struct Browser {
    process: Child,
    _profile: TempDir,
}

impl Browser {
    fn open(chromium: PathBuf, url: &str) -> Self {
        let profile = TempDir::new().unwrap();
        let process = Command::new(chromium)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
            ])
            .args(["--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--no-proxy-server"])
            // Without it the browser ends with the page.
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            process,
            _profile: profile,
        }
    }
}

/// Serves the page and the calls that it is to make, until the page says what it saw.
async fn seen(listener: &TcpListener, calls: &Value) -> Value {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let Some((line, body)) = read_request(&mut stream).await else {
            continue;
        };
        let (kind, answer) = match line.as_str() {
            "GET /" => ("text/html", include_str!("servers/page.html").to_owned()),
            "GET /calls" => ("application/json", calls.to_string()),
            _ => ("text/plain", String::new()),
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        let _ = stream.write_all((head + &answer).as_bytes()).await;
        if line == "POST /seen" {
            return serde_json::from_slice(&body).unwrap();
        }
    }
}

/// A request's method and path, and its body; none if the connection ends before.
async fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(head) = request.parse(&bytes).ok()? else {
            continue;
        };
        let mut lengths = request.headers.iter();
        let length = lengths.find(|header| header.name.eq_ignore_ascii_case("content-length"));
        let length = length.map_or(0, |header| {
            std::str::from_utf8(header.value).unwrap().parse().unwrap()
        });
        if bytes.len() >= head + length {
            let line = format!("{} {}", request.method?, request.path?);
            return Some((line, bytes[head..].to_vec()));
        }
    }
}

/// With `envoy.yaml`'s option for browsers a page reads why it was refused; without it, or from an
/// origin that is not allowed, nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_reads_why_it_was_refused() {
    let Some(chromium) = chromium() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let page = format!("http://{}", listener.local_addr().unwrap());
    let policy = format!(
        "{CONNECTION_MANAGER}/route_config/virtual_hosts/0/routes/0\
         /typed_per_filter_config/envoy.filters.http.cors"
    );
    let mut allowing: Value = serde_saphyr::from_str(&with_option("cors")).unwrap();
    let of_another_origin = allowing.clone();
    at(&mut allowing, &policy)["allow_origin_string_match"] = json!([{ "exact": page }]);

    let gateway = Gateway::start(Setup {
        sample: allowing,
        ..Setup::default()
    })
    .await;
    let other = Gateway::start(Setup {
        sample: of_another_origin,
        ..Setup::default()
    })
    .await;
    let good = format!("Bearer {}", gateway.token("api:read"));
    let weak = format!("Bearer {}", gateway.token("other"));
    let garbage = "Bearer garbage";
    let call = |gateway: &Gateway, headers: Value| {
        let url = format!("http://{}/api/x", gateway.address);
        json!({ "url": url, "options": { "headers": headers } })
    };
    let calls = json!([
        call(&gateway, json!({ "authorization": good })),
        call(&gateway, json!({})),
        call(&gateway, json!({ "authorization": garbage })),
        call(&gateway, json!({ "authorization": weak })),
        call(&other, json!({ "authorization": garbage })),
    ]);
    let browser = Browser::open(chromium, &format!("{page}/"));
    let seen = timeout(PATIENCE, seen(&listener, &calls)).await;
    drop(browser);
    let seen = seen.expect("the page says nothing");
    let challenge = |rest: &str| format!(r#"Bearer realm="test", {rest}"#);
    assert_eq!(
        seen[0],
        json!({ "status": 200, "challenge": null, "problem": null })
    );
    for (index, status, expected) in [
        (1, 401, challenge(r#"scope="api:read""#)),
        (2, 401, challenge(r#"error="invalid_token""#)),
        (3, 403, challenge(r#"error="insufficient_scope""#)),
    ] {
        assert_eq!(seen[index]["status"], status, "{seen}");
        assert_eq!(seen[index]["problem"], status, "{seen}");
        let found = seen[index]["challenge"].as_str().unwrap_or_default();
        assert!(found.starts_with(&expected), "{seen}");
    }
    assert_eq!(seen[4], json!({ "error": "TypeError" }), "{seen}");
}
