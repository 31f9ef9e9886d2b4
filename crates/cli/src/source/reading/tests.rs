use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::source::tree;

/// Plain scalars and others, as YAML, that somebody may write.
const SCALARS: [&str; 64] = [
    "1",
    "-1",
    "+5",
    "0",
    "007",
    "0o17",
    "08",
    "0x1F",
    "0X1f",
    "-0x1F",
    "-010",
    "+0x10",
    "0b11",
    "00",
    "-0",
    "0x",
    "0x1G",
    "0x7fffffff",
    "0xffffffff",
    "2147483647",
    "2147483648",
    "-2147483649",
    "9223372036854775807",
    "9223372036854775808",
    "100.0",
    "1.5",
    "1e3",
    ".5",
    "1_000",
    ".inf",
    "12:30",
    "2001-01-01",
    "true",
    "True",
    "TRUE",
    "tRUE",
    "yes",
    "Yes",
    "YES",
    "yEs",
    "no",
    "NO",
    "on",
    "Off",
    "y",
    "Y",
    "n",
    "~",
    "null",
    "Null",
    "nULL",
    "\"\"",
    "\"1\"",
    "'no'",
    "!!str 5",
    "!!str yes",
    "!!int \"5\"",
    "! 5",
    "!x 5",
    "!!null x",
    "!!str",
    "a b",
    "1 # c",
    "é",
];

fn document() -> String {
    let mut text = String::new();
    for (index, scalar) in SCALARS.iter().enumerate() {
        text.push_str(&format!("k{index}: {scalar}\n"));
    }
    text + "twice: 1\ntwice: 2\nbase: &b { p: 1 }\nmerged: { <<: *b, q: 3 }\nalias: *b\n\
            !ignore gone: 1\nliteral: |\n  5\nfolded: >\n  yes\n1: number\nyes: word\nempty:\n"
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the real Envoy makes of a document that is a `Struct` for it.
fn in_envoy(document: &str) -> Value {
    let envoy = std::env::var("ENVOY").expect("the path of an Envoy, as dev/test.sh sets it");
    let folder = tempfile::tempdir().unwrap();
    let (config, address) = (
        folder.path().join("envoy.yaml"),
        folder.path().join("address"),
    );
    let nested: String = document
        .lines()
        .map(|line| format!("          {line}\n"))
        .collect();
    let text = format!(
        "admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: 0 }} }} }}\n\
         static_resources:\n  clusters:\n  - name: c\n    metadata:\n      filter_metadata:\n\
         \x20       x:\n{nested}"
    );
    fs::write(&config, text).unwrap();
    let mut command = Command::new(envoy);
    command
        .arg("-c")
        .arg(&config)
        .arg("--admin-address-path")
        .arg(&address);
    command.args([
        "--use-dynamic-base-id",
        "--log-level",
        "off",
        "--concurrency",
        "1",
    ]);
    let _envoy = Ended(
        command
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let start = Instant::now();
    let address = loop {
        match fs::read_to_string(&address) {
            Ok(text) if !text.is_empty() => break text,
            _ if start.elapsed() > Duration::from_secs(60) => panic!("Envoy does not start"),
            _ => sleep(Duration::from_millis(20)),
        }
    };
    let mut stream = TcpStream::connect(address.trim()).unwrap();
    let request = b"GET /config_dump HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let dump = dump(&body(&answer));
    dump["static_resources"]["clusters"][0]["metadata"]["filter_metadata"]["x"].clone()
}

/// The body of an answer that comes in chunks.
fn body(answer: &str) -> String {
    let (head, mut rest) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    let mut body = String::new();
    while let Some((length, chunk)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        body.push_str(&chunk[..length]);
        rest = &chunk[(length + 2).min(chunk.len())..];
    }
    body
}

/// The bootstrap in a dump of all of the configuration.
fn dump(text: &str) -> Value {
    let all: Value = serde_json::from_str(text).unwrap();
    let configs = all["configs"].as_array().unwrap();
    let with = configs
        .iter()
        .find(|config| config.get("bootstrap").is_some());
    with.unwrap()["bootstrap"].clone()
}

#[test]
fn yaml_is_read_as_envoy_reads_it() {
    let text = document();
    let mut expected = in_envoy(&text);
    // The dump has floats for all numbers.
    for value in expected.as_object_mut().unwrap().values_mut() {
        if let Some(float) = value.as_f64() {
            *value = Value::from(float);
        }
    }
    let root = &tree::parse(&text).roots[0];
    let found = read(root, Reader::Envoy).value;
    for (name, expected) in expected.as_object().unwrap() {
        let found = match found[name].as_f64() {
            Some(float) => Value::from(float),
            None => found[name].clone(),
        };
        let scalar = name.strip_prefix('k').and_then(|index| index.parse().ok());
        let scalar = scalar.map(|index: usize| SCALARS[index]);
        if expected.is_object() {
            assert_eq!(found.to_string(), expected.to_string(), "{name}");
        } else {
            assert_eq!(found, *expected, "{name} {scalar:?}");
        }
    }
    let names = |value: &Value| value.as_object().unwrap().len();
    assert_eq!(names(&found), names(&expected));
}

#[test]
fn yaml_is_read_as_kubernetes_reads_it() {
    for (text, expected) in [
        ("yes", json!(true)),
        ("Off", json!(false)),
        ("1.5", json!(1.5)),
        ("9007199254740993", json!(9_007_199_254_740_993_u64)),
        ("0777", json!(511)),
        ("0o17", json!(15)),
        ("08", json!(8)),
        ("1_000", json!(1000)),
        ("~", json!(null)),
        ("!!str 5", json!("5")),
        ("'no'", json!("no")),
        ("2001-01-01", json!("2001-01-01")),
    ] {
        let found = read(&tree::parse(text).roots[0], Reader::Kubernetes).value;
        assert_eq!(found, expected, "{text}");
    }
    let merged = "base: &b { p: 1, q: 2 }\nmerged: { <<: *b, q: 3 }\n";
    let found = read(&tree::parse(merged).roots[0], Reader::Kubernetes).value;
    assert_eq!(found["merged"], json!({ "p": 1, "q": 3 }));
}
