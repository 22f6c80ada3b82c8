"""An entry of the board: what one validated bundle says about energy, with the hashes by which anybody can check it.

An entry is never changed but to be withdrawn, and its id is never given again.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from joulemark import document
from joulemark.board import words
from joulemark.board.figures import BASES, Figures
from joulemark.chain import canonical
from joulemark.errors import FormatError
from joulemark.pricing.dates import LAST_NS
from joulemark.standard.comparability import Key
from joulemark.standard.validator import Report
from joulemark.standard.verdict import LEVELS
from joulemark.workload import Workload

ENTRY_SCHEMA: Final = "joulemark.board-entry/1"
ENERGY_SCHEMA: Final = "joulemark.energy-feed/1"
"""Of the feed and of the object `_energy` in each of its items."""

BOARD: Final = "energy-only"
PUBLISHED: Final = "published"
WITHDRAWN: Final = "withdrawn"
STATUSES: Final = (PUBLISHED, WITHDRAWN)
LABELS: Final = ("model", "dataset", "engine", "engine_version", "gpu_type", "gpu_count")
"""What is told of a workload beside its key: it distinguishes entries of one class and is no condition of comparing them."""

URN: Final = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
SHA256: Final = re.compile(r"[0-9a-f]{64}")
ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9\[][A-Za-z0-9.:\[\]_~/-]*")
"""Of a board: plain http or https, without user, query and fragment."""

SHORT: Final = 12
"""Characters of a class as shown."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One bundle on the board. Times are UTC nanoseconds; `level` is the validator's verdict.

    `simulated`: replayed, fake, or signed by the key of the conformance kit: marked, and never ranked. `key`: by which it may be compared
    (TOK-7). `rule_set`: edition of the standard it was judged by. `replaces`: id of the entry it stands for from now on. `origin`: address
    of the board it was followed from. Raises FormatError for values that no entry has, the level INVALID among them.
    """

    entry_id: str
    published_ns: int
    modified_ns: int
    submitter: str
    title: str
    level: str
    simulated: bool
    key: Key
    scope: str | None
    boundary: str | None
    figures: Figures
    card_sha256: str
    manifest_sha256: str
    bundle_sha256: str
    rule_set: str
    run_begin_ns: int
    labels: Mapping[str, str] = field(default_factory=dict)
    status: str = PUBLISHED
    withdrawn_reason: str = ""
    replaces: str | None = None
    origin: str | None = None

    def __post_init__(self) -> None:
        checks = {
            "entry_id": URN.fullmatch(self.entry_id),
            "replaces": self.replaces is None or (URN.fullmatch(self.replaces) and self.replaces != self.entry_id),
            "origin": self.origin is None or ADDRESS.fullmatch(self.origin),
            "status": self.status in STATUSES and bool(self.withdrawn_reason) == (self.status == WITHDRAWN),
            "level": self.level in LEVELS[1:] and self.key.level == self.level,
            "scope": self.key.scope == self.scope,
            "basis": self.figures.basis in BASES,
            "labels": set(self.labels) <= set(LABELS),
            "submitter": self.submitter,
            "modified_ns": self.status == WITHDRAWN or self.modified_ns == self.published_ns,
            "published_ns": 0 <= self.published_ns <= self.modified_ns < LAST_NS,
            "run_begin_ns": 0 <= self.run_begin_ns < LAST_NS,
            **{name: SHA256.fullmatch(getattr(self, name)) for name in ("card_sha256", "manifest_sha256", "bundle_sha256")},
        }
        if wrong := [name for name, good in checks.items() if not good]:
            what = f"entry {document.shown(self.entry_id)} of the board: {wrong[0]} cannot be {document.shown(getattr(self, wrong[0], ''))}"
            raise FormatError(what, "only what the validator found to be ES0 or better becomes an entry")
        hashes = {"model_sha256": self.key.model_sha256, "dataset_sha256": self.key.dataset_sha256}
        told = {"submitter": self.submitter, "precision": self.key.precision, **hashes, **self.labels}
        for name, text in told.items():
            words.require_energy_only(text, where=f"{name} of entry {self.entry_id}")
        words.require_energy_only(self.title, where=f"title of entry {self.entry_id}", longest=2 * words.LONGEST)

    @classmethod
    def of(
        cls,
        card: Mapping[str, Any],
        report: Report,
        *,
        key: Key | None,
        workload: Workload | None,
        entry_id: str,
        submitter: str,
        published_ns: int,
        card_sha256: str,
        manifest_sha256: str,
        bundle_sha256: str,
        replaces: str | None = None,
        origin: str | None = None,
    ) -> Self:
        """The entry of a bundle: `card` as the validator rebuilt it, `report` what it found, `key` from `comparability.comparability_key`.

        Raises FormatError for a bundle that is INVALID, and for names that speak of performance.
        """
        counted = set(card["headline"]["phases"])
        begins = [p["begin_ns"] for p in card["phases"] if p["name"] in counted]
        known = Key("", "", "", None, None, None, None, None) if key is None else key
        labels = labels_of(workload)
        return cls(
            entry_id=entry_id,
            published_ns=published_ns,
            modified_ns=published_ns,
            submitter=submitter,
            title=titled(card, labels, precision=known.precision),
            level=report.level,
            simulated=bool(card["simulated"]) or report.kit,
            key=dataclasses.replace(known, scope=card["scope"], level=report.level),
            scope=card["scope"],
            boundary=card["headline"]["boundary"],
            figures=Figures.of(card),
            card_sha256=card_sha256,
            manifest_sha256=manifest_sha256,
            bundle_sha256=bundle_sha256,
            rule_set=report.version,
            run_begin_ns=min(begins),
            labels=labels,
            replaces=replaces,
            origin=origin,
        )

    @property
    def class_id(self) -> str | None:
        """SHA-256 of the canonical key: entries that have it in common may be compared. None where the key is not complete."""
        return class_of(self.key)

    @property
    def short_class(self) -> str:
        """The class as shown; empty where there is none."""
        return (self.class_id or "")[:SHORT]

    def withdrawn(self, reason: str, *, at_ns: int) -> Self:
        """This entry, taken back at `at_ns` for `reason`: it stays listed, without rank. Raises FormatError without a reason, and for one
        that speaks of performance.
        """
        told = words.clean(reason)
        words.require_energy_only(told, where=f"the reason to withdraw entry {self.entry_id}")
        return dataclasses.replace(self, status=WITHDRAWN, withdrawn_reason=told, modified_ns=at_ns)

    def to_json(self) -> dict[str, Any]:
        """The object of schema `joulemark.board-entry/1`: what is stored."""
        return {"schema": ENTRY_SCHEMA, **dataclasses.asdict(self), "class_id": self.class_id}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`. Raises FormatError."""
        if data.get("schema") != ENTRY_SCHEMA:
            what = f"the entry has schema {document.shown(data.get('schema'))}, not {ENTRY_SCHEMA!r}"
            raise FormatError(what, "use the joulemark version that wrote it")
        entry = document.record(cls, {key: value for key, value in data.items() if key not in ("schema", "class_id")}, where="entry")
        if data.get("class_id") != entry.class_id:
            raise FormatError(f"entry {entry.entry_id} names another class than its key has", "take the entry from its source again")
        return entry

    def energy(self) -> dict[str, Any]:
        """The object `_energy` of its item in the feed, schema `joulemark.energy-feed/1`: energy alone."""
        return {
            "schema": ENERGY_SCHEMA,
            "board": BOARD,
            "status": self.status,
            "withdrawn_reason": self.withdrawn_reason,
            "level": self.level,
            "simulated": self.simulated,
            "rule_set": self.rule_set,
            "scope": self.scope,
            "boundary": self.boundary,
            "class_id": self.class_id,
            "key": {name: value for name, value in dataclasses.asdict(self.key).items() if value not in (None, "")},
            "missing": list(self.key.missing),
            "labels": dict(self.labels),
            "basis": self.figures.basis,
            **self.figures.known(),
            "absent": dict(self.figures.absent),
            "run_begin_ns": self.run_begin_ns,
            "card_sha256": self.card_sha256,
            "manifest_sha256": self.manifest_sha256,
            "bundle_sha256": self.bundle_sha256,
            "replaces": self.replaces,
            "origin": self.origin,
        }


@functools.lru_cache(maxsize=1 << 14)
def class_of(key: Key) -> str | None:
    """The class of a key, which has to be complete; asked for again and again of few keys."""
    if key.missing:
        return None
    parts = {name: float(value) if isinstance(value, int | float) else value for name, value in dataclasses.asdict(key).items()}
    return hashlib.sha256(canonical(parts)).hexdigest()


def labels_of(workload: Workload | None) -> dict[str, str]:
    """The labels that a workload has a value for, as short text."""
    told = {} if workload is None else {name: getattr(workload, name) for name in LABELS}
    return {name: words.clean(str(value)) for name, value in told.items() if value not in (None, "")}


def titled(card: Mapping[str, Any], labels: Mapping[str, str], *, precision: str) -> str:
    """What was measured, in a line: model and precision on its GPUs, with the scope; the benchmark where no model is named."""
    what = " ".join(part for part in (labels.get("model") or str(card["benchmark"] or "run"), words.clean(precision)) if part)
    gpus = " ".join(part for part in (labels.get("gpu_count"), labels.get("gpu_type")) if part)
    return words.clean(f"{what}{f' on {gpus}' if gpus else ''}, {card['scope'] or 'scope not known'}", longest=2 * words.LONGEST)
