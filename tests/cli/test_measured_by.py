"""Where the energy of an attached card comes from: options that exclude each other, and how much a refused power covers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from joulemark.cards import attached
from joulemark.cards.attached import Place
from joulemark.cli.measured_by import Measurement, boundary_of, power_logs, uncovered
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData, NotCompliant, RemoteUnreachable, UsageError
from joulemark.readings import Boundary
from joulemark.runs import PhaseKind, Window
from tests.interop import openaiperf_bundles as made
from tests.kit.lab import Lab, write
from tests.kit.small import POWER

NS = 1_000_000_000


def found(source: Measurement, folder: Path) -> None:
    at = Place.of(folder)
    source.found(at, attached.originals(at))


def test_how_much_is_covered() -> None:
    """The share of each phase from the first to the last reading is told, 0 % where none lies in it, and that nothing was written."""
    series = Series.plain(POWER, np.arange(8) * NS, np.full(8, 2857))
    windows = [Window(name, PhaseKind.MEASURED, begin * NS, end * NS) for name, begin, end in (("a", 2, 11), ("b", 20, 21))]
    error = uncovered("x", windows, [series])
    assert isinstance(error, InsufficientData)
    assert "55.6% of the 9.000 s of a, 0.0% of the 1.000 s of b; nothing is extrapolated, and nothing was written" in str(error)


def test_a_boundary_is_one_of_the_known(tmp_path: Path) -> None:
    """A word is a boundary or is refused with the list."""
    assert boundary_of("outlet") is Boundary.OUTLET
    with pytest.raises(UsageError, match=r"--boundary moon is none.*wall_analyzer"):
        boundary_of("moon")


def test_a_log_that_stands_aside_has_its_name(tmp_path: Path) -> None:
    """The benchmark's own power log is found under its name wherever it lies, and other files are no power logs."""
    folder = made.bundle(tmp_path, {**made.site_seed(), "spl.txt": "x"})
    (folder / "system.log").rename(folder / "aside.log")
    own = attached.originals(Place.of(folder))
    moved = {**own, "system.log": attached.Original("system.log", folder / "aside.log", own["aside.log"].sha256)}
    (tmp_path / "place").mkdir()
    assert [path.name for path in power_logs(moved, tmp_path / "place")] == ["spl.txt", "system.log"]


def test_no_power_at_all(tmp_path: Path) -> None:
    """A bundle without any power says what to give."""
    with pytest.raises(InsufficientData, match=r"holds no power log\. give the run.*--run"):
        found(Measurement(), made.bundle(tmp_path, made.ob_tools()))


def test_a_run_is_not_mixed_with_recorded_power(tmp_path: Path) -> None:
    """Options of recorded power beside --run are refused by name."""
    folder = made.bundle(tmp_path, made.docs())
    for more in ({"power": (folder,)}, {"price": folder}, {"labels": ("a=b",)}, {"accuracy": "1W"}, {"boundary": "outlet"}):
        with pytest.raises(UsageError, match=f"--{next(iter(more))} is for recorded power"):
            found(Measurement(run="r", **more), folder)  # type: ignore[arg-type]  # one option at a time


def test_a_run_that_does_not_hold(tmp_path: Path) -> None:
    """The bundle of a run whose files are not those of its manifest is not attached."""
    run = write(tmp_path / "run", Lab.of("ES1", seed=5).evidence())
    (run / "energy/clock.json").write_text("{}")
    with pytest.raises(NotCompliant, match=r"does not hold: energy/clock\.json"):
        found(Measurement(run=str(run)), made.bundle(tmp_path, made.four_cards_one_log()))


def test_a_packed_bundle_of_a_run(tmp_path: Path) -> None:
    """A run as the collector gives it, a ZIP, is the same evidence as its folder."""
    run = write(tmp_path / "run", Lab.of("ES1", seed=5).evidence())
    folder = made.bundle(tmp_path, made.four_cards_one_log())
    packed = Path(shutil.make_archive(str(tmp_path / "run-1"), "zip", run))
    at = Place.of(folder)
    both = [Measurement(run=str(one)).found(at, attached.originals(at)) for one in (run, packed)]
    assert both[0].files == both[1].files
    assert both[0].files["energy/chain.json"] == (run / "energy/chain.json").read_bytes()


def test_a_collector_that_is_away(tmp_path: Path) -> None:
    """An id of a run is asked of the collector, and one that does not answer is said."""
    with pytest.raises(RemoteUnreachable):
        found(Measurement(run="run-1", url="http://127.0.0.1:9"), made.bundle(tmp_path, made.docs()))


@pytest.mark.parametrize("label", ["x", "=x", "x="])
def test_labels_are_pairs(label: str) -> None:
    """A label without a name or a text is refused."""
    with pytest.raises(UsageError, match="has no value"):
        Measurement(labels=(label,)).labelled()
    assert Measurement(labels=("a=b=c",)).labelled() == {"a": "b=c"}
