"""What is said to be linked in: the parts by themselves, and what came out for the artifacts."""

import hashlib
import importlib.metadata
import json
import re
import tempfile
import unittest
from pathlib import Path

from jsonschema import Draft7Validator
from referencing import Registry, Resource

import linked
from support import DIST, ROOT, run

TREE = """\
0 portvakt v0.1.0 (/somewhere)
1 log v0.4.35
1 core v0.1.0 (/somewhere/core)
2 http v1.5.0
3 bytes v1.12.2
2 log v0.4.35
1 http v1.5.0 (*)
"""
LOCK = """\
[[package]]
name = "portvakt"
version = "0.1.0"
dependencies = [
 "log",
]

[[package]]
name = "log"
version = "0.4.35"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "abc"
"""
# Crates by what they are for: in the module, in the command line, in neither.
EXPECTED = {
    "portvakt-core": (True, True),
    "serde_json": (True, True),
    "blake3": (True, True),
    "proxy-wasm": (True, False),
    "clap": (False, True),
    "rustix": (False, True),
    "rust-std": (True, True),
    # Run in the compiler, in a build script, in tests.
    "serde_derive": (False, False),
    "syn": (False, False),
    "prost-derive": (False, False),
    "cc": (False, False),
    "proptest": (False, False),
    "tokio": (False, False),
    "dev-idp": (False, False),
}
ARTIFACTS = ["portvakt.wasm", "portvakt"]


class Parts(unittest.TestCase):
    def test_a_tree_is_edges(self):
        core, http, log = ("core", "0.1.0"), ("http", "1.5.0"), ("log", "0.4.35")
        self.assertEqual(
            linked.tree(TREE),
            {
                ("bytes", "1.12.2"): [],
                core: [http, log],
                http: [("bytes", "1.12.2")],
                log: [],
                ("portvakt", "0.1.0"): [core, http, log],
            },
        )

    def test_checksums_are_of_archives(self):
        self.assertEqual(linked.checksums(LOCK), {("log", "0.4.35"): "abc"})

    def test_no_crate_goes_without_a_licence(self):
        with tempfile.TemporaryDirectory() as folder:
            manifest = Path(folder) / "Cargo.toml"
            crate = {"name": "x", "license": None, "manifest_path": str(manifest), "source": "registry"}
            with self.assertRaisesRegex(SystemExit, "x names no licence"):
                linked.expression(crate)
            with self.assertRaisesRegex(SystemExit, "x comes without the text"):
                linked.texts(crate)
            for name in ["LICENSE-MIT", "LICENCE.md", "COPYING", "NOTICE", "UNLICENSE", "license.txt"]:
                with self.subTest(name):
                    text = Path(folder) / name
                    text.write_text("free\n")
                    self.assertEqual(linked.texts(crate), [(name, "free")])
                    text.unlink()


class Artifacts(unittest.TestCase):
    def bill(self, artifact):
        return json.loads((DIST / f"{artifact}.cdx.json").read_text())

    def names(self, artifact):
        bill = self.bill(artifact)
        return {part["name"] for part in bill["components"]}

    def test_what_is_in_which(self):
        module, cli = (self.names(artifact) for artifact in ARTIFACTS)
        for name, expected in EXPECTED.items():
            with self.subTest(name):
                self.assertEqual((name in module, name in cli), expected)

    def test_each_crate_that_an_artifact_names_itself_is_in_its_bill(self):
        for artifact in ARTIFACTS:
            with self.subTest(artifact):
                content = (DIST / artifact).read_bytes()
                # Where it may panic, a crate's file is named.
                seen = set(re.findall(rb"/cargo/registry/src/[^/]+/([\w-]+-\d[\w.+-]*)/", content))
                self.assertGreater(len(seen), 5)
                known = {f"{part['name']}-{part['version']}" for part in self.bill(artifact)["components"]}
                self.assertLessEqual({name.decode() for name in seen}, known)

    def test_the_bill_is_of_this_file_and_valid(self):
        package = importlib.metadata.distribution("cyclonedx-python-lib")
        schemas = {
            name: json.loads(package.locate_file(f"cyclonedx/schema/_res/{name}").read_text())
            for name in (
                "bom-1.6.SNAPSHOT.schema.json", "spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json",
            )
        }  # fmt: skip
        registry = Registry().with_resources(
            (schema["$id"], Resource.from_contents(schema)) for schema in schemas.values()
        )
        validator = Draft7Validator(schemas["bom-1.6.SNAPSHOT.schema.json"], registry=registry)
        for artifact in ARTIFACTS:
            with self.subTest(artifact):
                bill = self.bill(artifact)
                self.assertEqual([error.message for error in validator.iter_errors(bill)], [])
                content = hashlib.sha256((DIST / artifact).read_bytes()).hexdigest()
                self.assertEqual(bill["metadata"]["component"]["hashes"][0]["content"], content)
                # A schema can't say that what is referred to is there.
                parts = {part["bom-ref"] for part in bill["components"]}
                parts.add(bill["metadata"]["component"]["bom-ref"])
                self.assertEqual({entry["ref"] for entry in bill["dependencies"]}, parts)
                for entry in bill["dependencies"]:
                    self.assertLessEqual(set(entry["dependsOn"]), parts)

    def test_each_crate_has_its_licence(self):
        for artifact in ARTIFACTS:
            text = (DIST / f"{artifact}.licenses.txt").read_text()
            listed, bodies = text.split("=" * 80, 1)
            for part in self.bill(artifact)["components"]:
                if part["name"] == "rust-std":
                    continue
                crate = f"{part['name']} {part['version']}"
                with self.subTest(f"{artifact}: {crate}"):
                    self.assertIn(f"{crate}: {part['licenses'][0]['expression']}\n", listed)
                    self.assertIn(f"{crate} (", bodies)

    def test_checksums(self):
        run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=DIST)
        summed = {line.split()[1] for line in (DIST / "SHA256SUMS").read_text().splitlines()}
        self.assertEqual(summed | {"SHA256SUMS"}, {file.name for file in DIST.iterdir()})

    def test_the_command_line_runs(self):
        version = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
        self.assertEqual(run(DIST / "portvakt", "--version"), f"portvakt {version}\n")


if __name__ == "__main__":
    unittest.main()
