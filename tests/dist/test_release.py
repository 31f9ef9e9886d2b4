"""`make release` in scratch repositories: what it refuses, and what it tags."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import ROOT, run

CHANGELOG = "# Changelog\n\n## Unreleased\n\n## 1.2.3 - 2026-01-31\n\n### Added\n- All of it.\n\n## 1.2.2 - 2026-01-01\n- Old.\n"
FILES = {
    "CHANGELOG.md": CHANGELOG,
    "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\n\n[package]\nname = "a"\nversion = "1.2.3"\nedition = "2024"\n\n[dependencies]\nx = { version = "9.9.9" }\n',
    "Cargo.lock": '[[package]]\nname = "a"\nversion = "1.2.3"\n\n[[package]]\nname = "b"\nversion = "1.2.3"\n\n[[package]]\nname = "x"\nversion = "9.9.9"\nsource = "registry"\n',
    "crates/b/Cargo.toml": '[package]\nname = "b"\nversion = "1.2.3"\n',
    "crates/dev/Cargo.toml": '[package]\nname = "dev"\nversion = "0.0.0"\n',
}
# What is asked for, what is different in the repository, and what is said to it.
REFUSED = [
    ("", {}, "say which version, as in: make release VERSION=1.2.3"),
    ("v1.2.3", {}, "say which version, as in: make release VERSION=1.2.3"),
    ("1.2", {}, "say which version, as in: make release VERSION=1.2.3"),
    ("1.2.3; true", {}, "say which version, as in: make release VERSION=1.2.3"),
    ("9.9.9", {}, "CHANGELOG.md has no section '## 9.9.9 - YYYY-MM-DD'"),
    (
        "1.2.3",
        {"CHANGELOG.md": CHANGELOG.replace(" - 2026-01-31", "")},
        "CHANGELOG.md has no section '## 1.2.3 - YYYY-MM-DD'",
    ),
    (
        "1.2.3",
        {"CHANGELOG.md": CHANGELOG.replace("2026-01-31", "soon")},
        "CHANGELOG.md has no section '## 1.2.3 - YYYY-MM-DD'",
    ),
    (
        "1.2.3",
        {"CHANGELOG.md": CHANGELOG.replace("- All of it.\n", "")},
        "CHANGELOG.md says nothing about 1.2.3",
    ),
    (
        "1.2.3",
        {"CHANGELOG.md": CHANGELOG.replace("## Unreleased\n", "## Unreleased\n- More.\n")},
        "CHANGELOG.md still has lines under Unreleased",
    ),
    (
        "1.2.3",
        {"crates/b/Cargo.toml": FILES["crates/b/Cargo.toml"].replace("1.2.3", "1.2.2")},
        "crates/b/Cargo.toml has another version: 1.2.2",
    ),
    (
        "1.2.3",
        {"Cargo.lock": FILES["Cargo.lock"].replace('"b"\nversion = "1.2.3"', '"b"\nversion = "1.2.2"')},
        "Cargo.lock has another version: 1.2.2",
    ),
]
WHO = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Test"), ("EMAIL", "test@example.com"))
}


class Release(unittest.TestCase):
    def repository(self, changed=None):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        for name, content in (FILES | (changed or {})).items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(content)
        (self.folder / "dev").mkdir()
        for script in ("lib.sh", "release.sh"):
            shutil.copy(ROOT / "dev" / script, self.folder / "dev")
        shutil.copy(ROOT / "Makefile", self.folder)
        self.git("init", "--quiet")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "All of it")

    def git(self, *arguments):
        return run("git", *arguments, cwd=self.folder, env=os.environ | WHO)

    def release(self, version):
        """What was said on standard error by `make`, which adds a line of its own to a failure."""
        done = subprocess.run(
            ["make", "release", f"VERSION={version}"], cwd=self.folder, env=os.environ | WHO,
            text=True, capture_output=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
        return done.returncode == 0, said

    def refused(self, version, why):
        tags = self.git("tag")
        self.assertEqual(self.release(version), (False, [f"portvakt: {why}"]))
        self.assertEqual(self.git("tag"), tags)

    def test_what_is_refused(self):
        for version, changed, why in REFUSED:
            with self.subTest(version, why=why):
                self.repository(changed)
                self.refused(version, why)

    def test_what_is_not_committed_is_not_released(self):
        self.repository()
        (self.folder / "more").touch()
        self.refused("1.2.3", "there are changes that are not committed")

    def test_a_release_is_an_annotated_tag_with_the_changelog_and_is_made_once(self):
        self.repository()
        released, said = self.release("1.2.3")
        self.assertTrue(released, said)
        self.assertEqual(self.git("cat-file", "-t", "v1.2.3"), "tag\n")
        self.assertEqual(self.git("rev-parse", "v1.2.3^{}"), self.git("rev-parse", "HEAD"))
        notes = self.git("tag", "--list", "--format=%(contents)", "v1.2.3")
        self.assertEqual(notes.strip(), "Portvakt 1.2.3\n\n### Added\n- All of it.")
        self.refused("1.2.3", "the tag v1.2.3 is there already")


if __name__ == "__main__":
    unittest.main()
