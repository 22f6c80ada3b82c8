"""The chain: what happened in a run, each event bound to the one before it, so that no window can be chosen after the fact.

The hash of an event is the SHA-256 of canonical JSON (sorted keys, no spaces, UTF-8) of `{"data", "kind", "prev_sha256", "seq", "t_ns"}`.
The first event follows 64 zeros. The last one, of kind `files`, holds the hashes of the evidence; its hash is the root of the
manifest. Signatures and receipts are over the 32 bytes of a hash, Ed25519 (RFC 8032); who may sign is the verifier's matter.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

from joulemark import document
from joulemark.errors import FormatError

CHAIN_SCHEMA: Final = "joulemark.chain/1"
BEGINNING: Final = "0" * 64
FILES: Final = "files"
MARK: Final = "mark"
PLACED: Final = "placed"
RUN: Final = "run"
MOVED: Final = re.compile(r"event_([0-9]{1,9})_ns", re.ASCII)


def moved_name(seq: int) -> str:
    """The name, in an event `placed`, of the time of the mark that is event `seq`: it carries its unit (INT-9)."""
    return f"event_{seq}_ns"


@dataclass(frozen=True, slots=True)
class Event:
    """One link. `kind`: `run` (its id and labels), `mark` (phase, edge, times), `batch` (a frozen batch of readings), `placed` (times of
    marks that the clock states moved, each named by `moved_name`), `files`.
    """

    seq: int
    t_ns: int
    kind: str
    data: Mapping[str, str | int | None]
    prev_sha256: str
    sha256: str

    @property
    def computed_sha256(self) -> str:
        """What the hash has to be."""
        return digest(seq=self.seq, t_ns=self.t_ns, kind=self.kind, data=self.data, prev_sha256=self.prev_sha256)


@dataclass(frozen=True, slots=True)
class Signature:
    """`signature` over the hash of the last event by the holder of `public_key`; both base64. `role`: agent or collector."""

    role: str
    public_key: str
    head_sha256: str
    signature: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """An authority's word that it saw the hash of event `seq` at `t_ns` of its own clock.

    `signature` (base64) is over the SHA-256 of canonical JSON of `{"sha256", "t_ns"}`.
    """

    seq: int
    sha256: str
    t_ns: int
    authority: str
    public_key: str
    signature: str

    @property
    def signed_sha256(self) -> str:
        """What the signature is over."""
        return hashlib.sha256(canonical({"sha256": self.sha256, "t_ns": self.t_ns})).hexdigest()


@dataclass(frozen=True, slots=True)
class Chain:
    """Events from the first on, with signatures of the head and receipts of single events."""

    events: tuple[Event, ...] = ()
    signatures: tuple[Signature, ...] = ()
    receipts: tuple[Receipt, ...] = ()

    @property
    def head_sha256(self) -> str:
        """Hash of the last event."""
        return self.events[-1].sha256 if self.events else BEGINNING

    def appended(self, kind: str, data: Mapping[str, str | int | None], *, t_ns: int) -> Self:
        """The chain with one more event, without the signatures, which were of another head."""
        seq, prev_sha256 = len(self.events), self.head_sha256
        sha256 = digest(seq=seq, t_ns=t_ns, kind=kind, data=data, prev_sha256=prev_sha256)
        return replace(self, events=(*self.events, Event(seq, t_ns, kind, dict(data), prev_sha256, sha256)), signatures=())

    def broken(self) -> list[str]:
        """Where the links do not hold, in words; empty where all do. Signatures are not looked at."""
        found, prev_sha256, t_ns = [], BEGINNING, 0
        for place, event in enumerate(self.events):
            if event.seq != place or event.prev_sha256 != prev_sha256:
                found.append(f"event {place} does not follow the one before it")
            if event.sha256 != event.computed_sha256:
                found.append(f"event {place} was changed after it was hashed")
            if event.t_ns < t_ns:
                found.append(f"event {place} is older than the one before it")
            prev_sha256, t_ns = event.sha256, event.t_ns
        return found

    def of_kind(self, kind: str) -> tuple[Event, ...]:
        """The events of one kind, in order."""
        return tuple(event for event in self.events if event.kind == kind)

    def moved_ns(self) -> dict[int, int]:
        """Number of each mark that the clock states moved -> its time on the collector's axis, ns."""
        told = ((MOVED.fullmatch(name), t_ns) for event in self.of_kind(PLACED) for name, t_ns in event.data.items())
        return {int(name[1]): t_ns for name, t_ns in told if name is not None and isinstance(t_ns, int)}

    def edges(self) -> tuple[tuple[str, str, int], ...]:
        """(phase, edge, time on the collector's axis) of each mark, in order: as a later event `placed` says, else as it was hashed.

        Marks without these keys are left out.
        """
        moved, found = self.moved_ns(), []
        for event in self.of_kind(MARK):
            phase, edge, t_ns = event.data.get("phase"), event.data.get("edge"), moved.get(event.seq, event.data.get("utc_ns"))
            if isinstance(phase, str) and isinstance(edge, str) and isinstance(t_ns, int):
                found.append((phase, edge, t_ns))
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """The object of schema `joulemark.chain/1`."""
        return {"schema": CHAIN_SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`. Raises FormatError; what it holds may still be false, see `broken`."""
        if data.get("schema") != CHAIN_SCHEMA:
            what = f"the chain has schema {document.shown(data.get('schema'))}, not {CHAIN_SCHEMA!r}"
            raise FormatError(what, "use the joulemark version that wrote it")
        return document.record(cls, {key: value for key, value in data.items() if key != "schema"}, where="chain")


def digest(*, seq: int, t_ns: int, kind: str, data: Mapping[str, str | int | None], prev_sha256: str) -> str:
    """The hash of an event, hexadecimal."""
    return hashlib.sha256(canonical({"data": dict(data), "kind": kind, "prev_sha256": prev_sha256, "seq": seq, "t_ns": t_ns})).hexdigest()


def canonical(data: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys and without spaces, as UTF-8."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
