//! The guides and manifests lead nowhere in vain: policies, links, the tests that docs/security.md names, and the shell
//! blocks that are marked as runnable.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// All that git tracks with that ending.
fn tracked(ending: &str) -> Vec<PathBuf> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            ending,
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let names = String::from_utf8(output.stdout).unwrap();
    let files: Vec<_> = names.lines().map(|name| root().join(name)).collect();
    assert!(!files.is_empty(), "{ending}");
    files
}

/// Without its blocks of code, in which brackets are no links.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split(')').next())
        .map(str::to_owned)
        .collect()
}

/// What a heading is called in links, as GitHub does it.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn no_link_is_dead() {
    let mut checked = 0;
    for file in tracked("*.md") {
        let text = fs::read_to_string(&file).unwrap();
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, fragment) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => file.clone(),
                path => file.parent().unwrap().join(path),
            };
            assert!(target.exists(), "{}: {link}", file.display());
            if !fragment.is_empty() {
                let text = fs::read_to_string(&target).unwrap();
                let text = prose(&text);
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                let is_there = headings.any(|heading| anchor(heading) == fragment);
                assert!(is_there, "{}: {link}", file.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked}");
}

#[test]
fn the_tests_that_hold_attacks_exist() {
    let security = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let rows = security.lines().filter(|line| line.starts_with("| "));
    let mut checked = 0;
    for row in rows {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let parts: Vec<_> = cell.split('`').collect();
        for (before, name) in parts.chunks_exact(2).map(|pair| (pair[0], pair[1])) {
            let Some((module, test)) = name.rsplit_once("::") else {
                continue;
            };
            let before = before.trim_end();
            let folder = if before.ends_with("core") {
                "crates/core/tests/core"
            } else if before.ends_with("host") {
                "tests/host"
            } else {
                "tests/envoy"
            };
            let path = root()
                .join(folder)
                .join(module.replace("::", "/"))
                .with_extension("rs");
            let source = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{name}: {path:?}"));
            assert!(
                source.contains(&format!("fn {test}(")),
                "{name}: {}",
                path.display()
            );
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn every_policy_in_manifests_and_samples_is_sound() {
    let mut checked = 0;
    for file in tracked("*.yaml") {
        let text = fs::read_to_string(&file).unwrap();
        let is_a_users = ["deploy", "examples", "envoy.yaml"]
            .iter()
            .any(|place| file.starts_with(root().join(place)));
        if !is_a_users || !(text.contains("introspection:") || text.contains("\"introspection\":"))
        {
            continue;
        }
        let output = Command::new(env!("CARGO_BIN_EXE_portvakt"))
            .arg("check")
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}\n{said}", file.display());
        checked += 1;
    }
    assert!(checked >= 11, "{checked}");
}

/// A block that begins so is run, from the repository's root, with the built command line.
const RUNNABLE: &str = "```sh runnable\n";

#[test]
fn runnable_blocks_run() {
    let program = Path::new(env!("CARGO_BIN_EXE_portvakt"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let mut run = 0;
    for file in tracked("*.md") {
        let text = fs::read_to_string(&file).unwrap();
        for block in text.split(RUNNABLE).skip(1) {
            let block = block.split("```").next().unwrap();
            let output = Command::new("bash")
                .args(["-euo", "pipefail", "-c", block])
                .current_dir(root())
                .env("PATH", &path)
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{}: {block}\n{output:?}",
                file.display()
            );
            run += 1;
        }
    }
    assert!(run > 0);
}
