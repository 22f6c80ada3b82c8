"""A small price list through the bench: memory does not grow with the list, and reading it is quicker than csv.reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.prices.__main__ import MOST_RSS_MB, measured

GROWTH_MB = 10.0
"""What a process may differ by from run to run. A list that is loaded would be at least its own size."""


@pytest.mark.timeout(60)
def test_memory_does_not_grow_with_the_list(tmp_path: Path) -> None:
    """A list of 16 MB takes as much memory as one of 2 MB, the same prices are found, and it is parsed faster than csv.reader reads it."""
    (tmp_path / "small").mkdir()
    small, large = measured(2, tmp_path / "small"), measured(16, tmp_path)
    assert large["rss_mb"] <= min(MOST_RSS_MB, small["rss_mb"] + GROWTH_MB)
    assert (small["records"], large["records"]) == (2, 2)
    assert large["parse_to_csv"] < 1.0
