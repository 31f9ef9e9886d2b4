"""Writes an OCI image layout with one manifest of one layer, the same bytes every time.

Istio and Envoy Gateway take the module from the last layer (tar and gzip) that holds a file named
`plugin.wasm`, and want one manifest, no index of several platforms: nothing more is made here.
OCI image specification 1.1.
"""

import argparse
import gzip
import hashlib
import io
import json
import tarfile
from datetime import datetime, timezone
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def encode(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def layer(files):
    """A tar of `files`, pairs of name and content, in their order: nobody's, of no time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def compress(content):
    """gzip without a name or a time; `gzip.compress` writes other bytes in other Pythons."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as file:
        file.write(content)
    return buffer.getvalue()


def annotations(version, revision, created, source=None):
    """The names that the OCI image specification predefines; `created` in seconds since 1970."""
    prefix = "org.opencontainers.image."
    values = {
        "title": "portvakt",
        "version": version,
        "revision": revision,
        "created": datetime.fromtimestamp(created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "licenses": "Apache-2.0",
        "source": source,
    }
    return {prefix + key: value for key, value in values.items() if value}


def write(folder, files, notes):
    """Writes the layout to `folder`, which must be empty or absent; gives the manifest's digest."""
    folder = Path(folder)
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(media_type, content):
        (blobs / hashlib.sha256(content).hexdigest()).write_bytes(content)
        return {"mediaType": media_type, "digest": digest(content), "size": len(content)}

    tar = layer(files)
    config = {
        # Readers of modules look at no platform; this is what other tools take if nobody says.
        "architecture": "amd64",
        "os": "linux",
        "created": notes["org.opencontainers.image.created"],
        "config": {"Labels": notes},
        "rootfs": {"type": "layers", "diff_ids": [digest(tar)]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blob(CONFIG, encode(config)),
        "layers": [blob(LAYER, compress(tar))],
        "annotations": notes,
    }
    described = blob(MANIFEST, encode(manifest))
    described["annotations"] = {
        "org.opencontainers.image.ref.name": notes["org.opencontainers.image.version"]
    }
    (folder / "index.json").write_bytes(encode({"schemaVersion": 2, "manifests": [described]}))
    (folder / "oci-layout").write_bytes(encode({"imageLayoutVersion": "1.0.0"}))
    return described["digest"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="where to write the layout")
    parser.add_argument("files", nargs="+", type=Path, help="what the layer holds, without their folders")
    parser.add_argument("--version", required=True)
    parser.add_argument("--revision", required=True)
    parser.add_argument("--created", required=True, type=int, help="seconds since 1970")
    parser.add_argument("--source", help="URL of the source")
    given = parser.parse_args()
    files = [(file.name, file.read_bytes()) for file in given.files]
    notes = annotations(given.version, given.revision, given.created, given.source)
    print(write(given.folder, files, notes))


if __name__ == "__main__":
    main()
