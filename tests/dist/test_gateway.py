"""The gateway image's files, laid out as the Dockerfile lays them out, run as it says they are run.

Envoy's own image can't be had without a container engine: its place is taken by the Envoy of the
other tests and this machine's C library. The rest is as in a pod of Nais: user 1069 without any
capability, a root file system that can't be written to but for /tmp, Texas on 127.0.0.1:7164.

To be started in a mount and a network namespace of its own (dev/test-dist.sh does).
"""

import fcntl
import http.client
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from dockerfile import command, copies, stages
from support import ROOT, envoy, run, running, wait_for

USER = 1069
TEXAS = "127.0.0.1:7164"
READ, WRITE = "nav:helse/sykepenger/afp.read", "nav:helse/sykepenger/afp.write"
# Method, path, scope of the token or none, status.
CASES = [
    ("GET", "/internal/health", None, 200),
    ("GET", "/api/sykepenger", None, 401),
    ("GET", "/api/sykepenger", READ, 200),
    ("POST", "/api/sykepenger", READ, 403),
    ("POST", "/api/sykepenger", WRITE, 200),
    ("GET", "/elsewhere", READ, 403),
]
# Where the user tries to make a file, and whether that goes.
WRITABLE = {"/": False, "/etc/envoy": False, "/opt/portvakt": False, "/usr/local/bin": False, "/tmp": True}


def request(port, method, path, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def token(scope):
    return request(7164, "GET", f"/token?scope={scope}")[1].strip()


def answers(port, path):
    try:
        return request(port, "GET", path)[0] == 200
    except OSError:
        return False


def api_address(config):
    """Host and port of the last cluster named `api`."""
    cluster = config[config.rindex("cluster_name: api") :]
    return re.search(r"socket_address: \{ address: ([\w.-]+), port_value: (\d+) \}", cluster).groups()


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        # SIOCSIFFLAGS with IFF_UP: a new network namespace has its loopback down.
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))


def lay_out(root, stage):
    """Writes to `root` what the image holds, and what a pod's runtime adds; gives the API's address."""
    program = command(stage)[0]
    (root / "tmp").mkdir(parents=True)
    for source, target in copies(stage):
        there = root / target.lstrip("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, there)
    # Envoy's own image, as far as it goes: the program and what it is linked to.
    libraries = re.findall(r"(/\S+) \(0x", run("ldd", envoy()))
    for here, target in [(envoy(), program), *((library, library) for library in libraries)]:
        there = root / target.lstrip("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(here, there)
        there.chmod(0o755)
    host, port = api_address((root / "etc/envoy/envoy.yaml").read_text())
    # The names of other Applications lead to the stand-in.
    named = "" if host[0].isdigit() else host
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost {named}\n")
    return f"127.0.0.1:{port}"


class Gateway(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        stage = stages()["gateway"]
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.root = root = Path(scratch.name) / "root"
        api = lay_out(root, stage)

        run("mount", "--make-rprivate", "/")
        run("mount", "--bind", root, root)
        cls.addClassCleanup(run, "umount", "--recursive", root)
        run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", root / "tmp")
        run("mount", "-o", "remount,bind,ro", root)
        loopback_up()

        def start(*what, port, path, **options):
            log = Path(scratch.name) / f"{port}.log"
            context = running(*what, log=log, **options)
            process = context.__enter__()
            cls.addClassCleanup(context.__exit__, None, None, None)
            wait_for(lambda: answers(port, path), process, log)
            return process

        start(ROOT / "target/debug/dev-idp", "--idp", TEXAS, "--api", api, port=7164, path="/healthz")
        cls.user = dict(stage)["USER"]
        cls.port = int(dict(stage)["EXPOSE"])
        cls.envoy = start(
            "setpriv", "--no-new-privs", "chroot", f"--userspec={cls.user}", "--groups=", root,
            *command(stage), port=9901, path="/ready",
            env={"PATH": os.environ["PATH"], "NAIS_TOKEN_INTROSPECTION_ENDPOINT": f"http://{TEXAS}/api/v1/introspect"},
        )  # fmt: skip

    def test_it_guards_the_api(self):
        for method, path, scope, expected in CASES:
            with self.subTest(f"{method} {path}", scope=scope):
                headers = {}
                if scope:
                    headers["authorization"] = f"Bearer {token(scope)}"
                self.assertEqual(request(self.port, method, path, headers)[0], expected)

    def test_it_runs_as_the_user_without_any_right(self):
        status = Path(f"/proc/{self.envoy.pid}/status").read_text()
        for line in [
            "Uid:" + f"\t{USER}" * 4,
            "Gid:" + f"\t{USER}" * 4,
            "CapEff:\t" + "0" * 16,
            "CapPrm:\t" + "0" * 16,
            "NoNewPrivs:\t1",
        ]:
            with self.subTest(line):
                self.assertIn(line + "\n", status)
        self.assertEqual(Path(f"/proc/{self.envoy.pid}/root").readlink(), self.root)

    def test_it_can_write_to_tmp_alone(self):
        script = "import os, sys; os.chroot(sys.argv[1]); os.setgroups([]); os.setgid(%d); os.setuid(%d); open(sys.argv[2], 'x')"
        for folder, writable in WRITABLE.items():
            with self.subTest(folder):
                done = subprocess.run(
                    [sys.executable, "-c", script % (USER, USER), self.root, f"{folder}/probe"],
                    capture_output=True, text=True,
                )  # fmt: skip
                self.assertEqual(done.returncode == 0, writable, done.stderr)
                if not writable:
                    self.assertIn("Read-only file system", done.stderr)


if __name__ == "__main__":
    unittest.main()
