"""An operator gives what waits for one collector to another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from joulemark.agent.rehoming import Moved, rehomed
from joulemark.agent.spool import Spool
from joulemark.config import AgentConfig, Config, SpoolConfig
from joulemark.errors import EnvironmentFailed, UsageError
from tests.agent.test_homes import put


def test_what_may_be_stored_is_given_away_only_when_asked_for(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    """Unsent batches move at once; sent ones only with a yes, since the old collector may have them; strangers and typos are refused."""
    path = tmp_path / "spool.db"
    config = Config(agent=AgentConfig(collectors=("b:1", "c:1")), spool=SpoolConfig(path))
    with pytest.raises(UsageError, match="there is no spool"):
        rehomed(config, "a:1", "b:1", accept_duplicates=True)
    spool = opened(path)
    put(spool, "a:1", 3)
    with pytest.raises(EnvironmentFailed, match="another agent uses this spool"):
        rehomed(config, "a:1", "b:1", accept_duplicates=True)
    spool.close()
    for old, new, text in (("x:1", "b:1", "3 for a:1"), ("a:1", "a:1", "none of the configured")):
        with pytest.raises(UsageError) as refused:
            rehomed(config, old, new, accept_duplicates=True)
        assert text in f"{refused.value.what} {refused.value.next_step}"
    assert rehomed(config, "a:1", "b:1", accept_duplicates=False) == Moved(3, 0)
    again = opened(path)
    again.claim((-1, -1), 2, home="b:1")
    again.close()
    with pytest.raises(UsageError, match="2 of the 3 batches were sent to b:1"):
        rehomed(config, "b:1", "c:1", accept_duplicates=False)
    assert rehomed(config, "b:1", "c:1", accept_duplicates=True) == Moved(3, 2)
    assert opened(path).homes.waiting == {"c:1": (3, 2)}
