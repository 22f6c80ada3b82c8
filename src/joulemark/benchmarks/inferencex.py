"""InferenceX (InferenceMAX) `agg_*.json`: rates per GPU without any time, so there is nothing to integrate and it is refused.

What it aggregates, the result of vLLM's benchmark, has a time and its own reader.
"""

from __future__ import annotations

from datetime import tzinfo
from pathlib import Path
from typing import Final

from joulemark import foreign
from joulemark.errors import FormatError
from joulemark.runs import Run

NAME: Final = "inferencex"
MARKS: Final = ('"tput_per_gpu"', '"output_tput_per_gpu"', '"hw"')


def places(root: Path) -> list[Path]:
    """The aggregates under `root`."""
    return [path for path in foreign.files(root, "*.json") if foreign.mentions(path, *MARKS)]


def read(place: Path, *, tz: tzinfo | None) -> Run:
    """Raises FormatError: an aggregate tells neither when it ran, nor how long, nor how many tokens."""
    raise FormatError(
        f"{place} is an aggregate of InferenceX: rates per GPU, without a begin, an end or a count of tokens",
        "give the result file of the serving benchmark that it was made from, or run that under: joulemark run -- COMMAND",
    )
