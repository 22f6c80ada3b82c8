"""Spoils: what may be wrong with a bundle, one change each, with the rule that has to see it."""

from __future__ import annotations

import copy
import functools
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from joulemark.cards import bundle
from joulemark.cards.evidence import Evidence
from joulemark.chain import Chain
from joulemark.standard import read
from joulemark.standard.case import Case
from joulemark.standard.trust import Trust
from joulemark.standard.verdict import GRADES, Verdict
from tests.kit.lab import Lab, sign, write

TRUST: Final = Trust.read()
SEED: Final = int(os.environ.get("SEED") or 1)
"""Of the good bundles: the rules must see the same faults in any laboratory."""
OF_FILES: Final = frozenset(
    {f"INT-{n}" for n in (1, 2, 3, 4, 6, 7, 9)}
    | {f"PRC-{n}" for n in (2, 3, 4, 5)}
    | {f"UNC-{n}" for n in (1, 2, 4, 5)}
    | {"SCO-1", "SCO-6"}
)
"""Rules that look at the files themselves, or at what the card claims."""


@dataclass(frozen=True)
class Spoil:
    """One fault. `rule` has to see it in each column of `grades`, on the good bundle of that level changed by `evidence` (before it
    is hashed and signed) or by `files` (on the written bundle), and to come to `verdict`.
    """

    rule: str
    name: str
    evidence: Callable[[Evidence], Evidence] | None = None
    files: Callable[[Path], None] | None = None
    card: Callable[[dict[str, Any]], object] | None = None
    grades: tuple[str, ...] = GRADES
    verdict: Verdict = Verdict.FAIL

    @property
    def id(self) -> str:
        """For people."""
        return f"{self.rule}-{self.name}".replace(" ", "_")


@functools.cache
def good(level: str) -> Evidence:
    """The evidence that satisfies every rule of a level."""
    return Lab.of(level, seed=SEED).evidence()


@functools.cache
def good_case(level: str) -> Case:
    """The same as a case, without files."""
    return case_of(good(level))


@functools.cache
def good_files(level: str) -> dict[str, bytes]:
    """The files of the good bundle of a level, signed."""
    return bundle.build(good(level), sign=sign)


def written(folder: Path, level: str) -> Path:
    """The good bundle of a level in `folder`."""
    for path, data in good_files(level).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def case_of(evidence: Evidence) -> Case:
    """A case straight from evidence, as if it had been written, signed and read back."""
    files = bundle.build(evidence, sign=sign)
    documents = {path: json.loads(data) for path, data in files.items() if path.endswith(".json")}
    chain = Chain.from_json(documents["energy/chain.json"]) if "energy/chain.json" in documents else evidence.chain
    card, manifest = documents["energy/card.json"], documents["energy/manifest.json"]
    return Case(Path("."), replace(evidence, chain=chain), card, manifest, documents, trust=TRUST)


def unwritten(evidence: Evidence) -> Case:
    """A case of evidence that was never written: without card, manifest and hashes, for the rules that ask for none of them."""
    return Case(Path("."), evidence, trust=TRUST)


def claiming(case: Case, change: Callable[[dict[str, Any]], object]) -> Case:
    """The same evidence under a card that claims something else; what was computed of the evidence is kept."""
    card = copy.deepcopy(dict(case.card or {}))
    change(card)
    other = copy.copy(case)
    object.__setattr__(other, "card", card)
    return other


def spoiled_case(spoil: Spoil, level: str, folder: Path) -> Case:
    """The case of a spoilt bundle; through files below `folder` where the spoil changes files."""
    evidence = good(level) if spoil.evidence is None else spoil.evidence(good(level))
    if spoil.files is None:
        made = case_of if spoil.rule in OF_FILES else unwritten
        case = good_case(level) if spoil.evidence is None else made(evidence)
        return case if spoil.card is None else claiming(case, spoil.card)
    place = Path(tempfile.mkdtemp(dir=folder))
    if spoil.evidence is None:
        written(place, level)
    else:
        write(place, evidence)
    spoil.files(place)
    return read.bundle(place, trust=TRUST)
