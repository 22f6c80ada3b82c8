"""Where the energy of an attached card comes from: a run of the collector, recorded power, or the power logs in the bundle itself."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from joulemark.errors import FormatError, InsufficientData, NaiveTimeError, NotCompliant, UsageError

if TYPE_CHECKING:
    from datetime import tzinfo

    from joulemark.cards.attached import Original, Place
    from joulemark.cards.evidence import Evidence
    from joulemark.energy.series import Series
    from joulemark.pricing.snapshot import Snapshot
    from joulemark.readings import Boundary
    from joulemark.runs import Run, Window

OPENAIPERF: Final = "openaiperf"
NO_POWER: Final = "give the run that measured it with --run, or power logs with --power"


@dataclass(frozen=True)
class Found:
    """Evidence with the files of its bundle. `read`: by what the phases were read from the benchmark's own log, None where marked."""

    evidence: Evidence
    files: Mapping[str, bytes]
    card: Mapping[str, Any]
    benchmark: str
    read: Mapping[str, str | None] | None
    notes: list[str] = field(default_factory=list)

    def for_site(self, at: Place, own: Mapping[str, Original]) -> tuple[dict[str, bytes], list[str]]:
        """The files for the OpenAIPerf site, and what is to be said of them."""
        from joulemark.cards import bundle, site
        from joulemark.cards.attached import SYSTEM_LOG

        made = site.cards(at.root, bundle.summary(self.card))
        if SYSTEM_LOG in own and site.shows_power(own[SYSTEM_LOG].path):
            return made, [f"{SYSTEM_LOG} has a power that the site reads: it is left as it is."]
        return {**made, SYSTEM_LOG: site.system_log(self.evidence, self.card)}, []


@dataclass(frozen=True)
class Measurement:
    """The options that say what measured a benchmark."""

    run: str | None = None
    url: str | None = None
    power: tuple[Path, ...] = ()
    tz: str | None = None
    accuracy: str | None = None
    boundary: str | None = None
    price: Path | None = None
    labels: tuple[str, ...] = ()

    def found(self, at: Place, own: Mapping[str, Original]) -> Found:
        """The evidence and its bundle. Raises UsageError, NotCompliant, and InsufficientData where power does not cover the phases."""
        if self.run is None:
            return self.recorded(at, own)
        others = [f"--{one.name}" for one in fields(self) if one.name not in ("run", "url", "tz") and getattr(self, one.name)]
        if others:
            raise UsageError(f"{others[0]} is for recorded power, not for --run", "give one of them")
        return self.of_run(at)

    @property
    def zone(self) -> tzinfo | None:
        """The zone of times that carry none."""
        from joulemark.timebase import zone

        return None if self.tz is None else zone(self.tz)

    def of_run(self, at: Place) -> Found:
        """What the collector sealed, byte for byte, when it holds and is of this benchmark."""
        from joulemark.cards import attached, bundle, opened
        from joulemark.cards import card as cards
        from joulemark.cli import subject

        assert self.run is not None
        with tempfile.TemporaryDirectory(prefix="joulemark-") as place:
            folder = Path(self.run)
            if not folder.is_dir():
                folder = subject.packed(folder if folder.is_file() else subject.fetched(self.run, Path(place), self.url), Path(place))
            if wrong := bundle.verify(folder):
                raise NotCompliant(f"the bundle of {self.run} does not hold: {wrong[0].path}: {wrong[0].detail}", "fetch it again")
            evidence = opened.opened(folder).evidence
            if evidence is None:
                raise InsufficientData(f"the bundle of {self.run} holds no run with readings", "give the id of a run that was measured")
            entries = attached.lists(attached.manifest_in(folder) or {})["files"]
            files = {path: (folder / path).read_bytes() for path in (*(entry["path"] for entry in entries), bundle.MANIFEST)}
        notes = self.checked(at, evidence.run)
        return Found(evidence, files, cards.build(evidence), evidence.run.benchmark or "run", None, notes)

    def checked(self, at: Place, run: Run) -> list[str]:
        """Whether the benchmark's own log agrees that it ran then; what cannot be told is said. Raises InsufficientData."""
        from joulemark.cards import attached

        try:
            attached.covers(run, self.own_run(at))
        except NaiveTimeError:
            return ["The benchmark's own times carry no zone: with --tz they are compared with those of the run."]
        except FormatError as error:
            what = error.what.replace(f"{at.root}/", "").replace(str(at.root), at.root.name)
            return [f"The benchmark's own files do not tell when it ran: {what}."]
        return []

    def recorded(self, at: Place, own: Mapping[str, Original]) -> Found:
        """Recorded power, over the phases that the benchmark's own log tells."""
        from joulemark.benchmarks import TOOLS
        from joulemark.cards import bundle
        from joulemark.cards import card as cards
        from joulemark.cards.contents import contents
        from joulemark.cards.evidence import Evidence, counted
        from joulemark.standard.edition import CURRENT

        run = self.own_run(at)
        run = replace(run, labels={**run.labels, **self.labelled()})
        series, notes = self.series(own)
        if not series:
            raise InsufficientData(f"{at.root.name} holds no power log", NO_POWER)
        evidence = Evidence.gathered(run, series, self.prices(), rule_set=CURRENT)
        try:
            card = cards.build(evidence, files=contents(evidence))
        except InsufficientData as error:
            raise uncovered(error.what, counted(run), series) from error
        bare = [phase["name"] for phase in card["phases"] if phase["name"] in card["headline"]["phases"] and phase["energy_j"] is None]
        if bare:
            raise uncovered(f"the power does not cover {', '.join(bare)}", [w for w in counted(run) if w.name in bare], series)
        read = {"tool": run.benchmark if run.benchmark in TOOLS else None, "tz": self.tz}
        return Found(evidence, bundle.build(evidence), card, run.benchmark, read, notes)

    def own_run(self, at: Place) -> Run:
        """The run as the benchmark's own files tell it, without the path of the folder."""
        from joulemark import benchmarks

        run = benchmarks.read(at.root, tz=self.zone, tool=None if at.beside else OPENAIPERF)
        return replace(run, findings=tuple(finding.replace(f"{at.root}/", "") for finding in run.findings))

    def series(self, own: Mapping[str, Original]) -> tuple[tuple[Series, ...], list[str]]:
        """The series of the named power logs, else of those among the benchmark's files; and which of the latter were not read."""
        from joulemark import traces
        from joulemark.cli.compute import accuracy_of, power_files

        stated = None if self.accuracy is None else accuracy_of(self.accuracy)
        placed = None if self.boundary is None else boundary_of(self.boundary)
        found: list[Series] = []
        notes: list[str] = []
        for path in self.power:
            found += [one for file in power_files(path) for one in traces.read(file, tz=self.zone, accuracy=stated, boundary=placed)]
        with tempfile.TemporaryDirectory(prefix="joulemark-") as place:
            for path in () if self.power else power_logs(own, Path(place)):
                try:
                    read = traces.read(path, tz=self.zone, accuracy=stated, boundary=placed)
                except NaiveTimeError:
                    raise
                except FormatError as error:
                    notes.append(f"{path.name} is no power log that can be read: {error.what}.".replace(f"{path.parent}/", ""))
                    continue
                known = {one.meter.meter_id for one in found}
                found += [one for one in read if one.meter.meter_id not in known]
        return tuple(found), notes

    def prices(self) -> Snapshot:
        """The prices of the given file."""
        from joulemark.pricing.snapshot import Snapshot
        from joulemark.pricing.sources import manual

        return Snapshot() if self.price is None else manual.read(self.price)

    def labelled(self) -> dict[str, str]:
        """The given labels. Raises UsageError."""
        pairs = [label.partition("=") for label in self.labels]
        if wrong := [name for name, mark, text in pairs if not (name and mark and text)]:
            raise UsageError(f"label {wrong[0]!r} has no value", "write it as --label region=us-east-1")
        return {name: text for name, _, text in pairs}


def power_logs(own: Mapping[str, Original], place: Path) -> Iterator[Path]:
    """The originals that are named as power logs are; one that stands aside is copied, so that it has its name."""
    from joulemark.cards.attached import SYSTEM_LOG
    from joulemark.standard.read import POWER_LOGS

    for name, one in sorted(own.items()):
        if any(fnmatch(Path(name).name, pattern) for pattern in (*POWER_LOGS, SYSTEM_LOG)):
            if one.path.name == Path(name).name:
                yield one.path
            else:
                yield Path(shutil.copy(one.path, place / Path(name).name))


def boundary_of(word: str) -> Boundary:
    """The boundary called `word`. Raises UsageError."""
    from joulemark.readings import Boundary

    with suppress(ValueError):
        return Boundary(word)
    raise UsageError(f"--boundary {word} is none", f"use one of {', '.join(Boundary)}")


def uncovered(what: str, windows: Sequence[Window], series: Iterable[Series]) -> InsufficientData:
    """What to raise where power does not cover the phases: by how much, and that nothing was written."""
    from joulemark.units import NS_PER_S

    shares = []
    for window in windows:
        spans = [one.integrable().t_ns for one in series if one.meter.quantity.measures_energy]
        seen_ns = max((min(int(t[-1]), window.end_ns) - max(int(t[0]), window.begin_ns) for t in spans if len(t)), default=0)
        share = max(seen_ns, 0) / (window.end_ns - window.begin_ns)
        shares.append(f"{share:.1%} of the {(window.end_ns - window.begin_ns) / NS_PER_S:.3f} s of {window.name}")
    return InsufficientData(
        f"{what}; power was recorded over {', '.join(shares)}; nothing is extrapolated, and nothing was written",
        "give the run that measured it with --run, or power from before the phase until after it with --power",
    )
