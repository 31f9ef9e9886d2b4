//! Seeds and all that was ever found, run again: an ordinary test, without a fuzzer.

use std::collections::BTreeSet;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

use portvakt_fuzz::TARGETS;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn what_was_found_does_not_come_again() {
    let mut failed = Vec::new();
    for (name, target) in TARGETS {
        let seeds = files(&folder("corpus").join(name));
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for file in seeds.into_iter().chain(files(&folder("found").join(name))) {
            let input = fs::read(&file).unwrap();
            if panic::catch_unwind(|| target(&input)).is_err() {
                failed.push(file);
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Seeds that are refused, which is what they are for: the oracle ends with why.
const LEFT_EARLY: &[&str] = &[
    "configuration/secret-as-it-is",
    "configuration/secret-before-a-mistake",
    "configuration/secret-for-a-name-twice-before-a-mistake",
    "configuration/secret-under-no-key",
    "configuration/secrets-elsewhere",
    "configuration/several-mistakes",
    "configuration/twice",
];

/// An oracle that no seed comes to the end of would find nothing, and nobody would see it.
#[test]
fn seeds_come_to_the_end_of_the_oracle() {
    let mut left = BTreeSet::new();
    for (name, target) in TARGETS {
        for file in files(&folder("corpus").join(name)) {
            if !target(&fs::read(&file).unwrap()) {
                left.insert(format!("{name}/{}", file.file_name().unwrap().display()));
            }
        }
    }
    let expected = LEFT_EARLY.iter().map(|seed| (*seed).to_owned());
    assert_eq!(left, expected.collect());
}

#[test]
fn each_target_has_a_fuzzer_and_each_folder_a_target() {
    let names = |folder: &Path| -> BTreeSet<String> {
        let stem = |file: PathBuf| file.file_stem().unwrap().to_str().unwrap().to_owned();
        files(folder).into_iter().map(stem).collect()
    };
    let expected: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder("fuzz_targets")), expected);
    for kept in ["corpus", "found", "dict"] {
        assert!(names(&folder(kept)).is_subset(&expected), "{kept}");
    }
}

/// What is fuzzed are the versions that are built into the filter.
#[test]
fn libraries_are_those_of_the_filter() {
    let versions = |file: &str| -> BTreeSet<(String, String)> {
        let text = fs::read_to_string(folder(file)).unwrap();
        let value = |line: Option<&str>, key: &str| {
            let line = line
                .and_then(|line| line.strip_prefix(key))
                .unwrap_or_default();
            line.trim_matches('"').to_owned()
        };
        let packages = text.split("[[package]]\n").skip(1);
        let packages = packages.map(|package| {
            let mut lines = package.lines();
            (
                value(lines.next(), "name = "),
                value(lines.next(), "version = "),
            )
        });
        packages.collect()
    };
    let (ours, filter) = (versions("Cargo.lock"), versions("../Cargo.lock"));
    let is_known = |name: &str| filter.iter().any(|(known, _)| known == name);
    let others: Vec<_> = ours
        .difference(&filter)
        .filter(|(name, _)| is_known(name))
        .collect();
    assert!(
        others.is_empty(),
        "{others:?}: cp Cargo.lock fuzz/Cargo.lock, and build"
    );
}
