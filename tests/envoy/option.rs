//! `envoy.yaml` with what it leaves to its users.

const ENVOY_YAML: &str = include_str!("../../envoy.yaml");

/// `envoy.yaml` with an option taken up, as its head says.
pub fn with_option(name: &str) -> String {
    let mut inside = false;
    let mut blocks = 0;
    let lines = ENVOY_YAML.lines().map(|line| {
        let mark = line.trim_start();
        if mark == format!("# OPTION {name}") {
            inside = true;
            blocks += 1;
        } else if mark == format!("# END {name}") {
            inside = false;
        } else if inside {
            return line.replacen('#', "", 1) + "\n";
        }
        format!("{line}\n")
    });
    let text = lines.collect();
    assert!(blocks > 0 && !inside, "{name}");
    text
}
