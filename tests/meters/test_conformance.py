from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from joulemark.config import MeterTable
from joulemark.meters import registry
from joulemark.meters.base import Meter
from tests.meters.conformance import CHECKS
from tests.meters.live import LIVE


@pytest.fixture(params=sorted(LIVE))
def meter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Meter]:
    kind = request.param
    with LIVE[kind](tmp_path) as options:
        [built] = registry.build([MeterTable(kind, options)], host="node1")
        yield built
        built.close()


def test_every_registered_kind_is_checked() -> None:
    """Each kind that Joulemark registers has a living device in the suite."""
    own = {kind for kind, entry in registry.kinds().items() if entry.value.startswith("joulemark.")}
    assert own == set(LIVE)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_lifecycle(meter: Meter, check: Callable[[Meter], None]) -> None:
    """Every kind keeps the lifecycle contract of `meters/base.py`."""
    check(meter)
