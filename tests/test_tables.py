"""Tables of TOML: what fills a dataclass, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from joulemark.errors import ConfigError
from joulemark.readings import Boundary
from joulemark.tables import build


@dataclass(frozen=True)
class Driver:
    """A driver's own keys."""

    host: str
    boundary: Boundary = Boundary.PSU_INPUT
    channels: tuple[int, ...] = ()
    password_file: Path | None = None
    labels: dict[str, str] | None = None


def test_driver_keys_are_built_with_their_types() -> None:
    """Enum texts, lists, optional paths and tables of a driver's own dataclass are converted."""
    built = build(Driver, {"host": "h", "boundary": "server_input", "channels": [1, 2], "password_file": "p", "labels": {"a": "b"}}, "m")
    assert built == Driver("h", Boundary.SERVER_INPUT, (1, 2), Path("p"), {"a": "b"})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "missing host"),
        ({"host": "h", "boundary": "moon"}, "use one of gpu"),
        ({"host": "h", "channels": 1}, "is not a list"),
        ({"host": "h", "channels": ["1"]}, "is not int"),
        ({"host": "h", "labels": 1}, "is not a table"),
        ({"host": "h", "hots": "h"}, "did you mean 'host'"),
    ],
)
def test_driver_keys_are_checked(data: dict[str, Any], said: str) -> None:
    """A missing, misspelled or mistyped key of a driver is refused with the step that mends it."""
    with pytest.raises(ConfigError, match=said):
        build(Driver, data, "[[meter]] ipmi")
