"""Stage of the kind `scpi`: a simulated analyser on a raw socket. A golden case says in `dialogue.txt` what it answers to each question."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.meters.living.base import Living, Options
from tests.standins.scpi_bench import Bench, bench
from tests.standins.scpi_standin import Analyser

DEADLINE_S = 1.0


class Recorded(Analyser):
    """An analyser that answers the lines of a file: a question, then ` -> `, then its answer; commands have no line and no answer."""

    def __init__(self, dialogue: Path) -> None:
        super().__init__()
        lines = [line for line in dialogue.read_text(encoding="ascii").splitlines() if " -> " in line]
        self._dialogue = dict(line.split(" -> ", 1) for line in lines)

    def answer(self, message: str) -> str | None:
        return self._dialogue.get(message)


def options(standin: Bench) -> Options:
    return {"resource": standin.socket_resource, "deadline_s": DEADLINE_S}


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    with bench() as standin:
        yield Living(
            {**options(standin), "integrate": True},
            unplug=standin.stop,
            replug=standin.start,
            hang=standin.hang,
            resume=standin.resume,
            set_power_w=standin.analyser.set_power_w,
            deadline_s=DEADLINE_S,
            exempt={"a_refused_credential_is_told": "an analyser on a socket or VXI-11 asks for no name and no password"},
        )


@contextmanager
def recorded(case: Path, folder: Path) -> Iterator[Options]:
    with bench(Recorded(case / "dialogue.txt")) as standin:
        yield {**options(standin), **tomllib.loads((case / "options.toml").read_text(encoding="utf-8"))}
