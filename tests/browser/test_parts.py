"""The parts that look at pages: the load they are looked at with, a recorded terminal, a browser that is not there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from joulemark.errors import EnvironmentFailed
from joulemark.meters import trace_file
from tests.browser import chromium
from tests.browser.terminal import screens
from tests.browser.traces import GPUS, SILENT, Load, written

LENGTH_S = 10.0


def test_the_meters_of_a_node_agree(tmp_path: Path) -> None:
    """What the analyser sees is the sum of the parts with fans and losses; the last GPU is silent for a while, the others never."""
    tables = {one["serial"]: one for one in written(tmp_path, Load(LENGTH_S), start_ns=0)}
    found = {serial: trace_file.load(Path(one["file"])).columns[0].values for serial, one in tables.items()}
    assert len(tables) == GPUS + 3
    assert {one["boundary"] for one in tables.values()} == {"gpu", "package", "server_input", "wall_analyzer"}
    busy = round(0.5 * LENGTH_S * 20)
    parts = sum(found[serial][busy] or 0 for serial in ("CPU", *(f"GPU-{n}" for n in range(GPUS))))
    assert 1.0 < (found["WT332E"][busy] or 0) / parts < 1.2
    silent = [found[f"GPU-{n}"].count(None) for n in range(GPUS)]
    assert silent[:-1] == [0] * (GPUS - 1)
    assert 0 < silent[-1] <= (SILENT[1] - SILENT[0]) * LENGTH_S * 20


def test_a_terminal_is_recorded_screen_by_screen() -> None:
    """What a program draws over itself comes as one text each, without colours."""
    drawing = r"print('\x1b[31mone\x1b[0m', flush=True); print('\x1b[1A\x1b[2Ktwo')"
    assert screens([sys.executable, "-c", drawing], env={}) == ["one", "two"]


def test_a_missing_browser_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Chromium the error says how to install it."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EnvironmentFailed, match="no chromium") as caught:
        chromium.program()
    assert "apt-get install chromium" in caught.value.next_step
