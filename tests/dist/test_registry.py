"""The image goes through a real registry, and the module out of it runs in a real Envoy."""

import http.client
import io
import json
import os
import tarfile
import tempfile
import unittest
from pathlib import Path

from support import DIST, OCI, free_port, run, running, wait_for

CONFIG = """\
version: 0.1
storage: {{ filesystem: {{ rootdirectory: {storage} }} }}
http: {{ addr: "127.0.0.1:{port}" }}
"""
# Some of those in tests/envoy: what passes, what is refused.
ENVOY_TESTS = ["answers::what_passes", "answers::refusals_by_a_configuration_in_json"]


def answers(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def plugin(layout):
    """The module as Istio and Envoy Gateway find it: in the last layer of the only manifest."""

    def blob(described):
        return (layout / "blobs/sha256" / described["digest"].removeprefix("sha256:")).read_bytes()

    (described,) = json.loads((layout / "index.json").read_text())["manifests"]
    last = json.loads(blob(described))["layers"][-1]
    with tarfile.open(fileobj=io.BytesIO(blob(last)), mode="r:gz") as layer:
        return layer.extractfile("plugin.wasm").read()


class Registry(unittest.TestCase):
    def test_out_of_a_registry_it_is_the_same_and_runs(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            port = free_port()
            (folder / "config.yml").write_text(CONFIG.format(storage=folder / "storage", port=port))
            log = folder / "log"
            reference = f"docker://127.0.0.1:{port}/portvakt:test"
            with running("docker-registry", "serve", folder / "config.yml", log=log) as registry:
                wait_for(lambda: answers(port), registry, log)
                # As it is, or not at all: skopeo may convert manifests.
                run("skopeo", "copy", "--preserve-digests", "--dest-tls-verify=false", f"oci:{OCI}", reference)
                found = run("skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", reference)
                run("skopeo", "copy", "--src-tls-verify=false", reference, f"oci:{folder}/pulled:test")

            self.assertEqual(found.strip(), (DIST / "image.digest").read_text().strip())
            (pulled,) = json.loads((folder / "pulled/index.json").read_text())["manifests"]
            self.assertEqual(pulled["digest"], found.strip())

            module = folder / "plugin.wasm"
            module.write_bytes(plugin(folder / "pulled"))
            self.assertEqual(module.read_bytes(), (DIST / "portvakt.wasm").read_bytes())
            output = run(
                "cargo", "test", "--locked", "--test", "envoy", "--", *ENVOY_TESTS,
                env=os.environ | {"PORTVAKT_WASM": str(module)},
            )  # fmt: skip
            self.assertRegex(output, r"test result: ok\. [1-9]\d* passed")


if __name__ == "__main__":
    unittest.main()
