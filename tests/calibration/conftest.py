"""The numbers of the standard's worked example."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def worked() -> dict[str, Any]:
    text = (Path(__file__).parents[1] / "data" / "worked_example.json").read_text(encoding="utf-8")
    return dict(json.loads(text))
