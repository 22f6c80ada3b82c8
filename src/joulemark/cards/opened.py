"""A bundle read back: from the files in a folder to the evidence they hold. A hostile bundle is expected; what cannot be read is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from joulemark import document, foreign, request_log, traces
from joulemark.calibration.alignment import Record
from joulemark.cards.bundle import FOLDER
from joulemark.cards.evidence import Aligned, Evidence
from joulemark.chain import Chain
from joulemark.energy.series import Series
from joulemark.errors import FormatError, JoulemarkError
from joulemark.meter_log import MeterLog
from joulemark.node import Nodes
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources import manual
from joulemark.pricing.wanted import AsOf
from joulemark.runs import Run
from joulemark.workload import Workload

T = TypeVar("T")

DOCUMENTS: Final = (
    "manifest",
    "card",
    "phases",
    "meters",
    "clock",
    "collection",
    "nodes",
    "workload",
    "meter_log",
    "calibration",
    "calibration/meters",
    "chain",
    "prices",
)


BESIDE: Final = ("ring.json", "ranks.json")
"""Beside the folder `energy`, whose hashes were closed with the run: the badge of its laboratory, and a table it stands in, come later."""


@dataclass(frozen=True)
class Opened:
    """`documents`: the JSON files as they stand, by path below the folder; `faults`: path -> why it could not be read, or used.

    `evidence` is None where there is no run or no reading.
    """

    folder: Path
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    evidence: Evidence | None = None

    def document(self, name: str) -> Mapping[str, Any] | None:
        """The JSON file `energy/<name>.json`, None where there is none or it is no JSON object."""
        return self.documents.get(f"{FOLDER}/{name}.json")


def opened(folder: Path) -> Opened:
    """Everything that can be read of the bundle in `folder`. Raises FormatError for a folder beyond the limits of `foreign.files`."""
    documents: dict[str, Mapping[str, Any]] = {}
    faults: dict[str, str] = {}

    def tried(path: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except JoulemarkError as error:
            faults[path] = str(error)
            return None

    for path in [f"{FOLDER}/{name}.json" for name in DOCUMENTS] + ["energy_summary.json", *BESIDE]:
        place = folder / path
        if foreign.inside(folder, place) and (data := tried(path, lambda place=place: document.load(place))) is not None:  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            documents[path] = data

    def parsed(name: str, read: Callable[[Mapping[str, Any]], T]) -> T | None:
        data = documents.get(f"{FOLDER}/{name}.json")
        return None if data is None else tried(f"{FOLDER}/{name}.json", lambda: read(data))

    run = parsed("phases", Run.from_json)
    series = in_order(series_in(folder, f"{FOLDER}/readings", tried), documents.get(f"{FOLDER}/meters.json", {}))
    if run is not None and not run.windows:
        faults[f"{FOLDER}/phases.json"] = "the run has no phase"
    if run is None or not run.windows or not series:
        return Opened(folder, documents, faults)
    clock = documents.get(f"{FOLDER}/clock.json", {})
    collection = documents.get(f"{FOLDER}/collection.json", {})
    prices = tried(f"{FOLDER}/prices.json", lambda: snapshot(folder)) or Snapshot()
    as_of = tried(f"{FOLDER}/prices.json", lambda: as_of_in(documents.get(f"{FOLDER}/prices.json", {}))) or AsOf()
    record = parsed("calibration", Record.from_json) or Record()
    evidence = tried(
        f"{FOLDER}/phases.json",
        lambda: Evidence.gathered(
            run,
            series,
            prices,
            known_at_ns=as_of.known_at_ns,
            limits=as_of.limits,
            clocks=mappings(clock.get("hosts")),
            clock_steps=listed(clock.get("steps")),
            losses=listed(collection.get("losses")),
            overhead=mappings(collection.get("overhead")),
            produced_by={str(k): str(v) for k, v in mapping(collection.get("produced_by")).items()},
            nodes=parsed("nodes", Nodes.from_json) or Nodes(),
            workload=parsed("workload", Workload.from_json),
            requests=requests_in(folder, tried),
            meter_log=parsed("meter_log", MeterLog.from_json),
            alignments=tuple(aligned_in(folder, record, tried)),
            chain=parsed("chain", Chain.from_json) or Chain(),
            rule_set=None if collection.get("rule_set") is None else str(collection["rule_set"]),
        ),
    )
    return Opened(folder, documents, faults, evidence)


Tried = Callable[[str, Callable[[], Any]], Any]


def series_in(folder: Path, below: str, tried: Tried) -> list[Series]:
    """The series of every readings file below `below`."""
    found: list[Series] = []
    if (folder / below).is_dir():
        for path in foreign.files(folder / below, "*.csv"):
            name = path.relative_to(folder).as_posix()
            found += tried(name, lambda path=path: traces.read(path, tz=None)) or []  # type: ignore[misc]  # as above
    return found


def in_order(series: Sequence[Series], meters: Mapping[str, Any]) -> tuple[Series, ...]:
    """The series as `meters.json` lists them, which is how they stood when the card was made; those it does not list come last."""
    place = {str(entry.get("meter_id")): place for place, entry in reversed(list(enumerate(listed(meters.get("meters")))))}
    return tuple(sorted(series, key=lambda one: place.get(one.meter.meter_id, len(place))))


def aligned_in(folder: Path, record: Record, tried: Tried) -> list[Aligned]:
    """The alignments whose raw readings are there; the others are named among the faults."""
    found = []
    for one in record.alignments:
        below = f"{FOLDER}/calibration/{quote(one.alignment_id, safe='')}"
        by_id = {series.meter.meter_id: series for series in series_in(folder, below, tried)}
        if {one.sensor, one.reference} <= set(by_id):
            found.append(Aligned(one, by_id[one.sensor], by_id[one.reference]))
        else:
            tried(f"{FOLDER}/calibration.json", lambda one=one: absent(one.alignment_id))  # type: ignore[misc]  # as above
    return found


def absent(alignment_id: str) -> None:
    """Say that an alignment lacks its readings. Raises FormatError."""
    raise FormatError(f"alignment {alignment_id} has no raw readings in the bundle", "add its folder below energy/calibration")


def requests_in(folder: Path, tried: Tried) -> Any:
    """The request log, None without one."""
    path = folder / FOLDER / "requests.csv"
    if not foreign.inside(folder, path):
        return None
    return tried(f"{FOLDER}/requests.csv", lambda: request_log.from_csv(foreign.text(path, errors="strict"), where=path.name))


def snapshot(folder: Path) -> Snapshot:
    """The prices. Raises what `manual.read` does."""
    path = folder / FOLDER / "prices.json"
    return manual.read(path) if foreign.inside(folder, path) else Snapshot()


def as_of_in(prices: Mapping[str, Any]) -> AsOf:
    """Under what the prices of a bundle were looked up. Raises what `AsOf.from_json` does."""
    return AsOf.from_json(mapping(prices.get("as_of")), "as_of")


def mapping(data: Any) -> Mapping[str, Any]:
    """`data` where it is an object, else an empty one."""
    return data if isinstance(data, Mapping) else {}


def mappings(data: Any) -> dict[str, Mapping[str, Any]]:
    """The objects among the values of `data`."""
    return {str(key): value for key, value in mapping(data).items() if isinstance(value, Mapping)}


def listed(data: Any) -> tuple[Mapping[str, Any], ...]:
    """The objects in the list `data`."""
    return tuple(entry for entry in data if isinstance(entry, Mapping)) if isinstance(data, list) else ()
