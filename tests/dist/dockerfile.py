"""The Dockerfile, as stages."""

import json

from dockerfile_parse import DockerfileParser

from support import ROOT


def stages():
    """By name: the stage's instructions, pairs of name and value."""
    found = {}
    for line in DockerfileParser(str(ROOT / "Dockerfile")).structure:
        name, value = line["instruction"], line["value"]
        if name == "FROM":
            *_, stage = value.split()
            found[stage] = []
        if name != "COMMENT":
            found[stage].append((name, value))
    return found


def defaults(stage):
    return dict(value.split("=", 1) for name, value in stage if name == "ARG")


def copies(stage):
    """What is copied into it: pairs of path where it was built, or in this repository, and target."""
    for name, value in stage:
        if name == "COPY":
            *_, source, target = value.split()
            for argument, default in defaults(stage).items():
                source = source.replace("${%s}" % argument, default)
            yield source.removeprefix("/portvakt/"), target


def command(stage):
    given = dict(stage)
    return json.loads(given["ENTRYPOINT"]) + json.loads(given["CMD"])
