//! Where and with what it was measured.

use std::fs;
use std::process::Command;

/// What stands above a table.
pub struct Machine {
    pub date: String,
    pub cpu: String,
    pub kernel: String,
    pub envoy: String,
    pub rustc: String,
    /// In bytes.
    pub module: u64,
    /// How many processes ran or wanted to, in the minute before.
    pub load: String,
}

impl Machine {
    /// To be called before anything is measured: the load is that of others.
    pub fn look() -> Self {
        let envoy = std::env::var("ENVOY").unwrap();
        let module = std::env::var("PORTVAKT_WASM").unwrap();
        Self {
            date: said("date", &["-u", "+%F"]),
            cpu: cpu(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap()
                .trim()
                .to_owned(),
            envoy: envoy_version(&said(&envoy, &["--version"])),
            rustc: said("rustc", &["--version"]),
            module: fs::metadata(module).unwrap().len(),
            load: load(),
        }
    }

    /// A paragraph.
    pub fn describe(&self, command: &str) -> String {
        let Self {
            date,
            cpu,
            kernel,
            envoy,
            rustc,
            module,
            load,
        } = self;
        format!(
            "Measured on {date} with `{command}`: {cpu}; Linux {kernel}; Envoy {envoy}; {rustc}; \
             the module has {} kB. The machine's load before: {load}.",
            module / 1000
        )
    }
}

fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap();
    let line = info.lines().find(|line| line.starts_with("model name"));
    let model = line.and_then(|line| line.split_once(": "));
    let model = model.map_or("a processor without a name", |(_, model)| model);
    // This process may use only some of them.
    let cores = info.lines().filter(|line| line.starts_with("processor"));
    let cores = cores.count();
    format!("{model}, {cores} cores")
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap();
    text.split(' ').next().unwrap().to_owned()
}

/// `PROGRAM  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`.
fn envoy_version(line: &str) -> String {
    let version = line.split_once("version: ");
    let version = version.and_then(|(_, build)| build.split('/').nth(1));
    version.unwrap_or(line).to_owned()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
