"""The conformance kit: four bundles, one for each level, with the verdict that any implementation of the standard has to reach."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from joulemark.cards.evidence import Evidence
from joulemark.chain import Chain
from joulemark.readings import Boundary
from tests.kit.lab import Lab, write

EXPECTED: Final = {"invalid": "INVALID", "es0": "ES0", "es1": "ES1", "es2": "ES2"}
README: Final = """\
Conformance kit of Energy Standard v1

Four bundles of a simulated laboratory. An implementation of the standard that reads `<name>/` comes to the level in `expected.json`,
and for `invalid` and `es0` names at least the rules that stand there. All of them are simulated: es1 and es2 are signed by the key of the
kit, whose private half is published, so their level is printed with "(kit)" and no board takes them.
"""


def gpu_only(lab: Lab) -> Evidence:
    """What a cloud user without BMC and meter has: GPU sensors, and nothing that was aligned or signed."""
    evidence = lab.evidence()
    return replace(
        evidence, series=tuple(one for one in evidence.series if one.meter.boundary is Boundary.GPU), alignments=(), chain=Chain()
    )


def edited(folder: Path) -> None:
    """Make the first power of the BMC smaller by a hundred watts, and leave everything else as it is."""
    path = next((folder / "energy/readings").glob("redfish*power.csv"))
    head, first, *rest = path.read_text().split("\n")
    cells = first.split(",")
    cells[2] = str(int(cells[2]) - 100)
    path.write_text("\n".join([head, ",".join(cells), *rest]))


MADE: Final[dict[str, tuple[Callable[[int], Evidence], Callable[[Path], None] | None, tuple[str, ...]]]] = {
    "invalid": (lambda seed: Lab.of("ES1", seed=seed).evidence(), edited, ("INT-1",)),
    "es0": (lambda seed: gpu_only(Lab.of("ES1", seed=seed)), None, ("SCO-1", "CAL-1", "INT-7")),
    "es1": (lambda seed: Lab.of("ES1", seed=seed).evidence(), None, ()),
    "es2": (lambda seed: Lab.of("ES2", seed=seed).evidence(), None, ()),
}
"""Name of a bundle -> its evidence by seed, what is done to its files afterwards, and rules that have to be named."""


def written(folder: Path, *, seed: int) -> dict[str, Path]:
    """The four bundles below `folder`, with `expected.json` and a README beside them."""
    places = {}
    for name, (evidence, spoil, _) in MADE.items():
        places[name] = write(folder / name, evidence(seed))
        if spoil is not None:
            spoil(places[name])
    expected = {name: {"level": EXPECTED[name], "rules": list(rules)} for name, (_, _, rules) in MADE.items()}
    (folder / "expected.json").write_text(json.dumps({"edition": "1.0", "bundles": expected}, indent=1) + "\n")
    (folder / "README").write_text(README)
    return places
