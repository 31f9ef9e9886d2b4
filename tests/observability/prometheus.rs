//! A real Prometheus on a free port, with its data in a temporary folder.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use reqwest::Url;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::get;
use crate::gateway::until;

/// A running Prometheus. Dropping it ends it.
pub struct Prometheus {
    address: SocketAddr,
    process: Child,
    folder: TempDir,
}

/// A value and its labels.
pub struct Sample {
    pub labels: Value,
    pub value: f64,
}

impl Prometheus {
    /// Scrapes these admin addresses and evaluates deploy/prometheus/rules.yaml, both every second.
    pub async fn start(gateways: &[SocketAddr]) -> Self {
        let folder = TempDir::new().unwrap();
        let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/rules.yaml");
        let targets: Vec<_> = gateways.iter().map(SocketAddr::to_string).collect();
        // JSON is YAML.
        let config = json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": [rules],
            "scrape_configs": [{
                "job_name": "gateway",
                "metrics_path": "/stats/prometheus",
                "static_configs": [{ "targets": targets }],
            }],
        });
        let config_file = folder.path().join("prometheus.yml");
        fs::write(&config_file, config.to_string()).unwrap();
        let address = free_address();
        let log = File::create(folder.path().join("log")).unwrap();
        let process = Command::new(binary("prometheus"))
            .arg(format!("--config.file={}", config_file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("cannot start Prometheus");
        let mut prometheus = Self {
            address,
            process,
            folder,
        };
        prometheus.wait_until_it_scrapes(gateways.len()).await;
        prometheus
    }

    async fn wait_until_it_scrapes(&mut self, gateways: usize) {
        until("Prometheus is ready", async || {
            assert!(self.process.try_wait().unwrap().is_none(), "it has ended");
            let there = tokio::net::TcpStream::connect(self.address).await.is_ok();
            there && get(self.address, "/-/ready", &[]).await.status == 200
        })
        .await;
        until("it has scraped every gateway", async || {
            self.query("up == 1").await.len() == gateways
        })
        .await;
    }

    /// What a query comes to now.
    pub async fn query(&self, query: &str) -> Vec<Sample> {
        let base = format!("http://{}/api/v1/query", self.address);
        let url = Url::parse_with_params(&base, [("query", query)]).unwrap();
        let path = format!("{}?{}", url.path(), url.query().unwrap());
        let answer = get(self.address, &path, &[]).await.json();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let samples = answer["data"]["result"].as_array().unwrap().iter();
        let samples = samples.map(|sample| Sample {
            labels: sample["metric"].clone(),
            value: sample["value"][1].as_str().unwrap().parse().unwrap(),
        });
        samples.collect()
    }

    /// Whether a query comes to something that is more than nothing.
    pub async fn finds(&self, query: &str) -> bool {
        self.query(query)
            .await
            .iter()
            .any(|found| found.value > 0.0)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log"));
            eprintln!("Prometheus's log:\n{}", log.unwrap_or_default());
        }
    }
}

/// Prometheus does not say which port it was given, so it is told one that was free just now.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn binary(name: &str) -> PathBuf {
    let folder = std::env::var_os("PROMETHEUS");
    let folder = folder.expect("PROMETHEUS is not set: run `make test-observability`");
    PathBuf::from(folder).join(name)
}
