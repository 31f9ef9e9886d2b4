"""The writer of images, by itself."""

import gzip
import hashlib
import io
import json
import tarfile
import tempfile
import unittest
from pathlib import Path

import oci

NOTES = oci.annotations("1.2.3", "c0ffee", 86400, "https://example.com/portvakt")
FILES = [("plugin.wasm", b"\0asm" * 1000), ("LICENSES.txt", b"free")]


def written(folder):
    oci.write(folder, FILES, NOTES)
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(Path(folder).rglob("*"))
        if file.is_file()
    }


class Image(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        self.files = written(self.folder / "image")
        index = json.loads(self.files["index.json"])
        self.assertEqual(len(index["manifests"]), 1)
        self.described = index["manifests"][0]
        self.manifest = json.loads(self.blob(self.described))

    def blob(self, described):
        content = self.files["blobs/sha256/" + described["digest"].removeprefix("sha256:")]
        self.assertEqual(len(content), described["size"])
        return content

    def test_every_blob_has_the_name_of_its_digest_and_is_needed(self):
        needed = [self.described, self.manifest["config"], *self.manifest["layers"]]
        blobs = {name: content for name, content in self.files.items() if name.startswith("blobs/")}
        self.assertEqual(len(blobs), len(needed))
        for name, content in blobs.items():
            self.assertEqual(name, "blobs/sha256/" + hashlib.sha256(content).hexdigest())

    def test_the_layer_holds_the_files_of_nobody_and_no_time(self):
        self.assertEqual([layer["mediaType"] for layer in self.manifest["layers"]], [oci.LAYER])
        packed = self.blob(self.manifest["layers"][0])
        # RFC 1952: no flags (no name), no time.
        self.assertEqual(packed[:8], b"\x1f\x8b\x08\0\0\0\0\0")
        tar = gzip.decompress(packed)
        config = json.loads(self.blob(self.manifest["config"]))
        self.assertEqual(config["rootfs"]["diff_ids"], [oci.digest(tar)])
        with tarfile.open(fileobj=io.BytesIO(tar)) as layer:
            entries = [
                (entry.name, layer.extractfile(entry).read(), entry.mtime, entry.uid, entry.gid,
                 entry.uname, entry.mode)
                for entry in layer
            ]  # fmt: skip
        self.assertEqual(entries, [(*file, 0, 0, 0, "", 0o644) for file in FILES])

    def test_annotations(self):
        for key, value in {
            "title": "portvakt",
            "version": "1.2.3",
            "revision": "c0ffee",
            "created": "1970-01-02T00:00:00Z",
            "source": "https://example.com/portvakt",
            "licenses": "Apache-2.0",
        }.items():
            with self.subTest(key):
                name = "org.opencontainers.image." + key
                self.assertEqual(self.manifest["annotations"][name], value)
        self.assertNotIn("org.opencontainers.image.source", oci.annotations("1", "2", 3))

    def test_the_same_again_is_the_same_bytes(self):
        self.assertEqual(written(self.folder / "again"), self.files)


if __name__ == "__main__":
    unittest.main()
