from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from joulemark.meters import registry
from tests.meters.conformance import CHECKS, Check
from tests.meters.live import LIVE
from tests.meters.living.base import Living


@pytest.fixture
def device(kind: str, tmp_path: Path) -> Iterator[Living]:
    with LIVE[kind].live(tmp_path) as living:
        yield living


def test_every_registered_kind_is_checked() -> None:
    """Each kind that Joulemark registers has a living device in the suite."""
    own = {kind for kind, entry in registry.kinds().items() if entry.value.startswith("joulemark.")}
    assert own == set(LIVE)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", sorted(LIVE))
def test_lifecycle(kind: str, device: Living, check: Check) -> None:
    """Every kind keeps the lifecycle contract of `meters/base.py`, or its stage says why it cannot be asked to."""
    reason = device.exempt.get(check.__name__)
    if reason is None:
        check(kind, device)
    else:
        assert len(reason) > 20, "an exemption says why"
