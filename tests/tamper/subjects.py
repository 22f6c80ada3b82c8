"""What is tampered with: the four layouts of OpenAIPerf bundles, as folders and archives, each with a card attached by the product.

The power is drawn at random, and its energy reckoned here by a few lines of their own.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from joulemark.pki import seal
from tests.interop import openaiperf_bundles as made
from tests.kit.lab import Lab, write

SHAPES: Final = {"four_cards_one_log": "folder", "site_seed": "zip", "docs": "tgz", "ob_tools": "folder"}
"""Layout -> how it is packed."""

WINDOWS_S: Final = {"site_seed": (47.0, 56.0), "docs": (47.0, 56.0), "ob_tools": (47.25, 56.5)}
"""Seconds of 10:29 at which each layout says that it was measured; the oldest one says nothing, and has a run of the collector."""

ASIDE: Final = {"system.orig.log": "system.log", "energy_summary.orig.json": "energy_summary.json"}


class Wrong(Exception):
    """The product did something else than it has to, before anybody tampered."""


@dataclass(frozen=True)
class Subject:
    """An attached bundle. `trust`: the list with the key that signed it."""

    name: str
    place: Path
    trust: Path


def joulemark(*args: object) -> tuple[int, dict[str, Any]]:
    """(exit status, the JSON that was printed) of `joulemark attach`."""
    command = [sys.executable, "-m", "joulemark", "attach", *map(str, args), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise Wrong(f"{' '.join(map(str, args))}: {done.stderr}")
    return done.returncode, json.loads(done.stdout)


def subjects(work: Path, draw: random.Random) -> list[Subject]:
    """Every layout, attached and signed, proved to hold and to be the same when attached again. Raises Wrong."""
    key = seal.new_key()
    seal.write_key(work / "key.pem", key)
    trust = work / "trust.toml"
    trust.write_text(f'[[key]]\npublic_key = "{seal.public_text(key)}"\nrole = "submitter"\n')
    run = write(work / "run", Lab.of("ES1", seed=draw.randrange(1000)).evidence())
    found = []
    for name, shape in SHAPES.items():
        power = recorded(work / f"{name}.csv", draw)
        own = made.DIALECTS[name]()
        place = made.bundle(work / name, own, shape=shape)
        source = ["--run", run] if name not in WINDOWS_S else ["--power", work / f"{name}.csv"]
        options = [place, *source, "--sign", work / "key.pem", "--site-compat"]
        status, told = joulemark(*options)
        expect(status == 0, f"{name}: attach ended with {status}")
        first = digest(place)
        joulemark(*options)
        expect(digest(place) == first, f"{name}: attached twice is not attached once")
        status, proof = joulemark("--verify", place, "--trust", trust)
        expect(status == 0 and proof["holds"] is True, f"{name}: a fresh attachment does not hold: {proof['faults']}")
        folder = opened(place, work / f"{name}-opened")
        expect(originals(folder) == {path: text.encode() for path, text in own.items()}, f"{name}: an original was changed")
        if name in WINDOWS_S:
            reckoned(name, told, folder, power)
        found.append(Subject(name, place, trust))
    return found


def recorded(path: Path, draw: random.Random) -> list[tuple[float, float]]:
    """A power log of two readings a second, at random; (second of 10:29, watts) of each."""
    rows = [(30 + place / 2, float(draw.randrange(1000, 3000))) for place in range(60)]
    lines = (f"2026-11-21T10:29:{int(at):02d}.{500 * (place % 2):03d}Z,{watts}" for place, (at, watts) in enumerate(rows))
    path.write_text("timestamp,power_w\n" + "\n".join(lines) + "\n")
    return rows


def reckoned(name: str, told: Mapping[str, Any], folder: Path, power: list[tuple[float, float]]) -> None:
    """Hold the energy, and the mean that the site would show, against the true ones. Raises Wrong."""
    begin, end = WINDOWS_S[name]

    def watts(at: float) -> float:
        (t0, p0), (t1, p1) = next(pair for pair in itertools.pairwise(power) if pair[0][0] <= at <= pair[1][0])
        return p0 + (p1 - p0) * (at - t0) / (t1 - t0)

    steps = [begin, *(at for at, _ in power if begin < at < end), end]
    joules = sum((watts(a) + watts(b)) / 2 * (b - a) for a, b in itertools.pairwise(steps))
    expect(abs(told["energy_j"] / joules - 1) < 1e-9, f"{name}: {told['energy_j']} J, the truth is {joules} J")
    if "system.log" in told["kept_as"]:
        lines = [json.loads(line)["power_watts"] for line in (folder / "system.log").read_text().splitlines()]
        mean_w = sum(lines) / len(lines)
        expect(abs(mean_w / (joules / (end - begin)) - 1) < 1e-9, f"{name}: the site would show {mean_w} W")


def originals(folder: Path) -> dict[str, bytes]:
    """The benchmark's own files by the name they had."""
    manifest = json.loads((folder / "energy/manifest.json").read_text())
    ours = {entry["path"] for name in ("files", "site") for entry in manifest[name]} | {"energy/manifest.json", "energy/signature.json"}
    names = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {ASIDE.get(name, name): path.read_bytes() for name, path in names.items() if name not in ours}


def expect(holds: bool, otherwise: str) -> None:
    """Raise Wrong with `otherwise` unless it holds."""
    if not holds:
        raise Wrong(otherwise)


def digest(place: Path) -> str:
    """A hash of all names and bytes of a folder, or of the bytes of an archive."""
    if place.is_file():
        return hashlib.sha256(place.read_bytes()).hexdigest()
    names = sorted(path for path in place.rglob("*") if path.is_file())
    return hashlib.sha256(repr([(str(path), path.read_bytes()) for path in names]).encode()).hexdigest()


def opened(place: Path, into: Path) -> Path:
    """A copy of the bundle as a folder below `into`."""
    into.mkdir()
    if place.is_dir():
        shutil.copytree(place, into / "bundle")
    elif place.suffix == ".zip":
        with zipfile.ZipFile(place) as archive:
            archive.extractall(into)
    else:
        with tarfile.open(place) as tar:
            tar.extractall(into, filter="data")
    return into / "bundle"


def closed(folder: Path, shape: str) -> Path:
    """The folder packed again as it was; where it lies."""
    if shape == "folder":
        return folder
    packed = folder.parent / f"bundle.{shape}"
    names = sorted(path for path in folder.rglob("*") if path.is_file())
    if shape == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            for path in names:
                archive.write(path, path.relative_to(folder.parent).as_posix())
    else:
        with tarfile.open(packed, "w:gz") as tar:
            for path in names:
                tar.add(path, path.relative_to(folder.parent).as_posix())
    return packed
