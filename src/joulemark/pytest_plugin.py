"""Plugin of pytest: the fixture `joulemark_phase` marks a block of a test as a phase of a run, and tells what it took.

Every pytest of an environment loads this module: beside pytest it imports the standard library alone until a test is measured, and
without a named collector it asks nothing and measures nothing.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
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
    """The one run of these tests. `reason`: why nothing is measured, empty where something is. `findings`: what went wrong meanwhile."""

    url: str | None
    reason: str = ""
    run_id: str | None = None
    own: bool = False
    names: list[str] = field(default_factory=list)
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
            self.run_id = self.tried(lambda: self.client().start(benchmark="pytest"))
            self.own = self.run_id is not None
        return self.run_id

    def client(self) -> Client:
        """The client of the collector. Raises ConfigError."""
        from joulemark.client import Client

        return Client(self.url)

    def tried(self, attempt: Callable[[], Result]) -> Result | None:
        """What `attempt` gives; None where the collector gives nothing, and then `reason` says why. No test fails for it."""
        from joulemark.errors import JoulemarkError

        try:
            return attempt()
        except JoulemarkError as error:
            self.reason = str(error)
            self.findings.append(str(error))
            return None

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

    @property
    def reason(self) -> str:
        """Why there is no energy; empty as long as there is no such reason."""
        return self._measurement.reason

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
            measurement.reason = measurement.reason or f"no block {part!r} was measured in {self._item.nodeid}"
            return None
        found = measurement.tried(lambda: measurement.client().settled_energy(run_id)) or {"phases": []}
        phases: list[dict[str, Any]] = [one for one in found["phases"] if one["name"] == name and boundary in ("", one["boundary"])]
        if len(phases) != 1 or phases[0]["energy_j"] is None:
            places = ", ".join(one["boundary"] for one in phases)
            several = f"measured at {places}; name one of them as boundary"
            measurement.reason = measurement.reason or (several if len(phases) > 1 else f"no reading covers {name}")
            return None
        self._item.user_properties.append(("joulemark_energy_j" + (f":{part}" if part else ""), phases[0]["energy_j"]))
        return phases[0]


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
    found = measurement.tried(lambda: measurement.client().settled_energy(run_id, limit_s=SUMMARY_S)) or {"phases": []}
    yield f"run {run_id} at {measurement.url}"
    for name in measurement.names:
        phases = [one for one in found["phases"] if one["name"] == name and one["energy_j"] is not None]
        yield from (f"{name}: {told(one)}" for one in phases) if phases else [f"{name}: energy not known"]
    yield from dict.fromkeys(measurement.findings)


def told(phase: dict[str, Any]) -> str:
    """The energy of a phase at one boundary in words."""
    u95 = "" if phase["u95_j"] is None else f" +- {phase['u95_j']:.3g} J"
    each = phase["joules_per_1k_output_tokens"]
    return f"{phase['energy_j']:.6g} J{u95} at {phase['boundary']}" + ("" if each is None else f", {each:.6g} J per 1k output tokens")
