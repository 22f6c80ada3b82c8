"""What the files of an AIPerf run are called: as always, or after `--profile-export-prefix`.

A prefix names everything but `phase_manifest.json` and the folder `phases`, which the next run into the same folder overwrites. Which
prefixes lie there is told by what is in the files, since any name may be one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from joulemark import foreign
from joulemark.errors import FormatError

MANIFEST: Final = "phase_manifest.json"
RECORD: Final = ('"metadata"', '"metrics"')
PHASE: Final = ('"benchmark_phase"', '"credit_phase"')
"""Since 0.1.1, and before: a record has one of them. The raw requests and the telemetry have no metrics."""

SUMMARY: Final = ('"aiperf_version"', '"input_config"')


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one run's files in its folder."""

    records: str = "profile_export.jsonl"
    summary: str = "profile_export_aiperf.json"
    slices: str = "profile_export_aiperf_timeslices.json"

    @classmethod
    def prefixed(cls, prefix: str) -> Self:
        """As `--profile-export-prefix` names them."""
        return cls(f"{prefix}.jsonl", f"{prefix}.json", f"{prefix}_timeslices.json")


DEFAULT: Final = Names()


@dataclass(frozen=True, slots=True)
class Located:
    """A run in `folder` under `names`. `alone`: no other run wrote to that folder, so that what has no prefix is this run's."""

    folder: Path
    names: Names = DEFAULT
    alone: bool = True

    @property
    def records(self) -> Path:
        return self.folder / self.names.records


def is_records(path: Path) -> bool:
    """Whether the file holds AIPerf's records of requests, whatever it is called."""
    return path.name == DEFAULT.records or any(foreign.mentions(path, *RECORD, mark) for mark in PHASE)


def places(root: Path) -> list[Path]:
    """The folders of runs below `root`, or the file of records that `root` is."""
    if root.is_file():
        return [root.parent] if root.name == MANIFEST else [path for path in foreign.files(root, "*.jsonl") if is_records(path)]
    dated = [path.parent for path in foreign.files(root, MANIFEST)]
    return sorted({*dated, *(path.parent for path in foreign.files(root, "*.jsonl") if is_records(path))})


def located(place: Path) -> Located:
    """The run in the folder `place`, or that of its file of records. Raises FormatError for a folder with more runs than one."""
    folder = place if place.is_dir() else place.parent
    found = runs(folder)
    if place != folder:
        return Located(folder, named(place.name), alone=len(found) < 2)
    if len(found) > 1:
        listed = ", ".join(names.records for names in found)
        raise FormatError(
            f"{folder} holds {len(found)} runs of AIPerf: {listed}", f"name the records of one, such as {folder / found[0].records}"
        )
    return Located(folder, found[0] if found else DEFAULT)


def runs(folder: Path) -> list[Names]:
    """The runs whose records, or where there are none whose summaries, lie in `folder`, each once."""
    found = [path.name for path in foreign.files(folder, "*.jsonl", deep=False) if is_records(path)]
    if not found:
        found = [path.name for path in foreign.files(folder, "*.json", deep=False) if foreign.mentions(path, *SUMMARY)]
    return list(dict.fromkeys(named(file) for file in found))


def named(file: str) -> Names:
    """The names of the run whose records or summary are called `file`."""
    return DEFAULT if file in (DEFAULT.records, DEFAULT.summary) else Names.prefixed(Path(file).stem)
