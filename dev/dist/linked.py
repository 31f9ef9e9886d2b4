"""Says what is linked into an artifact: an SBOM (CycloneDX 1.6) and the licences' texts.

What is linked in is what cargo builds for the artifact's target along `normal` dependencies, but
for procedural macros, which run in the compiler. Neither file names a folder of this machine.
"""

import argparse
import hashlib
import json
import re
import subprocess
import uuid
from datetime import datetime, timezone
from pathlib import Path

TEXTS = re.compile(r"(?i)^(licen[sc]e|copying|copyright|notice|unlicense)")


def cargo(*arguments):
    return subprocess.run(
        ["cargo", *arguments, "--locked"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def tree(text):
    """`cargo tree --prefix depth --format ' {p}'` as {(name, version): sorted list of the like}."""
    edges, path = {}, []
    for line in text.splitlines():
        depth, name, version = re.match(r"(\d+) (\S+) v(\S+)", line).groups()
        crate = (name, version)
        edges.setdefault(crate, set())
        del path[int(depth):]
        if path:
            edges[path[-1]].add(crate)
        path.append(crate)
    return {crate: sorted(needs) for crate, needs in sorted(edges.items())}


def linked(package, target):
    return tree(
        cargo(
            "tree", "--package", package, "--target", target, "--edges", "normal,no-proc-macro",
            "--prefix", "depth", "--format", " {p}",
        )
    )  # fmt: skip


def packages(target):
    """What cargo knows of each crate, by name and version."""
    known = json.loads(cargo("metadata", "--format-version", "1", "--filter-platform", target))
    return {(package["name"], package["version"]): package for package in known["packages"]}


def checksums(lock):
    """SHA-256 of each crate's archive, from the text of Cargo.lock."""
    found = re.findall(
        r'name = "(.+)"\nversion = "(.+)"\n(?:source = ".+"\n)?checksum = "(.+)"', lock
    )
    return {(name, version): checksum for name, version, checksum in found}


def expression(package):
    """Its licence as SPDX writes it; old crates have a slash for OR."""
    if not package["license"]:
        raise SystemExit(f"portvakt: {package['name']} names no licence")
    return package["license"].replace("/", " OR ")


def purl(crate):
    name, version = crate
    return f"pkg:cargo/{name}@{version.replace('+', '%2B')}"


def component(crate, package, checksum):
    found = {
        "type": "library",
        "bom-ref": purl(crate),
        "name": crate[0],
        "version": crate[1],
        "licenses": [{"expression": expression(package)}],
        "purl": purl(crate),
    }
    if package["description"]:
        found["description"] = package["description"].strip()
    if checksum:
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        found["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return found


def sbom(artifact, root, edges, known, sums, compiler, created):
    """The bill of materials of the file `artifact`, built from the crate `root`."""
    content = hashlib.sha256(artifact.read_bytes()).hexdigest()
    std = f"pkg:generic/rust-std@{compiler}"
    about = component(root, known[root], None)
    about |= {
        "type": "application",
        "name": artifact.name,
        "hashes": [{"alg": "SHA-256", "content": content}],
    }
    library = {
        "type": "library",
        "bom-ref": std,
        "name": "rust-std",
        "version": compiler,
        "description": "Rust's standard library, with the C library that it comes with",
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
        "purl": std,
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, content)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(created, timezone.utc).isoformat(),
            "component": about,
        },
        "components": [
            *(component(crate, known[crate], sums.get(crate)) for crate in edges if crate != root),
            library,
        ],
        "dependencies": [
            *(
                {
                    "ref": purl(crate),
                    "dependsOn": [purl(need) for need in needs] + [std] * (crate == root),
                }
                for crate, needs in edges.items()
            ),
            {"ref": std, "dependsOn": []},
        ],
    }


def texts(package):
    """Names and contents of the licences that come with a crate, or with this repository."""
    folder = Path(package["manifest_path"]).parent
    if package["source"] is None:
        folder = Path.cwd()
    found = sorted(file for file in folder.iterdir() if file.is_file() and TEXTS.match(file.name))
    if not found:
        raise SystemExit(f"portvakt: {package['name']} comes without the text of its licence")
    return [(file.name, file.read_text(errors="replace").strip()) for file in found]


def licenses(artifact, edges, known, compiler):
    """One text, in which a licence that several crates have word for word stands once."""
    crates, bodies = [], {}
    for name, version in edges:
        package = known[name, version]
        crates.append(f"{name} {version}: {expression(package)}")
        for file, body in texts(package):
            bodies.setdefault(body, []).append(f"{name} {version} ({file})")
    rule = "=" * 80
    sections = [f"{rule}\n" + "\n".join(users) + f"\n{rule}\n\n{body}\n" for body, users in bodies.items()]
    return "\n".join([
        f"What is linked into {artifact.name}, and under which licences. Where there is a choice (OR),",
        "it is yours. The licences' texts are below, as they came with each crate.",
        "",
        *crates,
        f"Rust's standard library {compiler}: MIT OR Apache-2.0. Its notices: the rust-std file that",
        "comes with this one, or https://github.com/rust-lang/rust/blob/master/COPYRIGHT.",
        *(
            [
                "wasi-libc, which that library holds for WebAssembly: Apache-2.0 WITH LLVM-exception OR",
                "Apache-2.0 OR MIT; parts are from musl (MIT). https://github.com/WebAssembly/wasi-libc",
            ]
            if artifact.suffix == ".wasm"
            else []
        ),
        "",
        *sections,
    ])  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artifact", type=Path, help="its two files are written beside it")
    parser.add_argument("--package", required=True, help="the crate that it is built from")
    parser.add_argument("--target", required=True)
    parser.add_argument("--compiler", required=True, help="the version of rustc")
    parser.add_argument("--created", required=True, type=int, help="seconds since 1970")
    given = parser.parse_args()

    edges = linked(given.package, given.target)
    known = packages(given.target)
    root = next(crate for crate in edges if crate[0] == given.package)
    sums = checksums(Path("Cargo.lock").read_text())
    bill = sbom(given.artifact, root, edges, known, sums, given.compiler, given.created)
    beside = given.artifact.parent / given.artifact.name
    Path(f"{beside}.cdx.json").write_text(json.dumps(bill, indent=2, ensure_ascii=False) + "\n")
    Path(f"{beside}.licenses.txt").write_text(licenses(given.artifact, edges, known, given.compiler))


if __name__ == "__main__":
    main()
