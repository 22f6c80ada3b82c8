"""Our own runs come back as written; a time that is none is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from joulemark import benchmarks
from joulemark.errors import FormatError
from joulemark.runs import PhaseKind, Run, Tokens, Window

OWN = Run((Window("decode", PhaseKind.MEASURED, 1000, 2000, 5, Tokens(input=3, output=4), 2, 0),), benchmark="mine", run_id="r")


def test_own_run_comes_back_as_written(tmp_path: Path) -> None:
    """`energy/phases.json` of a bundle, found from the bundle's folder or named itself, is the run that wrote it."""
    path = tmp_path / "energy" / "phases.json"
    path.parent.mkdir()
    path.write_text(json.dumps(OWN.to_json()))
    assert benchmarks.read(tmp_path, tz=None) == OWN
    assert benchmarks.read(path, tz=None) == OWN


@pytest.mark.parametrize("begin", [1.5, "soon", -1, 2**70, None])
def test_own_run_with_a_time_that_is_none_is_refused(tmp_path: Path, begin: object) -> None:
    """Edges of a phase are integers of nanoseconds since 1970: anything else raises FormatError."""
    data = OWN.to_json()
    data["phases"][0]["begin_ns"] = begin
    (tmp_path / "phases.json").write_text(json.dumps(data))
    with pytest.raises(FormatError):
        benchmarks.read(tmp_path, tz=None)
