"""The Dockerfile, as far as that goes without a container engine: nothing here builds it."""

import re
import sys
import unittest
from pathlib import Path

from dockerfile import copies, stages
from support import ROOT, run


class Dockerfile(unittest.TestCase):
    def setUp(self):
        self.stages = stages()

    def test_the_linter_has_nothing_to_say(self):
        self.assertEqual(run(Path(sys.prefix) / "bin/hadolint", "Dockerfile"), "")

    def test_the_last_target_is_one_layer_with_the_module_in_it(self):
        self.assertEqual(list(self.stages), ["build", "gateway", "plugin"])
        image = "COPY", "--from=build /portvakt/target/image/ /"
        self.assertEqual(self.stages["plugin"], [("FROM", "scratch AS plugin"), image])
        files = {file.name for file in (ROOT / "target/image").iterdir()}
        self.assertEqual(files, {"plugin.wasm", "LICENSES.txt"})

    def test_base_images_have_a_version(self):
        for stage in ("build", "gateway"):
            with self.subTest(stage):
                self.assertRegex(self.stages[stage][0][1], r":[a-z-]*v?\d+\.\d+\.\d+")

    def test_the_compiler_is_new_enough_and_the_one_of_its_image(self):
        wanted = re.search(r'^rust-version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
        image = re.search(r"rust:([\d.]+)", self.stages["build"][0][1])[1]
        self.assertIn(("ENV", f"RUSTUP_TOOLCHAIN={image}"), self.stages["build"])
        self.assertGreaterEqual([int(n) for n in image.split(".")], [int(n) for n in wanted.split(".")])

    def test_what_is_copied_is_what_the_build_makes_or_is_here(self):
        self.assertEqual(self.stages["build"][-1][1].split()[-2:], ["make", "image"])
        for source, target in copies(self.stages["gateway"]):
            with self.subTest(target):
                self.assertTrue((ROOT / source).is_file(), f"{source} is not there")


if __name__ == "__main__":
    unittest.main()
