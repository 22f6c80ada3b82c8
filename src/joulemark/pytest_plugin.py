"""Plugin of pytest: the fixture `joulemark_phase` marks a block of a test as a phase of a run, and tells what it took.

Every pytest of an environment loads this module: beside pytest it imports the standard library alone until a test is measured, and
without a named collector it asks nothing and measures nothing.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest

if TYPE_CHECKING:
    from joulemark.client import Client
    from joulemark.counts import Counts
    from joulemark.runs import PhaseKind

LONGEST_NAME: Final = 180
"""Characters of a phase's name; the collector takes 200."""
SUMMARY_S: Final = 5.0
"""The end of the tests waits no longer than this for the last readings."""
NOT_NAMED: Final = "no collector is named; give --joulemark-url URL, or set JOULEMARK_URL"

Result = TypeVar("Result")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--joulemark-url`."""
    about = (
        "Collector that measures the tests with the fixture joulemark_phase; default $JOULEMARK_URL. Without either nothing is measured."
    )
    parser.getgroup("joulemark").addoption("--joulemark-url", metavar="URL", default=None, help=about)


@dataclass
class Measurement:
    """The one run of these tests. `reason`: why nothing is measured, empty where something is. `aborted`: phases that do not count, and
    why. `findings`: what went wrong meanwhile.
    """

    url: str | None
    reason: str = ""
    run_id: str | None = None
    own: bool = False
    names: list[str] = field(default_factory=list)
    aborted: dict[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, config: pytest.Config) -> Measurement:
        """As the options say. Under `joulemark run -- pytest` the run is that one."""
        url = config.getoption("--joulemark-url") or os.environ.get("JOULEMARK_URL") or None
        workers = getattr(config, "workerinput", {}).get("workercount", 1)
        if url is None:
            return cls(None, NOT_NAMED)
        if workers > 1:
            return cls(url, f"{workers} workers test at the same time, whose energies cannot be told apart; run these tests without -n")
        return cls(url, run_id=os.environ.get("JOULEMARK_RUN_ID"))

    def started(self) -> str | None:
        """Id of the run, which the first phase starts; None where nothing is measured."""
        if self.run_id is None and not self.reason:
            self.run_id, self.reason = self.tried(lambda: self.client().start(benchmark="pytest"))
            self.own = self.run_id is not None
        return self.run_id

    def client(self) -> Client:
        """The client of the collector. Raises ConfigError."""
        from joulemark.client import Client

        return Client(self.url)

    def tried(self, attempt: Callable[[], Result]) -> tuple[Result | None, str]:
        """What `attempt` gives, or None and why the collector gives nothing, which is a finding too. No test fails for it."""
        from joulemark.errors import JoulemarkError

        try:
            return attempt(), ""
        except JoulemarkError as error:
            self.findings.append(str(error))
            return None, str(error)

    def heard(self, mark: Callable[[], Result]) -> Result:
        """What `mark` gives; its warnings become findings, also where warnings are errors."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = mark()
        self.findings += [str(one.message) for one in caught]
        return result

    def name(self, test: str, part: str) -> str:
        """A name for a phase that no other of the run has: of the test, then of the part, printable."""
        whole = f"{test}:{part}" if part else test
        base = "".join(mark if mark.isprintable() else "?" for mark in whole)[-LONGEST_NAME:]
        count = sum(name == base or name.startswith(f"{base} #") for name in self.names)
        self.names.append(f"{base} #{count + 1}" if count else base)
        return self.names[-1]


class Phase:
    """What the fixture gives: called, a block that is measured; afterwards its energy."""

    def __init__(self, measurement: Measurement, item: pytest.Item) -> None:
        self._measurement, self._item = measurement, item
        self._names: dict[str, str] = {}
        self._why = ""

    @property
    def reason(self) -> str:
        """Why nothing is measured, or the last `energy` was None; empty as long as there is no such reason."""
        return self._measurement.reason or self._why

    @contextmanager
    def __call__(self, part: str = "", kind: PhaseKind | str = "measured") -> Iterator[Counts]:
        """Measure the block, and set on what it gives how many tokens and requests it had. `part`: which block of several of the test.

        A block that raises is a phase that does not count. Raises ValueError for an unknown kind, and nothing of its own else.
        """
        from joulemark.counts import Counts
        from joulemark.phases import phase
        from joulemark.runs import PhaseKind

        kind, run_id = PhaseKind(kind), self._measurement.started()
        if run_id is None:
            yield Counts()
            return
        name = self._names[part] = self._measurement.name(self._item.nodeid, part)
        marks = phase(name, kind, run_id=run_id, url=self._measurement.url)
        counts = self._measurement.heard(marks.__enter__)
        try:
            yield counts
        except BaseException as error:
            raised = error
            self._measurement.aborted[name] = counts.aborted or type(error).__name__
            self._measurement.heard(lambda: marks.__exit__(type(raised), raised, raised.__traceback__))
            raise
        self._measurement.heard(lambda: marks.__exit__(None, None, None))
        self._item.user_properties += [("joulemark_run_id", run_id), ("joulemark_phase", name)]

    def energy(self, part: str = "", *, boundary: str = "") -> dict[str, Any] | None:
        """The last block of that name as `Client.energy` tells it: `energy_j`, `u95_j`, `joules_per_1k_output_tokens` and more, in J.

        `boundary`: where it was measured, such as gpu; it has to be named where there are several. Waits until the readings have arrived,
        20 s at most. None where there is no energy, and then `reason` says why.
        """
        measurement, run_id, name = self._measurement, self._measurement.run_id, self._names.get(part)
        if run_id is None or name is None:
            self._why = f"no block {part!r} was measured in {self._item.nodeid}"
            return None
        found, why = measurement.tried(lambda: measurement.client().settled_energy(run_id))
        phase, self._why = (None, why) if found is None else chosen(found["phases"], name, boundary)
        if phase is None:
            return None
        self._item.user_properties.append(("joulemark_energy_j" + (f":{part}" if part else ""), phase["energy_j"]))
        return phase


def chosen(phases: Sequence[dict[str, Any]], name: str, boundary: str) -> tuple[dict[str, Any] | None, str]:
    """The one phase of that name that has an energy at that boundary, or at the only one; or None and why there is none."""
    found = [one for one in phases if one["name"] == name and boundary in ("", one["boundary"])]
    if len(found) > 1:
        return None, f"{name} was measured at {', '.join(one['boundary'] for one in found)}; name one of them as boundary"
    if not found or found[0]["energy_j"] is None:
        return None, f"no reading covers {name}" + (f" at {boundary}" if boundary else "")
    return found[0], ""


KEY: Final = pytest.StashKey[Measurement]()


def pytest_configure(config: pytest.Config) -> None:
    """Look up what the options say; the collector is asked nothing before the first phase."""
    config.stash[KEY] = Measurement.of(config)


@pytest.fixture
def joulemark_phase(request: pytest.FixtureRequest) -> Phase:
    """Blocks of the test as phases of a run: called in a `with` statement it gives the counts to set, afterwards it tells the energy."""
    return Phase(request.config.stash[KEY], request.node)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the run that the tests started; one that a command started goes on until the command ends."""
    measurement = session.config.stash[KEY]
    if measurement.own and (run_id := measurement.run_id) is not None:
        measurement.tried(lambda: measurement.heard(lambda: measurement.client().stop(run_id)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what each phase took, or why that is not known."""
    measurement = config.stash[KEY]
    if measurement.names:
        terminalreporter.section("joulemark")
        for line in lines(measurement):
            terminalreporter.write_line("".join(mark if mark.isprintable() else "?" for mark in line))
    elif measurement.findings:
        terminalreporter.write_line(f"joulemark: nothing was measured: {measurement.findings[0]}")


def lines(measurement: Measurement) -> Iterator[str]:
    """The run, its phases with their energies in J, and what went wrong."""
    run_id = measurement.run_id
    if run_id is None:
        return
    found, _ = measurement.tried(lambda: measurement.client().settled_energy(run_id, limit_s=SUMMARY_S))
    yield f"run {run_id} at {measurement.url}"
    for name in measurement.names:
        phases = [one for one in (found or {"phases": []})["phases"] if one["name"] == name and one["energy_j"] is not None]
        lost = f" (does not count: {measurement.aborted[name]})" if name in measurement.aborted else ""
        yield from (f"{name}: {told(one)}{lost}" for one in phases) if phases else [f"{name}: energy not known{lost}"]
    yield from dict.fromkeys(measurement.findings)


def told(phase: dict[str, Any]) -> str:
    """The energy of a phase at one boundary in words."""
    from joulemark.energy.uncertainty import displayed

    energy_j, u95_j, each = phase["energy_j"], phase["u95_j"], phase["joules_per_1k_output_tokens"]
    shown = f"{energy_j:.6g} J" if u95_j is None else "{} +- {} J".format(*displayed(energy_j, u95_j))
    return f"{shown} at {phase['boundary']}" + ("" if each is None else f", {each:.6g} J per 1k output tokens")
