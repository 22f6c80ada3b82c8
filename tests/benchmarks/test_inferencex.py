"""InferenceX: an aggregate has no time, so it is refused, and that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulemark import benchmarks
from joulemark.errors import FormatError

AGGREGATE = "agg_kimik2.5_1k1k_mi355x_conc4.json"


@pytest.mark.parametrize("tool", [None, "inferencex"])
def test_an_aggregate_is_refused_with_what_to_do(corpus: Path, tool: str | None) -> None:
    """The recorded aggregate tells rates alone: no begin, no end, no tokens; the command that measures is named."""
    with pytest.raises(FormatError, match=r"without a begin, an end or a count of tokens.*joulemark run --"):
        benchmarks.read(corpus / "bench" / "inferencex" / AGGREGATE, tz=None, tool=tool)


def test_what_it_was_made_from_is_not_its(corpus: Path) -> None:
    """The result of vLLM beside the aggregate is left to its own reader."""
    (reader,) = (reader for reader in benchmarks.READERS if reader.NAME == "inferencex")
    assert [path.name for path in reader.places(corpus / "bench" / "inferencex")] == [AGGREGATE]
