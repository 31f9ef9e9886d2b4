"""What the tests of artifacts share."""

import contextlib
import os
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "target" / "dist"
OCI = ROOT / "target" / "oci"
PATIENCE = 30  # seconds for a condition to come true


def run(*command, **options):
    """Runs a command to its end; its output, or a failure that shows it."""
    options.setdefault("cwd", ROOT)
    done = subprocess.run(
        [str(part) for part in command], text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options,
    )  # fmt: skip
    if done.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(*command, log, **options):
    """A process that is ended with the block, its output in the file `log`."""
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, **options,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(condition, process, log):
    """Until `condition` gives something true; fails if the process ends before that."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        if process.poll() is not None or time.monotonic() > end:
            raise AssertionError(f"{process.args[0]} is not ready:\n{Path(log).read_text()[-4000:]}")
        time.sleep(0.05)
    return found


def envoy():
    """The Envoy itself, where the one on the path is the script of a Python package."""
    script = Path(os.environ["ENVOY"])
    inside = sorted(script.parent.parent.glob("lib/python*/site-packages/envoy/_bin/envoy"))
    return inside[0] if inside else script
