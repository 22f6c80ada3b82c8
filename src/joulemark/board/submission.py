"""A submission: an archive on its way to the board, from the moment it was received until it is published or refused with its reasons."""

from __future__ import annotations

import enum
import hashlib
import math
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, Self

from joulemark import document
from joulemark.board.entry import PUBLISHED, Entry
from joulemark.board.figures import Figures
from joulemark.chain import canonical
from joulemark.errors import FormatError
from joulemark.standard.verdict import GRADES, LEVELS

EXAMINED_SCHEMA: Final = "joulemark.board-examined/1"
MOST_TRIES: Final = 3
"""A bundle whose examination ended so often without an answer is refused."""

NAMESPACE: Final = uuid.UUID("8a1b43a5-5c5f-5d0b-9d0f-6d0b6c3f0e11")
REL_TOLERANCE: Final = 1e-9
FIGURES: Final = tuple(one.name for one in fields(Figures) if one.name not in ("basis", "absent"))
PROVABLE: Final = (
    *("level", "simulated", "scope", "boundary", "class_id", "key", "labels", "basis", *FIGURES, "run_begin_ns"),
    *("card_sha256", "manifest_sha256", "bundle_sha256"),
)
"""Of what a feed says of an entry: what follows from its bundle alone."""

OWN_RULES: Final = ("KIT", "LEVEL", "CLAIM", "TWICE", "RUN", "EXAMINED", "ENTRY", "ROOM")
"""Names of the reasons that are the board's and no rule of the standard."""


class State(enum.StrEnum):
    """Where a submission is."""

    RECEIVED = "received"
    VALIDATING = "validating"
    PUBLISHED = "published"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a bundle is not taken: the rule of the standard with the level it stands in the way of, or one of the board's own."""

    rule: str
    why: str
    grade: str = ""


@dataclass(frozen=True, slots=True)
class Submission:
    """`origin`: address of the board it was followed from, empty for one that was handed in. `level`: the lowest that is wanted. `claim`:
    what the followed board says of it, by name. `reached`: the level the validator gave.
    """

    bundle_sha256: str
    submitter: str
    received_ns: int
    size: int
    level: str = LEVELS[1]
    origin: str = ""
    claim: Mapping[str, Any] = field(default_factory=dict)
    state: State = State.RECEIVED
    tries: int = 0
    changed_ns: int = 0
    reached: str = ""
    entry_id: str = ""
    reasons: tuple[Reason, ...] = ()
    version: str = ""

    @property
    def submission_id(self) -> str:
        """The same bundle handed in twice is the same submission; one that a board brings is another for each claim about it."""
        if not self.origin:
            return self.bundle_sha256
        told = {"origin": self.origin, "bundle_sha256": self.bundle_sha256, "claim": dict(self.claim)}
        return hashlib.sha256(canonical(told)).hexdigest()

    @property
    def waits(self) -> bool:
        """Whether it is still to be judged."""
        return self.state in (State.RECEIVED, State.VALIDATING)

    def to_json(self) -> dict[str, Any]:
        """The object of schema `joulemark.board-submission/1`."""
        told = asdict(self)
        del told["claim"], told["version"]
        return {"schema": "joulemark.board-submission/1", "submission_id": self.submission_id, **told}

    def stored(self) -> dict[str, Any]:
        """What is kept, by name."""
        return asdict(self)

    @classmethod
    def from_stored(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `stored`. Raises FormatError."""
        return replace(document.record(cls, {**data, "claim": {}}, where="submission"), claim=data["claim"])


@dataclass(frozen=True, slots=True)
class Examined:
    """What the validator found: the level, its entry (None for INVALID, or where none can be made: see `reasons`), and the id of the run.

    `failing`: grade -> each rule that stands in its way. `reasons`: what keeps any entry from being made.
    """

    level: str
    simulated: bool = False
    run_id: str = ""
    entry: Entry | None = None
    failing: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        told = {**asdict(self), "entry": None if self.entry is None else self.entry.to_json()}
        return {"schema": EXAMINED_SCHEMA, **told}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`. Raises FormatError."""
        if data.get("schema") != EXAMINED_SCHEMA:
            raise FormatError(f"the examination says {document.shown(data.get('schema'))}", "update both processes of the collector")
        rest = {key: value for key, value in data.items() if key not in ("schema", "entry")}
        entry = None if data["entry"] is None else Entry.from_json(data["entry"])
        return replace(document.record(cls, {**rest, "entry": None}, where="examination"), entry=entry)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the board has already that bears on a submission: the entry of the same bundle's content, and those of the same run."""

    same: Entry | None = None
    of_run: tuple[Entry, ...] = ()


def entry_id_of(manifest_sha256: str) -> str:
    """The id of the entry of a bundle, the same on every board and however the bundle is packed."""
    return uuid.uuid5(NAMESPACE, manifest_sha256).urn


def decided(submission: Submission, examined: Examined, standing: Standing, *, kit: bool, now_ns: int) -> Entry | tuple[Reason, ...]:
    """The entry to publish, or every reason against it. `kit`: whether simulated bundles are taken."""
    if examined.entry is None:
        return examined.reasons
    entry = examined.entry
    reasons = [
        *below(submission, examined),
        *(
            (Reason("KIT", "it is simulated, or signed by the key of the conformance kit (INT-6)"),)
            if examined.simulated and not kit
            else ()
        ),
        *differing(submission.claim, entry),
        *again(submission, standing, entry),
    ]
    if reasons:
        return tuple(reasons)
    replaced = next((one.entry_id for one in standing.of_run if one.status == PUBLISHED), None)
    return replace(entry, published_ns=now_ns, modified_ns=now_ns, replaces=replaced)


def below(submission: Submission, examined: Examined) -> tuple[Reason, ...]:
    """Every rule that stands between a bundle and the level that was asked for."""
    if LEVELS.index(examined.level) >= LEVELS.index(submission.level):
        return ()
    columns = GRADES[: GRADES.index(submission.level) + 1]
    named: dict[str, Reason] = {}
    for reason in (one for grade in columns for one in examined.failing.get(grade, ())):
        named.setdefault(reason.rule, reason)
    return (Reason("LEVEL", f"{submission.level} was asked for, the validator found {examined.level}"), *named.values())


def differing(claim: Mapping[str, Any], entry: Entry) -> tuple[Reason, ...]:
    """Each figure and hash that another board claims of a bundle and that its readings do not bear out."""
    if not claim:
        return ()
    own = entry.energy()
    return tuple(
        Reason("CLAIM", f"{name}: the board says {document.shown(claim.get(name))}, verified here it is {document.shown(own.get(name))}")
        for name in PROVABLE
        if not equal(claim.get(name), own.get(name))
    )


def equal(said: Any, own: Any) -> bool:
    """Whether two values are the same, real numbers to the last digits that another machine's arithmetic may change."""
    if isinstance(said, float | int) and isinstance(own, float) and not isinstance(said, bool):
        return math.isclose(said, own, rel_tol=REL_TOLERANCE, abs_tol=0.0)
    if isinstance(said, Mapping) and isinstance(own, Mapping):
        return set(said) == set(own) and all(equal(said[key], own[key]) for key in own)
    return bool(said == own)


def again(submission: Submission, standing: Standing, entry: Entry) -> tuple[Reason, ...]:
    """Why a bundle, or another of the same run, cannot come a second time."""
    if (same := standing.same) is not None:
        fate = "is on the board" if same.status == PUBLISHED else "was withdrawn"
        return (Reason("TWICE", f"the same readings are entry {same.entry_id}, which {fate}"),)
    for one in standing.of_run:
        if one.status != PUBLISHED:
            continue
        if (one.submitter, one.origin or "") != (entry.submitter, submission.origin):
            return (Reason("RUN", f"the same run is entry {one.entry_id} of {one.submitter}"),)
        if LEVELS.index(entry.level) <= LEVELS.index(one.level):
            return (Reason("RUN", f"the same run is entry {one.entry_id} with {one.level}, and this is no better: {entry.level}"),)
    return ()
