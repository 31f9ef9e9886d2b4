"""Another clone, in another folder, of another user with another CARGO_HOME, gives the same bytes."""

import os
import shutil
import tarfile
import tempfile
import unittest
from pathlib import Path

from support import DIST, OCI, ROOT, run

# In the names of all that the other build is in; must be in nothing that it makes.
MARK = "somebody-else"


def files(folder):
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def clone(folder):
    """A clone of this repository, with what has been changed here since the last commit."""
    run("git", "clone", "--quiet", ROOT, folder)
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        here, there = ROOT / name, folder / name
        if here.is_file():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(here, there)
        else:
            there.unlink(missing_ok=True)


def cargo_home(folder):
    """A CARGO_HOME that spares the network what was downloaded already, but is unpacked anew."""
    mine = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    for part in ["registry/cache", "registry/index", "config.toml"]:
        if (mine / part).is_dir():
            shutil.copytree(mine / part, folder / part)
        elif (mine / part).exists():
            shutil.copy(mine / part, folder / part)


class Same(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix=MARK)
        cls.addClassCleanup(scratch.cleanup)
        other = Path(scratch.name) / "a folder" / MARK
        home = Path(scratch.name) / "home" / MARK
        home.mkdir(parents=True)
        clone(other)
        (home / "cargo").mkdir()
        cargo_home(home / "cargo")
        rustup = os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup"))
        run(
            "make", "dist", cwd=other,
            env=os.environ | {
                "HOME": str(home), "CARGO_HOME": str(home / "cargo"), "RUSTUP_HOME": rustup,
                "USER": MARK, "LOGNAME": MARK,
                # What a machine may have set, and artifacts must not depend on.
                "RUSTFLAGS": "-C target-cpu=native", "TZ": "Asia/Tokyo",
            },
        )  # fmt: skip
        cls.here = files(DIST) | files(OCI)
        cls.there = files(other / "target/dist") | files(other / "target/oci")

    def test_the_digests_are_the_same(self):
        self.assertEqual(self.here.keys(), self.there.keys())
        for name, content in self.here.items():
            with self.subTest(name):
                self.assertTrue(content == self.there[name], "differs")

    def test_no_artifact_says_where_or_by_whom_it_was_built(self):
        needles = {
            MARK,
            str(ROOT),
            f"{Path.home()}/",
            os.environ.get("CARGO_HOME", str(Path.home() / ".cargo")),
        }
        looked_at = dict(self.there | {"here/" + name: content for name, content in self.here.items()})
        for blob in OCI.glob("blobs/sha256/*"):
            if tarfile.is_tarfile(blob):
                with tarfile.open(blob) as layer:
                    looked_at |= {entry.name: layer.extractfile(entry).read() for entry in layer}
        self.assertIn("plugin.wasm", looked_at)
        for name, content in looked_at.items():
            for needle in needles:
                with self.subTest(name, needle=needle):
                    self.assertNotIn(needle.encode(), content)

    def test_the_module_is_not_the_one_that_traps(self):
        modules = [content for name, content in self.here.items() if name.endswith(".wasm")]
        self.assertTrue(modules)
        for module in modules:
            # tests/faults/traps.rs looks for it in the one that does.
            self.assertNotIn(b"x-portvakt-trap", module)


if __name__ == "__main__":
    unittest.main()
