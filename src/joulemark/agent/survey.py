"""Looks at the host beside its meters: what is in it, how it is set, and what runs on it that is not the benchmark.

A look takes milliseconds in a thread of its own, so that no read waits for it. What the machine does not tell, or not to this user,
stays empty; what no machine can tell, the operator states in the file `agent.node_file`.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from joulemark import __version__, build, document, foreign
from joulemark.agent import machine
from joulemark.agent.processes import Processes
from joulemark.errors import ConfigError, FormatError
from joulemark.node import Build, Component, Node, Nodes, Overhead, Settings, Survey
from joulemark.proto import messages
from joulemark.timebase import Clock

if TYPE_CHECKING:
    from joulemark.meters.nvml_survey import GpuSurvey

log = logging.getLogger("joulemark.agent")

PERIOD_S: Final = 30.0
LAST_S: Final = 1.0
"""How long the end of the agent waits for a look in progress."""
MAX_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Stated:
    """What the operator says in `agent.node_file`: the node, settings that no program reads, and what else takes part."""

    node: Mapping[str, Any] | None = None
    settings: Mapping[str, str] | None = None
    participating: int | None = None
    components: tuple[Component, ...] | None = None
    overheads: tuple[Overhead, ...] = ()


def stated(path: Path | None, host: str) -> Nodes:
    """The nodes as the file at `path` states them; the host alone where there is none. Raises ConfigError."""
    import tomllib

    if path is None:
        return Nodes((Node(host),))
    try:
        data = tomllib.loads(foreign.text(path, max_bytes=MAX_BYTES, errors="strict"))
        own = {key: value for key, value in data.items() if key not in ("node", "settings")}
        node = document.record(Node, {"host": host, **data.get("node", {})}, where="node")
        settings = document.record(Settings, {"t_ns": 0, "values": data.get("settings", {})}, where="settings")
        return replace(document.record(Nodes, own, where=str(path)), nodes=(replace(node, settings=(settings,)),))
    except FormatError as error:
        raise ConfigError(f"agent.node_file {path}: {error.what}", "see joulemark config default for its keys") from error
    except (ValueError, TypeError) as error:
        raise ConfigError(f"agent.node_file {path} is not valid TOML: {error}", "mend the line it names") from error


class Surveyor:
    """A thread that looks at the start, when it is told to, and every PERIOD_S; `tell` gets each look."""

    def __init__(
        self,
        *,
        known: Nodes,
        processes: Processes,
        clock: Clock,
        tell: Callable[[messages.Survey], None],
        gpus: Callable[[], GpuSurvey | None] = lambda: None,
    ) -> None:
        """`known`: what is stated, of one node. `gpus`: what tells of the GPUs, and nothing where there are none."""
        self._known, self._processes, self._clock, self._tell, self._gpus = known, processes, clock, tell, gpus
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="survey", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def look_now(self) -> None:
        """Look as soon as the look in progress is done."""
        self._wake.set()

    def stop(self) -> None:
        """Look no more; a look that hangs in a driver is left behind."""
        self._stopping = True
        self._wake.set()
        self._thread.join(LAST_S)

    def look(self) -> messages.Survey:
        """The host as it is now."""
        mono_ns, t_ns = self._clock.mono_ns(), self._clock.utc_ns()
        gpus, (own,) = self._gpus(), self._known.nodes
        found = machine.seen()
        said = own.settings[0].values if own.settings else {}
        values = {**found.settings, **({} if gpus is None else gpus.settings), **said}
        strangers = self._processes.foreign(t_ns, None if gpus is None else gpus.processes)
        node = replace(found.node, host=own.host)
        if gpus is not None:
            node = replace(node, gpus=gpus.gpus, driver=gpus.driver, cuda=gpus.cuda)
        node = replace(node.completed(own), settings=(Settings(t_ns, values),), surveys=(Survey(t_ns, strangers),))
        builds = (Build("agent", own.host, __version__, build.source_sha256()),)
        text = json.dumps(replace(self._known, nodes=(node,), builds=builds).to_json(), separators=(",", ":"))
        return messages.Survey(text, mono_ns)

    def _run(self) -> None:
        while not self._stopping:
            try:
                survey = self.look()
            except OSError as error:
                log.warning("the host cannot be looked at: %s", error)
            else:
                if len(survey.text) <= messages.MAX_SURVEY_JSON:
                    self._tell(survey)
                else:
                    log.warning("what is known of this host has %d characters, above the limit; it is not sent", len(survey.text))
            self._wake.wait(PERIOD_S)
            self._wake.clear()
