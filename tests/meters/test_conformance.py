from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from joulemark.meters import registry
from tests.meters.conformance import CHECKS, DISTURBING, Check
from tests.meters.live import LIVE
from tests.meters.living.base import Living


@pytest.fixture(scope="module")
def undisturbed(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    """A living device for all checks that only read it."""
    with LIVE[kind].live(tmp_path_factory.mktemp(kind)) as living:
        yield living


@pytest.fixture
def device(kind: str, check: Check, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Living]:
    """A living device: one of its own for a check that does something to it."""
    if check in DISTURBING:
        with LIVE[kind].live(tmp_path) as living:
            yield living
    else:
        yield request.getfixturevalue("undisturbed")


def test_every_registered_kind_is_checked() -> None:
    """Each kind that Joulemark registers has a living device in the suite."""
    own = {kind for kind, entry in registry.kinds().items() if entry.value.startswith("joulemark.")}
    assert own == set(LIVE)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", sorted(LIVE), scope="module")
def test_lifecycle(kind: str, device: Living, check: Check) -> None:
    """Every kind keeps the lifecycle contract of `meters/base.py`, or its stage says why it cannot be asked to."""
    reason = device.exempt.get(check.__name__)
    if reason is None:
        check(kind, device)
    else:
        assert len(reason) > 20, "an exemption says why"
